//! Where a test runs: a context on one driver, endpoints of one transport.

use std::time::{Duration, Instant};

use zeroring::{Context, DriverChoice, Event, EventKind, Monitor};

/// Longest wait for something that must happen.
pub const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Tcp,
    Ipc,
}

/// Context and endpoints of one test.
pub struct Env {
    pub context: Context,
    pub via: Via,
    dir: tempfile::TempDir,
}

/// One test per transport and driver for each case.
macro_rules! everywhere {
    ($($case:ident),* $(,)?) => {
        $(mod $case {
            everywhere!(@each $case tcp_epoll(Tcp, Epoll) tcp_uring(Tcp, Uring) ipc_epoll(Ipc, Epoll)
                ipc_uring(Ipc, Uring));
        })*
    };
    (@each $case:ident $($name:ident($via:ident, $driver:ident))*) => {
        $(
            #[test]
            fn $name() {
                use $crate::support::{Via, run};
                run(Via::$via, zeroring::DriverChoice::$driver, super::$case);
            }
        )*
    };
}

/// Does the same with several things at the same time: most of it is waiting for processes.
pub fn at_once<T: Send>(things: impl IntoIterator<Item = T>, does: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for thing in things {
            let does = &does;
            scope.spawn(move || does(thing));
        }
    });
}

/// Runs a test; afterwards its context must end by itself.
pub fn run(via: Via, driver: DriverChoice, test: impl FnOnce(&Env)) {
    if driver == DriverChoice::Uring
        && let Err(why) = zeroring_transports::available()
    {
        println!("skipped: io_uring is not available here: {why}");
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let env = Env { context: Context::builder().driver(driver).build(), via, dir };
    test(&env);
    assert!(env.context.term_timeout(DEADLINE), "{:?}", env.context.stats());
}

impl Env {
    /// An endpoint to bind, by either side.
    pub fn endpoint(&self, name: &str) -> String {
        match self.via {
            Via::Tcp => "tcp://127.0.0.1:*".to_owned(),
            Via::Ipc => format!("ipc://{}/{name}", self.dir.path().display()),
        }
    }
}

/// The next event of this kind; others before it are skipped.
#[track_caller]
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
