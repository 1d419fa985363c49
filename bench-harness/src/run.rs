//! The order of a run: the floor first, then each cell with its repeats, the libraries taking
//! turns so that a slow minute of the machine hits all of them.

use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;

use crate::cli::Plan;
use crate::clock::MILLISECOND_NS;
use crate::floor::{self, Floor, Line, Probe};
use crate::machine::Manifest;
use crate::peer::{self, PeerName, Transport};
use crate::process::{Outcome, measure};
use crate::report::{Report, hgrm, json, terminal};
use crate::results::Cell;
use crate::role::{Setting, Task};
use crate::workload::Workload;

/// `sockaddr_un` has room for this and a zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;
const FLOOR_WARM_UP_NS: u64 = 20 * MILLISECOND_NS;

/// Does what the plan says, prints it, saves it. Returns whether nothing failed.
pub fn run(plan: &Plan) -> Result<bool> {
    if let Some(out) = &plan.out {
        prepare(out)?;
    }
    let libraries = probe_libraries(plan)?;
    let described = libraries.iter().map(|(_, status)| match status {
        Ok(version) => version.clone(),
        Err(why) => why.clone(),
    });
    let manifest = Manifest::collect(plan, described.collect());
    println!("{}", terminal::header(&manifest));
    let mut warnings = manifest.warnings(plan);
    warnings.extend(libraries.iter().filter_map(|(_, status)| status.as_ref().err().cloned()));
    for warning in &warnings {
        println!("warning: {warning}");
    }

    let runner = Runner::new(plan)?;
    let probes = floor::probes(&plan.floor_sizes_bytes);
    let mut cells = plan_cells(plan, &libraries);
    let steps = probes.len() + cells.len() * plan.repeats as usize;
    let progress = progress_bar(steps as u64);
    let floor = runner.floor(&probes, &progress);
    progress.suspend(|| println!("{}", terminal::floor(&floor)));
    runner.cells(&mut cells, &progress);
    progress.finish_and_clear();

    let floor_errors = floor.0.iter().filter_map(|line| line.outcome.as_ref().err());
    let mut failures: Vec<_> =
        floor_errors.filter(|error| *error != SHARED_CORE).map(|error| error.to_string()).collect();
    failures.extend(cells.iter().flat_map(Cell::failures));
    warnings.extend(cells.iter().filter_map(Cell::missed_target));
    let report = Report { manifest, warnings, failures, floor, libraries, cells };
    print!("{}", terminal::results(&report));
    println!("\n{}", terminal::remarks(&report));
    if let Some(out) = &plan.out {
        save(out, &report)?;
        println!("saved in {}", out.display());
    }
    Ok(report.failures.is_empty())
}

/// A library that the user pointed to must open; one that merely is not installed is reported.
fn probe_libraries(plan: &Plan) -> Result<Vec<(PeerName, Result<String, String>)>> {
    let mut libraries = Vec::new();
    for &name in &plan.peers {
        let status = peer::probe(name, &plan.peer_options);
        if plan.peer_options.libzmq.is_some()
            && name == PeerName::Libzmq
            && let Err(error) = status
        {
            return Err(error);
        }
        libraries.push((name, status.map_err(|error| format!("{error:#}"))));
    }
    let none = !libraries.is_empty() && libraries.iter().all(|(_, status)| status.is_err());
    if none && !plan.peers.contains(&PeerName::BASELINE) {
        bail!("none of the libraries asked for can be opened: {libraries:?}");
    }
    Ok(libraries)
}

/// The cells that can be measured, libraries adjacent.
fn plan_cells(plan: &Plan, libraries: &[(PeerName, Result<String, String>)]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &workload in &plan.workloads {
        for &transport in &plan.transports {
            let here = libraries.iter().filter(|(_, status)| status.is_ok());
            for &(peer, _) in here.filter(|(peer, _)| peer.supports(transport)) {
                let (outcomes, errors) = (Vec::new(), Vec::new());
                cells.push(Cell { workload, transport, peer, outcomes, errors });
            }
        }
    }
    cells
}

const SHARED_CORE: &str = "needs two cores";

struct Runner<'a> {
    plan: &'a Plan,
    sockets: TempDir,
}

impl<'a> Runner<'a> {
    fn new(plan: &'a Plan) -> Result<Self> {
        let sockets = TempDir::with_prefix("bench-harness-").context("a directory for sockets")?;
        Ok(Self { plan, sockets })
    }

    fn floor(&self, probes: &[Probe], progress: &ProgressBar) -> Floor {
        let lines = probes.iter().map(|&probe| {
            progress.set_message(probe.label());
            let outcome = if probe.needs_two_cores() && self.plan.cpu_tx == self.plan.cpu_rx {
                Err(SHARED_CORE.to_owned())
            } else {
                self.floor_line(probe)
                    .map_err(|error| format!("floor, {}: {error:#}", probe.label()))
            };
            progress.inc(1);
            Line { probe, outcome }
        });
        Floor(lines.collect())
    }

