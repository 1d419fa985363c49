//! Tests with a process of their own, what is counted in it, and what the conformance suite has for its cases.

#[macro_use]
#[allow(dead_code, reason = "written for another suite, which uses all of it")]
#[path = "../conformance/support.rs"]
mod shared;

use std::process::Command;
use std::time::{Duration, Instant};

use zeroring::kind::FixedKind;

pub use shared::*;

/// Set in the process that is a test's own.
const ALONE: &str = "ZERORING_TEST_ALONE";
/// Longest time for a whole case, many times what it takes.
const CASE_LIMIT: Duration = Duration::from_secs(60);

/// What must be the same before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub descriptors: usize,
    pub threads: usize,
    pub slabs: i64,
}

impl Counts {
    /// Those of this process, now.
    pub fn now() -> Self {
        let entries = |path| std::fs::read_dir(path).expect("proc").count();
        let (descriptors, threads) = (entries("/proc/self/fd"), entries("/proc/self/task"));
        Self { descriptors, threads, slabs: slabs() }
    }

    /// Everything is back where it was. The kernel takes a thread off its list a moment after it could be joined.
    #[track_caller]
    pub fn assert_back(self, when: impl std::fmt::Debug) {
        let deadline = Instant::now() + DEADLINE;
        while Self::now().threads != self.threads && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(Self::now(), self, "{when:?}");
    }
}

/// Slabs that a driver may have filled on an I/O thread before it learns that nobody wants more: all of io_uring's buffers
/// of 16 KiB; epoll reads nothing by itself.
pub fn slabs_read_ahead(env: &Env) -> i64 {
    if env.driver == DriverChoice::Epoll { 0 } else { 128 }
}

/// Slabs in use in this process.
pub fn slabs() -> i64 {
    Context::new().stats().slabs
}

/// Runs a case in a process of its own, and there on a thread of its own: one that hangs fails.
pub fn run(via: Via, driver: DriverChoice, case: fn(&Env)) {
    if driver == DriverChoice::Uring
        && let Err(why) = zeroring_transports::available()
    {
        println!("skipped: io_uring is not available here: {why}");
        return;
    }
    if std::env::var_os(ALONE).is_none() {
        return run_alone();
    }
    run_watched(CASE_LIMIT, move || {
        let before = Counts::now();
        let env = Env::new(via, driver);
        case(&env);
        env.check_end();
        let stats = env.context.stats();
        assert_eq!((stats.sockets, stats.links), (0, 0));
        drop(env);
        before.assert_back("after everything has ended");
    });
}

/// Starts this program for the present test only.
fn run_alone() {
    let thread = std::thread::current();
    let test = thread.name().expect("a test's thread has its name");
    let child = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .expect("it runs");
    let (out, err) =
        (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && out.contains("1 passed"), "{out}{err}");
    out.lines().filter(|line| line.starts_with("skipped")).for_each(|line| println!("{line}"));
}

/// A context of its own on the same driver, to be ended within the case.
pub fn own_context(env: &Env) -> Context {
    let driver = if env.is_inproc() { DriverChoice::Auto } else { env.driver };
    Context::builder().driver(driver).build()
}

/// A socket of a context that is not the case's.
pub fn socket_of<K: FixedKind>(context: &Context) -> Socket<K> {
    let socket = context.socket().expect("a socket");
    socket.set_linger(Some(Duration::ZERO));
    socket.set_reconnect_interval(Some(Duration::from_millis(5)));
    socket
}
