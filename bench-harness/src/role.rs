//! The measuring process: it is told by its argument what to do, talks to the parent in lines, and
//! ends with one line that holds its result.
//!
//! Lines on standard output start with a mark, so that whatever a library prints there does no
//! harm. What one side says to the other (`endpoint …`, `linked`, `ready`, `done`) is passed on as
//! it is: by the parent between two processes, by channels between two threads.
//!
//! Programs that hold other libraries take part through [`program`].

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::affinity;
use crate::clock::Pace;
use crate::floor::{self, Probe};
use crate::peer::{self, Peer, PeerName, PeerOptions, PeerSet, PeerTask, Transport};
use crate::usage;
use crate::workload::{self, RoleReport, Workload};

/// What starts each line meant for the parent.
pub const LINE_MARK: &str = "bench: ";

/// The two sides of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Connects; sends or asks.
    Connector,
    /// Binds; receives or answers.
    Binder,
}

/// What is to be run: a library's workload, or a look at what the machine itself can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A workload with one library.
    Peer(PeerName, Workload),
    /// A figure of the machine's floor.
    Floor(Probe),
}

/// The circumstances, the same for both sides.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setting {
    /// Over what.
    pub transport: Transport,
    /// What the binder binds to; wildcards allowed.
    pub endpoint: String,
    /// Whether both sides are threads of one process.
    pub one_process: bool,
    /// Whether the application threads are pinned before the library is used, so that its threads
    /// inherit their core; after it otherwise.
    pub pin_first: bool,
    /// Core of the connector's application thread.
    pub cpu_tx: usize,
    /// Core of the binder's application thread.
    pub cpu_rx: usize,
    /// Running before the first recorded message.
    pub warm_up_ns: u64,
    /// Running while recording.
    pub duration_ns: u64,
    /// How the open loop waits for its next send.
    pub pace: Pace,
    /// Count system calls, which costs time: in a repeat of which nothing else is used.
    pub counts_system_calls: bool,
    /// How to open the library.
    pub peer: PeerOptions,
}

impl Setting {
    /// The core of one side.
    pub fn core(&self, side: Side) -> usize {
        match side {
            Side::Connector => self.cpu_tx,
            Side::Binder => self.cpu_rx,
        }
    }

    /// Whether this side reports what its process used: each process once.
    pub fn meters(&self, side: Side) -> bool {
        !self.one_process || side == Side::Connector
    }

    /// Another endpoint to bind to, beside [`Setting::endpoint`].
    pub fn second_endpoint(&self) -> String {
        match self.transport {
            Transport::Tcp => self.endpoint.clone(),
            Transport::Ipc | Transport::Inproc => format!("{}2", self.endpoint),
        }
    }
}

/// The argument of a measuring process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Role {
    /// One side, or none for both as two threads of this process.
    pub side: Option<Side>,
    /// What to run.
    pub task: Task,
    /// The circumstances.
    pub setting: Setting,
    /// Who started us; we end when it does.
    pub parent_pid: u32,
}

/// The results a process has: of one side, or of both.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// What the connector saw.
    pub connector: Option<RoleReport>,
    /// What the binder saw.
    pub binder: Option<RoleReport>,
}

impl Results {
    /// Files a report under its side.
    pub fn put(&mut self, side: Side, report: RoleReport) {
        match side {
            Side::Connector => self.connector = Some(report),
            Side::Binder => self.binder = Some(report),
        }
    }
}

/// The line to the other side. Not used while measuring.
pub struct Control {
    say: Box<dyn FnMut(String) -> Result<()> + Send>,
    heard: Receiver<String>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// Between endpoints on one line.
const ENDPOINT_SEPARATOR: char = '\t';

impl Control {
    /// Lines over standard output and input, to and from the parent.
    fn over_stdio() -> Self {
        let (sender, heard) = mpsc::channel();
        thread::spawn(move || {
            // Nobody hears any more once the measurement is over.
            let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
            let _ = lines.try_for_each(|line| sender.send(line));
        });
        Self { say: Box::new(say_to_parent), heard }
    }

    /// Two ends for two threads.
    fn between_threads() -> (Self, Self) {
        let (to_connector, connector_hears) = mpsc::channel();
        let (to_binder, binder_hears) = mpsc::channel();
        let end = |to: mpsc::Sender<String>, heard| Self {
            say: Box::new(move |line| Ok(to.send(line)?)),
            heard,
        };
        (end(to_binder, connector_hears), end(to_connector, binder_hears))
    }

    /// Binder: says where it can be reached.
    pub fn announce(&mut self, endpoints: &[&str]) -> Result<()> {
        let separator = ENDPOINT_SEPARATOR.to_string();
        (self.say)(format!("endpoint {}", endpoints.join(&separator)))
    }

    /// Binder: says that the connection carries messages.
    pub fn linked(&mut self) -> Result<()> {
        (self.say)("linked".into())
    }

    /// Connector: says that it hears the binder.
    pub fn ready(&mut self) -> Result<()> {
        (self.say)("ready".into())
    }

    /// Receiver: says that the last message arrived.
    pub fn done(&mut self) -> Result<()> {
        (self.say)("done".into())
    }

    /// Connector: waits for [`Control::announce`].
    pub fn await_endpoints(&mut self) -> Result<Vec<String>> {
        let line = self.hear()?;
        let endpoints = line.strip_prefix("endpoint ");
        let endpoints = endpoints.with_context(|| format!("expected an endpoint, got {line:?}"))?;
        Ok(endpoints.split(ENDPOINT_SEPARATOR).map(str::to_owned).collect())
    }

    /// Connector: waits for [`Control::linked`].
    pub fn await_linked(&mut self) -> Result<()> {
        self.await_word("linked")
    }

