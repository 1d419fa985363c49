//! Queues and their bounds: high-water marks, steps in which room comes back, conflation, timeouts.

use std::time::Instant;

use zeroring::{
    Context, Dealer, Pair, Pub, Pull, Push, RecvError, SendError, Socket, Sub, Timeout,
};

use crate::support::{DEADLINE, Env, QUIET, assert_empty, drain, recv, recv_all, text, until};

cases! {
    all {
        a_lowered_mark_stops_nothing, a_receive_timeout_is_kept, timeouts_can_be_zero_or_for_ever, immediate_queues_for_nobody,
        the_newest_part_survives_conflation, a_blocked_send_goes_on_when_there_is_room,
        receives_into_a_buffer_give_room_back
    }
    net { a_stuck_peer_stops_the_sender, a_full_peer_is_skipped_over_the_wire, received_parts_can_be_copies }
    inproc {
        marks_add_up_over_inproc, no_mark_means_no_limit, without_a_binder_only_our_mark_counts,
        room_comes_back_in_steps, a_full_peer_is_skipped, marks_can_change_later,
        parts_of_a_message_count_once, a_binder_keeps_the_marks_it_had, conflation_breaks_messages
    }
}

/// Sends until there is no room; how many went in.
fn fill(push: &Socket<Push>) -> usize {
    let limit = 100_000;
    (0..limit)
        .find(|number| push.try_send(format!("{number}")) == Err(SendError::WouldBlock))
        .expect("a queue without bound")
}

/// An inproc pipe from a PUSH with `send` to a PULL with `recv`, the PULL bound first or last.
fn pipe(env: &Env, send: u32, recv: u32, binds_first: bool) -> (Socket<Push>, Socket<Pull>) {
    let (push, pull) = (env.socket::<Push>(), env.socket::<Pull>());
    let endpoint = env.endpoint();
    push.set_send_hwm(send);
    pull.set_recv_hwm(recv);
    if binds_first {
        pull.bind(&endpoint).expect("free");
        push.connect(&endpoint).expect("valid");
    } else {
        push.connect(&endpoint).expect("valid");
        pull.bind(&endpoint).expect("free");
    }
    (push, pull)
}

/// Bodies of each length take a way of their own; a receive that forgot to tell would leave the sender blocked for good.
fn receives_into_a_buffer_give_room_back(env: &Env) {
    const MESSAGES: u32 = 300;
    for body_bytes in [4, 100, 300, 5000] {
        let (pull, endpoint) = env.bound_with::<Pull>(|pull| pull.set_recv_hwm(1));
        let push = env.socket::<Push>();
        push.set_send_hwm(1);
        env.join(&pull, &push, &endpoint);
        let sender = std::thread::spawn(move || {
            let mut body = vec![0; body_bytes];
            for number in 0..MESSAGES {
                body[..4].copy_from_slice(&number.to_be_bytes());
                push.send(&body).expect("room comes");
            }
            push
        });
        let mut buffer = [0; 5000];
        for number in 0..MESSAGES {
            let received =
                pull.recv_slice(&mut buffer, Timeout::After(DEADLINE)).expect("was sent");
            assert_eq!(
                (received.size_bytes, &buffer[..4]),
                (body_bytes, &number.to_be_bytes()[..])
            );
        }
        drop(sender.join().expect("the sender ended well"));
    }
}

fn marks_add_up_over_inproc(env: &Env) {
    for binds_first in [true, false] {
        let (push, pull) = pipe(env, 2, 3, binds_first);
        assert_eq!(fill(&push), 5, "binds first: {binds_first}");
        assert_eq!(drain(&pull).len(), 5);
    }
}

fn no_mark_means_no_limit(env: &Env) {
    for (send, recv) in [(0, 3), (3, 0), (0, 0)] {
        for binds_first in [true, false] {
            let (push, pull) = pipe(env, send, recv, binds_first);
            for number in 0..5000 {
                push.try_send(format!("{number}")).expect("no limit");
            }
            assert_eq!(drain(&pull).len(), 5000, "{send} {recv} {binds_first}");
        }
    }
}

fn without_a_binder_only_our_mark_counts(env: &Env) {
    let push = env.socket::<Push>();
    push.set_send_hwm(2);
    let endpoint = env.endpoint();
    push.connect(&endpoint).expect("valid");
    assert_eq!(fill(&push), 2);
    let pull = env.socket::<Pull>();
    pull.set_recv_hwm(3);
    pull.bind(&endpoint).expect("free");
    assert_eq!(fill(&push), 3, "the peer's mark is added when it comes");
    assert_eq!(drain(&pull).len(), 5);
}

fn room_comes_back_in_steps(env: &Env) {
    let (push, pull) = pipe(env, 5, 5, true);
    assert_eq!(fill(&push), 10);
    for number in 0..4 {
        assert_eq!(recv(&pull), number.to_string().as_str());
        assert_eq!(push.try_send("no"), Err(SendError::WouldBlock), "after {} reads", number + 1);
    }
    recv(&pull);
    push.try_send("yes").expect("the low-water mark, half of ten, is read");
}

