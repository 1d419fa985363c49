//! How long a wait may spin before it sleeps (DESIGN 2.1).
//!
//! Waking a sleeper costs tens of microseconds; spinning costs a core. The adaptive policy spins [`SPIN_NS`], about what
//! a sleep and its wake cost, as long as that usually pays. Where what is waited for usually comes a little later, and
//! regularly, it spins up to twice as long as the waits were on average. After a few waits in vain it spins less and
//! less often, until it pays again. Beyond the first microseconds a spinning thread offers its core to others; when one
//! of them takes it, the core is wanted and spinning is over. On a machine with one CPU nothing spins: whoever we wait
//! for needs it.

use std::num::NonZeroI64;

use nix::sys::resource::{UsageWho, getrusage};
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
/// One that took less was not: hardly anybody runs for so short a time.
const REFUSED_NS: u64 = 3 * NS_PER_US;
/// Waits in vain after which spinning is tried less often.
const MISSES_FORGIVEN: u32 = 3;
/// Longest pause between two looks, in spin hints.
const HINTS_MAX: u32 = 16;
/// At the least every 64th wait spins, to notice that it pays again.
const RAREST: u32 = 6;
const MISSES_MAX: u32 = MISSES_FORGIVEN + RAREST;
/// A spin that ended because others want the core counts as much as so many in which nobody took it.
const WANTED_WEIGHT: u32 = 2;

/// What one socket's waits were like.
#[derive(Debug)]
pub(super) struct SpinHistory {
    misses: u32,
    /// How much others want the core, up to [`RAREST`].
    wanted: u32,
    waits_since_spin: u32,
    average_wait_ns: u64,
    has_other_cpus: bool,
}

impl SpinHistory {
    pub fn new() -> Self {
        Self {
            misses: 0,
            wanted: 0,
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
        let every = 1u32 << self.misses.saturating_sub(MISSES_FORGIVEN).max(self.wanted);
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

    /// A spin that was allowed `limit_ns` is over.
    pub fn spun(&mut self, limit_ns: u64, end: SpinEnd) {
        match end {
            SpinEnd::Found if limit_ns > 0 => {
                (self.misses, self.wanted) = (0, self.wanted.saturating_sub(1));
            }
            SpinEnd::InVain => {
                self.misses = (self.misses + 1).min(MISSES_MAX);
                self.wanted = self.wanted.saturating_sub(1);
            }
            SpinEnd::CoreIsWanted => self.wanted = (self.wanted + WANTED_WEIGHT).min(RAREST),
            SpinEnd::Found | SpinEnd::Late | SpinEnd::NotAllowed => {}
        }
    }
}

/// How a spin ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpinEnd {
    /// What was waited for came.
    Found,
    /// The deadline of the wait passed.
    Late,
    /// Nothing came in time.
    InVain,
    /// Others want the core.
    CoreIsWanted,
    /// It may not spin at all, and looked once.
    NotAllowed,
}

impl SpinEnd {
    /// What the wait came to; `None` if the thread should sleep now.
    pub fn verdict(self) -> Option<bool> {
        match self {
            Self::Found => Some(true),
            Self::Late => Some(false),
            Self::InVain | Self::CoreIsWanted | Self::NotAllowed => None,
        }
    }
}

/// A spin: looks again and again, for a bounded time.
#[derive(Debug)]
pub(crate) struct Spinner<'a> {
    pub start_ns: u64,
    /// How long it may take; 0: one look. Without bound it keeps its core for itself, too.
    pub limit_ns: u64,
    /// When whoever waits has to give up.
    pub deadline_ns: Option<u64>,
    pub clock: &'a Clock,
}

impl Spinner<'_> {
    /// Calls `look`, with the number of spin hints that it shall pause for, until it finds something or time is up.
    pub fn run(&self, mut look: impl FnMut(u32) -> bool) -> SpinEnd {
        let mut hints = 1;
        let mut core = OfferedCore::default();
        loop {
            if look(hints) {
                return SpinEnd::Found;
            }
            hints = (hints * 2).min(HINTS_MAX);
            if let Some(end) = self.end_at(self.clock.now_ns(), &mut core) {
                return end;
            }
        }
    }

    /// Whether to stop after a look in vain.
    fn end_at(&self, now_ns: u64, core: &mut OfferedCore) -> Option<SpinEnd> {
        if self.deadline_ns.is_some_and(|deadline_ns| deadline_ns <= now_ns) {
            return Some(SpinEnd::Late);
        }
        let spent_ns = now_ns.saturating_sub(self.start_ns);
        match self.limit_ns {
            u64::MAX => return None,
            0 => return Some(SpinEnd::NotAllowed),
            limit_ns if spent_ns >= limit_ns => return Some(SpinEnd::InVain),
            _ if spent_ns < SELFISH_NS => return None,
            _ => {}
        }
        core.is_taken(now_ns, self.clock).then_some(SpinEnd::CoreIsWanted)
    }
}

/// The core of a spinning thread, which it offers to others.
#[derive(Debug, Default)]
struct OfferedCore {
    /// How often the thread had been switched out, as far as it is known, when this was last asked.
    switches: Option<Switches>,
}

