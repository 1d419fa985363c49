//! Waiting for several sockets and descriptors at once, level-triggered (libzmq-surface §10.1).

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll as poll_fds};
use zeroring_base::sync::spin_hint;
use zeroring_base::time::{Clock, monotonic_ns, saturating_ns};

use crate::error::RecvError;
use crate::socket::{Interest, SleepSet, SocketCore, SpinEnd, Spinner, timespec};

/// What is asked of an item, or found.
///
/// Source: `ZMQ_POLLIN`, `ZMQ_POLLOUT`, `ZMQ_POLLPRI`, `ZMQ_POLLERR`.
///
/// ```
/// use zeroring_core::poll::Events;
/// let urgent_too = Events { urgent: true, ..Events::READABLE };
/// assert!(urgent_too.readable && !urgent_too.writable);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Something can be received or read.
    pub readable: bool,
    /// Something can be sent or written.
    pub writable: bool,
    /// Descriptors only: an exceptional condition, such as urgent data of a tcp socket (`POLLPRI`). Sockets ignore it.
    pub urgent: bool,
    /// Descriptors only: error, hang-up or an invalid descriptor; reported unasked.
    pub error: bool,
}

impl Events {
    /// Nothing.
    ///
    /// ```
    /// use zeroring_core::poll::Events;
    /// assert!(Events::NONE.is_empty());
    /// ```
    pub const NONE: Events =
        Events { readable: false, writable: false, urgent: false, error: false };
    /// Something to receive.
    ///
    /// ```
    /// use zeroring_core::poll::Events;
    /// assert!(Events::READABLE.readable);
    /// ```
    pub const READABLE: Events = Events { readable: true, ..Self::NONE };
    /// Room to send.
    ///
    /// ```
    /// use zeroring_core::poll::Events;
    /// assert!(Events::WRITABLE.writable);
    /// ```
    pub const WRITABLE: Events = Events { writable: true, ..Self::NONE };
    /// Either.
    ///
    /// ```
    /// use zeroring_core::poll::Events;
    /// assert!(Events::BOTH.readable && Events::BOTH.writable);
    /// ```
    pub const BOTH: Events = Events { readable: true, writable: true, ..Self::NONE };

    /// True if nothing is set.
    ///
    /// ```
    /// use zeroring_core::poll::Events;
    /// assert!(Events::default().is_empty() && !Events::BOTH.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    fn interest(&self) -> Interest {
        match (self.readable, self.writable) {
            (true, true) => Interest::Both,
            (false, true) => Interest::Send,
            (true, false) => Interest::Recv,
            (false, false) => Interest::None,
        }
    }

    fn flags(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.readable);
        flags.set(PollFlags::OUT, self.writable);
        flags.set(PollFlags::PRI, self.urgent);
        flags
    }
}

/// One thing to wait for.
#[derive(Debug)]
pub enum Target<'a> {
    /// A socket.
    Socket(&'a mut SocketCore),
    /// A descriptor.
    Fd(BorrowedFd<'a>),
}

/// A target with what is asked of it; after [`poll`] also what was found.
#[derive(Debug)]
pub struct PollItem<'a> {
    /// The target.
    pub target: Target<'a>,
    /// What is asked.
    pub asked: Events,
    /// What was found; always rewritten.
    pub found: Events,
}

impl<'a> PollItem<'a> {
    /// An item for `target`.
    pub fn new(target: Target<'a>, asked: Events) -> Self {
        Self { target, asked, found: Events::NONE }
    }
}

