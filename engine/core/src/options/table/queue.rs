//! Queues, blocking, and what the socket answers about itself.

use super::row::{Access, BoolRule, Effect, Kind, OptionRow};
use super::{MAX, UNSET, from_limit, from_u32, to_limit, to_u32};
use crate::options::number as no;

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow::int(
        (no::SNDHWM, "SNDHWM", "messages, 0 = unlimited"),
        (0, MAX),
        1000,
        |o| from_u32(o.send_hwm_messages),
        |o, v| o.send_hwm_messages = to_u32(v),
    )
    .at(Effect::Immediate),
    OptionRow::int(
        (no::RCVHWM, "RCVHWM", "messages, 0 = unlimited"),
        (0, MAX),
        1000,
        |o| from_u32(o.recv_hwm_messages),
        |o, v| o.recv_hwm_messages = to_u32(v),
    )
    .at(Effect::Immediate),
    // The default is 0 for SUB and XSUB and in a context that is not blocky.
    OptionRow::int(
        (no::LINGER, "LINGER", "ms, -1 = for ever"),
        (-1, MAX),
        -1,
        |o| o.linger_ms,
        |o, v| o.linger_ms = v,
    )
    .at(Effect::WhenUsed),
    OptionRow::int(
        (no::RCVTIMEO, "RCVTIMEO", "ms, -1 = for ever"),
        (-1, MAX),
        -1,
        |o| o.recv_timeout_ms,
        |o, v| o.recv_timeout_ms = v,
    )
    .at(Effect::WhenUsed),
    OptionRow::int(
        (no::SNDTIMEO, "SNDTIMEO", "ms, -1 = for ever"),
        (-1, MAX),
        -1,
        |o| o.send_timeout_ms,
        |o, v| o.send_timeout_ms = v,
    )
    .at(Effect::WhenUsed),
    OptionRow::bool(
        (no::IMMEDIATE, "IMMEDIATE"),
        BoolRule::Strict,
        false,
        |o| o.immediate,
        |o, v| o.immediate = v,
    )
    .at(Effect::NextConnect),
    OptionRow::bool(
        (no::CONFLATE, "CONFLATE"),
        BoolRule::Strict,
        false,
        |o| o.conflate,
        |o, v| o.conflate = v,
    ),
    OptionRow::of(
        // Every negative number reads back as -1.
        (no::MAXMSGSIZE, "MAXMSGSIZE", "bytes of one part, negative = unlimited"),
        Kind::Int64 {
            default: -1,
            read: |o| from_limit(o.max_frame_bytes),
            write: |o, v| o.max_frame_bytes = to_limit(v),
        },
    ),
    OptionRow::of(
        (no::AFFINITY, "AFFINITY", "bit set of I/O threads, 0 = all"),
        Kind::Uint64 {
            default: 0,
            read: |o| o.io_thread_affinity,
            write: |o, v| o.io_thread_affinity = v,
        },
    ),
    OptionRow::int(
        (no::BACKLOG, "BACKLOG", "connections"),
        (0, MAX),
        100,
        |o| from_u32(o.backlog_connections),
        |o, v| o.backlog_connections = to_u32(v),
    )
    .at(Effect::NextBind),
    OptionRow::int(
        (no::USE_FD, "USE_FD", "descriptor, -1 = none"),
        (UNSET, MAX),
        UNSET,
        |o| o.adopted_fd.unwrap_or(UNSET),
        |o, v| o.adopted_fd = (v >= 0).then_some(v),
    )
    .at(Effect::NextBind),
    OptionRow::needs_socket((no::RCVMORE, "RCVMORE", "0 or 1"), Access::ReadOnly),
    OptionRow::needs_socket((no::FD, "FD", "descriptor"), Access::ReadOnly),
    OptionRow::needs_socket((no::EVENTS, "EVENTS", "poll bits"), Access::ReadOnly),
    OptionRow::needs_socket((no::TYPE, "TYPE", "socket type number"), Access::ReadOnly),
    OptionRow::needs_socket((no::LAST_ENDPOINT, "LAST_ENDPOINT", "text"), Access::ReadOnly),
    OptionRow::needs_socket((no::THREAD_SAFE, "THREAD_SAFE", "0 or 1"), Access::ReadOnly),
];
