//! STREAM: raw tcp.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use zeroring::{EndpointFault, EventKind, Message, Router, SendError, Socket, Stream};

use crate::event_fd::is_readable_within;
use crate::support::{DEADLINE, Env, assert_quiet, await_event, recv_all, until};

cases! {
    tcp {
        a_peer_comes_talks_and_goes, we_can_connect, we_can_close_a_connection, notices_can_be_off,
        nobody_cannot_be_reached, streams_can_talk, a_megabyte_goes_both_ways,
        the_end_is_told_to_a_reader_that_waits, a_lost_connection_is_told_behind_its_data,
        the_newest_connection_can_be_asked_for, a_raw_router_sends_single_parts
    }
    ipc { only_tcp_is_raw }
}

fn connect_to(endpoint: &str) -> TcpStream {
    let stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).expect("listening");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream
}

/// The id of a peer that has just come.
fn arrival(socket: &Socket<Stream>) -> Message {
    let notice = recv_all(socket);
    assert_eq!((notice.len(), notice[0].len(), notice[0][0], notice[1].len()), (2, 5, 0, 0));
    notice[0].clone()
}

/// Chunks from `id` until there are `bytes` of them.
fn read_exactly(socket: &Socket<Stream>, id: &Message, bytes: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < bytes {
        let chunk = recv_all(socket);
        assert_eq!((chunk.len(), &chunk[0]), (2, id));
        assert!(!chunk[1].is_empty(), "the peer went after {} bytes", read.len());
        read.extend_from_slice(&chunk[1]);
    }
    read
}

fn a_peer_comes_talks_and_goes(env: &Env) {
    let (server, endpoint) = env.bound::<Stream>();
    let mut client = connect_to(&endpoint);
    let id = arrival(&server);
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("room");
    assert_eq!(read_exactly(&server, &id, 18), b"GET / HTTP/1.0\r\n\r\n");
    server.send_multipart([&id[..], b"HTTP/1.0 200 OK\r\n\r\n"]).expect("the peer is there");
    let mut answer = [0; 19];
    client.read_exact(&mut answer).expect("the answer");
    assert_eq!(&answer, b"HTTP/1.0 200 OK\r\n\r\n");
    drop(client);
    assert_eq!(recv_all(&server), [&id[..], b""]);
}

fn we_can_connect(env: &Env) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = env.socket::<Stream>();
    client.set_connect_routing_id("web").expect("valid");
    client.connect(&format!("tcp://{}", listener.local_addr().expect("bound"))).expect("valid");
    let (mut server, _) = listener.accept().expect("a connection");
    assert_eq!(recv_all(&client), ["web", ""]);
    client.send_multipart(["web", "hello"]).expect("the peer is there");
    let mut hello = [0; 5];
    server.read_exact(&mut hello).expect("the greeting");
    assert_eq!(&hello, b"hello");
    server.write_all(b"world").expect("room");
    assert_eq!(read_exactly(&client, &Message::from("web"), 5), b"world");
}

fn we_can_close_a_connection(env: &Env) {
    let (server, endpoint) = env.bound::<Stream>();
    let mut client = connect_to(&endpoint);
    let id = arrival(&server);
    server.send_multipart([&id[..], b""]).expect("the peer is there");
    assert_eq!(client.read(&mut [0; 1]).expect("an end, not an error"), 0);
}

fn notices_can_be_off(env: &Env) {
    let server = env.socket::<Stream>();
    server.set_stream_notify(false);
    let endpoint = server.bind(&env.endpoint()).expect("free");
    let mut client = connect_to(&endpoint);
    client.write_all(b"x").expect("room");
    let first = recv_all(&server);
    assert_eq!(first[1], "x");
    drop(client);
    assert_quiet(&server);
}

fn nobody_cannot_be_reached(env: &Env) {
    let (server, endpoint) = env.bound::<Stream>();
    assert_eq!(server.send_more("nobody"), Err(SendError::HostUnreachable));
    let client = connect_to(&endpoint);
    let id = arrival(&server);
    drop(client);
    assert_eq!(recv_all(&server), [&id[..], b""]);
    until("the id is forgotten", || server.send_more(&id) == Err(SendError::HostUnreachable));
}

