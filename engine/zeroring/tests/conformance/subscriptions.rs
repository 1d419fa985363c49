//! Subscriptions on their way: many of them, over many connections, among other commands.

use std::io::Write;

use zeroring::{EventKind, Pub, Sub};

use crate::hostile::by_hand;
use crate::support::{Env, await_event, recv, text, until};

cases! {
    net { more_topics_than_the_queue_holds_survive_reconnects }
    tcp { other_commands_cost_no_room }
}

fn more_topics_than_the_queue_holds_survive_reconnects(env: &Env) {
    const TOPICS: usize = 1500; // the marks are 1000
    let endpoint = env.free_endpoint();
    let sub = env.socket::<Sub>();
    for topic in 0..TOPICS {
        sub.subscribe(format!("{topic:05}")).expect("a SUB subscribes");
    }
    sub.connect(&endpoint).expect("valid");
    for round in 0..4 {
        let publisher = env.socket::<Pub>();
        publisher.bind(&endpoint).expect("the last one is gone");
        let known = || {
            let _ = sub.readiness(); // a socket subscribes again when it looks
            publisher.topics_count()
        };
        until("all came", || known() == TOPICS + round);
        until("one more comes", || {
            sub.subscribe(format!("round {round}")).expect("a SUB subscribes");
            known() == TOPICS + round + 1
        });
        for step in 0..5 {
            for topic in 0..100 {
                sub.subscribe(format!("for a while {topic}")).expect("a SUB subscribes");
            }
            until("they came", || known() == TOPICS + round + 1 + 100);
            for topic in 0..100 {
                sub.unsubscribe(format!("for a while {topic}")).expect("taken back");
            }
            until("they went", || known() == TOPICS + round + 1);
            publisher.send(format!("01499 {step}")).expect("a PUB never waits");
            assert_eq!(text(&recv(&sub)), format!("01499 {step}"));
        }
        let mut events = sub.monitor();
        drop(publisher);
        await_event(&mut events, EventKind::Disconnected);
    }
}

/// What the connection deals with travels along in the queue and must not be counted on one side only.
fn other_commands_cost_no_room(env: &Env) {
    const TOPICS: u8 = 100;
    let (publisher, endpoint) = env.bound_with::<Pub>(|publisher| publisher.set_recv_hwm(4));
    let mut peer = by_hand(&endpoint, "SUB");
    for burst in 0..4 {
        let mut commands = Vec::new();
        for topic in 0..TOPICS / 4 {
            commands.extend_from_slice(b"\x04\x07\x04PING\x00\x00");
            commands.extend_from_slice(b"\x05\x0b\x09SUBSCRIBEm"); // with MORE: ignored
            commands.extend_from_slice(b"\x04\x0b\x09SUBSCRIBE");
            commands.push(burst * (TOPICS / 4) + topic);
        }
        peer.write_all(&commands).expect("room");
        let expected = usize::from((burst + 1) * (TOPICS / 4));
        until("they came", || publisher.topics_count() == expected);
    }
    let sub = env.socket::<Sub>();
    sub.subscribe("others are served").expect("a SUB subscribes");
    sub.connect(&endpoint).expect("valid");
    until("it came", || publisher.topics_count() == usize::from(TOPICS) + 1);
}
