//! Heartbeats: a side that falls silent is found by the other, one that is only quiet, busy or slow is left in peace.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::Signal;
use zeroring::DriverChoice::{Auto, Epoll, Uring};
use zeroring::SocketType::{self, Pair, Pub, Pull, Push, Rep, Req, Sub, XPub, XSub};
use zeroring::{AnySocket, Context, Dealer, EventKind, Router, Socket};

use crate::content::Content;
use crate::peer::{Libzmq, Peer};
use crate::roles::Does::{Echo, Sink, Source};
use crate::roles::Ours;
use crate::support::{DEADLINE, Env, Via, at_once, await_event, run};

everywhere! {
    a_frozen_peer_is_noticed_and_comes_back, our_answers_keep_a_quiet_peer, a_peer_sees_us_alive_in_silence,
    quiet_peers_keep_each_other, frozen_peers_are_noticed, peers_notice_that_we_are_frozen,
    a_peer_names_the_time_it_may_be_silent, we_name_the_time_we_may_be_silent, a_busy_application_is_not_dead
}

/// Our type and libzmq's, one pair of each pattern and direction.
const PAIRS: [(SocketType, &str); 9] = [
    (Push, "PULL"),
    (Pull, "PUSH"),
    (Pub, "SUB"),
    (Sub, "PUB"),
    (XPub, "XSUB"),
    (XSub, "XPUB"),
    (Pair, "PAIR"),
    (Req, "REP"),
    (SocketType::Dealer, "ROUTER"),
];

const INTERVAL: Duration = Duration::from_millis(30);

/// One of PAIRS with a fresh socket of ours, an options string of heartbeats for the peer, and who binds.
fn each_pair(env: &Env, test: impl Fn(&AnySocket, &str, bool, &str) + Sync) {
    at_once(PAIRS.iter().enumerate(), |(index, (kind, theirs))| {
        let socket = env.context.any_socket(*kind).expect("a socket");
        socket.set_linger(Some(Duration::ZERO));
        // Each pair both ways round over the transports.
        let we_bind = (index % 2 == 0) == (env.via == Via::Tcp);
        let role = format!("monitor --type {theirs} --count 0 --linger-ms 0");
        test(&socket, &role, we_bind, &format!("pair{index}"));
    });
}

fn beat(socket: &AnySocket, timeout_ms: u64, ttl_ms: u64) {
    socket.set_heartbeat_interval(Some(INTERVAL));
    socket.set_heartbeat_timeout(Some(Duration::from_millis(timeout_ms)));
    socket.set_heartbeat_ttl(Some(Duration::from_millis(ttl_ms)));
}

/// Attaches both sides at an endpoint of this name.
fn meet(
    env: &Env,
    socket: &AnySocket,
    role: &str,
    we_bind: bool,
    name: &str,
    options: &[String],
) -> Peer {
    let endpoint = env.endpoint(name);
    if we_bind {
        let bound = socket.bind(&endpoint).expect("free");
        Peer::start_with(Libzmq::Bundled, role, "connect", &bound, options)
    } else {
        let peer = Peer::start_with(Libzmq::Bundled, role, "bind", &endpoint, options);
        socket.connect(&peer.endpoint).expect("valid");
        peer
    }
}

/// What the peer saw up to its deadline.
#[track_caller]
fn assert_kept_to_the_end(peer: Peer) {
    let lines = peer.await_deadline();
    assert!(lines.iter().any(|line| line.contains("HANDSHAKE_SUCCEEDED")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("DISCONNECTED")), "{lines:?}");
}

/// Both sides ask, answer and say how long they may be silent, and nothing else is sent for many of these times.
fn quiet_peers_keep_each_other(env: &Env) {
    each_pair(env, |socket, role, we_bind, name| {
        beat(socket, 800, 800);
        let role = format!("{role} --heartbeat-ivl 30 --heartbeat-timeout 800 --heartbeat-ttl 800");
        let mut events = socket.monitor();
        let deadline = ["--deadline-ms=2500".to_owned()];
        let peer = meet(env, socket, &role, we_bind, name, &deadline);
        await_event(&mut events, EventKind::HandshakeSucceeded);
        assert_kept_to_the_end(peer);
    });
}

fn frozen_peers_are_noticed(env: &Env) {
    each_pair(env, |socket, role, we_bind, name| {
        beat(socket, 300, 0);
        let mut events = socket.monitor();
        let peer = meet(env, socket, role, we_bind, name, &[]);
        await_event(&mut events, EventKind::HandshakeSucceeded);
        peer.signal(Signal::STOP);
        await_event(&mut events, EventKind::Disconnected);
        peer.kill();
    });
}

