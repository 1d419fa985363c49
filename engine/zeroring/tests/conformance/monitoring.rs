//! Monitor events: which come, in which order, and what they say.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use zeroring::EventKind::{self, *};
use zeroring::{Dealer, Monitor, Pair, Pub, Pull, Push, Rep, Req, What};

use crate::support::{DEADLINE, Env, QUIET, await_event, kinds_until, until};

cases! {
    net {
        a_connection_begins, an_own_close_is_told_to_the_peer_only, incompatible_types_part,
        unbinding_tells_of_the_listener_only, a_monitor_can_be_replaced, the_end_is_told,
        endpoints_are_named, kinds_can_be_chosen, nothing_is_told_before_it_is_asked_for
    }
    tcp { a_refused_connection, a_failed_bind, a_name_nobody_knows, a_bind_to_a_name_nobody_knows, a_stranger_fails_the_handshake }
    ipc { a_failed_ipc_bind }
    inproc { inproc_is_silent, a_slow_reader_holds_nobody_up }
}

/// Kinds of events until there have been none for a while.
fn kinds_until_quiet(events: &mut Monitor) -> Vec<EventKind> {
    std::iter::from_fn(|| events.next_timeout(QUIET)).map(|event| event.kind()).collect()
}

/// Whether a connect is delayed is the kernel's choice: ipc and loopback may connect at once.
fn without_delays(kinds: Vec<EventKind>) -> Vec<EventKind> {
    kinds.into_iter().filter(|kind| *kind != ConnectDelayed).collect()
}

fn a_connection_begins(env: &Env) {
    let pull = env.socket::<Pull>();
    let push = env.socket::<Push>();
    let (mut there, mut here) = (pull.monitor(), push.monitor());
    let endpoint = pull.bind(&env.endpoint()).expect("free");
    push.connect(&endpoint).expect("valid");
    assert_eq!(
        kinds_until(&mut there, HandshakeSucceeded),
        [Listening, Accepted, HandshakeSucceeded]
    );
    let kinds = without_delays(kinds_until(&mut here, HandshakeSucceeded));
    assert_eq!(kinds, [Connected, HandshakeSucceeded]);
}

fn a_refused_connection(env: &Env) {
    let push = env.socket::<Push>();
    let mut events = push.monitor();
    push.connect(&env.free_endpoint()).expect("valid");
    for _ in 0..3 {
        let kinds = without_delays(kinds_until(&mut events, ConnectRetried));
        assert_eq!(kinds, [Closed, ConnectRetried]);
    }
}

fn an_own_close_is_told_to_the_peer_only(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let push = env.socket::<Push>();
    env.join(&pull, &push, &endpoint);
    let (mut there, mut here) = (pull.monitor(), push.monitor());
    drop(push);
    assert_eq!(kinds_until(&mut there, Disconnected), [Disconnected]);
    assert_eq!(kinds_until_quiet(&mut here), [MonitorStopped]);
    // And of a disconnect.
    let push = env.socket::<Push>();
    env.join(&pull, &push, &endpoint);
    let (mut there, mut here) = (pull.monitor(), push.monitor());
    push.disconnect(&endpoint).expect("connected");
    assert_eq!(kinds_until(&mut there, Disconnected), [Disconnected]);
    assert_eq!(kinds_until_quiet(&mut here), []);
}

fn incompatible_types_part(env: &Env) {
    let (publisher, endpoint) = env.bound::<Pub>();
    let req = env.socket::<Req>();
    let (mut there, mut here) = (publisher.monitor(), req.monitor());
    req.connect(&endpoint).expect("valid");
    assert_eq!(kinds_until(&mut there, Disconnected), [Accepted, Disconnected]);
    let kinds = without_delays(kinds_until(&mut here, Disconnected));
    assert_eq!(kinds, [Connected, Disconnected]);
    assert_eq!(kinds_until_quiet(&mut here), [], "it is not tried again");
}

fn unbinding_tells_of_the_listener_only(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let push = env.socket::<Push>();
    env.join(&pull, &push, &endpoint);
    let (mut there, mut here) = (pull.monitor(), push.monitor());
    pull.unbind(&endpoint).expect("bound");
    assert_eq!(kinds_until(&mut here, ConnectRetried), [Disconnected, ConnectRetried]);
    assert_eq!(kinds_until_quiet(&mut there), [Closed]);
}

fn a_failed_bind(env: &Env) {
    let (_taken, endpoint) = env.bound::<Pull>();
    let pull = env.socket::<Pull>();
    let mut events = pull.monitor();
    pull.bind(&endpoint).expect_err("taken");
    let closed = events.next_timeout(DEADLINE).expect("its descriptor is closed");
    assert_eq!((closed.kind(), closed.local_endpoint.as_str()), (Closed, ""));
    let event = events.next_timeout(DEADLINE).expect("and then the bind has failed");
    const EADDRINUSE: i32 = 98;
    assert_eq!(event.what, What::BindFailed { errno: EADDRINUSE });
    assert_eq!(event.local_endpoint, endpoint.trim_start_matches("tcp://"), "without scheme");
    assert!(!event.detail.is_empty());
}

