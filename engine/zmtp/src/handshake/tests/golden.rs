//! Captured conversations (zmtp 14.1 to 14.4), step by step and in every coarse segmentation.

use super::*;

/// One step of a conversation: what the peer sends, what must have come from us after it.
type Step<'a> = (&'a [u8], Vec<u8>);

/// Plays a conversation with the peer's bytes arriving per step at once, then again byte by byte.
fn play(make: impl Fn() -> Handshake, steps: &[Step<'_>]) -> Established {
    play_in(make(), steps, usize::MAX);
    play_in(make(), steps, 1)
}

fn play_in(mut ours: Handshake, steps: &[Step<'_>], piece_bytes: usize) -> Established {
    ours.start();
    for (index, (input, expected)) in steps.iter().enumerate() {
        for piece in input.chunks(piece_bytes) {
            assert_eq!(ours.handle_input(piece), Ok(piece.len()), "step {index}");
        }
        assert_eq!(ours.pending_output(), expected, "step {index}");
        assert_eq!(ours.take_output(), *expected);
    }
    ours.outcome().expect("the conversation is complete")
}

const READY_PUSH: &[u8] = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH";
const READY_PULL: &[u8] = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL";

#[test]
fn push_meets_pull() {
    let g31 = rest(1, b"NULL");
    let steps = [
        (&b""[..], SIG.to_vec()),
        (SIG, vec![3]),
        (&[3][..], g31.clone()),
        (&g31, READY_PUSH.to_vec()),
        (READY_PULL, vec![]),
    ];
    let established = play(|| handshake(SocketType::Push, b""), &steps);
    assert_eq!(established.version, Version::V3_1);
    assert_eq!(established.peer_socket_type, Some(SocketType::Pull));
    let steps = [
        (&b""[..], SIG.to_vec()),
        (SIG, vec![3]),
        (&[3][..], g31.clone()),
        (&g31, READY_PULL.to_vec()),
        (READY_PUSH, vec![]),
    ];
    play(|| handshake(SocketType::Pull, b""), &steps);
}

#[test]
fn a_burst_of_greeting_and_ready_is_taken_and_traffic_left() {
    let traffic = b"\x00\x05Hello";
    let stream = [modern_peer(3, 1, b"PUSH").as_slice(), traffic].concat();
    let mut ours = handshake(SocketType::Pull, b"");
    assert_eq!(ours.handle_input(&stream), Ok(stream.len() - traffic.len()));
    let expected = [SIG, &[3], &rest(1, b"NULL"), READY_PULL].concat();
    assert_eq!(ours.take_output(), expected);
    assert_eq!(ours.outcome().unwrap().version, Version::V3_1);
    assert_eq!(ours.handle_input(traffic), Ok(0));
}

#[test]
fn readys_of_req_rep_dealer_router_and_sub() {
    let ready_of = |ours: Handshake, peer: &[u8]| {
        let transcript = converse(ours, &modern_peer(3, 1, peer), &[64]);
        assert_eq!(transcript.error, None);
        transcript.output[64..].to_vec()
    };
    assert_eq!(
        ready_of(handshake(SocketType::Req, b""), b"REP"),
        b"\x04\x26\x05READY\x0bSocket-Type\0\0\0\x03REQ\x08Identity\0\0\0\0"
    );
    assert_eq!(
        ready_of(handshake(SocketType::Rep, b""), b"REQ"),
        b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03REP"
    );
    assert_eq!(
        ready_of(handshake(SocketType::Dealer, b"ABC"), b"ROUTER"),
        b"\x04\x2c\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x03ABC"
    );
    assert_eq!(
        ready_of(handshake(SocketType::Sub, b""), b"PUB"),
        b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB"
    );
    let mut config = HandshakeConfig::new(SocketType::Router);
    config.metadata = vec![("X-app".to_owned(), b"val".to_vec())];
    assert_eq!(
        ready_of(Handshake::new(config).unwrap(), b"DEALER"),
        b"\x04\x36\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0\x05X-app\0\0\0\x03val"
    );
    let long = ready_of(handshake(SocketType::Dealer, &[b'i'; 255]), b"ROUTER");
    assert_eq!(long[..9], *b"\x06\0\0\0\0\0\0\x01\x28");
}

#[test]
fn a_1_0_peer_meets_a_router_with_routing_id() {
    let steps =
        [(&b""[..], b"\xff\0\0\0\0\0\0\0\x04\x7f".to_vec()), (&b"\x03\x00me"[..], b"SRV".to_vec())];
    let established = play(|| handshake(SocketType::Router, b"SRV"), &steps);
    assert_eq!(established.version, Version::V1_0);
    assert_eq!(established.peer_routing_id, b"me");
    assert_eq!(established.peer_socket_type, None);
    assert!(!established.implicit_subscribe_all);
    let long = [
        (&b""[..], b"\xff\0\0\0\0\0\0\0\x04\x7f".to_vec()),
        (&b"\xff\0\0\0\0\0\0\0\x03\x00"[..], b"SRV".to_vec()),
        (&b"me"[..], vec![]),
    ];
    assert_eq!(play(|| handshake(SocketType::Router, b"SRV"), &long).peer_routing_id, b"me");
}

#[test]
fn a_1_0_subscriber_has_subscribed_to_everything() {
    for (socket_type, expected) in
        [(SocketType::Pub, true), (SocketType::XPub, true), (SocketType::Push, false)]
    {
        // An empty identity, in both forms.
        for stream in [&b"\x01\x00"[..], b"\xff\0\0\0\0\0\0\0\x01\x00"] {
            let transcript = converse(handshake(socket_type, b""), stream, &[1]);
            assert_eq!(transcript.output, SIG);
            assert_eq!(transcript.implicit_subscribe_all, expected);
            assert_eq!(transcript.consumed, Some(stream.len()));
        }
    }
    let versioned =
        converse(handshake(SocketType::Pub, b""), b"\xff\0\0\0\0\0\0\0\0\x7f\x01\x02\0\0", &[1]);
    assert_eq!(versioned.version, Some(Version::V2_0));
    assert!(!versioned.implicit_subscribe_all, "2.0 peers do subscribe");
}

#[test]
fn a_2_0_peer_meets_a_router_with_routing_id() {
    let steps = [
        (&b""[..], b"\xff\0\0\0\0\0\0\0\x04\x7f".to_vec()),
        (&b"\xff\0\0\0\0\0\0\0\0\x7f"[..], vec![3]),
        (&b"\x01"[..], vec![6]),
        (&b"\x05"[..], b"\x00\x03SRV".to_vec()),
        (&b"\x00\x02me"[..], vec![]),
    ];
    let established = play(|| handshake(SocketType::Router, b"SRV"), &steps);
    assert_eq!(established.version, Version::V2_0);
    assert_eq!(established.peer_routing_id, b"me");
    assert_eq!(established.peer_socket_type, Some(SocketType::Dealer));
}

#[test]
fn a_2_0_publisher_meets_a_subscriber() {
    // libzmq 3.2.5 PUB, our SUB; the types are not enforced.
    let steps = [
        (&b""[..], SIG.to_vec()),
        (SIG, vec![3]),
        (&b"\x01\x01"[..], b"\x02\x00\x00".to_vec()),
        (&b"\x00\x00"[..], vec![]),
    ];
    let established = play(|| handshake(SocketType::Sub, b""), &steps);
    assert_eq!(established.peer_socket_type, Some(SocketType::Pub));
    let odd =
        converse(handshake(SocketType::Sub, b""), &[SIG, b"\x01\xee\x05\x01x"].concat(), &[1]);
    assert_eq!(odd.error, None);
    assert_eq!((odd.peer_socket_type, odd.routing_id), (None, b"x".to_vec()));
}

#[test]
fn greetings_with_odd_but_harmless_bytes_are_accepted() {
    let mut stream = modern_peer(3, 1, b"PUSH");
    stream[1..9].fill(0xaa);
    stream[9] = 0x01;
    stream[32] = 1;
    stream[33..64].fill(0x55);
    assert_eq!(converse(handshake(SocketType::Pull, b""), &stream, &[1]).error, None);
    for flags in [0, 1, 5, 0xf8] {
        let mut stream = modern_peer(3, 1, b"PUSH");
        stream[64] = flags;
        let transcript = converse(handshake(SocketType::Pull, b""), &stream, &[1]);
        assert_eq!(transcript.error, None, "READY with flags {flags:#x}");
    }
}
