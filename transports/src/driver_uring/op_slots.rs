//! What is under way in the kernel: one slot per operation, from the moment its entry is written to its last
//! completion.
//!
//! # Invariant
//!
//! A slot owns everything its entry points at. The driver keeps no operation without a slot and frees a slot only on
//! the completion that says no further one follows. So an object that was deregistered stays open, privately, until
//! the kernel is done with it. An entry carries no pointer at all, only the slot's number with a generation, so a
//! completion of an earlier life of the slot is recognised.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use zeroring_core::io::driver::Token;
use zeroring_core::io::transport::Stream;

use crate::waker::EventFd;

/// What an operation does, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Receive(Token),
    AwaitWritable(Token),
    AwaitListeners,
    AwaitWake,
}

/// What has to stay open while the operation runs.
pub(super) enum Hold {
    Stream(#[allow(dead_code, reason = "held for its drop")] Arc<dyn Stream>),
    Fd(#[allow(dead_code, reason = "held for its drop")] Arc<OwnedFd>),
    Waker(#[allow(dead_code, reason = "held for its drop")] EventFd),
}

/// Names an operation in its entry and in its completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpId {
    index: u32,
    generation: u32,
}

impl OpId {
    pub fn to_user_data(self) -> u64 {
        u64::from(self.index) << 32 | u64::from(self.generation)
    }

    pub fn from_user_data(user_data: u64) -> Self {
        Self { index: (user_data >> 32) as u32, generation: user_data as u32 }
    }
}

struct Slot {
    generation: u32,
    running: Option<(Op, Hold)>,
}

/// All slots of a driver. At most two per registered object run at a time, so the number of objects bounds it.
#[derive(Default)]
pub(super) struct OpSlots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl OpSlots {
    /// Opens a slot for an operation about to be submitted.
    pub fn open(&mut self, op: Op, hold: Hold) -> OpId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, running: None });
            // Slots are bounded by twice the descriptors a process can have, far below 2^31 (the highest bit of the
            // name is the mark of cancellations).
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.running = Some((op, hold));
        OpId { index, generation: slot.generation }
    }

    /// What runs under `id`; `None` if that life of the slot is over.
    pub fn get(&self, id: OpId) -> Option<Op> {
        let slot = self.slots.get(id.index as usize)?;
        let (op, _) = slot.running.as_ref()?;
        (slot.generation == id.generation).then_some(*op)
    }

    /// Closes a slot on the last completion of its operation, and lets go of what it held.
    pub fn close(&mut self, id: OpId) {
        if self.get(id).is_some() {
            let slot = &mut self.slots[id.index as usize];
            slot.running = None;
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(id.index);
        }
    }

    /// Number of operations under way.
    pub fn running(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold() -> Hold {
        Hold::Waker(EventFd::new().expect("eventfd"))
    }

    #[test]
    fn a_reused_slot_does_not_answer_to_its_former_name() {
        let mut slots = OpSlots::default();
        let first = slots.open(Op::Receive(Token(1)), hold());
        slots.close(first);
        let second = slots.open(Op::AwaitWritable(Token(2)), hold());
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.get(second), Some(Op::AwaitWritable(Token(2))));
        slots.close(first);
        assert_eq!(slots.running(), 1, "a stale close touches nobody");
    }

    #[test]
    fn names_survive_the_way_through_the_kernel() {
        let id = OpId { index: 0x5ead_beef, generation: 0x8000_0001 };
        assert_eq!(OpId::from_user_data(id.to_user_data()), id);
    }

    #[test]
    fn what_an_operation_needs_is_held_to_its_end() {
        let mut slots = OpSlots::default();
        let fd = Arc::new(
            rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).expect("eventfd"),
        );
        let id = slots.open(Op::AwaitWritable(Token(1)), Hold::Fd(fd.clone()));
        assert_eq!(Arc::strong_count(&fd), 2);
        slots.close(id);
        assert_eq!(Arc::strong_count(&fd), 1);
    }
}
