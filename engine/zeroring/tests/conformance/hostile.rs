//! Peers that are silent, slow, strange or greedy: bounded in time and memory, and never anybody else's problem.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use zeroring::{Dealer, EventKind, Pub, Pull, Push, RecvError, Rep, SendError, Sub, XPub};

use crate::support::{DEADLINE, Env, QUIET, assert_serves_others, await_event, recv, recv_all};
use crate::waiting::{WAIT, assert_sleeps};

cases! {
    net {
        a_part_beyond_the_limit_ends_its_connection, metadata_reaches_the_peer,
        heartbeats_keep_a_quiet_connection
    }
    tcp {
        a_silent_stranger_is_shown_out, a_stranger_that_talks_nonsense, a_dead_peer_is_noticed,
        a_flood_of_parts_is_stopped, a_message_beyond_the_limit_is_stopped,
        an_endless_subscriber_is_stopped, an_endless_topic_is_stopped,
        subscriptions_inside_half_a_message_hold_nobody, an_uninvited_address_is_refused, half_a_frame_is_no_message,
        messages_of_a_peer_that_left_are_read_before_its_end, a_ping_is_nothing_to_read,
        an_old_peer_without_identity_is_shown_out, a_dead_peer_lets_a_blocked_sender_sleep
    }
    ipc { an_uninvited_user_is_refused }
}

/// A ZMTP 3.0 peer made by hand, after its handshake with a socket that accepts `kind`.
pub fn by_hand(endpoint: &str, kind: &str) -> TcpStream {
    let mut peer = TcpStream::connect(endpoint.trim_start_matches("tcp://")).expect("listening");
    peer.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut greeting = [0_u8; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    peer.write_all(&greeting).expect("room");
    peer.read_exact(&mut greeting).expect("its greeting");
    let mut ready = b"\x05READY\x0bSocket-Type".to_vec();
    ready.extend_from_slice(&(kind.len() as u32).to_be_bytes());
    ready.extend_from_slice(kind.as_bytes());
    let mut frame = vec![4, ready.len() as u8];
    frame.extend_from_slice(&ready);
    peer.write_all(&frame).expect("room");
    let mut header = [0; 2];
    peer.read_exact(&mut header).expect("its READY");
    let mut body = vec![0; usize::from(header[1])];
    peer.read_exact(&mut body).expect("its READY");
    peer
}

/// The socket closed this connection: reading ends.
#[track_caller]
fn assert_shown_out(mut peer: TcpStream) {
    let mut rest = Vec::new();
    match peer.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
}

fn a_silent_stranger_is_shown_out(env: &Env) {
    let limit = Duration::from_millis(200);
    let (pull, endpoint) = env.bound_with::<Pull>(|pull| pull.set_handshake_interval(Some(limit)));
    let start = Instant::now();
    let stranger = TcpStream::connect(endpoint.trim_start_matches("tcp://")).expect("listening");
    stranger.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    assert_shown_out(stranger);
    assert!(start.elapsed() >= limit);
    assert_serves_others(env, &pull, &endpoint);
}

fn an_old_peer_without_identity_is_shown_out(env: &Env) {
    let limit = Some(Duration::from_millis(200));
    let (pull, endpoint) = env.bound_with::<Pull>(|pull| pull.set_handshake_interval(limit));
    for hello in [&b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x08"[..], b"\x05\0id"] {
        let mut peer =
            TcpStream::connect(endpoint.trim_start_matches("tcp://")).expect("listening");
        peer.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        peer.write_all(hello).expect("room");
        assert_shown_out(peer);
    }
    assert_serves_others(env, &pull, &endpoint);
}

/// A command behind the last message must not make the socket look readable: who then reads would wait for ever.
fn a_ping_is_nothing_to_read(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let mut peer = by_hand(&endpoint, "PUSH");
    let ping = b"\x04\x07\x04PING\0\0";
    let pong = b"\x04\x05\x04PONG";
    for with_pause in [false, true] {
        peer.write_all(&[b"\x00\x02hi", &ping[..]].concat()).expect("room");
        if with_pause {
            let _ = pull.readiness(); // reads by itself from now on, or has the driver read
        }
        let mut answer = [0; 7];
        peer.read_exact(&mut answer).expect("a PONG"); // both frames have been read by now
        assert_eq!(&answer, pong);
        assert_eq!(recv(&pull), "hi");
        assert!(!pull.readiness().expect("alive").readable);
    }
    let (xpub, endpoint) = env.bound::<XPub>();
    let mut peer = by_hand(&endpoint, "SUB");
    for subscription in [&b"\x00\x02\x01a"[..], b"\x04\x0b\x09SUBSCRIBEb"] {
        peer.write_all(&[subscription, ping].concat()).expect("room");
        peer.read_exact(&mut [0; 7]).expect("a PONG");
        assert_eq!(recv(&xpub).len(), 2);
        assert!(!xpub.readiness().expect("alive").readable);
    }
}

fn a_stranger_that_talks_nonsense(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    for nonsense in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0xff; 100], &[0; 100]] {
        let mut events = pull.monitor();
        let mut stranger =
            TcpStream::connect(endpoint.trim_start_matches("tcp://")).expect("listening");
        stranger.write_all(nonsense).expect("room");
        stranger.shutdown(std::net::Shutdown::Write).expect("open");
        await_event(&mut events, EventKind::Disconnected);
    }
    assert_serves_others(env, &pull, &endpoint);
}

