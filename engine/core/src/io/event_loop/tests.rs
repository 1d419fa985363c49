//! The loop on a driver that does as it is told: what no real driver does on demand.

use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::Receiver as Events;
use rustix::io::Errno;
use zeroring_base::mailbox::mailbox;
use zeroring_base::sync::lock;
use zeroring_base::time::VirtualClock;
use zeroring_base::wake::{NoSleep, OsWake, Waker};
use zeroring_zmtp::SocketType;

use super::*;
use crate::context::Live;
use crate::io::command::ListenSpec;
use crate::io::transport::{Connecting, Handle, Listener, Stream};
use crate::monitor::MonitorEvent;
use crate::options::{ContextOptions, SocketOptions};
use crate::socket::SocketHandle;

const PAUSE_NS: u64 = 100_000_000;

/// What the driver shall do, and what it was asked.
#[derive(Default)]
struct Script {
    events: Vec<Event>,
    refusals: usize,
    wait_fails: bool,
    watched: Vec<Token>,
    paused: Vec<(Token, bool)>,
}

#[derive(Clone, Default)]
pub(super) struct ScriptedDriver(Arc<Mutex<Script>>);

impl Driver for ScriptedDriver {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn add_stream(&mut self, _: Token, _: &Arc<dyn Stream>, _: bool) -> io::Result<()> {
        Err(Errno::NOMEM.into())
    }

    fn add_listener(&mut self, token: Token, _: &Arc<dyn Listener>) -> io::Result<()> {
        let mut script = lock(&self.0);
        if script.refusals > 0 {
            script.refusals -= 1;
            return Err(Errno::NOSPC.into());
        }
        script.watched.push(token);
        Ok(())
    }

    fn add_connecting(&mut self, _: Token, _: &dyn Connecting) -> io::Result<()> {
        Err(Errno::NOMEM.into())
    }

    fn set_read(&mut self, _: Token, _: bool) {}

    fn want_write(&mut self, _: Token) {}

    fn pause_listener(&mut self, token: Token, pause: bool) {
        lock(&self.0).paused.push((token, pause));
    }

    fn deregister(&mut self, token: Token) {
        lock(&self.0).watched.retain(|watched| *watched != token);
    }

    fn wait(&mut self, _: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        let mut script = lock(&self.0);
        events.append(&mut script.events);
        if script.wait_fails { Err(Errno::IO.into()) } else { Ok(()) }
    }

    fn os_wake(&self) -> Box<dyn OsWake> {
        Box::new(NoSleep)
    }
}

/// Accepts nobody, for whatever reason it is given.
struct DeafListener {
    file: std::fs::File,
    why: Errno,
    calls: AtomicUsize,
}

impl Listener for DeafListener {
    fn accept(&self) -> io::Result<Arc<dyn Stream>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Err(self.why.into())
    }

    fn stop(&self) {}

    fn handle(&self) -> Handle<'_> {
        Handle::Fd(self.file.as_fd())
    }

    fn endpoint(&self) -> &str {
        "tcp://deaf:1"
    }
}

struct Bench {
    event_loop: EventLoop,
    script: ScriptedDriver,
    listener: Arc<DeafListener>,
    clock: VirtualClock,
    monitor: Events<MonitorEvent>,
}

pub(super) fn event_loop(script: &ScriptedDriver, clock: Clock) -> EventLoop {
    EventLoop::new(EventLoopConfig {
        driver: Box::new(script.clone()),
        mailbox: mailbox(Waker::new(Box::new(NoSleep))),
        clock,
        seed: 1,
        load: Load::default(),
        directory: Arc::default(),
        spins: false,
    })
}

fn open_null() -> std::fs::File {
    std::fs::File::open("/dev/null").expect("it is there")
}

