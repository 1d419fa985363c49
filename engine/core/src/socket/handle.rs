//! What I/O threads and peers know of a socket: its mailbox, its names, its presence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use zeroring_base::mailbox::Sender;
use zeroring_zmtp::SocketType;
use zeroring_zmtp::greeting::Version;
use zeroring_zmtp::handshake::Established;

use crate::context::Live;
use crate::io::command::EndpointId;
use crate::io::link::Link;
use crate::io::transport::{Stream, StreamInfo};
use crate::monitor::MonitorHub;
use crate::pipe::{PipeReader, PipeWriter};

/// Names a pipe to the socket that owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipeId(pub u32);

/// What is known of the peer behind a connection.
///
/// inproc peers have none: they share no connection.
///
/// ```
/// use zeroring_core::socket::PeerInfo;
/// fn describe(peer: &PeerInfo) -> String {
///     format!("{:?} at {}", peer.socket_type, peer.stream.remote_endpoint)
/// }
/// # let _ = describe;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// The type it announced; `None` for peers before ZMTP 3 and raw streams.
    pub socket_type: Option<SocketType>,
    /// The routing id it announced; empty if none.
    pub routing_id: Vec<u8>,
    /// ZMTP version it speaks.
    pub version: Version,
    /// Names of the stream.
    pub stream: StreamInfo,
    /// Descriptor of the stream.
    pub fd: i32,
    /// Further properties: `X-…` of the peer, those of the authentication handler.
    pub properties: Vec<(String, Vec<u8>)>,
}

impl PeerInfo {
    /// What the handshake found out about the peer at the other end of `stream`.
    pub fn new(established: &Established, stream: &Arc<dyn Stream>) -> Self {
        Self {
            socket_type: established.peer_socket_type,
            routing_id: established.peer_routing_id.clone(),
            version: established.version,
            stream: stream.info().clone(),
            fd: stream.handle().number(),
            properties: established.properties.clone(),
        }
    }

    /// A property by its ZeroMQ name: `Peer-Address`, `Socket-Type`, `Identity` (and its newer name `Routing-Id`),
    /// `User-Id`, `X-…`. Case-sensitive.
    ///
    /// `None` if the peer has no such property. Source: `zmq_msg_gets`.
    ///
    /// ```
    /// use zeroring_core::socket::PeerInfo;
    /// fn address(peer: &PeerInfo) -> Option<Vec<u8>> {
    ///     peer.property("Peer-Address") // such as 192.0.2.7
    /// }
    /// # let _ = address;
    /// ```
    pub fn property(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            "Peer-Address" => Some(self.stream.peer_address.clone().into_bytes()),
            "Socket-Type" => self.socket_type.map(|kind| kind.name().as_bytes().to_vec()),
            "Identity" | "Routing-Id" => self
                .socket_type
                .is_some_and(SocketType::sends_identity)
                .then(|| self.routing_id.clone()),
            _ => {
                self.properties.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
            }
        }
    }
}

/// Who is at the other end of a pipe.
#[derive(Clone, Debug)]
pub enum PipePeer {
    /// A connection.
    Link(Arc<Link>),
    /// A socket of the same context, and the pipe's name over there.
    Inproc(SocketHandle, PipeId),
    /// An inproc endpoint that nobody has bound yet.
    NotBound,
}

/// A pipe handed to a socket.
#[derive(Debug)]
pub struct NewPipe {
    /// Its name.
    pub id: PipeId,
    /// The socket's sending end.
    pub writer: PipeWriter,
    /// The socket's receiving end.
    pub reader: PipeReader,
    /// The other side.
    pub peer: PipePeer,
    /// What is known of the peer; `None` until the handshake, and for inproc.
    pub info: Option<Arc<PeerInfo>>,
    /// inproc: the routing id the peer announces (empty: none). `None` while there is no peer, and for connections: `info`
    /// has it.
    pub announced: Option<Vec<u8>>,
    /// inproc: the peer's high-water marks (sending, receiving), which add to ours.
    pub peer_marks: Option<(u32, u32)>,
    /// CONNECT_ROUTING_ID: the name this peer is addressed by; empty: as announced.
    pub assigned_id: Vec<u8>,
    /// The endpoint it came through.
    pub endpoint: EndpointId,
    /// The peer is a ZMTP 1.0 subscriber, which never subscribes: send it everything.
    pub subscribe_all: bool,
    /// The pipe stays when its connection is lost.
    pub survives_reconnect: bool,
}

