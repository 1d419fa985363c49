//! Our process is killed (SIGKILL), once in the middle of its work, while libzmq's side stays; the next one of ours goes
//! on. The process is this test program again: `child`, told by its environment what to be.

use std::io::Read;
use std::time::Duration;

use zeroring::DriverChoice::{self, Auto, Epoll, Uring};
use zeroring::SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};
use zeroring::{AnySocket, Context, EventKind};

use crate::content::Content;
use crate::peer::{Libzmq, Peer};
use crate::roles::Does::{Echo, Request, Sink, Source};
use crate::roles::Ours;
use crate::support::{DEADLINE, Env, Via, at_once, run};

/// Our part, the survivor's, and what they tell each other.
struct Case {
    name: &'static str,
    ours: Ours,
    theirs: &'static str,
    content: Content,
}

const LARGE: Content = Content::large();
const SMALL: Content = Content { messages: 42, ..Content::small() };
/// More than the buffers of the kernel hold.
const MUCH: Content = Content { messages: 40, sizes: &[1 << 20], parts: &[1], topic: None };

impl Case {
    /// The survivor tells when it has let go of the one that was killed.
    fn pauses(&self) -> bool {
        self.theirs.contains("--pause")
    }

    fn is_pair_at_work(&self) -> bool {
        self.ours.kind == Pair && self.ours.does != Request && !self.pauses()
    }
}

macro_rules! killed {
    ($($name:ident: $ours:expr, $theirs:literal, $content:ident;)*) => {
        const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            ours: $ours,
            theirs: $theirs,
            content: $content,
        }),*];

        $(mod $name {
            use super::*;

            #[test]
            fn tcp() {
                both_ways(Libzmq::Bundled, stringify!($name), Via::Tcp, [Epoll, Uring]);
            }

            #[test]
            fn ipc() {
                both_ways(Libzmq::Bundled, stringify!($name), Via::Ipc, [Uring, Epoll]);
            }

            #[test]
            fn system() {
                both_ways(Libzmq::System, stringify!($name), Via::Tcp, [Auto; 2]);
            }
        })*
    };
}

killed! {
    // Killed in the middle of a large message: the survivor gets whole ones only, then all that the next one sends.
    push: Ours::new(Source, Push), "sink --type PULL --restarts 1", LARGE;
    publisher: Ours::new(Source, Pub), "sink --type SUB --restarts 1", LARGE;
    xpub: Ours::new(Source, XPub), "sink --type XSUB --restarts 1", LARGE;
    dealer: Ours::new(Source, Dealer), "sink --type ROUTER --restarts 1", LARGE;
    router: Ours::new(Source, Router).to("me"), "sink --type DEALER --routing-id me --restarts 1", LARGE;
    pair: Ours::new(Source, Pair), "sink --type PAIR --restarts 1", LARGE;
    // Killed with messages on their way to it: the next one gets the rest in order.
    pull: Ours::new(Sink, Pull), "source --type PUSH --sndhwm 1", MUCH;
    dealer_sink: Ours::new(Sink, Dealer), "source --type DEALER --sndhwm 1", MUCH;
    router_sink: Ours::new(Sink, Router), "source --type DEALER --sndhwm 1", MUCH;
    pair_sink: Ours::new(Sink, Pair), "source --type PAIR --sndhwm 1", MUCH;
    pair_sink_pause: Ours::new(Sink, Pair), "source --type PAIR --pause", SMALL;
    subscriber: Ours::new(Sink, Sub), "source --type PUB --pause", SMALL;
    sub_of_xpub: Ours::new(Sink, Sub), "source --type XPUB --xpub-verbose 1 --pause", SMALL;
    xsub: Ours::new(Sink, XSub), "source --type PUB --pause", SMALL;
    // Killed with a request that it has not answered, which is asked again; or between two requests.
    rep_owes: Ours::new(Echo, Rep).relaxed(),
        "request --type REQ --req-relaxed 1 --req-correlate 1 --retry-ms 300", SMALL;
    router_owes: Ours::new(Echo, Router).relaxed(),
        "request --type REQ --req-relaxed 1 --req-correlate 1 --retry-ms 300", SMALL;
    rep: Ours::new(Echo, Rep), "request --type REQ --pause", SMALL;
    dealer_echo: Ours::new(Echo, Dealer), "request --type DEALER --pause", SMALL;
    pair_echo: Ours::new(Echo, Pair), "request --type PAIR --pause", SMALL;
    // Killed after an answer; the answerer serves the next one.
    req: Ours::new(Request, Req), "echo --type REP", SMALL;
    req_of_router: Ours::new(Request, Req), "echo --type ROUTER", SMALL;
    dealer_asks: Ours::new(Request, Dealer), "echo --type DEALER", SMALL;
    pair_asks: Ours::new(Request, Pair), "echo --type PAIR", SMALL;
}

fn both_ways(libzmq: Libzmq, case: &str, via: Via, drivers: [DriverChoice; 2]) {
    let case = CASES.iter().find(|known| known.name == case).expect("a case");
    // A bound PAIR of libzmq's turns the next one away for good if that is faster than its letting go of the last.
    let ways = if case.is_pair_at_work() { &[true][..] } else { &[true, false] };
    at_once(ways.iter().copied().zip(drivers), |(we_bind, driver)| {
        run(via, driver, |env| kill_and_go_on(env, libzmq, case, we_bind, driver));
    });
}

