//! Walks every row of the option table, then checks the rules that no row can express.

use zeroring_zmtp::SocketType::{self, Dealer, Pair, Pub, Pull, Rep, Req, Router, Sub, XPub, XSub};

use super::table::{self, Access, Kind, OptionRow};
use super::{ContextOptions, OptionError, OptionValue, SocketOptions, WaitPolicy, number as no};

const ALL_TYPES: [SocketType; 12] = [
    Pair,
    Pub,
    Sub,
    Req,
    Rep,
    Dealer,
    Router,
    Pull,
    SocketType::Push,
    XPub,
    XSub,
    SocketType::Stream,
];

fn some_type(row: &OptionRow) -> SocketType {
    ALL_TYPES.into_iter().find(|t| row.applies_to.includes(*t)).expect("a row has a type")
}

fn set_int(options: &mut SocketOptions, row: &OptionRow, value: i32) -> Result<(), OptionError> {
    options.set(some_type(row), row.number, &value.to_ne_bytes())
}

fn get_int(options: &SocketOptions, row: &OptionRow) -> i32 {
    // Write-only rows are read through the row, as the socket would read its field.
    match row.kind {
        Kind::Int { read, .. } => read(options),
        Kind::Bool { read, .. } => i32::from(read(options)),
        _ => panic!("{} is not an int", row.name),
    }
}

#[test]
fn numbers_and_names_are_unique() {
    for row in table::rows() {
        let same = |other: &&OptionRow| other.number == row.number || other.name == row.name;
        assert_eq!(table::rows().filter(same).count(), 1, "{}", row.name);
    }
}

#[test]
fn defaults_in_the_table_are_the_defaults_of_the_struct() {
    let options = SocketOptions::default();
    for row in table::rows() {
        match row.kind {
            Kind::Int { default, read, .. } => assert_eq!(read(&options), default, "{}", row.name),
            Kind::Bool { default, read, .. } => assert_eq!(read(&options), default, "{}", row.name),
            Kind::Int64 { default, read, .. } => {
                assert_eq!(read(&options), default, "{}", row.name);
            }
            Kind::Uint64 { default, read, .. } => {
                assert_eq!(read(&options), default, "{}", row.name);
            }
            Kind::Bytes { read, .. } => assert!(read(&options).is_empty(), "{}", row.name),
            Kind::List { .. } | Kind::NeedsSocket => {}
        }
    }
}

#[test]
fn int_rows_accept_their_range_and_nothing_outside() {
    for row in table::rows().filter(|row| row.access != Access::ReadOnly) {
        let Kind::Int { min, max, .. } = row.kind else { continue };
        let mut options = SocketOptions::default();
        for value in [min, max] {
            set_int(&mut options, row, value).unwrap_or_else(|e| panic!("{e}"));
            let expected = if row.name == "HEARTBEAT_TTL" { value / 100 * 100 } else { value };
            assert_eq!(get_int(&options, row), expected, "{}", row.name);
        }
        let before = options.clone();
        for outside in [min.checked_sub(1), max.checked_add(1)].into_iter().flatten() {
            let error = set_int(&mut options, row, outside).expect_err(row.name);
            assert!(matches!(error, OptionError::OutOfRange { .. }), "{error}");
        }
        assert_eq!(options, before, "{} changed on error", row.name);
    }
}

#[test]
fn bool_rows_accept_their_range_and_nothing_outside() {
    for row in table::rows() {
        let Kind::Bool { rule, .. } = row.kind else { continue };
        let mut options = SocketOptions::default();
        let (min, max) = rule.range().into_inner();
        for value in [min, 0, 1, max] {
            set_int(&mut options, row, value).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(get_int(&options, row), i32::from(value != 0), "{}", row.name);
        }
        for outside in [min.checked_sub(1), max.checked_add(1)].into_iter().flatten() {
            assert!(set_int(&mut options, row, outside).is_err(), "{}", row.name);
        }
    }
}

