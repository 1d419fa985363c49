//! What a driver is to the engine: readiness or bytes for registered objects, a bounded wait, and a way to end it.
//!
//! Three drivers implement it: io_uring, epoll and the simulator. The I/O loop cannot tell them apart; a driver either
//! says "readable" and lets the link read, or reads by itself into its own buffers and hands over the bytes.
//!
//! # Contract
//!
//! * A [`Token`] is never used twice in one driver's life, so an event that was under way when its object went is
//!   recognised as stale.
//! * Interest is level-triggered as far as the loop sees: while READ is wanted and bytes are there, `wait` reports it
//!   again. Write interest is one-shot: one [`Event::Writable`] and it is gone.
//! * After READ was taken away, no [`Event::Received`] follows the [`Event::Paused`] that answers it. Every
//!   `set_read(token, false)` is answered by exactly one `Paused` (unless the token is deregistered first).
//! * After `deregister` no event for the token is delivered, and the driver has let go of (or keeps privately alive,
//!   until the kernel is done with it) everything the kernel may still touch.
//! * `wait` returns early when the waker of [`Driver::os_wake`] was used, also if that happened before the call.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use zeroring_base::Bytes;
use zeroring_base::wake::OsWake;

use super::transport::{Connecting, Listener, Stream};

/// Names a registered object to its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// What a driver has to tell.
#[derive(Debug)]
pub enum Event {
    /// Bytes, an end of stream or an error can be read from the stream.
    Readable(Token),
    /// The driver read these bytes itself. They follow the earlier ones of the same token.
    Received(Token, Bytes),
    /// The driver saw the end of the stream.
    Closed(Token),
    /// The driver's read failed.
    Failed(Token, io::Error),
    /// Reading stopped, as asked for by `set_read(token, false)`.
    Paused(Token),
    /// The stream takes bytes again, or the connection attempt is decided. Comes once per `want_write`.
    Writable(Token),
    /// The listener has a connection to accept.
    Acceptable(Token),
}

/// Moves events between the kernel (or the simulated network) and one I/O loop.
pub trait Driver: Send {
    /// `io_uring`, `epoll` or `sim`.
    fn name(&self) -> &'static str;

    /// Registers a stream; wants READ from the start if `read`.
    fn add_stream(&mut self, token: Token, stream: &Arc<dyn Stream>, read: bool) -> io::Result<()>;

    /// Registers a listener; reports connections until deregistered.
    fn add_listener(&mut self, token: Token, listener: &Arc<dyn Listener>) -> io::Result<()>;

    /// Registers a connection attempt; one [`Event::Writable`] follows.
    fn add_connecting(&mut self, token: Token, connecting: &dyn Connecting) -> io::Result<()>;

    /// Wants, or no longer wants, to read from a stream.
    fn set_read(&mut self, token: Token, read: bool);

    /// Wants one [`Event::Writable`] for a stream.
    fn want_write(&mut self, token: Token);

    /// Stops accepting for a while (`pause`), so that a listener without descriptors does not spin, or goes on.
    fn pause_listener(&mut self, token: Token, pause: bool);

    /// Forgets a token.
    fn deregister(&mut self, token: Token);

    /// Appends what happened to `events`; waits up to `timeout` (`None`: for ever) if nothing did.
    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()>;

    /// Ends a `wait` from another thread.
    fn os_wake(&self) -> Box<dyn OsWake>;
}
