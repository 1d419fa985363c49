//! The order of a run: the floor, then each cell with its repeats, the libraries taking turns so
//! that a slow minute of the machine hits all of them, and the floor again in between and after.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;

use crate::cli::Plan;
use crate::clock::MILLISECOND_NS;
use crate::document::{self, Document, Library};
use crate::floor::{self, Floor, Probe};
use crate::machine::{Manifest, Watch};
use crate::peer::{self, BuiltIn, PeerName, Transport};
use crate::process::{self, OURSELVES, Outcome, measure};
use crate::report::{self, terminal};
use crate::results::Cell;
use crate::role::{Question, Setting, Side, Task};
use crate::workload::Workload;

/// `sockaddr_un` has room for this and a zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;
const FLOOR_WARM_UP_NS: u64 = 20 * MILLISECOND_NS;
/// What a connection may take to be set up, beyond the deadline of the whole.
const CONNECT_NS: u64 = MILLISECOND_NS;
/// The repeat that counts system calls lasts this part of the others.
pub const COUNTED_PART: u64 = 4;
const SHARED_CORE: &str = "needs two cores";

/// Does what the plan says, prints it, saves it. Returns whether nothing failed.
pub fn run(plan: &Plan) -> Result<bool> {
    let watch = Watch::start();
    let mut document = begin(plan, &watch)?;
    let mut runner = Runner::new(plan)?;
    let probes = floor::probes(&plan.floor_sizes_bytes);
    document.cells = plan_cells(plan, &document.libraries);
    let floor_rounds = plan.floor_rounds as usize;
    let counts_calls = document.manifest.system_calls_uncounted.is_none();
    let repeats = plan.repeats as usize + usize::from(counts_calls);
    let steps = probes.len() * floor_rounds + document.cells.len() * repeats;
    let progress = progress_bar(steps as u64);

    runner.floor(&probes, &mut document.floor, &progress);
    let mut rounds_done = 1;
    let together = |one: &Cell, other: &Cell| {
        one.workload == other.workload && one.transport == other.transport
    };
    let groups = document.cells.chunk_by(together).count();
    let Document { cells, floor, .. } = &mut document;
    for (index, group) in cells.chunk_by_mut(together).enumerate() {
        runner.group(group, &progress);
        if counts_calls {
            runner.count_system_calls(group, &progress);
        }
        while rounds_done < floor_rounds_due(index + 1, groups, floor_rounds) {
            runner.floor(&probes, floor, &progress);
            rounds_done += 1;
        }
    }
    (rounds_done..floor_rounds).for_each(|_| runner.floor(&probes, floor, &progress));
    progress.finish_and_clear();
    finish(plan, document, &watch)
}

/// How many rounds of the floor belong before the next group: one before the first, one after the
/// last, the others evenly in between.
fn floor_rounds_due(groups_done: usize, groups: usize, rounds: usize) -> usize {
    1 + groups_done * (rounds - 1) / groups.max(1)
}

/// Looks around and says so.
pub fn begin(plan: &Plan, watch: &Watch) -> Result<Document> {
    if let Some(out) = &plan.out {
        prepare(out)?;
    }
    let libraries = look_at_libraries(plan)?;
    let described = libraries.iter().map(|Library { name, probe }| match probe {
        Ok(probe) if probe.facts.version.contains(name.name()) => probe.facts.line(),
        Ok(probe) => format!("{name}: {}", probe.facts.line()),
        Err(why) => why.clone(),
    });
    let manifest = Manifest::collect(plan, described.collect());
    println!("{}", terminal::header(&manifest));
    let mut document = Document::new(manifest, watch.stop(), libraries);
    document.warnings = document.manifest.warnings(plan);
    let absent = document.libraries.iter().filter_map(|library| library.probe.as_ref().err());
    document.warnings.extend(absent.cloned());
    for warning in &document.warnings {
        println!("warning: {warning}");
    }
    Ok(document)
}

/// Gathers what went wrong, prints and saves everything.
pub fn finish(plan: &Plan, mut document: Document, watch: &Watch) -> Result<bool> {
    document.conduct = watch.stop();
    document.warnings.extend(document.conduct.warnings());
    document.manifest.jitter = document.floor.jitter(|side| match side {
        Side::Connector => plan.cpu_tx,
        Side::Binder => plan.cpu_rx,
    });
    let floor_errors = document.floor.0.iter().flat_map(floor::Line::errors);
    let mut failures: Vec<_> =
        floor_errors.filter(|error| *error != SHARED_CORE).map(str::to_owned).collect();
    failures.extend(document.cells.iter().flat_map(Cell::failures));
    document.failures.extend(failures);
    document.warnings.extend(document.cells.iter().filter_map(Cell::missed_target));
    document.warnings.extend(other_drivers(&document));
    print!("{}", terminal::floor(&document.floor));
    print!("{}", terminal::results(&document));
    println!("\n{}", terminal::remarks(&document));
    if let Some(out) = &plan.out {
        report::save(out, &document)?;
        println!("saved in {}", out.display());
    }
    Ok(document.failures.is_empty())
}

