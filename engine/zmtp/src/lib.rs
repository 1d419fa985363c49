//! The ZMTP wire protocol, versions 1.0 to 3.1, without I/O.
//!
//! Nothing in this crate opens a socket, reads a clock, starts a thread or draws a random number. Bytes
//! and the current time go in; bytes, events and deadlines come out. That makes every rule of the protocol
//! testable one byte at a time, and lets the simulator drive the shipped code.
//!
//! A connection passes through three stages, each with its own room:
//!
//! 1. [`handshake`]: greeting and version detection ([`greeting`]), then the security [`mechanism`] and
//!    the exchange of properties ([`metadata`]). Ends in an [`handshake::Established`].
//! 2. Traffic: [`framing`] finds message boundaries in what arrived, [`command`] reads the frames that are
//!    not messages, [`heartbeat`] decides when to ping and when to give up.
//! 3. For peers older than 3.1, [`legacy`] translates between their bytes and the 3.1 form used inside the
//!    engine.
//!
//! Rules that hold everywhere:
//!
//! * Bytes from a peer never panic and never make us reserve more memory than has arrived or than a stated
//!   limit allows. What they can cause is an error value that ends one connection.
//! * Time is a `u64` count of nanoseconds on a monotonic clock of the caller's choice, passed as `now_ns`.
//! * Numbers on the wire are big-endian.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod command;
pub mod error;
pub mod framing;
pub mod greeting;
pub mod handshake;
pub mod heartbeat;
pub mod legacy;
pub mod mechanism;
pub mod metadata;
pub mod socket_type;

pub use socket_type::SocketType;
