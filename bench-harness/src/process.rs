//! The parent's half of a measurement: starts the processes, passes their lines on, holds the
//! deadline, and leaves no process behind.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::peer::Probe;
use crate::role::{LINE_MARK, Question, Results, Role, Setting, Side, Task};
use crate::workload::RoleReport;

/// What both sides of a finished measurement saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The sender or requester.
    pub connector: RoleReport,
    /// The receiver or responder.
    pub binder: RoleReport,
}

/// This program, whatever happened to its file since it started.
pub const OURSELVES: &str = "/proc/self/exe";

/// Runs a task in fresh processes of `program`: two, or one that holds both sides.
pub fn measure(
    program: &Path,
    task: Task,
    setting: &Setting,
    deadline: Duration,
) -> Result<Outcome> {
    let command = |side| -> Result<Command> {
        let (setting, parent_pid) = (setting.clone(), std::process::id());
        let role = Role { side, task, setting, parent_pid };
        let mut command = Command::new(program);
        command.arg("role").arg(serde_json::to_string(&role)?);
        Ok(command)
    };
    if setting.one_process {
        return drive(command(None)?, None, deadline);
    }
    drive(command(Some(Side::Binder))?, Some(command(Some(Side::Connector))?), deadline)
}

/// Asks `program` what a library is and can do.
pub fn ask(program: &Path, question: &Question) -> Result<Probe> {
    let started = Command::new(program).arg("probe").arg(serde_json::to_string(question)?).output();
    let output = started.with_context(|| format!("starting {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = text.lines().find_map(|line| line.strip_prefix(LINE_MARK)?.split_once(' '));
    match answer {
        Some(("probe", probe)) => Ok(serde_json::from_str(probe)?),
        Some(("error", error)) => bail!("{error}"),
        _ => bail!("{} does not answer as a rival: {}", program.display(), output.status),
    }
}

/// A child and the thread that reads it. Dropping it kills the child by its own id and reaps it.
struct RoleProcess {
    side: Side,
    child: Child,
    input: ChildStdin,
}

enum Event {
    Line(String),
    Closed,
}

impl RoleProcess {
    fn start(mut command: Command, side: Side, events: Sender<(Side, Event)>) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("starting the {side:?} process"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            bail!("the {side:?} process has no pipes");
        };
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(line) = line.strip_prefix(LINE_MARK)
                    && events.send((side, Event::Line(line.to_owned()))).is_err()
                {
                    return;
                }
            }
            // Nobody listens any more if the measurement already failed.
            let _ = events.send((side, Event::Closed));
        });
        Ok(Self { side, child, input })
    }

    fn pass_on(&mut self, line: &str) -> Result<()> {
        let written = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
        written.with_context(|| format!("the {:?} process does not read its input", self.side))
    }
}

impl Drop for RoleProcess {
    fn drop(&mut self) {
        // Both fail only for a child that is already reaped, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binder's process, and the connector's once there is an endpoint to connect to. Without
/// a connector command the first process holds both sides.
fn drive(binder: Command, connector: Option<Command>, deadline: Duration) -> Result<Outcome> {
    let (sender, events) = mpsc::channel();
    let sides = 1 + usize::from(connector.is_some());
    let mut run = Run {
        binder: RoleProcess::start(binder, Side::Binder, sender.clone())?,
        connector: None,
        waiting_connector: connector,
        sender,
        results: Results::default(),
        ends_at: Instant::now() + deadline,
        deadline,
    };
    for _ in 0..sides {
        run.until_one_closes(&events)?;
    }
    let missing = || anyhow!("a process ended well but without its result");
    Ok(Outcome {
        connector: run.results.connector.ok_or_else(missing)?,
        binder: run.results.binder.ok_or_else(missing)?,
    })
}

struct Run {
    binder: RoleProcess,
    connector: Option<RoleProcess>,
    waiting_connector: Option<Command>,
    sender: Sender<(Side, Event)>,
    results: Results,
    ends_at: Instant,
    deadline: Duration,
}

impl Run {
    fn until_one_closes(&mut self, events: &Receiver<(Side, Event)>) -> Result<()> {
        loop {
            let left = self.ends_at.saturating_duration_since(Instant::now());
            match events.recv_timeout(left) {
                Ok((side, Event::Line(line))) => self.line(side, &line)?,
                Ok((side, Event::Closed)) => return self.closed(side),
                Err(RecvTimeoutError::Timeout) => bail!(self.overdue()),
                Err(RecvTimeoutError::Disconnected) => bail!("both processes went silent"),
            }
        }
    }

    fn line(&mut self, side: Side, line: &str) -> Result<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "endpoint" => {
                let command = self.waiting_connector.take().context("a second endpoint came")?;
                let mut process =
                    RoleProcess::start(command, Side::Connector, self.sender.clone())?;
                // If it has ended already, its exit says more than our failure to reach it.
                let _ = process.pass_on(line);
                self.connector = Some(process);
                Ok(())
            }
            "linked" | "ready" | "done" => {
                let other = match side {
                    Side::Binder => self.connector.as_mut().context("no connector yet")?,
                    Side::Connector => &mut self.binder,
                };
                // Who has ended needs no more words; what it left unsaid shows by itself.
                let _ = other.pass_on(line);
                Ok(())
            }
            "result" => {
                let results: Results =
                    serde_json::from_str(rest).with_context(|| format!("result of {side:?}"))?;
                self.results.connector = results.connector.or(self.results.connector.take());
                self.results.binder = results.binder.or(self.results.binder.take());
                Ok(())
            }
            "error" => bail!("{side:?}: {rest}"),
            _ => bail!("{side:?} said {line:?}, which means nothing"),
        }
    }

