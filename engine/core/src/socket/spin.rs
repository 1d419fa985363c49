//! How long a wait may spin before it sleeps (DESIGN 2.1).
//!
//! Waking a sleeper costs tens of microseconds; spinning costs a core. The adaptive policy spins [`SPIN_NS`], about what
//! a sleep and its wake cost, as long as that usually pays. Where what is waited for usually comes a little later, and
//! regularly, it spins up to twice as long as the waits were on average. After a few waits in vain it spins less and
//! less often, until it pays again. Beyond the first microseconds a spinning thread offers its core to others; when one
//! of them takes it, the core is wanted and spinning is over. On a machine with one CPU nothing spins: whoever we wait
//! for needs it.

use zeroring_base::time::{Clock, NS_PER_US};

use super::cpus::has_other_cpus;
use crate::options::WaitPolicy;

/// The adaptive policy's usual spin.
const SPIN_NS: u64 = 60 * NS_PER_US;
/// Its longest spin.
const SPIN_MAX_NS: u64 = 250 * NS_PER_US;
/// Waits count for the average as at most this: beyond, they are just long.
const WAIT_COUNTED_NS: u64 = 1000 * NS_PER_US;
/// How long a spinning thread keeps its core for itself.
const SELFISH_NS: u64 = 15 * NS_PER_US;
/// An offer of the core that took so long was accepted.
const TAKEN_NS: u64 = 20 * NS_PER_US;
/// Waits in vain after which spinning is tried less often.
const MISSES_FORGIVEN: u32 = 3;
/// At the least every 64th wait spins, to notice that it pays again.
const MISSES_MAX: u32 = MISSES_FORGIVEN + 6;

/// What one socket's waits were like.
#[derive(Debug)]
pub(super) struct SpinHistory {
    misses: u32,
    waits_since_spin: u32,
    average_wait_ns: u64,
    has_other_cpus: bool,
}

impl SpinHistory {
    pub fn new() -> Self {
        Self {
            misses: 0,
            waits_since_spin: 0,
            average_wait_ns: WAIT_COUNTED_NS,
            has_other_cpus: has_other_cpus(),
        }
    }

    /// How long the wait that begins may spin.
    pub fn limit_ns(&mut self, policy: WaitPolicy) -> u64 {
        match policy {
            WaitPolicy::Sleep => 0,
            WaitPolicy::Spin => u64::MAX,
            WaitPolicy::Adaptive if !self.has_other_cpus || !self.is_time_to_try() => 0,
            WaitPolicy::Adaptive => match 2 * self.average_wait_ns {
                twice_ns if twice_ns <= SPIN_MAX_NS => twice_ns.max(SPIN_NS),
                _ => SPIN_NS,
            },
        }
    }

    fn is_time_to_try(&mut self) -> bool {
        self.waits_since_spin += 1;
        let every = 1u32 << self.misses.saturating_sub(MISSES_FORGIVEN);
        let tries = self.waits_since_spin >= every;
        if tries {
            self.waits_since_spin = 0;
        }
        tries
    }

    /// A wait is over: it took this long, asleep or spinning.
    pub fn waited(&mut self, wait_ns: u64) {
        self.average_wait_ns = (7 * self.average_wait_ns + wait_ns.min(WAIT_COUNTED_NS)) / 8;
    }

    /// What was waited for came while the thread spun.
    pub fn paid(&mut self) {
        self.misses = 0;
    }

    pub fn was_in_vain(&mut self) {
        self.misses = (self.misses + 1).min(MISSES_MAX);
    }

    /// Others want the core.
    pub fn core_was_wanted(&mut self) {
        self.misses = MISSES_MAX;
    }
}

/// One spin under way.
#[derive(Debug)]
pub(super) struct Spin {
    selfish_until_ns: u64,
    until_ns: u64,
}

/// Whether to go on spinning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    GoOn,
    TimeIsUp,
    CoreIsWanted,
}

impl Spin {
    pub fn new(start_ns: u64, limit_ns: u64, policy: WaitPolicy) -> Self {
        let until_ns = start_ns.saturating_add(limit_ns);
        let selfish_ns = if policy == WaitPolicy::Spin { u64::MAX } else { SELFISH_NS };
        Self { selfish_until_ns: start_ns.saturating_add(selfish_ns), until_ns }
    }

    /// After a look in vain, at `now_ns`.
    pub fn go_on(&self, now_ns: u64, clock: &Clock) -> Verdict {
        if now_ns >= self.until_ns {
            return Verdict::TimeIsUp;
        }
        if now_ns < self.selfish_until_ns {
            return Verdict::GoOn;
        }
        std::thread::yield_now();
        let was_taken = clock.now_ns().saturating_sub(now_ns) >= TAKEN_NS;
        if was_taken { Verdict::CoreIsWanted } else { Verdict::GoOn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> SpinHistory {
        SpinHistory { has_other_cpus: true, ..SpinHistory::new() }
    }

    #[test]
    fn policies_that_do_not_adapt_are_what_they_say() {
        assert_eq!(history().limit_ns(WaitPolicy::Sleep), 0);
        assert_eq!(history().limit_ns(WaitPolicy::Spin), u64::MAX);
    }

    #[test]
    fn waits_in_vain_make_spins_rare_and_one_that_pays_brings_them_back() {
        let mut history = history();
        let spins = |history: &mut SpinHistory, waits: u32| {
            let tried = (0..waits).filter(|_| {
                let tries = history.limit_ns(WaitPolicy::Adaptive) > 0;
                if tries {
                    history.was_in_vain();
                }
                tries
            });
            tried.count()
        };
        assert_eq!(spins(&mut history, 4), 4, "a few are forgiven");
        assert!(spins(&mut history, 640) < 20);
        history.paid();
        assert_eq!(spins(&mut history, 3), 3);
    }

    #[test]
    fn regular_waits_are_spun_through_and_long_ones_are_not() {
        let mut history = history();
        assert_eq!(history.limit_ns(WaitPolicy::Adaptive), SPIN_NS);
        (0..100).for_each(|_| history.waited(100 * NS_PER_US));
        let limit_ns = history.limit_ns(WaitPolicy::Adaptive);
        assert!((190 * NS_PER_US..=SPIN_MAX_NS).contains(&limit_ns), "{limit_ns}");
        (0..100).for_each(|_| history.waited(10_000 * NS_PER_US));
        assert_eq!(history.limit_ns(WaitPolicy::Adaptive), SPIN_NS);
    }

    #[test]
    fn a_wanted_core_is_left_alone() {
        let mut history = history();
        history.core_was_wanted();
        let tried = (0..64).filter(|_| history.limit_ns(WaitPolicy::Adaptive) > 0).count();
        assert_eq!(tried, 1);
    }

    #[test]
    fn a_spin_ends_in_time() {
        let spin = Spin::new(1000, SPIN_NS, WaitPolicy::Adaptive);
        assert_eq!(spin.go_on(1000 + SELFISH_NS - 1, &Clock::Real), Verdict::GoOn);
        assert_eq!(spin.go_on(1000 + SPIN_NS, &Clock::Real), Verdict::TimeIsUp);
        let endless = Spin::new(1000, u64::MAX, WaitPolicy::Spin);
        assert_eq!(endless.go_on(u64::MAX - 1, &Clock::Real), Verdict::GoOn);
    }
}
