//! What cases are written with: contexts, endpoints, and waiting with a deadline.

use std::cell::Cell;
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use zeroring::kind::{CanReceive, FixedKind, Kind};
pub use zeroring::{Context, DriverChoice, Pull, Push, Socket};
use zeroring::{Event, EventKind, Message, Monitor, Multipart};

/// Longest wait for something that must happen.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Wait for something that must not happen. Too short a wait can only hide a failure, never cause one.
pub const QUIET: Duration = Duration::from_millis(60);
/// Longest time for a whole case.
const CASE_LIMIT: Duration = Duration::from_secs(60);

/// A transport under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Tcp,
    Ipc,
    Inproc,
}

/// Declares which cases run where; see the top of the suite.
macro_rules! cases {
    ($($list:ident { $($case:ident),* $(,)? })*) => { $($(cases!(@$list $case);)*)* };
    (@all $case:ident) => {
        cases!(@tests $case tcp_uring(Tcp, Uring) tcp_epoll(Tcp, Epoll) ipc_uring(Ipc, Uring)
            ipc_epoll(Ipc, Epoll) inproc(Inproc, Auto));
    };
    (@net $case:ident) => {
        cases!(@tests $case tcp_uring(Tcp, Uring) tcp_epoll(Tcp, Epoll) ipc_uring(Ipc, Uring)
            ipc_epoll(Ipc, Epoll));
    };
    (@tcp $case:ident) => { cases!(@tests $case tcp_uring(Tcp, Uring) tcp_epoll(Tcp, Epoll)); };
    (@ipc $case:ident) => { cases!(@tests $case ipc_uring(Ipc, Uring) ipc_epoll(Ipc, Epoll)); };
    (@inproc $case:ident) => { cases!(@tests $case inproc(Inproc, Auto)); };
    (@tests $case:ident $($name:ident($via:ident, $driver:ident))*) => {
        mod $case {
            $(
                #[test]
                fn $name() {
                    use $crate::support::{DriverChoice, Via, run};
                    run(Via::$via, DriverChoice::$driver, super::$case);
                }
            )*
        }
    };
}

/// Runs a case on a thread of its own, so that one that hangs fails instead of stopping the suite.
pub fn run(via: Via, driver: DriverChoice, case: fn(&Env)) {
    if driver == DriverChoice::Uring
        && let Err(why) = zeroring_transports::available()
    {
        println!("skipped: io_uring is not available here: {why}");
        return;
    }
    run_watched(CASE_LIMIT, move || {
        let env = Env::new(via, driver);
        case(&env);
        env.check_end();
    });
}

/// Runs a case on a thread of its own, and its panic on this one.
///
/// # Panics
/// Also if the case does not end within `limit`.
pub fn run_watched(limit: Duration, case: impl FnOnce() + Send + 'static) {
    let (done, end) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        case();
        let _ = done.send(());
    });
    match end.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the case hangs"),
        _ => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Where a case runs.
pub struct Env {
    pub context: Context,
    pub via: Via,
    pub driver: DriverChoice,
    dir: tempfile::TempDir,
    next: Cell<u32>,
}

impl Env {
    pub fn new(via: Via, driver: DriverChoice) -> Self {
        Self {
            context: Context::builder().driver(driver).build(),
            via,
            driver,
            dir: tempfile::tempdir().expect("a temporary directory"),
            next: Cell::new(0),
        }
    }

    /// After a case: everything it opened must be gone.
    pub fn check_end(&self) {
        let ended = self.context.term_timeout(DEADLINE);
        assert!(ended, "the context does not end: {:?}", self.context.stats());
    }

    /// A socket that does not linger and reconnects quickly.
    pub fn socket<K: FixedKind>(&self) -> Socket<K> {
        let socket = self.context.socket::<K>().expect("a socket");
        socket.set_linger(Some(Duration::ZERO));
        socket.set_reconnect_interval(Some(Duration::from_millis(5)));
        socket
    }

    /// An endpoint to bind that nobody has used yet; tcp's ends in a wildcard.
    pub fn endpoint(&self) -> String {
        let number = self.next.replace(self.next.get() + 1);
        match self.via {
            Via::Tcp => "tcp://127.0.0.1:*".to_owned(),
            Via::Ipc => format!("ipc://{}/{number}", self.dir.path().display()),
            Via::Inproc => format!("inproc://{number}"),
        }
    }