fn a_dead_peer_is_noticed(env: &Env) {
    let (pull, endpoint) = env.bound_with::<Pull>(|pull| {
        pull.set_heartbeat_interval(Some(Duration::from_millis(50)));
        pull.set_heartbeat_timeout(Some(Duration::from_millis(100)));
    });
    let mut events = pull.monitor();
    let peer = by_hand(&endpoint, "PUSH"); // will never answer a PING
    await_event(&mut events, EventKind::HandshakeSucceeded);
    let start = Instant::now();
    await_event(&mut events, EventKind::Disconnected);
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
    assert_shown_out(peer);
}

fn heartbeats_keep_a_quiet_connection(env: &Env) {
    let interval = Some(Duration::from_millis(20));
    let (rep, endpoint) = env.bound_with::<Rep>(|rep| rep.set_heartbeat_interval(interval));
    let dealer = env.socket::<Dealer>();
    dealer.set_heartbeat_interval(interval);
    dealer.set_heartbeat_ttl(Some(Duration::from_millis(300)));
    env.join(&rep, &dealer, &endpoint);
    let mut events = rep.monitor();
    assert_eq!(events.next_timeout(Duration::from_millis(500)), None, "it lives through silence");
    // An application that waits reads by itself, and then is away without a word.
    rep.recv_timeout(Duration::from_millis(500)).expect_err("nothing was sent");
    assert_eq!(
        events.next_timeout(Duration::from_millis(300)),
        None,
        "we are busy, it is not dead"
    );
    dealer.send_multipart(["", "still there"]).expect("room");
    assert_eq!(recv(&rep), "still there");
}

fn a_part_beyond_the_limit_ends_its_connection(env: &Env) {
    let (pull, endpoint) = env.bound_with::<Pull>(|pull| pull.set_max_part_bytes(Some(1000)));
    let push = env.socket::<Push>();
    env.join(&pull, &push, &endpoint);
    push.send(vec![1; 1000]).expect("room");
    assert_eq!(recv(&pull).len(), 1000);
    let mut events = push.monitor();
    push.send(vec![2; 1001]).expect("room");
    await_event(&mut events, EventKind::Disconnected);
    await_event(&mut events, EventKind::HandshakeSucceeded);
    push.send("the next one").expect("room");
    assert_eq!(recv(&pull), "the next one");
}

