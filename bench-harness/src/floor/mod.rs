//! What the machine allows: the same traffic without any messaging library, so that every result
//! can stand beside its limit.

mod bounce;
mod ring;
mod sockets;
mod stream;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::histogram::Latencies;
use crate::machine::Jitter;
use crate::peer::Transport;
use crate::process::Outcome;
use crate::results::{LatencySummary, RateSummary, Spread};
use crate::role::{Control, Setting, Side};
use crate::workload::RoleReport;

/// Message size of every floor ping-pong, that of the latency workloads.
pub const PING_BYTES: usize = crate::workload::LATENCY_MESSAGE_BYTES;
/// Size of each write of the stream probes, and of the buffers that framed messages fill.
pub const WRITE_BYTES: usize = 64 * 1024;
/// From this message size on, plain stream bandwidth is the better limit: copying each message
/// twice in user space is no longer small beside the kernel's own work.
const FRAMED_BYTES_END: usize = 4096;

/// How a side waits for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Blocking calls: the kernel puts the thread to sleep.
    Sleeping,
    /// Asking again and again without blocking.
    Spinning,
}

/// Which kind of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Loopback, `TCP_NODELAY`.
    Tcp,
    /// A Unix stream socket.
    Unix,
}

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Unix => "Unix socket",
        }
    }

    /// The transport that uses this kind of socket.
    pub fn transport(self) -> Transport {
        match self {
            Self::Tcp => Transport::Tcp,
            Self::Unix => Transport::Ipc,
        }
    }
}

/// One figure of the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "probe")]
pub enum Probe {
    /// A cache line handed to the other core and back.
    Bounce,
    /// Two sleeping threads that wake each other through eventfds.
    Eventfd,
    /// 64 bytes there and back over a socket between two processes.
    Ping {
        /// Kind of socket.
        family: Family,
        /// How both sides wait.
        wait: Wait,
    },
    /// Bytes over a socket in 64 KiB writes.
    Stream {
        /// Kind of socket.
        family: Family,
    },
    /// Messages with a length before each, encoded into 64 KiB buffers, decoded and copied out.
    Framed {
        /// Kind of socket.
        family: Family,
        /// Size of a message without its length.
        size_bytes: usize,
    },
    /// 8-byte words through a ring in shared memory, published in batches.
    Ring,
    /// How long a thread that spins on the core of one side is kept from it.
    Jitter {
        /// Whose core.
        side: Side,
    },
}

impl Probe {
    /// The description in the floor table.
    pub fn label(self) -> String {
        match self {
            Self::Bounce => "cache line to the other core and back, spinning".into(),
            Self::Eventfd => "eventfd ping-pong, two threads that sleep".into(),
            Self::Ping { family, wait: Wait::Sleeping } => {
                format!("{} ping-pong {PING_BYTES} B, blocking reads", family.name())
            }
            Self::Ping { family, wait: Wait::Spinning } => {
                format!("{} ping-pong {PING_BYTES} B, spinning", family.name())
            }
            Self::Stream { family } => format!("{} stream, 64 KiB writes", family.name()),
            Self::Framed { family, size_bytes } => {
                format!("{} stream of framed {size_bytes} B messages", family.name())
            }
            Self::Ring => "ring of 8 B words between the two cores".into(),
            Self::Jitter { side: Side::Connector } => {
                "gaps over 1 µs of a thread spinning on the sender's core".into()
            }
            Self::Jitter { side: Side::Binder } => {
                "gaps over 1 µs of a thread spinning on the receiver's core".into()
            }
        }
    }

    /// Whether both sides are threads of one process.
    pub fn in_process(self) -> bool {
        !matches!(self, Self::Ping { .. } | Self::Stream { .. } | Self::Framed { .. })
    }

    /// Whether the probe says nothing when both sides share one core: who spins there waits for
    /// the end of its own time slice.
    pub fn needs_two_cores(self) -> bool {
        matches!(self, Self::Bounce | Self::Ring | Self::Ping { wait: Wait::Spinning, .. })
    }

    /// Whether its samples are means of many round trips each, so that they say nothing about single
    /// ones: only their middle may be shown.
    pub fn samples_are_means(self) -> bool {
        self == Self::Bounce
    }

    /// The kind of endpoint its binder needs.
    pub fn transport(self) -> Transport {
        match self {
            Self::Ping { family, .. } | Self::Stream { family } | Self::Framed { family, .. } => {
                family.transport()
            }
            Self::Bounce | Self::Eventfd | Self::Ring | Self::Jitter { .. } => Transport::Inproc,
        }
    }
}