/// How often a thread was switched out; `None` if it never was, or the system does not count that.
type Switches = Option<NonZeroI64>;

impl OfferedCore {
    /// Offers the core. True if somebody took it for long: a wish that will come back.
    fn is_taken(&mut self, now_ns: u64, clock: &Clock) -> bool {
        self.switches.get_or_insert_with(involuntary_switches);
        std::thread::yield_now();
        let away_ns = clock.now_ns().saturating_sub(now_ns);
        self.was_taken(away_ns, involuntary_switches)
    }

    /// Whether somebody took the core who kept it for so long.
    ///
    /// An interrupt takes it for long, too, and so does the host of a virtual machine, hundreds of times a second on a busy
    /// one. They would take it from whoever had it: only a thread that ran instead of this one wants it.
    fn was_taken(&mut self, away_ns: u64, count: impl FnOnce() -> Switches) -> bool {
        if away_ns < REFUSED_NS {
            return false;
        }
        let now = count(); // after a short switch as well: it must not count for a gap that follows
        let is_switched = match (self.switches.replace(now).flatten(), now) {
            (Some(before), Some(now)) => now != before,
            _ => true, // for all we know
        };
        is_switched && away_ns >= TAKEN_NS
    }
}

/// How often the calling thread was made to give its core to another, by an offer as well as by force. Some systems answer,
/// and count nothing.
fn involuntary_switches() -> Switches {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
    NonZeroI64::new(usage.involuntary_context_switches())
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
                    history.spun(SPIN_NS, SpinEnd::InVain);
                }
                tries
            });
            tried.count()
        };
        assert_eq!(spins(&mut history, 4), 4, "a few are forgiven");
        assert!(spins(&mut history, 640) < 20);
        history.spun(SPIN_NS, SpinEnd::Found);
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
    fn a_core_that_is_always_wanted_is_left_alone() {
        let mut history = history();
        (0..3).for_each(|_| history.spun(SPIN_NS, SpinEnd::CoreIsWanted));
        let tried = (0..64).filter(|_| history.limit_ns(WaitPolicy::Adaptive) > 0).count();
        assert_eq!(tried, 1);
    }

    #[test]
    fn a_core_that_was_wanted_once_is_soon_used_again() {
        let mut history = history();
        history.spun(SPIN_NS, SpinEnd::CoreIsWanted);
        let slept = (0..100).filter(|_| {
            let spins = history.limit_ns(WaitPolicy::Adaptive) > 0;
            if spins {
                history.spun(SPIN_NS, SpinEnd::Found);
            }
            !spins
        });
        assert_eq!(slept.count(), 3 + 1);
    }

    #[test]
    fn a_spin_ends_in_time() {
        let spinner = |limit_ns, deadline_ns| Spinner {
            start_ns: 1000,
            limit_ns,
            deadline_ns,
            clock: &Clock::Real,
        };
        let mut core = OfferedCore::default();
        let adaptive = spinner(SPIN_NS, Some(1000 + SPIN_NS - 1));
        assert_eq!(adaptive.end_at(1000 + SELFISH_NS - 1, &mut core), None);
        assert_eq!(adaptive.end_at(1000 + SPIN_NS - 1, &mut core), Some(SpinEnd::Late));
        assert_eq!(spinner(SPIN_NS, None).end_at(1000 + SPIN_NS, &mut core), Some(SpinEnd::InVain));
        assert_eq!(spinner(0, None).end_at(1000, &mut core), Some(SpinEnd::NotAllowed));
        assert_eq!(spinner(u64::MAX, None).end_at(u64::MAX - 1, &mut core), None);
    }

    #[test]
    fn only_a_thread_that_ran_for_long_took_the_core() {
        let none_counted = None;
        let (five, six) = (NonZeroI64::new(5), NonZeroI64::new(6));
        let mut core = OfferedCore { switches: Some(five) };
        assert!(!core.was_taken(REFUSED_NS - 1, || unreachable!("a system call for each offer")));
        assert!(!core.was_taken(TAKEN_NS, || five), "a gap of the host");
        assert!(!core.was_taken(TAKEN_NS - 1, || six), "short");
        assert!(!core.was_taken(TAKEN_NS, || six), "a gap after the short one");
        assert!(core.was_taken(TAKEN_NS, || NonZeroI64::new(7)));
        let mut unknown = OfferedCore { switches: Some(none_counted) };
        assert!(unknown.was_taken(TAKEN_NS, || none_counted), "where nothing is counted");
    }

    #[test]
    fn a_spin_looks_until_it_finds_something_with_longer_and_longer_pauses() {
        let spinner =
            Spinner { start_ns: 0, limit_ns: u64::MAX, deadline_ns: None, clock: &Clock::Real };
        let mut hints_seen = Vec::new();
        let end = spinner.run(|hints| {
            hints_seen.push(hints);
            hints_seen.len() == 6
        });
        assert_eq!((end, &*hints_seen), (SpinEnd::Found, &[1, 2, 4, 8, 16, 16][..]));
    }
}
