//! Deadlines of one I/O loop. When a timer fires, whoever set it checks whether it still means something; so most are
//! never cancelled. One that a peer can set, and set far ahead, is: a peer must not decide how many there are.

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
    /// Look how far a connection that only waits for its peer's end has come.
    Departing(Token),
    /// Look at the links that are being streamed into.
    Stream,
    /// Look at the links lent to application threads.
    Lease,
    /// Try to accept again after that failed.
    AcceptAgain(EndpointId),
}

/// Names a timer that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerId {
    /// When it is due.
    pub deadline_ns: u64,
    sequence: u64,
}

/// Deadlines in order.
#[derive(Debug, Default)]
pub struct Timers {
    queue: BTreeMap<TimerId, Timer>,
    sequence: u64,
}

impl Timers {
    /// Sets a timer.
    pub fn set(&mut self, deadline_ns: u64, timer: Timer) -> TimerId {
        self.sequence += 1;
        let id = TimerId { deadline_ns, sequence: self.sequence };
        self.queue.insert(id, timer);
        id
    }

    /// Takes a timer back; nothing happens if it fired already.
    pub fn cancel(&mut self, id: TimerId) {
        self.queue.remove(&id);
    }

    /// The next timer due at `now_ns`.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<Timer> {
        let entry = self.queue.first_entry()?;
        (entry.key().deadline_ns <= now_ns).then(|| entry.remove())
    }

    /// When the next timer is due.
    pub fn next_ns(&self) -> Option<u64> {
        self.queue.first_key_value().map(|(id, _)| id.deadline_ns)
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

    #[test]
    fn a_cancelled_timer_does_not_fire() {
        let mut timers = Timers::default();
        let (first, second) = (timers.set(10, Timer::Linger(1)), timers.set(10, Timer::Linger(2)));
        timers.cancel(first);
        assert_eq!(timers.pop_due(10), Some(Timer::Linger(2)));
        timers.cancel(second); // fired already
        assert_eq!(timers.next_ns(), None);
    }
}
