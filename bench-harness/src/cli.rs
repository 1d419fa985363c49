//! The command line, and what it resolves to: a plan with every number filled in.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::affinity::{self, Cores};
use crate::clock::{MILLISECOND_NS, Pace, utc_text};
use crate::compare::CompareArgs;
use crate::peer::{DriverName, PeerName, PeerOptions, Transport, WaitName};
use crate::tools::Tool;
use crate::workload::message::{LATENCY_BYTES_MIN, STREAM_BYTES_MIN};
use crate::workload::{LATENCY_MESSAGE_BYTES, Pattern, Workload};

const SIZES: [usize; 6] = [16, 64, 256, 1024, 8192, 65_536];
const RATES: [u64; 2] = [10_000, 100_000];
const FAN_OUT: [u32; 4] = [1, 10, 100, 1000];
const GAPS_US: [u64; 6] = [10, 100, 1000, 10_000, 100_000, 1_000_000];
/// Subscribers of the stuck-peer workload, of whom one never reads in its second half.
const STUCK_AMONG: u32 = 100;
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
    /// Find the highest rate that each library sustains without loss, and its latency at 1 to 100 %
    /// of it.
    Sweep(Box<RunArgs>),
    /// Compare two saved runs cell by cell: is the second one slower?
    Compare(CompareArgs),
    /// What libzmq's tools of these names do and print.
    #[command(flatten)]
    Tool(Tool),
    /// What a library is and can do; asked by the harness itself.
    #[command(hide = true)]
    Probe {
        /// Which one, in JSON.
        argument: String,
    },
    /// One side of a measurement; started by the harness itself.
    #[command(hide = true)]
    Role {
        /// What to do, in JSON.
        argument: String,
    },
}

/// The kinds of workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorkloadKind {
    /// REQ/REP, closed loop.
    RoundTrip,
    /// PUSH/PULL at fixed rates, open loop.
    OneWay,
    /// PUSH/PULL as fast as it goes.
    Throughput,
    /// PUB to many SUB.
    FanOut,
    /// Many PUSH to one PULL.
    FanIn,
    /// ROUTER/DEALER with many requests on the way.
    RouterDealer,
    /// PUSH/PULL with several parts per message.
    Multipart,
    /// PUSH through the library's proxy to PULL.
    Proxy,
    /// REQ/REP, each request after a pause.
    IdleGap,
    /// Connections on which nothing happens: memory and processor time of each.
    IdleConnections,
    /// PUB to 99 SUB, alone and beside one that never reads.
    StuckPeer,
}

impl WorkloadKind {
    /// What is measured unless `--workloads` says otherwise.
    const DEFAULT: [Self; 3] = [Self::RoundTrip, Self::OneWay, Self::Throughput];
}

/// A library that another program holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rival {
    /// Its name.
    pub name: PeerName,
    /// The program.
    pub program: PathBuf,
}

fn parse_rival(text: &str) -> Result<Rival> {
    let Some((name, program)) = text.split_once('=') else {
        bail!(
            "{text:?} is not NAME=PATH, such as omq-tokio=bench-rivals/target/release/bench-rivals"
        )
    };
    let name: PeerName = name.parse()?;
    ensure!(!PeerName::BUILT_IN.contains(&name), "{name} is built in; give the rival another name");
    Ok(Rival { name, program: program.into() })
}

