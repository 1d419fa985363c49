//! Either side goes away and comes back: here libzmq's side does, or our socket. `killed.rs` has our process killed.

use std::time::Duration;

use zeroring::DriverChoice::{self, Auto, Epoll, Uring};
use zeroring::SocketType::{self, Pub, Rep, Sub, XSub};
use zeroring::{AnySocket, Dealer, EventKind, Monitor, Pull, Router, Socket, XPub};

use crate::content::Content;
use crate::peer::{Libzmq, Peer, until};
use crate::roles::Does::{Echo, Request, Sink, Source};
use crate::roles::{Does, Ours};
use crate::support::{DEADLINE, Env, Via, at_once, await_event, run};

everywhere! {
    a_peer_killed_in_mid_message_leaves_whole_messages, a_peer_that_is_restarted_is_found_again,
    a_peer_finds_us_again, a_lost_request_is_asked_again, a_late_answer_is_passed_over,
    a_peer_passes_over_our_late_answer
}

/// A peer of each kind is killed after a whole run of content, and another one plays the same again.
macro_rules! restarts {
    ($($name:ident: $ours:expr, $theirs:literal;)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn tcp() {
                restart_both_ways(Libzmq::Bundled, $ours, $theirs, Via::Tcp, [Epoll, Uring]);
            }

            #[test]
            fn ipc() {
                restart_both_ways(Libzmq::Bundled, $ours, $theirs, Via::Ipc, [Uring, Epoll]);
            }

            #[test]
            fn system() {
                at_once([(Via::Tcp, false), (Via::Ipc, true)], |(via, we_bind)| {
                    run(via, Auto, |env| restart(env, Libzmq::System, $ours, $theirs, we_bind));
                });
            }
        })*
    };
}

restarts! {
    push_pull: Ours::new(Source, SocketType::Push), "sink --type PULL";
    pull_push: Ours::new(Sink, SocketType::Pull), "source --type PUSH";
    pub_sub: Ours::new(Source, Pub), "sink --type SUB";
    xpub_xsub: Ours::new(Source, SocketType::XPub), "sink --type XSUB";
    sub_pub: Ours::new(Sink, Sub), "source --type PUB";
    sub_xpub: Ours::new(Sink, Sub), "source --type XPUB";
    xsub_pub: Ours::new(Sink, XSub), "source --type PUB";
    xsub_xpub: Ours::new(Sink, XSub), "source --type XPUB";
    req_rep: Ours::new(Request, SocketType::Req), "echo --type REP --count 210";
    relaxed_req_router: Ours::new(Request, SocketType::Req).relaxed(), "echo --type ROUTER";
    rep_req: Ours::new(Echo, Rep), "request --type REQ";
    rep_relaxed_req: Ours::new(Echo, Rep), "request --type REQ --req-relaxed 1 --req-correlate 1";
    router_req: Ours::new(Echo, SocketType::Router), "request --type REQ";
    router_to_dealer: Ours::new(Source, SocketType::Router).to("me"),
        "sink --type DEALER --routing-id me";
    dealer_to_router: Ours::new(Source, SocketType::Dealer), "sink --type ROUTER";
    dealer_rep: Ours::new(Request, SocketType::Dealer).with_envelope(), "echo --type REP";
    dealer_from_dealer: Ours::new(Sink, SocketType::Dealer), "source --type DEALER";
    pair_to_pair: Ours::new(Source, SocketType::Pair), "sink --type PAIR";
    pair_from_pair: Ours::new(Sink, SocketType::Pair), "source --type PAIR";
}

fn restart_both_ways(
    libzmq: Libzmq,
    ours: Ours,
    theirs: &str,
    via: Via,
    drivers: [DriverChoice; 2],
) {
    at_once([true, false].into_iter().zip(drivers), |(we_bind, driver)| {
        run(via, driver, |env| restart(env, libzmq, ours, theirs, we_bind));
    });
}

