//! XPUB and XSUB: subscriptions as messages, and what the application may decide about them.

use zeroring::{Message, OptionFault, Socket, Sub, XPub, XSub};

use crate::support::{Env, assert_empty, assert_quiet, recv, recv_all, text, until};

cases! {
    all {
        the_first_and_last_of_a_topic_are_told, verbose_tells_every_subscription,
        verboser_tells_everything, a_lost_peer_is_told, a_welcome_needs_a_subscription,
        manual_mode_decides, manual_mode_is_needed_to_decide, the_last_value_goes_to_the_newcomer,
        an_xsub_subscribes_by_message, data_goes_upstream, an_xsub_filters_nothing,
        later_parts_can_be_data_only, an_xsub_remembers_for_later_peers,
        a_decision_is_for_the_peer_that_asked, verbose_unsubscriptions_go_upstream, verboser_tells_all_a_lost_peer_held,
        manual_mode_tells_all_a_lost_peer_asked_for, requests_are_served_while_the_application_only_sends
    }
}

fn subscribe(sub: &Socket<Sub>, topic: &str) {
    sub.subscribe(topic).expect("a SUB subscribes");
}

fn unsubscribe(sub: &Socket<Sub>, topic: &str) {
    sub.unsubscribe(topic).expect("taken back");
}

/// An XPUB with two subscribers.
fn two_subscribers(env: &Env) -> (Socket<XPub>, Socket<Sub>, Socket<Sub>) {
    let (xpub, endpoint) = env.bound::<XPub>();
    let (one, two) = (env.socket::<Sub>(), env.socket::<Sub>());
    env.join(&xpub, &one, &endpoint);
    env.join(&xpub, &two, &endpoint);
    (xpub, one, two)
}

/// An application that waited once has its descriptors on loan; while it is busy sending somebody must read them.
fn requests_are_served_while_the_application_only_sends(env: &Env) {
    let (xpub, endpoint) = env.bound::<XPub>();
    let sub = env.socket::<Sub>();
    sub.connect(&endpoint).expect("valid");
    subscribe(&sub, "A");
    assert_eq!(recv(&xpub), "\u{1}A");
    // Waiting in vain, it asks for the descriptor.
    assert_quiet(&xpub);
    subscribe(&sub, "B");
    until("the second topic is served", || {
        xpub.send("B1").expect("an XPUB never waits");
        sub.try_recv().is_ok_and(|part| part == "B1")
    });
}

fn the_first_and_last_of_a_topic_are_told(env: &Env) {
    let (xpub, one, two) = two_subscribers(env);
    subscribe(&one, "A");
    assert_eq!(recv(&xpub), "\u{1}A");
    subscribe(&two, "A");
    subscribe(&two, "B");
    assert_eq!(recv(&xpub), "\u{1}B");
    unsubscribe(&one, "A");
    unsubscribe(&two, "B");
    assert_eq!(recv(&xpub), "\0B");
    unsubscribe(&two, "A");
    assert_eq!(recv(&xpub), "\0A");
    assert_quiet(&xpub);
}

fn verbose_tells_every_subscription(env: &Env) {
    let (xpub, one, two) = two_subscribers(env);
    xpub.set_xpub_verbose(true);
    subscribe(&one, "A");
    assert_eq!(recv(&xpub), "\u{1}A");
    subscribe(&two, "A");
    assert_eq!(recv(&xpub), "\u{1}A");
    subscribe(&two, "A");
    assert_eq!(recv(&xpub), "\u{1}A");
    unsubscribe(&one, "A");
    unsubscribe(&two, "A");
    unsubscribe(&two, "A");
    assert_eq!(recv(&xpub), "\0A");
    assert_quiet(&xpub);
}

fn verboser_tells_everything(env: &Env) {
    let (xpub, one, two) = two_subscribers(env);
    xpub.set_xpub_verboser(true);
    for sub in [&one, &two] {
        subscribe(sub, "A");
        assert_eq!(recv(&xpub), "\u{1}A");
    }
    for sub in [&one, &two] {
        unsubscribe(sub, "A");
        assert_eq!(recv(&xpub), "\0A");
    }
    assert_empty(&xpub);
}

fn a_lost_peer_is_told(env: &Env) {
    let (xpub, one, two) = two_subscribers(env);
    for topic in ["A", "B"] {
        subscribe(&one, topic);
        assert_eq!(recv(&xpub), format!("\u{1}{topic}").as_str());
    }
    subscribe(&two, "B");
    subscribe(&two, "C");
    assert_eq!(recv(&xpub), "\u{1}C");
    drop(one);
    assert_eq!(recv(&xpub), "\0A");
    drop(two);
    let mut last = [recv(&xpub), recv(&xpub)].map(|message| message.to_vec());
    last.sort();
    assert_eq!(last, [b"\0B", b"\0C"]);
    assert_quiet(&xpub);
}

