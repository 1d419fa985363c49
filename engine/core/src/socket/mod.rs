//! The socket as the application's thread holds it: calls in, commands processed, connections driven while waiting.
//!
//! A [`SocketCore`] owns its end of every pipe, its pattern and its mailbox. It is `Send` and not `Sync`: it may move
//! between threads, but only one uses it. I/O threads and inproc peers reach it through its [`SocketHandle`] only.
//!
//! | file | what |
//! | --- | --- |
//! | `mod` | sending and receiving parts |
//! | `handle` | what others know of the socket |
//! | `commands` | what happened to its pipes |
//! | `endpoints` | bind, connect, unbind, disconnect |
//! | `settings` | options, by field and by number |
//! | `wait` | waiting: driving connections, sleeping |
//! | `spin` | how long to spin before that |
//! | `cpus` | whether spinning can help |

mod commands;
mod cpus;
mod endpoints;
mod handle;
mod settings;
mod spin;
#[cfg(test)]
pub(crate) mod tests;
mod wait;

pub use handle::{NewPipe, PeerInfo, PipeId, PipePeer, Presence, SocketCommand, SocketHandle};
pub(crate) use spin::{SpinEnd, Spinner};
pub(crate) use wait::timespec;
pub use wait::{Interest, Readiness, SleepSet};

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver as EventReceiver;
use zeroring_base::copy::{SMALL_BYTES_MAX, copy_short, copy_small};
use zeroring_base::mailbox::{Receiver, mailbox};
use zeroring_base::wake::{NoSleep, Waker};
use zeroring_base::{Message, PartRef, SlabPool, limits};
use zeroring_zmtp::SocketType;

use crate::context::Shared;
use crate::error::{RecvError, SendError, SocketError};
use crate::monitor::MonitorEvent;
use crate::options::{ContextOptions, SocketOptions};
use crate::pattern::{Pattern, Pipes, Refused, Scope, ShortReceived};
use crate::pipe::TakeShort;
use endpoints::Endpoints;
use wait::Waiter;

/// How long a call may block.
///
/// Time is kept in nanoseconds. A call that is out of time tries once more, whatever else comes in.
///
/// ```
/// use std::time::Duration;
/// use zeroring_core::socket::Timeout;
/// assert_eq!(Timeout::default(), Timeout::Option);
/// let half_a_second = Timeout::After(Duration::from_millis(500));
/// # let _ = half_a_second;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Timeout {
    /// As the option says: `SNDTIMEO` or `RCVTIMEO`.
    #[default]
    Option,
    /// Not at all.
    Now,
    /// Until it can be done.
    Forever,
    /// At most this long.
    After(Duration),
}

/// What a receive into a buffer says of the part.
///
/// ```
/// # use zeroring_core::socket::Received;
/// let received = Received { size_bytes: 5, more: false };
/// assert_eq!(received.bytes_in(&[0; 3]).len(), 3); // two did not fit
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of the part. If the buffer is smaller, only its front was copied and the rest is gone.
    pub size_bytes: usize,
    /// Whether further parts of the same message follow.
    pub more: bool,
}

impl Received {
    /// The received bytes in the buffer that they were copied into.
    #[must_use]
    pub fn bytes_in(self, buffer: &[u8]) -> &[u8] {
        &buffer[..self.size_bytes.min(buffer.len())]
    }
}

/// A socket. See the module.
pub struct SocketCore {
    context: Arc<Shared>,
    handle: SocketHandle,
    options: SocketOptions,
    pattern: Pattern,
    pipes: Pipes,
    pool: SlabPool,
    inbox: Receiver<SocketCommand>,
    commands: VecDeque<SocketCommand>,
    endpoints: Endpoints,
    waiter: Waiter,
    /// Slots of the pipes whose descriptors were asked for: they are, or will be, ours to read.
    leased: Vec<usize>,
    /// The Stop command was seen: every call fails from now on.
    is_stopped: bool,
    recv_more: bool,
    /// Routing id for the next connection.
    connect_routing_id: Option<Vec<u8>>,
}

impl std::fmt::Debug for SocketCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SocketCore")
            .field("kind", &self.kind())
            .field("stopped", &self.is_stopped)
            .field("inbox_empty", &self.inbox.is_empty())
            .field("pipes", &self.pipes)
            .finish_non_exhaustive()
    }
}

