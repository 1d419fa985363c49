//! What can be measured: a pattern of sockets, how it is loaded, and how large its messages are.

use serde::{Deserialize, Serialize};

use super::message::{LATENCY_BYTES_MIN, STREAM_BYTES_MIN};
use crate::peer::{Capabilities, SocketKind, Transport};
use crate::role::Side;

/// Which sockets, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "pattern")]
pub enum Pattern {
    /// REQ to REP.
    RequestReply,
    /// PUSH to PULL.
    PushPull,
    /// DEALER to ROUTER and back.
    RouterDealer,
    /// One PUB to many SUB in one process.
    FanOut {
        /// Those that read.
        subscribers: u32,
        /// Those that subscribe and then never read.
        stuck: u32,
        /// At most so many messages are sent before they have to be read.
        #[serde(default = "window_messages_max")]
        window_messages_max: u32,
    },
    /// Many PUSH in one process to one PULL.
    FanIn {
        /// How many.
        senders: u32,
    },
    /// PUSH through the library's own proxy to PULL.
    Proxy,
    /// Connections on which nothing happens, to one PULL.
    Idle {
        /// How many.
        connections: u32,
    },
}

/// Messages of a window when the high-water mark allows it: many, so that the rate does not depend on how fast
/// acknowledgements travel.
const WINDOW_MESSAGES_MAX: u32 = 200;
/// The same beside a subscriber that never reads. With more stock libzmq comes to lose messages for the others, and stands
/// still.
const WINDOW_BESIDE_STUCK_MESSAGES_MAX: u32 = 100;

/// What results had that do not say it.
fn window_messages_max() -> u32 {
    WINDOW_MESSAGES_MAX
}

impl Pattern {
    /// One PUB to so many SUB.
    pub fn fan_out(subscribers: u32) -> Self {
        Self::FanOut { subscribers, stuck: 0, window_messages_max: WINDOW_MESSAGES_MAX }
    }

    /// The same beside others that never read; with none of these it is what to compare with.
    pub fn fan_out_beside(subscribers: u32, stuck: u32) -> Self {
        let window_messages_max = WINDOW_BESIDE_STUCK_MESSAGES_MAX;
        Self::FanOut { subscribers, stuck, window_messages_max }
    }
}

/// What decides when the next message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "load")]
pub enum Load {
    /// The answer to the last one, and then a pause.
    ClosedLoop {
        /// The pause.
        gap_ns: u64,
    },
    /// The clock.
    OpenLoop {
        /// Messages per second.
        rate_per_second: u64,
        /// How many of them are due at once.
        burst_messages: u64,
    },
    /// An answer to one of so many that are on the way.
    Window {
        /// How many.
        messages: u32,
    },
    /// Nothing but room in the queue.
    Saturating,
    /// Nothing is sent.
    Silent,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Workload {
    /// Which sockets.
    #[serde(flatten)]
    pub pattern: Pattern,
    /// When they send.
    #[serde(flatten)]
    pub load: Load,
    /// The size of each part of each message.
    pub size_bytes: usize,
    /// Parts of each message.
    pub parts: u32,
}

impl Workload {
    fn new(pattern: Pattern, load: Load, size_bytes: usize) -> Self {
        Self { pattern, load, size_bytes, parts: 1 }
    }

    /// REQ/REP, the next request a pause after the answer.
    pub fn round_trip(size_bytes: usize, gap_ns: u64) -> Self {
        Self::new(Pattern::RequestReply, Load::ClosedLoop { gap_ns }, size_bytes)
    }

    /// PUSH/PULL at a fixed rate.
    pub fn one_way(size_bytes: usize, rate_per_second: u64, burst_messages: u64) -> Self {
        let load = Load::OpenLoop { rate_per_second, burst_messages };
        Self::new(Pattern::PushPull, load, size_bytes)
    }

    /// PUSH/PULL as fast as it goes.
    pub fn throughput(size_bytes: usize, parts: u32) -> Self {
        Self { parts, ..Self::saturating(Pattern::PushPull, size_bytes) }
    }

    /// Any pattern as fast as it goes.
    pub fn saturating(pattern: Pattern, size_bytes: usize) -> Self {
        Self::new(pattern, Load::Saturating, size_bytes)
    }