impl Bench {
    /// A loop that was told to listen, on a driver that refuses `refusals` times.
    fn listening(refusals: usize, why: Errno) -> Self {
        let script = ScriptedDriver::default();
        lock(&script.0).refusals = refusals;
        let clock = VirtualClock::new(1);
        let mut event_loop = event_loop(&script, Clock::Virtual(clock.clone()));
        let (mailbox, _inbox) = mailbox(Waker::new(Box::new(NoSleep)));
        let socket = SocketHandle::new(1, SocketType::Pull, mailbox, Arc::new(Live::default()));
        let monitor = socket.monitor().start(u32::MAX);
        let listener =
            Arc::new(DeafListener { file: open_null(), why, calls: AtomicUsize::new(0) });
        event_loop.listen(ListenSpec {
            id: EndpointId(1),
            listener: listener.clone(),
            is_stopped: Arc::new(AtomicBool::new(false)),
            socket,
            options: Arc::new(SocketOptions::new(SocketType::Pull, &ContextOptions::default())),
        });
        Self { event_loop, script, listener, clock, monitor }
    }

    fn turn(&mut self) {
        self.event_loop.turn(Some(Duration::ZERO));
    }

    fn pass(&mut self, ns: u64) {
        let now_ns = Clock::Virtual(self.clock.clone()).now_ns();
        self.clock.advance_to(now_ns + ns);
        self.turn();
    }

    fn token(&self) -> Option<Token> {
        lock(&self.script.0).watched.last().copied()
    }

    fn happen(&self, event: Event) {
        lock(&self.script.0).events.push(event);
    }

    /// Errnos of the ACCEPT_FAILED events so far.
    fn failures(&self) -> Vec<u32> {
        let failed = |event: &MonitorEvent| event.kind == crate::monitor::EventKind::AcceptFailed;
        self.monitor.try_iter().filter(failed).map(|event| event.value).collect()
    }
}

#[test]
fn a_listener_that_cannot_be_watched_is_told_of_and_tried_again() {
    let mut bench = Bench::listening(2, Errno::WOULDBLOCK);
    assert_eq!(bench.token(), None);
    bench.turn();
    bench.pass(PAUSE_NS - 1);
    assert_eq!((bench.failures().len(), bench.token()), (1, None));
    bench.pass(1);
    bench.pass(PAUSE_NS);
    assert!(bench.token().is_some(), "the third attempt");
    assert_eq!(bench.failures().len(), 1);
}

#[test]
fn a_listener_that_the_driver_gives_up_is_watched_again() {
    let mut bench = Bench::listening(0, Errno::WOULDBLOCK);
    let token = bench.token().expect("watched");
    bench.happen(Event::Failed(token, Errno::NOMEM.into()));
    bench.turn();
    assert_eq!((bench.failures(), bench.token()), (vec![Errno::NOMEM.raw_os_error() as u32], None));
    bench.pass(PAUSE_NS);
    assert!(bench.token().is_some_and(|again| again != token));
}

#[test]
fn an_accept_that_always_fails_is_tried_ten_times_a_second() {
    let mut bench = Bench::listening(0, Errno::PROTO);
    let token = bench.token().expect("watched");
    for _ in 0..3 {
        bench.happen(Event::Acceptable(token));
        bench.turn();
        assert_eq!(bench.failures(), [Errno::PROTO.raw_os_error() as u32]);
        assert_eq!(lock(&bench.script.0).paused.pop(), Some((token, true)));
        bench.pass(PAUSE_NS);
        assert_eq!(lock(&bench.script.0).paused.pop(), Some((token, false)));
    }
}

#[test]
fn a_peer_that_left_before_it_was_accepted_holds_nobody_up() {
    let mut bench = Bench::listening(0, Errno::CONNABORTED);
    bench.happen(Event::Acceptable(bench.token().expect("watched")));
    bench.turn();
    assert!(lock(&bench.script.0).paused.is_empty());
    assert!(!bench.failures().is_empty());
}

#[test]
fn a_flood_of_connections_is_accepted_in_batches() {
    let mut bench = Bench::listening(0, Errno::CONNABORTED);
    let token = bench.token().expect("watched");
    for turn in 1..=3 {
        bench.happen(Event::Acceptable(token));
        bench.turn();
        assert_eq!(bench.listener.calls.load(Ordering::Relaxed), turn * 64);
    }
}

#[test]
fn a_driver_that_cannot_wait_keeps_no_cpu_busy() {
    let script = ScriptedDriver::default();
    lock(&script.0).wait_fails = true;
    let mut event_loop = event_loop(&script, Clock::Real);
    let start = Instant::now();
    for _ in 0..5 {
        event_loop.turn(None);
    }
    assert!(start.elapsed() >= FAILED_WAIT_PAUSE * 5, "{:?}", start.elapsed());
}
