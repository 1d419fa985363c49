//! PUB and SUB: who gets what, and what slow subscribers miss.

use zeroring::{EventKind, Pub, RecvError, SendError, Socket, Sub, Timeout, XPub};

use crate::support::{
    DEADLINE, Env, assert_empty, assert_quiet, await_event, drain, recv, recv_all, text, until,
};

cases! {
    all {
        prefixes_choose_messages, a_buffer_gets_matching_messages_only, only_the_first_part_is_matched, subscriptions_are_counted,
        unknown_unsubscriptions_are_fine, nobody_hears_what_was_before, a_publisher_never_waits,
        subscribing_before_connecting, a_subscriber_can_bind, every_subscriber_gets_a_copy,
        matching_can_be_inverted, ten_thousand_topics, wrong_directions_are_refused,
        topics_are_counted_once, a_late_unsubscription_is_kept_out, a_slow_subscriber_costs_itself_only
    }
    net { subscriptions_come_back_after_a_reconnect, a_lost_subscriber_is_forgotten }
    inproc { drops_come_in_bursts, nodrop_waits_for_all, messages_are_dropped_whole }
}

/// A publisher and a subscriber to `topics`, the subscriptions in place.
fn subscribed(env: &Env, topics: &[&str]) -> (Socket<Pub>, Socket<Sub>) {
    let (publisher, sub) = env.connected::<Pub, Sub>();
    subscribe(&publisher, &sub, topics);
    (publisher, sub)
}

fn subscribe(publisher: &Socket<Pub>, sub: &Socket<Sub>, topics: &[&str]) {
    let before = publisher.topics_count();
    for topic in topics {
        sub.subscribe(topic).expect("a SUB subscribes");
    }
    until("the subscriptions arrived", || publisher.topics_count() == before + topics.len());
}

fn prefixes_choose_messages(env: &Env) {
    let (publisher, sub) = subscribed(env, &["A", "BB"]);
    for message in ["A", "B", "AB", "BBB", "", "a", "BB"] {
        publisher.send(message).expect("a PUB never waits");
    }
    let received: Vec<_> = (0..4).map(|_| text(&recv(&sub))).collect();
    assert_eq!(received, ["A", "AB", "BBB", "BB"]);
    assert_quiet(&sub);
}

/// A late message of another topic may still be on its way when its subscription is gone: it is passed over in the buffer's
/// way as well.
fn a_buffer_gets_matching_messages_only(env: &Env) {
    let (publisher, sub) = subscribed(env, &["A", "B"]);
    for message in ["A1", "B1", "B2", "A2"] {
        publisher.send(message).expect("a PUB never waits");
    }
    until("the messages are there", || sub.readiness().expect("open").readable);
    sub.unsubscribe("B").expect("a SUB unsubscribes");
    for expected in ["A1", "A2"] {
        let mut buffer = [0; 8];
        let received = sub.recv_slice(&mut buffer, Timeout::After(DEADLINE)).expect("was sent");
        assert_eq!(received.bytes_in(&buffer), expected.as_bytes());
    }
    assert_empty(&sub);
}

fn only_the_first_part_is_matched(env: &Env) {
    let (publisher, sub) = subscribed(env, &["A"]);
    publisher.send_multipart(["B", "A"]).expect("a PUB never waits");
    publisher.send_multipart(["A", "B", "", "C"]).expect("a PUB never waits");
    assert_eq!(recv_all(&sub), ["A", "B", "", "C"]);
}

fn subscriptions_are_counted(env: &Env) {
    let (publisher, sub) = subscribed(env, &["A", "end"]);
    sub.subscribe("A").expect("twice is fine");
    sub.unsubscribe("A").expect("once back");
    publisher.send("A 1").expect("a PUB never waits");
    assert_eq!(recv(&sub), "A 1");
    sub.unsubscribe("A").expect("twice back");
    until("nobody wants A", || publisher.topics_count() == 1);
    publisher.send("A 2").expect("a PUB never waits");
    publisher.send("end").expect("a PUB never waits");
    assert_eq!(recv(&sub), "end");
}

