//! ROUTER and DEALER: ids, unknown peers, full queues, who owns a name.

use zeroring::{Dealer, EndpointFault, EventKind, Message, Multipart, Req, Router, SendError};

use crate::support::{DEADLINE, Env, assert_quiet, await_event, recv, recv_all, text, until};

cases! {
    all {
        announced_ids_are_used, generated_ids_count_up, messages_to_nobody_are_dropped,
        mandatory_reports_nobody, an_id_without_a_message_is_dropped, a_peer_can_be_named_by_us,
        a_name_can_be_given_once, a_probe_introduces, an_id_in_use_is_not_shared,
        a_newcomer_can_take_over, routers_can_talk, dealers_can_talk, dealers_send_in_turn,
        replies_find_their_way, an_id_can_be_used_again,
        an_id_may_start_with_zero, a_router_that_connects_first_learns_the_name
    }
    net { a_named_peer_is_found_after_reconnecting }
    inproc { mandatory_waits_for_room, full_queues_drop_without_mandatory, mandatory_writability }
}

fn announced_ids_are_used(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    let names: [&[u8]; 2] = [b"a", &[0xff; 255]];
    for name in names {
        let dealer = env.socket::<Dealer>();
        dealer.set_routing_id(name).expect("1 to 255 bytes");
        env.join(&router, &dealer, &endpoint);
        dealer.send("hello").expect("room");
        assert_eq!(recv_all(&router), [name, b"hello"]);
        router.send_multipart([name, b"hello yourself"]).expect("known");
        assert_eq!(recv(&dealer), "hello yourself");
    }
}

fn an_id_may_start_with_zero(env: &Env) {
    // Reserved for the ids a ROUTER makes up, but libzmq never refused it to peers.
    let (router, endpoint) = env.bound::<Router>();
    let dealer = env.socket::<Dealer>();
    dealer.set_routing_id("\0mine").expect("1 to 255 bytes");
    dealer.connect(&endpoint).expect("valid");
    dealer.send("hello").expect("a queue");
    assert_eq!(recv_all(&router), ["\0mine", "hello"]);
}

fn generated_ids_count_up(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    let mut last: Option<u32> = None;
    let mut dealers = Vec::new();
    for _ in 0..3 {
        let dealer = env.socket::<Dealer>();
        env.join(&router, &dealer, &endpoint);
        dealer.send("").expect("room");
        let id = recv_all(&router)[0].clone();
        assert_eq!((id.len(), id[0]), (5, 0));
        let number = u32::from_be_bytes(id[1..].try_into().expect("4 bytes"));
        assert!(last.is_none_or(|last| number == last.wrapping_add(1)), "{number} after {last:?}");
        last = Some(number);
        dealers.push(dealer);
    }
}

fn messages_to_nobody_are_dropped(env: &Env) {
    let (router, dealer) = env.connected::<Router, Dealer>();
    router.send_multipart(["nobody", "lost"]).expect("dropped, not refused");
    router.send_multipart(["", "empty ids address nobody"]).expect("dropped, not refused");
    dealer.send("still here").expect("room");
    let id = recv_all(&router)[0].clone();
    router.send_multipart([id, Message::from("found")]).expect("known");
    assert_eq!(recv(&dealer), "found");
}

fn mandatory_reports_nobody(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    router.set_router_mandatory(true);
    assert_eq!(router.send_more("anna"), Err(SendError::HostUnreachable));
    let dealer = env.socket::<Dealer>();
    dealer.set_routing_id("anna").expect("valid");
    env.join(&router, &dealer, &endpoint);
    // Again from the id: the failed part consumed nothing.
    until("anna is known", || router.send_more("anna").is_ok());
    router.send("hello").expect("the rest never fails");
    assert_eq!(recv_all(&dealer), ["hello"]);
}

fn an_id_without_a_message_is_dropped(env: &Env) {
    for mandatory in [false, true] {
        let (router, endpoint) = env.bound::<Router>();
        router.set_router_mandatory(mandatory);
        let dealer = env.socket::<Dealer>();
        dealer.set_routing_id("anna").expect("valid");
        env.join(&router, &dealer, &endpoint);
        dealer.send("hi").expect("room");
        recv_all(&router);
        router.send("anna").expect("dropped, not refused");
        router.send_multipart(["anna", "whole"]).expect("known");
        assert_eq!(recv_all(&dealer), ["whole"]);
    }
}

