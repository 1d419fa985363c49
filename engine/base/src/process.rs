//! In which process we are, asked often: a system call each time would be felt in every round trip.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Forks between the first process of the family and this one. Lives in memory that a child gets a copy of.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// Somebody sees to it that each child calls [`entered_child`].
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// The process in which something was made.
///
/// ```
/// use zeroring_base::process::Origin;
/// assert!(!Origin::here().is_elsewhere());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    forks: u32,
    pid: u32,
}

impl Origin {
    /// This process.
    pub fn here() -> Self {
        // Relaxed, as everywhere here: only a child's one thread writes, before it does anything else.
        Self { forks: FORKS.load(Ordering::Relaxed), pid: std::process::id() }
    }

    /// True in a child of that process. Two loads; a system call as long as nobody [watches](watched).
    #[inline]
    pub fn is_elsewhere(self) -> bool {
        FORKS.load(Ordering::Relaxed) != self.forks
            || (!IS_WATCHED.load(Ordering::Relaxed) && std::process::id() != self.pid)
    }
}

/// From now on every child calls [`entered_child`] before anything else.
pub fn watched() {
    IS_WATCHED.store(true, Ordering::Relaxed);
}

/// This is a child that was just forked. Safe to call from a fork handler: one atomic addition.
pub fn entered_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
