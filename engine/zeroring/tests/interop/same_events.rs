//! In the same situation our monitor tells what libzmq's tells: kinds in order, values, addresses. Each situation is
//! played twice, with libzmq on the watched side and with us.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use zeroring::DriverChoice::Auto;
use zeroring::SocketType::{self, Dealer, Pub, Rep, Req};
use zeroring::{AnySocket, Event, EventKind, Monitor, What};

use crate::peer::{Libzmq, Peer};
use crate::support::{DEADLINE, Env, Via, at_once, run};

everywhere! {
    a_refused_connect, a_failed_bind, the_end_of_a_listener, the_end_of_a_socket, incompatible_types, a_killed_peer,
    a_refused_peer, a_stranger_who_goes, a_stranger_who_is_silent, another_mechanism, a_peer_with_another_mechanism,
    an_authentication_that_fails, a_stranger_with_another_mechanism, a_stranger_of_a_wrong_type,
    a_stranger_who_talks_nonsense
}

/// What both can tell: libzmq's name, value and one address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    name: String,
    value: u32,
    address: String,
}

impl Told {
    /// From a line of the peer's: `EVENT NAME VALUE ADDRESS`.
    fn by_peer(line: &str, endpoint: &str) -> Option<Self> {
        let words: Vec<_> = line.strip_prefix("EVENT ")?.split(' ').collect();
        let address = place(words[2].trim_matches('-'), endpoint);
        Some(Self {
            name: words[0].to_owned(),
            value: words[1].parse().expect("a number"),
            address,
        })
    }

    /// Of an event of ours, with the one address that libzmq would name.
    fn by_us(event: &Event, endpoint: &str, we_bind: bool) -> Self {
        let address = if we_bind { &event.local_endpoint } else { &event.remote_endpoint };
        let name = snake(&format!("{:?}", event.kind()));
        Self { name, value: value(&event.what), address: place(address, endpoint) }
    }
}

/// `HERE` for the endpoint of the situation, which differs from run to run. libzmq leaves the transport out where a bind
/// fails.
fn place(address: &str, endpoint: &str) -> String {
    let bare =
        |text: &str| text.trim_start_matches("tcp://").trim_start_matches("ipc://").to_owned();
    if bare(address) == bare(endpoint) { "HERE".to_owned() } else { address.to_owned() }
}

/// `HandshakeSucceeded` as `HANDSHAKE_SUCCEEDED`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(letter.to_uppercase());
    }
    out
}

fn value(what: &What) -> u32 {
    match *what {
        What::Connected { fd }
        | What::Listening { fd }
        | What::Accepted { fd }
        | What::Closed { fd }
        | What::Disconnected { fd } => fd as u32,
        What::ConnectDelayed { errno }
        | What::BindFailed { errno }
        | What::AcceptFailed { errno }
        | What::CloseFailed { errno }
        | What::HandshakeFailedNoDetail { errno } => errno as u32,
        What::ConnectRetried { wait } => wait.as_millis() as u32,
        What::HandshakeFailedProtocol { code } => code,
        What::HandshakeFailedAuth { status } => status,
        _ => 0,
    }
}

/// Milliseconds between attempts, for both.
const RETRY_MS: u32 = 20;

#[track_caller]
fn assert_same(ours: &[Told], theirs: &[Told]) {
    // Whether a connect is delayed is up to the kernel and the moment.
    let told = |all: &[Told]| {
        all.iter().filter(|told| told.name != "CONNECT_DELAYED").cloned().collect::<Vec<_>>()
    };
    let (ours, theirs) = (told(ours), told(theirs));
    let names = |all: &[Told]| all.iter().map(|told| told.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs), "ours {ours:#?}, theirs {theirs:#?}");
    let all_ours = &ours;
    for (ours, theirs) in all_ours.iter().zip(&theirs) {
        assert_eq!(ours.address, theirs.address, "{ours:?} {theirs:?}");
        match ours.name.as_str() {
            // Nobody was ever told the descriptor of a failed attempt: we do not name it.
            "CLOSED" if ours.value == u32::MAX => {
                let is_listener = |told: &Told| told.name == "LISTENING";
                assert!(!all_ours.iter().any(is_listener), "{all_ours:?}");
            }
            "CONNECTED" | "LISTENING" | "ACCEPTED" | "CLOSED" | "DISCONNECTED" => {
                assert!((1..4096).contains(&ours.value), "a descriptor: {ours:?} {theirs:?}");
            }
            "CONNECT_RETRIED" => {
                let waits = RETRY_MS..2 * RETRY_MS;
                assert!(waits.contains(&ours.value), "{ours:?} {theirs:?}");
                assert!(waits.contains(&theirs.value), "{ours:?} {theirs:?}");
            }
            "ACCEPT_FAILED" => {} // of a filter's refusal there is no error number; libzmq tells any
            _ => assert_eq!(ours.value, theirs.value, "{ours:?} {theirs:?}"),
        }
    }
}