/// What happens to a socket's pipes, told by I/O threads and peers.
#[derive(Debug)]
pub enum SocketCommand {
    /// A new pipe.
    Attach(Box<NewPipe>),
    /// The connection behind a pipe that existed before is ready (again).
    Connected(PipeId, Arc<PeerInfo>),
    /// The connection behind a pipe that stays is lost. What it brought ends at this position of the pipe; the next one
    /// may have brought something already.
    Disconnected(PipeId, u64),
    /// The pipe has something to read.
    Readable(PipeId),
    /// The pipe takes messages again.
    Writable(PipeId),
    /// The other end of the pipe is closed; what it sent can still be read.
    Gone(PipeId),
    /// The inproc endpoint was bound: this is the peer, and the routing id it announces (empty: none).
    Bound(PipeId, SocketHandle, PipeId, Vec<u8>),
    /// The I/O thread gave an endpoint up that does not stay registered.
    EndpointOver(EndpointId),
    /// The inproc peer's high-water marks (sending, receiving) are these now.
    HighWaterMarks(PipeId, u32, u32),
    /// The context is terminating.
    Stop,
}

impl SocketCommand {
    /// The socket it is for is closed: whoever introduced a pipe to it learns that nobody is there.
    pub(super) fn bounce(self) {
        match self {
            SocketCommand::Attach(new) => {
                let NewPipe { writer, reader, peer, .. } = *new;
                drop((writer, reader)); // first: then "nothing more comes" is true when the peer is told
                match peer {
                    PipePeer::Link(link) => link.ask_close(Some(0)),
                    PipePeer::Inproc(peer, peer_pipe) => peer.send(SocketCommand::Gone(peer_pipe)),
                    PipePeer::NotBound => {}
                }
            }
            SocketCommand::Bound(_, peer, peer_pipe, _) => {
                peer.send(SocketCommand::Gone(peer_pipe))
            }
            _ => {}
        }
    }
}

/// Tells the I/O threads whether the application looks after its socket.
#[derive(Debug, Default)]
pub struct Presence {
    visits: AtomicU64,
    parked: AtomicBool,
}

impl Presence {
    /// The application is here.
    #[inline]
    pub fn visit(&self) {
        // Only the socket's own thread writes: no read-modify-write needed. Relaxed: a hint.
        self.visits.store(self.visits.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Visits so far.
    pub fn visits(&self) -> u64 {
        self.visits.load(Ordering::Relaxed) // a hint, written in `visit`
    }

    /// The application goes to sleep on its own descriptors (`true`) or is back.
    pub fn set_parked(&self, parked: bool) {
        self.parked.store(parked, Ordering::Relaxed); // a hint for `is_parked`
    }

    /// True while the application sleeps on its own descriptors.
    pub fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Relaxed) // a hint, written in `set_parked`
    }
}

/// A socket as seen from outside its thread. Clones reach the same socket.
#[derive(Clone, Debug)]
pub struct SocketHandle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: u64,
    kind: SocketType,
    mailbox: Sender<SocketCommand>,
    last_pipe: AtomicU32,
    presence: Presence,
    monitor: MonitorHub,
    live: Arc<Live>,
}

impl SocketHandle {
    /// A handle that sends to `mailbox`.
    pub fn new(id: u64, kind: SocketType, mailbox: Sender<SocketCommand>, live: Arc<Live>) -> Self {
        Self(Arc::new(Inner {
            id,
            kind,
            mailbox,
            last_pipe: AtomicU32::new(0),
            presence: Presence::default(),
            monitor: MonitorHub::default(),
            live,
        }))
    }

    /// Names the socket within its context.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The socket's type.
    pub fn kind(&self) -> SocketType {
        self.0.kind
    }

    /// Sends a command; a socket that is closed already sends it back.
    pub fn send(&self, command: SocketCommand) {
        if let Err(command) = self.0.mailbox.try_send(command) {
            command.bounce();
        }
    }

    /// See [`Live::is_forked`].
    pub fn is_forked(&self) -> bool {
        self.0.live.is_forked()
    }

    /// Wakes the socket's thread.
    pub fn poke(&self) {
        self.0.mailbox.poke();
    }

    /// A name for a new pipe.
    pub fn next_pipe(&self) -> PipeId {
        PipeId(self.0.last_pipe.fetch_add(1, Ordering::Relaxed) + 1) // only has to be unique
    }

    /// A name for a new link.
    pub fn next_link(&self) -> u64 {
        self.0.live.next_id()
    }

    /// Whether the application looks after the socket.
    pub fn presence(&self) -> &Presence {
        &self.0.presence
    }

    /// Where monitor events go.
    pub fn monitor(&self) -> &MonitorHub {
        &self.0.monitor
    }

    /// Gauge of links of the context.
    pub fn live_links(&self) -> LiveLinks<'_> {
        LiveLinks(&self.0.live)
    }

    /// True if both name the same socket.
    pub fn is(&self, other: &SocketHandle) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Counts the links of a context.
#[derive(Debug)]
pub struct LiveLinks<'a>(&'a Live);

impl LiveLinks<'_> {
    /// One more.
    pub fn inc(&self) {
        self.0.link_begins();
    }

    /// One less.
    pub fn dec(&self) {
        self.0.link_ends();
    }
}
