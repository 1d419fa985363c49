//! Either side goes away and comes back.

use std::time::Duration;

use zeroring::{Dealer, EventKind, Pull, Socket, XPub};

use crate::content::Content;
use crate::peer::{Libzmq, Peer};
use crate::roles::{Does, Ours};
use crate::support::{DEADLINE, Env, await_event};

everywhere! {
    a_peer_killed_in_mid_message_leaves_whole_messages, a_peer_that_is_restarted_is_found_again,
    a_peer_finds_us_again
}

fn a_peer_killed_in_mid_message_leaves_whole_messages(env: &Env) {
    let pull: Socket<Pull> = env.context.socket().expect("a socket");
    let mut events = pull.monitor();
    let endpoint = pull.bind(&env.endpoint("killed")).expect("free");
    let flood = Content { messages: 1_000_000, ..Content::large() };
    let peer = Peer::start_with(Libzmq::Bundled, "source", "connect", &endpoint, &flood.options());
    // With the first message here, the peer is in the middle of a later one.
    let first = pull.recv_multipart_timeout(DEADLINE).expect("a message");
    assert_eq!(first[0].as_bytes(), flood.message(0)[0]);
    peer.kill();
    await_event(&mut events, EventKind::Disconnected);
    let mut sequence = 1;
    while let Ok(whole) = pull.try_recv_multipart() {
        assert_eq!(whole.len(), 1);
        assert_eq!(whole[0].as_bytes(), flood.message(sequence)[0], "message {sequence}");
        sequence += 1;
    }
    // Nothing of the torn message is in the way of the next peer.
    let content = Content::small();
    let peer =
        Peer::start_with(Libzmq::Bundled, "source", "connect", &endpoint, &content.options());
    Ours::new(Does::Sink, zeroring::SocketType::Pull).play(&pull.into_any(), &content);
    peer.finish();
}

fn a_peer_that_is_restarted_is_found_again(env: &Env) {
    let dealer: Socket<Dealer> = env.context.socket().expect("a socket");
    dealer.set_linger(Some(Duration::ZERO));
    dealer.set_reconnect_interval(Some(Duration::from_millis(5)));
    let mut events = dealer.monitor();
    let mut peer = Peer::start(
        Libzmq::Bundled,
        "echo --type ROUTER --count 0",
        "bind",
        &env.endpoint("again"),
    );
    let endpoint = peer.endpoint.clone();
    dealer.connect(&endpoint).expect("valid");
    for round in 0..4 {
        await_event(&mut events, EventKind::HandshakeSucceeded);
        for number in 0..10 {
            let text = format!("{round} {number}");
            dealer.send(&text).expect("room");
            assert_eq!(dealer.recv_timeout(DEADLINE).expect("an answer"), text.as_str());
        }
        peer.kill();
        await_event(&mut events, EventKind::Disconnected);
        peer = Peer::start(Libzmq::Bundled, "echo --type ROUTER --count 0", "bind", &endpoint);
    }
    peer.kill();
}

fn a_peer_finds_us_again(env: &Env) {
    let content = Content { topic: Some("ab"), ..Content::small() };
    let publisher = |endpoint: &str| {
        let publisher: Socket<XPub> = env.context.socket().expect("a socket");
        let bound = publisher.bind(endpoint).expect("free");
        (publisher, bound)
    };
    let (first, endpoint) = publisher(&env.endpoint("found"));
    let theirs = "sink --type SUB --subscribe a --reconnect-ivl 10";
    let peer = Peer::start_with(Libzmq::Bundled, theirs, "connect", &endpoint, &content.options());
    assert_eq!(first.recv_timeout(DEADLINE).expect("a subscription"), "\u{1}a");
    first.unbind(&endpoint).expect("bound");
    drop(first);
    // The peer notices, comes back and subscribes again.
    let (second, _) = publisher(&endpoint);
    Ours::new(Does::Source, zeroring::SocketType::XPub).play(&second.into_any(), &content);
    peer.finish();
}
