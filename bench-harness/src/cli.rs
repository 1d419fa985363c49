//! The command line, and what it resolves to: a plan with every number filled in.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::affinity::{self, Cores};
use crate::clock::{MILLISECOND_NS, Pace, utc_text};
use crate::peer::{DriverName, PeerName, PeerOptions, Transport};
use crate::workload::{MESSAGE_BYTES_MIN, Workload};

const SIZES: [usize; 6] = [16, 64, 256, 1024, 8192, 65_536];
const RATES: [u64; 2] = [10_000, 100_000];
/// With fewer, the libraries' I/O threads have to share the two measured cores.
pub const CORES_FOR_IO_THREADS: usize = 3;
const SIZE_BYTES_MAX: usize = 16 * 1024 * 1024;
const RATE_MAX: u64 = 10_000_000;
const DURATION_MS_MAX: u64 = 600_000;

/// Latency histograms and throughput, beside the machine's floor and beside libzmq.
///
/// Without arguments: measures round trips (closed loop), one-way latency at fixed rates (open
/// loop) and throughput over inproc, ipc and tcp, in under two minutes.
#[derive(Debug, Parser)]
#[command(name = "bench-harness", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do instead of the main job.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of the main job.
    #[command(flatten)]
    pub run: RunArgs,
}

/// The jobs that are not the main one.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure only what the machine allows, without any messaging library.
    Floor(FloorArgs),
    /// One side of a measurement; started by the harness itself.
    #[command(hide = true)]
    Role {
        /// What to do, in JSON.
        argument: String,
    },
}

/// The three kinds of workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorkloadKind {
    /// REQ/REP, closed loop.
    RoundTrip,
    /// PUSH/PULL at fixed rates, open loop.
    OneWay,
    /// PUSH/PULL as fast as it goes.
    Throughput,
}

/// Options of the main job.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// A tiny run that shows only whether everything works
    #[arg(long)]
    pub quick: bool,
    /// Recording time of each repeat [default: 600 for latency, 300 for throughput]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=DURATION_MS_MAX))]
    pub duration_ms: Option<u64>,
    /// Traffic before recording starts [default: 100]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=DURATION_MS_MAX))]
    pub warm_up_ms: Option<u64>,
    /// Repeats per cell, libraries taking turns [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeats: Option<u32>,
    /// Kinds of workload, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_enum)]
    pub workloads: Vec<WorkloadKind>,
    /// Message sizes of the throughput workload, such as 64,1KiB [default: 16 B to 64 KiB]
    #[arg(long, value_delimiter = ',', value_parser = parse_size)]
    pub sizes: Vec<usize>,
    /// Messages per second of the one-way workload [default: 10000,100000]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=RATE_MAX))]
    pub rates: Vec<u64>,
    /// Between sends of the one-way workload [default: spin; yield on fewer than 3 cores]
    #[arg(long, value_enum)]
    pub pace: Option<Pace>,
    /// Transports, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_enum)]
    pub transports: Vec<Transport>,
    /// Libraries, separated by commas; libzmq is what ratios compare with
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = PeerName::DEFAULT.to_vec())]
    pub peers: Vec<PeerName>,
    /// The libzmq to load [default: libzmq.so.5 as the system finds it]
    #[arg(long, value_name = "PATH")]
    pub libzmq: Option<PathBuf>,
    /// Where results go; must not hold any yet [default: a folder of results/ named by the UTC time]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Background I/O threads of each library and process
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=64))]
    pub io_threads: i32,
    /// Kernel interface of our I/O threads
    #[arg(long, value_enum, default_value_t = DriverName::Auto)]
    pub driver: DriverName,
    /// High-water mark of each socket, in messages
    #[arg(long, value_name = "MESSAGES", default_value_t = 1000, value_parser = clap::value_parser!(i32).range(0..))]
    pub hwm: i32,
    /// Options shared with the floor.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Options of `floor`.
#[derive(Debug, Clone, Args)]
pub struct FloorArgs {
    /// Recording time of each figure
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=DURATION_MS_MAX))]
    pub duration_ms: u64,
    /// Message sizes of the framed streams
    #[arg(long, value_delimiter = ',', value_parser = parse_size, default_values_t = [16, 64, 256, 1024])]
    pub sizes: Vec<usize>,
    /// Save the figures as JSON in this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Options shared with the main job.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Options of every job.
#[derive(Debug, Clone, Args)]
pub struct MachineArgs {
    /// Core of the sender or requester [default: the first allowed]
    #[arg(long, value_name = "CORE")]
    pub cpu_tx: Option<usize>,
    /// Core of the receiver or responder [default: the next on another physical core]
    #[arg(long, value_name = "CORE")]
    pub cpu_rx: Option<usize>,
    /// What a repeat may take beyond four times its own length before it counts as hung
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=DURATION_MS_MAX))]
    pub deadline_ms: u64,
}

