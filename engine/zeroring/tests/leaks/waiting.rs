//! A context ends while threads wait in it: they return, close their sockets, and nothing is left.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use zeroring::poller::PollError;
use zeroring::{Context, EventKind, Events, Poller, Pull, Push, RecvError, SendError, Socket};

use crate::support::{Counts, DEADLINE, Env, own_context, recv, socket_of};

cases! {
    all { a_receiver_waits, a_sender_waits, a_poller_waits, all_of_them_wait }
}

/// Each end comes at another moment: before, while or after the thread falls asleep.
const ROUNDS: u32 = 25;

/// Runs `wait` on a thread, and says through the channel that it is about to.
fn waiter(
    context: &Context,
    at: &str,
    wait: fn(Context, &str, &mpsc::Sender<()>),
) -> (JoinHandle<()>, mpsc::Receiver<()>) {
    let (context, at) = (context.clone(), at.to_owned());
    let (ready, is_ready) = mpsc::channel();
    (thread::spawn(move || wait(context, &at, &ready)), is_ready)
}

fn end_while_waiting(env: &Env, waits: &[fn(Context, &str, &mpsc::Sender<()>)]) {
    for round in 0..ROUNDS {
        let before = Counts::now();
        let context = own_context(env);
        let witness: Socket<Push> = socket_of(&context);
        let mut events = witness.monitor();
        let at = witness.bind(&env.endpoint()).expect("free");
        let threads: Vec<_> = waits.iter().map(|wait| waiter(&context, &at, *wait)).collect();
        threads.iter().for_each(|(_, ready)| ready.recv_timeout(DEADLINE).expect("it gets there"));
        (0..round * 2000).for_each(|_| std::hint::spin_loop());
        drop(witness); // its monitor lives on
        assert!(context.term_timeout(DEADLINE), "{round}: {:?}", context.stats());
        threads.into_iter().for_each(|(thread, _)| thread.join().expect("it was told"));
        let last = std::iter::from_fn(|| events.next_timeout(DEADLINE)).last();
        assert_eq!(last.map(|event| event.kind()), Some(EventKind::MonitorStopped));
        drop((events, context));
        before.assert_back(round);
    }
}

fn receive(context: Context, at: &str, ready: &mpsc::Sender<()>) {
    let pull: Socket<Pull> = socket_of(&context);
    pull.connect(at).expect("valid");
    ready.send(()).expect("somebody listens");
    assert_eq!(pull.recv(), Err(RecvError::Terminated));
}

fn send(context: Context, _at: &str, ready: &mpsc::Sender<()>) {
    let push: Socket<Push> = socket_of(&context);
    ready.send(()).expect("somebody listens");
    assert_eq!(push.send("nobody is there to take it"), Err(SendError::Terminated));
}

/// A poller over two sockets and a descriptor, after one of the sockets had something.
fn poll(context: Context, at: &str, ready: &mpsc::Sender<()>) {
    let (pull, push): (Socket<Pull>, Socket<Push>) = (socket_of(&context), socket_of(&context));
    let own = pull.bind("inproc://own").expect("free");
    push.connect(&own).expect("valid");
    pull.connect(at).expect("valid");
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    push.send("something").expect("room");
    let idle: Socket<Pull> = socket_of(&context);
    idle.connect(at).expect("valid");
    let mut poller = Poller::new();
    poller.add(&pull, 0, Events::READABLE).expect("new");
    poller.add(&idle, 1, Events::READABLE).expect("new");
    poller.add_fd(std::os::fd::AsFd::as_fd(&reader), 2, Events::READABLE).expect("new");
    assert_eq!(poller.wait(Some(DEADLINE)).expect("alive").len(), 1);
    assert_eq!(recv(&pull), "something");
    ready.send(()).expect("somebody listens");
    assert_eq!(poller.wait(None).map(|ready| ready.len()), Err(PollError::Terminated));
}

fn a_receiver_waits(env: &Env) {
    end_while_waiting(env, &[receive]);
}

fn a_sender_waits(env: &Env) {
    end_while_waiting(env, &[send]);
}

fn a_poller_waits(env: &Env) {
    end_while_waiting(env, &[poll]);
}

fn all_of_them_wait(env: &Env) {
    end_while_waiting(env, &[receive, send, poll, receive]);
}
