//! Socket types as types, and what each of them can do.
//!
//! | type | talks to | sends | receives | if it cannot queue |
//! | --- | --- | --- | --- | --- |
//! | [`Req`] | REP, ROUTER | in turns, to one peer after the other | the reply | waits |
//! | [`Rep`] | REQ, DEALER | in turns, to who asked | from all, fairly | drops the reply |
//! | [`Dealer`] | ROUTER, REP, DEALER | to one peer after the other | from all, fairly | waits |
//! | [`Router`] | DEALER, REQ, ROUTER | to the peer named by the first part | from all, fairly | drops, or waits if mandatory |
//! | [`Pub`] | SUB, XSUB | to all that subscribed | – | drops for that peer |
//! | [`Sub`] | PUB, XPUB | – | what it subscribed to | – |
//! | [`XPub`] | SUB, XSUB | to all that subscribed | subscriptions | drops for that peer, or waits |
//! | [`XSub`] | PUB, XPUB | subscriptions | everything that comes | drops |
//! | [`Push`] | PULL | to one peer after the other | – | waits |
//! | [`Pull`] | PUSH | – | from all, fairly | – |
//! | [`Pair`] | PAIR | to the one peer | from the one peer | waits |
//! | [`Stream`] | raw tcp | to the peer named by the first part | from all, fairly | waits |
//!
//! Patterns: RFC 28 (REQ, REP, DEALER, ROUTER), RFC 29 (PUB, SUB, XPUB, XSUB), RFC 30 (PUSH, PULL), RFC 31 (PAIR).
//!
//! The traits below group the types; they cannot be implemented outside this crate.
//!
//! ```
//! use zeroring::{Context, Push, Pull};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let context = Context::new();
//! let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
//! pull.bind("inproc://work")?;
//! push.connect("inproc://work")?;
//! push.send("task")?;
//! assert_eq!(pull.recv()?, "task");
//! # Ok(())
//! # }
//! ```
//!
//! A PULL socket has no `send`:
//!
//! ```compile_fail,E0277
//! # let context = zeroring::Context::new();
//! let pull = context.socket::<zeroring::Pull>().unwrap();
//! pull.send("task").unwrap();
//! ```

pub use zeroring_zmtp::SocketType;

mod sealed {
    pub trait Sealed {}
}

/// A socket type, or [`Dyn`] for a type known only at run time.
///
/// ```
/// use zeroring::{Socket, kind::Kind};
/// fn describe<K: Kind>(socket: &Socket<K>) -> String {
///     format!("a {} socket", socket.kind().name())
/// }
/// # let context = zeroring::Context::new();
/// # let socket = context.socket::<zeroring::Dealer>().unwrap();
/// assert_eq!(describe(&socket), "a DEALER socket");
/// ```
pub trait Kind: sealed::Sealed + 'static {}

/// A socket type known at compile time: every marker but [`Dyn`].
///
/// ```
/// use zeroring::{SocketType, kind::FixedKind};
/// assert_eq!(zeroring::XPub::TYPE, SocketType::XPub);
/// ```
pub trait FixedKind: Kind {
    /// The type at run time.
    const TYPE: SocketType;
}

/// Sockets that send: all but PULL and SUB.
///
/// ```
/// use zeroring::{SendError, Socket, kind::CanSend};
/// fn greet<K: CanSend>(socket: &Socket<K>) -> Result<(), SendError> {
///     socket.send("hello")
/// }
/// ```
pub trait CanSend: Kind {}

/// Sockets that receive: all but PUSH and PUB.
///
/// ```
/// use zeroring::{Message, RecvError, Socket, kind::CanReceive};
/// fn next<K: CanReceive>(socket: &Socket<K>) -> Result<Message, RecvError> {
///     socket.recv()
/// }
/// ```
pub trait CanReceive: Kind {}

/// Sockets with subscriptions of their own: SUB, and XPUB in [manual mode](crate::Socket::set_xpub_manual).
///
/// ```
/// use zeroring::{OptionFault, Socket, kind::Subscribes};
/// fn everything<K: Subscribes>(socket: &Socket<K>) -> Result<(), OptionFault> {
///     socket.subscribe("")
/// }
/// ```
pub trait Subscribes: Kind {}

/// Sockets that publish: PUB and XPUB.
///
/// ```
/// use zeroring::{Socket, kind::Publishes};
/// fn keep_everything<K: Publishes>(socket: &Socket<K>) {
///     socket.set_xpub_nodrop(true);
/// }
/// ```
pub trait Publishes: Kind {}

/// Sockets that route by id: ROUTER and, as in libzmq, REP.
///
/// ```
/// use zeroring::{Socket, kind::Routes};
/// fn report_unknown_peers<K: Routes>(socket: &Socket<K>) {
///     socket.set_router_mandatory(true);
/// }
/// ```
pub trait Routes: Kind {}

