//! The socket: endpoints, sending, receiving, options.
//!
//! One handle type for all socket types: [`Socket<K>`](Socket), with the type `K` from [`kind`](crate::kind) deciding
//! which methods there are. The engine beneath sees the run-time type only.

mod endpoints;
pub mod options;
mod receive;
mod send;
mod subscriptions;
mod typed;

use std::cell::{RefCell, RefMut};
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;

pub use zeroring_core::io::transport::StreamInfo;
use zeroring_core::socket::SocketCore;
pub use zeroring_core::socket::{PeerInfo, Readiness, Received, Timeout};
pub use zeroring_zmtp::greeting::Version;

use crate::context::Owner;
use crate::error::RecvError;
use crate::kind::{Dyn, Kind, SocketType};
use crate::monitor::{EventKind, Monitor};

/// A socket of type `K`.
///
/// Made by [`Context::socket`](crate::Context::socket). Belongs to one thread at a time: it can be moved to another
/// thread, but not used by two at once.
///
/// ```
/// use zeroring::{Context, Pull, Push};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let context = Context::new();
/// let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
/// push.connect(&endpoint)?;
/// let worker = std::thread::spawn(move || pull.recv()); // the socket moves to the worker
/// push.send("task")?;
/// assert_eq!(worker.join().expect("no panic")?, "task");
/// # Ok(())
/// # }
/// ```
///
/// Sharing one between threads does not compile:
///
/// ```compile_fail,E0277
/// # let context = zeroring::Context::new();
/// let push = context.socket::<zeroring::Push>().unwrap();
/// std::thread::scope(|threads| {
///     threads.spawn(|| push.send("one"));
///     threads.spawn(|| push.send("two"));
/// });
/// ```
///
/// # Closing
///
/// Dropping a socket closes it, at once and without blocking. What it sent but could not deliver yet goes on leaving in
/// the background for up to its [linger](Self::set_linger); what it received but did not read is dropped.
pub struct Socket<K: Kind> {
    /// Interior mutability instead of `&mut self`, so that a socket can be registered with a
    /// [`Poller`](crate::Poller) and used at the same time. Makes the socket `!Sync`.
    core: RefCell<SocketCore>,
    /// Dropped after `core`: the context may wait for what the socket left behind.
    owner: Arc<Owner>,
    kind: PhantomData<K>,
}

/// A socket whose type is known only at run time. Made by [`Context::any_socket`](crate::Context::any_socket) or
/// [`Socket::into_any`].
///
/// ```
/// use zeroring::{AnySocket, Context, SocketType};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let context = Context::new();
/// let sockets: Vec<AnySocket> = [SocketType::Push, SocketType::Pub]
///     .into_iter()
///     .map(|kind| context.any_socket(kind))
///     .collect::<Result<_, _>>()?;
/// assert_eq!(sockets[1].kind(), SocketType::Pub);
/// # Ok(())
/// # }
/// ```
pub type AnySocket = Socket<Dyn>;

impl<K: Kind> std::fmt::Debug for Socket<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let core = self.core();
        f.debug_struct("Socket")
            .field("kind", &core.kind())
            .field("last_endpoint", &core.last_endpoint())
            .finish_non_exhaustive()
    }
}

impl<K: Kind> Socket<K> {
    pub(crate) fn new(core: SocketCore, owner: Arc<Owner>) -> Self {
        Self { core: RefCell::new(core), owner, kind: PhantomData }
    }

    /// The engine's socket and its borrow flag.
    pub(crate) fn cell(&self) -> &RefCell<SocketCore> {
        &self.core
    }

