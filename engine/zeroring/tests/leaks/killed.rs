//! Peers in processes of their own that are killed with SIGKILL: what came whole is kept, what did not is dropped, and
//! the next peer is served.

use std::time::Duration;

use zeroring::kind::SocketType::{self, Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub};
use zeroring::{AnySocket, EventKind, Message, SendError};

use crate::parts::{Part, UNFINISHED};
use crate::support::{DEADLINE, Env, await_event, recv_all, until};

cases! {
    net {
        the_unfinished_message_of_a_killed_sender_is_dropped, a_killed_sender_leaves_whole_messages,
        readers_are_killed_while_we_send, servers_are_killed_while_we_send
    }
}

fn any(env: &Env, kind: SocketType) -> AnySocket {
    let socket = env.context.any_socket(kind).expect("a socket");
    socket.set_linger(Some(Duration::ZERO));
    socket.set_reconnect_interval(Some(Duration::from_millis(5)));
    if kind == Sub {
        socket.subscribe("").expect("a SUB subscribes");
    }
    socket
}

fn the_unfinished_message_of_a_killed_sender_is_dropped(env: &Env) {
    let kinds =
        [(Pull, Push), (Dealer, Dealer), (Router, Dealer), (Rep, Req), (Pair, Pair), (Sub, Pub)];
    for (kind, peer) in kinds {
        for how in UNFINISHED {
            let receiver = any(env, kind);
            let endpoint = receiver.bind(&env.endpoint()).expect("free");
            let mut events = receiver.monitor();
            let sender = Part::start(&["unfinished", how, peer.name(), &endpoint]);
            sender.await_done();
            assert_eq!(last_part(&receiver), "whole", "{kind:?} {how}");
            if kind == Rep {
                receiver.send("an answer").expect("its turn");
            }
            sender.kill();
            await_event(&mut events, EventKind::Disconnected);
            assert!(receiver.try_recv().is_err(), "half a message came: {kind:?} {how}");
            assert_next_is_served(env, &receiver, peer, &endpoint);
        }
    }
}

fn last_part(receiver: &AnySocket) -> Message {
    recv_all(receiver).pop().expect("a part")
}

/// A peer that comes now is heard. It may have to say it twice: a PAIR turns it away until the old one is forgotten.
fn assert_next_is_served(env: &Env, receiver: &AnySocket, kind: SocketType, endpoint: &str) {
    let next = any(env, kind);
    next.connect(endpoint).expect("valid");
    until("the next one is served", || {
        let _ = next.try_send("next");
        let message = receiver.try_recv_multipart().ok();
        message.is_some_and(|mut message| message.pop().expect("a part") == "next")
    });
}

fn a_killed_sender_leaves_whole_messages(env: &Env) {
    let (pull, endpoint) = env.bound::<zeroring::Pull>();
    for round in 0..10 {
        let mut events = pull.monitor();
        let sender = Part::start(&["sender", &endpoint]);
        let mut expected = 0;
        let mut receive = |message: zeroring::Multipart| {
            let number = u32::from_be_bytes(message[0][..].try_into().expect("a number"));
            assert_eq!((number, message.len()), (expected, 3), "round {round}");
            let is_whole =
                message[1].len() == 100_000 && message[1].iter().all(|byte| *byte == number as u8);
            assert!(is_whole && message[2] == "end", "{number} is torn, round {round}");
            expected += 1;
        };
        (0..=round).for_each(|_| receive(recv_all(&pull)));
        sender.kill();
        await_event(&mut events, EventKind::Disconnected);
        while let Ok(message) = pull.try_recv_multipart() {
            receive(message);
        }
    }
}

/// Who sends, and who reads.
const PAIRS: [(SocketType, SocketType); 5] =
    [(Push, Pull), (Dealer, Dealer), (Pub, Sub), (Router, Dealer), (Pair, Pair)];

/// Sends `body`; a ROUTER names the reader.
fn try_send(sender: &AnySocket, body: &[u8]) -> Result<(), SendError> {
    match sender.kind() {
        Router => sender.try_send_multipart([b"reader", body]),
        _ => sender.try_send(body),
    }
}

/// Sends until the reader is stuck, or for a PUB, which never is, until it must be.
fn stuff(sender: &AnySocket) {
    let body = vec![1; 64 * 1024];
    for _ in 0..3000 {
        if try_send(sender, &body).is_err() && sender.kind() != Pub {
            return;
        }
    }
}

fn readers_are_killed_while_we_send(env: &Env) {
    for (kind, peer) in PAIRS {
        let sender = any(env, kind);
        sender.set_send_hwm(20);
        if kind == Router {
            sender.set_router_mandatory(true);
        }
        let endpoint = sender.bind(&env.endpoint()).expect("free");
        for _ in 0..3 {
            let mut events = sender.monitor();
            let reader = Part::start(&["reader", "connects", peer.name(), &endpoint]);
            await_event(&mut events, EventKind::HandshakeSucceeded);
            // What goes to the last one, before the socket has heard of its end, is lost with it.
            until("it received something", || {
                let _ = try_send(&sender, b"something");
                reader.is_done()
            });
            stuff(&sender);
            reader.kill();
            await_event(&mut events, EventKind::Disconnected);
        }
        let next = any(env, peer);
        next.set_routing_id("reader").expect("short");
        next.connect(&endpoint).expect("valid");
        until("the next one is served", || {
            let _ = try_send(&sender, b"next");
            next.try_recv().is_ok_and(|message| message == "next")
        });
    }
}

/// The reader binds: what waits for it stays when it is killed, in order, and goes to the one that comes after it.
fn servers_are_killed_while_we_send(env: &Env) {
    for (kind, peer) in [(Push, Pull), (Dealer, Dealer), (Pair, Pair), (Req, Rep)] {
        let sender = any(env, kind);
        sender.set_send_hwm(20);
        sender.set_req_relaxed(true);
        let endpoint = env.free_endpoint();
        sender.connect(&endpoint).expect("valid");
        for _ in 0..2 {
            let reader = Part::start(&["reader", "binds", peer.name(), &endpoint]);
            sender.send_timeout("first", DEADLINE).expect("a queue");
            reader.await_done();
            let mut events = sender.monitor();
            if kind != Req {
                stuff(&sender);
            }
            reader.kill();
            await_event(&mut events, EventKind::Disconnected);
        }
        let kept = queue_numbers(&sender);
        let next = any(env, peer);
        until("the endpoint is free", || next.bind(&endpoint).is_ok()); // see `parts::reader`
        for number in 0..kept {
            let mut message = Message::default();
            while message.len() != 4 {
                // What waited since before comes first.
                let came = next.recv_timeout(DEADLINE);
                message =
                    came.unwrap_or_else(|error| panic!("{kind:?}, {number} of {kept}: {error}"));
            }
            assert_eq!(message, &number.to_be_bytes()[..], "{kind:?}");
        }
    }
}

/// Queues what there is room for, at most ten messages; how many.
fn queue_numbers(sender: &AnySocket) -> u32 {
    let most = if sender.kind() == Req { 1 } else { 10 };
    (0..most)
        .take_while(|number: &u32| sender.try_send(number.to_be_bytes().to_vec()).is_ok())
        .count() as u32
}
