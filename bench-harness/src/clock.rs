//! Time for every measurement: one clock shared by all processes of the machine, and the open-loop
//! schedule built on it.
//!
//! `CLOCK_MONOTONIC` has one origin per boot, so a stamp written by one process can be subtracted
//! in another.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND_NS: u64 = 1_000_000;

/// Now, in nanoseconds since an origin common to all processes on this machine.
#[inline]
pub fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * SECOND_NS + time.tv_nsec as u64
}

/// How the open loop spends the time between two sends. Neither way sleeps: a sleeping sender wakes
/// tens of microseconds late, and the pace would measure the scheduler instead of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Keeps the core to itself.
    Spin,
    /// Offers the core to whoever else is ready to run, such as the library's own I/O thread on a
    /// machine too small to give it a core. Without this the library would be charged for waiting
    /// behind the harness.
    Yield,
}

/// Waits until the clock reaches `deadline_ns` and returns the first reading at or past it.
#[inline]
pub fn wait_until(deadline_ns: u64, pace: Pace) -> u64 {
    loop {
        let now = now_ns();
        if now >= deadline_ns {
            return now;
        }
        match pace {
            Pace::Spin => std::hint::spin_loop(),
            Pace::Yield => std::thread::yield_now(),
        }
    }
}

/// A fixed-rate schedule: message `i` is due at `start + i / rate`, whatever happened before. In
/// bursts, messages that belong together are due when the first of them is.
///
/// It is never reset after a late send. A stall therefore counts against every message it delayed,
/// instead of disappearing because the sender politely waited (coordinated omission).
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    start_ns: u64,
    rate_per_second: u64,
    burst_messages: u64,
}

impl Schedule {
    /// A schedule whose message 0 is due at `start_ns`. A rate of 0 is refused by the options.
    pub fn new(start_ns: u64, rate_per_second: u64) -> Self {
        assert!(rate_per_second > 0, "a schedule needs a rate of at least one message per second");
        Self { start_ns, rate_per_second, burst_messages: 1 }
    }

    /// The same rate in bursts of so many messages; 0 is taken as 1.
    #[must_use]
    pub fn in_bursts_of(self, messages: u64) -> Self {
        Self { burst_messages: messages.max(1), ..self }
    }

    /// When message `index` should be sent. Computed from the index, so errors do not add up.
    #[inline]
    pub fn intended_ns(&self, index: u64) -> u64 {
        let first_of_burst = index - index % self.burst_messages;
        let offset =
            u128::from(first_of_burst) * u128::from(SECOND_NS) / u128::from(self.rate_per_second);
        self.start_ns + offset as u64
    }

    /// How many messages fall due within `span_ns`.
    pub fn messages_in(&self, span_ns: u64) -> u64 {
        (u128::from(span_ns) * u128::from(self.rate_per_second) / u128::from(SECOND_NS)) as u64
    }
}

/// `time` as `2026-11-23T23:19:28Z`; seconds are enough to tell two runs apart.
pub fn utc_text(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days since 1970-01-01 as a Gregorian (year, month, day).
fn civil_date(days_since_epoch: u64) -> (u64, u64, u64) {
    // Count from 0000-03-01: leap days then end each four-year, century and 400-year cycle.
    let days = days_since_epoch + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn schedule_does_not_drift_at_rates_that_do_not_divide_a_second() {
        let schedule = Schedule::new(5, 3);
        assert_eq!(schedule.intended_ns(0), 5);
        assert_eq!(schedule.intended_ns(1), 5 + 333_333_333);
        assert_eq!(schedule.intended_ns(3), 5 + SECOND_NS);
        assert_eq!(schedule.intended_ns(3_000_000_000), 5 + 1_000_000_000 * SECOND_NS);
    }

    #[test]
    fn schedule_counts_the_messages_of_a_span() {
        let schedule = Schedule::new(0, 100_000);
        assert_eq!(schedule.messages_in(SECOND_NS / 2), 50_000);
        assert_eq!(schedule.messages_in(9_999), 0);
        assert_eq!(schedule.intended_ns(schedule.messages_in(SECOND_NS)), SECOND_NS);
    }

    #[test]
    fn the_messages_of_a_burst_are_due_together_and_the_rate_stays() {
        let schedule = Schedule::new(100, 1000).in_bursts_of(10);
        assert_eq!(schedule.intended_ns(9), 100);
        assert_eq!(schedule.intended_ns(10), 100 + 10 * MILLISECOND_NS);
        assert_eq!(schedule.intended_ns(1000), 100 + SECOND_NS);
    }

    #[test]
    fn utc_text_knows_leap_years_and_year_ends() {
        let at = |seconds| utc_text(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(at(1_735_689_600), "2025-01-01T00:00:00Z");
    }

    #[test]
    fn the_clock_reaches_a_deadline() {
        let deadline = now_ns() + 1000;
        assert!(wait_until(deadline, Pace::Spin) >= deadline);
        let deadline = now_ns() + 1000;
        assert!(wait_until(deadline, Pace::Yield) >= deadline);
    }
}
