//! Close, unbind, disconnect, shutdown and the drop of the context, in every order, for every pattern.
//!
//! Three stages of a conversation are ended this way: just begun, with messages that nobody will read (both with linger
//! 0), and over, with everything read (with the default linger, for ever, which then has nothing to wait for).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use zeroring::kind::SocketType::{
    self, Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Stream, Sub, XPub, XSub,
};
use zeroring::{AnySocket, EndpointFault, Message};

use crate::support::{Counts, DEADLINE, Env, own_context, recv, recv_all, until};

cases! {
    all { request_reply, routing, publishing, publishing_raw, pipeline, pairs }
    tcp { streams, a_stream_and_a_stranger }
}

/// What can be done to a pair of sockets and their context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    CloseBound,
    CloseConnected,
    Unbind,
    Disconnect,
    Shutdown,
    DropContext,
}

use Step::{CloseBound, CloseConnected, Disconnect, DropContext, Shutdown, Unbind};

/// Steps that end something, and the step that can only come before.
const ENDS: [(Step, Step); 3] =
    [(CloseBound, Unbind), (CloseConnected, Disconnect), (DropContext, Shutdown)];

/// Every order in which each step still means something: 222 of them.
fn orders() -> Vec<Vec<Step>> {
    let mut whole = Vec::new();
    let mut begun = vec![Vec::new()];
    while let Some(order) = begun.pop() {
        let has = |step| order.contains(&step);
        for (end, before) in ENDS.into_iter().filter(|(end, _)| !has(*end)) {
            for step in [end, before].into_iter().filter(|step| !has(*step)) {
                begun.push([&order[..], &[step]].concat());
            }
        }
        if ENDS.iter().all(|(end, _)| has(*end)) {
            whole.push(order);
        }
    }
    whole
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Connected, and a first message on its way perhaps.
    Begun,
    /// A conversation was had, and there are messages that nobody reads.
    Unread,
    /// A conversation was had, and everything is read.
    Over,
}

fn request_reply(env: &Env) {
    in_every_order(env, Rep, Req);
}

fn routing(env: &Env) {
    in_every_order(env, Router, Dealer);
}

fn publishing(env: &Env) {
    in_every_order(env, Pub, Sub);
}

fn publishing_raw(env: &Env) {
    in_every_order(env, XPub, XSub);
}

fn pipeline(env: &Env) {
    in_every_order(env, Pull, Push);
}

fn pairs(env: &Env) {
    in_every_order(env, Pair, Pair);
}

fn streams(env: &Env) {
    in_every_order(env, Stream, Stream);
}

fn in_every_order(env: &Env, bound: SocketType, connected: SocketType) {
    for order in orders() {
        for stage in [Stage::Begun, Stage::Unread, Stage::Over] {
            let before = Counts::now();
            end_in_order(env, (bound, connected), stage, &order);
            before.assert_back((stage, &order));
        }
    }
}

fn end_in_order(env: &Env, kinds: (SocketType, SocketType), stage: Stage, order: &[Step]) {
    let context = own_context(env);
    let [bound, connected] =
        [kinds.0, kinds.1].map(|kind| context.any_socket(kind).expect("a socket"));
    if stage != Stage::Over {
        for socket in [&bound, &connected] {
            socket.set_linger(Some(Duration::ZERO));
        }
    }
    let endpoint = bound.bind(&env.endpoint()).expect("free");
    connected.connect(&endpoint).expect("valid");
    let ids = (stage != Stage::Begun).then(|| converse(&bound, &connected));
    if stage != Stage::Over {
        say_in_vain(&bound, &connected, ids);
    }
    take_steps(order, &mut Some(context), &mut Some(bound), &mut Some(connected), &endpoint);
}

fn take_steps(
    order: &[Step],
    context: &mut Option<zeroring::Context>,
    bound: &mut Option<AnySocket>,
    connected: &mut Option<AnySocket>,
    endpoint: &str,
) {
    let mut is_shut_down = false;
    for step in order {
        let done = match step {
            Unbind => bound.as_ref().expect("open").unbind(endpoint),
            Disconnect => connected.as_ref().expect("open").disconnect(endpoint),
            CloseBound | CloseConnected | Shutdown | DropContext => Ok(()),
        };
        match step {
            CloseBound => drop(bound.take()),
            CloseConnected => drop(connected.take()),
            Shutdown => context.as_ref().expect("held").shutdown(),
            DropContext => drop(context.take()),
            Unbind | Disconnect => {}
        }
        match done {
            Err(EndpointFault::Terminated) if is_shut_down => {}
            done => done.unwrap_or_else(|fault| panic!("{step:?} of {order:?}: {fault}")),
        }
        is_shut_down |= *step == Shutdown;
    }
}