/// What libraries said while they were measured, where it differs from what they said before.
fn other_drivers(document: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    for Library { name, probe } in &document.libraries {
        let Ok(probe) = probe else { continue };
        let cells = document.cells.iter().filter(|cell| cell.peer == *name);
        for outcome in cells.flat_map(Cell::outcomes) {
            for facts in outcome.connector.facts.iter().chain(&outcome.binder.facts) {
                let warning =
                    format!("{name} ran as {}, not as {}", facts.line(), probe.facts.line());
                if *facts != probe.facts && !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
    }
    warnings
}

/// A library that the user pointed to must open; one that merely is not installed is reported.
fn look_at_libraries(plan: &Plan) -> Result<Vec<Library>> {
    let mut libraries = Vec::new();
    for &name in &plan.peers {
        let rival = plan.rivals.iter().find(|rival| rival.name == name);
        let probe = match rival {
            None => peer::probe::<BuiltIn>(name, &plan.peer_options),
            Some(rival) => {
                let options = plan.peer_options.clone();
                process::ask(&rival.program, &Question { peer: name, options })
            }
        };
        let pointed_to = rival.is_some()
            || plan.peer_options.libzmq.is_some() && name == PeerName::LIBZMQ
            || !PeerName::BUILT_IN.contains(&name);
        if pointed_to && let Err(error) = probe {
            return Err(error.context(format!("{name}")));
        }
        libraries.push(Library { name, probe: probe.map_err(|error| format!("{error:#}")) });
    }
    let none = !libraries.is_empty() && libraries.iter().all(|library| library.probe.is_err());
    if none && !plan.peers.contains(&PeerName::BASELINE) {
        bail!("none of the libraries asked for can be opened: {libraries:?}");
    }
    Ok(libraries)
}

/// The cells that can be measured, libraries adjacent.
fn plan_cells(plan: &Plan, libraries: &[Library]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &workload in &plan.workloads {
        for &transport in &plan.transports {
            let able = libraries.iter().filter(|library| {
                let probe = library.probe.as_ref();
                probe.is_ok_and(|probe| workload.possible(&probe.capabilities, transport))
            });
            cells.extend(able.map(|library| Cell::new(workload, transport, library.name)));
        }
    }
    cells
}

/// Measures single repeats.
#[derive(Debug)]
pub struct Runner<'a> {
    plan: &'a Plan,
    sockets: TempDir,
    paths: u32,
}

impl<'a> Runner<'a> {
    /// A runner, and a place for its sockets.
    pub fn new(plan: &'a Plan) -> Result<Self> {
        let sockets = TempDir::with_prefix("bench-harness-").context("a directory for sockets")?;
        Ok(Self { plan, sockets, paths: 0 })
    }

    /// One round of the floor.
    pub fn floor(&mut self, probes: &[Probe], floor: &mut Floor, progress: &ProgressBar) {
        let round = probes.iter().map(|&probe| {
            progress.set_message(probe.label());
            let outcome = if probe.needs_two_cores() && self.plan.cpu_tx == self.plan.cpu_rx {
                Err(SHARED_CORE.to_owned())
            } else {
                self.floor_line(probe)
                    .map_err(|error| format!("floor, {}: {error:#}", probe.label()))
            };
            progress.inc(1);
            (probe, outcome)
        });
        floor.add(round.collect());
    }

    fn floor_line(&mut self, probe: Probe) -> Result<Outcome> {
        let duration_ns = self.plan.floor_duration_ns;
        let mut setting = self.setting(probe.transport(), FLOOR_WARM_UP_NS, duration_ns)?;
        setting.one_process = probe.in_process();
        let deadline = self.plan.deadline(FLOOR_WARM_UP_NS + duration_ns);
        measure(Path::new(OURSELVES), Task::Floor(probe), &setting, deadline)
    }

    /// All repeats of the cells that compare with each other. The libraries take turns, and every
    /// other repeat in the opposite order: AB BA AB.
    fn group(&mut self, group: &mut [Cell], progress: &ProgressBar) {
        for repeat in 0..self.plan.repeats as usize {
            for index in turns(repeat, group.len()) {
                let cell = &mut group[index];
                progress.set_message(cell.label());
                let outcome = self.cell(cell.workload, cell.transport, cell.peer);
                cell.repeats.push(outcome.map_err(|error| format!("{error:#}")));
                progress.inc(1);
            }
        }
    }

    /// A repeat of each of the cells in which system calls are counted, which disturbs all else.
    fn count_system_calls(&mut self, group: &mut [Cell], progress: &ProgressBar) {
        for cell in group {
            progress.set_message(cell.label());
            let outcome = self.repeat(cell.workload, cell.transport, cell.peer, true);
            cell.counted = Some(outcome.map_err(|error| format!("{error:#}")));
            progress.inc(1);
        }
    }

    /// One repeat.
    pub fn cell(
        &mut self,
        workload: Workload,
        transport: Transport,
        peer: PeerName,
    ) -> Result<Outcome> {
        self.repeat(workload, transport, peer, false)
    }

    fn repeat(
        &mut self,
        workload: Workload,
        transport: Transport,
        peer: PeerName,
        counts_system_calls: bool,
    ) -> Result<Outcome> {
        let part = if counts_system_calls { COUNTED_PART } else { 1 };
        let duration_ns = self.plan.duration_ns(workload) / part;
        let mut setting = self.setting(transport, self.plan.warm_up_ns, duration_ns)?;
        setting.counts_system_calls = counts_system_calls;
        setting.peer.max_sockets = setting.peer.max_sockets.max(workload.sockets() as i32 + 16);
        if let crate::workload::Load::Window { messages } = workload.load
            && setting.peer.hwm_messages != 0
        {
            // A ROUTER drops what has no room: the whole window must fit.
            setting.peer.hwm_messages = setting.peer.hwm_messages.max(2 * messages as i32);
        }
        let set_up_ns = CONNECT_NS * u64::from(workload.connections());
        let gaps_ns = match workload.load {
            crate::workload::Load::ClosedLoop { gap_ns } => 10 * gap_ns,
            _ => 0,
        };
        let own_ns = self.plan.warm_up_ns + duration_ns + set_up_ns + gaps_ns;
        let rival = self.plan.rivals.iter().find(|rival| rival.name == peer);
        let program = rival.map_or(PathBuf::from(OURSELVES), |rival| rival.program.clone());
        measure(&program, Task::Peer(peer, workload), &setting, self.plan.deadline(own_ns))
    }

    fn setting(
        &mut self,
        transport: Transport,
        warm_up_ns: u64,
        duration_ns: u64,
    ) -> Result<Setting> {
        let endpoint = match transport {
            Transport::Inproc => "inproc://bench".into(),
            Transport::Tcp => "tcp://127.0.0.1:*".into(),
            Transport::Ipc => format!("ipc://{}", self.free_socket_path()?),
        };
        Ok(Setting {
            transport,
            endpoint,
            one_process: transport == Transport::Inproc,
            pin_first: self.plan.pin_first,
            cpu_tx: self.plan.cpu_tx,
            cpu_rx: self.plan.cpu_rx,
            warm_up_ns,
            duration_ns,
            pace: self.plan.pace,
            counts_system_calls: false,
            peer: self.plan.peer_options.clone(),
        })
    }

    /// A path that no repeat used before; all of them go with the directory.
    fn free_socket_path(&mut self) -> Result<String> {
        self.paths += 1;
        let path = self.sockets.path().join(format!("s{}-", self.paths));
        let name = path.to_str().context("the temporary directory's name is not UTF-8")?;
        ensure!(
            name.len() < SOCKET_PATH_BYTES_MAX,
            "{name} has {} bytes, a Unix socket's path at most {SOCKET_PATH_BYTES_MAX}; \
             set TMPDIR to a shorter directory",
            name.len()
        );
        Ok(name.to_owned())
    }
}

/// The order of the libraries in one repeat.
fn turns(repeat: usize, libraries: usize) -> Vec<usize> {
    let forwards = 0..libraries;
    if repeat.is_multiple_of(2) { forwards.collect() } else { forwards.rev().collect() }
}

/// A bar on standard error; not drawn at all when that is no terminal. It changes only between
/// measurements, so it takes no time from them.
pub fn progress_bar(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}");
    ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn prepare(out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("--out {}: creating it", out.display()))?;
    let holds_results = out.join(document::FILE_NAME).exists();
    ensure!(!holds_results, "--out {}: results are there already; name another", out.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::peer::{Capabilities, Facts};
    use clap::Parser;

    #[test]
    fn libraries_get_cells_for_what_they_can_do_and_absent_ones_none() {
        let arguments = ["bench-harness", "--quick", "--peers", "raw,libzmq"];
        let plan = Cli::parse_from(arguments).run.plan().unwrap();
        let mut capabilities = Capabilities::all();
        capabilities.transports.retain(|&transport| transport != Transport::Inproc);
        let raw = Ok(peer::Probe { facts: Facts::default(), capabilities });
        let libraries = vec![
            Library { name: PeerName::RAW, probe: raw },
            Library { name: PeerName::LIBZMQ, probe: Err("not found".to_owned()) },
        ];
        let cells = plan_cells(&plan, &libraries);
        assert_eq!(cells.len(), 2 * plan.workloads.len(), "no inproc");
        assert!(cells.iter().all(|cell| cell.peer == PeerName::RAW));
    }

    #[test]
    fn rounds_of_the_floor_are_spread_over_the_run() {
        let due = |done| floor_rounds_due(done, 6, 3);
        assert_eq!([0, 2, 3, 5, 6].map(due), [1, 1, 2, 2, 3]);
        assert_eq!((floor_rounds_due(6, 6, 1), floor_rounds_due(1, 1, 5)), (1, 5));
    }

    #[test]
    fn turns_are_balanced() {
        assert_eq!([turns(0, 2), turns(1, 2), turns(2, 2)], [[0, 1], [1, 0], [0, 1]]);
    }

    #[test]
    fn results_are_never_written_over() {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("results.json"), "{}").unwrap();
        let error = prepare(directory.path()).unwrap_err().to_string();
        assert!(error.contains("already") && error.contains("--out"), "{error}");
    }
}
