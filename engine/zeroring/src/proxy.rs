//! Forwarding between two sockets: queues (ROUTER and DEALER), forwarders (XSUB and XPUB), streamers (PULL and PUSH).
//!
//! A proxy moves whole messages in both directions, each only when the other side can take it, so that a slow receiver
//! slows down its senders and not the proxy. Parts are forwarded by reference. Source: `zmq_proxy`,
//! `zmq_proxy_steerable`, with the documented commands (libzmq 4.3.5 mixes up PAUSE and RESUME).

use std::cell::RefCell;

use zeroring_core::poll::Events;
use zeroring_core::socket::{Interest, Readiness, SocketCore};

use crate::error::{RecvError, SendError};
use crate::kind::{Kind, SocketType};
use crate::message::Message;
use crate::poller::{PollError, poll_sockets};
use crate::socket::{Socket, Timeout};

/// Messages forwarded in one direction before the other gets its turn.
const BURST_MESSAGES: usize = 1000;

/// A socket of any type, to be passed to a proxy as `&socket`.
///
/// ```
/// use zeroring::{Context, Pull, Push, proxy::ProxyError, proxy::AnyEnd};
/// fn stream(from: &dyn AnyEnd, to: &dyn AnyEnd) -> Result<(), ProxyError> {
///     zeroring::proxy(from, to, None)
/// }
/// ```
pub trait AnyEnd: sealed::Sealed {
    #[doc(hidden)]
    fn cell(&self) -> &RefCell<SocketCore>;
}

mod sealed {
    pub trait Sealed {}
    impl<K: crate::kind::Kind> Sealed for crate::Socket<K> {}
}

impl<K: Kind> AnyEnd for Socket<K> {
    fn cell(&self) -> &RefCell<SocketCore> {
        Socket::cell(self)
    }
}

/// Why a proxy ended.
///
/// ```
/// use zeroring::{RecvError, proxy::ProxyError};
/// let end = ProxyError::from(RecvError::Terminated);
/// assert!(end.is_terminated());
/// assert_eq!(end.errno(), zeroring::error::errno::ETERM);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Receiving failed.
    #[error("the proxy could not receive: {0}")]
    Recv(#[from] RecvError),
    /// Sending failed.
    #[error("the proxy could not send: {0}")]
    Send(#[from] SendError),
}

impl ProxyError {
    /// True if the context was shut down: the way a proxy normally ends.
    pub fn is_terminated(&self) -> bool {
        matches!(self, Self::Recv(RecvError::Terminated) | Self::Send(SendError::Terminated))
    }

    /// libzmq's error number.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Recv(error) => error.errno(),
            Self::Send(error) => error.errno(),
        }
    }
}

impl From<PollError> for ProxyError {
    fn from(error: PollError) -> Self {
        // The proxy registers each socket once and always waits for something, so that nothing else is left.
        match error {
            PollError::Forked => Self::Recv(RecvError::Forked),
            _ => Self::Recv(RecvError::Terminated),
        }
    }
}

/// Forwards messages between `front` and `back`, in both directions, until the context is terminated. Blocks meanwhile.
///
/// `capture` gets a copy of every message before it is forwarded; if it is a type that waits, a full capture holds the
/// proxy up. `front` and `back` may be the same socket, which then gets its own messages back.
///
/// # Errors
/// Always, since only an error ends it: normally a [terminated](ProxyError::is_terminated) context.
///
/// ```
/// use zeroring::{Context, Pull, Push, proxy};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let context = Context::new();
/// let (front, back) = (context.socket::<Pull>()?, context.socket::<Push>()?);
/// front.bind("inproc://in")?;
/// back.bind("inproc://out")?;
/// let streamer = std::thread::spawn(move || proxy(&front, &back, None));
///
/// # let (source, sink) = (context.socket::<Push>()?, context.socket::<Pull>()?);
/// # source.connect("inproc://in")?;
/// # sink.connect("inproc://out")?;
/// source.send("through the proxy")?;
/// assert_eq!(sink.recv()?, "through the proxy");
///
/// context.shutdown();
/// assert!(streamer.join().expect("no panic").unwrap_err().is_terminated());
/// # Ok(())
/// # }
/// ```
pub fn proxy(
    front: &dyn AnyEnd,
    back: &dyn AnyEnd,
    capture: Option<&dyn AnyEnd>,
) -> Result<(), ProxyError> {
    Proxy::new(front, back, capture, None).run()
}

