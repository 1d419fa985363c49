//! Waiting for several sockets and descriptors at once.

use std::cell::{RefCell, RefMut};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

pub use zeroring_core::poll::Events;
use zeroring_core::poll::{PollItem, Target, poll};
use zeroring_core::socket::SocketCore;

use crate::error::{RecvError, errno};
use crate::kind::Kind;
use crate::socket::Socket;

/// Waits for several sockets and file descriptors. Level-triggered: what is ready and left alone is ready again next
/// time. Source: `zmq_poller_*`, without its edges.
///
/// Each registration carries a key of your choice, which comes back when it is ready. Sockets can be used while they are
/// registered, and must outlive the poller; the compiler sees to both.
///
/// ```
/// use std::time::Duration;
/// use zeroring::{Context, Events, Poller, Pull, Push};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let context = Context::new();
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Source { Orders, Prices }
///
/// let (orders, prices) = (context.socket::<Pull>()?, context.socket::<Pull>()?);
/// let mut poller = Poller::new();
/// poller.add(&orders, Source::Orders, Events::READABLE)?;
/// poller.add(&prices, Source::Prices, Events::READABLE)?;
///
/// # orders.bind("inproc://orders")?;
/// # let push = context.socket::<Push>()?;
/// # push.connect("inproc://orders")?;
/// push.send("buy")?; // to `orders`
/// for ready in poller.wait(Some(Duration::from_secs(10)))? {
///     assert_eq!(ready.key, Source::Orders);
///     assert_eq!(orders.recv()?, "buy");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Poller<'a, T> {
    entries: Vec<Entry<'a, T>>,
}

#[derive(Debug)]
struct Entry<'a, T> {
    source: Source<'a>,
    key: T,
    asked: Events,
}

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Socket(&'a RefCell<SocketCore>),
    Fd(BorrowedFd<'a>),
}

impl Source<'_> {
    fn is(&self, other: &Source<'_>) -> bool {
        match (self, other) {
            (Source::Socket(a), Source::Socket(b)) => std::ptr::eq(*a, *b),
            (Source::Fd(a), Source::Fd(b)) => a.as_raw_fd() == b.as_raw_fd(),
            _ => false,
        }
    }
}

/// A registration that is ready.
///
/// ```
/// # use zeroring::{Context, Events, Poller, Pub};
/// # let context = Context::new();
/// # let publisher = context.socket::<Pub>().unwrap();
/// let mut poller = Poller::new();
/// poller.add(&publisher, "news", Events::WRITABLE).unwrap();
/// let ready = poller.wait(None).unwrap();
/// assert_eq!((ready[0].key, ready[0].events), ("news", Events::WRITABLE));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready<T> {
    /// The key given when it was added.
    pub key: T,
    /// What was asked for and is there. Descriptors: errors and hang-ups too, unasked.
    pub events: Events,
}

/// Why a poller did not do what was asked.
///
/// ```
/// # let context = zeroring::Context::new();
/// use zeroring::{Events, Poller, poller::PollError};
/// # let pull = context.socket::<zeroring::Pull>().unwrap();
/// let mut poller = Poller::new();
/// poller.add(&pull, 1, Events::READABLE)?;
/// assert_eq!(poller.add(&pull, 2, Events::READABLE), Err(PollError::AlreadyRegistered));
/// # Ok::<(), PollError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PollError {
    /// The socket or descriptor is registered already.
    #[error("registered already; use modify to ask for other events")]
    AlreadyRegistered,
    /// The socket or descriptor is not registered.
    #[error("not registered with this poller; add it first")]
    NotRegistered,
    /// Nothing could ever end the wait: no registration asks for anything, and no timeout is given.
    #[error("would wait for ever: nothing is registered that could become ready; give a timeout")]
    NothingToWaitFor,
    /// The context of one of the sockets is terminating.
    #[error("the context is terminating; close the sockets")]
    Terminated,
    /// One of the sockets was inherited by a forked process.
    #[error("the context belongs to the parent process; make a new one after fork")]
    Forked,
}

impl PollError {
    /// libzmq's error number.
    ///
    /// ```
    /// assert_eq!(zeroring::poller::PollError::AlreadyRegistered.errno(), 22);
    /// ```
    pub fn errno(&self) -> i32 {
        match self {
            Self::AlreadyRegistered | Self::NotRegistered => errno::EINVAL,
            Self::NothingToWaitFor => EFAULT,
            Self::Terminated => errno::ETERM,
            Self::Forked => errno::EINTR,
        }
    }
}

const EFAULT: i32 = 14;