impl SocketCore {
    pub(crate) fn new(
        context: Arc<Shared>,
        kind: SocketType,
        options: &ContextOptions,
    ) -> Result<Self, SocketError> {
        let (waiter, waker) = Waiter::new(context.clock()).map_err(SocketError::io)?;
        let (sender, inbox) = mailbox(waker);
        let live = context.live().clone();
        let handle = SocketHandle::new(live.next_id(), kind, sender, live.clone());
        live.socket_begins();
        Ok(Self {
            pattern: Pattern::new(kind, context.random() as u32),
            options: SocketOptions::new(kind, options),
            pool: SlabPool::default().with_clock(context.clock().clone()),
            context,
            handle,
            pipes: Pipes::default(),
            inbox,
            commands: VecDeque::new(),
            endpoints: Endpoints::default(),
            waiter,
            leased: Vec::new(),
            is_stopped: false,
            recv_more: false,
            connect_routing_id: None,
        })
    }

    /// The socket's type.
    pub fn kind(&self) -> SocketType {
        self.handle.kind()
    }

    /// The socket as others see it.
    pub fn handle(&self) -> &SocketHandle {
        &self.handle
    }

    /// Sends one part; with `more`, further parts of the same message follow. Blocks up to `timeout` for room.
    ///
    /// # Errors
    /// See [`SendError`]; the part is then not sent, and the parts before it wait for it.
    #[inline]
    pub fn send<'a>(
        &mut self,
        part: impl Into<PartRef<'a>>,
        more: bool,
        timeout: Timeout,
    ) -> Result<(), SendError> {
        let part = part.into();
        if !more && self.try_send_short(part.bytes()) {
            return Ok(());
        }
        self.send_any(part, more, timeout)
    }

    /// The short way of a short message, which most take: nothing was reported, and nothing stands in its way. False:
    /// something does, and nothing was done. A function of its own, so that callers need few registers and no memory for
    /// the result; with a small message it calls nothing but at its end, and saves no registers either.
    #[inline(never)]
    fn try_send_short(&mut self, body: &[u8]) -> bool {
        if body.len() > SMALL_BYTES_MAX {
            let is_copied = body.len() < self.options.copy_threshold_bytes as usize;
            return is_copied && self.try_send_longer(body);
        }
        self.try_send_with::<true>(body) || self.try_send_longer(body)
    }

    #[inline(never)]
    fn try_send_longer(&mut self, body: &[u8]) -> bool {
        self.try_send_with::<false>(body)
    }

    #[inline(always)]
    fn try_send_with<const IS_SMALL: bool>(&mut self, body: &[u8]) -> bool {
        if !self.is_at_ease() {
            return false;
        }
        match &mut self.pattern {
            Pattern::Distribute { balancer: Some(balancer), .. } => {
                let clock = self.context.clock();
                balancer.try_send_short::<IS_SMALL>(&mut self.pipes, body, clock)
            }
            _ => false,
        }
    }

    /// True if a call has nothing to do but what it is called for.
    #[inline(always)]
    fn is_at_ease(&self) -> bool {
        self.inbox.is_empty() && !self.is_stopped && !self.is_level_triggered()
    }

    #[inline(never)]
    fn send_any(
        &mut self,
        part: PartRef<'_>,
        more: bool,
        timeout: Timeout,
    ) -> Result<(), SendError> {
        let sent = match self.send_now(part, more) {
            Err(Refused::WouldBlock) => self.send_waiting(part, more, timeout),
            done => done.map_err(|refused| send_error(refused, self.is_stopped)),
        };
        self.settle_level_fd();
        sent
    }

    #[inline]
    fn send_now(&mut self, part: PartRef<'_>, more: bool) -> Result<(), Refused> {
        self.process_commands();
        if self.is_stopped {
            return Err(Refused::NotSupported);
        }
        self.with_pattern(|pattern, scope| pattern.send(scope, part, more))
    }

    #[cold]
    fn send_waiting(
        &mut self,
        part: PartRef<'_>,
        more: bool,
        timeout: Timeout,
    ) -> Result<(), SendError> {
        if self.context.is_forked() {
            return Err(SendError::Forked);
        }
        let mut patience = self.patience(timeout, self.options.send_timeout_ms);
        loop {
            if !self.wait_for_progress(Interest::Send, &mut patience) {
                return Err(SendError::WouldBlock);
            }
            match self.send_now(part, more) {
                Err(Refused::WouldBlock) => {}
                done => return done.map_err(|refused| send_error(refused, self.is_stopped)),
            }
        }
    }

    /// Receives one part; [`Message::more`] says whether further parts of the same message follow. Blocks up to
    /// `timeout` for a message.
    ///
    /// # Errors
    /// See [`RecvError`].
    #[inline]
    pub fn recv(&mut self, timeout: Timeout) -> Result<Message, RecvError> {
        let mut part = Message::new();
        self.recv_into(&mut part, timeout)?;
        Ok(part)
    }

    /// Like [`recv`](Self::recv), into a value of the caller's: the fastest way to receive many small parts.
    ///
    /// # Errors
    /// See [`RecvError`]; `part` then holds nothing of use.
    #[inline]
    pub fn recv_into(&mut self, part: &mut Message, timeout: Timeout) -> Result<(), RecvError> {
        if self.try_recv_short_message(part) {
            return Ok(());
        }
        self.recv_any(part, timeout)
    }

    /// Like [`recv`](Self::recv), but copies the part's bytes into `buffer`, as many as it holds.
    ///
    /// # Errors
    /// See [`RecvError`].
    #[inline]
    pub fn recv_slice(
        &mut self,
        buffer: &mut [u8],
        timeout: Timeout,
    ) -> Result<Received, RecvError> {
        match self.try_recv_short_slice(buffer) {
            Some(size_bytes) => Ok(Received { size_bytes, more: false }),
            None => self.recv_any_slice(buffer, timeout),
        }
    }

    /// The short way of a short message, as for sending. A function of its own like that one.
    #[inline(never)]
    fn try_recv_short_message(&mut self, part: &mut Message) -> bool {
        self.try_recv_short(&mut IntoMessage(part)).is_some()
    }

    #[inline(never)]
    fn try_recv_short_slice(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match self.try_recv_short(&mut SmallIntoBuffer(buffer)) {
            None => self.try_recv_longer_slice(buffer),
            received => received,
        }
    }

    #[inline(never)]
    fn try_recv_longer_slice(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.try_recv_short(&mut IntoBuffer(buffer))
    }

    /// Receives a short message of one part and sends it through `to`: from one queue into the other, touched once. Returns
    /// its size. `None`: something else is to be done first, and nothing was done. Never waits.
    pub fn forward_short(&mut self, to: &mut SocketCore) -> Option<usize> {
        self.try_recv_short(&mut Through(to))
    }

    /// Gives the body of a short message of one part to `taker`, if nothing else is to be done first; says what that made of
    /// it. Messages that do not match are passed over, one that is not wanted stays.
    #[inline(always)]
    fn try_recv_short<T: TakeShort>(&mut self, taker: &mut T) -> Option<T::Taken> {
        if !self.is_at_ease() {
            return None;
        }
        let pipes = &mut self.pipes;
        let inverted = self.options.invert_matching;
        let fair = match &mut self.pattern {
            Pattern::Distribute { fair: Some(fair), .. } => Ok(fair),
            Pattern::Subscriber(subscriber) if subscriber.matches_next(inverted) => {
                Ok(subscriber.fair())
            }
            Pattern::Subscriber(subscriber) if !T::ONLY_SMALL => Err(subscriber),
            _ => return None,
        };
        let ShortReceived { slot, taken, returns_credit } = match fair {
            Ok(fair) => fair.try_recv_short(pipes, taker),
            Err(choosy) => choosy.try_recv_short(pipes, inverted, taker),
        }?;
        self.recv_more = false;
        self.pipes.received_from(slot);
        if returns_credit {
            return self.return_credit_for(slot, taken);
        }
        Some(taken)
    }

    /// The last thing a receive does, so that it must not save anything for the case.
    #[cold]
    #[inline(never)]
    fn return_credit_for<T>(&self, slot: usize, taken: T) -> Option<T> {
        self.pipes.return_credit(slot);
        Some(taken)
    }

    #[inline(never)]
    fn recv_any_slice(
        &mut self,
        buffer: &mut [u8],
        timeout: Timeout,
    ) -> Result<Received, RecvError> {
        let mut part = Message::new();
        self.recv_any(&mut part, timeout)?;
        let copied_bytes = part.len().min(buffer.len());
        buffer[..copied_bytes].copy_from_slice(&part[..copied_bytes]);
        Ok(Received { size_bytes: part.len(), more: part.more() })
    }

    #[inline(never)]
    fn recv_any(&mut self, part: &mut Message, timeout: Timeout) -> Result<(), RecvError> {
        let received = match self.recv_now(part) {
            Err(Refused::WouldBlock) => self.recv_waiting(part, timeout),
            done => done.map_err(|refused| recv_error(refused, self.is_stopped)),
        };
        self.settle_level_fd();
        received
    }

    /// What is there without processing anything, else what processing brings.
    #[inline]
    fn recv_now(&mut self, part: &mut Message) -> Result<(), Refused> {
        self.process_commands();
        if self.is_stopped {
            return Err(Refused::NotSupported);
        }
        let slot = self.with_pattern(|pattern, scope| pattern.recv(scope, part))?;
        self.recv_more = part.more();
        self.pipes.received_from(slot);
        Ok(())
    }

    #[cold]
    fn recv_waiting(&mut self, part: &mut Message, timeout: Timeout) -> Result<(), RecvError> {
        if self.context.is_forked() {
            return Err(RecvError::Forked);
        }
        let mut patience = self.patience(timeout, self.options.recv_timeout_ms);
        loop {
            // The end of a peer may be something to receive itself.
            if !self.sweep_finished() && !self.wait_for_progress(Interest::Recv, &mut patience) {
                return Err(RecvError::WouldBlock);
            }
            match self.recv_now(part) {
                Err(Refused::WouldBlock) => {}
                done => return done.map_err(|refused| recv_error(refused, self.is_stopped)),
            }
        }
    }

    /// What is known of the peer that sent the last part received; `None` for inproc.
    pub fn peer(&self) -> Option<&Arc<PeerInfo>> {
        self.pipes.last_sender()
    }

    /// RCVMORE: whether the last part received is followed by others of its message.
    pub fn recv_more(&self) -> bool {
        self.recv_more
    }

    /// Whether a part could be received or sent now.
    ///
    /// # Errors
    /// [`RecvError::Terminated`] once the context is terminating; [`RecvError::Forked`] in a forked child.
    pub fn readiness(&mut self) -> Result<Readiness, RecvError> {
        self.readiness_for(Interest::Both)
    }

    /// As [`readiness`](Self::readiness), for a caller that cares for `interest` only: where that is there already,
    /// connections are neither read nor written. A thread that asks before each message would otherwise write and read each by itself.
    ///
    /// # Errors
    /// As for [`readiness`](Self::readiness).
    pub fn readiness_for(&mut self, interest: Interest) -> Result<Readiness, RecvError> {
        if self.context.is_forked() {
            return Err(RecvError::Forked);
        }
        self.process_commands();
        let mut readiness = self.readiness_now();
        if self.lacks(interest, readiness) && self.make_progress() {
            readiness = self.readiness_now();
        }
        if self.is_stopped {
            return Err(RecvError::Terminated);
        }
        self.settle_level_fd();
        Ok(readiness)
    }

    /// True if something of `interest` is not there, and can ever be.
    fn lacks(&self, interest: Interest, readiness: Readiness) -> bool {
        (interest.receives() && self.pattern.can_recv() && !readiness.readable)
            || (interest.sends() && self.pattern.can_send() && !readiness.writable)
    }

    fn readiness_now(&mut self) -> Readiness {
        self.sweep_finished(); // first: the end of a peer may be something to receive itself
        self.with_pattern(|pattern, scope| Readiness {
            readable: pattern.is_readable(scope),
            writable: pattern.is_writable(scope),
        })
    }

    /// Starts (or replaces) the monitor: events whose bit is in `mask` are queued for the returned receiver.
    pub fn monitor(&mut self, mask: u32) -> EventReceiver<MonitorEvent> {
        self.handle.monitor().start(mask)
    }

    /// Ends the monitor.
    pub fn stop_monitor(&mut self) {
        self.handle.monitor().stop();
    }

    /// Calls `f` with the pattern and what it works with.
    #[inline]
    fn with_pattern<R>(&mut self, f: impl FnOnce(&mut Pattern, &mut Scope<'_>) -> R) -> R {
        let mut scope = Scope {
            pipes: &mut self.pipes,
            pool: &mut self.pool,
            options: &self.options,
            clock: self.context.clock(),
        };
        f(&mut self.pattern, &mut scope)
    }
}

