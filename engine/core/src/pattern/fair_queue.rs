//! Fair queueing: whole messages from each readable pipe in turn (libzmq-surface §6.2).
//!
//! A pipe found empty stays in the queue: its writer then need not tell of the next message, and a reader that comes back
//! soon finds it by looking. Before the thread sleeps, or after many empty ones in a row, those ask to be told and leave
//! the queue ([`FairQueue::is_readable_or_told`]).

use zeroring_base::{Message, barrier};

use super::Pipes;
use super::turns::Turns;
use crate::pipe::TakeShort;

/// Empty pipes in a row after which they are made to leave the queue.
const LOOKED_AT_MAX: usize = 32;

/// A message that came the short way.
pub struct ShortReceived<T> {
    /// The slot it came from.
    pub slot: usize,
    /// What its taker made of it.
    pub taken: T,
    /// [`Pipes::return_credit`] is to follow.
    pub returns_credit: bool,
}

/// Slots with something to read, and whose turn it is.
#[derive(Debug, Default)]
pub struct FairQueue {
    active: Turns,
    /// The message of the current pipe is not read to its end.
    inside_message: bool,
    /// The current pipe leaves when its message is read.
    leaves_after_message: bool,
}

impl FairQueue {
    /// A pipe has something to read: it joins the end of the active part.
    pub fn activate(&mut self, slot: usize) {
        self.active.join(slot);
    }

    /// A pipe is gone. True if that cuts off the message being read.
    pub fn remove(&mut self, slot: usize) -> bool {
        let is_cut = self.reading() == Some(slot);
        if is_cut {
            self.inside_message = false;
            self.leaves_after_message = false;
        }
        self.active.leave(slot);
        is_cut
    }

    /// A pipe is to go; the message being read from it is read to its end before.
    pub fn retire(&mut self, slot: usize) {
        if self.reading() == Some(slot) {
            self.leaves_after_message = true;
        } else {
            self.remove(slot);
        }
    }

    /// The pipe whose multipart message is not read to its end.
    pub fn reading(&self) -> Option<usize> {
        self.active.current().filter(|_| self.inside_message)
    }

    /// Reads the next part into `part`; returns the slot it came from. Parts of one message come in a row.
    #[inline]
    pub fn recv(&mut self, pipes: &mut Pipes, part: &mut Message) -> Option<usize> {
        let slot = self.active.current()?;
        if pipes.get_mut(slot).is_some_and(|pipe| pipe.read(part)) {
            self.took(slot, part.more());
            return Some(slot);
        }
        self.recv_from_others(pipes, part)
    }

    /// Gives the body of a message of one part to `taker`, if it is short and its bytes are at hand. `None`: something else is
    /// to be done first, or the taker did not want it; nothing was done.
    #[inline(always)]
    pub fn try_recv_short<T: TakeShort>(
        &mut self,
        pipes: &mut Pipes,
        taker: &mut T,
    ) -> Option<ShortReceived<T::Taken>> {
        if self.inside_message {
            return None;
        }
        debug_assert!(!self.leaves_after_message, "there is no message to leave after");
        let slot = if T::ONLY_SMALL { self.active.only() } else { self.active.current() }?;
        let (taken, returns_credit) = pipes.get_mut(slot)?.try_read_short(taker)?;
        if !T::ONLY_SMALL {
            self.active.pass();
        }
        Some(ShortReceived { slot, taken, returns_credit })
    }

    /// A part was read from the current pipe.
    #[inline]
    fn took(&mut self, slot: usize, more: bool) {
        self.inside_message = more;
        if !more {
            self.active.pass();
            if self.leaves_after_message {
                self.leaves_after_message = false;
                self.remove(slot);
            }
        }
    }

    /// The current pipe is empty or gone.
    #[cold]
    fn recv_from_others(&mut self, pipes: &mut Pipes, part: &mut Message) -> Option<usize> {
        let mut found_empty = 0;
        while found_empty < self.active.slots().len() {
            let slot = self.active.current()?;
            let Some(pipe) = pipes.get_mut(slot) else {
                self.active.leave_current();
                continue;
            };
            if pipe.read(part) {
                self.took(slot, part.more());
                return Some(slot);
            }
            found_empty += 1;
            self.active.pass();
            if found_empty == LOOKED_AT_MAX && !self.is_readable_or_told(pipes) {
                return None;
            }
        }
        None
    }

    /// True if something is there, by looking only: no writer is asked to tell.
    pub fn has_data(&self, pipes: &mut Pipes) -> bool {
        let mut slots = self.active.slots().iter();
        slots.any(|slot| pipes.get_mut(*slot).is_some_and(super::Pipe::is_readable))
    }

    /// The last look before the thread sleeps: every writer is asked to tell, then empty pipes leave the queue. True if
    /// something is there after all.
    pub fn is_readable_or_told(&mut self, pipes: &mut Pipes) -> bool {
        if self.has_data(pipes) {
            return true;
        }
        for slot in self.active.slots() {
            if let Some(pipe) = pipes.get_mut(*slot) {
                pipe.ask_to_be_told();
            }
        }
        barrier::heavy();
        self.active.retain(|slot| pipes.get(slot).is_some_and(super::Pipe::has_more));
        !self.active.slots().is_empty()
    }
}
