//! Our sockets among libzmq's: every pattern, either side in either role, over tcp and ipc, on both drivers.
//!
//! The other side is `tests/interop/peer.py`, a process with pyzmq. It runs with the libzmq that pyzmq brings, and in a
//! core subset with the one the system has. What messages contain follows from their number, so both sides check every
//! byte. No test sleeps: each wait is for a line, a message or an event, and has a deadline.

#[macro_use]
#[path = "interop/support.rs"]
mod support;

#[path = "interop/content.rs"]
mod content;
#[path = "interop/heartbeats.rs"]
mod heartbeats;
#[path = "interop/killed.rs"]
mod killed;
#[path = "interop/matrix.rs"]
mod matrix;
#[path = "interop/monitoring.rs"]
mod monitoring;
#[path = "interop/peer.rs"]
mod peer;
#[path = "interop/reconnect.rs"]
mod reconnect;
#[path = "interop/roles.rs"]
mod roles;
#[path = "interop/same_events.rs"]
mod same_events;
#[path = "interop/stream.rs"]
mod stream;
