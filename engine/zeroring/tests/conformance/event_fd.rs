//! The descriptor for event loops that are not ours.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroring::{Pull, Push, RecvError, Rep, Req};

use crate::support::{DEADLINE, Env, recv};

cases! {
    all {
        a_message_makes_it_readable, it_stays_readable_until_all_is_read, it_becomes_quiet,
        a_loop_sees_every_message, shutdown_makes_it_readable
    }
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
