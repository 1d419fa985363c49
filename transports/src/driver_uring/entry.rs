//! What the io_uring driver keeps per registered object: what is wanted, and what runs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use zeroring_core::io::transport::{Handle, Stream};

use super::op_slots::{Hold, OpId};

/// The object itself.
pub(super) enum Object {
    Stream(Arc<dyn Stream>),
    Connecting(Arc<OwnedFd>),
}

impl Object {
    /// Its descriptor; `None` for objects of the simulator, which the kernel does not know.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        let handle = match self {
            Self::Stream(stream) => stream.handle(),
            Self::Connecting(fd) => return Some(fd.as_fd()),
        };
        match handle {
            Handle::Fd(fd) => Some(fd),
            Handle::Sim(_) => None,
        }
    }

    /// A share in it for an operation's slot.
    pub fn hold(&self) -> Hold {
        match self {
            Self::Stream(stream) => Hold::Stream(stream.clone()),
            Self::Connecting(fd) => Hold::Fd(fd.clone()),
        }
    }
}

/// The multishot receive of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Not under way.
    Idle,
    /// Under way.
    Running(OpId),
    /// Under way, and asked to end.
    Ending(OpId),
    /// Not under way any more: the stream ended or failed, and was reported.
    Over,
}

/// An object, what its owner wants of it, and what runs for it.
pub(super) struct Entry {
    pub object: Object,
    pub want_read: bool,
    pub want_write: bool,
    pub reading: Reading,
    pub writing: Option<OpId>,
    /// `Paused` answers still to be given.
    pub pauses_owed: u32,
    /// Is in the driver's list of entries to look at.
    pub dirty: bool,
}

impl Entry {
    pub fn new(object: Object, want_read: bool, want_write: bool) -> Self {
        let (reading, writing) = (Reading::Idle, None);
        Self { object, want_read, want_write, reading, writing, pauses_owed: 0, dirty: false }
    }

    /// Notes a wish to read or not to read.
    pub fn set_read(&mut self, read: bool) {
        self.want_read = read;
        if read && self.reading == Reading::Over {
            self.reading = Reading::Idle;
        }
    }
}
