//! Proxies: queues, forwarders, streamers, and how they are steered.

use std::thread::JoinHandle;

use zeroring::kind::Kind;
use zeroring::proxy::ProxyError;
use zeroring::{
    Dealer, Message, Pair, Pub, Pull, Push, Rep, Req, Router, Socket, Sub, XPub, XSub, proxy,
    steerable_proxy,
};

use crate::support::{DEADLINE, Env, assert_quiet, recv, recv_all, text, until};

cases! {
    all {
        a_queue_spreads_requests, a_forwarder_carries_subscriptions, a_streamer_keeps_order,
        short_and_long_messages_keep_their_order,
        a_capture_sees_both_directions, pause_and_resume, terminate_ends_it, statistics_count_parts,
        a_rep_control_is_always_answered, unknown_commands_are_ignored, a_proxy_ends_with_its_context
    }
    inproc { a_full_side_holds_up_its_senders, one_socket_can_reflect, a_sub_can_control }
}

type Running = JoinHandle<Result<(), ProxyError>>;

/// A proxy on a thread of its own, and a PAIR that steers it.
fn steered<F: Kind, B: Kind>(
    env: &Env,
    front: Socket<F>,
    back: Socket<B>,
) -> (Socket<Pair>, Running)
where
    Socket<F>: Send,
    Socket<B>: Send,
{
    let (control, remote) = env.connected::<Pair, Pair>();
    (remote, std::thread::spawn(move || steerable_proxy(&front, &back, None, &control)))
}

fn end(remote: &Socket<Pair>, running: Running) {
    remote.send("TERMINATE").expect("room");
    running.join().expect("no panic").expect("ended by command");
}

fn a_queue_spreads_requests(env: &Env) {
    let (front, front_at) = env.bound::<Router>();
    let (back, back_at) = env.bound::<Dealer>();
    let reps: Vec<Socket<Rep>> = (0..2).map(|_| env.socket()).collect();
    for rep in &reps {
        env.join(&back, rep, &back_at);
    }
    let (remote, running) = steered(env, front, back);
    let servers: Vec<_> = reps
        .into_iter()
        .map(|rep| {
            std::thread::spawn(move || {
                for _ in 0..10 {
                    let request = text(&recv(&rep));
                    rep.send(request + "!").expect("its turn");
                }
                rep
            })
        })
        .collect();
    let reqs: Vec<Socket<Req>> = (0..4).map(|_| env.socket()).collect();
    for req in &reqs {
        req.connect(&front_at).expect("valid");
    }
    for round in 0..5 {
        for (name, req) in reqs.iter().enumerate() {
            req.send(format!("{name} {round}")).expect("its turn");
        }
        for (name, req) in reqs.iter().enumerate() {
            assert_eq!(text(&recv(req)), format!("{name} {round}!"));
        }
    }
    for server in servers {
        server.join().expect("each served ten");
    }
    end(&remote, running);
}

fn a_forwarder_carries_subscriptions(env: &Env) {
    let (front, front_at) = env.bound::<XSub>();
    let (back, back_at) = env.bound::<XPub>();
    let (remote, running) = steered(env, front, back);
    let (publisher, sub) = (env.socket::<Pub>(), env.socket::<Sub>());
    publisher.connect(&front_at).expect("valid");
    sub.connect(&back_at).expect("valid");
    sub.subscribe("A").expect("a SUB subscribes");
    until("the subscription came through", || publisher.topics_count() == 1);
    publisher.send("B").expect("a PUB never waits");
    publisher.send_multipart(["A", "body"]).expect("a PUB never waits");
    assert_eq!(recv_all(&sub), ["A", "body"]);
    sub.unsubscribe("A").expect("taken back");
    until("so did its end", || publisher.topics_count() == 0);
    end(&remote, running);
}

fn a_streamer_keeps_order(env: &Env) {
    const MESSAGES: usize = 5000;
    let (front, front_at) = env.bound::<Pull>();
    let (back, back_at) = env.bound::<Push>();
    let (remote, running) = steered(env, front, back);
    let push = env.socket::<Push>();
    push.connect(&front_at).expect("valid");
    let pull = env.socket::<Pull>();
    pull.connect(&back_at).expect("valid");
    let sender = std::thread::spawn(move || {
        for number in 0..MESSAGES {
            push.send_multipart([format!("{number}"), "x".to_owned()]).expect("room");
        }
        push
    });
    for number in 0..MESSAGES {
        assert_eq!(recv_all(&pull), [number.to_string(), "x".to_owned()]);
    }
    sender.join().expect("all were sent");
    end(&remote, running);
}

