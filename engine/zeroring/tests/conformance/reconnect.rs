//! Connections that are lost, refused, or lost a thousand times.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use zeroring::socket::options::connections::ReconnectStop;
use zeroring::{Dealer, EventKind, Pub, Pull, Push, Rep, Req, What};

use crate::support::{DEADLINE, Env, await_event, recv, recv_all, text, until};

cases! {
    net {
        messages_wait_for_the_server_to_come_back, a_killed_peer_is_noticed_and_replaced, a_killed_server_frees_its_address,
        a_request_is_not_repeated, immediate_forgets_what_was_queued, no_interval_means_never_again,
        a_lost_connection_leaves_what_was_received, an_offender_gets_no_messages,
        with_no_interval_a_lost_connection_is_forgotten, nobody_lingers_for_an_endpoint_given_up
    }
    ipc { a_disconnect_can_end_it }
    tcp {
        a_thousand_reconnects, waits_follow_the_options, refusals_can_end_it, a_failed_handshake_can_end_it
    }
}

fn messages_wait_for_the_server_to_come_back(env: &Env) {
    let endpoint = env.free_endpoint();
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    for round in 0..5 {
        push.send(format!("{round}")).expect("a queue");
        let pull = env.socket::<Pull>();
        pull.bind(&endpoint).expect("the last one is gone");
        assert_eq!(text(&recv(&pull)), round.to_string());
        let mut events = push.monitor();
        drop(pull);
        await_event(&mut events, EventKind::Disconnected);
    }
}

/// The example server, in a process of its own that can be killed.
struct Server(Child);

