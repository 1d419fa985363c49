//! STREAM among libzmq's STREAM: bytes both ways in either role, and the notices of connections that come and go.

use std::time::Duration;

use zeroring::DriverChoice::{self, Auto, Epoll, Uring};
use zeroring::{AnySocket, Context, Message, SocketType};

use crate::content::Content;
use crate::peer::{Libzmq, Peer};
use crate::support::{DEADLINE, Env, Via, at_once, run};

/// Messages mean nothing here, and one without bytes would close the connection.
const SMALL: Content = Content { sizes: &[1, 64, 255, 8192, 8193, 65_536], ..Content::small() };

macro_rules! streams {
    ($($name:ident($libzmq:ident, $drivers:expr, $content:expr);)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn we_echo() {
                both_ways($drivers, |env, we_bind| echo(env, Libzmq::$libzmq, $content, we_bind));
            }

            #[test]
            fn we_ask() {
                both_ways($drivers, |env, we_bind| ask(env, Libzmq::$libzmq, $content, we_bind));
            }
        })*
    };
}

streams! {
    epoll(Bundled, [Epoll; 2], SMALL);
    uring(Bundled, [Uring; 2], SMALL);
    large(Bundled, [Epoll, Uring], Content::large());
    large_turned(Bundled, [Uring, Epoll], Content::large());
    system(System, [Auto; 2], SMALL);
    system_large(System, [Auto; 2], Content::large());
}

fn both_ways(drivers: [DriverChoice; 2], test: impl Fn(&Env, bool) + Sync) {
    at_once([true, false].into_iter().zip(drivers), |(we_bind, driver)| {
        run(Via::Tcp, driver, |env| test(env, we_bind));
    });
}

fn stream(context: &Context) -> AnySocket {
    let socket = context.any_socket(SocketType::Stream).expect("a socket");
    socket.set_reconnect_interval(Some(Duration::from_millis(10)));
    socket.set_linger(Some(Duration::ZERO));
    socket
}

/// The next chunk and whom it is from. No bytes are a notice.
fn chunk(socket: &AnySocket) -> (Message, Message) {
    let parts = socket.recv_multipart_timeout(DEADLINE).expect("a chunk").into_vec();
    <[Message; 2]>::try_from(parts).expect("id and bytes").into()
}

/// Waits for a notice; returns whom it is about.
#[track_caller]
fn notice(socket: &AnySocket) -> Message {
    let (id, bytes) = chunk(socket);
    assert_eq!(bytes.len(), 0, "a notice");
    id
}

fn send(socket: &AnySocket, id: &Message, bytes: Message) {
    let parts = [id.clone(), bytes];
    socket.send_multipart_timeout(&parts, DEADLINE).expect("the peer is there");
}

/// Bytes of this peer in however many chunks.
fn exactly(socket: &AnySocket, id: &Message, len: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < len {
        let (from, bytes) = chunk(socket);
        assert_eq!(&from, id);
        assert!(!bytes.is_empty(), "the peer went after {} bytes", read.len());
        read.extend_from_slice(&bytes);
    }
    read
}

/// The peer asks and closes the connection in the end.
fn echo(env: &Env, libzmq: Libzmq, content: Content, we_bind: bool) {
    let socket = stream(&env.context);
    let theirs = "request --type STREAM";
    let peer = Peer::meet(env, libzmq, theirs, &socket, &content.options(), we_bind);
    let id = notice(&socket);
    loop {
        let (from, bytes) = chunk(&socket);
        assert_eq!(from, id);
        if bytes.is_empty() {
            break;
        }
        send(&socket, &id, bytes);
    }
    peer.finish();
}

/// We ask, and close the connection in the end: the peer is told.
fn ask(env: &Env, libzmq: Libzmq, content: Content, we_bind: bool) {
    let socket = stream(&env.context);
    let options = ["--count=1".to_owned()];
    let mut peer = Peer::meet(env, libzmq, "echo --type STREAM", &socket, &options, we_bind);
    let id = notice(&socket);
    peer.await_line("PEER");
    for sequence in 0..content.messages {
        let bytes = content.message(sequence).concat();
        send(&socket, &id, Message::from(bytes.as_slice()));
        assert!(exactly(&socket, &id, bytes.len()) == bytes, "message {sequence}");
    }
    send(&socket, &id, Message::from(""));
    peer.await_line("GONE");
    peer.finish();
}

/// A killed peer that we are connected to is told as gone and, once it is there again, as come, under one id.
#[test]
fn a_restarted_peer_has_the_same_id() {
    at_once([Epoll, Uring], |driver| {
        run(Via::Tcp, driver, |env| {
            let socket = stream(&env.context);
            let theirs = "echo --type STREAM";
            let peer = Peer::meet(env, Libzmq::Bundled, theirs, &socket, &[], false);
            let endpoint = peer.endpoint.clone();
            let id = notice(&socket);
            peer.kill();
            assert_eq!(notice(&socket), id, "it has gone");
            let _peer = Peer::start(Libzmq::Bundled, theirs, "bind", &endpoint);
            assert_eq!(notice(&socket), id, "it has come back");
            send(&socket, &id, Message::from("still you?"));
            assert_eq!(exactly(&socket, &id, 10), b"still you?");
        });
    });
}

/// To a listener each connection is another peer.
#[test]
fn a_killed_peer_leaves_a_notice() {
    at_once([Epoll, Uring], |driver| {
        run(Via::Tcp, driver, |env| {
            let socket = stream(&env.context);
            let endpoint = socket.bind(&env.endpoint("killed")).expect("free");
            let theirs = "echo --type STREAM";
            let mut ids = Vec::new();
            for _ in 0..2 {
                let peer = Peer::start(Libzmq::Bundled, theirs, "connect", &endpoint);
                let id = notice(&socket);
                peer.kill();
                assert_eq!(notice(&socket), id, "it has gone");
                ids.push(id);
            }
            assert_ne!(ids[0], ids[1]);
        });
    });
}

/// With notices off only the bytes are there.
#[test]
fn notices_can_be_off() {
    run(Via::Tcp, Auto, |env| {
        let socket = stream(&env.context);
        socket.set_stream_notify(false);
        let endpoint = socket.bind(&env.endpoint("off")).expect("free");
        let options = Content { messages: 1, ..SMALL }.options();
        // The second peer's byte comes next: nothing tells that the first has gone.
        for _ in 0..2 {
            let theirs = "request --type STREAM";
            let peer = Peer::start_with(Libzmq::Bundled, theirs, "connect", &endpoint, &options);
            let (id, bytes) = chunk(&socket);
            assert_eq!(bytes, "0");
            send(&socket, &id, bytes);
            peer.finish();
        }
    });
}