/// Short messages of one part go straight from queue to queue; what is between them waits its turn, and all are counted.
fn short_and_long_messages_keep_their_order(env: &Env) {
    const MESSAGES: usize = 3000;
    let message = |number: usize| -> Vec<String> {
        let body = "x".repeat(number % 7 * if number.is_multiple_of(10) { 2000 } else { 40 });
        let last = format!("{number}{body}");
        if number.is_multiple_of(13) { vec![body, last] } else { vec![last] }
    };
    let (front, source) = env.connected::<Pull, Push>();
    let (back, sink) = env.connected::<Push, Pull>();
    let (remote, running) = steered(env, front, back);
    let sender = std::thread::spawn(move || {
        for number in 0..MESSAGES {
            source.send_multipart(message(number)).expect("room");
        }
        source
    });
    for number in 0..MESSAGES {
        let received: Vec<_> = recv_all(&sink).iter().map(text).collect();
        assert_eq!(received, message(number));
    }
    let source = sender.join().expect("all were sent");
    remote.send("STATISTICS").expect("room");
    let sent: Vec<_> = (0..MESSAGES).flat_map(message).collect();
    let (parts, bytes) = (sent.len() as u64, sent.iter().map(|part| part.len() as u64).sum());
    assert_eq!(numbers(&recv_all(&remote)), [parts, bytes, 0, 0, 0, 0, parts, bytes]);
    drop(source);
    end(&remote, running);
}

fn a_capture_sees_both_directions(env: &Env) {
    let (front, front_at) = env.bound::<Dealer>();
    let (back, back_at) = env.bound::<Dealer>();
    let (capture, seen) = env.connected::<Push, Pull>();
    let (a, b) = (env.socket::<Dealer>(), env.socket::<Dealer>());
    env.join(&front, &a, &front_at);
    env.join(&back, &b, &back_at);
    let context = env.context.clone();
    let running = std::thread::spawn(move || proxy(&front, &back, Some(&capture)));
    a.send_multipart(["there", "1"]).expect("room");
    assert_eq!(recv_all(&b), ["there", "1"]);
    b.send("back").expect("room");
    assert_eq!(recv(&a), "back");
    assert_eq!(recv_all(&seen), ["there", "1"]);
    assert_eq!(recv_all(&seen), ["back"]);
    context.shutdown();
    assert!(running.join().expect("no panic").expect_err("no other end").is_terminated());
}

fn pause_and_resume(env: &Env) {
    let (front, source) = env.connected::<Pull, Push>();
    let (back, sink) = env.connected::<Push, Pull>();
    let (remote, running) = steered(env, front, back);
    source.send("before").expect("room");
    assert_eq!(recv(&sink), "before");
    remote.send("PAUSE").expect("room");
    remote.send("STATISTICS").expect("room");
    recv_all(&remote); // so the pause is in force
    source.send("meanwhile").expect("room");
    assert_quiet(&sink);
    remote.send("RESUME").expect("room");
    assert_eq!(recv(&sink), "meanwhile");
    end(&remote, running);
    assert_quiet(&remote);
}

fn terminate_ends_it(env: &Env) {
    let (front, _source) = env.connected::<Pull, Push>();
    let (back, _sink) = env.connected::<Push, Pull>();
    let (remote, running) = steered(env, front, back);
    remote.send("PAUSE").expect("room");
    end(&remote, running);
}

fn numbers(statistics: &[Message]) -> Vec<u64> {
    statistics
        .iter()
        .map(|part| u64::from_ne_bytes(part[..].try_into().expect("8 bytes")))
        .collect()
}

fn statistics_count_parts(env: &Env) {
    let (front, a) = env.connected::<Dealer, Dealer>();
    let (back, b) = env.connected::<Dealer, Dealer>();
    let (remote, running) = steered(env, front, back);
    a.send_multipart(["12345", "678"]).expect("room");
    assert_eq!(recv_all(&b).len(), 2);
    b.send("1").expect("room");
    assert_eq!(recv(&a), "1");
    remote.send("STATISTICS").expect("room");
    let statistics = recv_all(&remote);
    assert_eq!(numbers(&statistics), [2, 8, 1, 1, 1, 1, 2, 8]);
    end(&remote, running);
}

