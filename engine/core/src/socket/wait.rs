//! Waiting: spin for a bounded time, then sleep in the kernel on our own descriptors (DESIGN 2.1).
//!
//! While it waits, the application thread drives its socket: it writes what its connections have left to send, and reads
//! from the descriptors it has on loan. It is woken by bytes on those, or by its mailbox (an eventfd).
//!
//! How long it spins before it sleeps is said in [`spin`](super::spin).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use zeroring_base::limits;
use zeroring_base::process::Origin;
use zeroring_base::sync::spin_hint;
use zeroring_base::time::{Clock, NS_PER_US, saturating_ns};
use zeroring_base::wake::{NoSleep, OsWake, Waker};

use super::spin::{SpinEnd, SpinHistory, Spinner};
use super::{PipePeer, SocketCore, Timeout};
use crate::error::RecvError;
use crate::io::link::RxOwner;
use crate::io::transport::{Handle, Stream};
use crate::options::WaitPolicy;
use crate::pattern::left_behind;

/// Looks into the pipes between two looks at connections and mailbox while spinning.
const LOOKS_PER_DRIVE: u32 = 2;
/// So many waits in a row that were over at once make a stream.
const STREAM_AFTER_WAITS: u32 = 8;
/// How long a reader lets a stream run ahead at first: the latency it adds there, and only there.
const BATCH_PAUSE_MIN_NS: u64 = 3 * NS_PER_US;
/// How long at most, where a reader stays at its writer's heels nevertheless.
const BATCH_PAUSE_MAX_NS: u64 = 24 * NS_PER_US;
/// How often a call looks again whether its level-triggered descriptor may be quiet.
const SETTLE_ROUNDS_MAX: u32 = 8;
/// Spin hints between two looks at the clock while a batch gathers.
const GATHER_HINTS: u32 = 16;

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Nothing: only what ends the socket.
    None,
    /// Something to receive.
    Recv,
    /// Room to send.
    Send,
    /// Either.
    Both,
}

impl Interest {
    pub(super) fn receives(self) -> bool {
        matches!(self, Interest::Recv | Interest::Both)
    }

    pub(super) fn sends(self) -> bool {
        matches!(self, Interest::Send | Interest::Both)
    }
}

/// How long a call goes on trying.
#[derive(Debug)]
pub(super) struct Patience {
    /// When it ends; `None` = never, 0 = at once.
    deadline_ns: Option<u64>,
    /// The time was over and the call tried once more.
    tried_late: bool,
}

impl Patience {
    fn is_over(&self, clock: &Clock) -> bool {
        match self.deadline_ns {
            None => false,
            Some(0) => true,
            Some(deadline_ns) => deadline_ns <= clock.now_ns(),
        }
    }
}

/// What can be done now.
///
/// A hint: with several senders or receivers another may be faster. Source: `ZMQ_EVENTS`.
///
/// ```
/// use zeroring_core::socket::Readiness;
/// let readiness = Readiness::default();
/// assert!(!readiness.readable && !readiness.writable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Readiness {
    /// A part can be received.
    pub readable: bool,
    /// A part can be sent.
    pub writable: bool,
}

struct EventFd {
    fd: Arc<OwnedFd>,
    origin: Origin,
}

impl EventFd {
    fn new(fd: Arc<OwnedFd>) -> Self {
        Self { fd, origin: Origin::here() }
    }
}

impl OsWake for EventFd {
    fn wake(&self) {
        if self.origin.is_elsewhere() {
            return; // forked: the sleeper is a thread of the parent
        }
        // A full counter (EAGAIN) means that it is readable already.
        let _ = rustix::io::write(&*self.fd, &1u64.to_ne_bytes());
    }
}

/// How a socket's thread sleeps and spins.
#[derive(Debug)]
pub(super) struct Waiter {
    /// `None` in a simulation.
    eventfd: Option<Arc<OwnedFd>>,
    /// An event loop watches the eventfd: it is kept readable while a message is there.
    is_level_triggered: bool,
    spins: SpinHistory,
    /// Waits in a row that were over at once: a stream comes in.
    short_waits: u32,
    batch_pause_ns: u64,
    /// When the last batch had gathered.
    batch_began_ns: u64,
}

