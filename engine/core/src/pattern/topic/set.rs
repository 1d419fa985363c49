//! The subscriber's book: how often each prefix was subscribed.

use super::Removed;
use super::tree::{Payload, ROOT, Tree};

impl Payload for u32 {
    fn is_vacant(&self) -> bool {
        *self == 0
    }
}

/// A multiset of prefixes, for SUB and XSUB.
#[derive(Debug, Clone)]
pub struct SubscriptionSet {
    tree: Tree<u32>,
    distinct: usize,
}

impl Default for SubscriptionSet {
    fn default() -> Self {
        Self::new()
    }
}

impl SubscriptionSet {
    /// An empty set, which matches nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { tree: Tree::new(), distinct: 0 }
    }

    /// Adds one subscription; true if the prefix is new.
    pub fn add(&mut self, prefix: &[u8]) -> bool {
        let node = self.tree.find_or_insert(prefix);
        let count = self.tree.value_mut(node);
        let first = *count == 0;
        *count = count.saturating_add(1);
        self.distinct += usize::from(first);
        first
    }

    /// Takes back one subscription.
    pub fn remove(&mut self, prefix: &[u8]) -> Removed {
        let found = self.tree.find(prefix).filter(|node| *self.tree.value(*node) > 0);
        let Some(node) = found else { return Removed::NotPresent };
        let count = self.tree.value_mut(node);
        *count -= 1;
        if *count > 0 {
            return Removed::StillHeld;
        }
        self.tree.prune(node);
        self.distinct -= 1;
        Removed::Last
    }

    /// Whether a subscribed prefix starts `topic`.
    #[must_use]
    pub fn matches(&self, topic: &[u8]) -> bool {
        self.matches_all() || self.tree.prefixes(topic).any(|node| *self.tree.value(node) > 0)
    }

    /// Whether the empty prefix is subscribed, which starts every topic.
    #[inline]
    #[must_use]
    pub fn matches_all(&self) -> bool {
        *self.tree.value(ROOT) > 0
    }

    /// The distinct prefixes in byte order.
    ///
    /// Each is a copy: the tree does not hold them in one piece. Only reconnects need them.
    pub fn iter(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let mut walk = self.tree.walk(|_| true);
        std::iter::from_fn(move || {
            loop {
                let (node, key) = walk.next()?;
                if *self.tree.value(node) > 0 {
                    return Some(key.to_vec());
                }
            }
        })
    }

    /// Number of distinct prefixes, `TOPICS_COUNT`.
    #[must_use]
    pub fn topics_count(&self) -> usize {
        self.distinct
    }

    /// Whether nothing is subscribed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.distinct == 0
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        self.tree.check_invariants();
        assert!(self.tree.node_count() <= 2 * self.distinct + 1, "memory was kept");
    }
}