fn restart(env: &Env, libzmq: Libzmq, ours: Ours, theirs: &str, we_bind: bool) {
    let content = Content::small();
    let socket = ours.socket(&env.context);
    let mut events = socket.monitor();
    let staying = format!("{theirs} --reconnect-ivl 10 --stay");
    let mut peer = Peer::meet(env, libzmq, &staying, &socket, &content.options(), we_bind);
    let endpoint = if we_bind { socket.last_endpoint() } else { peer.endpoint.clone() };
    ours.play(&socket, &content);
    peer.await_done();
    peer.kill();
    await_gone(&socket, &mut events, we_bind);
    // What a connecting socket sends meanwhile waits for the peer's return.
    let queues = ours.does == Source && !we_bind;
    if queues {
        ours.play(&socket, &content);
    }
    let attach = if we_bind { "connect" } else { "bind" };
    let peer = Peer::start_with(libzmq, theirs, attach, &endpoint, &content.options());
    if !queues {
        ours.play(&socket, &content);
    }
    peer.finish();
}

/// Until the connection has ended and, where that ends the pipe too, the socket has let go of it.
fn await_gone(socket: &AnySocket, events: &mut Monitor, we_bind: bool) {
    await_event(events, EventKind::Disconnected);
    if !we_bind {
        return;
    }
    match socket.kind() {
        Pub | SocketType::XPub => {
            until("its subscriptions end", || (socket.topics_count() == 0).then_some(()));
        }
        SocketType::Push | SocketType::Dealer | SocketType::Pair | SocketType::Router => {
            // A ROUTER that minds whom it sends to is writable only with a peer.
            socket.set_router_mandatory(true);
            until("it cannot be written to", || {
                let readiness = socket.readiness().expect("a context");
                (!readiness.writable).then_some(())
            });
        }
        _ => {}
    }
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

/// A REQ that asks a peer which takes two requests before it answers any.
fn asking(env: &Env, we_bind: bool) -> (AnySocket, Peer) {
    let socket = Ours::new(Request, SocketType::Req).relaxed().socket(&env.context);
    let theirs = "echo --type ROUTER --batch 2 --count 2";
    let mut peer = Peer::meet(env, Libzmq::Bundled, theirs, &socket, &[], we_bind);
    socket.send_timeout("first", DEADLINE).expect("room");
    peer.await_line("TOOK 0");
    (socket, peer)
}

/// A REQ may give up a request whose answerer has gone, and ask the next one.
fn a_lost_request_is_asked_again(env: &Env) {
    for we_bind in [true, false] {
        let (socket, peer) = asking(env, we_bind);
        let mut events = socket.monitor();
        let endpoint = if we_bind { socket.last_endpoint() } else { peer.endpoint.clone() };
        peer.kill();
        await_event(&mut events, EventKind::Disconnected);
        let attach = if we_bind { "connect" } else { "bind" };
        let peer = Peer::start(Libzmq::Bundled, "echo --type REP", attach, &endpoint);
        await_event(&mut events, EventKind::HandshakeSucceeded);
        socket.send_timeout("again", DEADLINE).expect("room");
        assert_eq!(socket.recv_timeout(DEADLINE).expect("an answer"), "again");
        peer.finish();
    }
}

/// The answer to a request that was given up does not pass for the answer to the next.
fn a_late_answer_is_passed_over(env: &Env) {
    for we_bind in [true, false] {
        let (socket, peer) = asking(env, we_bind);
        socket.send_timeout("second", DEADLINE).expect("room");
        assert_eq!(socket.recv_timeout(DEADLINE).expect("an answer"), "second");
        peer.finish();
    }
}

/// The same of libzmq's REQ: what we answer late carries the number of the first request.
fn a_peer_passes_over_our_late_answer(env: &Env) {
    let router: Socket<Router> = env.context.socket().expect("a socket");
    let endpoint = router.bind(&env.endpoint("late")).expect("free");
    let theirs = "request --type REQ --req-relaxed 1 --req-correlate 1 --retry-ms 200";
    let peer = Peer::start(Libzmq::Bundled, theirs, "connect", &endpoint);
    let requests: Vec<_> =
        (0..2).map(|_| router.recv_multipart_timeout(DEADLINE).expect("a request")).collect();
    let mut late = requests[0].clone();
    late.pop();
    late.push("not what it asks for now");
    router.send_multipart(late).expect("it is there");
    router.send_multipart(requests[1].clone()).expect("it is there");
    let lines = peer.finish();
    assert!(lines.iter().any(|line| line == "RETRY 0"), "{lines:?}");
}
