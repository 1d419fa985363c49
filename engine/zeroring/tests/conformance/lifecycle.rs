//! Closing, lingering and terminating, in every order.

use std::time::{Duration, Instant};

use zeroring::{
    Context, EndpointFault, EventKind, Events, OptionFault, Poller, Pull, Push, RecvError, Rep,
    Req, SendError, Socket, SocketError,
};

use crate::support::{DEADLINE, DriverChoice, Env, QUIET, assert_quiet, await_event, recv, text};

cases! {
    all {
        everything_closes_in_any_order, what_was_sent_arrives_after_close,
        close_before_the_handshake_keeps_messages, a_blocked_receive_ends_at_shutdown,
        a_blocked_send_ends_at_shutdown, a_blocked_poll_ends_at_shutdown,
        every_call_fails_after_shutdown, closing_wakes_nobody_up_wrongly, sockets_move_between_threads,
        received_messages_survive_their_sender, many_contexts_side_by_side,
        peers_may_arrive_while_their_socket_closes
    }
    net {
        lingering_waits_for_the_peer, lingering_ends_in_time, without_linger_messages_are_dropped,
        nothing_queued_means_nothing_to_wait_for, disconnecting_lingers_too,
        a_slow_reader_gets_what_a_peer_sent_before_it_ended, connections_of_many_threads_end_with_their_listener
    }
    inproc {
        a_missing_binder_does_not_hold_up_the_end, the_number_of_sockets_is_bounded,
        term_without_sockets_is_immediate, the_last_handle_waits
    }
}

/// A context of its own on the same driver, to be ended within the case.
fn own_context(env: &Env) -> Context {
    let driver = if env.is_inproc() { DriverChoice::Auto } else { env.driver };
    Context::builder().driver(driver).build()
}

/// The connections of one listener are served by several threads, and all of them end with it.
fn connections_of_many_threads_end_with_their_listener(env: &Env) {
    let context = Context::builder().driver(env.driver).io_threads(3).build();
    for unbinds in [true, false] {
        let pull: Socket<Pull> = context.socket().expect("a socket");
        let endpoint = pull.bind(&env.endpoint()).expect("free");
        let pushes: Vec<Socket<Push>> = (0..20).map(|_| env.socket()).collect();
        let mut monitors: Vec<_> = pushes.iter().map(|push| push.monitor()).collect();
        for (number, push) in pushes.iter().enumerate() {
            push.connect(&endpoint).expect("valid");
            push.send(number.to_string()).expect("a queue");
        }
        let mut received: Vec<usize> =
            (0..20).map(|_| text(&recv(&pull)).parse().expect("a number")).collect();
        received.sort_unstable();
        assert_eq!(received, (0..20).collect::<Vec<_>>());
        let kept = if unbinds {
            pull.unbind(&endpoint).expect("bound");
            Some(pull)
        } else {
            drop(pull);
            None
        };
        for events in &mut monitors {
            await_event(events, EventKind::Disconnected);
        }
        drop((pushes, kept));
    }
    assert!(context.term_timeout(DEADLINE), "{:?}", context.stats());
}

fn everything_closes_in_any_order(env: &Env) {
    for how_far in 0..3 {
        for order in 0..4 {
            let context = own_context(env);
            let (rep, req): (Socket<Rep>, Socket<Req>) =
                (context.socket().expect("a socket"), context.socket().expect("a socket"));
            // A question that nobody reads would wait for the next REP, for ever.
            req.set_linger(Some(Duration::ZERO));
            let endpoint = rep.bind(&env.endpoint()).expect("free");
            req.connect(&endpoint).expect("valid");
            req.send("question").expect("its turn");
            if how_far > 0 {
                assert_eq!(recv(&rep), "question");
            }
            if how_far > 1 {
                rep.send("answer").expect("its turn");
            }
            match order {
                0 => drop((req, rep)),
                1 => drop((rep, req)),
                2 => {
                    context.shutdown();
                    drop((rep, req));
                }
                _ => {
                    rep.unbind(&endpoint).expect("bound");
                    req.disconnect(&endpoint).expect("connected");
                    drop((rep, req));
                }
            }
            assert!(context.term_timeout(DEADLINE), "{how_far} {order}: {:?}", context.stats());
        }
    }
}

