//! A messaging engine that speaks ZeroMQ.
//!
//! Sockets of this crate talk to any program that speaks ZMTP (libzmq and every binding of it, JeroMQ, zeromq.js …) and
//! behave as libzmq's do, option by option. What a call does when it has to wait, when a queue is full or when a peer
//! goes away is written at the call, together with the libzmq option or the ZeroMQ RFC it follows.
//!
//! # Quick start
//!
//! A [`Context`] holds the I/O threads; a [`Socket`] is made from it with its type as a type parameter, so that a
//! socket that cannot receive has no `recv`.
//!
//! ```
//! use zeroring::{Context, Rep, Req};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let context = Context::new();
//! let server = context.socket::<Rep>()?;
//! let endpoint = server.bind("tcp://127.0.0.1:*")?; // the system chooses a port
//!
//! let client = context.socket::<Req>()?;
//! client.connect(&endpoint)?;
//! client.send("Hello")?;
//!
//! assert_eq!(server.recv()?, "Hello");
//! server.send("World")?;
//! assert_eq!(client.recv()?, "World");
//! # Ok(())
//! # }
//! ```
//!
//! # Where to find what
//!
//! | you want to | look at |
//! | --- | --- |
//! | choose threads, processors, the kernel interface | [`ContextBuilder`] |
//! | know what each socket type does | [`kind`] |
//! | send and receive, with or without waiting | [`Socket`] |
//! | tune queues, timeouts, reconnects, tcp | the `set_…` methods of [`Socket`] |
//! | send several parts at a time | [`Multipart`] |
//! | wait for several sockets and descriptors | [`Poller`], or [`Socket::event_fd`] in an event loop of your own |
//! | forward between sockets | [`proxy`](fn@proxy) |
//! | see connections come and go | [`Monitor`] |
//! | know why a call failed | [`error`] |
//!
//! # Threads
//!
//! A context may be used from any thread. A socket belongs to one thread at a time: it can be moved to another, but not
//! shared; the compiler checks both.
//!
//! # Ending
//!
//! Messages that were sent but have not left yet keep their context alive for as long as the socket's
//! [linger](Socket::set_linger) says, by default for ever. The wait happens in [`Context::term`], or when the last handle
//! of the context and the last of its sockets are dropped.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod context;
pub mod error;
pub mod kind;
pub mod message;
pub mod monitor;
pub mod poller;
pub mod proxy;
mod runtime;
pub mod socket;

pub use context::{Context, ContextBuilder};
pub use error::{EndpointFault, OptionError, OptionFault, RecvError, SendError, SocketError};
pub use kind::{
    Dealer, Dyn, Pair, Pub, Pull, Push, Rep, Req, Router, SocketType, Stream, Sub, XPub, XSub,
};
pub use message::{Bytes, IntoMessage, Message, Multipart, PartRef};
pub use monitor::{Event, EventKind, Monitor, What};
pub use poller::{Events, Poller, Ready};
pub use proxy::{proxy, steerable_proxy};
pub use socket::{AnySocket, Received, Socket, Timeout};
pub use zeroring_core::options::{DriverChoice, WaitPolicy};