#[test]
fn wrong_lengths_are_refused_both_ways() {
    for row in table::rows() {
        let width = match row.kind {
            Kind::Int { .. } | Kind::Bool { .. } => 4,
            Kind::Int64 { .. } | Kind::Uint64 { .. } => 8,
            _ => continue,
        };
        let mut options = SocketOptions::default();
        for len in [0, 1, width - 1, width + 1, 12] {
            if row.access != Access::ReadOnly {
                let error = options.set(some_type(row), row.number, &vec![0; len]);
                assert!(matches!(error, Err(OptionError::WrongLength { .. })), "{}", row.name);
            }
            assert!(options.get(some_type(row), row.number, len).is_err(), "{}", row.name);
        }
        if row.access != Access::WriteOnly {
            assert!(options.get(some_type(row), row.number, width).is_ok(), "{}", row.name);
        }
    }
}

#[test]
fn wide_rows_accept_everything() {
    for row in table::rows() {
        let mut options = SocketOptions::default();
        for value in [0, 1, i64::MAX, i64::MIN, -1] {
            let bytes = value.to_ne_bytes();
            let expected = match row.kind {
                Kind::Int64 { .. } => OptionValue::Int64(value.max(-1)),
                Kind::Uint64 { .. } => OptionValue::Uint64(u64::from_ne_bytes(bytes)),
                _ => continue,
            };
            options.set(some_type(row), row.number, &bytes).expect(row.name);
            assert_eq!(options.get(some_type(row), row.number, 8), Ok(expected), "{}", row.name);
        }
    }
}

