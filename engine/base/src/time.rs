//! Time as an input: nanoseconds of a monotonic clock, real or virtual.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Nanoseconds in one millisecond.
pub const NS_PER_MS: u64 = 1_000_000;
/// Nanoseconds in one microsecond.
pub const NS_PER_US: u64 = 1_000;

/// A monotonic clock. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's `CLOCK_MONOTONIC`.
    #[default]
    Real,
    /// A clock that a simulator sets; it never moves by itself.
    Virtual(VirtualClock),
}

/// The hand that moves a [`Clock::Virtual`].
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Arc<AtomicU64>);

impl VirtualClock {
    /// A clock that stands at `now_ns`.
    pub fn new(now_ns: u64) -> Self {
        Self(Arc::new(AtomicU64::new(now_ns)))
    }

    /// The time it shows, in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Moves the clock forward to `now_ns`; never backward.
    pub fn advance_to(&self, now_ns: u64) {
        self.0.fetch_max(now_ns, Ordering::Relaxed);
    }
}

impl Clock {
    /// Nanoseconds since an arbitrary, fixed start.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        match self {
            Clock::Real => monotonic_ns(),
            Clock::Virtual(clock) => clock.now_ns(),
        }
    }

    /// True if a simulator owns this clock, so that nobody may wait for it to move.
    pub fn is_virtual(&self) -> bool {
        matches!(self, Clock::Virtual(_))
    }
}

/// The machine's `CLOCK_MONOTONIC` in nanoseconds.
#[inline]
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// `duration` in nanoseconds, at most `u64::MAX` (584 years).
pub fn saturating_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_moves_only_forward_and_only_by_hand() {
        let hand = VirtualClock::new(5);
        let clock = Clock::Virtual(hand.clone());
        assert_eq!(clock.now_ns(), 5);
        hand.advance_to(9);
        hand.advance_to(7);
        assert_eq!(clock.now_ns(), 9);
    }

    #[test]
    fn the_real_clock_never_runs_backward() {
        let first = Clock::Real.now_ns();
        assert!(Clock::Real.now_ns() >= first);
    }
}
