//! The measuring process: it is told by its argument what to do, talks to the parent in lines, and
//! ends with one line that holds its result.
//!
//! Lines on standard output start with a mark, so that whatever a library prints there does no
//! harm. The binder's `endpoint …`, `linked` and `done` are passed on to the connector as they
//! are: by the parent between two processes, by a channel between two threads.

use std::io::Write;
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::clock::Pace;
use crate::floor::{self, Probe};
use crate::peer::{Peer, PeerName, PeerOptions, PeerTask, dispatch};
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
    /// What the binder binds to; wildcards allowed.
    pub endpoint: String,
    /// Core of the connector's application thread.
    pub cpu_tx: usize,
    /// Core of the binder's application thread.
    pub cpu_rx: usize,
    /// Running before the first recorded message.
    pub warm_up_ns: u64,
    /// Running while recording.
    pub duration_ns: u64,
    /// High-water mark of each socket, in messages.
    pub hwm_messages: i32,
    /// How the open loop waits for its next send.
    pub pace: Pace,
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
    hear: Box<dyn FnMut() -> Result<String> + Send>,
}

impl Control {
    /// Lines over standard output and input, to and from the parent.
    fn over_stdio() -> Self {
        Self { say: Box::new(say_to_parent), hear: Box::new(hear_from_parent) }
    }

    /// Two ends for two threads.
    fn between_threads() -> (Self, Self) {
        let (to_connector, from_binder) = mpsc::channel();
        let binder = Self {
            say: Box::new(move |line| Ok(to_connector.send(line)?)),
            hear: Box::new(|| bail!("the binder has nothing to wait for")),
        };
        let connector = Self {
            say: Box::new(|_| bail!("the connector has nothing to announce")),
            hear: Box::new(move || from_binder.recv().context("the binder ended")),
        };
        (connector, binder)
    }

    /// Binder: says where it can be reached.
    pub fn announce(&mut self, endpoint: &str) -> Result<()> {
        (self.say)(format!("endpoint {endpoint}"))
    }

    /// Binder: says that the connection carries messages.
    pub fn linked(&mut self) -> Result<()> {
        (self.say)("linked".into())
    }

    /// Binder: says that the last message arrived.
    pub fn done(&mut self) -> Result<()> {
        (self.say)("done".into())
    }

    /// Connector: waits for [`Control::announce`].
    pub fn await_endpoint(&mut self) -> Result<String> {
        let line = (self.hear)()?;
        let endpoint = line.strip_prefix("endpoint ");
        Ok(endpoint.with_context(|| format!("expected an endpoint, got {line:?}"))?.to_owned())
    }

    /// Connector: waits for [`Control::linked`].
    pub fn await_linked(&mut self) -> Result<()> {
        self.await_word("linked")
    }

    /// Connector: waits for [`Control::done`].
    pub fn await_done(&mut self) -> Result<()> {
        self.await_word("done")
    }

    fn await_word(&mut self, expected: &str) -> Result<()> {
        let line = (self.hear)()?;
        ensure!(line == expected, "expected {expected:?} from the other side, got {line:?}");
        Ok(())
    }
}

fn hear_from_parent() -> Result<String> {
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line).context("reading from the parent")? {
        0 => bail!("the parent closed our input"),
        _ => Ok(line.trim_end().to_owned()),
    }
}

fn say_to_parent(line: String) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{LINE_MARK}{line}").and_then(|()| output.flush()).context("the parent's gone")
}

/// The whole life of a measuring process.
pub fn main(argument: &str) -> Result<()> {
    let role: Role = serde_json::from_str(argument).context("the role argument is not ours")?;
    set_parent_process_death_signal(Some(Signal::KILL)).context("asking to end with the parent")?;
    if getppid().map(Pid::as_raw_pid) != i32::try_from(role.parent_pid).ok() {
        bail!("the parent {} ended before we began", role.parent_pid);
    }
    match run(role) {
        Ok(results) => say_to_parent(format!("result {}", serde_json::to_string(&results)?)),
        Err(error) => {
            say_to_parent(format!("error {error:#}"))?;
            std::process::exit(1)
        }
    }
}

fn run(role: Role) -> Result<Results> {
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
        Task::Peer(name, workload) => dispatch(name, RunPeer { role, workload }),
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
        let peer = Arc::new(P::open(&setting.peer)?);
        let for_sides = Arc::clone(&peer);
        let results = run_sides(self.role.side, move |side, control: &mut Control| {
            workload::run(&for_sides, workload, side, &setting, control)
        })?;
        // Whatever the library does at its end belongs to the run: the parent's deadline covers it.
        drop(peer);
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