/// Options of the main job.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// A tiny run that shows only whether everything works
    #[arg(long)]
    pub quick: bool,
    /// Recording time of each repeat [default: 350 for latency, 150 for throughput]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=DURATION_MS_MAX))]
    pub duration_ms: Option<u64>,
    /// Traffic before recording starts [default: 50]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=DURATION_MS_MAX))]
    pub warm_up_ms: Option<u64>,
    /// Repeats per cell, libraries taking turns [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeats: Option<u32>,
    /// Kinds of workload, separated by commas [default: round-trip,one-way,throughput]
    #[arg(long, value_delimiter = ',', value_enum)]
    pub workloads: Vec<WorkloadKind>,
    /// Message sizes of the workloads that measure rates, such as 64,1KiB [default: 16 B to 64 KiB
    /// for throughput, 64 B for the others]
    #[arg(long, value_delimiter = ',', value_parser = parse_size)]
    pub sizes: Vec<usize>,
    /// Messages per second of the one-way workload [default: 10000,100000]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=RATE_MAX))]
    pub rates: Vec<u64>,
    /// Message size of the workloads that measure latency
    #[arg(long, value_name = "SIZE", value_parser = parse_latency_size, default_value = "64")]
    pub latency_size: usize,
    /// Messages that the one-way workload sends at once, at the same rate
    #[arg(long, value_name = "MESSAGES", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub burst: u64,
    /// Subscribers of the fan-out workload [default: 1,10,100,1000]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub fan_out: Vec<u32>,
    /// Senders of the fan-in workload [default: 100]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub fan_in: Option<u32>,
    /// Requests on the way in the router-dealer workload [default: 1000]
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub window: Option<u32>,
    /// Parts of each message of the multipart workload
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub parts: u32,
    /// Pauses of the idle-gap workload in microseconds [default: 10 to 1000000, by tens]
    #[arg(long, value_name = "US", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub gaps: Vec<u64>,
    /// Connections of the idle-connections workload [default: 1000]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: Vec<u32>,
    /// Between sends of the one-way workload [default: spin; yield on fewer than 3 cores]
    #[arg(long, value_enum)]
    pub pace: Option<Pace>,
    /// Transports, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_enum)]
    pub transports: Vec<Transport>,
    /// Libraries, separated by commas; libzmq is what ratios compare with
    #[arg(long, value_delimiter = ',', default_values_t = PeerName::DEFAULT.to_vec())]
    pub peers: Vec<PeerName>,
    /// A library that another program holds, such as rzmq=bench-rivals/target/release/bench-rivals;
    /// may be given several times
    #[arg(long, value_name = "NAME=PATH", value_parser = parse_rival)]
    pub rival: Vec<Rival>,
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
    /// How our side waits for messages; the other libraries have no choice
    #[arg(long, value_enum, default_value_t = WaitName::Adaptive)]
    pub wait_policy: WaitName,
    /// Cores of the I/O threads of each library [default: any]
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    pub cpu_io: Vec<usize>,
    /// The kernel's send buffer of each connection, in every library [default: the system's]
    #[arg(long, value_name = "SIZE", value_parser = parse_buffer)]
    pub sndbuf: Option<u32>,
    /// The kernel's receive buffer of each connection, in every library [default: the system's]
    #[arg(long, value_name = "SIZE", value_parser = parse_buffer)]
    pub rcvbuf: Option<u32>,
    /// Pin the application threads before the libraries start, so that their I/O threads inherit
    /// the core
    #[arg(long)]
    pub pin_first: bool,
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
    /// How often each figure is taken
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
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
    /// Those of them that other programs hold.
    pub rivals: Vec<Rival>,
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
    /// How often the floor is measured, spread over the run.
    pub floor_rounds: u32,
    /// Message sizes of the floor's framed streams.
    pub floor_sizes_bytes: Vec<usize>,
    /// Core of the sender.
    pub cpu_tx: usize,
    /// Core of the receiver.
    pub cpu_rx: usize,
    /// Whether threads are pinned before the libraries start.
    pub pin_first: bool,
    /// Message size of the latency workloads.
    pub latency_size_bytes: usize,
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
        ensure_peers(&self.peers)?;
        let allowed = affinity::allowed();
        if let Some(core) = self.cpu_io.iter().find(|core| !allowed.contains(core)) {
            bail!("--cpu-io {core}: not a core this process may use; choose among {allowed:?}");
        }
        let rivals = self.rival.iter().map(|rival| rival.name);
        let peers: Vec<_> = self.peers.iter().copied().chain(rivals).collect();
        Ok(Plan {
            workloads: self.workloads(),
            transports: or_default(&self.transports, &Transport::ALL),
            peers: without_repeats(&peers),
            rivals: self.rival.clone(),
            repeats: self.repeats.unwrap_or(quick(1, 5) as u32),
            warm_up_ns: self.warm_up_ms.unwrap_or(quick(10, 50)) * MILLISECOND_NS,
            latency_duration_ns: duration_ms(350) * MILLISECOND_NS,
            throughput_duration_ns: duration_ms(150) * MILLISECOND_NS,
            floor_duration_ns: quick(20, 100) * MILLISECOND_NS,
            floor_rounds: quick(2, 3) as u32,
            floor_sizes_bytes: self.sizes(&SIZES),
            cpu_tx: cores.tx,
            cpu_rx: cores.rx,
            pin_first: self.pin_first,
            latency_size_bytes: self.latency_size,
            pace: self.pace(),
            peer_options: PeerOptions {
                io_threads: self.io_threads,
                cpu_io: without_repeats(&self.cpu_io),
                driver: self.driver,
                wait_policy: self.wait_policy,
                hwm_messages: self.hwm,
                sndbuf_bytes: self.sndbuf,
                rcvbuf_bytes: self.rcvbuf,
                libzmq: self.libzmq.clone(),
                ..PeerOptions::default()
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

    fn sizes(&self, default: &[usize]) -> Vec<usize> {
        or_default(&self.sizes, if self.quick { &[LATENCY_MESSAGE_BYTES] } else { default })
    }

    fn workloads(&self) -> Vec<Workload> {
        let kinds = or_default(&self.workloads, &WorkloadKind::DEFAULT);
        without_repeats(&kinds.into_iter().flat_map(|kind| self.of_kind(kind)).collect::<Vec<_>>())
    }

    fn of_kind(&self, kind: WorkloadKind) -> Vec<Workload> {
        let quick = |tiny: u32, usual: u32| if self.quick { tiny } else { usual };
        let latency_size = self.latency_size;
        let each_size = |of: &dyn Fn(usize) -> Workload| -> Vec<Workload> {
            self.sizes(&[LATENCY_MESSAGE_BYTES]).into_iter().map(of).collect()
        };
        match kind {
            WorkloadKind::RoundTrip => vec![Workload::round_trip(latency_size, 0)],
            WorkloadKind::OneWay => {
                let rates = or_default(&self.rates, if self.quick { &RATES[..1] } else { &RATES });
                let at = |rate| Workload::one_way(latency_size, rate, self.burst);
                rates.into_iter().map(at).collect()
            }
            WorkloadKind::Throughput => {
                let of = |size| Workload::throughput(size, 1);
                self.sizes(&SIZES).into_iter().map(of).collect()
            }
            WorkloadKind::FanOut => {
                let counts = or_default(&self.fan_out, if self.quick { &[3] } else { &FAN_OUT });
                let to = |subscribers| {
                    let pattern = Pattern::fan_out(subscribers);
                    each_size(&|size| Workload::saturating(pattern, size))
                };
                counts.into_iter().flat_map(to).collect()
            }
            WorkloadKind::FanIn => {
                let senders = self.fan_in.unwrap_or(quick(40, 100));
                each_size(&|size| Workload::saturating(Pattern::FanIn { senders }, size))
            }
            WorkloadKind::RouterDealer => {
                let window = self.window.unwrap_or(quick(10, 1000));
                each_size(&|size| Workload::router_dealer(size, window))
            }
            WorkloadKind::Multipart => each_size(&|size| Workload::throughput(size, self.parts)),
            WorkloadKind::Proxy => each_size(&|size| Workload::saturating(Pattern::Proxy, size)),
            WorkloadKind::IdleGap => {
                let gaps = or_default(&self.gaps, if self.quick { &[1000] } else { &GAPS_US });
                let after = |gap| Workload::round_trip(latency_size, gap * 1000);
                gaps.into_iter().map(after).collect()
            }
            WorkloadKind::IdleConnections => {
                let counts = or_default(&self.connections, &[quick(20, 1000)]);
                counts.into_iter().map(Workload::idle).collect()
            }
            WorkloadKind::StuckPeer => {
                let subscribers = quick(3, STUCK_AMONG - 1);
                [0, 1]
                    .into_iter()
                    .flat_map(|stuck| {
                        let pattern = Pattern::fan_out_beside(subscribers, stuck);
                        each_size(&|size| Workload::saturating(pattern, size))
                    })
                    .collect()
            }
        }
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
            rivals: Vec::new(),
            repeats: 1,
            warm_up_ns: 0,
            latency_duration_ns: 0,
            throughput_duration_ns: 0,
            floor_duration_ns: self.duration_ms * MILLISECOND_NS,
            floor_rounds: self.rounds,
            floor_sizes_bytes: without_repeats(&self.sizes),
            cpu_tx: tx,
            cpu_rx: rx,
            pin_first: false,
            latency_size_bytes: LATENCY_MESSAGE_BYTES,
            pace: Pace::Spin,
            peer_options: PeerOptions::default(),
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

    /// How long a repeat of a workload records.
    pub fn duration_ns(&self, workload: Workload) -> u64 {
        if workload.measures_rate() {
            self.throughput_duration_ns
        } else {
            self.latency_duration_ns
        }
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
    parse_bytes(text, STREAM_BYTES_MIN, "room for a sequence number")
}

fn parse_latency_size(text: &str) -> Result<usize> {
    parse_bytes(text, LATENCY_BYTES_MIN, "room for a sequence number and two times")
}

fn parse_buffer(text: &str) -> Result<u32> {
    Ok(u32::try_from(parse_bytes(text, 1, "one byte")?)?)
}

fn parse_bytes(text: &str, min: usize, why: &str) -> Result<usize> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1024,
        "m" | "mib" => 1024 * 1024,
        other => bail!("unit {other:?} is unknown; use B, KiB or MiB"),
    };
    let size = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    match size {
        Some(size) if (min..=SIZE_BYTES_MAX).contains(&size) => Ok(size),
        _ => bail!("{text} is not a size from {min} B ({why}) to 16MiB"),
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
        assert_eq!(plan.repeats, 5);
        assert!(plan.out.unwrap().starts_with("results"));
    }

    #[test]
    fn the_default_run_with_two_libraries_fits_into_two_minutes() {
        let plan = plan("");
        let (start_and_end_ns, libraries) = (100 * MILLISECOND_NS, 2);
        let repeats = u64::from(plan.repeats);
        let of_cell = plan.workloads.iter().map(|&workload| {
            let own_ns = plan.warm_up_ns + start_and_end_ns;
            let duration_ns = plan.duration_ns(workload);
            (duration_ns + own_ns) * repeats + duration_ns / crate::run::COUNTED_PART + own_ns
        });
        let total_ns = of_cell.sum::<u64>() * 3 * libraries;
        assert!(total_ns < 112 * crate::clock::SECOND_NS, "{} ms", total_ns / MILLISECOND_NS);
    }

    #[test]
    fn lists_units_and_choices_are_read() {
        let plan = plan(
            "--sizes 64,1KiB,2m,64 --rates 5 --transports tcp,ipc --peers raw --workloads throughput,one-way",
        );
        let sizes = [64, 1024, 2 << 20].map(|size| Workload::throughput(size, 1));
        assert_eq!(plan.workloads[..3], sizes);
        assert_eq!(plan.workloads[3..], [Workload::one_way(64, 5, 1)]);
        assert_eq!(plan.transports, [Transport::Tcp, Transport::Ipc]);
        assert_eq!(plan.peers, [PeerName::RAW]);
    }

    #[test]
    fn refusals_name_the_value_and_the_bound() {
        assert!(refusal("--sizes 15").contains("15 is not a size from 16 B"));
        assert!(refusal("--sizes 1GB").contains("\"gb\" is unknown"));
        assert!(refusal("--repeats 0").contains("0 is not in 1..=1000"));
        assert!(refusal("--rates 0").contains("0 is not in 1.."));
        assert!(refusal("--peers a/b").contains("not a name"));
        assert!(refusal("--latency-size 23").contains("23 is not a size from 24 B"));
        assert!(refusal("--rival libzmq=x").contains("built in"));
        assert!(refusal("--rival x").contains("NAME=PATH"));
        assert!(refusal("--wait-policy never").contains("adaptive"));
    }

    #[test]
    fn options_of_the_libraries_reach_them() {
        let plan =
            plan("--wait-policy spin --cpu-io 0 --sndbuf 1MiB --rcvbuf 64k --pin-first --hwm 7");
        let options = &plan.peer_options;
        assert_eq!((options.wait_policy, &options.cpu_io[..]), (WaitName::Spin, &[0][..]));
        assert_eq!((options.sndbuf_bytes, options.rcvbuf_bytes), (Some(1 << 20), Some(1 << 16)));
        assert!(plan.pin_first && options.hwm_messages == 7);
    }

    #[test]
    fn every_kind_has_workloads_and_rivals_are_peers() {
        for kind in WorkloadKind::value_variants() {
            let name = kind.to_possible_value().unwrap();
            let plan = plan(&format!("--quick --workloads {} --rival x=/bin/x", name.get_name()));
            assert!(!plan.workloads.is_empty(), "{kind:?}");
            assert_eq!(plan.peers.last(), Some(&"x".parse().unwrap()));
        }
        let stuck = plan("--workloads stuck-peer,fan-out --fan-out 99,99").workloads;
        assert_eq!(stuck.len(), 3, "the same workload is measured once");
    }

    #[test]
    fn the_commands_of_the_claims_are_understood() {
        let claims = include_str!("../../CLAIMS.md");
        let commands = claims.lines().filter_map(|line| line.strip_prefix("    scripts/bench "));
        let mut count = 0;
        for command in commands {
            let words = command.split_whitespace().filter(|word| *word != "--with-rivals");
            let cli = Cli::try_parse_from(std::iter::once("bench-harness").chain(words));
            let cli = cli.unwrap_or_else(|error| panic!("{command}: {error}"));
            match cli.command {
                Some(Command::Sweep(run)) => drop(run.plan().unwrap()),
                None => drop(cli.run.plan().unwrap()),
                Some(other) => panic!("{command} is {other:?}"),
            }
            count += 1;
        }
        assert!(count > 5, "{count}");
    }

    #[test]
    fn explicit_numbers_beat_quick() {
        let plan = plan("--quick --duration-ms 70 --repeats 2");
        assert_eq!((plan.latency_duration_ns, plan.repeats), (70 * MILLISECOND_NS, 2));
        assert_eq!(plan.warm_up_ns, 10 * MILLISECOND_NS);
    }
}