/// A socket of ours that is watched.
fn watched(env: &Env, kind: SocketType) -> (AnySocket, Monitor) {
    let socket = env.context.any_socket(kind).expect("a socket");
    socket.set_linger(Some(Duration::ZERO));
    socket.set_reconnect_interval(Some(Duration::from_millis(RETRY_MS.into())));
    let events = socket.monitor();
    (socket, events)
}

/// Our events up to the `times`th of kind `last`.
fn ours_until(
    events: &mut Monitor,
    last: EventKind,
    times: usize,
    endpoint: &str,
    we_bind: bool,
) -> Vec<Told> {
    let mut told = Vec::new();
    let mut left = times;
    while left > 0 {
        let Some(event) = events.next_timeout(DEADLINE) else {
            panic!("no {last:?} came, only {told:?}");
        };
        left -= usize::from(event.kind() == last);
        told.push(Told::by_us(&event, endpoint, we_bind));
    }
    told
}

/// A libzmq peer that watches itself until an event.
fn watcher(role: &str, until: &str, attach: &str, endpoint: &str) -> Peer {
    let role = format!(
        "monitor --count 0 --linger-ms 0 --reconnect-ivl {RETRY_MS} {role} --until {until}"
    );
    Peer::start(Libzmq::Bundled, &role, attach, endpoint)
}

fn told_by(peer: Peer, endpoint: &str) -> Vec<Told> {
    peer.finish().iter().filter_map(|line| Told::by_peer(line, endpoint)).collect()
}

/// An endpoint that nobody listens at, and nobody will.
fn dead(env: &Env) -> String {
    match env.via {
        Via::Tcp => "tcp://127.0.0.1:1".to_owned(),
        Via::Ipc => env.endpoint("dead"),
    }
}

fn a_refused_connect(env: &Env) {
    let endpoint = dead(env);
    let peer =
        watcher("--type DEALER --times 2 --ending stop", "CONNECT_RETRIED", "connect", &endpoint);
    let (socket, mut events) = watched(env, Dealer);
    socket.connect(&endpoint).expect("valid");
    let mut ours = ours_until(&mut events, EventKind::ConnectRetried, 2, &endpoint, false);
    socket.stop_monitor();
    let end = ours_until(&mut events, EventKind::MonitorStopped, 1, &endpoint, false);
    ours.extend(end.last().cloned());
    let mut theirs = told_by(peer, &endpoint);
    // There may have been another attempt before the end.
    let second = theirs.iter().enumerate().filter(|(_, told)| told.name == "CONNECT_RETRIED");
    let second = second.map(|(index, _)| index).nth(1).expect("two attempts");
    theirs.drain(second + 1..theirs.len() - 1);
    assert_same(&ours, &theirs);
}

fn a_failed_bind(env: &Env) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = match env.via {
        Via::Tcp => format!("tcp://{}", taken.local_addr().expect("bound")),
        Via::Ipc => env.endpoint("no/such/folder"),
    };
    let peer = watcher("--type REP --ending stop", "BIND_FAILED", "bind", &endpoint);
    let (socket, mut events) = watched(env, Rep);
    socket.bind(&endpoint).expect_err("taken, or nowhere");
    socket.stop_monitor();
    let ours = ours_until(&mut events, EventKind::MonitorStopped, 1, &endpoint, true);
    assert_same(&ours, &told_by(peer, &endpoint));
}

