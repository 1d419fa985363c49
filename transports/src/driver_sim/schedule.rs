//! What happens when: a queue ordered by virtual time, then by the order of scheduling.

use std::collections::BTreeMap;

/// Something that is going to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The oldest chunk under way reaches this end.
    Arrive(u64),
    /// The end of the stream reaches this end.
    End(u64),
    /// A connection attempt is decided.
    Decide(u64),
    /// A slow reader may read again: only a reason for the test's scheduler to move the clock here.
    ReadAgain,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    queue: BTreeMap<(u64, u64), Due>,
    scheduled: u64,
}

impl Schedule {
    /// Adds something that happens at `due_ns`.
    pub fn add(&mut self, due_ns: u64, due: Due) {
        self.scheduled += 1;
        self.queue.insert((due_ns, self.scheduled), due);
    }

    /// Takes out the first thing that is due by `now_ns`.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<Due> {
        let first = self.queue.first_entry()?;
        (first.key().0 <= now_ns).then(|| first.remove())
    }

    /// When the next thing happens.
    pub fn next_ns(&self) -> Option<u64> {
        self.queue.first_key_value().map(|((due_ns, _), _)| *due_ns)
    }
}