fn a_flood_of_parts_is_stopped(env: &Env) {
    let (pull, endpoint) = env.bound_with::<Pull>(|pull| pull.set_max_message_parts(100));
    let mut peer = by_hand(&endpoint, "PUSH");
    let mut flood = Vec::new();
    (0..101).for_each(|_| flood.extend_from_slice(b"\x01\x01x"));
    let _ = peer.write_all(&flood); // may be cut off already
    assert_shown_out(peer);
    assert_serves_others(env, &pull, &endpoint);
}

fn a_message_beyond_the_limit_is_stopped(env: &Env) {
    let (pull, endpoint) = env.bound_with::<Pull>(|pull| pull.set_max_message_bytes(Some(1000)));
    let mut peer = by_hand(&endpoint, "PUSH");
    let mut message = Vec::new();
    for _ in 0..11 {
        message.extend_from_slice(&[1, 100]);
        message.extend_from_slice(&[b'x'; 100]);
    }
    let _ = peer.write_all(&message);
    assert_shown_out(peer);
    assert_serves_others(env, &pull, &endpoint);
}

fn an_endless_subscriber_is_stopped(env: &Env) {
    let (publisher, endpoint) =
        env.bound_with::<Pub>(|publisher| publisher.set_max_subscriptions_per_peer(10));
    let mut events = publisher.monitor();
    let mut peer = by_hand(&endpoint, "SUB");
    for topic in 0..11_u8 {
        let _ = peer.write_all(&[0, 2, 1, b'a' + topic]);
    }
    crate::support::until("the peer is shown out", || {
        let _ = publisher.topics_count(); // subscriptions count when the socket looks
        events.try_next().is_some_and(|event| event.kind() == EventKind::Disconnected)
    });
    drop(peer);
    let sub = env.socket::<Sub>();
    sub.subscribe("fine").expect("a SUB subscribes");
    sub.connect(&endpoint).expect("valid");
    crate::support::until("others are served", || publisher.topics_count() == 1);
}

/// A subscription may come as a message, which is of any size.
fn an_endless_topic_is_stopped(env: &Env) {
    let (publisher, endpoint) =
        env.bound_with::<Pub>(|publisher| publisher.set_max_topic_bytes(100));
    let mut events = publisher.monitor();
    let mut peer = by_hand(&endpoint, "SUB");
    let mut frame = vec![0, 102, 1];
    frame.resize(2 + 102, b'a');
    peer.write_all(&frame).expect("room");
    crate::support::until("the peer is shown out", || {
        let _ = publisher.topics_count(); // subscriptions count when the socket looks
        events.try_next().is_some_and(|event| event.kind() == EventKind::Disconnected)
    });
    assert_eq!(publisher.topics_count(), 0);
}

/// More subscriptions than there is room for, inside a message that never ends: they count with its end, and the end of
/// the connection is still found.
fn subscriptions_inside_half_a_message_hold_nobody(env: &Env) {
    let (publisher, endpoint) = env.bound_with::<Pub>(|publisher| publisher.set_recv_hwm(10));
    let mut events = publisher.monitor();
    let mut peer = by_hand(&endpoint, "SUB");
    peer.write_all(b"\x01\x01x").expect("room");
    for _ in 0..100 {
        peer.write_all(b"\x04\x0b\x09SUBSCRIBEa").expect("room");
    }
    drop(peer);
    await_event(&mut events, EventKind::Disconnected);
    assert_eq!(publisher.topics_count(), 0, "the message never ended");
}

/// Writing to a peer that is gone fails; what it sent before it left must not be lost with that.
fn messages_of_a_peer_that_left_are_read_before_its_end(env: &Env) {
    let (dealer, endpoint) = env.bound_with::<Dealer>(|dealer| dealer.set_recv_hwm(1));
    let mut events = dealer.monitor();
    let mut peer = by_hand(&endpoint, "DEALER");
    peer.write_all(b"\x00\x011\x00\x012\x00\x013").expect("room");
    assert_eq!(recv(&dealer), "1");
    drop(peer);
    for _ in 0..100 {
        let _ = dealer.try_send("is anybody there");
    }
    assert_eq!([recv(&dealer), recv(&dealer)], ["2", "3"]);
    await_event(&mut events, EventKind::Disconnected);
}

