//! The poller: several sockets and descriptors at once.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use zeroring::poller::PollError;
use zeroring::{Dealer, Events, Poller, Pub, Pull, Push, Ready, Router};

use crate::support::{DEADLINE, Env, QUIET, recv, recv_all, until};

const BOTH: Events = Events::BOTH;

cases! {
    all {
        what_is_ready_stays_ready, a_wait_ends_with_a_message, time_runs_out_without_events,
        room_is_an_event, keys_come_in_the_order_of_registration, a_message_from_another_thread_wakes,
        registrations_can_change
    }
    tcp { descriptors_and_sockets_mix, errors_of_descriptors_come_unasked, urgent_data_of_descriptors_is_told }
    inproc { a_wait_for_nothing_is_refused, each_source_registers_once }
}

fn keys<T>(ready: Vec<Ready<T>>) -> Vec<T> {
    ready.into_iter().map(|ready| ready.key).collect()
}

fn what_is_ready_stays_ready(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    let mut poller = Poller::new();
    poller.add(&pull, "pull", Events::READABLE).expect("new");
    push.send("1").expect("room");
    push.send("2").expect("room");
    for _ in 0..3 {
        assert_eq!(keys(poller.wait(Some(DEADLINE)).expect("alive")), ["pull"]);
    }
    assert_eq!(recv(&pull), "1");
    assert_eq!(keys(poller.wait(Some(DEADLINE)).expect("alive")), ["pull"]);
    assert_eq!(recv(&pull), "2");
    assert_eq!(poller.wait(Some(Duration::ZERO)).expect("alive"), []);
}

fn a_wait_ends_with_a_message(env: &Env) {
    let (router, endpoint) = env.bound::<Router>();
    let (other, _) = env.bound::<Pull>();
    let mut poller = Poller::new();
    poller.add(&other, 0, Events::READABLE).expect("new");
    poller.add(&router, 1, Events::READABLE).expect("new");
    let dealer = env.socket::<Dealer>();
    dealer.connect(&endpoint).expect("valid");
    for round in 0..100 {
        dealer.send(format!("{round}")).expect("a queue");
        assert_eq!(keys(poller.wait(Some(DEADLINE)).expect("alive")), [1]);
        assert_eq!(recv_all(&router).len(), 2);
    }
}

fn time_runs_out_without_events(env: &Env) {
    let (pull, _push) = env.connected::<Pull, Push>();
    let mut poller = Poller::new();
    poller.add(&pull, (), Events::READABLE).expect("new");
    let start = Instant::now();
    assert_eq!(poller.wait(Some(QUIET)).expect("alive"), []);
    let waited = start.elapsed();
    assert!(waited >= QUIET && waited < QUIET * 20, "{waited:?}");
}

fn room_is_an_event(env: &Env) {
    let (push, endpoint) = env.bound::<Push>();
    let mut poller = Poller::new();
    poller.add(&push, "push", Events::WRITABLE).expect("new");
    assert_eq!(poller.wait(Some(Duration::ZERO)).expect("alive"), [], "nobody is connected");
    let pull = env.socket::<Pull>();
    pull.connect(&endpoint).expect("valid");
    let ready = poller.wait(Some(DEADLINE)).expect("alive");
    assert_eq!(ready, [Ready { key: "push", events: Events::WRITABLE }]);
    // Both are told apart.
    let (dealer, peer) = env.connected::<Dealer, Dealer>();
    peer.send("hello").expect("room");
    let mut poller = Poller::new();
    poller.add(&dealer, (), BOTH).expect("new");
    until("both", || poller.wait(Some(DEADLINE)).expect("alive")[0].events == BOTH);
}

fn keys_come_in_the_order_of_registration(env: &Env) {
    let publishers: Vec<_> = (0..5).map(|_| env.bound::<Pub>().0).collect();
    let mut poller = Poller::new();
    for (key, publisher) in publishers.iter().enumerate() {
        poller.add(publisher, key, Events::WRITABLE).expect("new");
    }
    assert_eq!(keys(poller.wait(None).expect("alive")), [0, 1, 2, 3, 4]);
    assert_eq!(poller.remove(&publishers[2]), Ok(2));
    assert_eq!(keys(poller.wait(None).expect("alive")), [0, 1, 3, 4]);
}

