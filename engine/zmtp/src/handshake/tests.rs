use proptest::prelude::*;

use super::*;
use crate::mechanism::ZapDenial;

mod faults;
mod golden;

const SIG: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f";

fn handshake(socket_type: SocketType, routing_id: &[u8]) -> Handshake {
    let mut config = HandshakeConfig::new(socket_type);
    config.routing_id = routing_id.to_vec();
    Handshake::new(config).unwrap()
}

/// Bytes 11 to 63 of a greeting.
fn rest(minor: u8, mechanism: &[u8]) -> Vec<u8> {
    let mut out = vec![0; REST_BYTES];
    out[0] = minor;
    out[1..=mechanism.len()].copy_from_slice(mechanism);
    out
}

/// A READY frame with only a socket type.
fn ready(socket_type: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    crate::metadata::append_property(b"Socket-Type", socket_type, &mut list);
    let mut out = Vec::new();
    crate::command::encode_ready(&list, &mut out);
    out
}

/// All a NULL peer of the given version sends.
fn modern_peer(major: u8, minor: u8, socket_type: &[u8]) -> Vec<u8> {
    [SIG, &[major], &rest(minor, b"NULL"), &ready(socket_type)].concat()
}

/// What came out of a conversation with a peer that sends `stream` come what may.
#[derive(Debug, PartialEq, Eq)]
struct Transcript {
    output: Vec<u8>,
    /// Bytes the handshake took, when it did not fail.
    consumed: Option<usize>,
    error: Option<HandshakeError>,
    version: Option<Version>,
    routing_id: Vec<u8>,
    peer_socket_type: Option<SocketType>,
    implicit_subscribe_all: bool,
}

/// Feeds `stream` in pieces of the given sizes, repeated.
fn converse(mut handshake: Handshake, stream: &[u8], sizes: &[usize]) -> Transcript {
    handshake.start();
    let mut output = handshake.take_output();
    let (mut at, mut arrived) = (0, 0);
    let mut sizes = sizes.iter().cycle();
    let mut error = None;
    while arrived < stream.len() {
        arrived = (arrived + sizes.next().copied().unwrap_or(1).max(1)).min(stream.len());
        let result = handshake.handle_input(&stream[at..arrived]);
        output.extend(handshake.take_output());
        match result {
            Ok(consumed) => at += consumed,
            Err(fault) => {
                assert_eq!(handshake.handle_input(b""), Err(fault.clone()), "errors stick");
                error = Some(fault);
                break;
            }
        }
        let is_done = at < arrived;
        assert!(!is_done || handshake.established.is_some());
    }
    let established = handshake.outcome();
    assert!(handshake.outcome().is_none(), "the outcome is told once");
    Transcript {
        output,
        consumed: error.is_none().then_some(at),
        error,
        version: established.as_ref().map(|it| it.version),
        peer_socket_type: established.as_ref().and_then(|it| it.peer_socket_type),
        implicit_subscribe_all: established.as_ref().is_some_and(|it| it.implicit_subscribe_all),
        routing_id: established.map(|it| it.peer_routing_id).unwrap_or_default(),
    }
}

/// Two of our machines, their bytes cut by `sizes`; returns what each found out.
fn pair(mut a: Handshake, mut b: Handshake, sizes: &[usize]) -> (Established, Established) {
    a.start();
    b.start();
    let (mut to_a, mut to_b) = (Vec::new(), Vec::new());
    let mut sizes = sizes.iter().cycle();
    let mut idle = 0;
    while idle < 4 {
        to_b.extend(a.take_output());
        to_a.extend(b.take_output());
        let mut moved = 0;
        for (machine, inbox) in [(&mut a, &mut to_a), (&mut b, &mut to_b)] {
            let size = sizes.next().copied().unwrap_or(1).clamp(1, inbox.len().max(1));
            let piece: Vec<u8> = inbox.drain(..size.min(inbox.len())).collect();
            assert_eq!(machine.handle_input(&piece), Ok(piece.len()));
            moved += piece.len();
        }
        idle = if moved == 0 { idle + 1 } else { 0 };
    }
    (a.outcome().unwrap(), b.outcome().unwrap())
}

