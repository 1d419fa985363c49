//! Connections through a SOCKS5 proxy, written here.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use zeroring::{Dealer, EndpointFault, EventKind, Push, RecvError, Rep, Req, Socket};

use crate::support::{DEADLINE, Env, QUIET, await_event, recv};

cases! {
    tcp {
        a_proxy_joins_two_sockets, a_proxy_may_ask_for_a_password, a_proxy_that_refuses_is_tried_again,
        a_silent_proxy_is_given_up, an_address_that_is_none_is_refused, what_is_not_tcp_goes_directly
    }
}

/// What a client asked for, as it went over the wire.
#[derive(Debug, PartialEq)]
struct Request {
    method: u8,
    credentials: Vec<u8>,
    target: Vec<u8>,
}

fn read<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).expect("the client speaks");
    bytes
}

fn read_counted(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(read::<1>(stream)[0])];
    stream.read_exact(&mut bytes).expect("the client speaks");
    bytes
}

/// The server's side up to the request.
fn hear(client: &mut TcpStream) -> Request {
    let [5, 1, method] = read(client) else { panic!("a greeting with one method") };
    client.write_all(&[5, method]).expect("room");
    let mut credentials = Vec::new();
    if method == 2 {
        assert_eq!(read(client), [1]);
        credentials = read_counted(client);
        credentials.push(b':');
        credentials.extend(read_counted(client));
        client.write_all(&[1, 0]).expect("room");
    }
    let [5, 1, 0, 3] = read(client) else { panic!("a request to connect to a name") };
    let mut target = read_counted(client);
    target.extend(read::<2>(client));
    Request { method, credentials, target }
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> JoinHandle<()> {
    spawn(move || {
        let _ = std::io::copy(&mut from, &mut to); // an end of either kind
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    })
}

/// Refuses `refusals` clients, joins the next one with `endpoint`, whatever it asks for, and passes every request on.
fn proxy(endpoint: &str, refusals: usize) -> (String, mpsc::Receiver<Request>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let endpoint = endpoint.trim_start_matches("tcp://").to_owned();
    let (tell, asked) = mpsc::channel();
    let server = spawn(move || {
        for _ in 0..refusals {
            let (mut client, _) = listener.accept().expect("a client");
            tell.send(hear(&mut client)).expect("the case listens");
            client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).expect("room");
        }
        let (mut client, _) = listener.accept().expect("a client");
        tell.send(hear(&mut client)).expect("the case listens");
        let peer = TcpStream::connect(endpoint).expect("listening");
        // The greeting of the peer comes right behind the reply, which names us: a name of odd length.
        client.write_all(b"\x05\x00\x00\x03\x05proxy\x00\x00").expect("room");
        let both = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
        let (there, back) = (copy(both(&client), both(&peer)), copy(peer, client));
        there.join().expect("no panic");
        back.join().expect("no panic");
    });
    (address, asked, server)
}

fn round_trip(req: &Socket<Req>, rep: &Socket<Rep>) {
    for round in 0..10 {
        req.send(format!("{round}")).expect("its turn");
        assert_eq!(recv(rep), round.to_string().as_str());
        rep.send("answer").expect("its turn");
        assert_eq!(recv(req), "answer");
    }
}

fn a_proxy_joins_two_sockets(env: &Env) {
    let (rep, endpoint) = env.bound::<Rep>();
    let (address, asked, server) = proxy(&endpoint, 0);
    let req = env.socket::<Req>();
    req.set_socks_proxy(Some(&address)).expect("an address");
    req.connect("tcp://peer.invalid:5555").expect("valid");
    round_trip(&req, &rep);
    let target = b"peer.invalid\x15\xb3".to_vec();
    let request = asked.recv_timeout(DEADLINE).expect("it was asked");
    assert_eq!(request, Request { method: 0, credentials: Vec::new(), target });
    drop(req);
    server.join().expect("ended with the connection");
}

fn a_proxy_may_ask_for_a_password(env: &Env) {
    let (rep, endpoint) = env.bound::<Rep>();
    let (address, asked, server) = proxy(&endpoint, 0);
    let req = env.socket::<Req>();
    req.set_socks_proxy(Some(&address)).expect("an address");
    req.set_socks_credentials("ann", "secret").expect("short");
    req.set_socks_credentials(&"x".repeat(256), "").expect_err("too long");
    req.set_socks_credentials("ann", "secret").expect("short");
    req.connect("tcp://peer.invalid:5555").expect("valid");
    round_trip(&req, &rep);
    let request = asked.recv_timeout(DEADLINE).expect("it was asked");
    assert_eq!((request.method, request.credentials.as_slice()), (2, &b"ann:secret"[..]));
    drop(req);
    server.join().expect("ended with the connection");
}

fn a_proxy_that_refuses_is_tried_again(env: &Env) {
    let (rep, endpoint) = env.bound::<Rep>();
    let (address, asked, server) = proxy(&endpoint, 3);
    let req = env.socket::<Req>();
    let mut events = req.monitor();
    req.set_socks_proxy(Some(&address)).expect("an address");
    req.connect("tcp://peer.invalid:5555").expect("valid");
    for _ in 0..3 {
        let retried = await_event(&mut events, EventKind::ConnectRetried);
        assert!(retried.detail.contains("connection refused"), "{}", retried.detail);
    }
    round_trip(&req, &rep);
    assert_eq!(asked.iter().take(4).count(), 4);
    drop(req);
    server.join().expect("ended with the connection");
}

fn a_silent_proxy_is_given_up(env: &Env) {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let push = env.socket::<Push>();
    let mut events = push.monitor();
    push.set_connect_timeout(Some(Duration::from_millis(50)));
    let address = silent.local_addr().expect("its address").to_string();
    push.set_socks_proxy(Some(&address)).expect("an address");
    push.connect("tcp://peer.invalid:5555").expect("valid");
    await_event(&mut events, EventKind::ConnectRetried);
    await_event(&mut events, EventKind::ConnectRetried);
}

fn an_address_that_is_none_is_refused(env: &Env) {
    let dealer = env.socket::<Dealer>();
    dealer.set_socks_proxy(Some("")).expect_err("not empty");
    dealer.set_socks_proxy(Some("no port")).expect("checked by connect");
    let refused = dealer.connect("tcp://127.0.0.1:5555").expect_err("not an address");
    assert!(matches!(refused, EndpointFault::Io { .. }), "{refused}");
    assert_eq!(refused.errno(), zeroring::error::errno::EINVAL);
    dealer.set_socks_proxy(None).expect("none");
    assert!(dealer.socks_proxy().is_empty());
}

fn what_is_not_tcp_goes_directly(env: &Env) {
    const NOBODY: &str = "127.0.0.1:1";
    let (a, b) = (env.socket::<Dealer>(), env.socket::<Dealer>());
    b.set_socks_proxy(Some(NOBODY)).expect("an address");
    a.bind("inproc://direct").expect("free");
    b.connect("inproc://direct").expect("valid");
    b.send("hello").expect("room");
    assert_eq!(recv(&a), "hello");
    // A proxy set later changes nothing for connections that stand.
    let (bound, connecting) = env.connected::<Dealer, Dealer>();
    connecting.set_socks_proxy(Some(NOBODY)).expect("an address");
    connecting.send("hello").expect("room");
    assert_eq!(recv(&bound), "hello");
    assert_eq!(bound.recv_timeout(QUIET).err(), Some(RecvError::WouldBlock));
}