fn a_full_peer_is_skipped(env: &Env) {
    let (small, large) = (env.socket::<Pull>(), env.socket::<Pull>());
    small.set_recv_hwm(1);
    large.set_recv_hwm(100);
    let push = env.socket::<Push>();
    push.set_send_hwm(1);
    let (small_at, large_at) = (env.endpoint(), env.endpoint());
    small.bind(&small_at).expect("free");
    large.bind(&large_at).expect("free");
    push.connect(&small_at).expect("valid");
    push.connect(&large_at).expect("valid");
    for number in 0..20 {
        push.try_send(format!("{number}")).expect("one of them has room");
    }
    assert_eq!((drain(&small).len(), drain(&large).len()), (2, 18));
}

fn marks_can_change_later(env: &Env) {
    let (push, pull) = pipe(env, 1, 1, true);
    assert_eq!(fill(&push), 2);
    push.set_send_hwm(4);
    assert_eq!(fill(&push), 3, "4 + 1 fit, 2 were there");
    pull.set_recv_hwm(6);
    until("the peer's new mark arrived", || push.readiness().expect("alive").writable);
    assert_eq!(fill(&push), 5, "4 + 6 fit, 5 were there");
    assert_eq!(drain(&pull).len(), 10);
}

fn parts_of_a_message_count_once(env: &Env) {
    let (push, pull) = pipe(env, 1, 1, true);
    for _ in 0..2 {
        push.try_send_multipart(["a", "b", "c", "d"]).expect("room for two messages");
    }
    assert_eq!(push.try_send("third"), Err(SendError::WouldBlock));
    assert_eq!(recv_all(&pull), ["a", "b", "c", "d"]);
}

fn a_binder_keeps_the_marks_it_had(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    // Bound with the default of 1000: what is set afterwards reaches existing pipes only.
    pull.set_recv_hwm(1);
    let push = env.socket::<Push>();
    push.set_send_hwm(1);
    push.connect(&endpoint).expect("valid");
    assert_eq!(fill(&push), 1001);
}

fn a_stuck_peer_stops_the_sender(env: &Env) {
    let (pull, endpoint) = env.bound_with::<Pull>(|pull| pull.set_recv_hwm(10));
    let push = env.socket::<Push>();
    push.set_send_hwm(10);
    env.join(&pull, &push, &endpoint);
    let body = vec![9; 64 * 1024];
    // The queues hold 20 messages; the kernel's buffers are the rest, some megabytes.
    let sent = (0..5000)
        .find(|_| push.send_timeout(&body, QUIET) == Err(SendError::WouldBlock))
        .expect("the sender is never stopped");
    assert!(sent >= 20, "only {sent} messages went in");
    for _ in 0..sent {
        assert_eq!(recv(&pull).len(), body.len());
    }
    assert_empty(&pull);
    push.send_timeout("room again", DEADLINE).expect("everything was read");
    assert_eq!(recv(&pull), "room again");
}

fn a_full_peer_is_skipped_over_the_wire(env: &Env) {
    let (push, endpoint) = env.bound_with::<Push>(|push| push.set_send_hwm(1));
    let (stuck, busy) = (env.socket::<Pull>(), env.socket::<Pull>());
    for pull in [&stuck, &busy] {
        pull.set_recv_hwm(1);
        env.join(&push, pull, &endpoint);
    }
    const MESSAGES: usize = 1000;
    let sender = std::thread::spawn(move || {
        let body = vec![1; 64 * 1024];
        for _ in 0..MESSAGES {
            push.send_timeout(&body, DEADLINE).expect("the busy peer has room");
        }
        push
    });
    // The stuck one takes its turns until its buffers are full; the other then gets everything.
    let mut received = 0;
    while !sender.is_finished() || busy.readiness().expect("alive").readable {
        received += usize::from(busy.recv_timeout(QUIET).is_ok());
    }
    let _push = sender.join().expect("all were sent"); // open: these contexts do not linger
    assert!(received > MESSAGES / 2, "{received}");
    while received < MESSAGES {
        // What was under way to the busy one when the sender finished still arrives there.
        if busy.recv_timeout(QUIET).is_err() {
            recv(&stuck);
        }
        received += 1;
    }
    assert_empty(&stuck);
}

fn a_blocked_send_goes_on_when_there_is_room(env: &Env) {
    let (pull, endpoint) = env.bound_with::<Pull>(|pull| pull.set_recv_hwm(1));
    let push = env.socket::<Push>();
    push.set_send_hwm(1);
    env.join(&pull, &push, &endpoint);
    const MESSAGES: usize = 3000;
    let sender = std::thread::spawn(move || {
        let body = vec![5; 8 * 1024];
        (0..MESSAGES).for_each(|_| push.send_timeout(&body, DEADLINE).expect("room comes back"));
        push
    });
    for _ in 0..MESSAGES {
        assert_eq!(recv(&pull).len(), 8 * 1024);
    }
    sender.join().expect("all were sent");
}