/// Everything the main job needs to know; saved with the results.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// What to measure, in the order of the report.
    pub workloads: Vec<Workload>,
    /// Over what.
    pub transports: Vec<Transport>,
    /// With which libraries.
    pub peers: Vec<PeerName>,
    /// How often.
    pub repeats: u32,
    /// Traffic before recording.
    pub warm_up_ns: u64,
    /// Recording time of a latency repeat.
    pub latency_duration_ns: u64,
    /// Recording time of a throughput repeat.
    pub throughput_duration_ns: u64,
    /// Recording time of a floor figure.
    pub floor_duration_ns: u64,
    /// Message sizes of the floor's framed streams.
    pub floor_sizes_bytes: Vec<usize>,
    /// Core of the sender.
    pub cpu_tx: usize,
    /// Core of the receiver.
    pub cpu_rx: usize,
    /// High-water mark of each socket.
    pub hwm_messages: i32,
    /// How the open loop waits for its next send.
    pub pace: Pace,
    /// How libraries are opened.
    pub peer_options: PeerOptions,
    /// Time allowed beyond a repeat's own length.
    pub deadline_ms: u64,
    /// Where the results go.
    pub out: Option<PathBuf>,
}

impl RunArgs {
    /// Fills in defaults and checks what clap cannot.
    pub fn plan(&self) -> Result<Plan> {
        let quick = |tiny: u64, usual: u64| if self.quick { tiny } else { usual };
        let duration_ms = |usual| self.duration_ms.unwrap_or(quick(30, usual));
        let cores = affinity::choose(self.machine.cpu_tx, self.machine.cpu_rx)?;
        let sizes = or_default(&self.sizes, if self.quick { &[64] } else { &SIZES });
        ensure_peers(&self.peers)?;
        Ok(Plan {
            workloads: self.workloads(&sizes),
            transports: or_default(&self.transports, &Transport::ALL),
            peers: without_repeats(&self.peers),
            repeats: self.repeats.unwrap_or(quick(1, 3) as u32),
            warm_up_ns: self.warm_up_ms.unwrap_or(quick(10, 100)) * MILLISECOND_NS,
            latency_duration_ns: duration_ms(600) * MILLISECOND_NS,
            throughput_duration_ns: duration_ms(300) * MILLISECOND_NS,
            floor_duration_ns: quick(30, 200) * MILLISECOND_NS,
            floor_sizes_bytes: sizes,
            cpu_tx: cores.tx,
            cpu_rx: cores.rx,
            hwm_messages: self.hwm,
            pace: self.pace(),
            peer_options: PeerOptions {
                io_threads: self.io_threads,
                driver: self.driver,
                libzmq: self.libzmq.clone(),
            },
            deadline_ms: self.machine.deadline_ms,
            out: Some(self.out.clone().unwrap_or_else(|| {
                PathBuf::from("results").join(utc_text(SystemTime::now()).replace(':', ""))
            })),
        })
    }

    fn pace(&self) -> Pace {
        let roomy = affinity::allowed().len() >= CORES_FOR_IO_THREADS;
        self.pace.unwrap_or(if roomy { Pace::Spin } else { Pace::Yield })
    }

    fn workloads(&self, sizes: &[usize]) -> Vec<Workload> {
        let rates = or_default(&self.rates, if self.quick { &RATES[..1] } else { &RATES });
        let kinds = or_default(&self.workloads, WorkloadKind::value_variants());
        let each = kinds.into_iter().flat_map(|kind| match kind {
            WorkloadKind::RoundTrip => vec![Workload::RoundTrip],
            WorkloadKind::OneWay => {
                let at = |&rate_per_second: &u64| Workload::OneWay { rate_per_second };
                rates.iter().map(at).collect()
            }
            WorkloadKind::Throughput => {
                let of = |&size_bytes: &usize| Workload::Throughput { size_bytes };
                sizes.iter().map(of).collect()
            }
        });
        each.collect()
    }
}

impl FloorArgs {
    /// The plan that measures nothing but the floor.
    pub fn plan(&self) -> Result<Plan> {
        let Cores { tx, rx } = affinity::choose(self.machine.cpu_tx, self.machine.cpu_rx)?;
        Ok(Plan {
            workloads: Vec::new(),
            transports: Vec::new(),
            peers: Vec::new(),
            repeats: 1,
            warm_up_ns: 0,
            latency_duration_ns: 0,
            throughput_duration_ns: 0,
            floor_duration_ns: self.duration_ms * MILLISECOND_NS,
            floor_sizes_bytes: without_repeats(&self.sizes),
            cpu_tx: tx,
            cpu_rx: rx,
            hwm_messages: 0,
            pace: Pace::Spin,
            peer_options: PeerOptions { io_threads: 1, driver: DriverName::Auto, libzmq: None },
            deadline_ms: self.machine.deadline_ms,
            out: self.out.clone(),
        })
    }
}

