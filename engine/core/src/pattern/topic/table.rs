//! The publisher's book: which peers subscribed to which prefix.
//!
//! Publishing is the hot path, and mostly all peers of a message stand at one node: everybody
//! subscribed to the same short prefix. Then the visit is one pass over a dense array. Only when
//! a second node on the way has peers must a peer be kept from getting the message twice; for that
//! each peer has a mark, and a message that needs marks draws a new number instead of clearing.

use std::collections::{HashMap, HashSet};

use super::Removed;
use super::tree::{Payload, Tree};

/// A peer at a node. The slot stands beside the id so that neither needs a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Subscriber {
    peer: u32,
    slot: u32,
}

/// The subscribers of one prefix, sorted by peer.
type Subscribers = Vec<Subscriber>;

impl Payload for Subscribers {
    fn is_vacant(&self) -> bool {
        self.is_empty()
    }
}

/// Prefixes and their subscribers, for PUB and XPUB.
#[derive(Debug, Clone)]
pub struct TopicTable {
    tree: Tree<Subscribers>,
    topics_count: usize,
    /// Dense number of each peer that has a subscription; peer ids may be sparse.
    slots: HashMap<u32, u32>,
    free_slots: Vec<u32>,
    /// By slot: number of the last message that marked this peer.
    marks: Vec<u64>,
    /// By slot: the nodes where the peer is subscribed.
    nodes_of: Vec<HashSet<u32>>,
    /// Number of the last message that needed marks.
    epoch: u64,
    /// Counts what was changed.
    changes: u64,
}

impl Default for TopicTable {
    fn default() -> Self {
        Self::new()
    }
}

