//! Load balancing: whole messages to each pipe with room in turn (libzmq-surface §6.2).

use zeroring_base::PartRef;
use zeroring_base::time::Clock;

use super::turns::Turns;
use super::{Pipes, Refused, Scope};

/// Slots with room, and whose turn it is.
#[derive(Debug, Default)]
pub struct LoadBalancer {
    active: Turns,
    present: Present,
}

/// What became of the parts of the present message so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Present {
    /// There were none.
    #[default]
    None,
    /// They were put into the current pipe.
    Put,
    /// Their pipe is gone: the remaining ones are swallowed.
    Dropped,
}

impl Present {
    fn if_more(self, more: bool) -> Self {
        if more { self } else { Self::None }
    }
}

impl LoadBalancer {
    /// A pipe has room (again): it joins the end of the active part.
    pub fn activate(&mut self, slot: usize) {
        self.active.join(slot);
    }

    /// A pipe is gone.
    pub fn remove(&mut self, slot: usize) {
        if self.current() == Some(slot) && self.present == Present::Put {
            self.present = Present::Dropped;
        }
        self.active.leave(slot);
    }

    /// Puts one part; the last one of a message sends it. Returns the slot that took it, `None` if it was swallowed.
    #[inline]
    pub fn send(
        &mut self,
        scope: &mut Scope<'_>,
        part: PartRef<'_>,
        more: bool,
    ) -> Result<Option<usize>, Refused> {
        if self.present == Present::Dropped {
            self.present = Present::Dropped.if_more(more);
            return Ok(None);
        }
        if self.present == Present::None && !self.find_room(scope) {
            return Err(Refused::WouldBlock);
        }
        let Some(slot) = self.current() else { return Err(Refused::WouldBlock) };
        let Some(pipe) = scope.pipes.get_mut(slot) else { return Err(Refused::WouldBlock) };
        pipe.put(scope.pool, part, more, scope.options.copy_threshold_bytes)?;
        self.present = Present::Put.if_more(more);
        if !more {
            pipe.commit(scope.clock, true);
            self.active.pass();
        }
        Ok(Some(slot))
    }

    /// Sends a message of one part, of any length, or a small one to the only peer, if nothing stands in its way. False:
    /// something does, and nothing was done.
    #[inline(always)]
    pub fn try_send_short<const IS_SMALL: bool>(
        &mut self,
        pipes: &mut Pipes,
        body: &[u8],
        clock: &Clock,
    ) -> bool {
        if self.present != Present::None {
            return false;
        }
        let turn = if IS_SMALL { self.active.only() } else { self.active.current() };
        let Some(slot) = turn else { return false };
        let Some(pipe) = pipes.get_mut(slot) else { return false };
        let put = if IS_SMALL { pipe.try_put_small(body) } else { pipe.try_put_short(body) };
        let Some(told) = put else { return false };
        if !IS_SMALL {
            self.active.pass();
        }
        pipe.sent_short(told, body.len(), clock)
    }

    /// True if the current pipe has room, after passing over those that have none.
    #[inline]
    pub fn find_room(&mut self, scope: &mut Scope<'_>) -> bool {
        while let Some(slot) = self.current() {
            if scope.pipes.get_mut(slot).is_some_and(|pipe| pipe.has_room(scope.clock)) {
                return true;
            }
            self.active.leave_current();
        }
        false
    }

    /// True if a part would be taken now.
    pub fn is_writable(&mut self, scope: &mut Scope<'_>) -> bool {
        self.present != Present::None || self.find_room(scope)
    }

    /// The pipe whose turn it is.
    #[inline]
    pub fn current(&self) -> Option<usize> {
        self.active.current()
    }
}
