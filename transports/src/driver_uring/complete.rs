//! What completions mean: one small function per operation. A completion is looked up by its slot; one whose object
//! was deregistered meanwhile only frees what it brought.

use io_uring::cqueue;
use rustix::io::Errno;
use zeroring_core::io::driver::{Event, Token};

use super::UringDriver;
use super::entry::{Entry, Reading};
use super::op_slots::{Op, OpId};
use super::submit::{self, CANCELLATION};

/// A completion, taken apart.
#[derive(Clone, Copy)]
struct Outcome {
    id: OpId,
    result: Result<u32, Errno>,
    buffer: Option<u16>,
    /// No further completion of the operation follows.
    last: bool,
}

impl Outcome {
    fn of(entry: &cqueue::Entry) -> Self {
        let (result, flags) = (entry.result(), entry.flags());
        Self {
            id: OpId::from_user_data(entry.user_data()),
            result: u32::try_from(result).map_err(|_| Errno::from_raw_os_error(-result)),
            buffer: cqueue::buffer_select(flags),
            last: !cqueue::more(flags),
        }
    }
}

impl UringDriver {
    /// Handles everything the kernel has posted; true if the waker was used.
    pub(super) fn reap(&mut self, events: &mut Vec<Event>) -> bool {
        let mut woken = false;
        while let Some(entry) = self.ring.next_completion() {
            if entry.user_data() & CANCELLATION != 0 {
                self.cancel_again(OpId::from_user_data(entry.user_data() & !CANCELLATION));
                continue;
            }
            woken |= self.complete(Outcome::of(&entry), events);
        }
        woken
    }

    /// A cancellation failed. Either the operation ended by itself and its last completion is here or on its way; or it
    /// goes on: a multishot operation that is just being run again stands nowhere the kernel looks for it, and one
    /// lost cancellation would leave it running for ever.
    fn cancel_again(&mut self, id: OpId) {
        if self.slots.get(id).is_some() {
            submit::cancel(&mut self.ring, id);
        }
    }

    fn complete(&mut self, outcome: Outcome, events: &mut Vec<Event>) -> bool {
        let Some(op) = self.slots.get(outcome.id) else {
            debug_assert!(false, "a completion without a slot");
            return false;
        };
        if outcome.last {
            self.slots.close(outcome.id);
        }
        match op {
            Op::Receive(token) => self.received(token, outcome, events),
            Op::AwaitWritable(token) => self.writable(token, outcome, events),
            Op::AwaitListeners => self.listeners.report(events),
            Op::AwaitWake => {
                if outcome.last {
                    self.wake_armed = false;
                }
                return true;
            }
        }
        false
    }

    fn received(&mut self, token: Token, outcome: Outcome, events: &mut Vec<Event>) {
        if !self.reads_by(token, outcome.id) {
            if let Some(number) = outcome.buffer {
                self.buffers.give_back(number);
            }
            return;
        }
        let mut over = false;
        match (outcome.result, outcome.buffer) {
            (Ok(len @ 1..), Some(number)) => {
                let bytes = self.buffers.take(number, len as usize);
                events.extend(bytes.map(|bytes| Event::Received(token, bytes)));
            }
            (Ok(_), buffer) => {
                // No bytes and no error: the peer ended the stream.
                if let Some(number) = buffer {
                    self.buffers.give_back(number);
                }
                over = true;
                events.push(Event::Closed(token));
            }
            // Asked for, or out of buffers: those are back in the ring by the time it is armed again.
            (Err(Errno::CANCELED | Errno::NOBUFS | Errno::INTR), _) => {}
            (Err(error), _) => {
                over = true;
                events.push(Event::Failed(token, error.into()));
            }
        }
        if outcome.last {
            self.reading_ended(token, over, events);
        }
    }

    fn writable(&mut self, token: Token, outcome: Outcome, events: &mut Vec<Event>) {
        let Some(entry) = self.entries.get_mut(&token) else { return };
        if entry.writing == Some(outcome.id) {
            entry.writing = None;
            entry.want_write = false;
            // Also if the poll itself failed: the write that follows will say why.
            events.push(Event::Writable(token));
        }
    }

    /// True if `id` is the operation that reads for `token` now.
    fn reads_by(&self, token: Token, id: OpId) -> bool {
        self.entries.get(&token).is_some_and(|entry| match entry.reading {
            Reading::Running(running) | Reading::Ending(running) => running == id,
            Reading::Idle | Reading::Over => false,
        })
    }

    /// The multishot operation is gone: answers owed pauses, and sees to it that it starts again if wanted.
    fn reading_ended(&mut self, token: Token, over: bool, events: &mut Vec<Event>) {
        let Some(entry) = self.entries.get_mut(&token) else { return };
        entry.reading = if over { Reading::Over } else { Reading::Idle };
        answer_pauses(token, entry, events);
        self.look_at(token);
    }
}

/// Gives the `Paused` answers that are owed.
pub(super) fn answer_pauses(token: Token, entry: &mut Entry, events: &mut Vec<Event>) {
    for _ in 0..std::mem::take(&mut entry.pauses_owed) {
        events.push(Event::Paused(token));
    }
}
