//! Peers that leave while the application is in the middle of something, and those that leave something behind.

use std::io::{Read, Write};
use std::net::TcpStream;

use zeroring::kind::{CanReceive, FixedKind, Kind};
use zeroring::{Dealer, EventKind, Monitor, Pub, Push, Rep, Router, Socket, Sub, XSub};

use crate::hostile::by_hand;
use crate::support::{Env, assert_quiet, await_event, recv, recv_all, until};

cases! {
    all {
        a_router_reads_on_when_another_peer_leaves, a_sub_reads_on_when_another_peer_leaves,
        an_xsub_reads_on_when_another_peer_leaves, a_newcomer_waits_for_the_end_of_a_message
    }
    net { ignored_peers_are_let_go }
    tcp {
        peers_that_talk_to_a_push_are_let_go, a_push_reads_past_what_it_is_sent,
        what_lingers_reaches_a_peer_that_talks, a_peer_that_reads_nothing_does_not_hold_the_context
    }
}

/// Drops `leaving`, a peer of `socket`, which can know of it afterwards.
fn leave<K: Kind, L: Kind>(env: &Env, socket: &Socket<K>, leaving: Socket<L>) {
    let mut events = socket.monitor();
    drop(leaving);
    if !env.is_inproc() {
        await_event(&mut events, EventKind::Disconnected);
    }
    socket.stop_monitor();
}

fn a_router_reads_on_when_another_peer_leaves(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    let (other, dealer) = (env.socket::<Dealer>(), env.socket::<Dealer>());
    dealer.set_routing_id("anna").expect("valid");
    env.join(&router, &other, &endpoint);
    env.join(&router, &dealer, &endpoint);
    dealer.send_multipart(["a", "b", "c"]).expect("room");
    assert_eq!([recv(&router), recv(&router)], ["anna", "a"]);
    leave(env, &router, other);
    let rest = [recv(&router), recv(&router)];
    assert_eq!(rest, ["b", "c"]);
    assert_eq!(rest.map(|part| part.more()), [true, false]);
}

/// A subscriber with two publishers, in the middle of a message of one when the other leaves.
fn reads_on<S: FixedKind + CanReceive>(env: &Env, subscribe: impl Fn(&Socket<S>)) {
    let (subscriber, endpoint) = env.bound::<S>();
    subscribe(&subscriber);
    let (other, publisher) = (env.socket::<Pub>(), env.socket::<Pub>());
    env.join(&subscriber, &other, &endpoint);
    env.join(&subscriber, &publisher, &endpoint);
    until("the subscription arrived", || {
        let _ = subscriber.readiness(); // a binder subscribes when it looks
        publisher.topics_count() == 1
    });
    publisher.send_multipart(["A", "x", "y"]).expect("a PUB never waits");
    assert_eq!(recv(&subscriber), "A");
    leave(env, &subscriber, other);
    assert_eq!([recv(&subscriber), recv(&subscriber)], ["x", "y"]);
    publisher.send("A again").expect("a PUB never waits");
    assert_eq!(recv(&subscriber), "A again");
}

fn a_sub_reads_on_when_another_peer_leaves(env: &Env) {
    reads_on::<Sub>(env, |sub| sub.subscribe("A").expect("a SUB subscribes"));
}

fn an_xsub_reads_on_when_another_peer_leaves(env: &Env) {
    reads_on::<XSub>(env, |xsub| xsub.send(b"\x01A").expect("a XSUB never waits"));
}

fn a_newcomer_waits_for_the_end_of_a_message(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    router.set_router_handover(true);
    let anna = || {
        let dealer = env.socket::<Dealer>();
        dealer.set_reconnect_interval(None); // or the two would take the name from each other for ever
        dealer.set_routing_id("anna").expect("valid");
        env.join(&router, &dealer, &endpoint);
        dealer
    };
    let old = anna();
    old.send_multipart(["a", "b", "c"]).expect("room");
    old.send("not read any more").expect("room");
    assert_eq!([recv(&router), recv(&router)], ["anna", "a"]);
    let mut events = old.monitor();
    let new = anna();
    new.send("new").expect("room");
    let rest = [recv(&router), recv(&router)];
    assert_eq!(rest, ["b", "c"]);
    assert_eq!(rest.map(|part| part.more()), [true, false]);
    assert_eq!(recv_all(&router), ["anna", "new"]);
    assert_quiet(&router);
    if !env.is_inproc() {
        await_event(&mut events, EventKind::Disconnected);
    }
    router.send_multipart(["anna", "for the new one"]).expect("known");
    assert_eq!(recv(&new), "for the new one");
}

