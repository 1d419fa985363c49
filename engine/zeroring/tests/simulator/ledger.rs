//! What was sent, and whether what is received may be.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::parcel::Parcel;

/// What is wrong with something received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    NeverSent(Parcel),
    Twice(Parcel),
    /// It came after a later one of its sender, over the same connection.
    Overtaken(Parcel, u32),
}

/// The books of one run.
#[derive(Debug, Default)]
pub struct Ledger {
    /// How many parcels each sender sent; it numbers them from 0.
    sent: BTreeMap<u32, u32>,
    /// Who received what. A reader of a stream that only one gets is 0 for all of them.
    received: HashSet<(u32, Parcel)>,
    /// The last number by receiver, connection and sender.
    last: HashMap<(u32, i32, u32), u32>,
}

impl Ledger {
    /// The next parcel of a sender. It counts as sent with [`sent`](Self::sent).
    pub fn next(&self, sender: u32) -> Parcel {
        Parcel { sender, sequence: self.sent.get(&sender).copied().unwrap_or(0) }
    }

    pub fn sent(&mut self, parcel: Parcel) {
        self.sent.insert(parcel.sender, parcel.sequence + 1);
    }

    /// Books a parcel that `receiver` got over `connection`; `group` is who shares the stream with it.
    pub fn received(
        &mut self,
        (group, receiver): (u32, u32),
        connection: i32,
        parcel: Parcel,
    ) -> Result<(), Fault> {
        if self.sent.get(&parcel.sender).is_none_or(|sent| parcel.sequence >= *sent) {
            return Err(Fault::NeverSent(parcel));
        }
        if !self.received.insert((group, parcel)) {
            return Err(Fault::Twice(parcel));
        }
        match self.last.insert((receiver, connection, parcel.sender), parcel.sequence) {
            Some(last) if last > parcel.sequence => Err(Fault::Overtaken(parcel, last)),
            _ => Ok(()),
        }
    }

    /// How many parcels a sender sent so far.
    pub fn sent_by(&self, sender: u32) -> u32 {
        self.sent.get(&sender).copied().unwrap_or(0)
    }

    /// What a sender sent from number `from` on and nobody of `group` received.
    pub fn missing(&self, group: u32, sender: u32, from: u32) -> Vec<Parcel> {
        let parcels = (from..self.sent_by(sender)).map(|sequence| Parcel { sender, sequence });
        parcels.filter(|parcel| !self.received.contains(&(group, *parcel))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(sequence: u32) -> Parcel {
        Parcel { sender: 3, sequence }
    }

    fn after_sending(count: u32) -> Ledger {
        let mut ledger = Ledger::default();
        for _ in 0..count {
            ledger.sent(ledger.next(3));
        }
        ledger
    }

    #[test]
    fn a_loss_is_found() {
        let mut ledger = after_sending(3);
        assert_eq!(ledger.received((0, 1), 9, parcel(0)), Ok(()));
        assert_eq!(ledger.received((0, 1), 9, parcel(2)), Ok(()));
        assert_eq!(ledger.missing(0, 3, 0), [parcel(1)]);
        assert_eq!(ledger.missing(0, 3, 2), []);
    }

    #[test]
    fn a_duplicate_is_found_whoever_gets_it() {
        let mut ledger = after_sending(1);
        assert_eq!(ledger.received((0, 1), 9, parcel(0)), Ok(()));
        assert_eq!(ledger.received((0, 2), 8, parcel(0)), Err(Fault::Twice(parcel(0))));
        assert_eq!(ledger.received((5, 5), 8, parcel(0)), Ok(()), "another group gets its own");
    }

    #[test]
    fn a_change_of_order_is_found() {
        let mut ledger = after_sending(3);
        assert_eq!(ledger.received((0, 1), 9, parcel(1)), Ok(()));
        assert_eq!(ledger.received((0, 1), 9, parcel(0)), Err(Fault::Overtaken(parcel(0), 1)));
        assert_eq!(ledger.received((0, 1), 8, parcel(2)), Ok(()));
    }

    #[test]
    fn an_invention_is_found() {
        let mut ledger = after_sending(1);
        assert_eq!(ledger.received((0, 1), 9, parcel(1)), Err(Fault::NeverSent(parcel(1))));
    }
}