#[test]
fn every_legal_pair_of_types_meets() {
    let types: Vec<_> = (0..11).filter_map(SocketType::from_number).collect();
    for &ours in &types {
        for &theirs in types.iter().filter(|&&theirs| ours.accepts(theirs)) {
            let (a, b) = pair(handshake(ours, b"a"), handshake(theirs, b"b"), &[1]);
            assert_eq!((a.version, b.version), (Version::V3_1, Version::V3_1));
            assert_eq!(a.peer_socket_type, Some(theirs));
            assert_eq!(b.peer_socket_type, Some(ours));
            let announced: &[u8] = if theirs.sends_identity() { b"b" } else { b"" };
            assert_eq!(a.peer_routing_id, announced);
        }
    }
}

#[test]
fn the_timer_runs_until_traffic_begins() {
    let mut old = handshake(SocketType::Router, b"");
    assert!(old.is_timed());
    old.handle_input(b"\x03\x00i").unwrap();
    assert!(old.is_timed(), "1.0: within the identity frame");
    old.handle_input(b"d").unwrap();
    assert!(!old.is_timed(), "1.0: after the identity frame");
    let mut old = handshake(SocketType::Router, b"");
    old.handle_input(b"\xff\0\0\0\0\0\0\0\0\x7f\x01").unwrap();
    assert!(old.is_timed());
    old.handle_input(b"\x05\x00").unwrap();
    assert!(old.is_timed(), "2.0: within the identity frame");
    old.handle_input(b"\x00").unwrap();
    assert!(!old.is_timed(), "2.0: after the identity frame");
    let mut modern = handshake(SocketType::Pull, b"");
    let stream = modern_peer(3, 1, b"PUSH");
    modern.handle_input(&stream[..stream.len() - 1]).unwrap();
    assert!(modern.is_timed());
    modern.handle_input(&stream[stream.len() - 1..]).unwrap();
    assert!(!modern.is_timed());
}

#[test]
fn properties_are_handed_over() {
    let mut config = HandshakeConfig::new(SocketType::Dealer);
    config.metadata = vec![("X-app".to_owned(), b"val".to_vec())];
    let (_, b) = pair(Handshake::new(config).unwrap(), handshake(SocketType::Router, b""), &[7, 3]);
    let expected = [("Socket-Type", &b"DEALER"[..]), ("Identity", b""), ("X-app", b"val")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_vec()));
    assert_eq!(b.properties, expected);
    assert!(b.session.is_none());
}

fn with_zap(socket_type: SocketType) -> Handshake {
    let mut config = HandshakeConfig::new(socket_type);
    config.zap_domain_set = true;
    Handshake::new(config).unwrap()
}

#[test]
fn a_verdict_is_awaited_before_our_ready() {
    for peer_is_early in [true, false] {
        let mut ours = with_zap(SocketType::Pull);
        let stream = modern_peer(3, 1, b"PUSH");
        let (greeting, ready_frame) = stream.split_at(64);
        ours.handle_input(&greeting[..63]).unwrap();
        assert_eq!(ours.zap_request(), None);
        ours.handle_input(&greeting[63..]).unwrap();
        let request = ZapRequest { mechanism: "NULL", credentials: Vec::new() };
        assert_eq!(ours.zap_request(), Some(request));
        assert_eq!(ours.take_output().len(), 64, "no READY yet");
        if peer_is_early {
            ours.handle_input(ready_frame).unwrap();
            assert!(ours.outcome().is_none());
        }
        let metadata = vec![("User-Id".to_owned(), b"other".to_vec())];
        ours.zap_reply(ZapVerdict::Allow { user_id: "joe".to_owned(), metadata }).unwrap();
        assert_eq!(ours.take_output(), ready(b"PULL"));
        assert_eq!(ours.zap_request(), None);
        if !peer_is_early {
            ours.handle_input(ready_frame).unwrap();
        }
        let established = ours.outcome().unwrap();
        assert_eq!(established.properties[0], ("User-Id".to_owned(), b"joe".to_vec()));
        assert_eq!(established.properties.len(), 2);
        assert_eq!(ours.handle_input(b"\0\0"), Ok(0), "traffic is not ours");
    }
}

#[test]
fn denials_are_told_to_the_peer_except_temporary_ones() {
    let cases: [(_, u16, &[u8]); 3] = [
        (ZapDenial::Temporary, 300, b""),
        (ZapDenial::Denied, 400, b"\x04\x0a\x05ERROR\x03400"),
        (ZapDenial::Internal, 500, b"\x04\x0a\x05ERROR\x03500"),
    ];
    for (denial, status, expected) in cases {
        let mut ours = with_zap(SocketType::Pull);
        ours.handle_input(&modern_peer(3, 1, b"PUSH")[..64]).unwrap();
        ours.take_output();
        let error = ours.zap_reply(ZapVerdict::Deny(denial)).unwrap_err();
        assert_eq!(error.monitor_code(), MonitorCode::Auth(status));
        assert!(!error.is_fatal_for_connecter());
        assert_eq!(ours.take_output(), expected);
        assert_eq!(ours.handle_input(b"x"), Err(error));
        assert!(ours.outcome().is_none());
    }
}

