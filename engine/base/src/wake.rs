//! The sleep protocol: wake only a sleeper, once per batch.
//!
//! A waiter (an application thread in its socket, or an I/O thread) goes through three states. The whole protocol is
//! two read-modify-writes of one word, so that no fence has to be argued about:
//!
//! ```text
//!            prepare_sleep                     notify (OS wake)
//!   AWAKE ───────────────────► SLEEPING ─────────────────────► NOTIFIED
//!     ▲  ▲                                                        │
//!     │  └────────────── prepare_sleep says "don't" ──────────────┤
//!     └───────────────────────────── wake_up ─────────────────────┘
//! ```
//!
//! A notifier first makes its work visible (queue push), then swaps in NOTIFIED; the waiter swaps in SLEEPING and
//! must look at its queues *after* `prepare_sleep` said yes. Whichever swap comes second sees the other's work.

use crate::sync::Arc;
use crate::sync::atomic::{AtomicU32, Ordering, fence};

const AWAKE: u32 = 0;
const SLEEPING: u32 = 1;
const NOTIFIED: u32 = 2;

/// How a thread that sleeps in the kernel is woken; an eventfd in real life, nothing in a simulation.
pub trait OsWake: Send + Sync + 'static {
    /// Makes the waiter's kernel wait return. May be called from any thread, never blocks.
    fn wake(&self);
}

/// The state word of one waiter. See the module for the protocol.
#[derive(Debug, Default)]
pub struct WakeState(AtomicU32);

impl WakeState {
    /// A waiter that is awake.
    pub fn new() -> Self {
        Self(AtomicU32::new(AWAKE))
    }

    /// Notifier: call after the work is visible. True if the waiter sleeps and needs an OS wake.
    #[inline]
    pub fn notify(&self) -> bool {
        // A plain load first: a waiter that was told already costs no write to its line. NOTIFIED stays until the waiter
        // itself takes it away, and it looks at its queues after that. The fence pairs with those in `prepare_sleep` and
        // `wake_up`: either this load finds the mark taken away, or the waiter finds the work. Without it both could miss.
        fence(Ordering::SeqCst);
        if self.0.load(Ordering::SeqCst) == NOTIFIED {
            return false;
        }
        self.0.swap(NOTIFIED, Ordering::SeqCst) == SLEEPING
    }

    /// Waiter: about to sleep. False if there was a notification: look at the queues again instead.
    pub fn prepare_sleep(&self) -> bool {
        match self.0.compare_exchange(AWAKE, SLEEPING, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => true,
            Err(_) => {
                self.wake_up();
                false
            }
        }
    }

    /// Waiter: woke up, or decided not to sleep after all. Call before looking at the queues.
    pub fn wake_up(&self) {
        self.0.swap(AWAKE, Ordering::SeqCst);
        fence(Ordering::SeqCst); // pairs with the fence in `notify`
    }

    /// True if a notification is waiting (a hint; for spinning waiters).
    #[inline]
    pub fn is_notified(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NOTIFIED
    }
}

/// A waiter's state word together with the way to wake it.
#[derive(Clone)]
pub struct Waker(Arc<WakerInner>);

struct WakerInner {
    state: WakeState,
    os: Box<dyn OsWake>,
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Waker").field(&self.0.state).finish()
    }
}

impl Waker {
    /// A waker for a waiter that sleeps in something `os` can end.
    pub fn new(os: Box<dyn OsWake>) -> Self {
        Self(Arc::new(WakerInner { state: WakeState::new(), os }))
    }

    /// Wakes the waiter if it sleeps; cheap if it does not.
    #[inline]
    pub fn notify(&self) {
        if self.0.state.notify() {
            self.0.os.wake();
        }
    }

    /// The state word, for the waiter itself.
    pub fn state(&self) -> &WakeState {
        &self.0.state
    }
}

/// A waiter that never sleeps in the kernel: simulations and tests step it by hand.
#[derive(Debug, Default)]
pub struct NoSleep;

impl OsWake for NoSleep {
    fn wake(&self) {}
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_a_sleeper_costs_a_wake() {
        let state = WakeState::new();
        assert!(!state.notify(), "awake: no system call");
        assert!(!state.prepare_sleep(), "told before: look again");
        assert!(state.prepare_sleep());
        assert!(state.notify(), "asleep: wake");
        assert!(!state.notify(), "once per batch");
        state.wake_up();
        assert!(!state.is_notified());
    }
}
