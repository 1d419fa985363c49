//! The descriptor for event loops that are not ours.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroring::context::OptionValue;
use zeroring::{Pull, Push, RecvError, Rep, Req};

use crate::support::{DEADLINE, Env, recv};

cases! {
    all {
        a_message_makes_it_readable, it_stays_readable_until_all_is_read, it_becomes_quiet,
        a_loop_sees_every_message, shutdown_makes_it_readable
    }
    tcp { its_number_is_an_option, reading_events_makes_it_quiet }
}

/// Waits until the descriptor is readable.
pub fn is_readable_within(fd: &OwnedFd, timeout: std::time::Duration) -> bool {
    let timeout = Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&timeout)).expect("a good descriptor") == 1
}

/// The next message, waited for as an event loop would.
fn next(pull: &zeroring::Socket<Pull>, fd: &OwnedFd) -> String {
    loop {
        assert!(is_readable_within(fd, DEADLINE), "a message came, but the descriptor is silent");
        match pull.try_recv() {
            Ok(message) => return crate::support::text(&message),
            Err(RecvError::WouldBlock) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn a_message_makes_it_readable(env: &Env) {
    let (pull, endpoint) = env.bound::<Pull>();
    let fd = pull.event_fd().expect("a descriptor");
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    push.send("hello").expect("a queue");
    assert_eq!(next(&pull, &fd), "hello");
}

fn it_stays_readable_until_all_is_read(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    let fd = pull.event_fd().expect("a descriptor");
    for number in 0..3 {
        push.send(format!("{number}")).expect("room");
    }
    for number in 0..3 {
        assert_eq!(next(&pull, &fd), number.to_string());
    }
}

fn it_becomes_quiet(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    let fd = pull.event_fd().expect("a descriptor");
    push.send("hello").expect("room");
    assert_eq!(next(&pull, &fd), "hello");
    // A level-triggered loop must not spin: after a look that finds nothing there is silence.
    assert_eq!(pull.try_recv(), Err(RecvError::WouldBlock));
    let mut looks = 0;
    while is_readable_within(&fd, crate::support::QUIET) {
        assert_eq!(pull.try_recv(), Err(RecvError::WouldBlock));
        looks += 1;
        assert!(looks < 10, "it is readable again and again, but there is nothing");
    }
}

fn a_loop_sees_every_message(env: &Env) {
    const MESSAGES: usize = 2000;
    let (pull, push) = env.connected::<Pull, Push>();
    let fd = pull.event_fd().expect("a descriptor");
    let sender = std::thread::spawn(move || {
        (0..MESSAGES).for_each(|number| push.send(format!("{number}")).expect("room"));
        push
    });
    for number in 0..MESSAGES {
        assert_eq!(next(&pull, &fd), number.to_string());
    }
    sender.join().expect("all were sent");
    // Also one at a time, each after silence.
    let (rep, req) = env.connected::<Rep, Req>();
    let fd = rep.event_fd().expect("a descriptor");
    for round in 0..200 {
        req.send(format!("{round}")).expect("its turn");
        let request = loop {
            assert!(is_readable_within(&fd, DEADLINE), "round {round}");
            if let Ok(request) = rep.try_recv() {
                break request;
            }
        };
        rep.send(&request).expect("its turn");
        assert_eq!(recv(&req), round.to_string().as_str());
    }
}

fn shutdown_makes_it_readable(env: &Env) {
    let (pull, _endpoint) = env.bound::<Pull>();
    let fd = pull.event_fd().expect("a descriptor");
    env.context.shutdown();
    assert!(is_readable_within(&fd, DEADLINE));
    assert_eq!(pull.try_recv(), Err(RecvError::Terminated));
}

fn its_number_is_an_option(env: &Env) {
    const ZMQ_FD: i32 = 14;
    let (pull, push) = env.connected::<Pull, Push>();
    let Ok(OptionValue::Int(number)) = pull.get_option(ZMQ_FD, 4) else { panic!("an int") };
    let what = std::fs::read_link(format!("/proc/self/fd/{number}")).expect("an open descriptor");
    assert_eq!(what.to_str(), Some("anon_inode:[eventfd]"));
    let again = pull.get_option(ZMQ_FD, 4).expect("as before");
    assert_eq!(again, OptionValue::Int(number), "the same every time");
    assert!(pull.get_option(ZMQ_FD, 3).is_err(), "no room for it");
    assert!(pull.get_option(ZMQ_FD, 100).is_ok(), "more room than needed");
    assert!(pull.set_option(ZMQ_FD, Some(&number.to_ne_bytes())).is_err());
    push.send("hello").expect("room");
    // It is the descriptor of `event_fd`, under another number there.
    let fd = pull.event_fd().expect("a descriptor");
    assert_eq!(next(&pull, &fd), "hello");
}

fn reading_events_makes_it_quiet(env: &Env) {
    const ZMQ_EVENTS: i32 = 15;
    let (pull, push) = env.connected::<Pull, Push>();
    let fd = pull.event_fd().expect("a descriptor");
    push.send("hello").expect("room");
    assert_eq!(next(&pull, &fd), "hello");
    let mut looks = 0;
    while is_readable_within(&fd, crate::support::QUIET) {
        let Ok(OptionValue::Int(events)) = pull.get_option(ZMQ_EVENTS, 4) else { panic!("an int") };
        assert_eq!(events, 0, "everything was read");
        looks += 1;
        assert!(looks < 10, "reading EVENTS leaves it readable");
    }
    push.send("again").expect("room");
    assert_eq!(next(&pull, &fd), "again");
}