/// A peer that only watches finds that a process of ours is frozen. `ours` are our timeout and TTL.
fn freeze_us(env: &Env, theirs: &str, ours: [&str; 2]) {
    each_pair(env, |socket, role, we_bind, name| {
        let role = format!("{role} {theirs} --until DISCONNECTED");
        let start = |endpoint: &str| {
            let orders = [
                ("ZERORING_KIND", socket.kind().name()),
                ("ZERORING_TIMEOUT", ours[0]),
                ("ZERORING_TTL", ours[1]),
                ("ZERORING_ATTACH", if we_bind { "bind" } else { "connect" }),
                ("ZERORING_ENDPOINT", endpoint),
            ];
            Peer::ourselves("heartbeats::child", &orders)
        };
        let endpoint = env.endpoint(name);
        let (mut frozen, peer) = if we_bind {
            let frozen = start(&endpoint);
            let peer = Peer::start(Libzmq::Bundled, &role, "connect", &frozen.endpoint);
            (frozen, peer)
        } else {
            let peer = Peer::start(Libzmq::Bundled, &role, "bind", &endpoint);
            (start(&peer.endpoint), peer)
        };
        frozen.await_line("BEATEN");
        frozen.signal(Signal::STOP);
        peer.finish();
        frozen.kill();
    });
}

/// A process of ours that beats, without a word.
#[test]
#[ignore = "the process that other tests freeze"]
fn child() {
    let order = |name: &str| std::env::var(name).expect("the test that starts this gives orders");
    let number = |name| order(name).parse().expect("a number");
    let name = order("ZERORING_KIND");
    let (kind, _) = PAIRS.iter().find(|(kind, _)| kind.name() == name).expect("a kind");
    let context = Context::new();
    let socket = context.any_socket(*kind).expect("a socket");
    beat(&socket, number("ZERORING_TIMEOUT"), number("ZERORING_TTL"));
    let mut events = socket.monitor();
    let mut endpoint = order("ZERORING_ENDPOINT");
    if order("ZERORING_ATTACH") == "bind" {
        endpoint = socket.bind(&endpoint).expect("free");
    } else {
        socket.connect(&endpoint).expect("valid");
    }
    println!("\nREADY {endpoint}"); // the test harness leaves its line open
    await_event(&mut events, EventKind::HandshakeSucceeded);
    assert_eq!(events.next_timeout(INTERVAL * 10), None, "time for some beats");
    println!("BEATEN");
    let _ = std::io::stdin().read(&mut [0]); // the end of the test
}

fn peers_notice_that_we_are_frozen(env: &Env) {
    freeze_us(env, "--heartbeat-ivl 30 --heartbeat-timeout 300", ["0", "0"]);
}

/// The peer asks for nothing itself: it goes by the time in our PING.
fn we_name_the_time_we_may_be_silent(env: &Env) {
    freeze_us(env, "", ["0", "200"]);
}

/// We ask for nothing ourselves: we go by the time in the peer's PING.
fn a_peer_names_the_time_it_may_be_silent(env: &Env) {
    each_pair(env, |socket, role, we_bind, name| {
        let role = format!("{role} --heartbeat-ivl 30 --heartbeat-timeout 0 --heartbeat-ttl 200");
        let mut events = socket.monitor();
        let peer = meet(env, socket, &role, we_bind, name, &[]);
        await_event(&mut events, EventKind::HandshakeSucceeded);
        assert_eq!(events.next_timeout(INTERVAL * 10), None, "time for some beats");
        peer.signal(Signal::STOP);
        await_event(&mut events, EventKind::Disconnected);
        peer.kill();
    });
}

/// An application that has received, and so has read the connection itself, does something else for a long time. The
/// answers do not depend on it.
fn a_busy_application_is_not_dead(env: &Env) {
    let beating = "--pause --heartbeat-ivl 30 --heartbeat-timeout 800";
    let cases = [
        (Ours::new(Sink, Pull), "source --type PUSH"),
        (Ours::new(Sink, Sub), "source --type PUB"),
        (Ours::new(Echo, Rep), "request --type REQ"),
        (Ours::new(Echo, Pair), "request --type PAIR"),
    ];
    at_once(cases, |(ours, theirs)| {
        let socket = ours.socket(&env.context);
        let content = Content { messages: 1, ..Content::small() };
        let deadline = ["--count=2".to_owned(), "--deadline-ms=2500".to_owned()];
        let mut options = content.options();
        options.extend(deadline);
        let role = format!("{theirs} {beating}");
        let peer = meet(env, &socket, &role, true, &format!("busy{:?}", ours.kind), &options);
        ours.play(&socket, &content);
        assert_kept_to_the_end(peer); // it waits in vain for our end
    });
}

