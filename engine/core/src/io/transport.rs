//! What a transport is to the engine: a way to listen, to connect, and to move bytes. Nothing here names one.
//!
//! # Life cycle
//!
//! | call | thread | may block? | errors |
//! | --- | --- | --- | --- |
//! | [`Transport::bind`] | application | name resolution only | reported to the caller of `bind` |
//! | [`Transport::check_connect`] | application | never | reported to the caller of `connect` |
//! | [`Transport::connect`] | I/O, or a resolver thread if [`Transport::must_resolve`] | name resolution and proxies only | attempt failed: retried |
//! | [`Connecting::finish`] | I/O | never | attempt failed: retried |
//! | [`Listener::accept`] | I/O | never | ACCEPT_FAILED event, listener stays |
//! | [`Stream::try_recv`], [`Stream::try_send`] | any, one at a time per direction | never | connection is over |
//! | [`Stream::finish_writing`], [`Stream::undelivered_bytes`] | I/O | never | connection is over |
//! | drop | any | never | – |
//!
//! Everything is closed by dropping it. A stream is shared by reference count: its descriptor stays open until the
//! driver, the link and a waiting application thread have all let go of it.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::options::SocketOptions;

/// What a driver needs to know a stream, listener or connection attempt by.
#[derive(Clone, Copy, Debug)]
pub enum Handle<'a> {
    /// A descriptor of the kernel.
    Fd(BorrowedFd<'a>),
    /// An object of the simulated network.
    Sim(u64),
}

impl Handle<'_> {
    /// The descriptor number that monitor events carry; a simulated object's number otherwise.
    pub fn number(&self) -> i32 {
        match self {
            Handle::Fd(fd) => std::os::fd::AsRawFd::as_raw_fd(fd),
            Handle::Sim(id) => *id as i32,
        }
    }
}

/// Names of a connection, for monitor events, metadata and logs.
///
/// ```
/// use zeroring_core::io::transport::StreamInfo;
/// fn is_local(stream: &StreamInfo) -> bool {
///     stream.remote_endpoint.starts_with("ipc://") || stream.peer_address == "127.0.0.1"
/// }
/// assert!(!is_local(&StreamInfo::default()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamInfo {
    /// Our own end, as an endpoint (`tcp://127.0.0.1:4711`, `ipc:///run/x`); may be empty if unknown.
    pub local_endpoint: String,
    /// The other end, as an endpoint.
    pub remote_endpoint: String,
    /// The `Peer-Address` property: numeric address without port for tcp, `localhost:UID:GID:PID` for ipc.
    pub peer_address: String,
}

/// One connected, non-blocking byte stream.
pub trait Stream: Send + Sync + 'static {
    /// Reads what is there into `buf`. `Ok(0)` means the peer closed; `WouldBlock` means nothing is there now.
    fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes as much of `ranges` as fits. `WouldBlock` means nothing fits now.
    fn try_send(&self, ranges: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Tells the peer that nothing more is sent; what the peer sends can still be read. An error means that the stream is
    /// broken.
    fn finish_writing(&self) -> io::Result<()>;

    /// After [`finish_writing`](Self::finish_writing): how many of the bytes sent are not with the peer's system yet.
    fn undelivered_bytes(&self) -> io::Result<usize>;

    /// What a driver or a poll knows it by.
    fn handle(&self) -> Handle<'_>;

    /// Its names.
    fn info(&self) -> &StreamInfo;
}

/// Something that accepts connections.
pub trait Listener: Send + Sync + 'static {
    /// The next connection, configured and filtered; `WouldBlock` if there is none. A connection refused by a filter
    /// is an error of kind `PermissionDenied`.
    fn accept(&self) -> io::Result<Arc<dyn Stream>>;

    /// Frees the address at once, from whatever thread and whoever still holds the listener: nobody can connect any more,
    /// and somebody else can bind. An adopted descriptor only stops being served, since others may hold it too.
    fn stop(&self);

    /// What a driver knows it by.
    fn handle(&self) -> Handle<'_>;

    /// The resolved endpoint text, as `LAST_ENDPOINT` reports it.
    fn endpoint(&self) -> &str;
}

/// A connection attempt under way.
pub trait Connecting: Send + Sync + 'static {
    /// Called when the driver says writable (or at once if [`is_immediate`](Self::is_immediate)): the stream, or why
    /// the attempt failed.
    fn finish(&mut self) -> io::Result<Arc<dyn Stream>>;

    /// True if the attempt completed without waiting, so that no driver event will come.
    fn is_immediate(&self) -> bool;

    /// What a driver knows it by.
    fn handle(&self) -> Handle<'_>;
}

/// A bind that did not work, with what the application is told.
#[derive(Debug, thiserror::Error)]
#[error("{endpoint}: {source}")]
pub struct BindError {
    /// The endpoint as given.
    pub endpoint: String,
    /// What the system or the address parser said; its OS error number, if it has one, is the errno of `bind`.
    pub source: io::Error,
}

/// One scheme.
pub trait Transport: Send + Sync + 'static {
    /// The part before `://`.
    fn scheme(&self) -> &'static str;

    /// Listens on `address` (the part after `://`).
    fn bind(&self, address: &str, options: &SocketOptions) -> io::Result<Arc<dyn Listener>>;

    /// Checks the syntax of an address to connect to, without resolving it.
    fn check_connect(&self, address: &str, options: &SocketOptions) -> io::Result<()>;

    /// True if [`connect`](Self::connect) may block for this address, on name resolution or on a proxy.
    fn must_resolve(&self, address: &str, options: &SocketOptions) -> bool;

    /// Starts a connection attempt.
    fn connect(&self, address: &str, options: &SocketOptions) -> io::Result<Box<dyn Connecting>>;

    /// True if STREAM sockets may use it: a plain byte stream without framing of its own.
    fn carries_raw(&self) -> bool {
        false
    }

    /// Other endpoints (scheme included) under which `address` may be registered, most likely first: `tcp://localhost:1` is
    /// also `tcp://127.0.0.1:1`. For `unbind` and `disconnect`.
    fn aliases(&self, address: &str, options: &SocketOptions) -> Vec<String> {
        let _ = (address, options);
        Vec::new()
    }
}
