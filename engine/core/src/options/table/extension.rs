//! Zeroring's own options. libzmq answers `EINVAL` to these numbers.

use super::row::{Effect, Kind, OptionRow};
use super::{MAX, from_limit, from_u32, to_limit, to_u32};
use crate::options::number as no;
use crate::options::value::WaitPolicy;

pub(super) const ROWS: &[OptionRow] = &[
    // The default is the context's.
    OptionRow::int(
        (no::WAIT_POLICY, "WAIT_POLICY", "0 sleep, 1 adaptive, 2 spin"),
        (0, 2),
        1,
        |o| o.wait_policy.to_int(),
        |o, v| o.wait_policy = WaitPolicy::from_int(v).unwrap_or_default(),
    )
    .at(Effect::WhenUsed),
    OptionRow::int(
        (no::COPY_THRESHOLD_BYTES, "COPY_THRESHOLD_BYTES", "bytes of one part"),
        (64, 1 << 20),
        4096,
        |o| from_u32(o.copy_threshold_bytes),
        |o, v| o.copy_threshold_bytes = to_u32(v),
    ),
    OptionRow::int(
        (no::MAX_MESSAGE_PARTS, "MAX_MESSAGE_PARTS", "parts"),
        (1, MAX),
        65_536,
        |o| from_u32(o.max_message_parts),
        |o, v| o.max_message_parts = to_u32(v),
    ),
    OptionRow::of(
        (no::MAX_MESSAGE_BYTES, "MAX_MESSAGE_BYTES", "bytes of all parts, negative = unlimited"),
        Kind::Int64 {
            default: -1,
            read: |o| from_limit(o.max_message_bytes),
            write: |o, v| o.max_message_bytes = to_limit(v),
        },
    ),
    OptionRow::int(
        (no::MAX_SUBSCRIPTIONS_PER_PEER, "MAX_SUBSCRIPTIONS_PER_PEER", "distinct topics"),
        (1, MAX),
        1_000_000,
        |o| from_u32(o.max_subscriptions_per_peer),
        |o, v| o.max_subscriptions_per_peer = to_u32(v),
    ),
    OptionRow::int(
        (no::MAX_TOPIC_BYTES, "MAX_TOPIC_BYTES", "bytes"),
        (0, MAX),
        1 << 20,
        |o| from_u32(o.max_topic_bytes),
        |o, v| o.max_topic_bytes = to_u32(v),
    ),
];
