//! Whose turn it is, among the pipes that have something to read, or room.

/// Slots in turn, each once.
#[derive(Debug, Default)]
pub struct Turns {
    slots: Vec<usize>,
    /// Below the number of slots; 0 if there are none.
    current: usize,
}

impl Turns {
    /// A slot joins the end, unless it is there.
    pub fn join(&mut self, slot: usize) {
        if !self.slots.contains(&slot) {
            self.slots.push(slot);
        }
    }

    /// A slot leaves, if it is there; the turn of the others stays.
    pub fn leave(&mut self, slot: usize) {
        if let Some(index) = self.slots.iter().position(|other| *other == slot) {
            self.remove(index);
        }
    }

    /// The slot whose turn it is leaves; the one behind it is next.
    pub fn leave_current(&mut self) {
        if !self.slots.is_empty() {
            self.remove(self.current);
        }
    }

    fn remove(&mut self, index: usize) {
        self.slots.remove(index);
        if index < self.current {
            self.current -= 1;
        }
        self.wrap();
    }

    /// Only those stay that shall; the turn begins anew.
    pub fn retain(&mut self, mut stays: impl FnMut(usize) -> bool) {
        self.slots.retain(|slot| stays(*slot));
        self.current = 0;
    }

    /// The slot whose turn it is.
    #[inline(always)]
    pub fn current(&self) -> Option<usize> {
        self.slots.get(self.current).copied()
    }

    /// The slot whose turn it is, if that is so because there is no other.
    #[inline(always)]
    pub fn only(&self) -> Option<usize> {
        let &[slot] = &self.slots[..] else { return None };
        debug_assert!(self.current == 0, "the turn of {} of one", self.current);
        Some(slot)
    }

    /// The next one has its turn.
    #[inline]
    pub fn pass(&mut self) {
        self.current += 1;
        self.wrap();
    }

    #[inline]
    fn wrap(&mut self) {
        if self.current >= self.slots.len() {
            self.current = 0;
        }
    }

    /// All slots.
    pub fn slots(&self) -> &[usize] {
        &self.slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(slots: impl IntoIterator<Item = usize>) -> Turns {
        let mut turns = Turns::default();
        slots.into_iter().for_each(|slot| turns.join(slot));
        turns
    }

    fn round(turns: &mut Turns) -> Vec<usize> {
        (0..turns.slots().len())
            .filter_map(|_| {
                let slot = turns.current();
                turns.pass();
                slot
            })
            .collect()
    }

    #[test]
    fn each_has_its_turn_once() {
        assert_eq!(round(&mut of([4, 2, 4, 9])), [4, 2, 9]);
        let mut nobody = Turns::default();
        nobody.pass();
        nobody.leave_current();
        assert_eq!((nobody.current(), nobody.only()), (None, None));
    }

    #[test]
    fn whoever_leaves_costs_nobody_else_a_turn() {
        for (leaving, expected) in [(4, [2, 9]), (2, [9, 4]), (9, [2, 4])] {
            let mut turns = of([4, 2, 9]);
            turns.pass(); // it is the turn of 2
            turns.leave(leaving);
            assert_eq!(round(&mut turns), expected, "{leaving} left");
        }
        let mut turns = of([4, 2]);
        turns.leave(7);
        turns.leave_current();
        assert_eq!(round(&mut turns), [2]);
    }

    #[test]
    fn the_only_one_has_the_turn_whoever_had_it_before() {
        let mut turns = of([7]);
        turns.pass();
        assert_eq!(turns.only(), Some(7));
        turns.join(8);
        turns.pass();
        assert_eq!((turns.current(), turns.only()), (Some(8), None));
        turns.leave(7);
        assert_eq!(turns.only(), Some(8));
        turns.join(9);
        turns.pass();
        turns.leave(9);
        assert_eq!(turns.only(), Some(8), "the last in turn left");
        turns.join(9);
        turns.pass();
        turns.retain(|slot| slot == 9);
        assert_eq!(turns.only(), Some(9));
    }
}