fn unknown_unsubscriptions_are_fine(env: &Env) {
    let (publisher, sub) = subscribed(env, &["A"]);
    sub.unsubscribe("never subscribed").expect("nothing happens");
    sub.unsubscribe("").expect("nothing happens");
    publisher.send("A").expect("a PUB never waits");
    assert_eq!(recv(&sub), "A");
}

fn nobody_hears_what_was_before(env: &Env) {
    let (publisher, endpoint) = env.bound::<Pub>();
    publisher.send("before").expect("dropped");
    let sub = env.socket::<Sub>();
    env.join(&publisher, &sub, &endpoint);
    publisher.send("connected, not subscribed").expect("dropped");
    subscribe(&publisher, &sub, &[""]);
    publisher.send("after").expect("a PUB never waits");
    assert_eq!(recv(&sub), "after");
}

fn a_publisher_never_waits(env: &Env) {
    let (publisher, sub) = subscribed(env, &[""]);
    sub.set_recv_hwm(1);
    publisher.set_send_hwm(1);
    let body = vec![1; 4096];
    for _ in 0..20_000 {
        publisher.try_send(&body).expect("drops rather than waits");
    }
    assert_eq!(recv(&sub).len(), 4096);
}

fn subscribing_before_connecting(env: &Env) {
    let (publisher, endpoint) = env.bound::<Pub>();
    let sub = env.socket::<Sub>();
    sub.subscribe("A").expect("a SUB subscribes");
    sub.subscribe("A").expect("a SUB subscribes");
    sub.subscribe("B").expect("a SUB subscribes");
    sub.unsubscribe("B").expect("taken back");
    sub.connect(&endpoint).expect("valid");
    until("the subscription arrived", || publisher.topics_count() == 1);
    publisher.send("B").expect("a PUB never waits");
    publisher.send("A").expect("a PUB never waits");
    assert_eq!(recv(&sub), "A");
}

fn a_subscriber_can_bind(env: &Env) {
    let (sub, endpoint) = env.bound::<Sub>();
    sub.subscribe("").expect("a SUB subscribes");
    let publishers: Vec<_> = (0..3).map(|_| env.socket::<Pub>()).collect();
    for publisher in &publishers {
        publisher.connect(&endpoint).expect("valid");
        until("the subscription arrived", || {
            // The binder of an inproc name sends its subscriptions when it learns of the newcomer.
            let _ = sub.readiness();
            publisher.topics_count() == 1
        });
        publisher.send("hello").expect("a PUB never waits");
        assert_eq!(recv(&sub), "hello");
    }
}

fn every_subscriber_gets_a_copy(env: &Env) {
    let (publisher, endpoint) = env.bound::<Pub>();
    let subs: Vec<_> = (0..10).map(|_| env.socket::<Sub>()).collect();
    for (number, sub) in subs.iter().enumerate() {
        env.join(&publisher, sub, &endpoint);
        subscribe(&publisher, sub, &[&format!("own {number}")]);
        sub.subscribe("all").expect("a SUB subscribes");
    }
    // The last subscription of each is "all": count it by receiving.
    until("all subscriptions arrived", || {
        publisher.send("all ready?").expect("a PUB never waits");
        subs.iter().all(|sub| sub.readiness().expect("alive").readable)
    });
    for (number, sub) in subs.iter().enumerate() {
        publisher.send(format!("own {number}")).expect("a PUB never waits");
        let mut message = recv(sub);
        while message == "all ready?" {
            message = recv(sub);
        }
        assert_eq!(message, format!("own {number}").as_str());
    }
}

fn matching_can_be_inverted(env: &Env) {
    let (publisher, sub) = subscribed(env, &["A"]);
    publisher.set_invert_matching(true);
    sub.set_invert_matching(true);
    for message in ["A", "B", "AB", "C"] {
        publisher.send(message).expect("a PUB never waits");
    }
    assert_eq!([text(&recv(&sub)), text(&recv(&sub))], ["B", "C"]);
    assert_quiet(&sub);
}

