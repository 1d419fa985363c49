//! Zeroring's own options: how to wait, and what a peer may cost.

use zeroring_core::options::WaitPolicy;

use super::options;

options! {
/// Waiting, copying, and bounds on what peers can make us keep.
impl Kind, example "Dealer" {
    /// How blocking calls on this socket wait. Default: the [context's](crate::ContextBuilder::wait_policy), which is
    /// [`WaitPolicy::Adaptive`]. Read by each call. No libzmq option.
    wait_policy, set_wait_policy(policy: WaitPolicy) = "zeroring::WaitPolicy::Spin",
        |options| options.wait_policy, |options| options.wait_policy = policy;
    /// Parts of at least this many bytes are sent by reference, shorter ones are copied; so are all of up to 255 bytes.
    /// Default 4096: below about a page, copying is cheaper. Next bind or connect. No libzmq option.
    copy_threshold, set_copy_threshold(bytes: u32) = "16_384",
        |options| options.copy_threshold_bytes, |options| options.copy_threshold_bytes = bytes;
    /// Longest part a peer may send, in bytes; a longer one ends its connection. `None`: no limit, the default. Next bind
    /// or connect. Source: `ZMQ_MAXMSGSIZE`.
    max_part_bytes, set_max_part_bytes(bytes: Option<u64>) = "Some(1 << 20)",
        |options| options.max_frame_bytes, |options| options.max_frame_bytes = bytes;
    /// Most parts one message from a peer may have; more end its connection. Default 65 536, which bounds what an
    /// unfinished message can pin. Next bind or connect. No libzmq option.
    max_message_parts, set_max_message_parts(parts: u32) = "16",
        |options| options.max_message_parts, |options| options.max_message_parts = parts;
    /// Most bytes one message from a peer may have, over all its parts; more end its connection. `None`: no limit, the
    /// default. Next bind or connect. No libzmq option.
    max_message_bytes, set_max_message_bytes(bytes: Option<u64>) = "Some(1 << 24)",
        |options| options.max_message_bytes, |options| options.max_message_bytes = bytes;
    /// Most distinct prefixes one peer may subscribe to; further ones end its connection. Default 1 000 000. Next bind or
    /// connect. No libzmq option.
    max_subscriptions_per_peer, set_max_subscriptions_per_peer(subscriptions: u32) = "10_000",
        |options| options.max_subscriptions_per_peer,
        |options| options.max_subscriptions_per_peer = subscriptions;
    /// Longest prefix a peer may subscribe to, in bytes; a longer one ends its connection. Default 1 MiB. Next bind or
    /// connect. No libzmq option.
    max_topic_bytes, set_max_topic_bytes(bytes: u32) = "256",
        |options| options.max_topic_bytes, |options| options.max_topic_bytes = bytes;
}
}
