//! Nothing is left of a context that ended: no slab, no descriptor, no thread. One test, so that nothing else counts.

use std::time::Duration;

use zeroring::{Context, DriverChoice, Pull, Push, Socket};

const DEADLINE: Duration = Duration::from_secs(20);

/// Descriptors and threads of this process, and slabs in use.
fn counts() -> (usize, usize, i64) {
    let entries = |path| std::fs::read_dir(path).expect("proc").count();
    let slabs = Context::new().stats().slabs;
    (entries("/proc/self/fd"), entries("/proc/self/task"), slabs)
}

/// Connections that carry messages of every kind of storage, are lost and come back, and end in every state.
fn live(driver: DriverChoice, endpoint: &str) {
    let context = Context::builder().driver(driver).build();
    let pull: Socket<Pull> = context.socket().expect("a socket");
    let endpoint = pull.bind(endpoint).expect("free");
    for round in 0..100 {
        let push: Socket<Push> = context.socket().expect("a socket");
        push.set_linger(Some(Duration::ZERO));
        push.connect(&endpoint).expect("valid");
        for size in [1, 100, 10_000, 100_000] {
            push.send(vec![7; size]).expect("a queue");
        }
        match round % 3 {
            0 => drop(push), // before or in the middle of its handshake
            1 => drop((pull.recv_timeout(DEADLINE).expect("a message"), push)),
            _ => {
                let kept = pull.recv_timeout(DEADLINE).expect("a message");
                drop(push);
                drop(kept);
            }
        }
    }
    drop(pull);
    assert!(context.term_timeout(DEADLINE), "{:?}", context.stats());
}

#[test]
fn nothing_is_left_of_a_context() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let ipc = format!("ipc://{}/leaks", dir.path().display());
    let endpoints = ["tcp://127.0.0.1:*", ipc.as_str(), "inproc://leaks"];
    let before = counts();
    for driver in [DriverChoice::Epoll, DriverChoice::Uring] {
        if driver == DriverChoice::Uring && zeroring_transports::available().is_err() {
            continue;
        }
        for endpoint in endpoints {
            live(driver, endpoint);
            assert_eq!(counts(), before, "descriptors, threads, slabs after {driver:?} {endpoint}");
        }
    }
}