    /// ROUTER/DEALER with so many requests on the way.
    pub fn router_dealer(size_bytes: usize, messages: u32) -> Self {
        Self::new(Pattern::RouterDealer, Load::Window { messages }, size_bytes)
    }

    /// So many connections, and nothing else.
    pub fn idle(connections: u32) -> Self {
        Self::new(Pattern::Idle { connections }, Load::Silent, LATENCY_BYTES_MIN)
    }

    /// Whether it ends in latencies; in rates otherwise, or in costs.
    pub fn measures_latency(&self) -> bool {
        matches!(self.load, Load::ClosedLoop { .. } | Load::OpenLoop { .. })
    }

    /// Whether it ends in a rate that is as high as it goes.
    pub fn measures_rate(&self) -> bool {
        matches!(self.load, Load::Saturating | Load::Window { .. })
    }

    /// The smallest message this workload can do with.
    pub fn size_bytes_min(&self) -> usize {
        if self.measures_rate() { STREAM_BYTES_MIN } else { LATENCY_BYTES_MIN }
    }

    /// The side where messages or answers arrive to be counted.
    pub fn receiver(&self) -> Side {
        match self.pattern {
            Pattern::RequestReply | Pattern::RouterDealer | Pattern::FanOut { .. } => {
                Side::Connector
            }
            _ => Side::Binder,
        }
    }

    /// Whether a library can do it, and over this transport.
    pub fn possible(&self, with: &Capabilities, transport: Transport) -> bool {
        use SocketKind::{Dealer, Pub, Pull, Push, Rep, Req, Router, Sub};
        let kinds: &[_] = match self.pattern {
            Pattern::RequestReply => &[Req, Rep],
            Pattern::RouterDealer => &[Router, Dealer],
            Pattern::FanOut { .. } => &[Pub, Sub, Push, Pull],
            Pattern::PushPull | Pattern::FanIn { .. } | Pattern::Proxy => &[Push, Pull],
            Pattern::Idle { .. } => &[Pull],
        };
        let many = !matches!(self.pattern, Pattern::RequestReply | Pattern::PushPull);
        let parts = self.parts > 1 || self.pattern == Pattern::RouterDealer;
        let idle = matches!(self.pattern, Pattern::Idle { .. });
        with.transports.contains(&transport)
            && kinds.iter().all(|kind| with.kinds.contains(kind))
            && (!many || with.many_connections)
            && (!parts || with.multipart)
            && (self.pattern != Pattern::Proxy || with.proxy)
            // There is no connection without a connection.
            && !(idle && transport == Transport::Inproc)
    }

    /// How many sockets one process may need.
    pub fn sockets(&self) -> u32 {
        match self.pattern {
            Pattern::FanOut { subscribers, stuck, .. } => subscribers + stuck + 2,
            Pattern::FanIn { senders } => senders + 1,
            _ => 4,
        }
    }

    /// How many connections have to be set up first.
    pub fn connections(&self) -> u32 {
        match self.pattern {
            Pattern::Idle { connections } => connections,
            _ => self.sockets(),
        }
    }

    /// A short name for progress, file names and errors.
    pub fn label(&self) -> String {
        let bytes = self.size_bytes;
        match (self.pattern, self.load) {
            (Pattern::Idle { connections }, _) => format!("idle-{connections}-connections"),
            (_, Load::ClosedLoop { gap_ns: 0 }) => format!("round-trip-{bytes}-bytes"),
            (_, Load::ClosedLoop { gap_ns }) => {
                format!("round-trip-{bytes}-bytes-after-{}-us", gap_ns / 1000)
            }
            (_, Load::OpenLoop { rate_per_second, burst_messages: 0 | 1 }) => {
                format!("one-way-{bytes}-bytes-{rate_per_second}-per-second")
            }
            (_, Load::OpenLoop { rate_per_second, burst_messages }) => {
                format!(
                    "one-way-{bytes}-bytes-{rate_per_second}-per-second-bursts-of-{burst_messages}"
                )
            }
            (
                Pattern::FanOut { subscribers, stuck: 0, window_messages_max: WINDOW_MESSAGES_MAX },
                _,
            ) => format!("fan-out-{subscribers}-{bytes}-bytes"),
            (Pattern::FanOut { subscribers, stuck: 0, window_messages_max: small }, _) => {
                format!("fan-out-{subscribers}-window-{small}-{bytes}-bytes")
            }
            (Pattern::FanOut { subscribers, stuck, .. }, _) => {
                format!("fan-out-{subscribers}-beside-{stuck}-stuck-{bytes}-bytes")
            }
            (Pattern::FanIn { senders }, _) => format!("fan-in-{senders}-{bytes}-bytes"),
            (_, Load::Window { messages }) => {
                format!("router-dealer-{messages}-deep-{bytes}-bytes")
            }
            (Pattern::Proxy, _) => format!("proxy-{bytes}-bytes"),
            _ if self.parts > 1 => format!("throughput-{}-parts-{bytes}-bytes", self.parts),
            _ => format!("throughput-{bytes}-bytes"),
        }
    }