impl<T> Default for Poller<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, T> Poller<'a, T> {
    /// A poller without registrations.
    ///
    /// ```
    /// let poller = zeroring::Poller::<u32>::new();
    /// assert!(poller.is_empty());
    /// ```
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Number of registrations.
    ///
    /// ```
    /// assert_eq!(zeroring::Poller::<u32>::new().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without registrations.
    ///
    /// ```
    /// assert!(zeroring::Poller::<u32>::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Registers a socket.
    ///
    /// [`Events::NONE`] is allowed; it is ready never, until [`modify`](Self::modify).
    ///
    /// # Errors
    /// [`PollError::AlreadyRegistered`].
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::{Events, Poller, Pull};
    /// let pull = context.socket::<Pull>()?;
    /// let mut poller = Poller::new();
    /// poller.add(&pull, "tasks", Events::READABLE)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add<K: Kind>(
        &mut self,
        socket: &'a Socket<K>,
        key: T,
        asked: Events,
    ) -> Result<(), PollError> {
        self.insert(Source::Socket(socket.cell()), key, asked)
    }

    /// Registers a file descriptor.
    ///
    /// # Errors
    /// [`PollError::AlreadyRegistered`].
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// use zeroring::{Events, Poller};
    /// let stdin = std::io::stdin();
    /// let mut poller = Poller::new();
    /// poller.add_fd(stdin.as_fd(), "keyboard", Events::READABLE)?;
    /// # Ok::<(), zeroring::poller::PollError>(())
    /// ```
    pub fn add_fd(&mut self, fd: BorrowedFd<'a>, key: T, asked: Events) -> Result<(), PollError> {
        self.insert(Source::Fd(fd), key, asked)
    }

    /// Asks for other events of a registered socket.
    ///
    /// # Errors
    /// [`PollError::NotRegistered`].
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::{Dealer, Events, Poller};
    /// # let dealer = context.socket::<Dealer>()?;
    /// # let mut poller = Poller::new();
    /// poller.add(&dealer, 1, Events::READABLE)?;
    /// poller.modify(&dealer, Events::BOTH)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn modify<K: Kind>(&mut self, socket: &Socket<K>, asked: Events) -> Result<(), PollError> {
        self.entry(&Source::Socket(socket.cell()))?.asked = asked;
        Ok(())
    }

    /// Asks for other events of a registered descriptor.
    ///
    /// # Errors
    /// [`PollError::NotRegistered`].
    ///
    /// ```
    /// # use std::os::fd::AsFd;
    /// # use zeroring::{Events, Poller};
    /// # let stdin = std::io::stdin();
    /// # let mut poller = Poller::new();
    /// poller.add_fd(stdin.as_fd(), 1, Events::READABLE)?;
    /// poller.modify_fd(stdin.as_fd(), Events::NONE)?;
    /// # Ok::<(), zeroring::poller::PollError>(())
    /// ```
    pub fn modify_fd(&mut self, fd: BorrowedFd<'_>, asked: Events) -> Result<(), PollError> {
        self.entry(&Source::Fd(fd))?.asked = asked;
        Ok(())
    }

    /// Takes a socket out and returns its key.
    ///
    /// # Errors
    /// [`PollError::NotRegistered`].
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::{Events, Poller, Pull};
    /// # let pull = context.socket::<Pull>()?;
    /// # let mut poller = Poller::new();
    /// poller.add(&pull, 7, Events::READABLE)?;
    /// assert_eq!(poller.remove(&pull)?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove<K: Kind>(&mut self, socket: &Socket<K>) -> Result<T, PollError> {
        self.take(&Source::Socket(socket.cell()))
    }

    /// Takes a descriptor out and returns its key.
    ///
    /// # Errors
    /// [`PollError::NotRegistered`].
    ///
    /// ```
    /// # use std::os::fd::AsFd;
    /// # use zeroring::{Events, Poller};
    /// # let stdin = std::io::stdin();
    /// # let mut poller = Poller::new();
    /// poller.add_fd(stdin.as_fd(), 1, Events::READABLE)?;
    /// assert_eq!(poller.remove_fd(stdin.as_fd())?, 1);
    /// # Ok::<(), zeroring::poller::PollError>(())
    /// ```
    pub fn remove_fd(&mut self, fd: BorrowedFd<'_>) -> Result<T, PollError> {
        self.take(&Source::Fd(fd))
    }

    fn insert(&mut self, source: Source<'a>, key: T, asked: Events) -> Result<(), PollError> {
        if self.position(&source).is_some() {
            return Err(PollError::AlreadyRegistered);
        }
        self.entries.push(Entry { source, key, asked });
        Ok(())
    }

    fn take(&mut self, source: &Source<'_>) -> Result<T, PollError> {
        let at = self.position(source).ok_or(PollError::NotRegistered)?;
        Ok(self.entries.remove(at).key)
    }

    fn entry(&mut self, source: &Source<'_>) -> Result<&mut Entry<'a, T>, PollError> {
        let at = self.position(source).ok_or(PollError::NotRegistered)?;
        Ok(&mut self.entries[at])
    }

    fn position(&self, source: &Source<'_>) -> Option<usize> {
        self.entries.iter().position(|entry| entry.source.is(source))
    }
}

