//! PGM, the reliable multicast of RFC 3208, without I/O.
//!
//! Nothing in this crate reads a socket, a clock or the system's randomness: bytes go in, values
//! come out, and the other way round. That lets the same code run under every driver and inside
//! the simulator.
//!
//! What is here so far is the bottom layer:
//!
//! - [`wire`]: every packet and option, as views into the received bytes and as builders into a
//!   caller's buffer.
//! - [`sqn`]: 32-bit sequence numbers that wrap.
//! - [`tsi`]: the name of a source, echoed in each of its packets.

#![forbid(unsafe_code)]

pub mod sqn;
pub mod tsi;
pub mod wire;

pub use sqn::Sqn;
pub use tsi::{Gsi, Tsi};