/// Waits up to `timeout` (`None`: for ever) until an item has what is asked of it. Returns the number of items that have.
///
/// # Errors
/// [`RecvError::Terminated`] as soon as one of the sockets notices that its context is terminating;
/// [`RecvError::Forked`] if one was inherited from a parent process.
pub fn poll(items: &mut [PollItem<'_>], timeout: Option<Duration>) -> Result<usize, RecvError> {
    let deadline = timeout.map(|timeout| monotonic_ns().saturating_add(saturating_ns(timeout)));
    loop {
        let ready = look(items)?;
        let expired = deadline.is_some_and(|deadline| deadline <= monotonic_ns());
        if ready > 0 || expired {
            return Ok(ready);
        }
        wait(items, deadline);
    }
}

/// Waits until something happened that may help, or for as long as there is time.
fn wait(items: &mut [PollItem<'_>], deadline_ns: Option<u64>) {
    let start_ns = monotonic_ns();
    // Only now: a thread that always finds something ready would not read what it has on loan.
    sockets(items).for_each(|(socket, interest)| socket.ask_for_leases(interest));
    if spin(items, start_ns, deadline_ns).verdict().is_none() {
        sleep(items, deadline_ns);
    }
    let waited_ns = monotonic_ns().saturating_sub(start_ns);
    sockets(items).for_each(|(socket, _)| socket.has_waited(waited_ns));
}

/// A poll of more items than this does not spin: a round of looks would take too long.
const SPINNING_ITEMS_MAX: usize = 16;

/// Looks again and again, for as long as it has paid for one of the sockets, unless the policy of one forbids it.
fn spin(items: &mut [PollItem<'_>], start_ns: u64, deadline_ns: Option<u64>) -> SpinEnd {
    let may_spin = items.len() <= SPINNING_ITEMS_MAX
        && !sockets(items).any(|(socket, _)| socket.never_spins());
    let limit_ns = match may_spin {
        true => sockets(items).map(|(socket, _)| socket.spin_limit_ns()).max().unwrap_or(0),
        false => 0,
    };
    let clock = &Clock::Real; // a simulation never waits here
    let end = Spinner { start_ns, limit_ns, deadline_ns, clock }.run(|hints| {
        let found = items.iter_mut().any(|item| {
            let asked = item.asked;
            match &mut item.target {
                Target::Socket(socket) => {
                    socket.has_data_for(asked.interest()) || socket.make_progress()
                }
                Target::Fd(fd) => !look_at_fd(*fd, asked).is_empty(),
            }
        });
        if !found {
            (0..hints).for_each(|_| spin_hint());
        }
        found
    });
    sockets(items).for_each(|(socket, _)| socket.spun(limit_ns, end));
    end
}

/// The sockets among the items, with what is asked of them.
fn sockets<'i>(
    items: &'i mut [PollItem<'_>],
) -> impl Iterator<Item = (&'i mut SocketCore, Interest)> {
    items.iter_mut().filter_map(|item| match &mut item.target {
        Target::Socket(socket) => Some((&mut **socket, item.asked.interest())),
        Target::Fd(_) => None,
    })
}

/// Looks at every item without waiting.
fn look(items: &mut [PollItem<'_>]) -> Result<usize, RecvError> {
    let mut ready = 0;
    for item in items {
        let asked = item.asked;
        item.found = match &mut item.target {
            Target::Socket(socket) => {
                let readiness = socket.readiness_for(asked.interest())?;
                Events {
                    readable: asked.readable && readiness.readable,
                    writable: asked.writable && readiness.writable,
                    ..Events::NONE
                }
            }
            Target::Fd(fd) => look_at_fd(*fd, asked),
        };
        ready += usize::from(!item.found.is_empty());
    }
    Ok(ready)
}

fn look_at_fd(fd: BorrowedFd<'_>, asked: Events) -> Events {
    let mut fds = [PollFd::from_borrowed_fd(fd, asked.flags())];
    let now = timespec(0);
    if poll_fds(&mut fds, Some(&now)).is_err() {
        return Events::NONE;
    }
    let found = fds[0].revents();
    Events {
        readable: found.contains(PollFlags::IN),
        writable: found.contains(PollFlags::OUT),
        urgent: found.contains(PollFlags::PRI),
        error: found.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL),
    }
}

fn sleep(items: &mut [PollItem<'_>], deadline: Option<u64>) {
    let mut set = SleepSet::default();
    let mut may_sleep = true;
    for (socket, interest) in sockets(items) {
        may_sleep &= socket.prepare_sleep(interest, &mut set);
    }
    if may_sleep {
        let mut fds = Vec::with_capacity(items.len() * 2);
        set.poll_fds(&mut fds);
        for item in items.iter() {
            if let Target::Fd(fd) = &item.target {
                fds.push(PollFd::from_borrowed_fd(*fd, item.asked.flags()));
            }
        }
        let timeout = deadline.map(|at| timespec(at.saturating_sub(monotonic_ns())));
        let _ = poll_fds(&mut fds, timeout.as_ref()); // EINTR: the caller looks again
    }
    sockets(items).for_each(|(socket, _)| socket.finish_sleep());
}