fn the_end_of_a_listener(env: &Env) {
    let peer = watcher("--type REP --ending unbind", "LISTENING", "bind", &env.endpoint("theirs"));
    let (socket, mut events) = watched(env, Rep);
    let endpoint = socket.bind(&env.endpoint("ours")).expect("free");
    socket.unbind(&endpoint).expect("bound");
    let ours = ours_until(&mut events, EventKind::Closed, 1, &endpoint, true);
    let endpoint = peer.endpoint.clone();
    assert_same(&ours, &told_by(peer, &endpoint));
}

fn the_end_of_a_socket(env: &Env) {
    let peer = watcher("--type REP --ending close", "LISTENING", "bind", &env.endpoint("theirs"));
    let (socket, mut events) = watched(env, Rep);
    let endpoint = socket.bind(&env.endpoint("ours")).expect("free");
    drop(socket);
    let ours = ours_until(&mut events, EventKind::MonitorStopped, 1, &endpoint, true);
    let endpoint = peer.endpoint.clone();
    assert_same(&ours, &told_by(peer, &endpoint));
}

/// What a listener and a connector of libzmq's tell about each other.
fn reference(env: &Env, listener: &str, connector: &str, last: &str) -> [Vec<Told>; 2] {
    let bound = watcher(listener, last, "bind", &env.endpoint("reference"));
    let endpoint = bound.endpoint.clone();
    let connected = watcher(connector, last, "connect", &endpoint);
    [told_by(bound, &endpoint), told_by(connected, &endpoint)]
}

/// What we tell as the listener, and what a connector of libzmq's tells about us.
fn we_listen(
    env: &Env,
    (socket, mut events): (AnySocket, Monitor),
    connector: &str,
    last: EventKind,
) -> [Vec<Told>; 2] {
    let endpoint = socket.bind(&env.endpoint("listener")).expect("free");
    let peer = watcher(connector, &snake(&format!("{last:?}")), "connect", &endpoint);
    let ours = ours_until(&mut events, last, 1, &endpoint, true);
    [ours, told_by(peer, &endpoint)]
}

/// What a listener of libzmq's tells about us, and what we tell as the connector.
fn we_connect(
    env: &Env,
    (socket, mut events): (AnySocket, Monitor),
    listener: &str,
    last: EventKind,
) -> [Vec<Told>; 2] {
    let peer = watcher(listener, &snake(&format!("{last:?}")), "bind", &env.endpoint("connector"));
    let endpoint = peer.endpoint.clone();
    socket.connect(&endpoint).expect("valid");
    let ours = ours_until(&mut events, last, 1, &endpoint, false);
    [told_by(peer, &endpoint), ours]
}

#[track_caller]
fn assert_both_same(ours: &[Vec<Told>; 2], theirs: &[Vec<Told>; 2]) {
    assert_same(&ours[0], &theirs[0]);
    assert_same(&ours[1], &theirs[1]);
}

/// Where both sides find the fault at the same time, the slower one may find a closed connection instead: what it then
/// tells is left out. The strangers below, who wait, show that the fault has its own name.
#[track_caller]
fn assert_both_same_but_for_speed(ours: [Vec<Told>; 2], theirs: [Vec<Told>; 2]) {
    let settle = |sides: [Vec<Told>; 2]| {
        sides.map(|mut told| {
            told.retain(|told| match told.name.as_str() {
                "HANDSHAKE_FAILED_NO_DETAIL" => ![EPIPE, ECONNRESET].contains(&told.value),
                "HANDSHAKE_FAILED_PROTOCOL" => told.value != MECHANISM_MISMATCH,
                _ => true,
            });
            told
        })
    };
    assert_both_same(&settle(ours), &settle(theirs));
}

const EPIPE: u32 = 32;
const ECONNRESET: u32 = 104;
const MECHANISM_MISMATCH: u32 = 0x1100_0002;