/// Sockets that can name the peer of their next connect: ROUTER, REP and STREAM.
///
/// ```
/// use zeroring::{OptionFault, Socket, kind::NamesPeers};
/// fn call_it_a<K: NamesPeers>(socket: &Socket<K>) -> Result<(), OptionFault> {
///     socket.set_connect_routing_id("a")
/// }
/// ```
pub trait NamesPeers: Kind {}

/// Sockets that can greet new peers with an empty message: DEALER, REQ, ROUTER and REP.
///
/// ```
/// use zeroring::{Socket, kind::Probes};
/// fn say_hello_first<K: Probes>(socket: &Socket<K>) {
///     socket.set_probe_router(true);
/// }
/// ```
pub trait Probes: Kind {}

/// REQ, or a dynamic socket that may be one.
///
/// ```
/// use zeroring::{Socket, kind::Requests};
/// fn lazy_pirate<K: Requests>(socket: &Socket<K>) {
///     socket.set_req_relaxed(true);
///     socket.set_req_correlate(true);
/// }
/// ```
pub trait Requests: Kind {}

/// XSUB, or a dynamic socket that may be one.
///
/// ```
/// use zeroring::{Socket, kind::SubscribesRaw};
/// fn tell_everything_upstream<K: SubscribesRaw>(socket: &Socket<K>) {
///     socket.set_xsub_verbose_unsubscribe(true);
/// }
/// ```
pub trait SubscribesRaw: Kind {}

/// STREAM, or a dynamic socket that may be one.
///
/// ```
/// use zeroring::{Socket, kind::Streams};
/// fn without_notices<K: Streams>(socket: &Socket<K>) {
///     socket.set_stream_notify(false);
/// }
/// ```
pub trait Streams: Kind {}

/// Declares markers: name, documentation, run-time type, capabilities.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $($capability:ident)*;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub enum $name {}
            impl sealed::Sealed for $name {}
            impl Kind for $name {}
            impl FixedKind for $name {
                const TYPE: SocketType = SocketType::$name;
            }
            $(impl $capability for $name {})*
        )*
    };
}