impl Waiter {
    pub fn new(clock: &Clock) -> io::Result<(Self, Waker)> {
        let eventfd = match clock.is_virtual() {
            true => None,
            false => Some(Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?)),
        };
        let os: Box<dyn OsWake> = match &eventfd {
            Some(fd) => Box::new(EventFd::new(fd.clone())),
            None => Box::new(NoSleep),
        };
        let waiter = Self {
            eventfd,
            is_level_triggered: false,
            spins: SpinHistory::new(),
            short_waits: 0,
            batch_pause_ns: BATCH_PAUSE_MIN_NS,
            batch_began_ns: 0,
        };
        Ok((waiter, Waker::new(os)))
    }

    /// Notes how a wait ended.
    fn waited(&mut self, was_short: bool) {
        self.short_waits =
            if was_short { (self.short_waits + 1).min(STREAM_AFTER_WAITS) } else { 0 };
    }

    /// How long the next batch may gather. A batch that was read in less time than it gathered in kept the reader at the
    /// writer's heels: both then work on the same lines, and the writer is slow because of it.
    fn batch_pause_ns(&mut self, now_ns: u64) -> u64 {
        let read_ns = now_ns.saturating_sub(self.batch_began_ns);
        let pause_ns = match self.batch_pause_ns {
            pause_ns if read_ns < 2 * pause_ns => pause_ns * 2,
            pause_ns if read_ns > 8 * pause_ns => pause_ns / 2,
            pause_ns => pause_ns,
        };
        self.batch_pause_ns = pause_ns.clamp(BATCH_PAUSE_MIN_NS, BATCH_PAUSE_MAX_NS);
        self.batch_pause_ns
    }

    fn drain(&self) {
        if let Some(fd) = &self.eventfd {
            let mut count = [0; 8];
            let _ = rustix::io::read(&**fd, &mut count); // EAGAIN: it was not readable
        }
    }
}

/// Descriptors to sleep on, kept open while they are watched.
#[derive(Default)]
pub struct SleepSet {
    streams: Vec<(Arc<dyn Stream>, PollFlags)>,
    eventfds: Vec<Arc<OwnedFd>>,
}

impl SleepSet {
    /// Appends what to poll.
    pub fn poll_fds<'a>(&'a self, out: &mut Vec<PollFd<'a>>) {
        out.extend(self.eventfds.iter().map(|fd| PollFd::new(&**fd, PollFlags::IN)));
        for (stream, flags) in &self.streams {
            if let Handle::Fd(fd) = stream.handle() {
                out.push(PollFd::from_borrowed_fd(fd, *flags));
            }
        }
    }
}

impl SocketCore {
    /// How long a call that may block as `timeout` says goes on trying.
    pub(super) fn patience(&self, timeout: Timeout, option_ms: i32) -> Patience {
        let limit_ns = match timeout {
            Timeout::Option => u64::try_from(option_ms).ok().map(|ms| ms * 1_000_000),
            Timeout::Now => Some(0),
            Timeout::Forever => None,
            Timeout::After(limit) => Some(saturating_ns(limit)),
        };
        let deadline_ns = limit_ns.map(|limit_ns| match limit_ns {
            0 => 0,
            _ => self.context.clock().now_ns().saturating_add(limit_ns),
        });
        Patience { deadline_ns, tried_late: false }
    }

    /// Writes what the thread left behind, reads what is on loan, and processes what was reported. True if something happened.
    pub(crate) fn make_progress(&mut self) -> bool {
        let clock = self.context.clock();
        if clock.is_virtual() {
            self.pipes.iter_mut().for_each(|(_, pipe)| pipe.flush(clock));
        } else {
            left_behind::write(clock);
        }
        self.drive_leased() | self.process_commands()
    }

    /// Reads what is on loan, however many pipes there are: nobody else does.
    fn drive_leased(&mut self) -> bool {
        // Only this counts as coming back: a thread that is busy elsewhere, even with this socket, reads nothing here.
        self.handle.presence().visit();
        let mut progress = false;
        for slot in &self.leased {
            if let Some(pipe) = self.pipes.get_mut(*slot) {
                progress |= pipe.drive_rx(&mut self.pool);
            }
        }
        progress
    }

