//! PAIR: one peer at a time.

use zeroring::{EventKind, Pair, SendError};

use crate::support::{DEADLINE, Env, QUIET, assert_quiet, await_event, recv, recv_all, until};

cases! {
    all {
        both_sides_send_and_receive, a_second_peer_is_turned_away, a_new_peer_can_follow,
        a_pair_without_peer_waits
    }
}

fn both_sides_send_and_receive(env: &Env) {
    let (a, b) = env.connected::<Pair, Pair>();
    for round in 0..100 {
        a.send_multipart([format!("a{round}"), "x".to_owned()]).expect("room");
        b.send(format!("b{round}")).expect("room");
    }
    for round in 0..100 {
        assert_eq!(recv_all(&b), [format!("a{round}"), "x".to_owned()]);
        assert_eq!(recv(&a), format!("b{round}").as_str());
    }
}

fn a_second_peer_is_turned_away(env: &Env) {
    let (a, endpoint) = env.bound::<Pair>();
    let b = env.socket::<Pair>();
    env.join(&a, &b, &endpoint);
    b.send("first").expect("room");
    assert_eq!(recv(&a), "first");
    let late = env.socket::<Pair>();
    late.set_reconnect_interval(None);
    let mut events = late.monitor();
    late.connect(&endpoint).expect("valid");
    let _ = late.try_send("not for you");
    if !env.is_inproc() {
        until("the latecomer is turned away", || {
            let _ = a.readiness(); // a peer is turned away when the socket looks
            events.try_next().is_some_and(|event| event.kind() == EventKind::Disconnected)
        });
    }
    assert_quiet(&a);
    a.send("still for the first").expect("room");
    assert_eq!(recv(&b), "still for the first");
    assert_quiet(&late);
    if env.is_inproc() {
        until("the latecomer has no peer", || {
            a.readiness().expect("alive");
            !late.readiness().expect("alive").writable
        });
    }
}

fn a_new_peer_can_follow(env: &Env) {
    let (a, endpoint) = env.bound::<Pair>();
    for round in 0..10 {
        let mut events = a.monitor();
        let b = env.socket::<Pair>();
        b.connect(&endpoint).expect("valid");
        b.send(format!("{round}")).expect("a connected endpoint has a queue at once");
        assert_eq!(recv(&a), round.to_string().as_str());
        a.send("seen").expect("room");
        assert_eq!(recv(&b), "seen");
        drop(b);
        if env.is_inproc() {
            until("the peer is gone", || !a.readiness().expect("alive").writable);
        } else {
            await_event(&mut events, EventKind::Disconnected);
            until("the peer is gone", || !a.readiness().expect("alive").writable);
        }
    }
}

fn a_pair_without_peer_waits(env: &Env) {
    let (a, endpoint) = env.bound::<Pair>();
    assert_eq!(a.try_send("nobody"), Err(SendError::WouldBlock));
    assert_eq!(a.send_timeout("nobody", QUIET), Err(SendError::WouldBlock));
    let b = env.socket::<Pair>();
    b.connect(&endpoint).expect("valid");
    a.send_timeout("somebody", DEADLINE).expect("a peer came");
    assert_eq!(recv(&b), "somebody");
}
