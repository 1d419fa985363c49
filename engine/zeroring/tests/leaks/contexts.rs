//! Connections that carry messages of every kind of storage, are lost and come back, and end in every state.

use zeroring::{Pull, Push, Socket};

use crate::support::{Counts, DEADLINE, Env, own_context, recv, socket_of};

cases! {
    all { nothing_is_left_of_a_context }
}

fn nothing_is_left_of_a_context(env: &Env) {
    let before = Counts::now();
    let context = own_context(env);
    let pull: Socket<Pull> = context.socket().expect("a socket");
    let endpoint = pull.bind(&env.endpoint()).expect("free");
    for round in 0..100 {
        let push: Socket<Push> = socket_of(&context);
        push.connect(&endpoint).expect("valid");
        for size in [1, 100, 10_000, 100_000] {
            push.send(vec![7; size]).expect("a queue");
        }
        match round % 3 {
            0 => drop(push), // before or in the middle of its handshake
            1 => drop((recv(&pull), push)),
            _ => {
                let kept = recv(&pull);
                drop(push);
                drop(kept);
            }
        }
    }
    drop(pull);
    assert!(context.term_timeout(DEADLINE), "{:?}", context.stats());
    before.assert_back("after the context");
}