#[test]
fn verdicts_nobody_asked_for_change_nothing() {
    let mut ours = handshake(SocketType::Pull, b"");
    let deny = ZapVerdict::Deny(ZapDenial::Denied);
    assert_eq!(ours.zap_reply(deny.clone()), Err(HandshakeError::NoZapPending));
    ours.handle_input(&modern_peer(3, 1, b"PUSH")[..64]).unwrap();
    assert_eq!(ours.zap_reply(deny.clone()), Err(HandshakeError::NoZapPending));
    ours.handle_input(&ready(b"PUSH")).unwrap();
    assert_eq!(ours.zap_reply(deny), Err(HandshakeError::NoZapPending));
    assert!(ours.outcome().is_some());
}

/// Streams of scripted peers of every version, with the length of their handshake.
fn scripted_peer() -> impl Strategy<Value = (Vec<u8>, usize, Version)> {
    let id = proptest::collection::vec(1_u8.., 0..254);
    let kind = 0_usize..8;
    (id, kind).prop_map(|(id, kind)| {
        let mut frame_v1 = Vec::new();
        crate::legacy::append_v1_frame(false, &id, &mut frame_v1);
        let mut frame_v2 = Vec::new();
        crate::framing::append_frame(0, &id, &mut frame_v2);
        let long_v1 = [&[0xff][..], &(id.len() as u64 + 1).to_be_bytes(), &[0], &id].concat();
        let (stream, version) = match kind {
            0 => (frame_v1, Version::V1_0),
            1 => (long_v1, Version::V1_0),
            2 => ([SIG, b"\0\x05", &frame_v1].concat(), Version::V1_0),
            3 => ([SIG, b"\x01\x05", &frame_v2].concat(), Version::V2_0),
            4 => (modern_peer(3, 0, b"DEALER"), Version::V3_0),
            5 => (modern_peer(3, 1, b"DEALER"), Version::V3_1),
            6 => (modern_peer(2, 0, b"DEALER"), Version::V3_1),
            _ => (modern_peer(9, 0, b"DEALER"), Version::V3_1),
        };
        let handshake_bytes = stream.len();
        (stream, handshake_bytes, version)
    })
}

proptest! {
    #[test]
    fn every_version_is_met_under_any_segmentation(
        (mut stream, handshake_bytes, version) in scripted_peer(),
        traffic in proptest::collection::vec(any::<u8>(), 0..40),
        sizes in proptest::collection::vec(1_usize..90, 1..10),
    ) {
        stream.extend(traffic);
        let transcript = converse(handshake(SocketType::Router, b"SRV"), &stream, &sizes);
        prop_assert_eq!(&transcript.error, &None);
        prop_assert_eq!(transcript.version, Some(version));
        prop_assert_eq!(transcript.consumed, Some(handshake_bytes));
        let at_once = converse(handshake(SocketType::Router, b"SRV"), &stream, &[usize::MAX >> 1]);
        prop_assert_eq!(transcript, at_once);
    }

    #[test]
    fn our_own_machines_meet_under_any_segmentation(
        sizes in proptest::collection::vec(1_usize..90, 1..10),
        id in proptest::collection::vec(1_u8.., 0..256),
    ) {
        let (a, b) = pair(handshake(SocketType::Dealer, &id), handshake(SocketType::Rep, b""), &sizes);
        prop_assert_eq!(a.version, Version::V3_1);
        prop_assert_eq!(b.peer_routing_id, id);
    }

    #[test]
    fn any_bytes_end_alike_under_any_segmentation(
        prefix_bytes in 0_usize..80,
        noise in proptest::collection::vec(any::<u8>(), 0..120),
        sizes in proptest::collection::vec(1_usize..20, 1..10),
    ) {
        let peer = modern_peer(3, 1, b"PUSH");
        let stream = [&peer[..prefix_bytes.min(peer.len())], &noise].concat();
        let pieces = converse(handshake(SocketType::Pull, b""), &stream, &sizes);
        let at_once = converse(handshake(SocketType::Pull, b""), &stream, &[usize::MAX >> 1]);
        prop_assert_eq!(pieces, at_once);
    }
}