fn kill_and_go_on(env: &Env, libzmq: Libzmq, case: &Case, we_bind: bool, driver: DriverChoice) {
    let start = |run, endpoint: &str| {
        Peer::ourselves(
            "killed::child",
            &[
                ("ZERORING_CASE", case.name),
                ("ZERORING_RUN", run),
                ("ZERORING_DRIVER", driver_name(driver)),
                ("ZERORING_ATTACH", if we_bind { "bind" } else { "connect" }),
                ("ZERORING_ENDPOINT", endpoint),
            ],
        )
    };
    let theirs = format!("{} --reconnect-ivl 10", case.theirs);
    let mut options = case.content.options();
    if case.ours.does == Request {
        options.push(format!("--count={}", case.content.messages + 1)); // the first run's too
    }
    let meet =
        |attach, endpoint: &str| Peer::start_with(libzmq, &theirs, attach, endpoint, &options);
    let endpoint = env.endpoint("killed");
    let (mut victim, mut survivor) = if we_bind {
        let victim = start("killed", &endpoint);
        let survivor = meet("connect", &victim.endpoint);
        (victim, survivor)
    } else {
        let survivor = meet("bind", &endpoint);
        (start("killed", &survivor.endpoint), survivor)
    };
    let endpoint = victim.endpoint.clone();
    match case.ours.does {
        Source => drop(survivor.await_line("GOING")),
        _ => drop(victim.await_line("GOING")),
    }
    if case.pauses() {
        survivor.await_line("PAUSED");
    }
    victim.kill();
    if case.pauses() {
        survivor.await_line("AWAY");
    }
    let next = start("next", &endpoint);
    survivor.finish();
    next.finish();
}

fn driver_name(driver: DriverChoice) -> &'static str {
    match driver {
        Epoll => "epoll",
        Uring => "uring",
        _ => "auto",
    }
}

/// What is killed, and what comes after it.
#[test]
#[ignore = "the process that other tests kill"]
fn child() {
    let order = |name: &str| std::env::var(name).expect("the test that starts this gives orders");
    let name = order("ZERORING_CASE");
    let case = CASES.iter().find(|known| known.name == name).expect("a case");
    let driver = match order("ZERORING_DRIVER").as_str() {
        "epoll" => Epoll,
        "uring" => Uring,
        _ => Auto,
    };
    let context = Context::builder().driver(driver).build();
    let socket = case.ours.socket(&context);
    let is_killed = order("ZERORING_RUN") == "killed";
    if is_killed {
        // A little in memory is enough, and nothing but the kill shall end it.
        socket.set_send_hwm(2);
        socket.set_recv_hwm(1);
        socket.set_xpub_nodrop(true);
    }
    let mut endpoint = order("ZERORING_ENDPOINT");
    if order("ZERORING_ATTACH") == "bind" {
        endpoint = socket.bind(&endpoint).expect("left by the one that was killed");
    } else {
        socket.connect(&endpoint).expect("valid");
    }
    println!("\nREADY {endpoint}"); // the test harness leaves its line open
    if is_killed {
        work_until_killed(case, &socket);
    } else {
        finish_the_work(case, &socket);
    }
    drop(socket);
    assert!(context.term_timeout(DEADLINE), "{:?}", context.stats());
}

fn work_until_killed(case: &Case, socket: &AnySocket) {
    let one = Content { messages: 1, ..case.content };
    match case.ours.does {
        Source => case.ours.play(socket, &Content { messages: usize::MAX, ..case.content }),
        _ => case.ours.play(socket, &one),
    }
    if case.ours.does == Echo && case.ours.relaxed {
        socket.recv_multipart_timeout(DEADLINE).expect("a request that gets no answer");
    }
    println!("GOING");
    let _ = std::io::stdin().read(&mut [0]); // or the test is gone
}

fn finish_the_work(case: &Case, socket: &AnySocket) {
    match (case.ours.does, case.pauses()) {
        (Echo, false) => echo_until_quiet(socket),
        (Echo, true) => {
            case.ours
                .play(socket, &Content { messages: case.content.messages - 1, ..case.content });
        }
        (Sink, _) => take_the_rest(case, socket),
        _ => case.ours.play(socket, &case.content),
    }
}

/// Whoever asks says by its end that it was answered everything.
fn echo_until_quiet(socket: &AnySocket) {
    let mut events = socket.monitor();
    loop {
        if let Ok(message) = socket.recv_multipart_timeout(Duration::from_millis(20)) {
            socket.send_multipart_timeout(&message, DEADLINE).expect("room");
        } else if events.try_next().is_some_and(|event| event.kind() == EventKind::Disconnected) {
            return;
        }
    }
}

/// Some messages went to the one that was killed; from the first that comes, all follow to the last.
fn take_the_rest(case: &Case, socket: &AnySocket) {
    let mut sequence = None;
    while sequence != Some(case.content.messages - 1) {
        let got = socket.recv_multipart_timeout(DEADLINE).expect("a message");
        let skipped = usize::from(case.ours.kind == Router);
        let got: Vec<_> = got.iter().skip(skipped).map(|part| part.as_bytes().to_vec()).collect();
        let next = match sequence {
            Some(last) => last + 1,
            None => (1..case.content.messages)
                .find(|first| case.content.message(*first) == got)
                .expect("a message that the first did not get"),
        };
        assert!(got == case.content.message(next), "message {next}");
        sequence = Some(next);
    }
}