fn a_peer_can_be_named_by_us(env: &Env) {
    let endpoint = env.free_endpoint();
    let router = env.socket::<Router>();
    router.set_connect_routing_id([1; 256]).expect_err("too long");
    router.set_connect_routing_id("").expect_err("too short");
    router.set_connect_routing_id([1; 255]).expect("as long as can be");
    router.set_connect_routing_id("depot").expect("valid");
    router.connect(&endpoint).expect("valid");
    router.send_multipart(["depot", "early"]).expect("queued before it is there");
    let dealer = env.socket::<Dealer>();
    dealer.set_routing_id("calls itself something else").expect("valid");
    dealer.bind(&endpoint).expect("free");
    assert_eq!(recv_all(&dealer), ["early"]);
    dealer.send("thanks").expect("room");
    assert_eq!(recv_all(&router), ["depot", "thanks"]);
}

fn a_name_can_be_given_once(env: &Env) {
    let router = env.socket::<Router>();
    let (_first, first_at) = env.bound::<Dealer>();
    let (second, second_at) = env.bound::<Dealer>();
    router.set_connect_routing_id("depot").expect("valid");
    router.connect(&first_at).expect("valid");
    router.set_connect_routing_id("depot").expect("valid");
    let refused = router.connect(&second_at).expect_err("the name is taken");
    assert!(matches!(refused, EndpointFault::DuplicateRoutingId { .. }), "{refused}");
    router.set_connect_routing_id("other").expect("valid");
    router.connect(&second_at).expect("valid");
    router.send_multipart(["other", "hello"]).expect("queued");
    assert_eq!(recv(&second), "hello");
}

fn a_probe_introduces(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    let dealer = env.socket::<Dealer>();
    dealer.set_routing_id("anna").expect("valid");
    dealer.set_probe_router(true);
    dealer.connect(&endpoint).expect("valid");
    assert_eq!(recv_all(&router), ["anna", ""]);
    router.send_multipart(["anna", "welcome"]).expect("known");
    assert_eq!(recv_all(&dealer), ["welcome"]);
}

fn an_id_in_use_is_not_shared(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    let dealer = |name: &str| {
        let dealer = env.socket::<Dealer>();
        dealer.set_routing_id(name).expect("valid");
        env.join(&router, &dealer, &endpoint);
        dealer
    };
    let owner = dealer("anna");
    owner.send("mine").expect("room");
    assert_eq!(recv_all(&router), ["anna", "mine"]);
    let ignored = dealer("anna");
    ignored.send("mine too").expect("a queue");
    assert_quiet(&router);
    router.send_multipart(["anna", "for the owner"]).expect("known");
    assert_eq!(recv(&owner), "for the owner");
    assert_quiet(&ignored);
    // Not promoted when the owner leaves.
    let mut events = router.monitor();
    drop(owner);
    if !env.is_inproc() {
        await_event(&mut events, EventKind::Disconnected);
    }
    assert_quiet(&router);
}

fn a_newcomer_can_take_over(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    router.set_router_handover(true);
    let old = env.socket::<Dealer>();
    old.set_reconnect_interval(None); // or the two would take the name from each other for ever
    old.set_routing_id("anna").expect("valid");
    env.join(&router, &old, &endpoint);
    old.send("old").expect("room");
    assert_eq!(recv_all(&router), ["anna", "old"]);
    let mut events = old.monitor();
    let new = env.socket::<Dealer>();
    new.set_routing_id("anna").expect("valid");
    env.join(&router, &new, &endpoint);
    new.send("new").expect("room");
    assert_eq!(recv_all(&router), ["anna", "new"]);
    router.send_multipart(["anna", "for the new one"]).expect("known");
    assert_eq!(recv(&new), "for the new one");
    if !env.is_inproc() {
        await_event(&mut events, EventKind::Disconnected);
    }
    assert_quiet(&old);
}

fn an_id_can_be_used_again(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    for round in 0..20 {
        let mut events = router.monitor();
        let dealer = env.socket::<Dealer>();
        dealer.set_routing_id("anna").expect("valid");
        dealer.connect(&endpoint).expect("valid");
        dealer.send(format!("{round}")).expect("room");
        assert_eq!(recv_all(&router), ["anna".to_owned(), round.to_string()]);
        router.send_multipart(["anna", "ok"]).expect("known");
        assert_eq!(recv(&dealer), "ok");
        drop(dealer);
        if !env.is_inproc() {
            await_event(&mut events, EventKind::Disconnected);
        }
    }
}

fn routers_can_talk(env: &Env) {
    let (a, endpoint) = env.bound::<Router>();
    let b = env.socket::<Router>();
    b.set_routing_id("b").expect("valid");
    b.set_connect_routing_id("a").expect("valid");
    env.join(&a, &b, &endpoint);
    b.send_multipart(["a", "from b"]).expect("named");
    assert_eq!(recv_all(&a), ["b", "from b"]);
    a.send_multipart(["b", "from a"]).expect("announced");
    assert_eq!(recv_all(&b), ["a", "from a"]);
}

fn dealers_can_talk(env: &Env) {
    let (a, b) = env.connected::<Dealer, Dealer>();
    a.send_multipart(["", "nothing is added or removed"]).expect("room");
    assert_eq!(recv_all(&b), ["", "nothing is added or removed"]);
    b.send("back").expect("room");
    assert_eq!(recv_all(&a), ["back"]);
}