impl<T: Clone> Poller<'_, T> {
    /// Waits up to `timeout` (`None`: for ever; zero: just looks) until something is ready. Returns what is, in the order
    /// of registration; nothing if the time passed.
    ///
    /// # Errors
    /// [`PollError::Terminated`] as soon as one of the sockets notices that its context is terminating;
    /// [`PollError::NothingToWaitFor`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let context = zeroring::Context::new();
    /// use zeroring::{Events, Poller, Pull};
    /// # let pull = context.socket::<Pull>()?;
    /// # let mut poller = Poller::new();
    /// poller.add(&pull, 1, Events::READABLE)?;
    /// assert_eq!(poller.wait(Some(Duration::ZERO))?, []);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Vec<Ready<T>>, PollError> {
        let mut ready = Vec::new();
        self.wait_into(&mut ready, timeout)?;
        Ok(ready)
    }

    /// [`wait`](Self::wait) into a vector whose memory is used again; its old content goes.
    ///
    /// # Errors
    /// As for `wait`; `ready` is empty then.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zeroring::Poller;
    /// # let mut poller = Poller::<u32>::new();
    /// let mut ready = Vec::new();
    /// poller.wait_into(&mut ready, Some(Duration::from_millis(1)))?;
    /// assert!(ready.is_empty());
    /// # Ok::<(), zeroring::poller::PollError>(())
    /// ```
    pub fn wait_into(
        &mut self,
        ready: &mut Vec<Ready<T>>,
        timeout: Option<Duration>,
    ) -> Result<(), PollError> {
        ready.clear();
        if timeout.is_none() && self.entries.iter().all(Entry::never_fires) {
            return Err(PollError::NothingToWaitFor);
        }
        let sources: Vec<_> =
            self.entries.iter().map(|entry| (entry.source, entry.asked)).collect();
        let found = poll_sources(&sources, timeout)?;
        ready.extend(
            self.entries
                .iter()
                .zip(found)
                .filter(|(_, events)| !events.is_empty())
                .map(|(entry, events)| Ready { key: entry.key.clone(), events }),
        );
        Ok(())
    }
}

impl<T> Entry<'_, T> {
    /// Descriptors report errors even if nothing is asked of them.
    fn never_fires(&self) -> bool {
        self.asked.is_empty() && matches!(self.source, Source::Socket(_))
    }
}

/// Polls sockets only; for [`proxy`](fn@crate::proxy). No socket may be there twice.
pub(crate) fn poll_sockets(
    sockets: &[(&RefCell<SocketCore>, Events)],
    timeout: Option<Duration>,
) -> Result<Vec<Events>, PollError> {
    let sources: Vec<_> =
        sockets.iter().map(|(cell, asked)| (Source::Socket(cell), *asked)).collect();
    poll_sources(&sources, timeout)
}

fn poll_sources(
    sources: &[(Source<'_>, Events)],
    timeout: Option<Duration>,
) -> Result<Vec<Events>, PollError> {
    let mut cores: Vec<Option<RefMut<'_, SocketCore>>> = sources
        .iter()
        .map(|(source, _)| match source {
            Source::Socket(cell) => Some(cell.borrow_mut()),
            Source::Fd(_) => None,
        })
        .collect();
    let mut items: Vec<PollItem<'_>> = cores
        .iter_mut()
        .zip(sources)
        .filter_map(|(core, (source, asked))| {
            let target = match (core, source) {
                (Some(core), _) => Target::Socket(&mut *core),
                (None, Source::Fd(fd)) => Target::Fd(*fd),
                (None, Source::Socket(_)) => return None, // borrowed above
            };
            Some(PollItem::new(target, *asked))
        })
        .collect();
    match poll(&mut items, timeout) {
        Ok(_) => Ok(items.iter().map(|item| item.found).collect()),
        Err(RecvError::Terminated) => Err(PollError::Terminated),
        Err(RecvError::Forked) => Err(PollError::Forked),
        // The engine's poll has no other error today.
        Err(_) => Err(PollError::NotRegistered),
    }
}
