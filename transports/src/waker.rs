//! The eventfd that ends a driver's wait from another thread.
//!
//! Nobody reads it: both drivers watch for the *edge* that every write makes, which saves a system call per wake. The
//! counter would overflow after 2^64 wakes; a write that did not fit would still make the edge on the next one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use zeroring_base::process::Origin;
use zeroring_base::wake::OsWake;

/// A shared eventfd, non-blocking and close-on-exec.
#[derive(Clone, Debug)]
pub struct EventFd {
    fd: Arc<OwnedFd>,
    origin: Origin,
}

impl EventFd {
    /// A new one, not signalled.
    pub fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { fd: Arc::new(fd), origin: Origin::here() })
    }

    /// The descriptor that becomes readable.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl OsWake for EventFd {
    fn wake(&self) {
        if self.origin.is_elsewhere() {
            return; // forked: the driver is a thread of the parent
        }
        // The only possible failures are a full counter (see the module) and an interrupt before anything was done.
        while let Err(rustix::io::Errno::INTR) = rustix::io::write(&*self.fd, &1u64.to_ne_bytes()) {
        }
    }
}
