//! REQ and REP: turns, envelopes, lost and late replies.

use std::time::Duration;

use zeroring::{Dealer, EventKind, Message, Rep, Req, Router, SendError, Socket};

use crate::support::{
    DEADLINE, Env, QUIET, assert_quiet, await_event, kinds_until, recv, recv_all, text, until,
};
use zeroring::error::errno::EFSM;

cases! {
    all {
        a_req_takes_turns, a_rep_takes_turns, requests_go_round, a_request_reaches_one_rep_whole,
        the_envelope_comes_back, what_has_no_delimiter_is_dropped, a_reply_to_nobody_is_dropped,
        a_reply_timeout_leaves_the_turn, relaxed_requests_give_up_the_last,
        correlated_replies_must_match, readiness_follows_the_turn, requests_without_peers_wait,
        ten_thousand_round_trips, a_rep_serves_many
    }
    net { a_reply_without_delimiter_ends_the_connection }
}

#[track_caller]
fn assert_out_of_turn(send: Option<SendError>, recv: Option<zeroring::RecvError>) {
    let errno = send.map(|e| e.errno()).or(recv.map(|e| e.errno()));
    assert_eq!(errno, Some(EFSM));
}

fn a_req_takes_turns(env: &Env) {
    let (rep, req) = env.connected::<Rep, Req>();
    assert_out_of_turn(None, req.try_recv().err());
    req.send_more("a").expect("its turn");
    assert_out_of_turn(None, req.try_recv().err());
    req.send("b").expect("the message goes on");
    assert_out_of_turn(req.try_send("again").err(), None);
    assert_eq!(recv_all(&rep), ["a", "b"]);
    rep.send_multipart(["c", "d"]).expect("its turn");
    assert_eq!(recv(&req), "c");
    assert_out_of_turn(req.try_send("too early").err(), None);
    assert_eq!(recv(&req), "d");
    req.send("next").expect("its turn");
}

fn a_rep_takes_turns(env: &Env) {
    let (rep, req) = env.connected::<Rep, Req>();
    assert_out_of_turn(rep.try_send("nobody asked").err(), None);
    req.send_multipart(["a", "b"]).expect("its turn");
    assert_eq!(recv(&rep), "a");
    assert_out_of_turn(rep.try_send("not read to the end").err(), None);
    assert_eq!(recv(&rep), "b");
    assert_out_of_turn(None, rep.try_recv().err());
    rep.send_more("c").expect("its turn");
    assert_out_of_turn(None, rep.try_recv().err());
    rep.send("d").expect("the message goes on");
    assert_eq!(recv_all(&req), ["c", "d"]);
    assert_out_of_turn(rep.try_send("once only").err(), None);
}

fn requests_go_round(env: &Env) {
    let (req, endpoint) = env.bound::<Req>();
    let reps: Vec<Socket<Rep>> = (0..3).map(|_| env.socket()).collect();
    for rep in &reps {
        env.join(&req, rep, &endpoint);
    }
    let mut answered = [0; 3];
    for _ in 0..6 {
        req.send("who?").expect("its turn");
        let mut name = None;
        until("somebody was asked", || {
            name = reps.iter().position(|rep| rep.try_recv().is_ok());
            name.is_some()
        });
        let name = name.expect("somebody was asked");
        reps[name].send("me").expect("its turn");
        assert_eq!(recv(&req), "me");
        answered[name] += 1;
    }
    assert_eq!(answered, [2, 2, 2]);
}

fn a_request_reaches_one_rep_whole(env: &Env) {
    let (rep, req) = env.connected::<Rep, Req>();
    let parts: Vec<Vec<u8>> = [0, 1, 5000, 100_000].iter().map(|size| vec![b'x'; *size]).collect();
    req.send_multipart(&parts).expect("its turn");
    let request = recv_all(&rep);
    assert_eq!(request.iter().map(|part| part.to_vec()).collect::<Vec<_>>(), parts);
    rep.send_multipart(&request).expect("its turn");
    assert_eq!(recv_all(&req), request);
}

fn the_envelope_comes_back(env: &Env) {
    let (rep, dealer) = env.connected::<Rep, Dealer>();
    dealer.send_multipart(["hop 1", "hop 2", "", "question", "", "more"]).expect("room");
    assert_eq!(recv_all(&rep), ["question", "", "more"]);
    rep.send_multipart(["answer"]).expect("its turn");
    assert_eq!(recv_all(&dealer), ["hop 1", "hop 2", "", "answer"]);
}

fn what_has_no_delimiter_is_dropped(env: &Env) {
    let (rep, dealer) = env.connected::<Rep, Dealer>();
    dealer.send_multipart(["no", "delimiter"]).expect("room");
    dealer.send("").expect("room");
    dealer.send_multipart(["", "good"]).expect("room");
    assert_eq!(recv_all(&rep), ["good"]);
    rep.send("reply").expect("its turn");
    assert_eq!(recv_all(&dealer), ["", "reply"]);
}

fn a_reply_to_nobody_is_dropped(env: &Env) {
    let (rep, endpoint) = env.bound::<Rep>();
    let leaver = env.socket::<Req>();
    env.join(&rep, &leaver, &endpoint);
    leaver.send("bye").expect("its turn");
    assert_eq!(recv(&rep), "bye");
    let mut events = rep.monitor();
    drop(leaver);
    if !env.is_inproc() {
        await_event(&mut events, EventKind::Disconnected);
    }
    rep.send("too late").expect("dropped, not refused");
    let stayer = env.socket::<Req>();
    env.join(&rep, &stayer, &endpoint);
    stayer.send("hello").expect("its turn");
    assert_eq!(recv(&rep), "hello");
    rep.send("welcome").expect("its turn");
    assert_eq!(recv(&stayer), "welcome");
}