fn incompatible_types(env: &Env) {
    let [rep, publisher] = ["--type REP", "--type PUB"];
    let theirs = reference(env, rep, publisher, "DISCONNECTED");
    let ended = EventKind::Disconnected;
    let ours = we_listen(env, watched(env, Rep), publisher, ended);
    assert_both_same_but_for_speed(ours, theirs.clone());
    let ours = we_connect(env, watched(env, Pub), rep, ended);
    assert_both_same_but_for_speed(ours, theirs);
}

/// We know NULL only; the peer is a PLAIN server.
fn another_mechanism(env: &Env) {
    let [rep, req] = ["--type REP --plain-server 1", "--type REQ"];
    let theirs = reference(env, rep, req, "DISCONNECTED");
    let ours = we_connect(env, watched(env, Req), rep, EventKind::Disconnected);
    assert_both_same_but_for_speed(ours, theirs);
}

/// The peer is a PLAIN client.
fn a_peer_with_another_mechanism(env: &Env) {
    let [rep, req] = ["--type REP", "--type REQ --plain-username me --plain-password secret"];
    let theirs = reference(env, rep, req, "DISCONNECTED");
    let ours = we_listen(env, watched(env, Rep), req, EventKind::Disconnected);
    assert_both_same_but_for_speed(ours, theirs);
}

fn an_authentication_that_fails(env: &Env) {
    let req = "--type REQ";
    for status in ["400", "500"] {
        let rep = format!("--type REP --zap-domain global --zap-status {status}");
        let theirs = reference(env, &rep, req, "DISCONNECTED");
        let ours = we_connect(env, watched(env, Req), &rep, EventKind::Disconnected);
        assert_both_same(&ours, &theirs);
    }
}

/// A connector whose peer's process is killed.
fn a_killed_peer(env: &Env) {
    let listener = |name: &str| {
        let never = "monitor --type REP --count 0";
        Peer::start(Libzmq::Bundled, never, "bind", &env.endpoint(name))
    };
    let bound = listener("theirs");
    let endpoint = bound.endpoint.clone();
    let mut peer = watcher("--type REQ", "CONNECT_RETRIED", "connect", &endpoint);
    peer.await_line("EVENT HANDSHAKE_SUCCEEDED");
    bound.kill();
    let theirs = told_by(peer, &endpoint);

    let bound = listener("ours");
    let endpoint = bound.endpoint.clone();
    let (socket, mut events) = watched(env, Req);
    socket.connect(&endpoint).expect("valid");
    let mut ours = ours_until(&mut events, EventKind::HandshakeSucceeded, 1, &endpoint, false);
    bound.kill();
    ours.extend(ours_until(&mut events, EventKind::ConnectRetried, 1, &endpoint, false));
    assert_same(&ours, &theirs);
}

/// A listener's filter turns the peer away.
fn a_refused_peer(env: &Env) {
    let filter = match env.via {
        Via::Tcp => "--tcp-accept-filter 10.1.2.3",
        Via::Ipc => "--ipc-filter-uid 54321",
    };
    let listener =
        watcher(&format!("--type REP {filter}"), "ACCEPT_FAILED", "bind", &env.endpoint("theirs"));
    let endpoint = listener.endpoint.clone();
    let stranger = Stranger::new(&endpoint);
    let theirs = told_by(listener, &endpoint);
    drop(stranger);

    let (socket, mut events) = watched(env, Rep);
    match env.via {
        Via::Tcp => socket.add_tcp_accept_filter("10.1.2.3").expect("an address"),
        Via::Ipc => socket.set_ipc_filters([54_321], [], []),
    }
    let endpoint = socket.bind(&env.endpoint("ours")).expect("free");
    let _stranger = Stranger::new(&endpoint);
    let ours = ours_until(&mut events, EventKind::AcceptFailed, 1, &endpoint, true);
    assert_same(&ours, &theirs);
}

/// Somebody who connects and writes by hand.
enum Stranger {
    Tcp(TcpStream),
    Ipc(UnixStream),
}

impl Stranger {
    fn new(endpoint: &str) -> Self {
        match endpoint.split_once("://").expect("an endpoint") {
            ("tcp", address) => Self::Tcp(TcpStream::connect(address).expect("listening")),
            (_, path) => Self::Ipc(UnixStream::connect(path).expect("listening")),
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Ipc(stream) => stream.write_all(bytes),
        }
        .expect("room");
    }
}

