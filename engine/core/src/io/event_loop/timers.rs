//! Deadlines of one I/O loop. A timer is never cancelled: when it fires, whoever set it checks whether it still means
//! something. That keeps setting one cheap and forgetting one harmless.

use std::collections::BTreeMap;

use crate::io::command::EndpointId;
use crate::io::driver::Token;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Start the next attempt of a connector (if it still waits for this attempt number).
    Reconnect(EndpointId, u64),
    /// The attempt takes too long.
    ConnectTimeout(EndpointId, u64),
    /// The handshake takes too long.
    Handshake(Token),
    /// Ask the connection's heartbeat what is due.
    Heartbeat(Token),
    /// A closed pipe has lingered long enough.
    Linger(u64),
    /// Look at the links that are being streamed into.
    Stream,
    /// Look at the links lent to application threads.
    Lease,
    /// Try to accept again after descriptors ran out.
    AcceptAgain(Token),
}

/// Deadlines in order.
#[derive(Debug, Default)]
pub struct Timers {
    queue: BTreeMap<(u64, u64), Timer>,
    sequence: u64,
}

impl Timers {
    /// Sets a timer.
    pub fn set(&mut self, deadline_ns: u64, timer: Timer) {
        self.sequence += 1;
        self.queue.insert((deadline_ns, self.sequence), timer);
    }

    /// The next timer due at `now_ns`.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<Timer> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now_ns).then(|| entry.remove())
    }

    /// When the next timer is due.
    pub fn next_ns(&self) -> Option<u64> {
        self.queue.first_key_value().map(|(key, _)| key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_and_not_early() {
        let mut timers = Timers::default();
        timers.set(20, Timer::Lease);
        timers.set(10, Timer::Linger(1));
        timers.set(10, Timer::Linger(2));
        assert_eq!(timers.next_ns(), Some(10));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(10), Some(Timer::Linger(1)));
        assert_eq!(timers.pop_due(10), Some(Timer::Linger(2)));
        assert_eq!(timers.pop_due(15), None);
        assert_eq!(timers.pop_due(25), Some(Timer::Lease));
    }
}