fn half_a_frame_is_no_message(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let mut events = pull.monitor();
    let mut peer = by_hand(&endpoint, "PUSH");
    peer.write_all(b"\x00\x05whole\x01\x04head\x00\x0ahalf").expect("room");
    drop(peer);
    await_event(&mut events, EventKind::Disconnected);
    assert_eq!(recv_all(&pull), ["whole"]);
    crate::support::assert_quiet(&pull);
}

fn metadata_reaches_the_peer(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let push = env.socket::<Push>();
    push.add_metadata("X-Region", "eu-west").expect("valid");
    push.connect(&endpoint).expect("valid");
    push.send("hello").expect("a queue");
    recv(&pull);
    let peer = pull.peer().expect("not inproc");
    assert_eq!(peer.property("X-Region").as_deref(), Some(&b"eu-west"[..]));
    assert_eq!(peer.property("Socket-Type").as_deref(), Some(&b"PUSH"[..]));
    assert_eq!(peer.property("X-Unknown"), None);
}

fn an_uninvited_address_is_refused(env: &Env) {
    let (pull, endpoint) = env.bound_with::<Pull>(|pull| {
        pull.add_tcp_accept_filter("127.0.0.2/32").expect("an address");
    });
    let mut events = pull.monitor();
    let stranger = TcpStream::connect(endpoint.trim_start_matches("tcp://")).expect("listening");
    await_event(&mut events, EventKind::AcceptFailed);
    assert_shown_out(stranger);
    let guest = env.socket::<Push>();
    let address = endpoint.trim_start_matches("tcp://");
    guest.connect(&format!("tcp://127.0.0.2:0;{address}")).expect("valid");
    guest.send("invited").expect("a queue");
    assert_eq!(recv(&pull), "invited");
}

fn an_uninvited_user_is_refused(env: &Env) {
    let own_uid = rustix::process::getuid().as_raw();
    let (pull, endpoint) = env.bound_with::<Pull>(|pull| {
        pull.set_ipc_filters([], [own_uid + 1], []);
    });
    let mut events = pull.monitor();
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    await_event(&mut events, EventKind::AcceptFailed);
    pull.unbind(&endpoint).expect("bound");
    pull.set_ipc_filters([], [own_uid, own_uid + 1], []);
    pull.bind(&endpoint).expect("free");
    push.send("invited").expect("a queue");
    assert_eq!(recv(&pull), "invited");
}

/// Its descriptor is ready for ever, but neither readable without credit nor writable any more.
fn a_dead_peer_lets_a_blocked_sender_sleep(env: &Env) {
    const MESSAGES: usize = 100;
    let (dealer, endpoint) = env.bound_with::<Dealer>(|dealer| {
        dealer.set_recv_hwm(1);
        dealer.set_send_hwm(1);
    });
    let mut events = dealer.monitor();
    let mut peer = by_hand(&endpoint, "DEALER");
    await_event(&mut events, EventKind::HandshakeSucceeded);
    // Waiting for a message, the thread takes the descriptor over and reads it from then on.
    assert_eq!(dealer.recv_timeout(QUIET).err(), Some(RecvError::WouldBlock));
    peer.write_all(&b"\x00\x01x".repeat(MESSAGES)).expect("room");
    let body = vec![7; 64 * 1024];
    while dealer.send_timeout(&body, QUIET).is_ok() {}
    drop(peer); // with much unread: a reset
    assert_sleeps(|| while dealer.send_timeout(&body, WAIT) != Err(SendError::WouldBlock) {});
    // A reset throws away what the kernel had; what was read before it comes, and then the end.
    assert_eq!(recv(&dealer), "x");
    while dealer.recv_timeout(QUIET).is_ok() {}
    await_event(&mut events, EventKind::Disconnected);
}
