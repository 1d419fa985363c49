//! A radix tree with path compression, keyed by bytes, in an arena addressed by `u32`.
//!
//! Invariants, checked by `check_invariants`:
//! * Every node but the root has a label of at least one byte.
//! * Children of a node differ in the first byte and are sorted by it.
//! * A node without value, except the root, has two or more children. Hence there are fewer than
//!   two nodes per stored key, whatever its length.
//! * A node with a value keeps its number as long as the value stays.

/// What a node holds; a vacant value counts as none.
pub(super) trait Payload: Default {
    /// Whether the node needs not be kept for this value.
    fn is_vacant(&self) -> bool;
}

/// Number of the root, the empty key.
pub(super) const ROOT: u32 = 0;
/// Parent of a node that is on the free list, and of the root.
const NOWHERE: u32 = u32::MAX;

#[derive(Debug, Clone, Default)]
struct Node<V> {
    value: V,
    /// Bytes between the parent's key and ours.
    label: Box<[u8]>,
    /// First label byte of each child, sorted; apart from `children` to be searched quickly.
    child_bytes: Vec<u8>,
    /// The children, in the order of `child_bytes`.
    children: Vec<u32>,
    parent: u32,
}

/// The tree. Callers change values in place and call [`prune`](Tree::prune) for vacated ones.
#[derive(Debug, Clone)]
pub(super) struct Tree<V> {
    nodes: Vec<Node<V>>,
    free: Vec<u32>,
}

impl<V: Payload> Tree<V> {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node { parent: NOWHERE, ..Node::default() }], free: Vec::new() }
    }

    pub(super) fn is_root_only(&self) -> bool {
        self.node(ROOT).children.is_empty()
    }

    pub(super) fn value(&self, node: u32) -> &V {
        &self.node(node).value
    }

    pub(super) fn value_mut(&mut self, node: u32) -> &mut V {
        &mut self.node_mut(node).value
    }

    pub(super) fn parent(&self, node: u32) -> Option<u32> {
        Some(self.node(node).parent).filter(|parent| *parent != NOWHERE)
    }

    /// The nodes whose keys are prefixes of `key`, shortest first, with or without value.
    pub(super) fn prefixes<'a>(&'a self, key: &'a [u8]) -> Prefixes<'a, V> {
        Prefixes { tree: self, next: Some(ROOT), rest: key }
    }

    /// The node of exactly this key.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        let mut steps = self.prefixes(key);
        let node = steps.by_ref().last();
        node.filter(|_| steps.rest.is_empty())
    }

    /// The node of exactly this key, which the caller will give a value.
    pub(super) fn find_or_insert(&mut self, key: &[u8]) -> u32 {
        let (mut node, mut rest) = (ROOT, key);
        while let Some(first) = rest.first() {
            let Some(child) = self.node(node).child(*first) else {
                return self.add_child(node, rest);
            };
            let label = &self.node(child).label;
            let shared = shared_len(label, rest);
            node = if shared == label.len() { child } else { self.split(child, shared) };
            rest = &rest[shared..];
        }
        node
    }

    /// Removes what a vacated node leaves behind. Does nothing for nodes with value.
    pub(super) fn prune(&mut self, node: u32) {
        if self.is_needed(node) {
            return;
        }
        match self.node(node).children.len() {
            0 => {
                let parent = self.detach_leaf(node);
                if !self.is_needed(parent) && self.node(parent).children.len() == 1 {
                    self.merge_into_child(parent);
                }
            }
            1 => self.merge_into_child(node),
            _ => {}
        }
        if self.free.len() + 1 == self.nodes.len() {
            // Only the root is left: give the arena back too.
            self.nodes.truncate(1);
            self.nodes.shrink_to_fit();
            self.free = Vec::new();
        }
    }

    /// Visits nodes in byte order of their keys; `enter` decides whether a subtree is visited.
    pub(super) fn walk<F: Fn(u32) -> bool>(&self, enter: F) -> Walk<'_, V, F> {
        Walk { tree: self, pending: vec![(ROOT, 0)], key: Vec::new(), enter }
    }

    /// Root, valued, or already gone: joined with its child, or returned with the whole arena.
    fn is_needed(&self, node: u32) -> bool {
        let content = self.nodes.get(node as usize);
        content.is_none_or(|node| node.parent == NOWHERE || !node.value.is_vacant())
    }

    fn node(&self, node: u32) -> &Node<V> {
        &self.nodes[node as usize]
    }

    fn node_mut(&mut self, node: u32) -> &mut Node<V> {
        &mut self.nodes[node as usize]
    }

    fn allocate(&mut self, parent: u32, label: &[u8]) -> u32 {
        let fresh = Node { parent, label: label.into(), ..Node::default() };
        if let Some(node) = self.free.pop() {
            *self.node_mut(node) = fresh;
            return node;
        }
        let node = u32::try_from(self.nodes.len()).ok().filter(|node| *node != NOWHERE);
        self.nodes.push(fresh);
        node.expect("memory ends before node numbers do")
    }

    fn release(&mut self, node: u32) {
        *self.node_mut(node) = Node { parent: NOWHERE, ..Node::default() };
        self.free.push(node);
    }

    fn add_child(&mut self, parent: u32, label: &[u8]) -> u32 {
        let child = self.allocate(parent, label);
        let content = self.node_mut(parent);
        let at = content.child_bytes.partition_point(|byte| *byte < label[0]);
        content.child_bytes.insert(at, label[0]);
        content.children.insert(at, child);
        child
    }

    /// Puts a new node in the middle of the edge to `child`, after `at` bytes.
    fn split(&mut self, child: u32, at: usize) -> u32 {
        let label = std::mem::take(&mut self.node_mut(child).label);
        let (head, tail) = label.split_at(at);
        let parent = self.node(child).parent;
        let middle = self.allocate(parent, head);
        self.replace_child(parent, head[0], middle);
        let content = self.node_mut(middle);
        content.child_bytes.push(tail[0]);
        content.children.push(child);
        let content = self.node_mut(child);
        content.label = tail.into();
        content.parent = middle;
        middle
    }

    /// Joins a valueless node with its only child; the child keeps its number.
    fn merge_into_child(&mut self, node: u32) {
        let removed = std::mem::take(self.node_mut(node));
        let child = removed.children[0];
        let content = self.node_mut(child);
        content.label = [&removed.label[..], &content.label[..]].concat().into();
        content.parent = removed.parent;
        self.replace_child(removed.parent, removed.label[0], child);
        self.release(node);
    }

    fn detach_leaf(&mut self, node: u32) -> u32 {
        let Node { parent, label, .. } = std::mem::take(self.node_mut(node));
        let content = self.node_mut(parent);
        let at = content.child_bytes.partition_point(|byte| *byte < label[0]);
        content.child_bytes.remove(at);
        content.children.remove(at);
        self.release(node);
        parent
    }

    fn replace_child(&mut self, parent: u32, first: u8, child: u32) {
        let content = self.node_mut(parent);
        let at = content.child_bytes.partition_point(|byte| *byte < first);
        content.children[at] = child;
    }

    #[cfg(test)]
    pub(super) fn node_count(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let mut reached = 1;
        let mut pending = vec![ROOT];
        while let Some(node) = pending.pop() {
            let content = self.node(node);
            let needed = node == ROOT || !content.value.is_vacant();
            assert!(needed || content.children.len() >= 2, "a node without use");
            assert!(content.child_bytes.is_sorted_by(|a, b| a < b));
            assert_eq!(content.child_bytes.len(), content.children.len());
            for (byte, child) in content.child_bytes.iter().zip(&content.children) {
                assert_eq!(self.node(*child).parent, node);
                assert_eq!(self.node(*child).label.first(), Some(byte));
                pending.push(*child);
                reached += 1;
            }
        }
        assert_eq!(reached, self.node_count(), "a node was lost");
    }
}