impl Server {
    /// Starts it, and waits until it is bound.
    fn start(endpoint: &str) -> Self {
        let mut child = Command::new(example("greeting_server"))
            .args([endpoint, "1000000"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example is built");
        let mut said = String::new();
        let output = child.stdout.as_mut().expect("piped");
        BufReader::new(output).read_line(&mut said).expect("it speaks");
        assert_eq!(said, format!("READY {endpoint}\n"));
        Self(child)
    }

    fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

/// Examples are built beside the test programs.
fn example(name: &str) -> std::path::PathBuf {
    let own = std::env::current_exe().expect("a path");
    own.parent()
        .and_then(|deps| deps.parent())
        .expect("target/debug/deps")
        .join("examples")
        .join(name)
}

fn a_killed_peer_is_noticed_and_replaced(env: &Env) {
    let endpoint = env.free_endpoint();
    let req = env.socket::<Req>();
    req.set_req_relaxed(true);
    req.set_req_correlate(true);
    req.connect(&endpoint).expect("valid");
    for _ in 0..3 {
        let server = Server::start(&endpoint);
        req.send("Hello").expect("a queue");
        assert_eq!(recv(&req), "World");
        let mut events = req.monitor();
        server.kill();
        await_event(&mut events, EventKind::Disconnected);
    }
}

/// The kernel clears up an io_uring a moment after its process; the listener must not wait for that.
fn a_killed_server_frees_its_address(env: &Env) {
    let endpoint = env.free_endpoint();
    let req = env.socket::<Req>();
    req.set_req_relaxed(true);
    req.connect(&endpoint).expect("valid");
    for _ in 0..20 {
        Server::start(&endpoint).kill();
    }
}

fn a_request_is_not_repeated(env: &Env) {
    let (rep, endpoint) = env.bound::<Rep>();
    let req = env.socket::<Req>();
    env.join(&rep, &req, &endpoint);
    req.send("once").expect("its turn");
    assert_eq!(recv(&rep), "once");
    let mut events = req.monitor();
    drop(rep);
    await_event(&mut events, EventKind::Disconnected);
    let rep = env.socket::<Rep>();
    rep.bind(&endpoint).expect("the last one is gone");
    await_event(&mut events, EventKind::HandshakeSucceeded);
    crate::support::assert_quiet(&rep);
    assert!(req.try_send("still waiting for the reply").is_err());
}

fn immediate_forgets_what_was_queued(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let push = env.socket::<Push>();
    push.set_immediate(true);
    env.join(&pull, &push, &endpoint);
    let mut events = push.monitor();
    drop(pull);
    await_event(&mut events, EventKind::Disconnected);
    until("the pipe is gone", || push.try_send("nobody").is_err());
    let pull = env.socket::<Pull>();
    pull.bind(&endpoint).expect("the last one is gone");
    push.send_timeout("to the new one", DEADLINE).expect("it came back");
    assert_eq!(recv(&pull), "to the new one");
}

fn no_interval_means_never_again(env: &Env) {
    let push = env.socket::<Push>();
    push.set_reconnect_interval(None);
    let mut events = push.monitor();
    push.connect(&env.free_endpoint()).expect("valid");
    await_event(&mut events, EventKind::Closed);
    assert_eq!(events.next_timeout(crate::support::QUIET * 4), None);
}

fn a_lost_connection_leaves_what_was_received(env: &Env) {
    let (dealer, endpoint) = env.bound::<Dealer>();
    let peer = env.socket::<Dealer>();
    peer.set_linger(None);
    env.join(&dealer, &peer, &endpoint);
    let mut events = dealer.monitor();
    for number in 0..10 {
        peer.send_multipart([format!("{number}"), "x".to_owned()]).expect("room");
    }
    drop(peer);
    await_event(&mut events, EventKind::Disconnected);
    for number in 0..10 {
        assert_eq!(recv_all(&dealer), [number.to_string(), "x".to_owned()]);
    }
    until("its pipe is gone", || !dealer.readiness().expect("alive").writable);
}

fn a_thousand_reconnects(env: &Env) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let push = env.socket::<Push>();
    push.set_reconnect_interval(Some(Duration::from_millis(1)));
    push.connect(&format!("tcp://{address}")).expect("valid");
    push.send("patience").expect("a queue");
    for _ in 0..1000 {
        drop(listener.accept().expect("it comes again"));
    }
    drop(listener);
    let pull = env.socket::<Pull>();
    until("the port is free", || pull.bind(&format!("tcp://{address}")).is_ok());
    assert_eq!(recv(&pull), "patience");
    assert!(env.context.stats().links <= 2, "{:?}", env.context.stats());
}

fn waits_follow_the_options(env: &Env) {
    let push = env.socket::<Push>();
    push.set_reconnect_interval(Some(Duration::from_millis(10)));
    push.set_reconnect_interval_max(Some(Duration::from_millis(50)));
    let mut events = push.monitor_only(&[EventKind::ConnectRetried]);
    push.connect(&env.free_endpoint()).expect("valid");
    let start = Instant::now();
    let waits: Vec<_> = (0..5)
        .map(|_| match events.next_timeout(DEADLINE).expect("it tries again").what {
            What::ConnectRetried { wait } => wait.as_millis(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(waits, [10, 20, 40, 50, 50]);
    assert!(start.elapsed() >= Duration::from_millis(120), "the waits are kept");

    let jittery = env.socket::<Push>();
    jittery.set_reconnect_interval(Some(Duration::from_millis(10)));
    let mut events = jittery.monitor_only(&[EventKind::ConnectRetried]);
    jittery.connect(&env.free_endpoint()).expect("valid");
    for _ in 0..5 {
        let event = events.next_timeout(DEADLINE).expect("it tries again");
        let What::ConnectRetried { wait } = event.what else { panic!("{event:?}") };
        assert!((10..20).contains(&wait.as_millis()), "{wait:?}");
    }
}

fn refusals_can_end_it(env: &Env) {
    let push = env.socket::<Push>();
    push.set_reconnect_stop(ReconnectStop::CONN_REFUSED);
    let mut events = push.monitor();
    let endpoint = env.free_endpoint();
    push.connect(&endpoint).expect("valid");
    await_event(&mut events, EventKind::Closed);
    assert_eq!(events.next_timeout(crate::support::QUIET * 2), None);
    until("its pipe is gone", || push.try_send("nobody").is_err());
    push.disconnect(&endpoint).expect_err("forgotten");
}

fn a_failed_handshake_can_end_it(env: &Env) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("bound"));
    let push = env.socket::<Push>();
    push.set_reconnect_stop(ReconnectStop::HANDSHAKE_FAILED);
    let mut events = push.monitor();
    push.connect(&endpoint).expect("valid");
    drop(listener.accept().expect("it comes")); // leaves in the middle of the handshake
    await_event(&mut events, EventKind::Disconnected);
    assert_eq!(events.next_timeout(crate::support::QUIET), None, "it does not come back");
    until("its pipe is gone", || push.try_send("nobody").is_err());
    push.disconnect(&endpoint).expect("registered, but dead");
}

fn a_disconnect_can_end_it(env: &Env) {
    let push = env.socket::<Push>();
    push.set_linger(None);
    push.set_reconnect_stop(ReconnectStop::AFTER_DISCONNECT);
    let endpoint = env.free_endpoint();
    push.connect(&endpoint).expect("valid");
    push.send("to nobody").expect("a queue");
    push.disconnect(&endpoint).expect("connected");
    until("it is given up", || env.context.stats().links == 0);
}

/// A peer that is no match: the connection ends for good, and nothing may be queued for it.
fn an_offender_gets_no_messages(env: &Env) {
    let (_publisher, wrong) = env.bound::<Pub>();
    let (pull, right) = env.bound::<Pull>();
    let push = env.socket::<Push>();
    push.set_linger(None); // what is queued for a peer given up must not hold up the end either
    let mut events = push.monitor();
    push.connect(&wrong).expect("valid");
    let _ = push.try_send("lost"); // unless it is over already
    await_event(&mut events, EventKind::Disconnected);
    until("its pipe is gone", || push.try_send("lost").is_err());
    push.connect(&right).expect("valid");
    for number in 0..10 {
        push.send(number.to_string()).expect("a queue");
    }
    for number in 0..10 {
        assert_eq!(text(&recv(&pull)), number.to_string());
    }
    push.disconnect(&wrong).expect("registered, but dead");
}

fn with_no_interval_a_lost_connection_is_forgotten(env: &Env) {
    let (dealer, endpoint) = env.bound::<Dealer>();
    let peer = env.socket::<Dealer>();
    peer.set_reconnect_interval(None);
    peer.set_send_hwm(0); // refused only where there is nobody, and never because a queue is full
    env.join(&dealer, &peer, &endpoint);
    dealer.send("the last one").expect("room");
    let mut events = peer.monitor();
    dealer.unbind(&endpoint).expect("bound");
    await_event(&mut events, EventKind::Disconnected);
    until("nothing is queued for it", || peer.try_send("nobody").is_err());
    assert_eq!(recv(&peer), "the last one");
    let other = env.socket::<Dealer>();
    until("the address is free", || other.bind(&endpoint).is_ok());
    peer.connect(&endpoint).expect("a DEALER connects once to a text, and this one was forgotten");
    peer.send("here again").expect("a queue");
    assert_eq!(recv(&other), "here again");
    other.unbind(&endpoint).expect("bound");
    await_event(&mut events, EventKind::Disconnected);
    until("nothing is queued for it", || peer.try_send("nobody").is_err());
    peer.disconnect(&endpoint).expect_err("forgotten");
}

fn nobody_lingers_for_an_endpoint_given_up(env: &Env) {
    // The first attempt fails and is not repeated: the pipe queues, and ends with its socket.
    for queued_first in [false, true] {
        let push = env.socket::<Push>();
        push.set_linger(None);
        push.set_reconnect_interval(None);
        let mut events = push.monitor();
        push.connect(&env.free_endpoint()).expect("valid");
        if !queued_first {
            await_event(&mut events, EventKind::Closed);
        }
        push.send("to nobody").expect("a queue");
        drop(push);
        until("nothing lingers", || env.context.stats().links == 0);
    }
}