/// The probes for these message sizes, in the order of the table.
pub fn probes(sizes: &[usize]) -> Vec<Probe> {
    let families = [Family::Tcp, Family::Unix];
    let mut probes = vec![Probe::Bounce, Probe::Eventfd];
    for family in families {
        let pings = [Wait::Sleeping, Wait::Spinning].map(|wait| Probe::Ping { family, wait });
        probes.extend(pings);
    }
    probes.extend(families.map(|family| Probe::Stream { family }));
    for family in families {
        let small = sizes.iter().filter(|&&size| size < FRAMED_BYTES_END);
        probes.extend(small.map(|&size_bytes| Probe::Framed { family, size_bytes }));
    }
    probes.push(Probe::Ring);
    probes.extend([Side::Connector, Side::Binder].map(|side| Probe::Jitter { side }));
    probes
}

/// Runs a probe whose two sides are threads.
pub fn run_in_process(probe: Probe, setting: &Setting) -> Result<RoleReport> {
    match probe {
        Probe::Bounce => bounce::cache_line(setting),
        Probe::Eventfd => bounce::eventfd(setting),
        Probe::Jitter { side } => bounce::jitter(setting, side),
        _ => ring::run(setting),
    }
}

/// Runs one side of a probe whose two sides are processes.
pub fn run_side(
    probe: Probe,
    side: Side,
    setting: &Setting,
    control: &mut Control,
) -> Result<RoleReport> {
    let socket = sockets::open(probe.transport(), side, setting, control)?;
    match (probe, side) {
        (Probe::Ping { wait, .. }, Side::Connector) => sockets::ping(&socket, wait, setting),
        (Probe::Ping { wait, .. }, Side::Binder) => sockets::pong(&socket, wait),
        (_, Side::Connector) => stream::send(&socket, framed_bytes(probe), setting),
        (_, Side::Binder) => stream::receive(&socket, framed_bytes(probe), setting),
    }
}

fn framed_bytes(probe: Probe) -> Option<usize> {
    match probe {
        Probe::Framed { size_bytes, .. } => Some(size_bytes),
        _ => None,
    }
}

/// One line of the floor: what its rounds brought, or why there is nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What was measured.
    #[serde(flatten)]
    pub probe: Probe,
    /// What came out, before, between and after the measurements it stands beside.
    pub rounds: Vec<Result<Outcome, String>>,
}

impl Line {
    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.rounds.iter().filter_map(|round| round.as_ref().ok())
    }

    /// Why rounds came to nothing.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.rounds.iter().filter_map(|round| round.as_ref().err().map(String::as_str))
    }

    /// The round trips of each round, or the gaps; empty if the probe measures neither.
    pub fn latencies(&self) -> Vec<Latencies> {
        let samples = self.outcomes().filter_map(|outcome| outcome.connector.latency.as_ref());
        samples.map(|samples| samples.to_latencies()).collect()
    }

    /// All rounds' round trips together, and each percentile's spread over the rounds.
    pub fn latency(&self) -> Option<LatencySummary> {
        LatencySummary::of(&self.latencies())
    }

    /// Messages and bytes per second where they arrive, if the probe measures a flow.
    pub fn rates(&self) -> Option<RateSummary> {
        let flows = self.outcomes().filter_map(|outcome| {
            let in_process = self.probe.in_process();
            let receiver = if in_process { &outcome.connector } else { &outcome.binder };
            let flows = receiver.latency.is_none() && receiver.elapsed_ns > 0;
            flows.then_some((receiver.messages, receiver.bytes, receiver.elapsed_ns))
        });
        RateSummary::of(flows)
    }

    /// The share of the time that a spinning thread was kept from its core.
    pub fn stolen_share(&self) -> Option<f64> {
        let Probe::Jitter { .. } = self.probe else { return None };
        let (mut lost, mut all) = (0, 0);
        for outcome in self.outcomes() {
            lost += outcome.connector.bytes;
            all += outcome.connector.elapsed_ns;
        }
        (all > 0).then(|| lost as f64 / all as f64)
    }
}

/// The whole floor of this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Floor(pub Vec<Line>);

impl Floor {
    /// Adds a round to each line, making lines at the first.
    pub fn add(&mut self, round: Vec<(Probe, Result<Outcome, String>)>) {
        for (probe, outcome) in round {
            match self.0.iter_mut().find(|line| line.probe == probe) {
                Some(line) => line.rounds.push(outcome),
                None => self.0.push(Line { probe, rounds: vec![outcome] }),
            }
        }
    }

    /// How undisturbed the cores of both sides were, over all rounds.
    pub fn jitter(&self, core: impl Fn(Side) -> usize) -> Vec<Jitter> {
        let of = |line: &Line| {
            let Probe::Jitter { side } = line.probe else { return None };
            let longest_ns = line.latency().map_or(0, |summary| summary.merged.quantile_ns(1.0));
            Some(Jitter { core: core(side), longest_ns, stolen_share: line.stolen_share()? })
        };
        self.0.iter().filter_map(of).collect()
    }

    fn line(&self, wanted: Probe) -> Option<&Line> {
        self.0.iter().find(|line| line.probe == wanted)
    }

