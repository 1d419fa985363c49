//! Connecting, keeping alive, and what is said in the handshake.

use super::row::{BoolRule, Effect, EmptyRule, Kind, OptionRow};
use super::{MAX, SocketOptions, UNSET, from_optional, from_u32, to_optional, to_u32};
use crate::options::error::OptionError;
use crate::options::filter::MetadataProperty;
use crate::options::number as no;

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow::int(
        (no::RECONNECT_IVL, "RECONNECT_IVL", "ms, 0 and -1 = never"),
        (-1, MAX),
        100,
        |o| o.reconnect_interval_ms,
        |o, v| o.reconnect_interval_ms = v,
    )
    .at(Effect::NextConnect),
    OptionRow::int(
        (no::RECONNECT_IVL_MAX, "RECONNECT_IVL_MAX", "ms, 0 = no growth"),
        (0, MAX),
        0,
        |o| from_u32(o.reconnect_interval_max_ms),
        |o, v| o.reconnect_interval_max_ms = to_u32(v),
    )
    .at(Effect::NextConnect),
    OptionRow::int(
        (no::RECONNECT_STOP, "RECONNECT_STOP", "bits: 1 refused, 2 handshake, 4 disconnect"),
        (i32::MIN, MAX),
        0,
        |o| o.reconnect_stop_bits,
        |o, v| o.reconnect_stop_bits = v,
    )
    .at(Effect::NextConnect),
    OptionRow::int(
        (no::CONNECT_TIMEOUT, "CONNECT_TIMEOUT", "ms, 0 = the system's"),
        (0, MAX),
        0,
        |o| from_u32(o.connect_timeout_ms),
        |o, v| o.connect_timeout_ms = to_u32(v),
    )
    .at(Effect::NextConnect),
    OptionRow::int(
        (no::HANDSHAKE_IVL, "HANDSHAKE_IVL", "ms, 0 = no limit"),
        (0, MAX),
        30_000,
        |o| from_u32(o.handshake_interval_ms),
        |o, v| o.handshake_interval_ms = to_u32(v),
    ),
    OptionRow::int(
        (no::HEARTBEAT_IVL, "HEARTBEAT_IVL", "ms, 0 = off"),
        (0, MAX),
        0,
        |o| from_u32(o.heartbeat_interval_ms),
        |o, v| o.heartbeat_interval_ms = to_u32(v),
    ),
    // The default of -1, "as the interval", cannot be set back.
    OptionRow::int(
        (no::HEARTBEAT_TIMEOUT, "HEARTBEAT_TIMEOUT", "ms, 0 = none, -1 = as HEARTBEAT_IVL"),
        (0, MAX),
        UNSET,
        |o| from_optional(o.heartbeat_timeout_ms),
        |o, v| o.heartbeat_timeout_ms = to_optional(v),
    ),
    // Whole tenths of a second: libzmq divides before it compares, so that -99 counts as 0.
    OptionRow::int(
        (no::HEARTBEAT_TTL, "HEARTBEAT_TTL", "ms, rounded down to tenths of a second"),
        (-99, 6_553_599),
        0,
        |o| i32::from(o.heartbeat_ttl_deciseconds) * 100,
        |o, v| o.heartbeat_ttl_deciseconds = u16::try_from(v / 100).unwrap_or(0),
    ),
    OptionRow::of(
        (no::METADATA, "METADATA", "X-name:value; the first value of a name stays"),
        Kind::List { empty: EmptyRule::Refused, clear: |o| o.metadata.clear(), add: add_metadata },
    )
    .write_only(),
    // Only the NULL mechanism is built; its number is 0.
    OptionRow::int((no::MECHANISM, "MECHANISM", "number"), (0, 0), 0, |_| 0, |_, _| ()).read_only(),
    OptionRow::of(
        (no::ZAP_DOMAIN, "ZAP_DOMAIN", "text; cannot be cleared"),
        Kind::Bytes {
            text: true,
            max_len: 255,
            empty: EmptyRule::Refused,
            read: |o| &o.zap_domain,
            write: |o, v| o.zap_domain = v.to_vec(),
        },
    ),
    OptionRow::bool(
        (no::ZAP_ENFORCE_DOMAIN, "ZAP_ENFORCE_DOMAIN"),
        BoolRule::Relaxed,
        false,
        |o| o.zap_enforce_domain,
        |o, v| o.zap_enforce_domain = v,
    ),
];

fn add_metadata(options: &mut SocketOptions, value: &[u8]) -> Result<(), OptionError> {
    let property = MetadataProperty::parse(value)?;
    if !options.metadata.iter().any(|known| known.name == property.name) {
        options.metadata.push(property);
    }
    Ok(())
}