    /// Waits until something happened that may help (true), or patience is at an end. Whatever comes in, a call that is
    /// out of time tries only once more.
    pub(super) fn wait_for_progress(
        &mut self,
        interest: Interest,
        patience: &mut Patience,
    ) -> bool {
        if patience.is_over(self.context.clock()) {
            return !std::mem::replace(&mut patience.tried_late, true) && self.make_progress();
        }
        if self.let_a_batch_gather(interest) || self.make_progress() {
            return true;
        }
        let clock = self.context.clock().clone();
        let (start_ns, deadline) = (clock.now_ns(), patience.deadline_ns);
        self.ask_for_leases(interest);
        if clock.is_virtual() {
            return false; // whoever moves the clock has to let others run
        }
        let came = self
            .spin(interest, start_ns, deadline, &clock)
            .unwrap_or_else(|| self.sleep_until_progress(interest, deadline, &clock));
        self.has_waited(clock.now_ns().saturating_sub(start_ns));
        came
    }

    /// Looks for progress again and again, as long as the policy allows. Returns what the wait came to, or `None` if the
    /// thread should sleep now.
    fn spin(
        &mut self,
        interest: Interest,
        start_ns: u64,
        deadline_ns: Option<u64>,
        clock: &Clock,
    ) -> Option<bool> {
        let limit_ns = self.spin_limit_ns();
        let end = Spinner { start_ns, limit_ns, deadline_ns, clock }.run(|hints| {
            let found = self.finds_data(interest, hints);
            if found {
                self.waiter.waited(hints == 1);
            }
            found || self.make_progress()
        });
        self.spun(limit_ns, end);
        end.verdict()
    }

    /// True if the policy forbids to spin.
    pub(crate) fn never_spins(&self) -> bool {
        self.options.wait_policy == WaitPolicy::Sleep
    }

    /// How long the wait that begins may spin.
    pub(crate) fn spin_limit_ns(&mut self) -> u64 {
        self.waiter.spins.limit_ns(self.options.wait_policy)
    }

    /// Notes how a spin ended that was allowed `limit_ns`.
    pub(crate) fn spun(&mut self, limit_ns: u64, end: SpinEnd) {
        self.waiter.spins.spun(limit_ns, end);
    }

    /// Notes how long a wait took, asleep or spinning.
    pub(crate) fn has_waited(&mut self, wait_ns: u64) {
        self.waiter.spins.waited(wait_ns);
    }

    /// A few looks into the pipes, with so many spin hints after each. True if something is there.
    ///
    /// A look at a line that a peer is writing slows the peer down: the looks are few, then connections have their turn.
    fn finds_data(&mut self, interest: Interest, hints: u32) -> bool {
        (0..LOOKS_PER_DRIVE).any(|_| {
            let found = self.has_data_for(interest);
            if !found {
                (0..hints).for_each(|_| spin_hint());
            }
            found
        })
    }

    /// Sleeps until something happened (true) or the deadline passed.
    fn sleep_until_progress(
        &mut self,
        interest: Interest,
        deadline: Option<u64>,
        clock: &Clock,
    ) -> bool {
        loop {
            self.sleep(interest, deadline, clock);
            if self.make_progress() || self.has_data_for(interest) {
                return true;
            }
            if deadline.is_some_and(|deadline| deadline <= clock.now_ns()) {
                return false;
            }
        }
    }

    /// In a stream the reader is faster than the writer and would meet it at every message, on the very cache lines that
    /// are being written. A short pause lets a batch gather. True if there is something to read.
    fn let_a_batch_gather(&mut self, interest: Interest) -> bool {
        if self.waiter.short_waits < STREAM_AFTER_WAITS
            || interest != Interest::Recv
            || self.options.wait_policy == WaitPolicy::Sleep
        {
            return false;
        }
        let clock = self.context.clock();
        let mut now_ns = clock.now_ns();
        let until_ns = now_ns + self.waiter.batch_pause_ns(now_ns);
        while now_ns < until_ns {
            for _ in 0..GATHER_HINTS {
                spin_hint();
            }
            now_ns = clock.now_ns();
        }
        self.waiter.batch_began_ns = now_ns;
        let has_data = self.has_data_for(interest);
        if !has_data {
            self.waiter.waited(false);
        }
        has_data
    }

    /// Looks into the pipes, without asking anybody to tell.
    pub(crate) fn has_data_for(&mut self, interest: Interest) -> bool {
        interest.receives() && self.pattern.has_data(&mut self.pipes)
    }