    /// The line with the shortest round trips over a transport.
    pub fn round_trip(&self, transport: Transport, wait: Wait) -> Option<&Line> {
        let probe = match (transport, wait) {
            (Transport::Inproc, Wait::Spinning) => Probe::Bounce,
            (Transport::Inproc, Wait::Sleeping) => Probe::Eventfd,
            (Transport::Ipc, wait) => Probe::Ping { family: Family::Unix, wait },
            (Transport::Tcp, wait) => Probe::Ping { family: Family::Tcp, wait },
        };
        self.line(probe)
    }

    /// The most messages per second over a transport, with its spread over the rounds. Within a
    /// process that is one word each: the message by reference.
    pub fn messages_per_second(&self, transport: Transport, size_bytes: usize) -> Option<Spread> {
        let family = match transport {
            Transport::Inproc => return Some(self.line(Probe::Ring)?.rates()?.messages_per_second),
            Transport::Ipc => Family::Unix,
            Transport::Tcp => Family::Tcp,
        };
        if let Some(framed) = self.line(Probe::Framed { family, size_bytes }) {
            return Some(framed.rates()?.messages_per_second);
        }
        // The best of all streams of this kind: one of them may have met a slow moment.
        let streams = self.0.iter().filter(|line| match line.probe {
            Probe::Stream { family: of } | Probe::Framed { family: of, .. } => of == family,
            _ => false,
        });
        let rates = streams.filter_map(|line| Some(line.rates()?.bytes_per_second));
        let best = rates.max_by(|one, other| one.median.total_cmp(&other.median))?;
        Some(best.scaled(1.0 / size_bytes as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(probe: Probe, messages: u64, bytes: u64) -> Line {
        let elapsed_ns = crate::clock::SECOND_NS;
        let flow = RoleReport { messages, bytes, elapsed_ns, ..RoleReport::default() };
        let (connector, binder) = if probe.in_process() {
            (flow, RoleReport::default())
        } else {
            (RoleReport::default(), flow)
        };
        Line { probe, rounds: vec![Ok(Outcome { connector, binder })] }
    }

    #[test]
    fn each_message_size_has_its_limit() {
        let family = Family::Tcp;
        let floor = Floor(vec![
            line(Probe::Ring, 1000, 8000),
            line(Probe::Stream { family }, 0, 4_000_000),
            line(Probe::Framed { family, size_bytes: 64 }, 500, 32_000),
        ]);
        let limit = |transport, size| Some(floor.messages_per_second(transport, size)?.median);
        assert_eq!(limit(Transport::Inproc, 64), Some(1000.0));
        assert_eq!(limit(Transport::Tcp, 64), Some(500.0), "framed messages of that size");
        assert_eq!(limit(Transport::Tcp, 8000), Some(500.0), "bandwidth over size");
        assert_eq!(limit(Transport::Ipc, 64), None, "not measured");
    }

    #[test]
    fn rounds_of_a_probe_gather_in_one_line_with_their_spread() {
        let round = |messages, bytes| {
            let line = line(Probe::Ring, messages, bytes);
            vec![(line.probe, line.rounds[0].clone())]
        };
        let mut floor = Floor::default();
        for messages in [10, 30, 20] {
            floor.add(round(messages, 8));
        }
        floor.add(vec![(Probe::Ring, Err("late".into()))]);
        let rates = floor.0[0].rates().unwrap().messages_per_second;
        assert_eq!((rates.median, rates.min, rates.max), (20.0, 10.0, 30.0));
        assert_eq!((floor.0.len(), floor.0[0].errors().count()), (1, 1));
    }

    #[test]
    fn jitter_is_the_longest_gap_and_the_share_of_all() {
        let mut gaps = Latencies::new();
        [2_000, 8_000].into_iter().for_each(|gap| gaps.record(gap));
        let latency = Some(gaps.to_samples());
        let connector =
            RoleReport { latency, bytes: 10_000, elapsed_ns: 100_000, ..RoleReport::default() };
        let outcome = Outcome { connector, binder: RoleReport::default() };
        let probe = Probe::Jitter { side: Side::Binder };
        let mut floor = Floor::default();
        floor.add(vec![(probe, Ok(outcome.clone()))]);
        floor.add(vec![(probe, Ok(outcome))]);
        let jitter = floor.jitter(|side| if side == Side::Binder { 7 } else { 0 });
        assert_eq!((jitter.len(), jitter[0].core, jitter[0].stolen_share), (1, 7, 0.1));
        assert!(jitter[0].longest_ns.abs_diff(8_000) < 10, "{jitter:?}");
    }

    #[test]
    fn large_sizes_need_no_framed_probe() {
        let framed = probes(&[64, 65_536]).into_iter().filter_map(framed_bytes);
        assert_eq!(framed.collect::<Vec<_>>(), [64, 64]);
    }
}
