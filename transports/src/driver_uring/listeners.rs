//! The listeners of a driver, behind an epoll set of their own that the ring polls.
//!
//! An accept under way would keep the listener open until the kernel has cleared away the ring, which after the end of
//! a process is some moment later: a service that was killed and is started again at once would find its own address
//! in use. What an epoll set watches it does not keep open. Accepting is rare, so the extra call costs nothing.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use zeroring_core::io::driver::{Event, Token};
use zeroring_core::io::transport::{Handle, Listener};

use super::op_slots::{Hold, OpSlots};
use super::ring::Ring;
use super::submit;
use crate::token_map::TokenMap;

/// Listeners reported at a time; the set is polled again for the rest.
const EVENTS_PER_REPORT: usize = 64;

const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// The listeners, and the set that the kernel watches for them. A paused one is not in the set: the kernel reports
/// hang-ups whether asked or not.
pub(super) struct Listeners {
    epoll: Arc<OwnedFd>,
    watched: TokenMap<Watched>,
    /// The ring polls the set.
    armed: bool,
    /// To be told by the next wait.
    failures: Vec<Event>,
}

struct Watched {
    listener: Arc<dyn Listener>,
    is_paused: bool,
}

impl Listeners {
    pub fn new() -> io::Result<Self> {
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        Ok(Self { epoll, watched: TokenMap::default(), armed: false, failures: Vec::new() })
    }

    pub fn contains(&self, token: Token) -> bool {
        self.watched.contains_key(&token)
    }

    pub fn add(&mut self, token: Token, listener: &Arc<dyn Listener>) -> io::Result<()> {
        if self.contains(token) {
            return Err(Errno::EXIST.into());
        }
        watch(&self.epoll, token, descriptor_of(&**listener)?)?;
        let watched = Watched { listener: listener.clone(), is_paused: false };
        self.watched.insert(token, watched);
        Ok(())
    }

    /// Stops reporting a listener, or goes on.
    pub fn pause(&mut self, token: Token, pause: bool) {
        let Some(watched) = self.watched.get_mut(&token) else { return };
        if std::mem::replace(&mut watched.is_paused, pause) == pause {
            return;
        }
        let outcome = descriptor_of(&*watched.listener).and_then(|fd| match pause {
            true => Ok(epoll::delete(&self.epoll, fd)?),
            false => watch(&self.epoll, token, fd),
        });
        if let Err(error) = outcome {
            self.failures.push(Event::Failed(token, error));
        }
    }

    pub fn remove(&mut self, token: Token) {
        let Some(watched) = self.watched.remove(&token) else { return };
        if let (false, Ok(fd)) = (watched.is_paused, descriptor_of(&*watched.listener)) {
            // Cannot fail for a descriptor that we keep open and added ourselves.
            let _ = epoll::delete(&self.epoll, fd);
        }
        self.failures.retain(|event| !matches!(event, Event::Failed(of, _) if *of == token));
    }

    /// Has the ring poll the set, if there is something to watch; tells what could not be watched.
    pub fn arm(&mut self, ring: &mut Ring, slots: &mut OpSlots, events: &mut Vec<Event>) {
        events.append(&mut self.failures);
        if !self.armed && !self.watched.is_empty() {
            let hold = Hold::Fd(self.epoll.clone());
            submit::await_listeners(ring, slots, self.epoll.as_fd(), hold);
            self.armed = true;
        }
    }

    /// The ring's poll has ended: tells which listeners have a connection.
    pub fn report(&mut self, events: &mut Vec<Event>) {
        self.armed = false;
        let mut room = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS_PER_REPORT];
        // Interrupted or out of memory: the set is polled again, and says the same.
        let Ok((ready, _)) = epoll::wait(&self.epoll, &mut room, Some(&AT_ONCE)) else { return };
        events.extend(ready.iter().map(|event| Event::Acceptable(Token(event.data.u64()))));
    }
}

fn watch(epoll: &OwnedFd, token: Token, fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(epoll::add(epoll, fd, EventData::new_u64(token.0), EventFlags::IN)?)
}

/// What the kernel knows it by; listeners of the simulator it does not know.
fn descriptor_of(listener: &dyn Listener) -> io::Result<BorrowedFd<'_>> {
    match listener.handle() {
        Handle::Fd(fd) => Ok(fd),
        Handle::Sim(_) => Err(Errno::INVAL.into()),
    }
}
