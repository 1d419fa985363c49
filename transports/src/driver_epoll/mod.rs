//! The epoll driver: says what is ready and lets the link read. Runs on one I/O thread.
//!
//! Changes of interest are noted in the entries and told to the kernel in one go at the start of [`Driver::wait`], so
//! that pausing and resuming a stream between two waits costs nothing. An entry that wants nothing is taken out of
//! the epoll set: the kernel reports hang-ups whether asked or not, and would spin on a paused stream.

mod entry;

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use zeroring_base::wake::OsWake;
use zeroring_core::io::driver::{Driver, Event, Token};
use zeroring_core::io::transport::{Connecting, Handle, Listener, Stream};

use crate::token_map::TokenMap;
use crate::waker::EventFd;
use entry::{Entry, Object};

/// Events taken from the kernel per wait; the rest comes with the next one, so this bounds a cycle, not the load.
const EVENTS_PER_WAIT: usize = 256;

/// Waits up to this length end in time to the microsecond; for longer ones it does not matter.
const PRECISE_BELOW: Duration = Duration::from_millis(10);

/// The token of the waker, which no object may have.
const WAKER: u64 = u64::MAX;

/// A [`Driver`] on epoll.
pub struct EpollDriver {
    epoll: OwnedFd,
    waker: EventFd,
    entries: TokenMap<Entry>,
    /// Tokens whose interest the kernel does not know yet.
    dirty: Vec<Token>,
    /// Answers to be given by the next wait.
    answers: Vec<Event>,
}

impl EpollDriver {
    /// A driver whose wait `waker` ends.
    pub fn new(waker: EventFd) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let edge = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, waker.as_fd(), EventData::new_u64(WAKER), edge)?;
        Ok(Self {
            epoll,
            waker,
            entries: TokenMap::default(),
            dirty: Vec::new(),
            answers: Vec::new(),
        })
    }

    fn add(&mut self, token: Token, entry: Entry) -> io::Result<()> {
        if token.0 == WAKER || self.entries.contains_key(&token) {
            return Err(Errno::EXIST.into());
        }
        self.entries.insert(token, entry);
        // At once, not with the other changes: the caller wants to know if the kernel refuses.
        self.apply(token).inspect_err(|_| {
            self.entries.remove(&token);
        })
    }

    fn change(&mut self, token: Token, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(&token) else { return };
        change(entry);
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push(token);
        }
    }

    fn apply_changes(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for token in dirty.drain(..) {
            if let Err(error) = self.apply(token) {
                // Out of memory or watches: the object cannot be watched, which its owner must know.
                self.answers.push(Event::Failed(token, error));
            }
        }
        self.dirty = dirty;
    }

    /// Tells the kernel what an entry wants, if it does not know.
    fn apply(&mut self, token: Token) -> io::Result<()> {
        let Some(entry) = self.entries.get_mut(&token) else { return Ok(()) };
        entry.dirty = false;
        let wanted = entry.wanted();
        if wanted == entry.told {
            return Ok(());
        }
        let data = EventData::new_u64(token.0);
        let fd = entry.object.fd().ok_or(Errno::INVAL)?;
        if wanted.is_empty() {
            epoll::delete(&self.epoll, fd)?;
        } else if entry.told.is_empty() {
            epoll::add(&self.epoll, fd, data, wanted)?;
        } else {
            epoll::modify(&self.epoll, fd, data, wanted)?;
        }
        entry.told = wanted;
        Ok(())
    }

    fn poll_kernel(
        &mut self,
        timeout: Option<Duration>,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let mut room = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS_PER_WAIT];
        let waited = self.sleep_precisely(timeout).and_then(|timeout| {
            let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
            epoll::wait(&self.epoll, &mut room, timeout.as_ref())
        });
        let ready = match waited {
            Ok((ready, _)) => ready,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in ready.iter().filter(|event| event.data.u64() != WAKER) {
            self.report(Token(event.data.u64()), event.flags, events);
        }
        Ok(())
    }

    /// A short wait is done here, by `ppoll`: `epoll_wait` would sleep for whole milliseconds. Returns how long to wait then.
    fn sleep_precisely(&self, timeout: Option<Duration>) -> rustix::io::Result<Option<Duration>> {
        let Some(short) = timeout.filter(|time| !time.is_zero() && *time < PRECISE_BELOW) else {
            return Ok(timeout);
        };
        let timespec = Timespec::try_from(short).ok();
        poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], timespec.as_ref())?;
        Ok(Some(Duration::ZERO))
    }

    fn report(&mut self, token: Token, flags: EventFlags, events: &mut Vec<Event>) {
        let mut changed = false;
        if let Some(entry) = self.entries.get_mut(&token) {
            changed = entry.report(token, flags, events);
        }
        if changed {
            self.change(token, |_| {});
        }
    }
}

impl Driver for EpollDriver {
    fn name(&self) -> &'static str {
        "epoll"
    }

    fn add_stream(&mut self, token: Token, stream: &Arc<dyn Stream>, read: bool) -> io::Result<()> {
        self.add(token, Entry::new(Object::Stream(stream.clone()), read, false))
    }

    fn add_listener(&mut self, token: Token, listener: &Arc<dyn Listener>) -> io::Result<()> {
        self.add(token, Entry::new(Object::Listener(listener.clone()), true, false))
    }

    fn add_connecting(&mut self, token: Token, connecting: &dyn Connecting) -> io::Result<()> {
        let Handle::Fd(fd) = connecting.handle() else { return Err(Errno::INVAL.into()) };
        // A duplicate of our own: the attempt may be dropped before it is deregistered, and its number reused.
        let fd = fd.try_clone_to_owned()?;
        self.add(token, Entry::new(Object::Connecting(fd), false, true))
    }

    fn set_read(&mut self, token: Token, read: bool) {
        self.change(token, |entry| entry.read = read);
        if !read && self.entries.contains_key(&token) {
            self.answers.push(Event::Paused(token));
        }
    }

    fn want_write(&mut self, token: Token) {
        self.change(token, |entry| entry.write = true);
    }

    fn pause_listener(&mut self, token: Token, pause: bool) {
        self.change(token, |entry| entry.read = !pause);
    }

    fn deregister(&mut self, token: Token) {
        let Some(entry) = self.entries.remove(&token) else { return };
        if let (false, Some(fd)) = (entry.told.is_empty(), entry.object.fd()) {
            // Cannot fail for a descriptor that we keep open and added ourselves.
            let _ = epoll::delete(&self.epoll, fd);
        }
        self.answers.retain(|event| entry::token_of(event) != token);
    }

    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        self.apply_changes();
        let timeout = if self.answers.is_empty() { timeout } else { Some(Duration::ZERO) };
        events.append(&mut self.answers);
        self.poll_kernel(timeout, events)
    }

    fn os_wake(&self) -> Box<dyn OsWake> {
        Box::new(self.waker.clone())
    }
}

impl std::fmt::Debug for EpollDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EpollDriver(fd {:?}, {} objects)", self.epoll.as_fd(), self.entries.len())
    }
}