/// A pipe handed to a socket that closes at this moment must not keep the context from ending.
fn peers_may_arrive_while_their_socket_closes(env: &Env) {
    for round in 0..100_u32 {
        let context = own_context(env);
        let bound: Socket<Push> = context.socket().expect("a socket");
        let mut events = bound.monitor();
        let endpoint = bound.bind(&env.endpoint()).expect("free");
        let arriving: Socket<Pull> = context.socket().expect("a socket");
        arriving.set_linger(Some(Duration::ZERO));
        let connecting = std::thread::spawn(move || {
            arriving.connect(&endpoint).expect("valid");
            arriving
        });
        // The pipe is handed over a moment after this event; every round closes at another moment.
        while !env.is_inproc()
            && events.try_next().is_none_or(|event| event.kind() != EventKind::HandshakeSucceeded)
        {
            std::hint::spin_loop();
        }
        (0..round % 25 * 40).for_each(|_| std::hint::spin_loop());
        drop(bound);
        drop(connecting.join().expect("no panic"));
        assert!(context.term_timeout(DEADLINE), "round {round}: {:?}", context.stats());
    }
}

/// The kernel, a driver and the engine hold messages of a peer that is gone, and none has credit to be queued.
fn a_slow_reader_gets_what_a_peer_sent_before_it_ended(env: &Env) {
    const MESSAGES: usize = 100;
    let (pull, endpoint) = env.bound_with::<Pull>(|pull| pull.set_recv_hwm(2));
    let mut events = pull.monitor();
    let context = own_context(env);
    let push: Socket<Push> = context.socket().expect("a socket");
    push.connect(&endpoint).expect("valid");
    let body = vec![3; 1024];
    (0..MESSAGES).for_each(|_| push.send(&body).expect("room"));
    drop(push);
    assert!(context.term_timeout(DEADLINE), "the kernel has room for all: {:?}", context.stats());
    (0..MESSAGES).for_each(|_| assert_eq!(recv(&pull).len(), body.len()));
    await_event(&mut events, EventKind::Disconnected);
}

fn what_was_sent_arrives_after_close(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    const MESSAGES: usize = 500;
    let push = env.socket::<Push>();
    push.set_linger(None);
    env.join(&pull, &push, &endpoint);
    for number in 0..MESSAGES {
        push.send(format!("{number}")).expect("room");
    }
    drop(push);
    for number in 0..MESSAGES {
        assert_eq!(text(&recv(&pull)), number.to_string());
    }
    assert_quiet(&pull);
}

fn close_before_the_handshake_keeps_messages(env: &Env) {
    for _ in 0..20 {
        let (pull, endpoint) = env.bound::<Pull>();
        let push = env.socket::<Push>();
        push.set_linger(None);
        push.connect(&endpoint).expect("valid");
        push.send("sent before anybody knew of anybody").expect("a queue");
        drop(push);
        assert_eq!(recv(&pull), "sent before anybody knew of anybody");
    }
}

fn lingering_waits_for_the_peer(env: &Env) {
    let context = own_context(env);
    let endpoint = env.free_endpoint();
    let push = context.socket::<Push>().expect("a socket");
    push.set_reconnect_interval(Some(Duration::from_millis(5)));
    push.connect(&endpoint).expect("valid");
    push.send("for who comes late").expect("a queue");
    drop(push);
    assert!(!context.term_timeout(QUIET), "it must wait for the peer");
    let pull = env.socket::<Pull>();
    pull.bind(&endpoint).expect("free");
    assert_eq!(recv(&pull), "for who comes late");
    assert!(context.term_timeout(DEADLINE), "nothing is left to wait for");
}

fn lingering_ends_in_time(env: &Env) {
    let context = own_context(env);
    let linger = Duration::from_millis(200);
    let push = context.socket::<Push>().expect("a socket");
    push.set_linger(Some(linger));
    push.connect(&env.free_endpoint()).expect("valid");
    push.send("for nobody").expect("a queue");
    let start = Instant::now();
    drop(push);
    assert!(start.elapsed() < linger / 2, "closing does not wait");
    assert!(context.term_timeout(DEADLINE));
    let waited = start.elapsed();
    assert!(waited >= linger && waited < linger * 10, "{waited:?}");
}