    /// The last look before sleeping: whoever has something from now on will tell.
    fn has_data_or_told(&mut self, interest: Interest) -> bool {
        interest.receives() && self.pattern.has_data_or_told(&mut self.pipes)
    }

    /// Asks for the descriptors of the connections this thread is about to wait for. Those it has it keeps when there
    /// are too many to ask for more.
    pub(crate) fn ask_for_leases(&mut self, interest: Interest) {
        if !interest.receives()
            || self.waiter.is_level_triggered
            || !self.pattern.can_recv()
            || self.pipes.len() > limits::LEASED_LINKS_MAX
        {
            return;
        }
        self.forget_returned();
        for (slot, pipe) in self.pipes.iter() {
            if let PipePeer::Link(link) = &pipe.peer
                && link.is_connected()
                && link.rx_owner() == RxOwner::Io
            {
                if !self.leased.contains(&slot) {
                    self.leased.push(slot); // first: from now on the descriptor may be ours
                }
                link.ask_lease();
            }
        }
    }

    /// Forgets slots whose descriptor the I/O thread has again, or whose pipe is gone.
    fn forget_returned(&mut self) {
        let pipes = &self.pipes;
        self.leased.retain(|slot| match pipes.get(*slot).map(|pipe| &pipe.peer) {
            Some(PipePeer::Link(link)) => link.rx_owner() != RxOwner::Io,
            _ => false,
        });
    }

    fn sleep(&mut self, interest: Interest, deadline: Option<u64>, clock: &Clock) {
        let mut set = SleepSet::default();
        if self.prepare_sleep(interest, &mut set) {
            let mut fds = Vec::with_capacity(8);
            set.poll_fds(&mut fds);
            let timeout = deadline.map(|at| timespec(at.saturating_sub(clock.now_ns())));
            // EINTR and friends: the caller looks again anyway.
            let _ = poll(&mut fds, timeout.as_ref());
        }
        self.finish_sleep();
    }

    /// Announces that this thread sleeps and adds its descriptors to `set`. False: something came, do not sleep. Either
    /// way [`finish_sleep`](Self::finish_sleep) follows.
    pub(crate) fn prepare_sleep(&mut self, interest: Interest, set: &mut SleepSet) -> bool {
        if !self.inbox.waker().state().prepare_sleep() || !self.inbox.is_empty() {
            return false;
        }
        if self.has_data_or_told(interest) {
            return false;
        }
        if interest == Interest::None {
            // Not parked: the I/O thread takes back what is on loan.
            set.eventfds.extend(self.waiter.eventfd.clone());
            return true;
        }
        if !self.watch_leased(set) {
            return false;
        }
        if interest.sends() {
            self.watch_unwritten(set);
        }
        set.eventfds.extend(self.waiter.eventfd.clone());
        self.handle.presence().set_parked(true);
        true
    }

    /// Adds the descriptors on loan. False if one of them has to be driven first.
    fn watch_leased(&self, set: &mut SleepSet) -> bool {
        for slot in &self.leased {
            let Some(PipePeer::Link(link)) = self.pipes.get(*slot).map(|pipe| &pipe.peer) else {
                continue;
            };
            let mut rx = link.rx();
            if link.rx_owner() != RxOwner::App {
                continue;
            }
            if rx.is_stalled() {
                // Nothing is read without credit: a readable descriptor would end the sleep again and again. Credit
                // comes from this very thread, so that nothing is missed; if it came, messages wait here.
                if rx.has_credit() {
                    return false;
                }
            } else if let Some(stream) = rx.stream() {
                set.streams.push((stream.clone(), PollFlags::IN));
            }
        }
        true
    }

    /// Adds the descriptors that have to take more before there is room. With many pipes the I/O threads write.
    fn watch_unwritten(&self, set: &mut SleepSet) {
        if self.pipes.len() > limits::LEASED_LINKS_MAX {
            return;
        }
        for (_, pipe) in self.pipes.iter() {
            if let PipePeer::Link(link) = &pipe.peer
                && pipe.unwritten_bytes() > 0
                && link.is_connected()
                // None once a write failed: such a descriptor would be ready for ever. The reader finds the end.
                && let Some(stream) = link.tx().stream()
            {
                set.streams.push((stream.clone(), PollFlags::OUT));
            }
        }
    }

