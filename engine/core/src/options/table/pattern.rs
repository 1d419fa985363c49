//! Options of the messaging patterns, each for some socket types only.
//!
//! PUB knows every XPUB option and REP every ROUTER option, since libzmq builds one from the other.

use zeroring_zmtp::SocketType::{self, Dealer, Pub, Rep, Req, Router, Stream, Sub, XPub, XSub};

use super::row::{Access, BoolRule, Effect, EmptyRule, Kind, OptionRow};
use crate::options::number as no;

const ROUTERS: &[SocketType] = &[Router, Rep];
const PROBERS: &[SocketType] = &[Dealer, Req, Router, Rep];
const NAMERS: &[SocketType] = &[Router, Rep, Stream];
const PUBLISHERS: &[SocketType] = &[XPub, Pub];

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow::of(
        (no::ROUTING_ID, "ROUTING_ID", "1 to 255 bytes"),
        Kind::Bytes {
            text: false,
            max_len: 255,
            empty: EmptyRule::Refused,
            read: |o| &o.routing_id,
            write: |o, v| o.routing_id = v.to_vec(),
        },
    ),
    OptionRow::needs_socket(
        (no::CONNECT_ROUTING_ID, "CONNECT_ROUTING_ID", "1 to 255 bytes, for the next connect"),
        Access::WriteOnly,
    )
    .at(Effect::NextConnect)
    .only(NAMERS),
    OptionRow::bool(
        (no::ROUTER_MANDATORY, "ROUTER_MANDATORY"),
        BoolRule::NonNegative,
        false,
        |o| o.router_mandatory,
        |o, v| o.router_mandatory = v,
    )
    .at(Effect::Immediate)
    .only(ROUTERS)
    .write_only(),
    OptionRow::bool(
        (no::ROUTER_RAW, "ROUTER_RAW"),
        BoolRule::NonNegative,
        false,
        |o| o.router_raw,
        |o, v| o.router_raw = v,
    )
    .only(ROUTERS)
    .write_only(),
    OptionRow::bool(
        (no::ROUTER_HANDOVER, "ROUTER_HANDOVER"),
        BoolRule::NonNegative,
        false,
        |o| o.router_handover,
        |o, v| o.router_handover = v,
    )
    .at(Effect::Immediate)
    .only(ROUTERS)
    .write_only(),
    OptionRow::bool(
        (no::PROBE_ROUTER, "PROBE_ROUTER"),
        BoolRule::NonNegative,
        false,
        |o| o.probe_router,
        |o, v| o.probe_router = v,
    )
    .at(Effect::LaterPipes)
    .only(PROBERS)
    .write_only(),
    OptionRow::bool(
        (no::REQ_CORRELATE, "REQ_CORRELATE"),
        BoolRule::NonNegative,
        false,
        |o| o.req_correlate,
        |o, v| o.req_correlate = v,
    )
    .at(Effect::Immediate)
    .only(&[Req])
    .write_only(),
    OptionRow::bool(
        (no::REQ_RELAXED, "REQ_RELAXED"),
        BoolRule::NonNegative,
        false,
        |o| o.req_relaxed,
        |o, v| o.req_relaxed = v,
    )
    .at(Effect::Immediate)
    .only(&[Req])
    .write_only(),
    // On XPUB and PUB these two need manual mode, which the socket checks.
    OptionRow::needs_socket((no::SUBSCRIBE, "SUBSCRIBE", "prefix"), Access::WriteOnly)
        .only(&[Sub, XPub, Pub]),
    OptionRow::needs_socket((no::UNSUBSCRIBE, "UNSUBSCRIBE", "prefix"), Access::WriteOnly)
        .only(&[Sub, XPub, Pub]),
    OptionRow::bool(
        (no::XPUB_VERBOSE, "XPUB_VERBOSE"),
        BoolRule::NonNegative,
        false,
        |o| o.xpub_verbose_subscribe,
        |o, v| {
            o.xpub_verbose_subscribe = v;
            o.xpub_verbose_unsubscribe = false;
        },
    )
    .at(Effect::Immediate)
    .only(PUBLISHERS)
    .write_only(),
    OptionRow::bool(
        (no::XPUB_VERBOSER, "XPUB_VERBOSER"),
        BoolRule::NonNegative,
        false,
        |o| o.xpub_verbose_unsubscribe,
        |o, v| {
            o.xpub_verbose_subscribe = v;
            o.xpub_verbose_unsubscribe = v;
        },
    )
    .at(Effect::Immediate)
    .only(PUBLISHERS)
    .write_only(),
    OptionRow::bool(
        (no::XPUB_NODROP, "XPUB_NODROP"),
        BoolRule::NonNegative,
        false,
        |o| o.xpub_nodrop,
        |o, v| o.xpub_nodrop = v,
    )
    .at(Effect::Immediate)
    .only(PUBLISHERS)
    .write_only(),
    OptionRow::bool(
        (no::XPUB_MANUAL, "XPUB_MANUAL"),
        BoolRule::NonNegative,
        false,
        |o| o.xpub_manual,
        |o, v| o.xpub_manual = v,
    )
    .at(Effect::Immediate)
    .only(PUBLISHERS)
    .write_only(),
    OptionRow::bool(
        (no::XPUB_MANUAL_LAST_VALUE, "XPUB_MANUAL_LAST_VALUE"),
        BoolRule::NonNegative,
        false,
        |o| o.xpub_manual_last_value,
        |o, v| {
            o.xpub_manual = v;
            o.xpub_manual_last_value = v;
        },
    )
    .at(Effect::Immediate)
    .only(PUBLISHERS)
    .write_only(),
    OptionRow::of(
        (no::XPUB_WELCOME_MSG, "XPUB_WELCOME_MSG", "message body, empty = none"),
        Kind::Bytes {
            text: false,
            max_len: usize::MAX,
            empty: EmptyRule::Clears,
            read: |o| &o.xpub_welcome_message,
            write: |o, v| o.xpub_welcome_message = v.to_vec(),
        },
    )
    .at(Effect::LaterPipes)
    .only(PUBLISHERS)
    .write_only(),
    // SUB is built from XSUB in libzmq but hides its options.
    OptionRow::bool(
        (no::ONLY_FIRST_SUBSCRIBE, "ONLY_FIRST_SUBSCRIBE"),
        BoolRule::NonNegative,
        false,
        |o| o.only_first_subscribe,
        |o, v| o.only_first_subscribe = v,
    )
    .at(Effect::Immediate)
    .only(&[XPub, Pub, XSub])
    .write_only(),
    OptionRow::bool(
        (no::XSUB_VERBOSE_UNSUBSCRIBE, "XSUB_VERBOSE_UNSUBSCRIBE"),
        BoolRule::Relaxed,
        false,
        |o| o.xsub_verbose_unsubscribe,
        |o, v| o.xsub_verbose_unsubscribe = v,
    )
    .at(Effect::Immediate)
    .only(&[XSub])
    .write_only(),
    OptionRow::needs_socket(
        (no::TOPICS_COUNT, "TOPICS_COUNT", "distinct prefixes"),
        Access::ReadOnly,
    )
    .only(&[Pub, XPub, Sub, XSub]),
    OptionRow::bool(
        (no::INVERT_MATCHING, "INVERT_MATCHING"),
        BoolRule::Relaxed,
        false,
        |o| o.invert_matching,
        |o, v| o.invert_matching = v,
    )
    .at(Effect::Immediate),
    OptionRow::bool(
        (no::STREAM_NOTIFY, "STREAM_NOTIFY"),
        BoolRule::Strict,
        true,
        |o| o.stream_notify,
        |o, v| o.stream_notify = v,
    )
    .only(&[Stream])
    .write_only(),
];