    /// An endpoint without wildcard that nobody listens at.
    pub fn free_endpoint(&self) -> String {
        match self.via {
            Via::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
                format!("tcp://{}", listener.local_addr().expect("its address"))
            }
            _ => self.endpoint(),
        }
    }

    pub fn is_inproc(&self) -> bool {
        self.via == Via::Inproc
    }

    /// A directory of this case.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// A bound socket and its endpoint.
    pub fn bound<K: FixedKind>(&self) -> (Socket<K>, String) {
        let socket = self.socket::<K>();
        let endpoint = socket.bind(&self.endpoint()).expect("a fresh endpoint");
        (socket, endpoint)
    }

    /// As [`bound`](Self::bound), with settings that must be made first.
    pub fn bound_with<K: FixedKind>(&self, set: impl FnOnce(&Socket<K>)) -> (Socket<K>, String) {
        let socket = self.socket::<K>();
        set(&socket);
        let endpoint = socket.bind(&self.endpoint()).expect("a fresh endpoint");
        (socket, endpoint)
    }

    /// Two sockets with a connection between them that both know of.
    pub fn connected<B: FixedKind, C: FixedKind>(&self) -> (Socket<B>, Socket<C>) {
        let (bound, endpoint) = self.bound::<B>();
        let connecting = self.socket::<C>();
        self.join(&bound, &connecting, &endpoint);
        (bound, connecting)
    }

    /// Connects `connecting` to `endpoint`, where `bound` listens; both know of each other afterwards. Takes over their
    /// monitors.
    pub fn join<B: Kind, C: Kind>(
        &self,
        bound: &Socket<B>,
        connecting: &Socket<C>,
        endpoint: &str,
    ) {
        let (mut there, mut here) = (bound.monitor(), connecting.monitor());
        connecting.connect(endpoint).expect("a valid endpoint");
        if !self.is_inproc() {
            await_event(&mut there, EventKind::HandshakeSucceeded);
            await_event(&mut here, EventKind::HandshakeSucceeded);
        }
        bound.stop_monitor();
        connecting.stop_monitor();
    }
}

/// The next event of this kind; others before it are skipped.
pub fn await_event(events: &mut Monitor, kind: EventKind) -> Event {
    let deadline = Instant::now() + DEADLINE;
    let mut seen = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.next_timeout(left) {
            Some(event) if event.kind() == kind => return event,
            Some(event) => seen.push(event.kind()),
            None => panic!("no {kind:?} came, only {seen:?}"),
        }
    }
}

/// The kinds of events up to and including `last`.
pub fn kinds_until(events: &mut Monitor, last: EventKind) -> Vec<EventKind> {
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        match events.next_timeout(DEADLINE) {
            Some(event) => seen.push(event.kind()),
            None => panic!("no {last:?} came, only {seen:?}"),
        }
    }
    seen
}

/// The next part.
#[track_caller]
pub fn recv<K: CanReceive>(socket: &Socket<K>) -> Message {
    socket.recv_timeout(DEADLINE).expect("a message")
}

/// The next message.
#[track_caller]
pub fn recv_all<K: CanReceive>(socket: &Socket<K>) -> Multipart {
    socket.recv_multipart_timeout(DEADLINE).expect("a message")
}

/// Nothing is there, and nothing comes.
#[track_caller]
pub fn assert_quiet<K: CanReceive>(socket: &Socket<K>) {
    if let Ok(message) = socket.recv_multipart_timeout(QUIET) {
        panic!("{message:?} came, but nothing should");
    }
}

/// Nothing is there now.
#[track_caller]
pub fn assert_empty<K: CanReceive>(socket: &Socket<K>) {
    if let Ok(message) = socket.try_recv_multipart() {
        panic!("{message:?} was there, but nothing should be");
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::yield_now();
    }
}

/// A message as text.
pub fn text(message: &Message) -> String {
    message.as_str().expect("text").to_owned()
}

/// Everything that is there now, as text.
pub fn drain<K: CanReceive>(socket: &Socket<K>) -> Vec<String> {
    std::iter::from_fn(|| socket.try_recv().ok()).map(|message| text(&message)).collect()
}

/// The socket still works for others.
#[track_caller]
pub fn assert_serves_others(env: &Env, pull: &Socket<Pull>, endpoint: &str) {
    let push = env.socket::<Push>();
    push.connect(endpoint).expect("valid");
    push.send("well-behaved").expect("a queue");
    assert_eq!(recv(pull), "well-behaved");
}