impl<V> Node<V> {
    fn child(&self, first: u8) -> Option<u32> {
        memchr::memchr(first, &self.child_bytes).map(|at| self.children[at])
    }
}

/// Length of the common prefix. Blocks first: a peer may send topics of a megabyte.
fn shared_len(a: &[u8], b: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let blocks = a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK));
    let same = blocks.take_while(|(a, b)| a == b).count() * BLOCK;
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}

/// See [`Tree::prefixes`].
pub(super) struct Prefixes<'a, V> {
    tree: &'a Tree<V>,
    next: Option<u32>,
    /// What follows the key of the node last returned.
    rest: &'a [u8],
}

impl<V: Payload> Iterator for Prefixes<'_, V> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let node = self.next?;
        if node != ROOT {
            // Checked when it became the next one.
            self.rest = &self.rest[self.tree.node(node).label.len()..];
        }
        self.next = self.rest.first().and_then(|first| {
            let child = self.tree.node(node).child(*first)?;
            self.rest.starts_with(&self.tree.node(child).label).then_some(child)
        });
        Some(node)
    }
}

/// See [`Tree::walk`]. Not an `Iterator`, since the key it shows is its own buffer.
pub(super) struct Walk<'a, V, F> {
    tree: &'a Tree<V>,
    /// Nodes to visit, next one last, with the length of their parent's key.
    pending: Vec<(u32, usize)>,
    key: Vec<u8>,
    enter: F,
}

impl<V: Payload, F: Fn(u32) -> bool> Walk<'_, V, F> {
    /// The next node and its key.
    pub(super) fn next(&mut self) -> Option<(u32, &[u8])> {
        let (node, parent_len) = self.pending.pop()?;
        let content = self.tree.node(node);
        self.key.truncate(parent_len);
        self.key.extend_from_slice(&content.label);
        let key_len = self.key.len();
        let children = content.children.iter().rev().filter(|child| (self.enter)(**child));
        self.pending.extend(children.map(|child| (*child, key_len)));
        Some((node, &self.key))
    }
}