fn a_welcome_needs_a_subscription(env: &Env) {
    let (xpub, endpoint) = env.bound::<XPub>();
    xpub.set_xpub_welcome_message(b"Welcome".to_vec());
    let (hears, does_not) = (env.socket::<Sub>(), env.socket::<Sub>());
    subscribe(&hears, "W");
    subscribe(&does_not, "X");
    hears.connect(&endpoint).expect("valid");
    does_not.connect(&endpoint).expect("valid");
    let mut topics = [recv(&xpub), recv(&xpub)].map(|message| message.to_vec());
    topics.sort();
    assert_eq!(topics, [b"\x01W", b"\x01X"]);
    assert_eq!(recv(&hears), "Welcome");
    assert_quiet(&does_not);
    xpub.set_xpub_welcome_message(Vec::new());
    let late = env.socket::<Sub>();
    subscribe(&late, "W");
    subscribe(&late, "later");
    late.connect(&endpoint).expect("valid");
    assert_eq!(recv(&xpub), "\u{1}later");
    xpub.send("W after").expect("a XPUB never waits");
    assert_eq!(recv(&late), "W after");
}

fn manual_mode_decides(env: &Env) {
    let (xpub, one, two) = two_subscribers(env);
    xpub.set_xpub_manual(true);
    subscribe(&one, "A");
    assert_eq!(recv(&xpub), "\u{1}A");
    xpub.subscribe("B").expect("manual mode"); // instead of A
    subscribe(&one, "B");
    assert_eq!(recv(&xpub), "\u{1}B");
    subscribe(&two, "A");
    assert_eq!(recv(&xpub), "\u{1}A");
    xpub.subscribe("A").expect("manual mode");
    for message in ["A 1", "B 1"] {
        xpub.send(message).expect("a XPUB never waits");
    }
    assert_eq!(recv(&one), "B 1");
    assert_eq!(recv(&two), "A 1");
    // The application removes what it added, also after the peer asked for it.
    unsubscribe(&one, "B");
    assert_eq!(recv(&xpub), "\0B");
    assert_eq!(xpub.topics_count(), 2);
    xpub.unsubscribe("B").expect("manual mode");
    assert_eq!(xpub.topics_count(), 1);
    assert_empty(&one);
}

fn manual_mode_is_needed_to_decide(env: &Env) {
    let xpub = env.socket::<XPub>();
    assert!(matches!(xpub.subscribe("A"), Err(OptionFault::Option(_))));
    assert!(matches!(xpub.unsubscribe("A"), Err(OptionFault::Option(_))));
    xpub.set_xpub_manual(true);
    xpub.subscribe("A").expect("nobody asked: nothing happens");
    assert_eq!(xpub.topics_count(), 0);
}

fn the_last_value_goes_to_the_newcomer(env: &Env) {
    let (xpub, one, two) = two_subscribers(env);
    xpub.set_xpub_manual_last_value(true);
    subscribe(&one, "A");
    assert_eq!(recv(&xpub), "\u{1}A");
    xpub.subscribe("A").expect("manual mode");
    xpub.send("A cached").expect("a XPUB never waits");
    assert_eq!(recv(&one), "A cached");
    subscribe(&two, "A");
    assert_eq!(recv(&xpub), "\u{1}A");
    xpub.subscribe("A").expect("manual mode");
    xpub.send("A cached").expect("for the newcomer alone");
    xpub.send("A new").expect("for all");
    assert_eq!((recv(&two), recv(&two)), ("A cached".into(), "A new".into()));
    assert_eq!(recv(&one), "A new");
}

fn an_xsub_subscribes_by_message(env: &Env) {
    let (xpub, xsub) = env.connected::<XPub, XSub>();
    xsub.send(b"\x01A").expect("a XSUB never waits");
    assert_eq!(recv(&xpub), "\u{1}A");
    assert_eq!(xsub.subscriptions_count(), 1);
    xpub.send("B").expect("a XPUB never waits");
    xpub.send("A").expect("a XPUB never waits");
    assert_eq!(recv(&xsub), "A");
    xsub.send(b"\x01A").expect("counted");
    xsub.send(b"\0A").expect("one back");
    xsub.send(b"\0A").expect("two back");
    assert_eq!(recv(&xpub), "\0A");
    xsub.send(b"\0A").expect("unknown now, not forwarded");
    assert_quiet(&xpub);
    assert_eq!(xsub.subscriptions_count(), 0);
}

fn data_goes_upstream(env: &Env) {
    let (xpub, xsub) = env.connected::<XPub, XSub>();
    xsub.send_multipart(["data", "", "more"]).expect("a XSUB never waits");
    assert_eq!(recv_all(&xpub), ["data", "", "more"]);
    xsub.send("").expect("an empty message is data");
    assert_eq!(recv_all(&xpub), [""]);
    xsub.send("\u{2}not a subscription").expect("a XSUB never waits");
    assert_eq!(recv_all(&xpub), ["\u{2}not a subscription"]);
}

