//! Subscriptions: which peers want a topic, and whether we want it ourselves.
//!
//! Matching is by byte prefix of a message's first part; the empty prefix matches everything. The
//! two sides of ZeroMQ keep different books:
//!
//! * A publisher ([`TopicTable`]) has a **set** of peers per prefix. A peer that subscribes twice
//!   counts once, and one cancel removes it, because libzmq's subscribers rely on that.
//! * A subscriber ([`SubscriptionSet`]) has a **count** per prefix; the application takes back as
//!   many as it made.
//!
//! Both stand on one compressed radix tree in an arena. The application thread owns them, nothing
//! here is shared, and nothing recurses: the depth of the tree is up to the peers.

mod set;
mod table;
mod tree;

pub use set::SubscriptionSet;
pub use table::TopicTable;

/// What taking back a subscription changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// There was no such subscription.
    NotPresent,
    /// It is gone, and the prefix is still held: by another peer, or by an earlier call.
    StillHeld,
    /// It is gone, and nobody holds the prefix any more.
    Last,
}

#[cfg(test)]
mod tests;