#[test]
fn byte_rows_keep_their_length_rules() {
    for row in table::rows() {
        let Kind::Bytes { text, max_len, .. } = row.kind else { continue };
        let mut options = SocketOptions::default();
        let longest = vec![b'x'; max_len.min(1000)];
        options.set(some_type(row), row.number, &longest).expect(row.name);
        if max_len < 1000 {
            let too_long = vec![b'x'; max_len + 1];
            assert!(options.set(some_type(row), row.number, &too_long).is_err(), "{}", row.name);
        }
        if row.access == Access::WriteOnly {
            continue;
        }
        let needed = longest.len() + usize::from(text);
        assert!(options.get(some_type(row), row.number, needed - 1).is_err(), "{}", row.name);
        let value = options.get(some_type(row), row.number, needed + 3).expect(row.name);
        let mut buf = vec![0xff; needed + 3];
        assert_eq!(value.write_to(&mut buf), Some(needed));
        assert_eq!(&buf[..longest.len()], &longest[..]);
        assert!(buf[longest.len()..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn direction_type_and_socket_are_checked_before_the_value() {
    for row in table::rows() {
        for socket_type in ALL_TYPES {
            let mut options = SocketOptions::default();
            let set = options.set(socket_type, row.number, &[0; 99_999]);
            let get = options.get(socket_type, row.number, 99_999);
            if !row.applies_to.includes(socket_type) {
                let error = OptionError::WrongSocketType { name: row.name, socket_type };
                assert_eq!((set, get), (Err(error.clone()), Err(error)));
                continue;
            }
            if row.access == Access::ReadOnly {
                assert_eq!(set, Err(OptionError::ReadOnly { name: row.name }));
            }
            if row.access == Access::WriteOnly {
                assert_eq!(get, Err(OptionError::WriteOnly { name: row.name }));
            }
            if matches!(row.kind, Kind::NeedsSocket) {
                let error = if row.access == Access::ReadOnly { get.err() } else { set.err() };
                let error = error.expect("refused");
                assert!(matches!(error, OptionError::NeedsSocket { .. }), "{error}");
                assert_eq!(error.errno(), 22);
            }
        }
    }
}

#[test]
fn unknown_numbers_and_unbuilt_features_are_refused() {
    let mut options = SocketOptions::default();
    let never_used = [1, 2, 3, 10, 20, 26, 29, 30, 67, 82, 83, -1, 0, i32::MAX, i32::MIN];
    let not_built = [8, 9, 25, 44, 45, 46, 47, 48, 62, 84, 85, 96, 103, 110, 117];
    for number in never_used.into_iter().chain(not_built) {
        let error = Err(OptionError::UnknownOption { number });
        assert_eq!(options.set(Dealer, number, &[0; 4]), error);
        assert_eq!(options.get(Dealer, number, 4).map(|_| ()), error);
    }
}

#[test]
fn pub_inherits_from_xpub_and_rep_from_router_but_sub_not_from_xsub() {
    let mut options = SocketOptions::default();
    let one = 1_i32.to_ne_bytes();
    options.set(Pub, no::XPUB_NODROP, &one).expect("PUB is an XPUB");
    options.set(Rep, no::ROUTER_HANDOVER, &one).expect("REP is a ROUTER");
    options.set(Pub, no::ONLY_FIRST_SUBSCRIBE, &one).expect("PUB is an XPUB");
    assert!(options.set(Sub, no::ONLY_FIRST_SUBSCRIBE, &one).is_err());
    assert!(options.set(Sub, no::XSUB_VERBOSE_UNSUBSCRIBE, &one).is_err());
    assert!(options.set(Dealer, no::ROUTER_MANDATORY, &one).is_err());
}

#[test]
fn verbose_and_verboser_share_their_state() {
    let mut options = SocketOptions::default();
    let one = 1_i32.to_ne_bytes();
    options.set(XPub, no::XPUB_VERBOSER, &one).expect("valid");
    assert!(options.xpub_verbose_subscribe && options.xpub_verbose_unsubscribe);
    options.set(XPub, no::XPUB_VERBOSE, &one).expect("valid");
    assert!(options.xpub_verbose_subscribe && !options.xpub_verbose_unsubscribe);
}

#[test]
fn ipv6_and_ipv4only_are_one_setting() {
    let mut options = SocketOptions::default();
    options.set(Pair, no::IPV4ONLY, &0_i32.to_ne_bytes()).expect("valid");
    assert_eq!(options.get(Pair, no::IPV6, 4), Ok(OptionValue::Int(1)));
}

#[test]
fn empty_values_clear_as_libzmq_does() {
    let mut options = SocketOptions::default();
    options.set(Pair, no::BINDTODEVICE, b"eth0").expect("valid");
    assert!(options.set_nullable(Pair, no::BINDTODEVICE, Some(b"")).is_err());
    assert_eq!(options.bind_to_device, b"eth0");
    options.set_nullable(Pair, no::BINDTODEVICE, None).expect("clears");
    assert!(options.bind_to_device.is_empty());

    options.set(Pair, no::IPC_FILTER_UID, &7_u32.to_ne_bytes()).expect("valid");
    assert!(options.set_nullable(Pair, no::IPC_FILTER_UID, Some(b"")).is_err());
    options.set(Pair, no::IPC_FILTER_UID, b"").expect("clears");
    assert!(options.ipc_filter_uids.is_empty());

    options.set(Pub, no::XPUB_WELCOME_MSG, b"hi").expect("valid");
    options.set_nullable(Pub, no::XPUB_WELCOME_MSG, Some(b"")).expect("clears");
    assert!(options.xpub_welcome_message.is_empty());

    assert!(options.set(Pair, no::ZAP_DOMAIN, b"").is_err());
    assert!(options.set(Pair, no::ROUTING_ID, b"").is_err());
    options.set(Pair, no::ROUTING_ID, b"\0reserved").expect("a leading zero is not refused");
}

#[test]
fn lists_grow_and_keep_the_first_property_of_a_name() {
    let mut options = SocketOptions::default();
    options.set(Pair, no::METADATA, b"X-a:one").expect("valid");
    options.set(Pair, no::METADATA, b"X-a:two").expect("valid");
    options.set(Pair, no::METADATA, b"X-b:").expect_err("no value");
    assert_eq!(options.metadata.len(), 1);
    assert_eq!(options.metadata[0].value, b"one");
    options.set(Pair, no::TCP_ACCEPT_FILTER, b"10.0.0.0/8").expect("valid");
    options.set(Pair, no::TCP_ACCEPT_FILTER, b"127.0.0.1").expect("valid");
    assert_eq!(options.tcp_accept_filters.len(), 2);
    options.set(Pair, no::TCP_ACCEPT_FILTER, b"").expect("clears");
    assert!(options.tcp_accept_filters.is_empty());
}

#[test]
fn heartbeat_ttl_is_kept_in_tenths_of_a_second() {
    let mut options = SocketOptions::default();
    for (written, read) in [(150, 100), (-99, 0), (99, 0), (6_553_599, 6_553_500)] {
        options.set(Pair, no::HEARTBEAT_TTL, &i32::to_ne_bytes(written)).expect("valid");
        assert_eq!(options.get(Pair, no::HEARTBEAT_TTL, 4), Ok(OptionValue::Int(read)));
    }
}

#[test]
fn new_sockets_take_over_from_type_and_context() {
    let mut context = ContextOptions::default();
    for socket_type in ALL_TYPES {
        let linger_ms = if matches!(socket_type, Sub | XSub) { 0 } else { -1 };
        assert_eq!(SocketOptions::new(socket_type, &context).linger_ms, linger_ms);
    }
    context.set(no::context::BLOCKY, 0).expect("valid");
    context.set(no::context::IPV6, 7).expect("valid");
    context.set(no::context::WAIT_POLICY, 2).expect("valid");
    context.set(no::context::ZERO_COPY_RECV, 0).expect("valid");
    let options = SocketOptions::new(Pull, &context);
    assert_eq!(options.linger_ms, 0);
    assert!(options.ipv6 && !options.zero_copy_recv);
    assert_eq!(options.wait_policy, WaitPolicy::Spin);
}

#[test]
fn context_options_follow_their_rules() {
    use no::context as ctx;
    let mut context = ContextOptions::default();
    let defaults = [(1, 1), (2, 1023), (3, 65_535), (4, -1), (5, i32::MAX), (6, 64), (9, 0)];
    for (option, value) in defaults.into_iter().chain([(10, 1), (42, 0), (70, 1)]) {
        assert_eq!(context.get(option), Ok(value), "{option}");
    }
    for option in [1, 2, 3, 4, 5, 7, 10, 42, 70, ctx::DRIVER, ctx::WAIT_POLICY] {
        assert!(context.set(option, -1).is_err(), "{option}");
        assert!(context.set(option, 1).is_ok(), "{option}");
    }
    assert!(context.set(ctx::MAX_SOCKETS, 0).is_err());
    assert!(context.set(ctx::MAX_SOCKETS, 70_000).is_ok());
    assert!(context.set(ctx::MSG_T_SIZE, 64).is_err());
    assert!(context.set(ctx::DRIVER, 3).is_err());
    assert!(context.get(ctx::THREAD_AFFINITY_CPU_ADD).is_err());
    assert!(context.set(ctx::THREAD_AFFINITY_CPU_REMOVE, 5).is_err());
    assert!(context.set(ctx::THREAD_AFFINITY_CPU_REMOVE, 1).is_ok());
    assert_eq!(context.get(ctx::SOCKET_LIMIT), Ok(65_535), "writing 3 sets the priority");
    assert_eq!(context.thread_priority, Some(1));
    assert!(context.set(11, 1).is_err() && context.get(11).is_err());
}

#[test]
fn the_thread_name_prefix_is_an_int_or_a_text() {
    let name = no::context::THREAD_NAME_PREFIX;
    let mut context = ContextOptions::default();
    context.set(name, -42).expect("valid");
    assert_eq!((&context.thread_name_prefix[..], context.get(name)), (&b"-42"[..], Ok(-42)));
    context.set_bytes(name, b"worker").expect("valid");
    assert_eq!(context.get(name), Ok(0));
    assert_eq!(context.get_bytes(name, 16), Ok(OptionValue::Bytes(b"worker".to_vec())));
    assert!(context.get_bytes(name, 5).is_err());
    assert!(context.set_bytes(name, b"").is_err());
    assert!(context.set_bytes(name, &[b'x'; 17]).is_err());
    assert!(context.set_bytes(name, &7_i32.to_ne_bytes()).is_ok());
    assert_eq!(context.get_bytes(name, 4), Ok(OptionValue::Int(7)));
    assert!(context.set_bytes(no::context::IPV6, &[1]).is_err());
    context.set_bytes(name, b"99999999999").expect("valid");
    assert_eq!(context.get(name), Ok(i32::MAX));
}