fn ten_thousand_topics(env: &Env) {
    const TOPICS: usize = 10_000;
    let (publisher, endpoint) = env.bound::<Pub>();
    publisher.set_recv_hwm(0);
    let sub = env.socket::<Sub>();
    sub.set_send_hwm(0); // subscriptions travel in the queue: those that do not fit are lost
    for topic in 0..TOPICS {
        sub.subscribe(format!("{topic:05}")).expect("a SUB subscribes");
    }
    env.join(&publisher, &sub, &endpoint);
    until("the subscriptions arrived", || publisher.topics_count() == TOPICS);
    for topic in (0..TOPICS).step_by(997) {
        publisher.send(format!("{topic:05}.")).expect("a PUB never waits");
        assert_eq!(text(&recv(&sub)), format!("{topic:05}."));
    }
}

fn wrong_directions_are_refused(env: &Env) {
    let (publisher, sub) = env.connected::<Pub, Sub>();
    let (publisher, sub) = (publisher.into_any(), sub.into_any());
    assert_eq!(publisher.try_recv(), Err(RecvError::NotSupported));
    assert_eq!(sub.try_send("no"), Err(SendError::NotSupported));
    let ready = publisher.readiness().expect("alive");
    assert_eq!((ready.readable, ready.writable), (false, true));
    let ready = sub.readiness().expect("alive");
    assert_eq!((ready.readable, ready.writable), (false, false));
}

fn topics_are_counted_once(env: &Env) {
    let (publisher, endpoint) = env.bound::<Pub>();
    let (one, two) = (env.socket::<Sub>(), env.socket::<Sub>());
    env.join(&publisher, &one, &endpoint);
    env.join(&publisher, &two, &endpoint);
    subscribe(&publisher, &one, &["A", "B"]);
    two.subscribe("B").expect("a SUB subscribes");
    subscribe(&publisher, &two, &["C"]);
    assert_eq!(publisher.topics_count(), 3);
}

fn a_late_unsubscription_is_kept_out(env: &Env) {
    // What was under way when the subscriber changed its mind is filtered by the subscriber itself.
    let (publisher, sub) = subscribed(env, &["A", "B"]);
    publisher.send("A").expect("a PUB never waits");
    publisher.send("B").expect("a PUB never waits");
    sub.unsubscribe("A").expect("taken back");
    assert_eq!(recv(&sub), "B");
}

fn a_slow_subscriber_costs_itself_only(env: &Env) {
    let publisher = env.socket::<Pub>();
    publisher.set_send_hwm(2000);
    let endpoint = publisher.bind(&env.endpoint()).expect("free");
    let (slow, fast) = (env.socket::<Sub>(), env.socket::<Sub>());
    slow.set_recv_hwm(1);
    fast.set_recv_hwm(0);
    env.join(&publisher, &slow, &endpoint);
    env.join(&publisher, &fast, &endpoint);
    subscribe(&publisher, &slow, &["A", "slow"]);
    fast.subscribe("A").expect("a SUB subscribes");
    subscribe(&publisher, &fast, &["fast"]);
    let reader = std::thread::spawn(move || {
        (0..2000).for_each(|number| assert_eq!(text(&recv(&fast)), format!("A{number}")));
        fast
    });
    for sent in 0..2000 {
        publisher.send(format!("A{sent}")).expect("a PUB never waits");
    }
    reader.join().expect("the fast one missed nothing");
    assert_eq!(recv(&slow), "A0");
}

