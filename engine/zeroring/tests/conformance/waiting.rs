//! Waiting: whoever waits hears everything, burns no CPU, and comes back in time.

use std::sync::mpsc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use zeroring::{
    Dealer, Events, Pair, Poller, Pull, Push, RecvError, SendError, Socket, steerable_proxy,
};

use crate::support::{DEADLINE, Env, QUIET, recv, text};

cases! {
    all {
        a_paused_proxy_sleeps, a_proxy_sleeps_while_its_back_is_full,
        a_registration_for_nothing_lets_the_poller_sleep
    }
    net {
        peers_that_come_while_it_blocks_are_heard, hundreds_of_connections_are_heard,
        a_blocked_send_sleeps_though_much_came_in
    }
}

/// Long against what waking up a few times costs, short enough for a suite.
pub const WAIT: Duration = Duration::from_millis(400);

/// CPU time of the calling thread.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// `wait` takes at least [`WAIT`], and a small part of that on the CPU.
#[track_caller]
pub fn assert_sleeps(wait: impl FnOnce()) {
    let before = cpu_time();
    wait();
    let used = cpu_time() - before;
    assert!(used < WAIT / 4, "{used:?} of CPU time in a wait of {WAIT:?}");
}

/// Receives on a thread of its own, always blocked in `recv`, and passes on what comes.
fn listen(pull: Socket<Pull>) -> (mpsc::Receiver<String>, std::thread::JoinHandle<()>) {
    let (tell, heard) = mpsc::channel();
    let listener = std::thread::spawn(move || {
        while let Ok(message) = pull.recv() {
            tell.send(text(&message)).expect("the case listens to the end");
        }
    });
    (heard, listener)
}

fn hear(heard: &mpsc::Receiver<String>) -> String {
    heard.recv_timeout(DEADLINE).expect("a message was sent and never heard")
}

fn peers_that_come_while_it_blocks_are_heard(env: &Env) {
    const PEERS: usize = 40; // more than a thread takes over from the I/O threads
    let (pull, endpoint) = env.bound::<Pull>();
    let (heard, listener) = listen(pull);
    let mut peers: Vec<Socket<Push>> = Vec::new();
    for number in 0..PEERS {
        let push = env.socket::<Push>();
        push.connect(&endpoint).expect("valid");
        push.send(format!("{number} joins")).expect("a queue");
        assert_eq!(hear(&heard), format!("{number} joins"));
        peers.push(push);
    }
    for round in 0..3 {
        for (number, push) in peers.iter().enumerate() {
            push.send(format!("{number} in {round}")).expect("room");
            assert_eq!(hear(&heard), format!("{number} in {round}"));
        }
    }
    env.context.shutdown();
    listener.join().expect("ended by shutdown");
}

fn hundreds_of_connections_are_heard(env: &Env) {
    const CONNECTIONS: usize = 300;
    let (pull, endpoint) = env.bound::<Pull>();
    let (heard, listener) = listen(pull);
    let push = env.socket::<Push>();
    for _ in 0..CONNECTIONS {
        push.connect(&endpoint).expect("valid");
    }
    for round in 0..3 {
        let mut seen: Vec<usize> = Vec::new();
        for number in 0..CONNECTIONS {
            push.send(format!("{number}")).expect("room"); // each to the next connection
        }
        for _ in 0..CONNECTIONS {
            seen.push(hear(&heard).parse().expect("a number"));
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..CONNECTIONS), "round {round}");
    }
    env.context.shutdown();
    listener.join().expect("ended by shutdown");
}

fn a_blocked_send_sleeps_though_much_came_in(env: &Env) {
    let (dealer, endpoint) = env.bound_with::<Dealer>(|dealer| {
        dealer.set_recv_hwm(1);
        dealer.set_send_hwm(1);
    });
    let peer = env.socket::<Dealer>();
    peer.set_recv_hwm(1);
    env.join(&dealer, &peer, &endpoint);
    // Waiting for a message, the thread takes the descriptor over and reads it from then on.
    assert_eq!(dealer.recv_timeout(QUIET).err(), Some(RecvError::WouldBlock));
    for _ in 0..100 {
        peer.send("unread").expect("room");
    }
    let body = vec![7; 64 * 1024];
    // The kernel's buffers are full at some point.
    assert_sleeps(|| while dealer.send_timeout(&body, WAIT) != Err(SendError::WouldBlock) {});
}

fn a_proxy_sleeps_while_its_back_is_full(env: &Env) {
    let (front, front_at) = env.bound_with::<Pull>(|pull| pull.set_recv_hwm(1));
    let (back, back_at) = env.bound_with::<Push>(|push| push.set_send_hwm(1));
    let sink = env.socket::<Pull>();
    sink.set_recv_hwm(1);
    env.join(&back, &sink, &back_at);
    let source = env.socket::<Push>();
    source.set_send_hwm(1);
    env.join(&front, &source, &front_at);
    let (control, remote) = env.connected::<Pair, Pair>();
    let running = measured_proxy(front, back, control);
    let body = vec![7; 64 * 1024];
    while source.send_timeout(&body, QUIET).is_ok() {}
    assert_proxy_sleeps(&remote, running);
}

fn a_paused_proxy_sleeps(env: &Env) {
    let (front, source) = env.connected::<Pull, Push>();
    let (back, _sink) = env.connected::<Push, Pull>();
    let (control, remote) = env.connected::<Pair, Pair>();
    let running = measured_proxy(front, back, control);
    remote.send("PAUSE").expect("room");
    source.send("waits").expect("room");
    assert_proxy_sleeps(&remote, running);
}

type Measured = std::thread::JoinHandle<Duration>;

/// A proxy on a thread that ends with the CPU time it used.
fn measured_proxy(front: Socket<Pull>, back: Socket<Push>, control: Socket<Pair>) -> Measured {
    std::thread::spawn(move || {
        steerable_proxy(&front, &back, None, &control).expect("ended by command");
        cpu_time()
    })
}

/// The CPU time counts from the start of the thread. Filling the queues is a small part of what a busy wait takes.
fn assert_proxy_sleeps(remote: &Socket<Pair>, running: Measured) {
    let wait = WAIT * 5;
    assert_eq!(remote.recv_timeout(wait).err(), Some(RecvError::WouldBlock));
    remote.send("TERMINATE").expect("room");
    let used = running.join().expect("no panic");
    assert!(used < wait / 4, "{used:?} of CPU time while it had nothing to do for {wait:?}");
}

fn a_registration_for_nothing_lets_the_poller_sleep(env: &Env) {
    let (pull, push) = env.connected::<Pull, Push>();
    push.send("left alone").expect("room");
    let (other, _peer) = env.connected::<Pull, Push>();
    let mut poller = Poller::new();
    poller.add(&pull, 1, Events::NONE).expect("new");
    poller.add(&other, 2, Events::READABLE).expect("new");
    assert_sleeps(|| assert_eq!(poller.wait(Some(WAIT)), Ok(vec![])));
    assert_eq!(recv(&pull), "left alone");
}