/// [`proxy`](fn@proxy) that obeys commands, single parts received from `control`:
///
/// | command | what it does |
/// | --- | --- |
/// | `PAUSE` | stops forwarding; messages wait in the sockets |
/// | `RESUME` | goes on |
/// | `TERMINATE` | ends the proxy with `Ok` |
/// | `STATISTICS` | replies with 8 parts, a `u64` in native byte order each: parts and bytes received from, then parts and bytes sent to `front`, and the same for `back` |
///
/// Everything else is ignored. A REP control gets an empty reply to the other commands, since it must answer.
///
/// # Errors
/// As for [`proxy`](fn@proxy).
///
/// ```
/// use zeroring::{Context, Pair, Pull, Push, steerable_proxy};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let context = Context::new();
/// # let (front, back) = (context.socket::<Pull>()?, context.socket::<Push>()?);
/// let (remote, control) = (context.socket::<Pair>()?, context.socket::<Pair>()?);
/// control.bind("inproc://control")?;
/// remote.connect("inproc://control")?;
/// let streamer = std::thread::spawn(move || steerable_proxy(&front, &back, None, &control));
/// remote.send("STATISTICS")?;
/// assert_eq!(remote.recv_multipart()?.len(), 8);
/// remote.send("TERMINATE")?;
/// streamer.join().expect("no panic")?;
/// # Ok(())
/// # }
/// ```
pub fn steerable_proxy(
    front: &dyn AnyEnd,
    back: &dyn AnyEnd,
    capture: Option<&dyn AnyEnd>,
    control: &dyn AnyEnd,
) -> Result<(), ProxyError> {
    Proxy::new(front, back, capture, Some(control)).run()
}

/// Parts and bytes through one end.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    parts: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, part_bytes: usize) {
        self.parts += 1;
        self.bytes += part_bytes as u64;
    }
}

struct End<'a> {
    socket: &'a RefCell<SocketCore>,
    received: Count,
    sent: Count,
}

impl<'a> End<'a> {
    fn new(end: &'a dyn AnyEnd) -> Self {
        Self { socket: end.cell(), received: Count::default(), sent: Count::default() }
    }

    fn readiness(&self) -> Result<Readiness, RecvError> {
        self.socket.borrow_mut().readiness()
    }

    fn can_send(&self) -> Result<bool, RecvError> {
        Ok(self.socket.borrow_mut().readiness_for(Interest::Send)?.writable)
    }

    fn recv(&mut self, part: &mut Message, timeout: Timeout) -> Result<(), RecvError> {
        self.socket.borrow_mut().recv_into(part, timeout)?;
        self.received.add(part.len());
        Ok(())
    }

    fn send(&mut self, part: &Message) -> Result<(), SendError> {
        self.socket.borrow_mut().send(part, part.more(), Timeout::Option)?;
        self.sent.add(part.len());
        Ok(())
    }

    /// Moves short messages that need nothing else, up to `messages_max`. Returns how many; none where both are one socket.
    fn forward_short(&mut self, to: &mut End<'_>, messages_max: usize) -> usize {
        let mut from_socket = self.socket.borrow_mut();
        let Ok(mut to_socket) = to.socket.try_borrow_mut() else { return 0 };
        for moved in 0..messages_max {
            let Some(bytes) = from_socket.forward_short(&mut to_socket) else { return moved };
            self.received.add(bytes);
            to.sent.add(bytes);
        }
        messages_max
    }
}

struct Proxy<'a> {
    front: End<'a>,
    back: End<'a>,
    capture: Option<&'a RefCell<SocketCore>>,
    control: Option<&'a RefCell<SocketCore>>,
    is_reflector: bool,
    is_paused: bool,
}

impl<'a> Proxy<'a> {
    fn new(
        front: &'a dyn AnyEnd,
        back: &'a dyn AnyEnd,
        capture: Option<&'a dyn AnyEnd>,
        control: Option<&'a dyn AnyEnd>,
    ) -> Self {
        Self {
            is_reflector: std::ptr::eq(front.cell(), back.cell()),
            front: End::new(front),
            back: End::new(back),
            capture: capture.map(AnyEnd::cell),
            control: control.map(AnyEnd::cell),
            is_paused: false,
        }
    }

    fn run(&mut self) -> Result<(), ProxyError> {
        loop {
            if self.obey()? {
                return Ok(());
            }
            if self.is_paused || self.forward()? == 0 {
                self.wait()?;
            }
        }
    }