fn without_linger_messages_are_dropped(env: &Env) {
    let context = own_context(env);
    let endpoint = env.free_endpoint();
    let push = context.socket::<Push>().expect("a socket");
    push.set_linger(Some(Duration::ZERO));
    push.connect(&endpoint).expect("valid");
    push.send("dropped").expect("a queue");
    drop(push);
    assert!(context.term_timeout(DEADLINE));
    let pull = env.socket::<Pull>();
    pull.bind(&endpoint).expect("free");
    assert_quiet(&pull);
}

fn nothing_queued_means_nothing_to_wait_for(env: &Env) {
    let context = own_context(env);
    let push = context.socket::<Push>().expect("a socket");
    push.connect(&env.free_endpoint()).expect("valid");
    drop(push); // lingers for ever, for nothing
    assert!(context.term_timeout(DEADLINE));
}

fn disconnecting_lingers_too(env: &Env) {
    let endpoint = env.free_endpoint();
    let push = env.socket::<Push>();
    push.set_linger(None);
    push.connect(&endpoint).expect("valid");
    push.send("before disconnect").expect("a queue");
    push.disconnect(&endpoint).expect("connected");
    assert_eq!(push.try_send("after disconnect"), Err(SendError::WouldBlock));
    let pull = env.socket::<Pull>();
    pull.bind(&endpoint).expect("free");
    assert_eq!(recv(&pull), "before disconnect");
}

fn a_blocked_receive_ends_at_shutdown(env: &Env) {
    let (pull, _push) = env.connected::<Pull, Push>();
    let (asleep, when) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = asleep.send(());
        pull.recv()
    });
    when.recv().expect("the thread runs");
    env.context.shutdown();
    assert_eq!(thread.join().expect("no panic"), Err(RecvError::Terminated));
}

fn a_blocked_send_ends_at_shutdown(env: &Env) {
    let (push, _) = env.bound::<Push>();
    let (asleep, when) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = asleep.send(());
        push.send("nobody is there")
    });
    when.recv().expect("the thread runs");
    env.context.shutdown();
    assert_eq!(thread.join().expect("no panic"), Err(SendError::Terminated));
}

fn a_blocked_poll_ends_at_shutdown(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    let (asleep, when) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut poller = Poller::new();
        poller.add(&pull, 1, Events::READABLE).expect("new");
        let _ = asleep.send(());
        poller.wait(None).map(|ready| ready.len())
    });
    when.recv().expect("the thread runs");
    env.context.shutdown();
    assert_eq!(thread.join().expect("no panic"), Err(zeroring::poller::PollError::Terminated));
    drop(push);
}

fn every_call_fails_after_shutdown(env: &Env) {
    let (rep, endpoint) = env.bound::<Rep>();
    env.context.shutdown();
    let any = rep.into_any();
    assert_eq!(any.try_recv(), Err(RecvError::Terminated));
    assert_eq!(any.try_send("x"), Err(SendError::Terminated));
    assert_eq!(any.recv(), Err(RecvError::Terminated));
    assert_eq!(any.send("x"), Err(SendError::Terminated));
    assert_eq!(any.readiness(), Err(RecvError::Terminated));
    for refused in [
        any.bind(&env.endpoint()).map(drop),
        any.connect(&endpoint),
        any.unbind(&endpoint),
        any.disconnect(&endpoint),
    ] {
        assert!(matches!(refused, Err(EndpointFault::Terminated)), "{refused:?}");
    }
    const TYPE: i32 = 16;
    const LINGER: i32 = 17;
    assert!(matches!(any.get_option(TYPE, 4), Err(OptionFault::Terminated)));
    let set = any.set_option(LINGER, Some(&0_i32.to_ne_bytes()));
    assert!(matches!(set, Err(OptionFault::Terminated)));
    let refused = env.context.socket::<Pull>().expect_err("no new sockets");
    assert!(matches!(refused, SocketError::Terminated), "{refused}");
}

