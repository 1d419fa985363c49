//! Sequences of operations on both subscription books, against naive models.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use zeroring_core::pattern::topic::{Removed, SubscriptionSet, TopicTable};

#[derive(Debug, Arbitrary)]
enum Step {
    Subscribe(Topic, u8),
    Unsubscribe(Topic, u8),
    RemovePeer(u8),
    Publish(Topic),
}

/// A topic that shares much with others: some repeated bytes, then free ones.
#[derive(Debug, Arbitrary)]
struct Topic {
    repeated: u8,
    count: u8,
    tail: Vec<u8>,
}

impl Topic {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.repeated & 1; usize::from(self.count)];
        bytes.extend_from_slice(&self.tail);
        bytes
    }
}

#[derive(Default)]
struct Books {
    table: TopicTable,
    peers_of: BTreeMap<Vec<u8>, BTreeSet<u8>>,
    set: SubscriptionSet,
    counts: BTreeMap<Vec<u8>, u32>,
}

fuzz_target!(|steps: Vec<Step>| {
    let mut books = Books::default();
    for step in steps {
        match step {
            Step::Subscribe(topic, peer) => books.subscribe(topic.bytes(), peer),
            Step::Unsubscribe(topic, peer) => books.unsubscribe(&topic.bytes(), peer),
            Step::RemovePeer(peer) => books.remove_peer(peer),
            Step::Publish(topic) => books.publish(&topic.bytes()),
        }
        assert_eq!(books.table.topics_count(), books.peers_of.len());
        assert_eq!(books.set.topics_count(), books.counts.len());
    }
    assert!(books.set.iter().eq(books.counts.into_keys()));
});

impl Books {
    fn subscribe(&mut self, topic: Vec<u8>, peer: u8) {
        let first = !self.peers_of.contains_key(&topic);
        assert_eq!(self.table.subscribe(&topic, peer.into()), first);
        assert_eq!(self.set.add(&topic), !self.counts.contains_key(&topic));
        *self.counts.entry(topic.clone()).or_default() += 1;
        self.peers_of.entry(topic).or_default().insert(peer);
    }

    fn unsubscribe(&mut self, topic: &[u8], peer: u8) {
        let expected = self.forget(topic, peer);
        assert_eq!(self.table.unsubscribe(topic, peer.into()), expected);

        let expected = match self.counts.get_mut(topic) {
            None => Removed::NotPresent,
            Some(1) => {
                self.counts.remove(topic);
                Removed::Last
            }
            Some(count) => {
                *count -= 1;
                Removed::StillHeld
            }
        };
        assert_eq!(self.set.remove(topic), expected);
    }

    fn remove_peer(&mut self, peer: u8) {
        let topics: Vec<_> = self.peers_of.keys().cloned().collect();
        let taken_back = topics.into_iter().map(|topic| (self.forget(&topic, peer), topic));
        let expected: Vec<_> = taken_back.filter(|(how, _)| *how != Removed::NotPresent).collect();
        let mut removed = Vec::new();
        self.table.remove_peer(peer.into(), |topic, how| removed.push((how, topic.to_vec())));
        assert_eq!(removed, expected);
    }

    fn publish(&mut self, topic: &[u8]) {
        let hits = self.peers_of.iter().filter(|(prefix, _)| topic.starts_with(prefix));
        let expected: BTreeSet<u32> =
            hits.flat_map(|(_, peers)| peers.iter().map(|peer| u32::from(*peer))).collect();
        let mut visited = Vec::new();
        self.table.for_each_match(topic, |peer| visited.push(peer));
        visited.sort_unstable();
        assert!(visited.iter().eq(&expected));
        let matches = self.counts.keys().any(|prefix| topic.starts_with(prefix));
        assert_eq!(self.set.matches(topic), matches);
    }

    /// The model of unsubscribing.
    fn forget(&mut self, topic: &[u8], peer: u8) -> Removed {
        let Some(peers) = self.peers_of.get_mut(topic) else { return Removed::NotPresent };
        if !peers.remove(&peer) {
            return Removed::NotPresent;
        }
        if !peers.is_empty() {
            return Removed::StillHeld;
        }
        self.peers_of.remove(topic);
        Removed::Last
    }
}
