//! Readers that stop reading: their senders are stopped at the high-water marks, and memory stays what the marks allow.

use zeroring::kind::SocketType::{
    self, Dealer, Pair, Pub, Pull, Push, Rep, Router, Sub, XPub, XSub,
};
use zeroring::{AnySocket, EventKind, SendError};

use crate::support::{DEADLINE, Env, QUIET, await_event, recv_all, slabs, slabs_read_ahead, until};

cases! {
    net { whoever_waits_for_room_is_stopped, publishers_drop_what_has_no_room, answers_without_room_are_dropped }
}

const BODY_BYTES: usize = 64 * 1024;
const HWM: u32 = 10;
/// A message takes a slab; both queues are full, each side has a few begun, and io_uring reads ahead.
fn slabs_allowed(env: &Env) -> i64 {
    2 * i64::from(HWM) + 24 + slabs_read_ahead(env)
}

/// Sockets with a connection, both with low marks.
fn pair(env: &Env, kinds: (SocketType, SocketType)) -> (AnySocket, AnySocket) {
    let [sender, reader] =
        [kinds.0, kinds.1].map(|kind| env.context.any_socket(kind).expect("a socket"));
    for socket in [&sender, &reader] {
        socket.set_linger(Some(std::time::Duration::ZERO));
        socket.set_send_hwm(HWM);
        socket.set_recv_hwm(HWM);
    }
    reader.set_routing_id("reader").expect("short");
    let mut events = sender.monitor();
    let endpoint = sender.bind(&env.endpoint()).expect("free");
    reader.connect(&endpoint).expect("valid");
    await_event(&mut events, EventKind::HandshakeSucceeded);
    sender.stop_monitor();
    (sender, reader)
}

/// Sends a numbered body to a socket of type `to`, if there is room within a while.
fn send(sender: &AnySocket, to: SocketType, number: u32) -> Result<(), SendError> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(BODY_BYTES, number as u8);
    match sender.kind() {
        Dealer if to == Rep => sender.send_multipart_timeout([Vec::new(), body], QUIET),
        Router => sender.send_multipart_timeout([b"reader".to_vec(), body], QUIET),
        Pub | XPub => sender.try_send(body),
        _ => sender.send_timeout(body, QUIET),
    }
}

fn number_of(reader: &AnySocket) -> u32 {
    let body = recv_all(reader).pop().expect("a part");
    let (number, rest) = body.split_at(4);
    let number = u32::from_be_bytes(number.try_into().expect("four bytes"));
    assert!(
        body.len() == BODY_BYTES && rest.iter().all(|byte| *byte == number as u8),
        "{number} is torn"
    );
    number
}

fn whoever_waits_for_room_is_stopped(env: &Env) {
    for kinds in [(Push, Pull), (Dealer, Dealer), (Router, Dealer), (Dealer, Rep), (Pair, Pair)] {
        let (sender, reader) = pair(env, kinds);
        sender.set_router_mandatory(true);
        let before = slabs();
        let mut sent = 0;
        let mut slabs_max = 0;
        until("the sender is stopped", || {
            let is_stopped = send(&sender, kinds.1, sent).is_err();
            sent += u32::from(!is_stopped);
            slabs_max = slabs_max.max(slabs() - before);
            is_stopped
        });
        assert!(sent >= 2 * HWM, "{kinds:?} was stopped after {sent}");
        assert!(slabs_max <= slabs_allowed(env), "{kinds:?} took {slabs_max} slabs");
        for number in 0..sent {
            assert_eq!(number_of(&reader), number, "{kinds:?}");
            if kinds.1 == Rep {
                reader.send("an answer").expect("its turn");
            }
        }
        until("there is room again", || sender.readiness().expect("alive").writable);
    }
}

fn publishers_drop_what_has_no_room(env: &Env) {
    for kinds in [(Pub, Sub), (XPub, XSub)] {
        let (sender, reader) = pair(env, kinds);
        match kinds.1 {
            Sub => reader.subscribe("").expect("a SUB subscribes"),
            _ => reader.send(&b"\x01"[..]).expect("never waits"),
        }
        until("the subscription arrived", || sender.topics_count() == 1);
        let before = slabs();
        for number in 0..2000 {
            send(&sender, kinds.1, number).expect("a publisher never waits");
            let slabs = slabs() - before;
            assert!(slabs <= slabs_allowed(env), "{kinds:?} took {slabs} slabs after {number}");
        }
        // The first of them came, in order; then there was no room. What is sent now has some again.
        let (mut last, mut next) = (None, 2000);
        while last.is_none_or(|last| last < 2000) {
            let _ = send(&sender, kinds.1, next);
            next += 1;
            let number = number_of(&reader);
            assert!(last < Some(number), "{number} after {last:?}");
            last = Some(number);
        }
    }
}

/// A DEALER asks and asks and never reads: the answers to it are dropped, and others are answered.
fn answers_without_room_are_dropped(env: &Env) {
    let (rep, asker) = pair(env, (Rep, Dealer));
    let before = slabs();
    for number in 0..1000_u32 {
        asker.send_multipart_timeout(["", "question"], DEADLINE).expect("it is read");
        assert_eq!(recv_all(&rep), ["question"]);
        rep.send(vec![number as u8; BODY_BYTES]).expect("a REP never waits");
        let slabs = slabs() - before;
        assert!(slabs <= slabs_allowed(env), "{slabs} slabs after {number}");
    }
    let other = env.socket::<zeroring::Req>();
    other.connect(&rep.last_endpoint()).expect("valid");
    other.send("and I?").expect("its turn");
    assert_eq!(recv_all(&rep), ["and I?"]);
    rep.send("you too").expect("its turn");
    assert_eq!(crate::support::recv(&other), "you too");
}