    /// The engine's socket. No call of the engine comes back into this crate, so the borrow never conflicts.
    #[inline]
    pub(crate) fn core(&self) -> RefMut<'_, SocketCore> {
        self.core.borrow_mut()
    }

    /// The type at run time. Source: `ZMQ_TYPE`.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::XSub>()?;
    /// assert_eq!(socket.kind().name(), "XSUB");
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn kind(&self) -> SocketType {
        self.core().kind()
    }

    /// Whether a receive or a send would succeed now. Does not block; takes in what happened to connections since the
    /// last call. Source: `ZMQ_EVENTS`.
    ///
    /// # Errors
    /// [`RecvError::Terminated`] once the context is terminating.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let publisher = context.socket::<zeroring::Pub>()?;
    /// let ready = publisher.readiness()?;
    /// assert!(ready.writable && !ready.readable); // a publisher can always send, and never receives
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn readiness(&self) -> Result<Readiness, RecvError> {
        self.core().readiness()
    }

    /// A descriptor for an event loop that is not ours (epoll, libuv, mio): readable while the socket has something to
    /// receive or to say, and quiet again when a call has taken it in. Level-triggered; to be watched for readability
    /// only, never read.
    ///
    /// Now and then it is readable although there is no message: a [`try_recv`](Socket::try_recv) that finds nothing makes
    /// it quiet. The result is a duplicate of the socket's own descriptor, so get it once and keep it. From the first call
    /// on the I/O threads do all the reading for this socket, which costs a wake per burst of messages. Source: `ZMQ_FD`,
    /// which is edge-triggered.
    ///
    /// # Errors
    /// The system's, if it has no descriptor left.
    ///
    /// ```
    /// use rustix::event::{PollFd, PollFlags, poll};
    /// use zeroring::{Context, Pull, Push};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    /// # push.connect(&pull.bind("tcp://127.0.0.1:*")?)?;
    /// let fd = pull.event_fd()?;
    /// push.send("task")?;
    /// loop {
    ///     poll(&mut [PollFd::new(&fd, PollFlags::IN)], None)?;
    ///     if let Ok(task) = pull.try_recv() {
    ///         assert_eq!(task, "task");
    ///         break;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn event_fd(&self) -> io::Result<OwnedFd> {
        self.core().level_fd()?.try_clone_to_owned()
    }

    /// Messages that this socket accepted and did not send since it was made: those that a PUB or XPUB passed a slow
    /// subscriber over with (counted for each such subscriber), and those that a ROUTER had for a peer that was not there
    /// or had no room. Always zero for other types, which wait for room. Does not block. No libzmq counterpart: there they
    /// go without a trace. [`set_xpub_nodrop`](Self::set_xpub_nodrop) and
    /// [`set_router_mandatory`](Self::set_router_mandatory) turn such losses into errors.
    ///
    /// ```
    /// # use zeroring::{Context, Pub, Sub};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// let (publisher, subscriber) = (context.socket::<Pub>()?, context.socket::<Sub>()?);
    /// publisher.set_send_hwm(2);
    /// subscriber.set_recv_hwm(1);
    /// publisher.bind("inproc://ticks")?;
    /// subscriber.subscribe("")?;
    /// subscriber.connect("inproc://ticks")?;
    /// for _ in 0..10 {
    ///     publisher.send("tick")?; // never waits
    /// }
    /// assert_eq!(publisher.dropped_messages(), 7); // three fit
    /// # Ok(())
    /// # }
    /// ```
    pub fn dropped_messages(&self) -> u64 {
        self.core().dropped_messages()
    }

    /// Monitor events that were lost because their reader was behind, over all monitors this socket had. They wait in a
    /// queue of 4096; the newest are dropped. Does not block. No libzmq
    /// counterpart: there the engine waits for the reader.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let pull = context.socket::<zeroring::Pull>()?;
    /// let _events = pull.monitor();
    /// assert_eq!(pull.dropped_monitor_events(), 0);
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn dropped_monitor_events(&self) -> u64 {
        self.core().handle().monitor().dropped()
    }

    /// Starts telling what happens to this socket's connections, from now on; replaces an earlier monitor.
    /// Source: `zmq_socket_monitor`, libzmq-style events.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use zeroring::{Context, EventKind, Rep, Req};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (server, client) = (context.socket::<Rep>()?, context.socket::<Req>()?);
    /// let endpoint = server.bind("tcp://127.0.0.1:*")?;
    /// let mut events = client.monitor();
    /// client.connect(&endpoint)?;
    /// let ready = events.find(|event| event.kind() == EventKind::HandshakeSucceeded);
    /// assert_eq!(ready.expect("the server is there").remote_endpoint, endpoint);
    /// # Ok(())
    /// # }
    /// ```
    pub fn monitor(&self) -> Monitor {
        Monitor::new(self.core().monitor(EventKind::ALL))
    }

    /// Like [`monitor`](Self::monitor), for events of some kinds only.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::EventKind;
    /// let pull = context.socket::<zeroring::Pull>()?;
    /// let mut failures = pull.monitor_only(&[EventKind::BindFailed]);
    /// pull.bind("tcp://192.0.2.1:9").expect_err("not an address of this machine");
    /// assert_eq!(failures.next().expect("one").kind(), EventKind::BindFailed);
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn monitor_only(&self, kinds: &[EventKind]) -> Monitor {
        let mask = kinds.iter().fold(0, |mask, kind| mask | kind.bit());
        Monitor::new(self.core().monitor(mask))
    }

    /// Ends the monitor; its reader gets [`MonitorStopped`](EventKind::MonitorStopped), if it wanted to, and then no more.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let pull = context.socket::<zeroring::Pull>()?;
    /// let events = pull.monitor();
    /// pull.stop_monitor();
    /// assert_eq!(events.count(), 1);
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn stop_monitor(&self) {
        self.core().stop_monitor();
    }

    /// What is known of the peer that sent the last received part: its type, routing id, address and further
    /// properties. `None` before the first part, and for inproc. Source: `zmq_msg_gets`.
    ///
    /// ```
    /// use zeroring::{Context, Pull, Push};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    /// # push.connect(&pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("task")?;
    /// pull.recv()?;
    /// let peer = pull.peer().expect("came by tcp");
    /// assert_eq!(peer.property("Peer-Address").as_deref(), Some(&b"127.0.0.1"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer(&self) -> Option<Arc<PeerInfo>> {
        self.core().peer().cloned()
    }

    /// Closes the socket, as dropping it does; see [Closing](Self#closing).
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Pull>()?;
    /// socket.close();
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn close(self) {}
}
