//! Load balancing: whole messages to each pipe with room in turn (libzmq-surface §6.2).

use zeroring_base::PartRef;
use zeroring_base::time::Clock;

use super::{Pipes, Refused, Scope};

/// Slots with room, and whose turn it is.
#[derive(Debug, Default)]
pub struct LoadBalancer {
    active: Vec<usize>,
    current: usize,
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
        if !self.active.contains(&slot) {
            self.active.push(slot);
        }
    }

    /// A pipe is gone.
    pub fn remove(&mut self, slot: usize) {
        let Some(index) = self.active.iter().position(|active| *active == slot) else { return };
        if index == self.current && self.present == Present::Put {
            self.present = Present::Dropped;
        }
        self.deactivate(index);
    }

    fn deactivate(&mut self, index: usize) {
        self.active.remove(index);
        if index < self.current {
            self.current -= 1;
        }
        if self.current >= self.active.len() {
            self.current = 0;
        }
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
        let slot = self.active[self.current];
        let Some(pipe) = scope.pipes.get_mut(slot) else { return Err(Refused::WouldBlock) };
        pipe.put(scope.pool, part, more, scope.options.copy_threshold_bytes)?;
        self.present = Present::Put.if_more(more);
        if !more {
            pipe.commit(scope.clock, true);
            self.next();
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
        let turn = if IS_SMALL { self.only() } else { self.current() };
        let Some(slot) = turn else { return false };
        let Some(pipe) = pipes.get_mut(slot) else { return false };
        let put = if IS_SMALL { pipe.try_put_small(body) } else { pipe.try_put_short(body) };
        let Some(told) = put else { return false };
        if !IS_SMALL {
            self.next();
        }
        pipe.sent_short(told, body.len(), clock)
    }

    #[inline]
    fn next(&mut self) {
        self.current += 1;
        if self.current >= self.active.len() {
            self.current = 0;
        }
    }

    /// True if the current pipe has room, after passing over those that have none.
    #[inline]
    pub fn find_room(&mut self, scope: &mut Scope<'_>) -> bool {
        while let Some(&slot) = self.active.get(self.current) {
            if scope.pipes.get_mut(slot).is_some_and(|pipe| pipe.has_room(scope.clock)) {
                return true;
            }
            self.deactivate(self.current);
        }
        false
    }

    /// True if a part would be taken now.
    pub fn is_writable(&mut self, scope: &mut Scope<'_>) -> bool {
        self.present != Present::None || self.find_room(scope)
    }

    /// The pipe whose turn it is, if that is so because there is no other.
    #[inline(always)]
    fn only(&self) -> Option<usize> {
        let &[slot] = &self.active[..] else { return None };
        debug_assert!(self.current == 0, "the turn of {} of one", self.current);
        Some(slot)
    }

    /// The pipe whose turn it is.
    #[inline]
    pub fn current(&self) -> Option<usize> {
        self.active.get(self.current).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_one_has_the_turn_whoever_had_it_before() {
        let mut slots = LoadBalancer::default();
        assert_eq!(slots.only(), None);
        slots.activate(7);
        slots.next();
        assert_eq!(slots.only(), Some(7));
        slots.activate(8);
        slots.next();
        assert_eq!((slots.current, slots.only()), (1, None));
        slots.remove(7);
        assert_eq!(slots.only(), Some(8));
        slots.activate(9);
        slots.next();
        slots.remove(9);
        assert_eq!(slots.only(), Some(8), "the last in turn went");
    }
}
