//! How long to wait before the next connection attempt. Pure arithmetic: chance comes in.

/// The waits between attempts of one endpoint (`RECONNECT_IVL` 18, `RECONNECT_IVL_MAX` 21).
///
/// * Maximum 0: every wait is the interval plus a random part below one interval; no growth.
/// * Maximum above 0: the interval, then twice, four times … up to the maximum, without jitter.
/// * Interval 0 or below: never again. libzmq 4.3.5 treats 0 as it treats −1.
///
/// A wait precedes every attempt but the first after `connect`, which the caller makes at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    interval_ms: u32,
    max_ms: u32,
    /// Next wait of the growing kind.
    grown_ms: u32,
}

impl Backoff {
    /// Starts a sequence. `ivl_ms` and `max_ms` are the option values; negative counts as 0.
    #[must_use]
    pub fn new(ivl_ms: i32, max_ms: i32) -> Self {
        let interval_ms = u32::try_from(ivl_ms).unwrap_or(0);
        let max_ms = u32::try_from(max_ms).unwrap_or(0);
        Self { interval_ms, max_ms, grown_ms: interval_ms }
    }

    /// The wait before the next attempt in milliseconds, or `None` if there shall be none.
    ///
    /// `random` is any uniformly drawn number; it only matters without a maximum.
    pub fn next_wait_ms(&mut self, random: u64) -> Option<u32> {
        if self.interval_ms == 0 {
            return None;
        }
        if self.max_ms == 0 {
            let jitter_ms = random % u64::from(self.interval_ms);
            // The interval came from an i32, so the sum stays below 2^32.
            let jitter_ms = u32::try_from(jitter_ms).unwrap_or(0);
            return Some(self.interval_ms.saturating_add(jitter_ms));
        }
        let wait_ms = self.grown_ms.min(self.max_ms);
        self.grown_ms = wait_ms.saturating_mul(2);
        Some(wait_ms)
    }

    /// Starts the sequence over, after a connection was established.
    pub fn reset(&mut self) {
        self.grown_ms = self.interval_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_maximum_waits_are_jittered_and_do_not_grow() {
        let mut backoff = Backoff::new(100, 0);
        assert_eq!(backoff.next_wait_ms(0), Some(100));
        assert_eq!(backoff.next_wait_ms(99), Some(199));
        assert_eq!(backoff.next_wait_ms(100), Some(100));
        let wait_ms = backoff.next_wait_ms(u64::MAX).expect("reconnects");
        assert!((100..200).contains(&wait_ms));
    }

    #[test]
    fn with_a_maximum_waits_double_up_to_it_and_start_over() {
        let mut backoff = Backoff::new(100, 1000);
        let waits: Vec<_> = (0..6).map(|_| backoff.next_wait_ms(7)).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000].map(Some));
        backoff.reset();
        assert_eq!(backoff.next_wait_ms(7), Some(100));
    }

    #[test]
    fn a_maximum_below_the_interval_wins() {
        assert_eq!(Backoff::new(100, 30).next_wait_ms(0), Some(30));
    }

    #[test]
    fn zero_and_minus_one_mean_never() {
        assert_eq!(Backoff::new(0, 0).next_wait_ms(1), None);
        assert_eq!(Backoff::new(-1, 500).next_wait_ms(1), None);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut jittered = Backoff::new(i32::MAX, 0);
        assert!(jittered.next_wait_ms(u64::MAX).is_some());
        let mut growing = Backoff::new(i32::MAX, i32::MAX);
        for _ in 0..100 {
            assert_eq!(growing.next_wait_ms(0), Some(i32::MAX as u32));
        }
    }
}