/// The greeting of ZMTP 3.0 with this mechanism.
fn greeting(mechanism: &str) -> Vec<u8> {
    let mut greeting = vec![0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..12 + mechanism.len()].copy_from_slice(mechanism.as_bytes());
    greeting
}

/// What a listener tells of a stranger who says this and then goes or stays.
fn of_a_stranger(env: &Env, handshake_ms: u64, says: &[u8], stays: bool) -> [Vec<Told>; 2] {
    let visit = |endpoint: &str| {
        let mut stranger = Stranger::new(endpoint);
        stranger.say(says);
        Some(stranger).filter(|_| stays)
    };
    let role = format!("--type REP --handshake-ivl {handshake_ms}");
    let listener = watcher(&role, "DISCONNECTED", "bind", &env.endpoint("theirs"));
    let endpoint = listener.endpoint.clone();
    let visitor = visit(&endpoint);
    let theirs = told_by(listener, &endpoint);
    drop(visitor);

    let (socket, mut events) = watched(env, Rep);
    socket.set_handshake_interval(Some(Duration::from_millis(handshake_ms)));
    let endpoint = socket.bind(&env.endpoint("ours")).expect("free");
    let _visitor = visit(&endpoint);
    [ours_until(&mut events, EventKind::Disconnected, 1, &endpoint, true), theirs]
}

/// Gone, or too slow: libzmq's error numbers are what was left over, and ours need not be the same.
fn without_error_numbers(told: Vec<Told>) -> Vec<Told> {
    let is_vague = |told: &Told| told.name == "HANDSHAKE_FAILED_NO_DETAIL";
    told.into_iter()
        .map(|told| if is_vague(&told) { Told { value: 0, ..told } } else { told })
        .collect()
}

fn a_stranger_who_goes(env: &Env) {
    let [ours, theirs] = of_a_stranger(env, 30_000, b"", false).map(without_error_numbers);
    assert_same(&ours, &theirs);
}

fn a_stranger_who_is_silent(env: &Env) {
    let [ours, theirs] = of_a_stranger(env, 100, b"", true).map(without_error_numbers);
    assert_same(&ours, &theirs);
}

fn a_stranger_with_another_mechanism(env: &Env) {
    let [ours, theirs] = of_a_stranger(env, 30_000, &greeting("PLAIN"), true);
    assert_same(&ours, &theirs);
    assert!(ours.iter().any(|told| told.value == MECHANISM_MISMATCH), "{ours:?}");
}

fn a_stranger_of_a_wrong_type(env: &Env) {
    let ready = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB";
    let says = [&greeting("NULL"), &ready[..]].concat();
    let [ours, theirs] = of_a_stranger(env, 30_000, &says, true);
    assert_same(&ours, &theirs);
}

/// A command that is none.
fn a_stranger_who_talks_nonsense(env: &Env) {
    let says = [&greeting("NULL"), &b"\x04\x06\x05READX"[..]].concat();
    let [ours, theirs] = of_a_stranger(env, 30_000, &says, true);
    assert_same(&ours, &theirs);
}

/// The system's libzmq tells the same about us as the one that comes with pyzmq.
#[test]
fn system() {
    at_once([Via::Tcp, Via::Ipc], |via| {
        run(via, Auto, |env| {
            let told = |libzmq| {
                let (socket, mut events) = watched(env, Rep);
                let endpoint = socket.bind(&env.endpoint("system")).expect("free");
                let theirs =
                    "monitor --type REQ --count 0 --until CONNECT_RETRIED --reconnect-ivl 20";
                let mut peer = Peer::start(libzmq, theirs, "connect", &endpoint);
                peer.await_line("EVENT HANDSHAKE_SUCCEEDED");
                ours_until(&mut events, EventKind::HandshakeSucceeded, 1, &endpoint, true);
                drop(socket);
                told_by(peer, &endpoint)
            };
            assert_same(&told(Libzmq::System), &told(Libzmq::Bundled));
        });
    });
}
