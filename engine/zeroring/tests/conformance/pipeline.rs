//! PUSH and PULL: who gets a message, and in which order they come.

use std::collections::BTreeMap;

use zeroring::{Context, Pull, Push, Received, RecvError, SendError, Socket, SocketType, Timeout};

use crate::support::{DEADLINE, Env, QUIET, assert_empty, assert_quiet, recv, recv_all, text};

cases! {
    all {
        every_peer_gets_its_turn, each_sender_keeps_its_order, a_message_goes_to_one_peer_whole,
        nothing_arrives_before_the_last_part, sizes_from_nothing_to_ten_mebibytes,
        a_thousand_parts_are_one_message, a_push_without_peers_waits, a_message_waits_for_its_peer,
        both_ends_can_bind_and_connect, wrong_directions_are_refused, messages_can_be_forwarded,
        content_outlives_its_socket, a_buffer_gets_what_fits_and_the_size_of_all
    }
    inproc { readable_peers_take_turns }
}

fn every_peer_gets_its_turn(env: &Env) {
    let (push, endpoint) = env.bound::<Push>();
    let pulls: Vec<_> = (0..3).map(|_| env.socket::<Pull>()).collect();
    for pull in &pulls {
        env.join(&push, pull, &endpoint);
    }
    for number in 0..9 {
        push.send(format!("{number}")).expect("room");
    }
    for pull in &pulls {
        let numbers: Vec<u32> =
            (0..3).map(|_| text(&recv(pull)).parse().expect("a number")).collect();
        assert_eq!((numbers[1] - numbers[0], numbers[2] - numbers[1]), (3, 3), "{numbers:?}");
        assert_empty(pull);
    }
}

fn each_sender_keeps_its_order(env: &Env) {
    const EACH: u32 = 500;
    let (pull, endpoint) = env.bound::<Pull>();
    let senders: Vec<_> = (0..3)
        .map(|sender| {
            let push = env.socket::<Push>();
            push.connect(&endpoint).expect("valid");
            std::thread::spawn(move || {
                for number in 0..EACH {
                    push.send_multipart([format!("{sender}"), format!("{number}")]).expect("room");
                }
                push
            })
        })
        .collect();
    let mut next = BTreeMap::new();
    for _ in 0..3 * EACH {
        let message = recv_all(&pull);
        assert_eq!(message.len(), 2);
        let expected = next.entry(text(&message[0])).or_insert(0);
        assert_eq!(text(&message[1]), expected.to_string());
        *expected += 1;
    }
    for sender in senders {
        sender.join().expect("the sender ended well");
    }
    assert_empty(&pull);
}

/// Short and long bodies take different ways; with room or without, each is told whole.
fn a_buffer_gets_what_fits_and_the_size_of_all(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    let sizes = [0, 1, 16, 64, 86, 87, 200, 255, 256, 5000, 100_000];
    for size in sizes {
        let body: Vec<u8> = (0..size).map(|n| n as u8).collect();
        for buffer_bytes in [size, size + 1, size / 2] {
            push.send(&body).expect("room");
            push.send_multipart([&body, &body]).expect("room");
            for more in [false, true, false] {
                let mut buffer = vec![0xEE; buffer_bytes];
                let timeout = Timeout::After(DEADLINE);
                let received = pull.recv_slice(&mut buffer, timeout).expect("was sent");
                assert_eq!(received, Received { size_bytes: size, more }, "{buffer_bytes} B");
                assert_eq!(received.bytes_in(&buffer), &body[..size.min(buffer_bytes)]);
                assert!(buffer[size.min(buffer_bytes)..].iter().all(|byte| *byte == 0xEE));
                assert_eq!(pull.recv_more(), more);
            }
        }
    }
    let nothing = pull.recv_slice(&mut [0; 8], Timeout::Now);
    assert_eq!(nothing, Err(RecvError::WouldBlock));
}

fn readable_peers_take_turns(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let pushes: Vec<_> = (0..3)
        .map(|name| {
            let push = env.socket::<Push>();
            push.connect(&endpoint).expect("valid");
            for number in 0..3 {
                push.send(format!("{name}{number}")).expect("room");
            }
            push
        })
        .collect();
    let order: Vec<_> = (0..9).map(|_| text(&recv(&pull))).collect();
    for turn in order.chunks(3) {
        let mut names: Vec<_> = turn.iter().map(|message| &message[..1]).collect();
        names.sort_unstable();
        assert_eq!(names, ["0", "1", "2"], "{order:?}");
    }
    drop(pushes);
}

fn a_message_goes_to_one_peer_whole(env: &Env) {
    let (push, endpoint) = env.bound::<Push>();
    let pulls = [env.socket::<Pull>(), env.socket::<Pull>()];
    for pull in &pulls {
        env.join(&push, pull, &endpoint);
    }
    for number in 0..4 {
        push.send_multipart([format!("{number}a"), format!("{number}b"), format!("{number}c")])
            .expect("room");
    }
    for pull in &pulls {
        for _ in 0..2 {
            let message = recv_all(pull);
            let number = text(&message[0])[..1].to_owned();
            assert_eq!(message, [number.clone() + "a", number.clone() + "b", number + "c"]);
        }
    }
}