fn a_message_from_another_thread_wakes(env: &Env) {
    const ROUNDS: usize = 200;
    let (pull, push) = env.connected::<Pull, Push>();
    let (second, other) = env.connected::<Pull, Push>();
    let (go, told) = std::sync::mpsc::channel();
    let sender = std::thread::spawn(move || {
        while let Ok(round) = told.recv() {
            let socket = if round % 2 == 0 { &push } else { &other };
            socket.send(format!("{round}")).expect("room");
        }
        (push, other)
    });
    let mut poller = Poller::new();
    poller.add(&pull, 0, Events::READABLE).expect("new");
    poller.add(&second, 1, Events::READABLE).expect("new");
    for round in 0..ROUNDS {
        go.send(round).expect("the sender lives");
        assert_eq!(keys(poller.wait(Some(DEADLINE)).expect("alive")), [round % 2]);
        let socket = if round % 2 == 0 { &pull } else { &second };
        assert_eq!(recv(socket), round.to_string().as_str());
    }
    drop(go);
    sender.join().expect("the sender ended well");
}

fn registrations_can_change(env: &Env) {
    let (dealer, _peer) = env.connected::<Dealer, Dealer>();
    let mut poller = Poller::new();
    poller.add(&dealer, 1, Events::NONE).expect("new");
    assert_eq!(poller.wait(Some(Duration::ZERO)).expect("alive"), []);
    poller.modify(&dealer, BOTH).expect("registered");
    assert_eq!(poller.wait(None).expect("alive")[0].events, Events::WRITABLE);
    poller.modify(&dealer, Events::READABLE).expect("registered");
    assert_eq!(poller.wait(Some(Duration::ZERO)).expect("alive"), []);
    assert_eq!(poller.remove(&dealer), Ok(1));
    assert_eq!(poller.remove(&dealer), Err(PollError::NotRegistered));
    assert_eq!(poller.modify(&dealer, BOTH), Err(PollError::NotRegistered));
}

fn descriptors_and_sockets_mix(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    let (here, mut there) = UnixStream::pair().expect("a pair");
    let mut poller = Poller::new();
    poller.add(&pull, "socket", Events::READABLE).expect("new");
    poller.add_fd(here.as_fd(), "descriptor", Events::READABLE).expect("new");
    assert_eq!(poller.wait(Some(Duration::ZERO)).expect("alive"), []);
    there.write_all(b"x").expect("room");
    assert_eq!(keys(poller.wait(Some(DEADLINE)).expect("alive")), ["descriptor"]);
    push.send("x").expect("room");
    until("both", || keys(poller.wait(Some(DEADLINE)).expect("alive")) == ["socket", "descriptor"]);
    poller.modify_fd(here.as_fd(), BOTH).expect("registered");
    assert_eq!(poller.wait(None).expect("alive")[1].events, BOTH);
    assert_eq!(poller.remove_fd(here.as_fd()), Ok("descriptor"));
}

fn errors_of_descriptors_come_unasked(_env: &Env) {
    let (here, there) = UnixStream::pair().expect("a pair");
    let mut poller = Poller::new();
    poller.add_fd(here.as_fd(), (), Events::NONE).expect("new");
    assert_eq!(poller.wait(Some(Duration::ZERO)).expect("fine"), []);
    drop(there);
    assert!(poller.wait(Some(DEADLINE)).expect("fine")[0].events.error);
}

fn a_wait_for_nothing_is_refused(env: &Env) {
    let mut poller = Poller::<()>::new();
    assert_eq!(poller.wait(None), Err(PollError::NothingToWaitFor));
    let start = Instant::now();
    assert_eq!(poller.wait(Some(QUIET)), Ok(vec![]));
    assert!(start.elapsed() >= QUIET, "time passes even with nothing to wait for");
    let pull = env.socket::<Pull>();
    poller.add(&pull, (), Events::NONE).expect("new");
    assert_eq!(poller.wait(None), Err(PollError::NothingToWaitFor));
}

fn each_source_registers_once(env: &Env) {
    let pull = env.socket::<Pull>();
    let (mut one, mut two) = (Poller::new(), Poller::new());
    one.add(&pull, 1, Events::READABLE).expect("new");
    assert_eq!(one.add(&pull, 2, BOTH), Err(PollError::AlreadyRegistered));
    two.add(&pull, 1, Events::READABLE).expect("one socket may be in several pollers");
    assert_eq!((one.len(), two.len()), (1, 1));
}

fn urgent_data_of_descriptors_is_told(_env: &Env) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let there = std::net::TcpStream::connect(listener.local_addr().expect("its address"));
    let there = there.expect("listening");
    let (here, _) = listener.accept().expect("it connected");
    let urgent = Events { urgent: true, ..Events::NONE };
    let mut poller = Poller::new();
    poller.add_fd(here.as_fd(), (), urgent).expect("new");
    assert_eq!(poller.wait(Some(Duration::ZERO)), Ok(vec![]));
    rustix::net::send(&there, b"!", rustix::net::SendFlags::OOB).expect("room");
    assert_eq!(poller.wait(Some(DEADLINE)), Ok(vec![Ready { key: (), events: urgent }]));
}