    /// Awake again.
    pub(crate) fn finish_sleep(&mut self) {
        self.handle.presence().set_parked(false);
        self.inbox.waker().state().wake_up();
        self.waiter.drain();
        if self.pipes.len() <= limits::LEASED_LINKS_MAX {
            // One of them may take bytes again, see `watch_unwritten`.
            let clock = self.context.clock();
            self.pipes.iter_mut().for_each(|(_, pipe)| pipe.flush(clock));
        }
    }

    /// A descriptor that is readable while a message can be received, for event loops. From now on the I/O threads do
    /// all the reading. It may also be readable when there is nothing: then a `recv` without waiting makes it quiet.
    ///
    /// # Errors
    /// In a simulation there is none; in a forked child it is the parent's.
    pub fn level_fd(&mut self) -> io::Result<BorrowedFd<'_>> {
        if self.context.is_forked() {
            return Err(io::Error::other(RecvError::Forked));
        }
        self.waiter.is_level_triggered = true;
        self.settle_level_fd();
        match &self.waiter.eventfd {
            Some(fd) => Ok(fd.as_fd()),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Keeps the level-triggered descriptor true after a call.
    #[inline]
    pub(super) fn settle_level_fd(&mut self) {
        if self.waiter.is_level_triggered {
            self.settle_level_fd_now();
        }
    }

    #[cold]
    fn settle_level_fd_now(&mut self) {
        if self.context.is_forked() {
            return; // draining would take the parent's wakes
        }
        for _ in 0..SETTLE_ROUNDS_MAX {
            self.inbox.waker().state().wake_up();
            self.waiter.drain();
            self.process_commands();
            let readable = self.is_stopped || self.readiness_now().readable;
            if !readable && self.has_data_or_told(Interest::Recv) {
                continue;
            }
            if readable {
                break;
            }
            // From here on a notification writes to the eventfd; one that came before sends us round again.
            if self.inbox.waker().state().prepare_sleep() && self.inbox.is_empty() {
                return;
            }
        }
        // Something is there, or peers are faster than we look: the event loop comes back to see.
        if let Some(fd) = &self.waiter.eventfd {
            EventFd::new(fd.clone()).wake();
        }
    }

    /// True for sockets that an event loop watches; they do not take descriptors on loan.
    pub fn is_level_triggered(&self) -> bool {
        self.waiter.is_level_triggered
    }
}

/// A poll timeout.
pub(crate) fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / 1_000_000_000) as _, tv_nsec: (ns % 1_000_000_000) as _ }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::tests::socket_without_threads;
    use crate::socket::{PipeId, SocketCommand};
    use zeroring_zmtp::SocketType;

    #[test]
    fn progress_without_a_message_gives_one_more_try() {
        let mut socket = socket_without_threads(SocketType::Pull);
        let handle = socket.handle().clone();
        let mut something_comes = |patience: &mut Patience| {
            handle.send(SocketCommand::Writable(PipeId(u32::MAX)));
            socket.wait_for_progress(Interest::Recv, patience)
        };
        let mut none = Patience { deadline_ns: Some(0), tried_late: false };
        assert!(something_comes(&mut none), "what came may be a message");
        assert!(!something_comes(&mut none), "however much comes");
        let mut over = Patience { deadline_ns: Some(1), tried_late: false };
        assert!(something_comes(&mut over));
        assert!(!something_comes(&mut over));
        let mut endless = Patience { deadline_ns: None, tried_late: false };
        (0..10).for_each(|_| assert!(something_comes(&mut endless)));
    }

    #[test]
    fn a_stream_is_let_run_ahead_only_by_those_who_may_wait_and_spin() {
        let mut socket = socket_without_threads(SocketType::Pull);
        for (policy, deadline_ns, may_pause) in [
            (WaitPolicy::Adaptive, None, true),
            (WaitPolicy::Sleep, None, false),
            (WaitPolicy::Adaptive, Some(0), false),
        ] {
            socket.options.wait_policy = policy;
            socket.waiter.short_waits = STREAM_AFTER_WAITS;
            socket.handle().send(SocketCommand::Writable(PipeId(u32::MAX)));
            let mut patience = Patience { deadline_ns, tried_late: false };
            assert!(socket.wait_for_progress(Interest::Recv, &mut patience));
            // A pause in vain ends the stream.
            let has_paused = socket.waiter.short_waits == 0;
            assert_eq!(has_paused, may_pause, "{policy:?} {deadline_ns:?}");
        }
    }
}