impl Drop for SocketCore {
    /// Closes the socket: never blocks; what was sent lingers as the option says.
    fn drop(&mut self) {
        if self.context.is_forked() {
            return self.forget_all();
        }
        self.process_commands();
        self.close_all_endpoints();
        for slot in self.pipes.slots() {
            self.close_pipe(slot, false);
        }
        // Pipes that peers attached while we were closing.
        self.inbox.close().into_iter().for_each(SocketCommand::bounce);
        self.context.forget_socket(&self.handle);
        self.handle.monitor().stop();
    }
}

impl SocketCore {
    /// In a forked child: connections, names and descriptors are the parent's, so nothing of them is closed or told; and a
    /// lock that a thread of the parent held at the fork stays locked, so none is taken.
    fn forget_all(&mut self) {
        let nobody = mailbox(Waker::new(Box::new(NoSleep)));
        let pattern = Pattern::new(self.kind(), 0);
        std::mem::forget(std::mem::replace(&mut self.inbox, nobody.1));
        std::mem::forget(std::mem::replace(&mut self.pattern, pattern));
        std::mem::forget(std::mem::take(&mut self.commands));
        std::mem::forget(std::mem::take(&mut self.endpoints));
        std::mem::forget(std::mem::take(&mut self.pipes));
        std::mem::forget(std::mem::take(&mut self.pool));
    }
}