fn a_failed_ipc_bind(env: &Env) {
    let pull = env.socket::<Pull>();
    let mut events = pull.monitor();
    let path = format!("{}/no/such/dir", env.dir().display());
    pull.bind(&format!("ipc://{path}")).expect_err("no directory");
    let closed = events.next_timeout(DEADLINE).expect("its descriptor is closed");
    assert_eq!((closed.kind(), closed.local_endpoint), (Closed, format!("ipc://{path}")));
    let event = events.next_timeout(DEADLINE).expect("and then the bind has failed");
    assert_eq!((event.what, event.local_endpoint), (What::BindFailed { errno: 2 }, path));
}

fn a_bind_to_a_name_nobody_knows(env: &Env) {
    let pull = env.socket::<Pull>();
    let mut events = pull.monitor();
    pull.bind("tcp://no-such-interface:5555").expect_err("nothing to bind to");
    assert_eq!(kinds_until_quiet(&mut events), [BindFailed]);
}

fn a_name_nobody_knows(env: &Env) {
    let push = env.socket::<Push>();
    let mut events = push.monitor();
    push.connect("tcp://no-such-host.invalid:5555").expect("looked up later");
    for _ in 0..2 {
        assert_eq!(kinds_until(&mut events, ConnectRetried), [ConnectRetried]);
    }
}

fn a_stranger_fails_the_handshake(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let mut events = pull.monitor();
    let mut stranger =
        TcpStream::connect(endpoint.trim_start_matches("tcp://")).expect("listening");
    // A signature and a version of ours, a mechanism that does not exist.
    let mut greeting = [0_u8; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..17].copy_from_slice(b"SMOKE");
    stranger.write_all(&greeting).expect("room");
    let kinds = kinds_until(&mut events, Disconnected);
    assert_eq!(kinds, [Accepted, HandshakeFailedProtocol, Disconnected]);
    assert_eq!(kinds_until_quiet(&mut events), [], "each is told once");
}

fn endpoints_are_named(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let push = env.socket::<Push>();
    let (mut there, mut here) = (pull.monitor(), push.monitor());
    push.connect(&endpoint).expect("valid");
    let accepted = await_event(&mut there, Accepted);
    let connected = await_event(&mut here, Connected);
    assert_eq!(accepted.local_endpoint, endpoint);
    assert_eq!(connected.remote_endpoint, endpoint);
    assert!(matches!(accepted.what, What::Accepted { fd } if fd > 2), "{accepted:?}");
    if endpoint.starts_with("tcp") {
        assert_eq!(accepted.remote_endpoint, connected.local_endpoint);
    }
    assert_eq!(accepted.detail, "");
}

fn kinds_can_be_chosen(env: &Env) {
    let pull = env.socket::<Pull>();
    let mut events = pull.monitor_only(&[HandshakeSucceeded]);
    let endpoint = pull.bind(&env.endpoint()).expect("free");
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    assert_eq!(kinds_until(&mut events, HandshakeSucceeded), [HandshakeSucceeded]);
    pull.stop_monitor();
    assert_eq!(events.count(), 0, "not even the end was asked for");
}

fn nothing_is_told_before_it_is_asked_for(env: &Env) {
    let (rep, req) = env.connected::<Rep, Req>();
    let (mut there, mut here) = (rep.monitor(), req.monitor());
    assert_eq!((kinds_until_quiet(&mut there), kinds_until_quiet(&mut here)), (vec![], vec![]));
}

fn a_monitor_can_be_replaced(env: &Env) {
    let pull = env.socket::<Pull>();
    let first = pull.monitor();
    let mut second = pull.monitor();
    pull.bind(&env.endpoint()).expect("free");
    assert_eq!(first.map(|event| event.kind()).collect::<Vec<_>>(), [MonitorStopped]);
    await_event(&mut second, Listening);
}

fn the_end_is_told(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let push = env.socket::<Push>();
    env.join(&pull, &push, &endpoint);
    let mut events = pull.monitor();
    drop(pull);
    assert_eq!(kinds_until(&mut events, MonitorStopped), [Closed, MonitorStopped]);
    assert_eq!(events.next(), None);
    // By termination too, while the socket is still open.
    let (pull, _) = env.bound::<Pull>();
    let mut events = pull.monitor();
    env.context.shutdown();
    let _ = pull.try_recv();
    kinds_until(&mut events, MonitorStopped);
    assert_eq!(events.next(), None);
}

fn inproc_is_silent(env: &Env) {
    let (a, endpoint) = env.bound::<Pair>();
    let b = env.socket::<Pair>();
    let (mut there, mut here) = (a.monitor(), b.monitor());
    b.connect(&endpoint).expect("valid");
    b.send("hello").expect("room");
    crate::support::recv(&a);
    drop(b);
    until("the peer is gone", || !a.readiness().expect("alive").writable);
    assert_eq!(kinds_until_quiet(&mut there), []);
    assert_eq!(kinds_until_quiet(&mut here), [MonitorStopped]);
}

fn a_slow_reader_holds_nobody_up(env: &Env) {
    // A refused connect every millisecond fills the queue of events that nobody reads.
    let dealer = env.socket::<Dealer>();
    let _unread = dealer.monitor();
    dealer.set_reconnect_interval(Some(Duration::from_millis(1)));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    dealer.connect(&format!("tcp://{address}")).expect("valid");
    // Four events each: this is more than the queue holds.
    for _ in 0..1500 {
        drop(listener.accept().expect("it comes again"));
    }
    until("some were lost, and counted", || dealer.dropped_monitor_events() > 0);
}