    fn floor_line(&self, probe: Probe) -> Result<Outcome> {
        let duration_ns = self.plan.floor_duration_ns;
        let setting = self.setting(probe.transport(), FLOOR_WARM_UP_NS, duration_ns)?;
        let deadline = self.plan.deadline(FLOOR_WARM_UP_NS + duration_ns);
        measure(Task::Floor(probe), &setting, probe.in_process(), deadline)
    }

    /// All repeats of all cells. Within a workload and transport the libraries take turns, and the
    /// one that began the last round ends the next.
    fn cells(&self, cells: &mut [Cell], progress: &ProgressBar) {
        let together = |one: &Cell, other: &Cell| {
            one.workload == other.workload && one.transport == other.transport
        };
        for group in cells.chunk_by_mut(together) {
            for repeat in 0..self.plan.repeats as usize {
                for turn in 0..group.len() {
                    let index = (repeat + turn) % group.len();
                    let cell = &mut group[index];
                    progress.set_message(cell.label());
                    match self.cell(cell) {
                        Ok(outcome) => cell.outcomes.push(outcome),
                        Err(error) => cell.errors.push(format!("repeat {}: {error:#}", repeat + 1)),
                    }
                    progress.inc(1);
                }
            }
        }
    }

    fn cell(&self, cell: &Cell) -> Result<Outcome> {
        let duration_ns = match cell.workload {
            Workload::Throughput { .. } => self.plan.throughput_duration_ns,
            _ => self.plan.latency_duration_ns,
        };
        let setting = self.setting(cell.transport, self.plan.warm_up_ns, duration_ns)?;
        let deadline = self.plan.deadline(self.plan.warm_up_ns + duration_ns);
        let one_process = cell.transport == Transport::Inproc;
        measure(Task::Peer(cell.peer, cell.workload), &setting, one_process, deadline)
    }

    fn setting(&self, transport: Transport, warm_up_ns: u64, duration_ns: u64) -> Result<Setting> {
        let endpoint = match transport {
            Transport::Inproc => "inproc://bench".into(),
            Transport::Tcp => "tcp://127.0.0.1:*".into(),
            Transport::Ipc => format!("ipc://{}", self.free_socket_path()?),
        };
        Ok(Setting {
            endpoint,
            cpu_tx: self.plan.cpu_tx,
            cpu_rx: self.plan.cpu_rx,
            warm_up_ns,
            duration_ns,
            hwm_messages: self.plan.hwm_messages,
            pace: self.plan.pace,
            peer: self.plan.peer_options.clone(),
        })
    }

    /// One path serves all repeats: what the last one left there is removed.
    fn free_socket_path(&self) -> Result<String> {
        let path = self.sockets.path().join("socket");
        let name = path.to_str().context("the temporary directory's name is not UTF-8")?;
        ensure!(
            name.len() <= SOCKET_PATH_BYTES_MAX,
            "{name} has {} bytes, a Unix socket's path at most {SOCKET_PATH_BYTES_MAX}; \
             set TMPDIR to a shorter directory",
            name.len()
        );
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(name.to_owned()),
        }
    }
}

fn progress_bar(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}");
    // Drawn on standard error, and not at all when that is no terminal. It changes only between
    // measurements, so it takes no time from them.
    let bar = ProgressBar::new(steps);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn prepare(out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("--out {}: creating it", out.display()))?;
    let holds_results = out.join("results.json").exists();
    ensure!(!holds_results, "--out {}: results are there already; name another", out.display());
    Ok(())
}

fn save(out: &Path, report: &Report) -> Result<()> {
    json::save(out, report)?;
    report.cells.iter().try_for_each(|cell| hgrm::save(out, cell))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;

    #[test]
    fn libraries_that_cannot_be_measured_get_no_cells() {
        let arguments = ["bench-harness", "--quick", "--peers", "raw,libzmq"];
        let plan = Cli::parse_from(arguments).run.plan().unwrap();
        let missing = Err("not found".to_owned());
        let libraries = vec![(PeerName::Raw, Ok("raw".into())), (PeerName::Libzmq, missing)];
        let cells = plan_cells(&plan, &libraries);
        assert_eq!(cells.len(), 2 * plan.workloads.len(), "raw has no inproc");
        assert!(cells.iter().all(|cell| cell.peer == PeerName::Raw));
    }

    #[test]
    fn results_are_never_written_over() {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("results.json"), "{}").unwrap();
        let error = prepare(directory.path()).unwrap_err().to_string();
        assert!(error.contains("already") && error.contains("--out"), "{error}");
    }
}