fn a_reply_timeout_leaves_the_turn(env: &Env) {
    let (rep, req) = env.connected::<Rep, Req>();
    req.send("slow question").expect("its turn");
    assert_eq!(req.recv_timeout(QUIET), Err(zeroring::RecvError::WouldBlock));
    assert_out_of_turn(req.try_send("impatient").err(), None);
    assert_eq!(recv(&rep), "slow question");
    rep.send("slow answer").expect("its turn");
    assert_eq!(recv(&req), "slow answer");
}

fn relaxed_requests_give_up_the_last(env: &Env) {
    let (rep, req) = env.connected::<Rep, Req>();
    req.set_req_relaxed(true);
    req.set_req_correlate(true);
    req.send("first").expect("its turn");
    req.send("second").expect("relaxed");
    for expected in ["first", "second"] {
        assert_eq!(recv(&rep), expected);
        rep.send(format!("to {expected}")).expect("its turn");
    }
    assert_eq!(recv(&req), "to second");
    req.send("third").expect("its turn");
    assert_eq!(recv(&rep), "third");
    rep.send("to third").expect("its turn");
    assert_eq!(recv(&req), "to third");
}

fn correlated_replies_must_match(env: &Env) {
    let (router, req) = env.connected::<Router, Req>();
    req.set_req_correlate(true);
    req.send("question").expect("its turn");
    let request = recv_all(&router);
    let [peer, number, delimiter, body] = &*request else { panic!("{request:?}") };
    assert_eq!((number.len(), delimiter.len(), text(body).as_str()), (4, 0, "question"));
    let wrong: Vec<u8> = number.iter().map(|byte| !byte).collect();
    let reply = |number: &Message, body: &str| {
        router
            .send_multipart([peer.clone(), number.clone(), Message::new(), Message::from(body)])
            .expect("the peer is there");
    };
    reply(&Message::from(wrong), "of another request");
    reply(number, "right");
    assert_eq!(recv_all(&req), ["right"]);
    req.send("next").expect("its turn");
    let next = recv_all(&router);
    let as_number = |part: &Message| u32::from_ne_bytes(part[..].try_into().expect("4 bytes"));
    assert_eq!(as_number(&next[1]), as_number(number).wrapping_add(1));
}

fn readiness_follows_the_turn(env: &Env) {
    let (rep, req) = env.connected::<Rep, Req>();
    let req_is = || req.readiness().map(|ready| (ready.readable, ready.writable)).expect("alive");
    let rep_is = || rep.readiness().map(|ready| (ready.readable, ready.writable)).expect("alive");
    assert_eq!((req_is(), rep_is()), ((false, true), (false, false)));
    req.send("question").expect("its turn");
    assert_eq!(req_is(), (false, false));
    until("the question is there", || rep_is() == (true, false));
    recv(&rep);
    assert_eq!(rep_is(), (false, true));
    rep.send("answer").expect("its turn");
    assert_eq!(rep_is(), (false, false));
    until("the answer is there", || req_is() == (true, false));
    recv(&req);
    assert_eq!(req_is(), (false, true));
}

fn requests_without_peers_wait(env: &Env) {
    let (req, endpoint) = env.bound::<Req>();
    assert_eq!(req.try_send("nobody"), Err(SendError::WouldBlock));
    assert_eq!(req.send_timeout("nobody", QUIET), Err(SendError::WouldBlock));
    let rep = env.socket::<Rep>();
    env.join(&req, &rep, &endpoint);
    req.send_timeout("still its turn", DEADLINE).expect("the state did not change");
    assert_eq!(recv(&rep), "still its turn");
}

fn ten_thousand_round_trips(env: &Env) {
    const TRIPS: u32 = 10_000;
    let (rep, req) = env.connected::<Rep, Req>();
    let server = std::thread::spawn(move || {
        for _ in 0..TRIPS {
            let request = recv(&rep);
            rep.send(&request).expect("its turn");
        }
        rep
    });
    for trip in 0..TRIPS {
        req.send(format!("{trip}")).expect("its turn");
        assert_eq!(recv(&req), trip.to_string().as_str());
    }
    server.join().expect("the server ended well");
}

fn a_rep_serves_many(env: &Env) {
    const CLIENTS: usize = 8;
    const TRIPS: usize = 50;
    let (rep, endpoint) = env.bound::<Rep>();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|name| {
            let req = env.socket::<Req>();
            let endpoint = endpoint.clone();
            std::thread::spawn(move || {
                req.connect(&endpoint).expect("valid");
                for trip in 0..TRIPS {
                    req.send(format!("{name} {trip}")).expect("its turn");
                    assert_eq!(recv(&req), format!("{name} {trip}!").as_str());
                }
            })
        })
        .collect();
    for _ in 0..CLIENTS * TRIPS {
        let request = text(&recv(&rep));
        rep.send(request + "!").expect("its turn");
    }
    for client in clients {
        client.join().expect("the client ended well");
    }
}

fn a_reply_without_delimiter_ends_the_connection(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    let req = env.socket::<Req>();
    env.join(&router, &req, &endpoint);
    let mut events = req.monitor();
    req.send("question").expect("its turn");
    let request = recv_all(&router);
    router.send_multipart([&request[0], &Message::from("forgot the delimiter")]).expect("there");
    assert_eq!(kinds_until(&mut events, EventKind::Disconnected), [EventKind::Disconnected]);
    assert_eq!(events.next_timeout(QUIET).map(|e| e.kind()), None, "a violation is not retried");
    assert_quiet(&router);
    assert_eq!(req.recv_timeout(Duration::ZERO), Err(zeroring::RecvError::WouldBlock));
}