fn a_receive_timeout_is_kept(env: &Env) {
    let (pull, _push) = env.connected::<Pull, Push>();
    pull.set_recv_timeout(Some(QUIET));
    let start = Instant::now();
    assert_eq!(pull.recv(), Err(RecvError::WouldBlock));
    let waited = start.elapsed();
    assert!(waited >= QUIET && waited < QUIET * 20, "{waited:?}");
}

fn timeouts_can_be_zero_or_for_ever(env: &Env) {
    let (pair, peer) = env.connected::<Pair, Pair>();
    pair.set_recv_timeout(Some(std::time::Duration::ZERO));
    assert_eq!(pair.recv(), Err(RecvError::WouldBlock));
    pair.set_recv_timeout(None);
    let helper = std::thread::spawn(move || {
        peer.send("worth waiting for").expect("room");
        peer
    });
    assert_eq!(pair.recv().expect("waits for ever"), "worth waiting for");
    helper.join().expect("sent");
}

fn immediate_queues_for_nobody(env: &Env) {
    let endpoint = env.free_endpoint();
    let push = env.socket::<Push>();
    push.set_immediate(true);
    push.connect(&endpoint).expect("valid");
    if env.is_inproc() {
        return; // an inproc connection has no time in which it is not established
    }
    assert_eq!(push.try_send("nobody is there"), Err(SendError::WouldBlock));
    let pull = env.socket::<Pull>();
    pull.bind(&endpoint).expect("free");
    push.send_timeout("somebody is", DEADLINE).expect("the peer came");
    assert_eq!(recv(&pull), "somebody is");
}

fn the_newest_part_survives_conflation(env: &Env) {
    let (publisher, endpoint) = env.bound::<Pub>();
    let sub = env.socket::<Sub>();
    sub.set_conflate(true);
    sub.subscribe("").expect("a SUB subscribes");
    env.join(&publisher, &sub, &endpoint);
    until("the subscription arrived", || publisher.topics_count() == 1);
    for number in 0..1000 {
        publisher.send(format!("{number}")).expect("a PUB never waits");
    }
    let mut last = None;
    while last != Some(999) {
        let number: u32 = text(&recv(&sub)).parse().expect("a number");
        assert!(last < Some(number), "{number} after {last:?}");
        last = Some(number);
    }
    assert_empty(&sub);
}

fn conflation_breaks_messages(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let dealer = env.socket::<Dealer>();
    dealer.set_conflate(true);
    dealer.connect(&endpoint).expect("valid");
    for number in 0..5 {
        dealer
            .try_send_multipart([format!("{number}a"), format!("{number}b")])
            .expect("never full");
    }
    let part = recv(&pull);
    assert_eq!((text(&part).as_str(), part.more()), ("4b", false));
    assert_empty(&pull);
}

/// Room comes back in steps of the mark: what a step of the old mark holds back is more than the new mark allows.
fn a_lowered_mark_stops_nothing(env: &Env) {
    for (lower_send, lower_recv) in [(true, false), (false, true), (true, true)] {
        let (pull, push) = env.connected::<Pull, Push>();
        let exchange = |messages: usize| {
            for number in 0..messages {
                push.send_timeout(format!("{number}"), DEADLINE).expect("room comes back");
                assert_eq!(text(&recv(&pull)), format!("{number}"));
            }
        };
        exchange(400);
        if lower_send {
            push.set_send_hwm(10);
        }
        if lower_recv {
            pull.set_recv_hwm(10);
        }
        exchange(100);
    }
}

fn received_parts_can_be_copies(env: &Env) {
    const BODY_BYTES: usize = 1000;
    for zero_copy in [true, false] {
        let context = Context::builder().driver(env.driver).zero_copy_recv(zero_copy).build();
        let pull: Socket<Pull> = context.socket().expect("a socket");
        let endpoint = pull.bind(&env.endpoint()).expect("free");
        let push = env.socket::<Push>();
        push.connect(&endpoint).expect("valid");
        for number in 0..2 {
            push.send(vec![number; BODY_BYTES]).expect("a queue");
        }
        let (first, second) = (recv(&pull), recv(&pull));
        assert_eq!((first.len(), second.len()), (BODY_BYTES, BODY_BYTES));
        // Slices of one buffer lie a frame apart: a body and a header of 9 bytes. An allocator keeps even distances.
        let distance = (second.as_ptr() as usize).wrapping_sub(first.as_ptr() as usize);
        assert_eq!(distance == BODY_BYTES + 9, zero_copy, "{distance} bytes apart");
    }
}