fn drops_come_in_bursts(env: &Env) {
    let publisher = env.socket::<Pub>();
    publisher.set_send_hwm(5);
    let endpoint = publisher.bind(&env.endpoint()).expect("free");
    let sub = env.socket::<Sub>();
    sub.set_recv_hwm(5);
    sub.subscribe("").expect("a SUB subscribes");
    sub.connect(&endpoint).expect("valid");
    until("the subscription arrived", || publisher.topics_count() == 1);
    let send = |number: u32| publisher.send(format!("{number}")).expect("a PUB never waits");
    (0..20).for_each(send);
    for number in 0..4 {
        assert_eq!(recv(&sub), number.to_string().as_str());
    }
    send(100); // six are queued: still excluded
    assert_eq!(recv(&sub), "4");
    send(101); // half of ten was read
    assert_eq!(drain(&sub), ["5", "6", "7", "8", "9", "101"]);
}

fn nodrop_waits_for_all(env: &Env) {
    let xpub = env.socket::<XPub>();
    xpub.set_xpub_nodrop(true);
    xpub.set_send_hwm(1);
    let endpoint = xpub.bind(&env.endpoint()).expect("free");
    let (small, large) = (env.socket::<Sub>(), env.socket::<Sub>());
    small.set_recv_hwm(1);
    large.set_recv_hwm(100);
    for sub in [&small, &large] {
        sub.subscribe("A").expect("a SUB subscribes");
        sub.connect(&endpoint).expect("valid");
    }
    assert_eq!(recv(&xpub), "\u{1}A");
    for _ in 0..2 {
        xpub.try_send("A fits").expect("room for 1 + 1");
    }
    assert_eq!(xpub.try_send("A for nobody"), Err(SendError::WouldBlock));
    assert!(xpub.readiness().expect("alive").writable, "as in libzmq");
    assert_eq!(drain(&large).len(), 2, "nobody got the refused one");
    assert_eq!(drain(&small).len(), 2);
    xpub.send_timeout("A again", DEADLINE).expect("room came back");
    assert_eq!((recv(&small), recv(&large)), ("A again".into(), "A again".into()));
}

fn messages_are_dropped_whole(env: &Env) {
    let publisher = env.socket::<Pub>();
    publisher.set_send_hwm(1);
    let endpoint = publisher.bind(&env.endpoint()).expect("free");
    let sub = env.socket::<Sub>();
    sub.set_recv_hwm(1);
    sub.subscribe("").expect("a SUB subscribes");
    sub.connect(&endpoint).expect("valid");
    until("the subscription arrived", || publisher.topics_count() == 1);
    for number in 0..5 {
        publisher.send_multipart([format!("{number}"), "b".into(), "c".into()]).expect("drops");
    }
    assert_eq!(recv_all(&sub), ["0", "b", "c"]);
    assert_eq!(recv_all(&sub), ["1", "b", "c"]);
    assert_empty(&sub);
}

fn subscriptions_come_back_after_a_reconnect(env: &Env) {
    let endpoint = env.free_endpoint();
    let sub = env.socket::<Sub>();
    sub.subscribe("A").expect("a SUB subscribes");
    sub.subscribe("B").expect("a SUB subscribes");
    sub.connect(&endpoint).expect("valid");
    for round in 0..3 {
        let publisher = env.socket::<Pub>();
        publisher.bind(&endpoint).expect("the last one is gone");
        let topics = if round == 0 { 2 } else { 1 };
        until("the subscriptions came", || {
            let _ = sub.readiness(); // a socket subscribes again when it looks
            publisher.topics_count() == topics
        });
        publisher.send("A").expect("a PUB never waits");
        publisher.send(format!("B{round}")).expect("a PUB never waits");
        if round == 0 {
            assert_eq!(recv(&sub), "A");
            sub.unsubscribe("A").expect("taken back");
        }
        assert_eq!(recv(&sub), format!("B{round}").as_str());
        let mut events = sub.monitor();
        drop(publisher);
        await_event(&mut events, EventKind::Disconnected);
    }
}

fn a_lost_subscriber_is_forgotten(env: &Env) {
    let (publisher, sub) = subscribed(env, &["A", "B", "C"]);
    drop(sub);
    until("its topics are gone", || publisher.topics_count() == 0);
}