fn nothing_arrives_before_the_last_part(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    push.send_more("head").expect("room");
    assert_quiet(&pull);
    push.send("tail").expect("room");
    assert_eq!(recv_all(&pull), ["head", "tail"]);
}

fn sizes_from_nothing_to_ten_mebibytes(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    let sizes = [0, 1, 86, 87, 255, 256, 4095, 4096, 65_535, 65_536, 65_537, 1 << 20, 10 << 20];
    let sender = std::thread::spawn(move || {
        for size in sizes {
            let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            push.send(body).expect("room");
        }
        push
    });
    for size in sizes {
        let message = recv(&pull);
        assert_eq!(message.len(), size);
        assert!(message.iter().enumerate().all(|(at, byte)| *byte == (at % 251) as u8), "{size}");
    }
    sender.join().expect("the sender ended well");
}

fn a_thousand_parts_are_one_message(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    pull.set_recv_hwm(1);
    let sent: Vec<String> = (0..1000).map(|part| format!("part {part}")).collect();
    push.send_multipart(&sent).expect("room");
    let received = recv_all(&pull);
    assert_eq!(received.iter().map(text).collect::<Vec<_>>(), sent);
}

fn a_push_without_peers_waits(env: &Env) {
    let (push, endpoint) = env.bound::<Push>();
    assert_eq!(push.try_send("now"), Err(SendError::WouldBlock));
    let start = std::time::Instant::now();
    assert_eq!(push.send_timeout("soon", QUIET), Err(SendError::WouldBlock));
    assert!(start.elapsed() >= QUIET);
    push.set_send_timeout(Some(QUIET));
    assert_eq!(push.send("by option"), Err(SendError::WouldBlock));
    push.set_send_timeout(None);

    let pull = env.socket::<Pull>();
    let helper = std::thread::spawn(move || {
        pull.connect(&endpoint).expect("valid");
        text(&recv(&pull))
    });
    push.send_timeout("for the newcomer", DEADLINE).expect("a peer comes");
    assert_eq!(helper.join().expect("it arrived"), "for the newcomer");
}

fn a_message_waits_for_its_peer(env: &Env) {
    let endpoint = env.free_endpoint();
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    push.try_send("early").expect("a connected endpoint has a queue at once");
    let pull = env.socket::<Pull>();
    pull.bind(&endpoint).expect("free");
    assert_eq!(recv(&pull), "early");
}

fn both_ends_can_bind_and_connect(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let (push, push_endpoint) = env.bound::<Push>();
    let (pull2, push2) = (env.socket::<Pull>(), env.socket::<Push>());
    env.join(&push, &pull2, &push_endpoint);
    push.send("to who connected").expect("room");
    assert_eq!(recv(&pull2), "to who connected");
    env.join(&pull, &push2, &endpoint);
    push2.send("to who is bound").expect("room");
    assert_eq!(recv(&pull), "to who is bound");
    // And both at once on one socket.
    push.connect(&endpoint).expect("valid");
    push.send("1").expect("room");
    push.send("2").expect("room");
    let mut both = [text(&recv(&pull)), text(&recv(&pull2))];
    both.sort_unstable();
    assert_eq!(both, ["1", "2"]);
}

fn wrong_directions_are_refused(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    let (pull, push) = (pull.into_any(), push.into_any());
    assert_eq!(pull.send("no"), Err(SendError::NotSupported));
    assert_eq!(push.recv(), Err(RecvError::NotSupported));
    assert_eq!((pull.kind(), push.kind()), (SocketType::Pull, SocketType::Push));
}

fn messages_can_be_forwarded(env: &Env) {
    let (entry, source) = env.connected::<Pull, Push>();
    let (sink, exit) = env.connected::<Pull, Push>();
    source.send_multipart([vec![1; 10], vec![2; 100_000], vec![3; 5000]]).expect("room");
    let message = recv_all(&entry);
    exit.send_multipart(&message).expect("room");
    let arrived = recv_all(&sink);
    assert_eq!(arrived, message);
    assert_eq!(arrived.byte_len(), 105_010);
}

fn content_outlives_its_socket(_env: &Env) {
    // A context of its own, so that everything the message came through is gone before it is looked at.
    let context = Context::new();
    let (pull, push): (Socket<Pull>, Socket<Push>) =
        (context.socket().expect("a socket"), context.socket().expect("a socket"));
    push.connect(&pull.bind("tcp://127.0.0.1:*").expect("free")).expect("valid");
    push.send(vec![7; 1000]).expect("room");
    let message = recv(&pull);
    drop((pull, push));
    context.term();
    assert_eq!(message, [7; 1000][..]);
}