impl Plan {
    /// How long a repeat may take: its own length four times over, so that a sender that gives up
    /// late still reports, and then some.
    pub fn deadline(&self, own_length_ns: u64) -> Duration {
        Duration::from_millis(self.deadline_ms) + Duration::from_nanos(4 * own_length_ns)
    }
}

fn ensure_peers(peers: &[PeerName]) -> Result<()> {
    ensure!(!peers.is_empty(), "--peers is empty: name at least one library");
    Ok(())
}

fn or_default<T: Copy + PartialEq>(given: &[T], default: &[T]) -> Vec<T> {
    without_repeats(if given.is_empty() { default } else { given })
}

fn without_repeats<T: Copy + PartialEq>(items: &[T]) -> Vec<T> {
    let mut unique = Vec::new();
    for &item in items {
        if !unique.contains(&item) {
            unique.push(item);
        }
    }
    unique
}

/// A message size such as `64`, `1KiB`, `64k` or `1MiB`; k and M are powers of 1024 here.
fn parse_size(text: &str) -> Result<usize> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1024,
        "m" | "mib" => 1024 * 1024,
        other => bail!("unit {other:?} is unknown; use B, KiB or MiB"),
    };
    let size = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    match size {
        Some(size) if (MESSAGE_BYTES_MIN..=SIZE_BYTES_MAX).contains(&size) => Ok(size),
        _ => bail!(
            "{text} is not a size from {MESSAGE_BYTES_MIN} B (room for a sequence number) to 16MiB"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn plan(arguments: &str) -> Plan {
        let words = std::iter::once("bench-harness").chain(arguments.split_whitespace());
        Cli::try_parse_from(words).unwrap().run.plan().unwrap()
    }

    fn refusal(arguments: &str) -> String {
        let words = std::iter::once("bench-harness").chain(arguments.split_whitespace());
        Cli::try_parse_from(words).unwrap_err().to_string()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_arguments_mean_everything() {
        let plan = plan("");
        assert_eq!(plan.workloads.len(), 1 + RATES.len() + SIZES.len());
        assert_eq!(plan.transports, Transport::ALL);
        assert_eq!(plan.peers, PeerName::DEFAULT);
        assert_eq!(plan.repeats, 3);
        assert!(plan.out.unwrap().starts_with("results"));
    }

    #[test]
    fn the_default_run_with_two_libraries_fits_into_two_minutes() {
        let plan = plan("");
        let (start_and_end_ns, libraries) = (100 * MILLISECOND_NS, 2);
        let repeats = u64::from(plan.repeats) * 3 * libraries;
        let total: u64 = plan.workloads.iter().map(|workload| match workload {
            Workload::Throughput { .. } => plan.throughput_duration_ns,
            _ => plan.latency_duration_ns,
        } + plan.warm_up_ns + start_and_end_ns).sum();
        assert!(
            total * repeats < 105 * crate::clock::SECOND_NS,
            "{} ms",
            total * repeats / MILLISECOND_NS
        );
    }

    #[test]
    fn lists_units_and_choices_are_read() {
        let plan = plan(
            "--sizes 64,1KiB,2m,64 --rates 5 --transports tcp,ipc --peers raw --workloads throughput,one-way",
        );
        let sizes = [64, 1024, 2 << 20].map(|size_bytes| Workload::Throughput { size_bytes });
        assert_eq!(plan.workloads[..3], sizes);
        assert_eq!(plan.workloads[3..], [Workload::OneWay { rate_per_second: 5 }]);
        assert_eq!(plan.transports, [Transport::Tcp, Transport::Ipc]);
        assert_eq!(plan.peers, [PeerName::Raw]);
    }

    #[test]
    fn refusals_name_the_value_and_the_bound() {
        assert!(refusal("--sizes 15").contains("15 is not a size from 16 B"));
        assert!(refusal("--sizes 1GB").contains("\"gb\" is unknown"));
        assert!(refusal("--repeats 0").contains("0 is not in 1..=1000"));
        assert!(refusal("--rates 0").contains("0 is not in 1.."));
        assert!(refusal("--peers nobody").contains("libzmq"));
    }

    #[test]
    fn explicit_numbers_beat_quick() {
        let plan = plan("--quick --duration-ms 70 --repeats 2");
        assert_eq!((plan.latency_duration_ns, plan.repeats), (70 * MILLISECOND_NS, 2));
        assert_eq!(plan.warm_up_ns, 10 * MILLISECOND_NS);
    }
}