kinds! {
    /// Asks, then waits for the answer (RFC 28).
    ///
    /// `send` and `recv` alternate; a call out of turn fails with [`SendError::State`](crate::SendError::State) or
    /// [`RecvError::State`](crate::RecvError::State). Several peers get one request each in turn.
    ///
    /// ```
    /// # use zeroring::{Context, Req, SendError};
    /// # let context = Context::new();
    /// let client = context.socket::<Req>()?;
    /// assert_eq!(client.recv().unwrap_err().errno(), zeroring::error::errno::EFSM); // nothing asked yet
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    Req: CanSend CanReceive Probes Requests;
    /// Answers what it was asked (RFC 28).
    ///
    /// `recv` and `send` alternate, in this order. The answer goes to who asked; if that peer is gone, nowhere.
    ///
    /// ```
    /// # use zeroring::{Context, Rep};
    /// # let context = Context::new();
    /// let server = context.socket::<Rep>()?;
    /// assert!(server.send("nobody asked").is_err());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    Rep: CanSend CanReceive Routes NamesPeers Probes;
    /// REQ without turns: sends to one peer after the other, receives from all fairly (RFC 28).
    ///
    /// Adds and removes nothing: to talk to a REP, send an empty part first.
    ///
    /// ```
    /// # use zeroring::{Context, Dealer, Rep};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (rep, dealer) = (context.socket::<Rep>()?, context.socket::<Dealer>()?);
    /// # rep.bind("inproc://d")?;
    /// # dealer.connect("inproc://d")?;
    /// dealer.send_multipart(["", "question"])?;
    /// assert_eq!(rep.recv()?, "question");
    /// # Ok(())
    /// # }
    /// ```
    Dealer: CanSend CanReceive Probes;
    /// REP without turns: each received message begins with its peer's routing id, and each sent one with the id of
    /// the peer it is for (RFC 28).
    ///
    /// ```
    /// # use zeroring::{Context, Dealer, Router};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (router, dealer) = (context.socket::<Router>()?, context.socket::<Dealer>()?);
    /// # router.bind("inproc://r")?;
    /// dealer.set_routing_id("anna")?;
    /// dealer.connect("inproc://r")?;
    /// dealer.send("hi")?;
    /// assert_eq!(router.recv_multipart()?, ["anna", "hi"]);
    /// router.send_multipart(["anna", "hi yourself"])?;
    /// assert_eq!(dealer.recv()?, "hi yourself");
    /// # Ok(())
    /// # }
    /// ```
    Router: CanSend CanReceive Routes NamesPeers Probes;
    /// Publishes to all who subscribed to a prefix of the first part; drops for those whose queue is full (RFC 29).
    ///
    /// ```
    /// # use zeroring::{Context, Pub};
    /// # let context = Context::new();
    /// let publisher = context.socket::<Pub>()?;
    /// publisher.send("news nobody hears").expect("dropped, which is not an error");
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    Pub: CanSend Publishes;
    /// Receives what it [subscribed](crate::Socket::subscribe) to; at first that is nothing (RFC 29).
    ///
    /// ```
    /// # use zeroring::{Context, Sub};
    /// # let context = Context::new();
    /// let subscriber = context.socket::<Sub>()?;
    /// subscriber.subscribe("weather.")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Sub: CanReceive Subscribes;
    /// PUB that receives its peers' subscriptions: one part each, a byte 1 (subscribe) or 0 (unsubscribe) and the
    /// prefix (RFC 29).
    ///
    /// ```
    /// # use zeroring::{Context, Sub, XPub};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (xpub, sub) = (context.socket::<XPub>()?, context.socket::<Sub>()?);
    /// # xpub.bind("inproc://x")?;
    /// # sub.connect("inproc://x")?;
    /// sub.subscribe("A")?;
    /// assert_eq!(xpub.recv()?, "\u{1}A");
    /// # Ok(())
    /// # }
    /// ```
    XPub: CanSend CanReceive Subscribes Publishes;
    /// SUB that subscribes by sending the messages an XPUB receives; filters nothing (RFC 29).
    ///
    /// ```
    /// # use zeroring::{Context, XSub};
    /// # let context = Context::new();
    /// let subscriber = context.socket::<XSub>()?;
    /// subscriber.send(b"\x01weather.")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    XSub: CanSend CanReceive SubscribesRaw;
    /// Hands messages to one peer after the other, skipping those without room (RFC 30).
    ///
    /// ```
    /// # use zeroring::{Context, Push, SendError};
    /// # let context = Context::new();
    /// let push = context.socket::<Push>()?;
    /// assert_eq!(push.try_send("task"), Err(SendError::WouldBlock)); // no peer
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    Push: CanSend;
    /// Receives from all its peers, fairly (RFC 30).
    ///
    /// ```
    /// # use zeroring::{Context, Pull, RecvError};
    /// # let context = Context::new();
    /// let pull = context.socket::<Pull>()?;
    /// assert_eq!(pull.try_recv(), Err(RecvError::WouldBlock));
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    Pull: CanReceive;
    /// Talks to exactly one peer; further ones are turned away (RFC 31).
    ///
    /// ```
    /// # use zeroring::{Context, Pair};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// let (ours, theirs) = (context.socket::<Pair>()?, context.socket::<Pair>()?);
    /// ours.bind("inproc://worker")?;
    /// theirs.connect("inproc://worker")?;
    /// let worker = std::thread::spawn(move || theirs.send("done"));
    /// assert_eq!(ours.recv()?, "done");
    /// worker.join().expect("no panic")?;
    /// # Ok(())
    /// # }
    /// ```
    Pair: CanSend CanReceive;
    /// Raw tcp: every message is a routing id and a chunk of bytes; an empty chunk means that a peer came or went.
    ///
    /// ```
    /// # use zeroring::{Context, Stream};
    /// # use std::io::Write;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// let server = context.socket::<Stream>()?;
    /// let endpoint = server.bind("tcp://127.0.0.1:*")?;
    /// let mut client = std::net::TcpStream::connect(endpoint.trim_start_matches("tcp://"))?;
    /// let arrival = server.recv_multipart()?;
    /// client.write_all(b"GET /")?;
    /// assert_eq!(server.recv_multipart()?, [&arrival[0][..], b"GET /"]);
    /// # Ok(())
    /// # }
    /// ```
    Stream: CanSend CanReceive NamesPeers Streams;
}

/// A type known only at run time. Has every method; those that make no sense for the type fail with an error of theirs.
///
/// ```
/// use zeroring::{Context, RecvError, SocketType};
/// # let context = Context::new();
/// let socket = context.any_socket(SocketType::Push)?;
/// assert_eq!(socket.recv(), Err(RecvError::NotSupported));
/// # Ok::<(), zeroring::SocketError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Dyn {}

impl sealed::Sealed for Dyn {}
impl Kind for Dyn {}
impl CanSend for Dyn {}
impl CanReceive for Dyn {}
impl Subscribes for Dyn {}
impl Publishes for Dyn {}
impl Routes for Dyn {}
impl NamesPeers for Dyn {}
impl Probes for Dyn {}
impl Requests for Dyn {}
impl SubscribesRaw for Dyn {}
impl Streams for Dyn {}
