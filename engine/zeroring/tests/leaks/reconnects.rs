//! A thousand connections one after the other, each with a whole handshake and a message that must arrive.

use std::time::Duration;

use zeroring::kind::FixedKind;
use zeroring::{EventKind, Monitor, Pull, Push, Socket};

use crate::support::{Env, await_event, recv, text, until};

cases! {
    net { a_sender_reconnects, a_receiver_reconnects, senders_come_and_go, receivers_come_and_go }
}

const ROUNDS: u32 = 1000;
/// A connection, and the ends of connections that are not forgotten yet.
const LINKS_MAX: usize = 8;

fn quick<K: FixedKind>(env: &Env) -> Socket<K> {
    let socket = env.socket::<K>();
    socket.set_reconnect_interval(Some(Duration::from_millis(1)));
    socket
}

/// A socket that keeps reconnecting to `endpoint`, and what its monitor tells about that.
fn reconnecting<K: FixedKind>(env: &Env, endpoint: &str) -> (Socket<K>, Monitor) {
    let socket = quick::<K>(env);
    let events = socket.monitor_only(&[EventKind::HandshakeSucceeded, EventKind::Disconnected]);
    socket.connect(endpoint).expect("valid");
    (socket, events)
}

fn assert_few_links(env: &Env) {
    let stats = env.context.stats();
    assert!(stats.links <= LINKS_MAX, "{stats:?}");
}

/// The bound side goes and comes again; a message that was queued meanwhile waits for it.
fn a_sender_reconnects(env: &Env) {
    let endpoint = env.free_endpoint();
    let (push, mut events) = reconnecting::<Push>(env, &endpoint);
    for round in 0..ROUNDS {
        push.send(format!("{round}")).expect("a queue");
        let pull = quick::<Pull>(env);
        pull.bind(&endpoint).expect("free as soon as the last one was closed");
        assert_eq!(text(&recv(&pull)), round.to_string());
        drop(pull);
        await_event(&mut events, EventKind::Disconnected);
        assert_few_links(env);
    }
}

fn a_receiver_reconnects(env: &Env) {
    let endpoint = env.free_endpoint();
    let (pull, mut events) = reconnecting::<Pull>(env, &endpoint);
    for round in 0..ROUNDS {
        let push = quick::<Push>(env);
        push.set_linger(None);
        push.bind(&endpoint).expect("free as soon as the last one was closed");
        await_event(&mut events, EventKind::HandshakeSucceeded);
        push.send(format!("{round}")).expect("room");
        drop(push); // what it sent leaves before it goes
        assert_eq!(text(&recv(&pull)), round.to_string());
        await_event(&mut events, EventKind::Disconnected);
        assert_few_links(env);
    }
}

/// The connecting side goes at once; what it sent arrives nevertheless.
fn senders_come_and_go(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    for round in 0..ROUNDS {
        let push = quick::<Push>(env);
        push.set_linger(None);
        push.connect(&endpoint).expect("valid");
        push.send(format!("{round}")).expect("a queue");
        drop(push);
        assert_eq!(text(&recv(&pull)), round.to_string());
        assert_few_links(env);
    }
}

fn receivers_come_and_go(env: &Env) {
    let (push, endpoint) = env.bound::<Push>();
    for round in 0..ROUNDS {
        let pull = quick::<Pull>(env);
        let mut events =
            push.monitor_only(&[EventKind::HandshakeSucceeded, EventKind::Disconnected]);
        pull.connect(&endpoint).expect("valid");
        await_event(&mut events, EventKind::HandshakeSucceeded);
        // Only one peer is there, so it gets the message.
        push.send(format!("{round}")).expect("room");
        assert_eq!(text(&recv(&pull)), round.to_string());
        drop(pull);
        await_event(&mut events, EventKind::Disconnected);
        until("its pipe is gone", || !push.readiness().expect("alive").writable);
        assert_few_links(env);
    }
}