/// A line that lets about 4 MiB pass in a second, in front of `endpoint`.
fn slow_line(endpoint: &str) -> String {
    let to = endpoint.trim_start_matches("tcp://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let (near, _) = listener.accept().expect("a connection");
        let far = TcpStream::connect(to).expect("listening");
        let ends = (near.try_clone().expect("a socket"), far.try_clone().expect("a socket"));
        std::thread::spawn(move || pass(near, far));
        pass(ends.1, ends.0);
    });
    format!("tcp://{address}")
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..read]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(4) * (read / (16 << 10)) as u32); // the pace of the line
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// One message takes several times as long as either side waits for an answer, which cannot come in the middle of it:
/// the bytes of the message are a sign of life, too. libzmq counts only whole messages as signs, so that its side has
/// no time-out here where it receives, neither its own nor one that our PINGs ask for. (Nobody closes before the end: a PING that meets a closed socket makes the
/// kernel take back what is still on its way.)
#[test]
fn a_large_message_on_a_slow_line_is_a_sign_of_life() {
    const SLOW: Content = Content { messages: 1, sizes: &[12 << 20], parts: &[1], topic: None };
    let cases = [
        (
            Ours::new(Sink, Pull),
            "source --type PUSH --stay --heartbeat-ivl 30 --heartbeat-timeout 1500",
        ),
        (
            Ours::new(Source, Push),
            "sink --type PULL --stay --heartbeat-ivl 30 --heartbeat-timeout 0",
        ),
    ];
    at_once(
        cases.into_iter().flat_map(|case| [(case, Epoll), (case, Uring)]),
        |((ours, theirs), driver)| {
            run(Via::Tcp, driver, |env| {
                let socket = ours.socket(&env.context);
                beat(&socket, 1500, if ours.does == Sink { 1500 } else { 0 });
                let mut events = socket.monitor();
                let endpoint = slow_line(&socket.bind(&env.endpoint("slow")).expect("free"));
                let mut peer = Peer::start_with(
                    Libzmq::Bundled,
                    theirs,
                    "connect",
                    &endpoint,
                    &SLOW.options(),
                );
                ours.play(&socket, &SLOW);
                peer.await_done();
                let kinds: Vec<_> =
                    std::iter::from_fn(|| events.try_next()).map(|e| e.kind()).collect();
                let accepted = kinds.iter().filter(|kind| **kind == EventKind::Accepted).count();
                assert_eq!(accepted, 1, "{kinds:?}");
            });
        },
    );
}

/// The system's libzmq, too, finds us frozen and is found frozen.
#[test]
fn system() {
    at_once([Via::Tcp, Via::Ipc], |via| {
        run(via, Auto, |env| {
            let dealer = env.context.any_socket(SocketType::Dealer).expect("a socket");
            beat(&dealer, 300, 300);
            dealer.set_linger(Some(Duration::ZERO));
            let mut events = dealer.monitor();
            let theirs = "monitor --type ROUTER --until DISCONNECTED --count 0 \
                          --heartbeat-ivl 30 --heartbeat-timeout 300";
            let endpoint = dealer.bind(&env.endpoint("system")).expect("free");
            let mut peer = Peer::start(Libzmq::System, theirs, "connect", &endpoint);
            peer.await_line("EVENT HANDSHAKE_SUCCEEDED");
            await_event(&mut events, EventKind::HandshakeSucceeded);
            assert_eq!(events.next_timeout(INTERVAL * 20), None, "each hears the other");
            peer.signal(Signal::STOP);
            await_event(&mut events, EventKind::Disconnected);
            peer.signal(Signal::CONT);
            peer.finish();
        });
    });
}

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
                  --heartbeat-ivl 30 --heartbeat-timeout 500";
    let deadline = ["--deadline-ms=1500".to_owned()];
    let peer = Peer::start_with(Libzmq::Bundled, theirs, "connect", &endpoint, &deadline);
    assert_kept_to_the_end(peer);
}

/// The other way round: the peer's answers keep our connection, and a request still gets through afterwards.
fn a_peer_sees_us_alive_in_silence(env: &Env) {
    let rep: Socket<zeroring::Rep> = env.context.socket().expect("a socket");
    rep.set_heartbeat_interval(Some(Duration::from_millis(20)));
    rep.set_heartbeat_timeout(Some(Duration::from_millis(500)));
    let mut events = rep.monitor();
    let endpoint = rep.bind(&env.endpoint("silence")).expect("free");
    let theirs = "monitor --type REQ --count 0 --until DISCONNECTED";
    let deadline = ["--deadline-ms=1500".to_owned()];
    let peer = Peer::start_with(Libzmq::Bundled, theirs, "connect", &endpoint, &deadline);
    await_event(&mut events, EventKind::HandshakeSucceeded);
    let lines = peer.await_deadline();
    assert!(!lines.iter().any(|line| line.contains("DISCONNECTED")), "{lines:?}");
}