impl TopicTable {
    /// A table without subscriptions.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tree: Tree::new(),
            topics_count: 0,
            slots: HashMap::new(),
            free_slots: Vec::new(),
            marks: Vec::new(),
            nodes_of: Vec::new(),
            epoch: 0,
            changes: 0,
        }
    }

    /// Subscribes `peer` to a prefix; true if nobody was subscribed to it before.
    ///
    /// A second subscription of the same peer changes nothing.
    pub fn subscribe(&mut self, prefix: &[u8], peer: u32) -> bool {
        let slot = self.slot_for(peer);
        let node = self.tree.find_or_insert(prefix);
        let subscribers = self.tree.value_mut(node);
        let first = subscribers.is_empty();
        if first {
            // Most prefixes have one subscriber.
            subscribers.reserve_exact(1);
            self.topics_count += 1;
        }
        if let Err(at) = subscribers.binary_search_by_key(&peer, |s| s.peer) {
            subscribers.insert(at, Subscriber { peer, slot });
            self.nodes_of[slot as usize].insert(node);
            self.changes += 1;
        }
        first
    }

    /// Takes back the subscription of `peer` to a prefix, however often it was made.
    pub fn unsubscribe(&mut self, prefix: &[u8], peer: u32) -> Removed {
        let found = self.slots.get(&peer).copied().zip(self.tree.find(prefix));
        let Some((slot, node)) = found else { return Removed::NotPresent };
        let subscribers = self.tree.value_mut(node);
        let Ok(at) = subscribers.binary_search_by_key(&peer, |s| s.peer) else {
            return Removed::NotPresent;
        };
        subscribers.remove(at);
        self.changes += 1;
        let last = subscribers.is_empty();
        let nodes = &mut self.nodes_of[slot as usize];
        nodes.remove(&node);
        if nodes.is_empty() {
            self.release_slot(peer, slot);
        }
        if !last {
            return Removed::StillHeld;
        }
        self.topics_count -= 1;
        self.tree.prune(node);
        Removed::Last
    }

    /// Takes back all subscriptions of `peer`; `on_removed` gets them in byte order, and whether nobody
    /// else holds the prefix. Costs time in proportion to what the peer held, not to the table.
    pub fn remove_peer(&mut self, peer: u32, mut on_removed: impl FnMut(&[u8], Removed)) {
        let Some(slot) = self.slots.get(&peer).copied() else { return };
        let held = std::mem::take(&mut self.nodes_of[slot as usize]);
        self.changes += 1;
        let on_the_way = self.with_ancestors(&held);
        let mut orphans = Vec::new();
        let mut walk = self.tree.walk(|node| on_the_way.contains(&node));
        while let Some((node, prefix)) = walk.next() {
            if !held.contains(&node) {
                continue;
            }
            if self.tree.value(node).len() == 1 {
                on_removed(prefix, Removed::Last);
                orphans.push(node);
            } else {
                on_removed(prefix, Removed::StillHeld);
            }
        }
        for node in held {
            let subscribers = self.tree.value_mut(node);
            if let Ok(at) = subscribers.binary_search_by_key(&peer, |s| s.peer) {
                subscribers.remove(at);
            }
        }
        self.topics_count -= orphans.len();
        // Longer prefixes first, so that no node is pruned while an orphan hangs below it.
        for node in orphans.into_iter().rev() {
            self.tree.prune(node);
        }
        self.release_slot(peer, slot);
    }

    /// Calls `visit` once for each peer with a prefix that starts `topic`, in no particular order.
    pub fn for_each_match(&mut self, topic: &[u8], mut visit: impl FnMut(u32)) {
        let mut matching = self
            .tree
            .prefixes(topic)
            .map(|node| self.tree.value(node))
            .filter(|subscribers| !subscribers.is_empty());
        let Some(first) = matching.next() else { return };
        let Some(second) = matching.next() else {
            first.iter().for_each(|s| visit(s.peer));
            return;
        };
        self.epoch += 1;
        for subscribers in [first, second].into_iter().chain(matching) {
            for subscriber in subscribers {
                let mark = &mut self.marks[subscriber.slot as usize];
                if *mark != self.epoch {
                    *mark = self.epoch;
                    visit(subscriber.peer);
                }
            }
        }
    }

    /// Grows with every change of the table.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// True if nobody looks at topics: every topic has the same subscribers.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.tree.is_root_only()
    }

    /// Number of distinct prefixes, `TOPICS_COUNT`.
    #[must_use]
    pub fn topics_count(&self) -> usize {
        self.topics_count
    }

    /// Number of peers with at least one subscription.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.slots.len()
    }

    /// Number of distinct prefixes a peer holds, to be compared with its limit.
    #[must_use]
    pub fn subscriptions_of(&self, peer: u32) -> usize {
        self.slots.get(&peer).map_or(0, |slot| self.nodes_of[*slot as usize].len())
    }

    fn slot_for(&mut self, peer: u32) -> u32 {
        if let Some(slot) = self.slots.get(&peer) {
            return *slot;
        }
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.marks.push(0);
            self.nodes_of.push(HashSet::new());
            u32::try_from(self.marks.len() - 1).expect("there are no more peers than peer ids")
        });
        self.slots.insert(peer, slot);
        slot
    }

    fn release_slot(&mut self, peer: u32, slot: u32) {
        self.slots.remove(&peer);
        // The set keeps its capacity until here.
        self.nodes_of[slot as usize] = HashSet::new();
        self.free_slots.push(slot);
    }

    /// The nodes and all that lie between them and the root.
    fn with_ancestors(&self, nodes: &HashSet<u32>) -> HashSet<u32> {
        let mut all = HashSet::with_capacity(nodes.len() * 2);
        for node in nodes {
            let mut next = Some(*node);
            // Above a known node everything is known.
            while let Some(node) = next.filter(|node| all.insert(*node)) {
                next = self.tree.parent(node);
            }
        }
        all
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        self.tree.check_invariants();
        assert!(self.tree.node_count() <= 2 * self.topics_count + 1, "memory was kept");
        assert_eq!(self.marks.len(), self.slots.len() + self.free_slots.len());
        for (peer, slot) in &self.slots {
            let nodes = &self.nodes_of[*slot as usize];
            assert!(!nodes.is_empty(), "a peer without subscription");
            let expected = Subscriber { peer: *peer, slot: *slot };
            assert!(nodes.iter().all(|node| self.tree.value(*node).contains(&expected)));
        }
    }
}