    /// What it is, in words for a table.
    pub fn title(&self) -> String {
        match (self.pattern, self.load) {
            (Pattern::RequestReply, Load::ClosedLoop { gap_ns: 0 }) => "REQ/REP".into(),
            (Pattern::RequestReply, Load::ClosedLoop { gap_ns }) => {
                format!("REQ/REP after {} µs of silence", gap_ns / 1000)
            }
            (Pattern::RouterDealer, Load::Window { messages }) => {
                format!("ROUTER/DEALER, {messages} on the way")
            }
            (
                Pattern::FanOut { subscribers, stuck: 0, window_messages_max: WINDOW_MESSAGES_MAX },
                _,
            ) => format!("PUB to {subscribers} SUB"),
            (Pattern::FanOut { subscribers, stuck: 0, window_messages_max: small }, _) => {
                format!("PUB to {subscribers} SUB, windows of {small}")
            }
            (Pattern::FanOut { subscribers, stuck, .. }, _) => {
                format!("PUB to {subscribers} SUB, {stuck} more never reads")
            }
            (Pattern::FanIn { senders }, _) => format!("{senders} PUSH to one PULL"),
            (Pattern::Proxy, _) => "PUSH, proxy, PULL".into(),
            (Pattern::Idle { connections }, _) => format!("{connections} idle connections to PULL"),
            (_, Load::OpenLoop { rate_per_second, .. }) => {
                format!("PUSH/PULL, open loop at {rate_per_second} msg/s")
            }
            _ if self.parts > 1 => format!("PUSH/PULL, {} parts each", self.parts),
            _ => "PUSH/PULL".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_has_its_own_label_and_survives_json() {
        let all = [
            Workload::round_trip(64, 0),
            Workload::round_trip(64, 10_000),
            Workload::one_way(64, 1000, 1),
            Workload::one_way(64, 1000, 10),
            Workload::throughput(64, 1),
            Workload::throughput(64, 3),
            Workload::router_dealer(64, 1000),
            Workload::idle(1000),
            Workload::saturating(Pattern::Proxy, 64),
            Workload::saturating(Pattern::FanIn { senders: 100 }, 64),
            Workload::saturating(Pattern::fan_out(99), 64),
            Workload::saturating(Pattern::fan_out_beside(99, 0), 64),
            Workload::saturating(Pattern::fan_out_beside(99, 1), 64),
        ];
        let labels: std::collections::HashSet<_> = all.iter().map(Workload::label).collect();
        assert_eq!(labels.len(), all.len());
        for workload in all {
            let text = serde_json::to_string(&workload).unwrap();
            assert_eq!(serde_json::from_str::<Workload>(&text).unwrap(), workload, "{text}");
        }
    }

    #[test]
    fn what_a_library_lacks_is_not_asked_of_it() {
        let all = Capabilities::all();
        let one = Capabilities { many_connections: false, proxy: false, ..all.clone() };
        assert!(Workload::throughput(64, 1).possible(&one, Transport::Tcp));
        for pattern in [Pattern::Proxy, Pattern::FanIn { senders: 2 }] {
            let workload = Workload::saturating(pattern, 64);
            assert!(workload.possible(&all, Transport::Tcp));
            assert!(!workload.possible(&one, Transport::Tcp), "{pattern:?}");
        }
        assert!(!Workload::idle(1).possible(&all, Transport::Inproc));
        let single = Capabilities { multipart: false, ..all };
        assert!(!Workload::throughput(64, 3).possible(&single, Transport::Tcp));
    }
}
