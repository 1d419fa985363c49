//! Counts of what is alive in a context, and the wait for nothing to be.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use zeroring_base::counters::SLABS_IN_USE;
use zeroring_base::process::Origin;
use zeroring_base::sync::lock;

/// What is alive.
///
/// ```
/// use zeroring_core::context::Stats;
/// let nothing = Stats::default();
/// assert_eq!((nothing.sockets, nothing.links), (0, 0));
/// ```
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Open sockets.
    pub sockets: usize,
    /// Pipes joined to connections, lingering ones included.
    pub links: usize,
    /// Slabs in use in the whole process (messages the application holds included).
    pub slabs: i64,
}

/// See the module.
#[derive(Debug)]
pub struct Live {
    counts: Mutex<Counts>,
    changed: Condvar,
    last_id: AtomicU64,
    origin: Origin,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            counts: Mutex::default(),
            changed: Condvar::new(),
            last_id: AtomicU64::new(0),
            origin: Origin::here(),
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    sockets: usize,
    links: usize,
}

impl Live {
    /// True in a child of the process that made the context. Its threads do not exist there, locks that they held stay
    /// locked, and its descriptors are the parent's.
    pub fn is_forked(&self) -> bool {
        self.origin.is_elsewhere()
    }

    /// A number never given before in this context.
    pub fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1 // only has to be unique
    }

    /// A socket was opened.
    pub fn socket_begins(&self) {
        lock(&self.counts).sockets += 1;
    }

    /// A socket was closed.
    pub fn socket_ends(&self) {
        lock(&self.counts).sockets -= 1;
        self.changed.notify_all();
    }

    /// A link was made.
    pub fn link_begins(&self) {
        lock(&self.counts).links += 1;
    }

    /// A link is gone.
    pub fn link_ends(&self) {
        lock(&self.counts).links -= 1;
        self.changed.notify_all();
    }

    /// What is alive now.
    pub fn stats(&self) -> Stats {
        let counts = lock(&self.counts);
        Stats { sockets: counts.sockets, links: counts.links, slabs: SLABS_IN_USE.get() }
    }

    /// Waits until no socket and no link is alive.
    pub fn wait_until_none(&self) {
        let mut counts = lock(&self.counts);
        while counts.sockets + counts.links > 0 {
            counts = self.changed.wait(counts).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Like [`wait_until_none`](Self::wait_until_none), for at most `timeout`.
    pub fn wait_until_none_for(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut counts = lock(&self.counts);
        while counts.sockets + counts.links > 0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            counts =
                self.changed.wait_timeout(counts, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