/// Copies bodies that a message holds itself; of longer ones it is a slice.
struct IntoMessage<'a>(&'a mut Message);

impl TakeShort for IntoMessage<'_> {
    type Taken = ();

    #[inline(always)]
    fn take(&mut self, body: &[u8]) -> Option<()> {
        (body.len() <= limits::INLINE_BODY_BYTES_MAX).then(|| self.0.set_copy(body, false))
    }
}

/// Copies bodies that fit.
struct IntoBuffer<'a>(&'a mut [u8]);

impl TakeShort for IntoBuffer<'_> {
    type Taken = usize;

    #[inline(always)]
    fn take(&mut self, body: &[u8]) -> Option<usize> {
        copy_short(body, self.0.get_mut(..body.len())?);
        Some(body.len())
    }
}

/// Copies small bodies that fit, and calls nothing.
struct SmallIntoBuffer<'a>(&'a mut [u8]);

impl TakeShort for SmallIntoBuffer<'_> {
    type Taken = usize;
    const ONLY_SMALL: bool = true;

    #[inline(always)]
    fn take(&mut self, body: &[u8]) -> Option<usize> {
        copy_small(body, self.0.get_mut(..body.len())?);
        Some(body.len())
    }
}

/// Sends bodies on.
struct Through<'a>(&'a mut SocketCore);

impl TakeShort for Through<'_> {
    type Taken = usize;

    #[inline(always)]
    fn take(&mut self, body: &[u8]) -> Option<usize> {
        self.0.try_send_short(body).then_some(body.len())
    }
}

fn send_error(refused: Refused, is_stopped: bool) -> SendError {
    match refused {
        _ if is_stopped => SendError::Terminated,
        Refused::WouldBlock => SendError::WouldBlock,
        Refused::HostUnreachable => SendError::HostUnreachable,
        Refused::State(expected) => SendError::State { expected },
        Refused::NotSupported => SendError::NotSupported,
        Refused::NoMemory => SendError::NoMemory,
    }
}

fn recv_error(refused: Refused, is_stopped: bool) -> RecvError {
    match refused {
        _ if is_stopped => RecvError::Terminated,
        Refused::State(expected) => RecvError::State { expected },
        Refused::NotSupported => RecvError::NotSupported,
        _ => RecvError::WouldBlock,
    }
}
