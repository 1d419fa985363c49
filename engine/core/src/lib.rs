//! Pipes, socket patterns, the I/O loop and the context of Zeroring. Knows transports only as a trait.
//!
//! The path of a message, and the room where each step lives:
//!
//! | down | room | and back up |
//! | --- | --- | --- |
//! | check, wait for room | [`socket`] | wait for a message, drive the connections |
//! | choose pipes, wrap | [`pattern`] | choose a pipe, filter, unwrap |
//! | frame, count, publish | [`pipe`] | cut out in place, return credit |
//! | gather, write | [`io::link`] | scan, publish whole messages |
//! | connect, accept, flush, time out | [`io::event_loop`] | handshake, read for sockets that are away |
//!
//! inproc ends at the pipe. Transports and drivers plug in at [`io::transport`] and [`io::driver`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod context;
pub mod endpoint;
pub mod error;
pub mod io;
pub mod monitor;
pub mod options;
pub mod pattern;
pub mod pipe;
pub mod poll;
pub mod socket;

pub use zeroring_zmtp::socket_type::SocketType;
