//! Settings handed to the kernel for tcp, and who may connect.

use super::row::{BoolRule, Effect, EmptyRule, Kind, OptionRow};
use super::{MAX, SocketOptions, UNSET, from_optional, from_u32, to_optional, to_u32};
use crate::options::error::{ExpectedLength, OptionError};
use crate::options::filter::AddressFilter;
use crate::options::number as no;

pub(super) const ROWS: &[OptionRow] = &[
    // The default is the context's.
    OptionRow::bool((no::IPV6, "IPV6"), BoolRule::Strict, false, |o| o.ipv6, |o, v| o.ipv6 = v),
    OptionRow::bool(
        (no::IPV4ONLY, "IPV4ONLY"),
        BoolRule::Strict,
        true,
        |o| !o.ipv6,
        |o, v| o.ipv6 = !v,
    ),
    OptionRow::int(
        (no::SNDBUF, "SNDBUF", "bytes, -1 = the system's"),
        (UNSET, MAX),
        UNSET,
        |o| from_optional(o.send_buffer_bytes),
        |o, v| o.send_buffer_bytes = to_optional(v),
    ),
    OptionRow::int(
        (no::RCVBUF, "RCVBUF", "bytes, -1 = the system's"),
        (UNSET, MAX),
        UNSET,
        |o| from_optional(o.recv_buffer_bytes),
        |o, v| o.recv_buffer_bytes = to_optional(v),
    ),
    OptionRow::int(
        (no::TOS, "TOS", "type-of-service byte, 0 = leave"),
        (0, MAX),
        0,
        |o| from_u32(o.type_of_service),
        |o, v| o.type_of_service = to_u32(v),
    ),
    OptionRow::int(
        (no::PRIORITY, "PRIORITY", "SO_PRIORITY, 0 = leave"),
        (0, MAX),
        0,
        |o| from_u32(o.packet_priority),
        |o, v| o.packet_priority = to_u32(v),
    ),
    // libzmq forgot the getter; answering is harmless.
    OptionRow::int(
        (no::BUSY_POLL, "BUSY_POLL", "us, applied above 0"),
        (i32::MIN, MAX),
        0,
        |o| o.busy_poll_us,
        |o, v| o.busy_poll_us = v,
    ),
    OptionRow::of(
        (no::BINDTODEVICE, "BINDTODEVICE", "device name"),
        Kind::Bytes {
            text: true,
            max_len: 16,
            empty: EmptyRule::NullClears,
            read: |o| &o.bind_to_device,
            write: |o, v| o.bind_to_device = v.to_vec(),
        },
    ),
    OptionRow::of(
        (no::SOCKS_PROXY, "SOCKS_PROXY", "host:port"),
        Kind::Bytes {
            text: true,
            max_len: usize::MAX,
            empty: EmptyRule::NullClears,
            read: |o| &o.socks_proxy,
            write: |o, v| o.socks_proxy = v.to_vec(),
        },
    )
    .at(Effect::NextConnect),
    OptionRow::of(
        (no::SOCKS_USERNAME, "SOCKS_USERNAME", "text"),
        Kind::Bytes {
            text: true,
            max_len: 255,
            empty: EmptyRule::Clears,
            read: |o| &o.socks_username,
            write: |o, v| o.socks_username = v.to_vec(),
        },
    )
    .at(Effect::NextConnect),
    OptionRow::of(
        (no::SOCKS_PASSWORD, "SOCKS_PASSWORD", "text"),
        Kind::Bytes {
            text: true,
            max_len: 255,
            empty: EmptyRule::Clears,
            read: |o| &o.socks_password.0,
            write: |o, v| o.socks_password.0 = v.to_vec(),
        },
    )
    .at(Effect::NextConnect),
    // A matter of Windows; accepted and ignored elsewhere, as in libzmq.
    OptionRow::bool(
        (no::LOOPBACK_FASTPATH, "LOOPBACK_FASTPATH"),
        BoolRule::Relaxed,
        false,
        |o| o.loopback_fastpath,
        |o, v| o.loopback_fastpath = v,
    ),
    OptionRow::int(
        (no::TCP_KEEPALIVE, "TCP_KEEPALIVE", "0 or 1, -1 = the system's"),
        (UNSET, 1),
        UNSET,
        |o| o.tcp_keepalive.map_or(UNSET, i32::from),
        |o, v| o.tcp_keepalive = (v >= 0).then_some(v == 1),
    ),
    OptionRow::int(
        (no::TCP_KEEPALIVE_CNT, "TCP_KEEPALIVE_CNT", "probes, -1 = the system's"),
        (UNSET, MAX),
        UNSET,
        |o| from_optional(o.tcp_keepalive_probes),
        |o, v| o.tcp_keepalive_probes = to_optional(v),
    ),
    OptionRow::int(
        (no::TCP_KEEPALIVE_IDLE, "TCP_KEEPALIVE_IDLE", "s, -1 = the system's"),
        (UNSET, MAX),
        UNSET,
        |o| from_optional(o.tcp_keepalive_idle_s),
        |o, v| o.tcp_keepalive_idle_s = to_optional(v),
    ),
    OptionRow::int(
        (no::TCP_KEEPALIVE_INTVL, "TCP_KEEPALIVE_INTVL", "s, -1 = the system's"),
        (UNSET, MAX),
        UNSET,
        |o| from_optional(o.tcp_keepalive_interval_s),
        |o, v| o.tcp_keepalive_interval_s = to_optional(v),
    ),
    OptionRow::int(
        (no::TCP_MAXRT, "TCP_MAXRT", "ms, 0 = the system's"),
        (0, MAX),
        0,
        |o| from_u32(o.tcp_max_retransmit_ms),
        |o, v| o.tcp_max_retransmit_ms = to_u32(v),
    ),
    OptionRow::of(
        (no::TCP_ACCEPT_FILTER, "TCP_ACCEPT_FILTER", "address or address/bits"),
        Kind::List {
            empty: EmptyRule::NullClears,
            clear: |o| o.tcp_accept_filters.clear(),
            add: add_accept_filter,
        },
    )
    .at(Effect::NextBind)
    .write_only(),
    OptionRow::of(
        (no::IPC_FILTER_PID, "IPC_FILTER_PID", "process id, four bytes"),
        Kind::List {
            empty: EmptyRule::NullClears,
            clear: |o| o.ipc_filter_pids.clear(),
            add: |o, v| {
                o.ipc_filter_pids.insert(i32::from_ne_bytes(four_bytes("IPC_FILTER_PID", v)?));
                Ok(())
            },
        },
    )
    .at(Effect::NextBind)
    .write_only(),
    OptionRow::of(
        (no::IPC_FILTER_UID, "IPC_FILTER_UID", "user id, four bytes"),
        Kind::List {
            empty: EmptyRule::NullClears,
            clear: |o| o.ipc_filter_uids.clear(),
            add: |o, v| {
                o.ipc_filter_uids.insert(u32::from_ne_bytes(four_bytes("IPC_FILTER_UID", v)?));
                Ok(())
            },
        },
    )
    .at(Effect::NextBind)
    .write_only(),
    OptionRow::of(
        (no::IPC_FILTER_GID, "IPC_FILTER_GID", "group id, four bytes"),
        Kind::List {
            empty: EmptyRule::NullClears,
            clear: |o| o.ipc_filter_gids.clear(),
            add: |o, v| {
                o.ipc_filter_gids.insert(u32::from_ne_bytes(four_bytes("IPC_FILTER_GID", v)?));
                Ok(())
            },
        },
    )
    .at(Effect::NextBind)
    .write_only(),
];

/// Reads the literal in the family that `IPV6` selects now; a later change of `IPV6` keeps it.
fn add_accept_filter(options: &mut SocketOptions, value: &[u8]) -> Result<(), OptionError> {
    let filter = AddressFilter::parse(value, options.ipv6)?;
    options.tcp_accept_filters.push(filter);
    Ok(())
}

fn four_bytes(name: &'static str, value: &[u8]) -> Result<[u8; 4], OptionError> {
    let expected = ExpectedLength::Exactly(4);
    value.try_into().map_err(|_| OptionError::WrongLength { name, seen: value.len(), expected })
}
