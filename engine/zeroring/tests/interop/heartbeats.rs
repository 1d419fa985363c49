//! Heartbeats: a peer that stops answering is noticed, and we answer.

use std::time::Duration;

use rustix::process::Signal;
use zeroring::{Dealer, EventKind, Rep, Router, Socket};

use crate::peer::{Libzmq, Peer};
use crate::support::{DEADLINE, Env, await_event};

everywhere! { a_frozen_peer_is_noticed_and_comes_back, our_answers_keep_a_quiet_peer, a_peer_sees_us_alive_in_silence }

fn a_frozen_peer_is_noticed_and_comes_back(env: &Env) {
    let dealer: Socket<Dealer> = env.context.socket().expect("a socket");
    dealer.set_linger(Some(Duration::ZERO));
    dealer.set_heartbeat_interval(Some(Duration::from_millis(30)));
    dealer.set_heartbeat_timeout(Some(Duration::from_millis(150)));
    dealer.set_reconnect_interval(Some(Duration::from_millis(10)));
    let mut events = dealer.monitor();
    let peer = Peer::start(
        Libzmq::Bundled,
        "echo --type ROUTER --count 0",
        "bind",
        &env.endpoint("frozen"),
    );
    dealer.connect(&peer.endpoint).expect("valid");
    await_event(&mut events, EventKind::HandshakeSucceeded);
    peer.signal(Signal::STOP);
    await_event(&mut events, EventKind::Disconnected);
    peer.signal(Signal::CONT);
    await_event(&mut events, EventKind::HandshakeSucceeded);
    dealer.send("alive").expect("room");
    assert_eq!(dealer.recv_timeout(DEADLINE).expect("an answer"), "alive");
    peer.kill();
}

/// The peer pings us and would end the connection without our answers. Its deadline ends the test.
fn our_answers_keep_a_quiet_peer(env: &Env) {
    let router: Socket<Router> = env.context.socket().expect("a socket");
    let endpoint = router.bind(&env.endpoint("quiet")).expect("free");
    let theirs = "monitor --type DEALER --count 0 --until DISCONNECTED \
                  --heartbeat-ivl 30 --heartbeat-timeout 150";
    let deadline = ["--deadline-ms=900".to_owned()];
    let peer = Peer::start_with(Libzmq::Bundled, theirs, "connect", &endpoint, &deadline);
    let lines = peer.await_deadline();
    assert!(lines.iter().any(|line| line.contains("HANDSHAKE_SUCCEEDED")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("DISCONNECTED")), "{lines:?}");
}

/// The other way round: the peer's answers keep our connection, and a request still gets through afterwards.
fn a_peer_sees_us_alive_in_silence(env: &Env) {
    let rep: Socket<Rep> = env.context.socket().expect("a socket");
    rep.set_heartbeat_interval(Some(Duration::from_millis(20)));
    rep.set_heartbeat_timeout(Some(Duration::from_millis(100)));
    let mut events = rep.monitor();
    let endpoint = rep.bind(&env.endpoint("silence")).expect("free");
    let theirs = "monitor --type REQ --count 0 --until DISCONNECTED";
    let deadline = ["--deadline-ms=700".to_owned()];
    let peer = Peer::start_with(Libzmq::Bundled, theirs, "connect", &endpoint, &deadline);
    await_event(&mut events, EventKind::HandshakeSucceeded);
    let lines = peer.await_deadline();
    assert!(!lines.iter().any(|line| line.contains("DISCONNECTED")), "{lines:?}");
}