fn dealers_send_in_turn(env: &Env) {
    let (dealer, endpoint) = env.bound::<Dealer>();
    let routers: Vec<_> = (0..3).map(|_| env.socket::<Router>()).collect();
    for router in &routers {
        env.join(&dealer, router, &endpoint);
    }
    for number in 0..6 {
        dealer.send_multipart([format!("{number}"), "end".to_owned()]).expect("room");
    }
    for router in &routers {
        for _ in 0..2 {
            assert_eq!(recv_all(router).len(), 3);
        }
    }
}

fn replies_find_their_way(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    let clients: Vec<_> = (0..10)
        .map(|name| {
            let req = env.socket::<Req>();
            req.connect(&endpoint).expect("valid");
            req.send(format!("I am {name}")).expect("its turn");
            (format!("I am {name}"), req)
        })
        .collect();
    let mut requests: Vec<Multipart> = clients.iter().map(|_| recv_all(&router)).collect();
    requests.reverse();
    for request in requests {
        assert_eq!((request.len(), request[1].len()), (3, 0));
        router.send_multipart(&request).expect("known");
    }
    for (said, req) in &clients {
        assert_eq!(text(&recv(req)), *said);
    }
}

fn a_named_peer_is_found_after_reconnecting(env: &Env) {
    let endpoint = env.free_endpoint();
    let dealer = env.socket::<Dealer>();
    dealer.set_routing_id("anna").expect("valid");
    dealer.connect(&endpoint).expect("valid");
    for round in 0..3 {
        let router = env.socket::<Router>();
        router.set_router_mandatory(true);
        router.bind(&endpoint).expect("the last one is gone");
        until("anna came back", || router.send_more("anna").is_ok());
        router.send(format!("round {round}")).expect("the rest never fails");
        assert_eq!(recv(&dealer), format!("round {round}").as_str());
        let mut events = dealer.monitor();
        drop(router);
        await_event(&mut events, EventKind::Disconnected);
    }
}

fn mandatory_waits_for_room(env: &Env) {
    let router = env.socket::<Router>();
    router.set_router_mandatory(true);
    router.set_send_hwm(1);
    let endpoint = router.bind(&env.endpoint()).expect("free");
    let dealer = env.socket::<Dealer>();
    dealer.set_routing_id("anna").expect("valid");
    dealer.set_recv_hwm(1);
    env.join(&router, &dealer, &endpoint);
    for _ in 0..2 {
        router.try_send_multipart(["anna", "fits"]).expect("room for 1 + 1");
    }
    assert_eq!(router.try_send_multipart(["anna", "full"]), Err(SendError::WouldBlock));
    let reader = std::thread::spawn(move || {
        (0..3).for_each(|_| drop(recv(&dealer)));
        dealer
    });
    router.send_multipart_timeout(["anna", "waits"], DEADLINE).expect("room comes back");
    reader.join().expect("read");
}

fn full_queues_drop_without_mandatory(env: &Env) {
    let router = env.socket::<Router>();
    router.set_send_hwm(1);
    let endpoint = router.bind(&env.endpoint()).expect("free");
    let dealer = env.socket::<Dealer>();
    dealer.set_routing_id("anna").expect("valid");
    dealer.set_recv_hwm(1);
    env.join(&router, &dealer, &endpoint);
    for number in 0..10 {
        router.try_send_multipart(["anna", &number.to_string()]).expect("dropped, not refused");
    }
    assert_eq!((recv(&dealer), recv(&dealer)), (Message::from("0"), Message::from("1")));
    assert_quiet(&dealer);
}

fn mandatory_writability(env: &Env) {
    let router = env.socket::<Router>();
    assert!(router.readiness().expect("alive").writable, "it can always drop");
    router.set_router_mandatory(true);
    assert!(!router.readiness().expect("alive").writable, "there is no peer");
    let endpoint = router.bind(&env.endpoint()).expect("free");
    let dealer = env.socket::<Dealer>();
    env.join(&router, &dealer, &endpoint);
    until("a peer with room", || router.readiness().expect("alive").writable);
}

fn a_router_that_connects_first_learns_the_name(env: &Env) {
    let endpoint = env.free_endpoint();
    let router = env.socket::<Router>();
    router.connect(&endpoint).expect("valid");
    let dealer = env.socket::<Dealer>();
    dealer.set_routing_id("anna").expect("valid");
    dealer.bind(&endpoint).expect("free");
    dealer.send("hello").expect("a queue");
    assert_eq!(recv_all(&router), ["anna", "hello"]);
    router.send_multipart(["anna", "hello yourself"]).expect("known");
    assert_eq!(recv(&dealer), "hello yourself");
}