fn a_rep_control_is_always_answered(env: &Env) {
    let (front, source) = env.connected::<Pull, Push>();
    let (back, sink) = env.connected::<Push, Pull>();
    let (control, remote) = env.connected::<Rep, Req>();
    let running = std::thread::spawn(move || {
        let ended = steerable_proxy(&front, &back, None, &control);
        (ended, front, back, control) // open, so that the last answer arrives
    });
    for command in ["PAUSE", "RESUME", "nonsense", "STATISTICS", "TERMINATE"] {
        remote.send(command).expect("its turn");
        let parts = if command == "STATISTICS" { 8 } else { 1 };
        assert_eq!(recv_all(&remote).len(), parts, "{command}");
    }
    let (ended, ..) = running.join().expect("no panic");
    ended.expect("ended by command");
    drop((source, sink));
}

fn unknown_commands_are_ignored(env: &Env) {
    let (front, source) = env.connected::<Pull, Push>();
    let (back, sink) = env.connected::<Push, Pull>();
    let (remote, running) = steered(env, front, back);
    for command in ["pause", "PAUSE\0", "TERMINATE ", "", "STATISTIC"] {
        remote.send(command).expect("room");
    }
    remote.send_multipart(["several", "parts"]).expect("room");
    source.send("still forwarded").expect("room");
    assert_eq!(recv(&sink), "still forwarded");
    assert_quiet(&remote);
    end(&remote, running);
}

fn a_proxy_ends_with_its_context(env: &Env) {
    let (front, _source) = env.connected::<Pull, Push>();
    let (back, _sink) = env.connected::<Push, Pull>();
    let context = env.context.clone();
    let running = std::thread::spawn(move || proxy(&front, &back, None));
    context.shutdown();
    let error = running.join().expect("no panic").expect_err("only an error ends it");
    assert_eq!(error.errno(), zeroring::error::errno::ETERM);
}

fn a_full_side_holds_up_its_senders(env: &Env) {
    let (front, front_at) = env.bound_with::<Pull>(|pull| pull.set_recv_hwm(5));
    let (back, back_at) = env.bound_with::<Push>(|push| push.set_send_hwm(5));
    let source = env.socket::<Push>();
    source.set_send_hwm(5);
    source.connect(&front_at).expect("valid");
    let sink = env.socket::<Pull>();
    sink.set_recv_hwm(5);
    sink.connect(&back_at).expect("valid");
    let (remote, running) = steered(env, front, back);
    let mut sent = 0;
    while source.send_timeout(format!("{sent}"), crate::support::QUIET).is_ok() {
        sent += 1;
        assert!(sent <= 20, "ten fit before the proxy and ten behind it");
    }
    assert_eq!(sent, 20, "nothing is lost and nothing waits inside");
    for number in 0..sent {
        assert_eq!(text(&recv(&sink)), number.to_string());
    }
    source.send_timeout("flows again", DEADLINE).expect("room");
    assert_eq!(recv(&sink), "flows again");
    end(&remote, running);
}

fn one_socket_can_reflect(env: &Env) {
    let (mirror, req) = env.connected::<Router, Req>();
    let (control, remote) = env.connected::<Pair, Pair>();
    let running = std::thread::spawn(move || steerable_proxy(&mirror, &mirror, None, &control));
    for round in 0..10 {
        req.send(format!("{round}")).expect("its turn");
        assert_eq!(text(&recv(&req)), round.to_string());
    }
    end(&remote, running);
}

fn a_sub_can_control(env: &Env) {
    let (front, _source) = env.connected::<Pull, Push>();
    let (back, _sink) = env.connected::<Push, Pull>();
    let (remote, control) = env.connected::<Pub, Sub>();
    control.subscribe("").expect("a SUB subscribes");
    until("it listens", || remote.topics_count() == 1);
    let running = std::thread::spawn(move || steerable_proxy(&front, &back, None, &control));
    for command in ["PAUSE", "STATISTICS", "RESUME", "TERMINATE"] {
        remote.send(command).expect("a PUB never waits");
    }
    running.join().expect("no panic").expect("a control that cannot answer does not end it");
}
