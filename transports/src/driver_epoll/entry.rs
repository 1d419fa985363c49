//! What the epoll driver keeps per registered object.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::epoll::EventFlags;
use zeroring_core::io::driver::{Event, Token};
use zeroring_core::io::transport::{Handle, Listener, Stream};

/// The object itself: keeps its descriptor open as long as the kernel watches it.
pub(super) enum Object {
    Stream(Arc<dyn Stream>),
    Listener(Arc<dyn Listener>),
    Connecting(OwnedFd),
}

impl Object {
    /// Its descriptor; `None` for objects of the simulator, which cannot be watched here.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        let handle = match self {
            Self::Stream(stream) => stream.handle(),
            Self::Listener(listener) => listener.handle(),
            Self::Connecting(fd) => return Some(fd.as_fd()),
        };
        match handle {
            Handle::Fd(fd) => Some(fd),
            Handle::Sim(_) => None,
        }
    }
}

/// An object, what its owner wants of it, and what the kernel was told.
pub(super) struct Entry {
    pub object: Object,
    pub read: bool,
    pub write: bool,
    pub told: EventFlags,
    pub dirty: bool,
}

impl Entry {
    pub fn new(object: Object, read: bool, write: bool) -> Self {
        Self { object, read, write, told: EventFlags::empty(), dirty: false }
    }

    /// The flags that express what is wanted.
    pub fn wanted(&self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, self.read);
        flags.set(EventFlags::OUT, self.write);
        flags
    }

    /// Translates what the kernel reports; true if the interest changed by that. Errors and hang-ups come unasked and
    /// are told in the form that was asked for: the read or the write then says what happened.
    pub fn report(&mut self, token: Token, flags: EventFlags, events: &mut Vec<Event>) -> bool {
        let ended = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        if self.read && (ended || flags.contains(EventFlags::IN)) {
            events.push(match self.object {
                Object::Listener(_) => Event::Acceptable(token),
                _ => Event::Readable(token),
            });
        }
        let writable = self.write && (ended || flags.contains(EventFlags::OUT));
        if writable {
            self.write = false;
            events.push(Event::Writable(token));
        }
        writable
    }
}

/// The token an event is about.
pub(super) fn token_of(event: &Event) -> Token {
    match event {
        Event::Readable(token)
        | Event::Received(token, _)
        | Event::Closed(token)
        | Event::Failed(token, _)
        | Event::Paused(token)
        | Event::Writable(token)
        | Event::Acceptable(token) => *token,
    }
}