fn peers_that_talk_to_a_push_are_let_go(env: &Env) {
    let (push, endpoint) = env.bound::<Push>();
    for _ in 0..50 {
        let mut peer = by_hand(&endpoint, "PULL");
        peer.write_all(&b"\x00\x05hello".repeat(20)).expect("room");
    }
    until("nothing is left of them", || {
        let _ = push.readiness();
        env.context.stats().links == 0
    });
}

fn is_over(events: &mut Monitor) -> bool {
    events.try_next().is_some_and(|event| event.kind() == EventKind::Disconnected)
}

fn a_push_reads_past_what_it_is_sent(env: &Env) {
    let (push, endpoint) = env.bound_with::<Push>(|push| push.set_recv_hwm(10));
    let mut events = push.monitor();
    let mut peer = by_hand(&endpoint, "PULL");
    peer.write_all(&b"\x00\x05hello".repeat(5000)).expect("room");
    drop(peer);
    // Its end stands behind its messages.
    until("its end was found", || {
        let _ = push.readiness();
        is_over(&mut events)
    });
}

/// A peer whose id is taken is never read, and must not be kept for that.
fn ignored_peers_are_let_go(env: &Env) {
    fn leaves_nothing<K: FixedKind>(env: &Env) {
        let (socket, endpoint) = env.bound::<K>();
        let anna = || {
            let dealer = env.socket::<Dealer>();
            dealer.set_routing_id("anna").expect("valid");
            env.join(&socket, &dealer, &endpoint);
            dealer
        };
        let _owner = anna();
        for _ in 0..20 {
            let ignored = anna();
            ignored.send("unheard").expect("room");
            leave(env, &socket, ignored);
        }
        until("nothing is left of them", || {
            let _ = socket.readiness();
            env.context.stats().links == 2
        });
    }
    leaves_nothing::<Router>(env);
    leaves_nothing::<Rep>(env);
}

/// What a SUB made by hand that reads in small steps, and asks for one more topic at each, gets before the end.
fn read_slowly(mut peer: TcpStream) -> Vec<u8> {
    let (mut received, mut chunk) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let n = peer.read(&mut chunk).expect("a clean end");
        if n == 0 {
            return received;
        }
        received.extend_from_slice(&chunk[..n]);
        peer.write_all(b"\x00\x02\x01x").expect("it is listened to until the end");
    }
}

/// Unread bytes of the peer must not make the kernel reset a connection that still carries messages.
fn what_lingers_reaches_a_peer_that_talks(env: &Env) {
    const MESSAGES: usize = 10_000;
    for _ in 0..3 {
        let (publisher, endpoint) = env.bound_with::<Pub>(|publisher| {
            publisher.set_send_hwm(MESSAGES as u32);
            publisher.set_linger(None);
        });
        let mut peer = by_hand(&endpoint, "SUB");
        peer.write_all(b"\x00\x02\x01m").expect("room");
        until("the subscription arrived", || publisher.topics_count() == 1);
        let message = [b'm'; 200];
        for _ in 0..MESSAGES {
            publisher.send(&message[..]).expect("a PUB never waits");
        }
        peer.write_all(&b"\x00\x02\x01x".repeat(500)).expect("room");
        drop(publisher);
        let frame = [&b"\x00\xc8"[..], &message].concat();
        assert!(read_slowly(peer) == frame.repeat(MESSAGES), "not everything came");
    }
}

/// The kernel has it, and a socket that lingers for ever must not wait for ever for a peer that takes nothing.
fn a_peer_that_reads_nothing_does_not_hold_the_context(env: &Env) {
    let (push, endpoint) = env.bound_with::<Push>(|push| {
        push.set_linger(None);
        push.set_send_buffer(Some(400_000));
    });
    let peer = by_hand(&endpoint, "PULL");
    // More than fits the peer's receive buffer, less than fits the kernel's two.
    for _ in 0..30 {
        push.send(&[7; 10_000][..]).expect("room");
    }
    drop(push);
    env.check_end();
    drop(peer);
}