fn streams_can_talk(env: &Env) {
    let (server, endpoint) = env.bound::<Stream>();
    let client = env.socket::<Stream>();
    client.connect(&endpoint).expect("valid");
    let (from_server, from_client) = (arrival(&client), arrival(&server));
    client.send_multipart([&from_server[..], b"ping"]).expect("there");
    assert_eq!(read_exactly(&server, &from_client, 4), b"ping");
    server.send_multipart([&from_client[..], b"pong"]).expect("there");
    assert_eq!(read_exactly(&client, &from_server, 4), b"pong");
}

fn a_megabyte_goes_both_ways(env: &Env) {
    let (server, endpoint) = env.bound::<Stream>();
    let mut client = connect_to(&endpoint);
    let id = arrival(&server);
    let body: Vec<u8> = (0..1 << 20).map(|at| (at % 253) as u8).collect();
    let sent = body.clone();
    let peer = std::thread::spawn(move || {
        client.write_all(&sent).expect("it is read");
        let mut back = vec![0; sent.len()];
        client.read_exact(&mut back).expect("it comes back");
        back
    });
    let read = read_exactly(&server, &id, body.len());
    assert!(read == body);
    server.send_multipart([id.to_vec(), read]).expect("there");
    assert!(peer.join().expect("the peer ended well") == body);
}

fn only_tcp_is_raw(env: &Env) {
    let stream = env.socket::<Stream>();
    let refused = stream.bind(&env.endpoint()).expect_err("ipc is not raw");
    assert!(matches!(refused, EndpointFault::IncompatibleTransport { .. }), "{refused}");
}

/// The notice comes into being when the last bytes were read: after the reader's last look for bytes.
fn the_end_is_told_to_a_reader_that_waits(env: &Env) {
    for look in ["none", "readiness", "event_fd"] {
        let (server, endpoint) = env.bound::<Stream>();
        let fd = (look == "event_fd").then(|| server.event_fd().expect("a descriptor"));
        let mut client = connect_to(&endpoint);
        let id = arrival(&server);
        client.write_all(b"x").expect("room");
        until("it arrived", || server.readiness().expect("alive").readable);
        let mut events = server.monitor();
        drop(client);
        await_event(&mut events, EventKind::Disconnected);
        assert_eq!(recv_all(&server), [&id[..], b"x"]);
        if look == "readiness" {
            assert!(server.readiness().expect("alive").readable, "the notice can be received");
        }
        if let Some(fd) = fd {
            assert!(is_readable_within(&fd, DEADLINE), "the notice can be received");
        }
        assert_eq!(recv_all(&server), [&id[..], b""]);
    }
}

fn a_lost_connection_is_told_behind_its_data(env: &Env) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = env.socket::<Stream>();
    let mut events = client.monitor();
    client.connect(&format!("tcp://{}", listener.local_addr().expect("bound"))).expect("valid");
    let (mut server, _) = listener.accept().expect("a connection");
    let id = arrival(&client);
    server.write_all(b"last words").expect("room");
    until("they arrived", || client.readiness().expect("alive").readable);
    drop(server);
    await_event(&mut events, EventKind::Disconnected);
    let _ = client.readiness(); // it knows of the end before it reads
    assert_eq!(read_exactly(&client, &id, 10), b"last words");
    assert_eq!(recv_all(&client), [&id[..], b""]);
    assert_eq!(arrival(&client), id, "it came back");
}

fn the_newest_connection_can_be_asked_for(env: &Env) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = env.socket::<Stream>();
    let endpoint = format!("tcp://{}", listener.local_addr().expect("bound"));
    for _ in 0..2 {
        client.connect(&endpoint).expect("valid");
        let id = client.routing_id();
        assert_eq!(arrival(&client)[..], id[..]);
    }
}

fn a_raw_router_sends_single_parts(env: &Env) {
    let (router, endpoint) = env.bound_with::<Router>(|router| router.set_router_raw(true));
    let mut client = connect_to(&endpoint);
    client.write_all(b"x").expect("room");
    let id = recv_all(&router)[0].clone();
    router.send_more(&id).expect("known");
    router.send_more("one").expect("whether more is said or not");
    router.send_multipart([&id[..], b"two"]).expect("known");
    let mut answer = [0; 6];
    client.read_exact(&mut answer).expect("the answer");
    assert_eq!(&answer, b"onetwo");
}
