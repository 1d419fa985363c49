//! What other threads ask of an I/O thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::directory::LoadShare;
use super::link::{Link, RxEnd};
use super::transport::{Connecting, Listener, Stream, Transport};
use crate::options::SocketOptions;
use crate::socket::SocketHandle;

/// Names a listener or connector of one socket to its I/O thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub u64);

/// A listener to serve.
pub struct ListenSpec {
    /// Its name.
    pub id: EndpointId,
    /// The bound listener.
    pub listener: Arc<dyn Listener>,
    /// The socket stopped it: what accepting says from then on is no failure.
    pub is_stopped: Arc<AtomicBool>,
    /// The socket that accepted connections belong to.
    pub socket: SocketHandle,
    /// The socket's options as they were at `bind`.
    pub options: Arc<SocketOptions>,
}

impl ListenSpec {
    /// True once the socket has stopped the listener.
    pub fn is_stopped(&self) -> bool {
        // Pairs with the Release where the socket closes the endpoint: who sees the listener stopped sees the mark.
        self.is_stopped.load(Ordering::Acquire)
    }
}

/// An endpoint to connect to, and to keep connected.
pub struct ConnectSpec {
    /// Its name.
    pub id: EndpointId,
    /// The scheme's transport.
    pub transport: Arc<dyn Transport>,
    /// The part of the endpoint behind `://`.
    pub address: String,
    /// The endpoint as given, for monitor events.
    pub endpoint: String,
    /// The socket the connection belongs to.
    pub socket: SocketHandle,
    /// The socket's options as they were at `connect`.
    pub options: Arc<SocketOptions>,
    /// The pipe that exists from the start; `None` with IMMEDIATE, where each connection gets its own.
    pub link: Option<Arc<Link>>,
}

/// An accepted connection on its way to the thread that will serve it.
pub struct Adopted {
    /// The listener it came through.
    pub listener: EndpointId,
    /// The connection.
    pub stream: Arc<dyn Stream>,
    /// The socket it belongs to.
    pub socket: SocketHandle,
    /// The socket's options as they were at `bind`.
    pub options: Arc<SocketOptions>,
    /// It counts for its new thread already.
    pub share: LoadShare,
}

/// A command to an I/O thread.
pub enum IoCommand {
    /// Accept connections.
    Listen(Box<ListenSpec>, LoadShare),
    /// Connect and stay connected.
    Connect(Box<ConnectSpec>, LoadShare),
    /// Serve a connection that another thread accepted.
    Adopt(Box<Adopted>),
    /// Close a listener with its connections, or a connector. Pipes flush for up to the linger time (ns, `None`: for
    /// ever). The flag says that the socket lives on without it.
    CloseEndpoint(EndpointId, Option<u64>, bool),
    /// A listener of another thread is closed: close the connections accepted through it, with that linger time.
    CloseAccepted(EndpointId, Option<u64>),
    /// The application's end of a pipe is closed; flush for up to the linger time, then close the connection.
    CloseLink(Arc<Link>, Option<u64>),
    /// Something is queued for writing.
    Flush(Arc<Link>),
    /// Credit came back: go on reading.
    Resume(Arc<Link>),
    /// The application wants to poll the descriptor itself.
    Lease(Arc<Link>),
    /// Whoever drove the link found that its stream (of that generation) is over.
    StreamEnded(Arc<Link>, u64, RxEnd),
    /// A PING with a time-to-live came; the link knows which.
    PeerPing(Arc<Link>),
    /// A resolver thread started a connection attempt, or could not.
    Resolved(EndpointId, io::Result<Box<dyn Connecting>>),
    /// The context is gone: drop everything and end.
    Stop,
}

impl std::fmt::Debug for IoCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            IoCommand::Listen(..) => "Listen",
            IoCommand::Connect(..) => "Connect",
            IoCommand::Adopt(_) => "Adopt",
            IoCommand::CloseAccepted(..) => "CloseAccepted",
            IoCommand::CloseEndpoint(..) => "CloseEndpoint",
            IoCommand::CloseLink(..) => "CloseLink",
            IoCommand::Flush(_) => "Flush",
            IoCommand::Resume(_) => "Resume",
            IoCommand::Lease(_) => "Lease",
            IoCommand::StreamEnded(..) => "StreamEnded",
            IoCommand::PeerPing(..) => "PeerPing",
            IoCommand::Resolved(..) => "Resolved",
            IoCommand::Stop => "Stop",
        })
    }
}