    /// One burst in each direction. Returns how many messages were moved.
    fn forward(&mut self) -> Result<usize, ProxyError> {
        if self.is_reflector {
            return self.reflect();
        }
        let there = burst(&mut self.front, &mut self.back, self.capture)?;
        let back = burst(&mut self.back, &mut self.front, self.capture)?;
        Ok(there + back)
    }

    fn reflect(&mut self) -> Result<usize, ProxyError> {
        for moved in 0..BURST_MESSAGES {
            if !move_message(&mut self.front, &mut self.back, self.capture)? {
                return Ok(moved);
            }
        }
        Ok(BURST_MESSAGES)
    }

    /// Waits for a command, or for what the last round lacked: a message, or room for one that is there.
    fn wait(&mut self) -> Result<(), ProxyError> {
        let (mut front, mut back) = (Events::NONE, Events::NONE);
        if self.is_reflector {
            front.readable = !self.is_paused;
        } else if !self.is_paused {
            let (front_is, back_is) = (self.front.readiness()?, self.back.readiness()?);
            front.readable = !front_is.readable || back_is.writable;
            back.readable = !back_is.readable || front_is.writable;
            front.writable = back_is.readable && !front_is.writable;
            back.writable = front_is.readable && !back_is.writable;
        }
        let mut sockets = vec![(self.front.socket, front)];
        if !self.is_reflector {
            sockets.push((self.back.socket, back));
        }
        sockets.extend(self.control.map(|control| (control, Events::READABLE)));
        poll_sockets(&sockets, None)?;
        Ok(())
    }

    /// Follows the commands that are there. True if the proxy shall end.
    fn obey(&mut self) -> Result<bool, ProxyError> {
        let Some(control) = self.control else { return Ok(false) };
        loop {
            let command = match control.borrow_mut().recv(Timeout::Now) {
                Ok(command) => command,
                Err(RecvError::WouldBlock) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            let mut rest = command.more();
            while rest {
                rest = control.borrow_mut().recv(Timeout::Forever)?.more();
            }
            let mut is_answered = false;
            match &*command {
                b"PAUSE" => self.is_paused = true,
                b"RESUME" => self.is_paused = false,
                b"STATISTICS" => {
                    self.send_statistics(control)?;
                    is_answered = true;
                }
                _ => {}
            }
            if !is_answered && control.borrow().kind() == SocketType::Rep {
                control.borrow_mut().send(&Message::new(), false, Timeout::Option)?;
            }
            if command == "TERMINATE" {
                return Ok(true);
            }
        }
    }

    fn send_statistics(&self, control: &RefCell<SocketCore>) -> Result<(), ProxyError> {
        let counts = [self.front.received, self.front.sent, self.back.received, self.back.sent];
        let numbers = counts.map(|count| [count.parts, count.bytes]);
        let numbers = numbers.as_flattened();
        for (index, number) in numbers.iter().enumerate() {
            let part = Message::from(&number.to_ne_bytes());
            let is_last = index + 1 == numbers.len();
            match control.borrow_mut().send(&part, !is_last, Timeout::Now) {
                Ok(()) => {}
                // Whoever asked is gone, or asked through a socket that cannot answer.
                Err(SendError::WouldBlock | SendError::NotSupported) if index == 0 => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Moves messages while there are some and room for them, up to the burst. Returns how many.
fn burst(
    from: &mut End<'_>,
    to: &mut End<'_>,
    capture: Option<&RefCell<SocketCore>>,
) -> Result<usize, ProxyError> {
    let mut moved = 0;
    while moved < BURST_MESSAGES {
        if capture.is_none() {
            moved += from.forward_short(to, BURST_MESSAGES - moved);
        }
        // Asked before a part is taken: a message in our hands could not be put back.
        if !to.can_send()? || !move_message(from, to, capture)? {
            break;
        }
        moved += 1;
    }
    Ok(moved)
}

/// Moves one message. False if there was none after all.
fn move_message(
    from: &mut End<'_>,
    to: &mut End<'_>,
    capture: Option<&RefCell<SocketCore>>,
) -> Result<bool, ProxyError> {
    let mut part = Message::new();
    match from.recv(&mut part, Timeout::Now) {
        Ok(()) => {}
        Err(RecvError::WouldBlock) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    loop {
        if let Some(capture) = capture {
            capture.borrow_mut().send(&part, part.more(), Timeout::Option)?;
        }
        to.send(&part)?;
        if !part.more() {
            return Ok(true);
        }
        from.recv(&mut part, Timeout::Forever)?;
    }
}