    /// A process closed its output: it must have given its result and must exit cleanly.
    fn closed(&mut self, side: Side) -> Result<()> {
        let (process, has_result) = match side {
            Side::Binder => (Some(&mut self.binder), self.results.binder.is_some()),
            Side::Connector => (self.connector.as_mut(), self.results.connector.is_some()),
        };
        let process = process.context("a process that was never started ended")?;
        let pid = process.child.id();
        loop {
            if let Some(status) = process.child.try_wait()? {
                if has_result && status.success() {
                    return Ok(());
                }
                let when = if has_result { "after" } else { "before" };
                bail!("the {side:?} process {pid} died {when} giving its result ({status})");
            }
            if Instant::now() >= self.ends_at {
                bail!(self.overdue());
            }
            thread::yield_now();
        }
    }

    fn overdue(&self) -> String {
        let mut late = Vec::new();
        if self.results.binder.is_none() {
            late.push(format!("Binder (process {})", self.binder.child.id()));
        }
        match &self.connector {
            Some(process) if self.results.connector.is_none() => {
                late.push(format!("Connector (process {})", process.child.id()));
            }
            _ => {}
        }
        if late.is_empty() {
            late.push("the end of a process that gave its result".into());
        }
        let (late, ms) = (late.join(" and "), self.deadline.as_millis());
        format!(
            "deadline: nothing from {late} within {ms} ms, stopped; \
             if the machine is only slow, raise --deadline-ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    fn failure(binder: &str, connector: Option<&str>, deadline: Duration) -> String {
        drive(shell(binder), connector.map(shell), deadline).unwrap_err().to_string()
    }

    #[test]
    fn a_process_that_dies_is_named_with_its_status() {
        let error = failure("exit 3", None, LONG);
        assert!(error.contains("Binder") && error.contains("exit status: 3"), "{error}");
        let error = failure("kill -9 $$", None, LONG);
        assert!(error.contains("signal: 9"), "{error}");
        let error = failure("echo 'bench: endpoint x'; read line", Some("exit 4"), LONG);
        assert!(error.contains("Connector") && error.contains("exit status: 4"), "{error}");
    }

    #[test]
    fn a_process_that_hangs_meets_the_deadline_and_is_reaped() {
        let error = failure("echo $$ >&2; read line", None, Duration::from_millis(20));
        assert!(error.contains("within 20 ms") && error.contains("--deadline-ms"), "{error}");
        let pid = error.split("process ").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid} still exists");
    }

    #[test]
    fn what_is_no_rival_is_refused_by_its_path() {
        let question = Question { peer: "other".parse().unwrap(), options: Default::default() };
        for (program, expected) in [("/bin/true", "does not answer"), ("/nonexistent", "starting")]
        {
            let error = format!("{:#}", ask(Path::new(program), &question).unwrap_err());
            assert!(error.contains(program) && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_error_line_is_the_error() {
        let error = failure("echo 'bench: error no such thing'; read line", None, LONG);
        assert_eq!(error, "Binder: no such thing");
    }

    #[test]
    fn lines_are_passed_on_and_results_joined() {
        let report = serde_json::to_string(&RoleReport::default()).unwrap();
        let binder = format!(
            "echo noise; echo 'bench: endpoint here'; echo 'bench: linked'; \
             echo 'bench: result {{\"connector\":null,\"binder\":{report}}}'"
        );
        let connector = format!(
            "read a; read b; test \"$a,$b\" = 'endpoint here,linked' || exit 5; \
             echo 'bench: result {{\"connector\":{report},\"binder\":null}}'"
        );
        let outcome = drive(shell(&binder), Some(shell(&connector)), LONG).unwrap();
        assert_eq!(outcome.connector, RoleReport::default());
    }
}