fn closing_wakes_nobody_up_wrongly(env: &Env) {
    // A receiver whose peer goes away goes on waiting for the next one.
    let (pull, endpoint) = env.bound::<Pull>();
    let receiver = std::thread::spawn(move || (text(&recv(&pull)), text(&recv(&pull))));
    for name in ["first", "second"] {
        let push = env.socket::<Push>();
        push.set_linger(None);
        push.connect(&endpoint).expect("valid");
        push.send(name).expect("a queue");
        drop(push);
    }
    let mut names: [String; 2] = receiver.join().expect("both came").into();
    names.sort();
    assert_eq!(names, ["first", "second"]);
}

fn sockets_move_between_threads(env: &Env) {
    let (mut pull, mut push) = env.connected::<Pull, Push>();
    for round in 0..10 {
        let sender = std::thread::spawn(move || {
            push.send(format!("{round}")).expect("room");
            push
        });
        let receiver = std::thread::spawn(move || {
            assert_eq!(text(&recv(&pull)), round.to_string());
            pull
        });
        push = sender.join().expect("sent");
        pull = receiver.join().expect("received");
    }
}

fn received_messages_survive_their_sender(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    push.send(vec![1; 200_000]).expect("room");
    let first = recv(&pull);
    push.send(vec![2; 200_000]).expect("room");
    drop(push);
    assert!(first.iter().all(|byte| *byte == 1));
}

fn many_contexts_side_by_side(env: &Env) {
    let contexts: Vec<Context> = (0..8).map(|_| own_context(env)).collect();
    for context in &contexts {
        let (push, pull): (Socket<Push>, Socket<Pull>) =
            (context.socket().expect("a socket"), context.socket().expect("a socket"));
        push.connect(&pull.bind(&env.endpoint()).expect("free")).expect("valid");
        push.send("hello").expect("room");
        assert_eq!(recv(&pull), "hello");
    }
    for context in contexts {
        assert!(context.term_timeout(DEADLINE));
    }
}

fn a_missing_binder_does_not_hold_up_the_end(env: &Env) {
    let context = own_context(env);
    let push = context.socket::<Push>().expect("a socket");
    push.connect("inproc://nobody").expect("valid");
    push.send("for nobody").expect("a queue");
    drop(push);
    assert!(context.term_timeout(DEADLINE));
}

fn the_number_of_sockets_is_bounded(_env: &Env) {
    let context = Context::builder().max_sockets(3).build();
    let mut sockets: Vec<Socket<Pull>> =
        (0..3).map(|_| context.socket().expect("a socket")).collect();
    let refused = context.socket::<Pull>().expect_err("three is the limit");
    assert!(matches!(refused, SocketError::TooManySockets { limit: 3 }), "{refused}");
    assert_eq!(refused.errno(), zeroring::error::errno::EMFILE);
    sockets.pop();
    sockets.push(context.socket().expect("one was closed"));
    // Read with the first socket: later changes come too late.
    const ZMQ_MAX_SOCKETS: i32 = 2;
    context.set_option(ZMQ_MAX_SOCKETS, &10_i32.to_ne_bytes()).expect("valid");
    let refused = context.socket::<Pull>().expect_err("three is the limit still");
    assert!(matches!(refused, SocketError::TooManySockets { limit: 3 }), "{refused}");
}

fn term_without_sockets_is_immediate(_env: &Env) {
    let context = Context::new();
    context.term();
    context.term();
    assert!(matches!(context.socket::<Pull>(), Err(SocketError::Terminated)));
}

fn the_last_handle_waits(env: &Env) {
    let context = Context::new();
    let (push, pull): (Socket<Push>, Socket<Pull>) =
        (context.socket().expect("a socket"), env.socket());
    let endpoint = pull.bind("tcp://127.0.0.1:*").expect("free");
    push.connect(&endpoint).expect("valid");
    push.send("must not be lost").expect("a queue");
    drop(push);
    drop(context); // waits until the message has left
    assert_eq!(recv(&pull), "must not be lost");
}
