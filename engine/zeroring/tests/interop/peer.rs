//! The peer process: started, listened to line by line, and gone at the end of its test whatever happens.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use zeroring::AnySocket;

use crate::support::{DEADLINE, Env};

/// Which libzmq the peer runs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libzmq {
    /// The one that comes with pyzmq.
    Bundled,
    /// The system's.
    System,
}

/// A running `peer.py`.
pub struct Peer {
    child: Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    seen: Vec<String>,
    label: String,
    /// Where it is bound or connected.
    pub endpoint: String,
}

impl Peer {
    /// Starts a peer and waits until it is ready. `role` is the role with its options.
    pub fn start(libzmq: Libzmq, role: &str, attach: &str, endpoint: &str) -> Self {
        Self::start_with(libzmq, role, attach, endpoint, &[])
    }

    pub fn start_with(
        libzmq: Libzmq,
        role: &str,
        attach: &str,
        endpoint: &str,
        options: &[String],
    ) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = std::env::var_os("ZERORING_PYTHON")
            .map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
        let mut command = Command::new(&python);
        command.arg("-B").arg(root.join("tests/interop/peer.py"));
        let mut words = role.split_whitespace();
        command.args(words.next()).args([attach, endpoint]).args(words);
        // A later option counts, so `options` may have another deadline.
        command.arg(format!("--deadline-ms={}", DEADLINE.as_millis())).args(options);
        // The peer makes sure that this is what it runs with, and fails otherwise.
        command.arg(match libzmq {
            Libzmq::Bundled => "--libzmq=bundled",
            Libzmq::System => "--libzmq=system",
        });
        if libzmq == Libzmq::System {
            command.env("LD_PRELOAD", "libzmq.so.5"); // its functions then come before the bundled ones
        }
        Self::spawn(command, format!("peer {role} {attach} {endpoint}"))
    }

    /// Starts a peer and attaches `socket` to it: one side binds, the other connects.
    pub fn meet(
        env: &Env,
        libzmq: Libzmq,
        role: &str,
        socket: &AnySocket,
        options: &[String],
        we_bind: bool,
    ) -> Self {
        let endpoint = env.endpoint("meeting");
        if we_bind {
            let bound = socket.bind(&endpoint).expect("a fresh endpoint");
            Self::start_with(libzmq, role, "connect", &bound, options)
        } else {
            let peer = Self::start_with(libzmq, role, "bind", &endpoint, options);
            socket.connect(&peer.endpoint).expect("valid");
            peer
        }
    }

    /// Starts this very test program again as `child`, an ignored test that takes its orders from the environment:
    /// a process of ours that may be killed.
    pub fn ourselves(child: &str, orders: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a test program"));
        command.args(["--exact", child, "--ignored", "--nocapture"]).envs(orders.iter().copied());
        Self::spawn(command, format!("our child {orders:?}"))
    }

    fn spawn(mut command: Command, label: String) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}; scripts/setup installs what the tests need")
        });
        let (stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
            lines.map_while(Result::ok).for_each(|line| drop(send.send(line)));
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            if let Some(stderr) = &mut stderr {
                let _ = stderr.read_to_string(&mut text);
            }
            text
        });
        let errors = Some(errors);
        let mut peer =
            Self { child, lines, errors, seen: Vec::new(), label, endpoint: String::new() };
        let ready = peer.await_line("READY ");
        peer.endpoint = ready.trim_start_matches("READY ").to_owned();
        peer
    }

    /// The next line it prints; `None` at its end.
    pub fn line(&mut self) -> Option<String> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        match self.lines.recv_timeout(DEADLINE * 2) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(Disconnected) => None,
            Err(Timeout) => self.fail("says nothing"),
        }
    }

    /// Waits for a line that starts so.
    pub fn await_line(&mut self, start: &str) -> String {
        loop {
            match self.line() {
                Some(line) if line.starts_with(start) => return line,
                Some(_) => {}
                None => self.fail(&format!("ended before it said {start:?}")),
            }
        }
    }

    /// Waits for its end, which must be a good one. Returns what it printed.
    pub fn finish(mut self) -> Vec<String> {
        while self.line().is_some() {}
        if !self.child.wait().expect("our child").success() {
            self.fail("failed");
        }
        std::mem::take(&mut self.seen)
    }

    /// Waits until it said that all is done, though it stays.
    pub fn await_done(&mut self) {
        self.await_line("OK");
    }

    /// Waits for its end, which its deadline brings. Returns what it printed.
    pub fn await_deadline(mut self) -> Vec<String> {
        while self.line().is_some() {}
        self.child.wait().expect("our child");
        let errors = self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        assert!(errors.contains("deadline passed"), "{}: {errors}", self.label);
        std::mem::take(&mut self.seen)
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("our child");
    }

    /// Kills it at once, and waits until it is gone.
    pub fn kill(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }

    fn fail(&mut self, what: &str) -> ! {
        self.stop();
        let errors = self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        panic!("{} {what}; it printed {:?}, errors: {errors}", self.label, self.seen)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines: Vec<_> = self.lines.try_iter().collect();
            println!("{} had printed {:?} {lines:?}", self.label, self.seen);
        }
        self.stop();
    }
}

/// Calls `step` until it returns something.
#[track_caller]
pub fn until<R>(what: &str, mut step: impl FnMut() -> Option<R>) -> R {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(result) = step() {
            return result;
        }
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::yield_now();
    }
}
