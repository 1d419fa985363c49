//! What a monitor tells: ours about libzmq peers, libzmq's about us.

use std::time::Duration;

use zeroring::EventKind::{
    Accepted, Closed, ConnectDelayed, ConnectRetried, Connected, Disconnected, HandshakeSucceeded,
    Listening,
};
use zeroring::{Dealer, EventKind, Monitor, Router, Socket};

use crate::peer::{Libzmq, Peer};
use crate::support::{DEADLINE, Env};

everywhere! { our_listener_tells, our_connector_tells, their_connector_tells, their_listener_tells }

fn kinds_until(events: &mut Monitor, last: EventKind) -> Vec<EventKind> {
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        match events.next_timeout(DEADLINE) {
            Some(event) => seen.push(event.kind()),
            None => panic!("no {last:?} came, only {seen:?}"),
        }
    }
    seen
}

fn our_listener_tells(env: &Env) {
    let router: Socket<Router> = env.context.socket().expect("a socket");
    let mut events = router.monitor();
    let endpoint = router.bind(&env.endpoint("listener")).expect("free");
    let peer = Peer::start(Libzmq::Bundled, "source --type DEALER", "connect", &endpoint);
    peer.finish();
    let wanted = [Listening, Accepted, HandshakeSucceeded, Disconnected];
    assert_eq!(kinds_until(&mut events, Disconnected), wanted);
    router.unbind(&endpoint).expect("bound");
    assert_eq!(kinds_until(&mut events, Closed), [Closed]);
}

fn our_connector_tells(env: &Env) {
    let dealer: Socket<Dealer> = env.context.socket().expect("a socket");
    dealer.set_linger(Some(Duration::ZERO));
    dealer.set_reconnect_interval(Some(Duration::from_millis(5)));
    let mut events = dealer.monitor();
    let peer = Peer::start(
        Libzmq::Bundled,
        "echo --type ROUTER --count 0",
        "bind",
        &env.endpoint("connector"),
    );
    dealer.connect(&peer.endpoint).expect("valid");
    let mut seen = kinds_until(&mut events, HandshakeSucceeded);
    seen.retain(|kind| *kind != ConnectDelayed); // as the kernel pleases
    assert_eq!(seen, [Connected, HandshakeSucceeded]);
    peer.kill();
    assert_eq!(kinds_until(&mut events, ConnectRetried), [Disconnected, ConnectRetried]);
}

/// The names in a peer's EVENT lines.
fn names(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.strip_prefix("EVENT ")?.split(' ').next()).collect()
}

fn their_connector_tells(env: &Env) {
    let router: Socket<Router> = env.context.socket().expect("a socket");
    let endpoint = router.bind(&env.endpoint("theirs")).expect("free");
    let theirs = "monitor --type DEALER --count 0 --until DISCONNECTED";
    let mut peer = Peer::start(Libzmq::Bundled, theirs, "connect", &endpoint);
    peer.await_line("EVENT HANDSHAKE_SUCCEEDED");
    drop(router);
    let lines = peer.finish();
    let mut names = names(&lines);
    names.retain(|name| *name != "CONNECT_DELAYED");
    assert_eq!(names, ["CONNECTED", "HANDSHAKE_SUCCEEDED", "DISCONNECTED"]);
}

fn their_listener_tells(env: &Env) {
    let theirs = "monitor --type ROUTER --count 0 --until DISCONNECTED";
    let mut peer = Peer::start(Libzmq::Bundled, theirs, "bind", &env.endpoint("theirs"));
    let dealer: Socket<Dealer> = env.context.socket().expect("a socket");
    dealer.connect(&peer.endpoint).expect("valid");
    peer.await_line("EVENT HANDSHAKE_SUCCEEDED");
    drop(dealer);
    let lines = peer.finish();
    assert_eq!(names(&lines), ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED", "DISCONNECTED"]);
}