    /// Sender: waits for [`Control::done`].
    pub fn await_done(&mut self) -> Result<()> {
        self.await_word("done")
    }

    /// Binder: whether [`Control::ready`] came within this time.
    pub fn ready_within(&mut self, time: Duration) -> Result<bool> {
        match self.heard.recv_timeout(time) {
            Ok(line) if line == "ready" => Ok(true),
            Ok(line) => bail!("expected \"ready\" from the other side, got {line:?}"),
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => bail!("the other side ended"),
        }
    }

    fn hear(&mut self) -> Result<String> {
        self.heard.recv().context("the other side ended")
    }

    fn await_word(&mut self, expected: &str) -> Result<()> {
        let line = self.hear()?;
        ensure!(line == expected, "expected {expected:?} from the other side, got {line:?}");
        Ok(())
    }
}

fn say_to_parent(line: String) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{LINE_MARK}{line}").and_then(|()| output.flush()).context("the parent's gone")
}

/// The question what a library is and can do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Question {
    /// Which library.
    pub peer: PeerName,
    /// How to open it.
    pub options: PeerOptions,
}

/// The whole of a program that only plays roles, for the libraries it holds: `main` of a rival.
///
/// The harness starts it as `PROGRAM probe JSON` to learn what a library is, and as `PROGRAM role
/// JSON` to measure it.
pub fn program<S: PeerSet>() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["role", argument] => main::<S>(argument),
        ["probe", argument] => answer_question::<S>(argument),
        _ => Err(anyhow::anyhow!("started by bench-harness --rival NAME=PATH, not by hand")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Answers a [`Question`].
pub fn answer_question<S: PeerSet>(argument: &str) -> Result<()> {
    let Question { peer, options } =
        serde_json::from_str(argument).context("the question is not ours")?;
    match peer::probe::<S>(peer, &options) {
        Ok(probe) => say_to_parent(format!("probe {}", serde_json::to_string(&probe)?)),
        Err(error) => say_to_parent(format!("error {error:#}")),
    }
}

/// The whole life of a measuring process.
pub fn main<S: PeerSet>(argument: &str) -> Result<()> {
    let role: Role = serde_json::from_str(argument).context("the role argument is not ours")?;
    set_parent_process_death_signal(Some(Signal::KILL)).context("asking to end with the parent")?;
    if getppid().map(Pid::as_raw_pid) != i32::try_from(role.parent_pid).ok() {
        bail!("the parent {} ended before we began", role.parent_pid);
    }
    usage::allow_many_descriptors();
    if role.setting.counts_system_calls {
        usage::count_system_calls().map_err(anyhow::Error::msg)?;
    }
    match run::<S>(role) {
        Ok(results) => say_to_parent(format!("result {}", serde_json::to_string(&results)?)),
        Err(error) => {
            say_to_parent(format!("error {error:#}"))?;
            std::process::exit(1)
        }
    }
}

fn run<S: PeerSet>(role: Role) -> Result<Results> {
    match role.task {
        Task::Floor(probe) if probe.in_process() => {
            let report = floor::run_in_process(probe, &role.setting)?;
            Ok(Results { connector: Some(report), binder: Some(RoleReport::default()) })
        }
        Task::Floor(probe) => {
            let setting = role.setting;
            let run_side =
                move |side, control: &mut Control| floor::run_side(probe, side, &setting, control);
            run_sides(role.side, run_side)
        }
        Task::Peer(name, workload) => match S::dispatch(name, RunPeer { role, workload }) {
            Some(results) => results,
            None => bail!("{name}: no library of that name in this program"),
        },
    }
}

struct RunPeer {
    role: Role,
    workload: Workload,
}

impl PeerTask for RunPeer {
    type Output = Result<Results>;

    fn run<P: Peer>(self) -> Self::Output {
        let (setting, workload) = (self.role.setting, self.workload);
        if let Some(side) = self.role.side
            && setting.pin_first
        {
            affinity::pin(setting.core(side))?;
        }
        let peer = Arc::new(P::open(&setting.peer)?);
        let for_sides = Arc::clone(&peer);
        let results = run_sides(self.role.side, move |side, control: &mut Control| {
            workload::run(&for_sides, workload, side, &setting, control)
        })?;
        // Whatever the library does at its end belongs to the run: the parent's deadline covers it,
        // and what it did not manage is an error.
        let peer = Arc::into_inner(peer).context("a side still holds the library")?;
        peer.close().context("closing the library")?;
        Ok(results)
    }
}

/// Runs the one side asked for, or both as threads. The first error ends it: the process exits
/// with the other thread still blocked, which only the process can unblock.
fn run_sides<F>(side: Option<Side>, run_side: F) -> Result<Results>
where
    F: Fn(Side, &mut Control) -> Result<RoleReport> + Send + Sync + 'static,
{
    let mut results = Results::default();
    if let Some(side) = side {
        results.put(side, run_side(side, &mut Control::over_stdio())?);
        return Ok(results);
    }
    let (connector, binder) = Control::between_threads();
    let run_side = Arc::new(run_side);
    let (finished, reports) = mpsc::channel();
    for (side, mut control) in [(Side::Connector, connector), (Side::Binder, binder)] {
        let (run_side, finished) = (Arc::clone(&run_side), finished.clone());
        thread::spawn(move || {
            let report = run_side(side, &mut control);
            drop(run_side);
            // Fails only if the other side's error already ended the run.
            let _ = finished.send((side, report));
        });
    }
    drop(finished);
    for _ in 0..2 {
        let (side, report) = reports.recv().context("one of the two threads panicked")?;
        results.put(side, report.with_context(|| format!("{side:?}"))?);
    }
    Ok(results)
}