/// The ids by which sockets that route know each other: the connected one's, the bound one's.
type Ids = (Message, Message);

/// Something to and fro, until everything is read.
fn converse(bound: &AnySocket, connected: &AnySocket) -> Ids {
    let mut ids = Ids::default();
    match bound.kind() {
        Rep | Pair => {
            connected.send("question").expect("its turn");
            assert_eq!(recv(bound), "question");
            bound.send("answer").expect("its turn");
            assert_eq!(recv(connected), "answer");
        }
        Router => {
            connected.send("question").expect("a queue");
            let question = recv_all(bound);
            ids.0 = question[0].clone();
            assert_eq!(question[1], "question");
            bound.send_multipart([&ids.0[..], b"answer"]).expect("it is there");
            assert_eq!(recv(connected), "answer");
        }
        Pub => {
            connected.subscribe("").expect("a SUB subscribes");
            until("the subscription arrived", || bound.topics_count() == 1);
            bound.send("news").expect("a PUB never waits");
            assert_eq!(recv(connected), "news");
        }
        XPub => {
            connected.send(&b"\x01"[..]).expect("a XSUB never waits");
            assert_eq!(recv(bound), &b"\x01"[..]);
            bound.send("news").expect("a XPUB never waits");
            assert_eq!(recv(connected), "news");
        }
        Pull => {
            connected.send("task").expect("a queue");
            assert_eq!(recv(bound), "task");
        }
        Stream => {
            ids = (recv_all(bound)[0].clone(), recv_all(connected)[0].clone());
            connected.send_multipart([&ids.1[..], b"question"]).expect("it is there");
            assert_eq!(recv_all(bound)[1], "question");
            bound.send_multipart([&ids.0[..], b"answer"]).expect("it is there");
            assert_eq!(recv_all(connected)[1], "answer");
        }
        other => unreachable!("{other:?} binds in no test"),
    }
    ids
}

/// Messages of every kind of storage that nobody will read. Whoever cannot send does not.
fn say_in_vain(bound: &AnySocket, connected: &AnySocket, ids: Option<Ids>) {
    for body in [1, 1000, 10_000, 100_000].map(|len| vec![1_u8; len]) {
        let Some((there, here)) = ids.as_ref().filter(|ids| !ids.0.is_empty()) else {
            let _ = connected.try_send(&body);
            let _ = bound.try_send(&body);
            continue;
        };
        let _ = bound.try_send_multipart([&there[..], &body]);
        let _ = match connected.kind() {
            Stream => connected.try_send_multipart([&here[..], &body]),
            _ => connected.try_send(&body),
        };
    }
}

/// The other side is a program that knows nothing of messages, and stays.
fn a_stream_and_a_stranger(env: &Env) {
    for order in orders() {
        let is_about_peer = |step: &Step| matches!(step, CloseConnected | Disconnect);
        let order: Vec<Step> = order.into_iter().filter(|step| !is_about_peer(step)).collect();
        let before = Counts::now();
        let context = own_context(env);
        let server = context.any_socket(Stream).expect("a socket");
        let endpoint = server.bind(&env.endpoint()).expect("free");
        let address = endpoint.trim_start_matches("tcp://");
        let mut stranger = TcpStream::connect(address).expect("listening");
        stranger.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let id = recv_all(&server)[0].clone();
        stranger.write_all(b"hello").expect("room");
        assert_eq!(recv_all(&server)[1], "hello");
        server.send_multipart([&id[..], b"good bye"]).expect("it is there");
        stranger.write_all(b"nobody reads this").expect("room");
        take_steps(&order, &mut Some(context), &mut Some(server), &mut None, &endpoint);
        let mut rest = Vec::new();
        let ended = stranger.read_to_end(&mut rest); // a reset, since something was not read, or an end
        assert!(ended.is_err() || rest == b"good bye", "{ended:?} {rest:?}, {order:?}");
        drop(stranger);
        before.assert_back(&order);
    }
}

#[test]
fn there_are_as_many_orders_as_should_be() {
    let orders = orders();
    // Three chains of one or two steps, interleaved: 6 + 3 × 12 + 3 × 30 + 90.
    assert_eq!(orders.len(), 222);
    let distinct: std::collections::HashSet<String> =
        orders.iter().map(|order| format!("{order:?}")).collect();
    assert_eq!(distinct.len(), orders.len());
}
