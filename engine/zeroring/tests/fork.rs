//! What a forked child does with the sockets it inherited: it gets errors, ends at once, and never disturbs its parent.
//! A test binary of its own with one test: a fork copies every thread's locks.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use zeroring::poller::PollError;
use zeroring::{
    Context, DriverChoice, EndpointFault, Events, Poller, Pull, Push, RecvError, Socket,
    SocketError, steerable_proxy,
};
use zeroring_transports::sys::fork_for_tests;

const DEADLINE: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_millis(60);

/// What both processes have.
struct Inherited {
    context: Context,
    pull: Socket<Pull>,
    push: Socket<Push>,
    endpoint: String,
}

impl Inherited {
    fn new(driver: DriverChoice, endpoint: &str) -> Self {
        let context = Context::builder().driver(driver).build();
        let pull: Socket<Pull> = context.socket().expect("a socket");
        let endpoint = pull.bind(endpoint).expect("free");
        let push: Socket<Push> = context.socket().expect("a socket");
        push.connect(&endpoint).expect("valid");
        push.send("before").expect("a queue");
        assert_eq!(pull.recv_timeout(DEADLINE).expect("a message"), "before");
        // It takes the descriptor over while it waits, and an event loop's descriptor exists too.
        assert_eq!(pull.recv_timeout(QUIET), Err(RecvError::WouldBlock));
        push.event_fd().expect("a descriptor");
        Self { context, pull, push, endpoint }
    }
}

/// In the child: every call that would wait or touch a descriptor fails, and closing all of it returns.
fn use_as_child(own: Inherited) -> i32 {
    let Inherited { context, pull, push, endpoint } = own;
    // Whether a queue takes it or not: it must not reach the parent's connection. An inproc queue is the child's copy.
    let _ = push.send("from the child");
    while pull.try_recv().is_ok() {}
    assert_eq!(pull.recv(), Err(RecvError::Forked));
    assert_eq!(pull.try_recv(), Err(RecvError::Forked));
    assert_eq!(pull.readiness(), Err(RecvError::Forked));
    assert!(pull.event_fd().is_err());
    assert!(matches!(push.connect(&endpoint), Err(EndpointFault::Forked)));
    assert!(matches!(push.bind("tcp://127.0.0.1:*"), Err(EndpointFault::Forked)));
    assert!(matches!(pull.unbind(&endpoint), Err(EndpointFault::Forked)));
    let mut poller = Poller::new();
    poller.add(&pull, (), Events::READABLE).expect("new");
    assert_eq!(poller.wait(None), Err(PollError::Forked));
    drop(poller);
    let steered = steerable_proxy(&pull, &push, None, &pull).expect_err("nothing to steer");
    assert_eq!(steered.errno(), zeroring::error::errno::EINTR);
    assert!(matches!(context.socket::<Pull>(), Err(SocketError::Forked)));
    context.shutdown();
    assert!(context.term_timeout(DEADLINE));
    context.term(); // with sockets open: in the parent this would wait for them
    drop((pull, push));
    drop(context);
    // A context of its own works.
    let own = Inherited::new(DriverChoice::Auto, "tcp://127.0.0.1:*");
    own.push.send("in the child").expect("room");
    assert_eq!(own.pull.recv_timeout(DEADLINE).expect("a message"), "in the child");
    0
}

/// Waits for the child; one that hangs is ended and fails the test.
fn status_of(child: Pid) -> Option<i32> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match waitpid(Some(child), WaitOptions::NOHANG).expect("our child") {
            Some((_, status)) => return status.exit_status(),
            None if Instant::now() > deadline => {
                kill_process(child, Signal::KILL).expect("our child");
                waitpid(Some(child), WaitOptions::empty()).expect("our child");
                panic!("the child hangs");
            }
            None => std::thread::yield_now(),
        }
    }
}

fn fork_with(driver: DriverChoice, endpoint: &str) {
    let mut inherited = Some(Inherited::new(driver, endpoint));
    let child = fork_for_tests(|| use_as_child(inherited.take().expect("inherited")));
    let status = status_of(child.expect("a process"));
    assert_eq!(status, Some(0), "the child failed on {driver:?}, {endpoint}");
    let Inherited { context, pull, push, endpoint } = inherited.take().expect("the parent's own");
    for round in 0..10 {
        push.send(format!("{round}")).expect("room");
        assert_eq!(pull.recv_timeout(DEADLINE).expect("a message"), round.to_string().as_str());
    }
    assert_eq!(pull.recv_timeout(QUIET), Err(RecvError::WouldBlock), "nothing of the child came");
    let late: Socket<Push> = context.socket().expect("a socket");
    late.connect(&endpoint).expect("valid");
    late.send("still listening").expect("a queue");
    assert_eq!(pull.recv_timeout(DEADLINE).expect("a message"), "still listening");
    drop((pull, push, late));
    assert!(context.term_timeout(DEADLINE), "{:?}", context.stats());
}

#[test]
fn a_forked_child_ends_and_leaves_its_parent_alone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let ipc = format!("ipc://{}/fork", dir.path().display());
    for driver in [DriverChoice::Epoll, DriverChoice::Uring] {
        if driver == DriverChoice::Uring && zeroring_transports::available().is_err() {
            continue;
        }
        for endpoint in ["tcp://127.0.0.1:*", ipc.as_str(), "inproc://fork"] {
            fork_with(driver, endpoint);
        }
    }
}