fn an_xsub_filters_nothing(env: &Env) {
    let (xpub, xsub) = env.connected::<XPub, XSub>();
    xpub.set_xpub_manual(true);
    xsub.send(b"\x01A").expect("a XSUB never waits");
    assert_eq!(recv(&xpub), "\u{1}A");
    xpub.subscribe("").expect("manual mode");
    xpub.send("not asked for").expect("a XPUB never waits");
    assert_eq!(recv(&xsub), "not asked for");
}

fn later_parts_can_be_data_only(env: &Env) {
    let (xpub, xsub) = env.connected::<XPub, XSub>();
    xpub.set_only_first_subscribe(true);
    xsub.set_xsub_only_first_subscribe(true);
    xsub.send_multipart([&b"data"[..], b"\x01A"]).expect("a XSUB never waits");
    assert_eq!(recv_all(&xpub), [&b"data"[..], b"\x01A"]);
    assert_eq!((xpub.topics_count(), xsub.subscriptions_count()), (0, 0));
    xsub.set_xsub_only_first_subscribe(false);
    xpub.set_only_first_subscribe(false);
    xsub.send(b"\x01B").expect("a XSUB never waits");
    until("B is subscribed", || xpub.try_recv().is_ok_and(|message| message == "\u{1}B"));
}

fn an_xsub_remembers_for_later_peers(env: &Env) {
    let endpoint = env.free_endpoint();
    let xsub = env.socket::<XSub>();
    xsub.send(b"\x01A").expect("nobody is there, which is fine");
    xsub.connect(&endpoint).expect("valid");
    let xpub = env.socket::<XPub>();
    xpub.bind(&endpoint).expect("free");
    assert_eq!(recv(&xpub), "\u{1}A");
    xpub.send(Message::from("A!")).expect("a XPUB never waits");
    assert_eq!(recv(&xsub), "A!");
}

fn verbose_unsubscriptions_go_upstream(env: &Env) {
    let (xpub, xsub) = env.connected::<XPub, XSub>();
    xpub.set_xpub_verboser(true);
    xsub.set_xsub_verbose_unsubscribe(true);
    for message in [b"\x01A", b"\x01A", b"\0A", b"\0A"] {
        xsub.send(message).expect("a XSUB never waits");
        assert_eq!(recv(&xpub), &message[..]);
    }
}

fn verboser_tells_all_a_lost_peer_held(env: &Env) {
    let (xpub, one, two) = two_subscribers(env);
    xpub.set_xpub_verboser(true);
    for (sub, topic) in [(&one, "A"), (&two, "A"), (&two, "B")] {
        subscribe(sub, topic);
        assert_eq!(text(&recv(&xpub)), format!("\u{1}{topic}"));
    }
    drop(two);
    assert_eq!((recv(&xpub), recv(&xpub)), ("\0A".into(), "\0B".into()));
    assert_eq!(xpub.topics_count(), 1);
    assert_quiet(&xpub);
}

fn manual_mode_tells_all_a_lost_peer_asked_for(env: &Env) {
    let (xpub, one, two) = two_subscribers(env);
    xpub.set_xpub_manual(true);
    subscribe(&one, "A");
    assert_eq!(recv(&xpub), "\u{1}A");
    for topic in ["A", "B", "C"] {
        subscribe(&two, topic);
        assert_eq!(text(&recv(&xpub)), format!("\u{1}{topic}"));
    }
    xpub.subscribe("own").expect("manual mode");
    unsubscribe(&two, "C");
    assert_eq!(recv(&xpub), "\0C");
    drop(two);
    assert_eq!((recv(&xpub), recv(&xpub)), ("\0A".into(), "\0B".into()));
    assert_eq!(xpub.topics_count(), 0, "what it was given goes with it");
    assert_quiet(&xpub);
}

/// A request that waits for the application outlives its peer; whoever has its place by then asked for nothing.
fn a_decision_is_for_the_peer_that_asked(env: &Env) {
    let (xpub, endpoint) = env.bound_with::<XPub>(|xpub| xpub.set_xpub_manual(true));
    let one = env.socket::<Sub>();
    env.join(&xpub, &one, &endpoint);
    subscribe(&one, "A");
    until("it asked", || xpub.readiness().expect("alive").readable);
    let mut events = xpub.monitor();
    drop(one);
    if !env.is_inproc() {
        crate::support::await_event(&mut events, zeroring::EventKind::Disconnected);
    }
    xpub.stop_monitor();
    let _ = xpub.readiness(); // it sees the first peer leave before the second comes
    let two = env.socket::<Sub>();
    env.join(&xpub, &two, &endpoint);
    assert_eq!(recv(&xpub), "\u{1}A");
    xpub.subscribe("A").expect("manual mode");
    assert_eq!(recv(&xpub), "\0A");
    xpub.subscribe("A").expect("manual mode");
    assert_eq!(xpub.topics_count(), 0, "nobody who asked is there");
}
