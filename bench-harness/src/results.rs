//! What the repeats of a cell amount to: middle values with their spread, ratios repeat by repeat,
//! and what went wrong.

use serde::{Deserialize, Serialize};

use crate::clock::SECOND_NS;
use crate::histogram::{Latencies, QUANTILES, Samples};
use crate::peer::{PeerName, Transport};
use crate::process::Outcome;
use crate::role::Side;
use crate::usage::Usage;
use crate::workload::{Load, Pattern, RoleReport, Workload};

/// One library, one workload, one transport, all repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What was measured.
    pub workload: Workload,
    /// Over what.
    pub transport: Transport,
    /// With which library.
    pub peer: PeerName,
    /// What each repeat brought, or why it came to nothing. Repeats with the same index ran beside
    /// each other.
    pub repeats: Vec<Result<Outcome, String>>,
    /// One repeat more, in which system calls were counted; nothing else of it is used. `None` where they cannot be counted.
    #[serde(default)]
    pub counted: Option<Result<Outcome, String>>,
}

/// The middle of the repeats, and the extremes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Middle value; the mean of the two middle ones if the number is even.
    pub median: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// The spread of some values, if there are any.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), min, max })
    }

    /// All three, times a factor.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let Self { median, min, max } = self;
        Self { median: median * factor, min: min * factor, max: max * factor }
    }
}

/// From when a latency counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The request, or the moment the message should have been sent.
    Intended,
    /// The moment the message was sent, open loop only.
    Sent,
}

/// The latencies of a cell.
#[derive(Debug, Clone)]
pub struct LatencySummary {
    /// One per entry of [`QUANTILES`], in nanoseconds: of all samples of all repeats together, and
    /// the smallest and largest that a single repeat had.
    pub quantiles: Vec<Quantile>,
    /// All repeats together.
    pub merged: Latencies,
}

/// One percentile of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// Of all samples together.
    pub merged_ns: u64,
    /// Of the repeat where it is smallest.
    pub min_ns: u64,
    /// Of the repeat where it is largest.
    pub max_ns: u64,
    /// Whether fewer than ten of all samples lie above.
    pub doubtful: bool,
}

impl LatencySummary {
    /// What repeats amount to; none if there are none, or nothing in them.
    pub fn of(repeats: &[Latencies]) -> Option<Self> {
        let mut merged = Latencies::new();
        repeats.iter().for_each(|repeat| merged.merge(repeat));
        let filled = || repeats.iter().filter(|repeat| repeat.count() > 0);
        let quantile = |(_, quantile): (&str, f64)| {
            let of_repeats = || filled().map(|repeat| repeat.quantile_ns(quantile));
            Some(Quantile {
                merged_ns: merged.quantile_ns(quantile),
                min_ns: of_repeats().min()?,
                max_ns: of_repeats().max()?,
                doubtful: merged.is_doubtful(quantile),
            })
        };
        let quantiles = QUANTILES.into_iter().map(quantile).collect::<Option<_>>()?;
        Some(Self { quantiles, merged })
    }
}

/// The flow of a cell, as received.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateSummary {
    /// Messages per second.
    pub messages_per_second: Spread,
    /// Body bytes per second.
    pub bytes_per_second: Spread,
}

impl RateSummary {
    /// The rates of repeats, given as messages, bytes and nanoseconds of each.
    pub fn of(flows: impl Iterator<Item = (u64, u64, u64)>) -> Option<Self> {
        let flows: Vec<_> = flows
            .map(|(messages, bytes, elapsed_ns)| {
                let seconds = elapsed_ns as f64 / SECOND_NS as f64;
                (messages as f64 / seconds, bytes as f64 / seconds)
            })
            .collect();
        Some(Self {
            messages_per_second: Spread::of(flows.iter().map(|flow| flow.0))?,
            bytes_per_second: Spread::of(flows.iter().map(|flow| flow.1))?,
        })
    }
}

/// What a message costs, over the repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostSummary {
    /// Processor time of both sides together, in nanoseconds.
    pub cpu_ns: Spread,
    /// The part of it that the sender's process took, median; all of it when one process holds both.
    pub connector_cpu_ns: Option<f64>,
    /// The part that the receiver's process took, median.
    pub binder_cpu_ns: Option<f64>,
    /// The share of it inside the kernel, from 0 to 1, median.
    pub system_share: f64,
    /// Context switches of threads that went to sleep, both sides, median.
    pub voluntary_switches: f64,
    /// Context switches of threads that had to yield, both sides, median.
    pub involuntary_switches: f64,
    /// System calls of both sides, in the repeat that counted them; none where they cannot be counted.
    pub system_calls: Option<f64>,
}

/// What one repeat used for how many messages.
struct Used {
    messages: f64,
    both: Usage,
    connector: Option<Usage>,
    binder: Option<Usage>,
}

impl Cell {
    /// A cell without repeats yet.
    pub fn new(workload: Workload, transport: Transport, peer: PeerName) -> Self {
        Self { workload, transport, peer, repeats: Vec::new(), counted: None }
    }

    /// The repeats that came to an end.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.repeats.iter().filter_map(|repeat| repeat.as_ref().ok())
    }

    fn receiver<'a>(&self, outcome: &'a Outcome) -> &'a RoleReport {
        match self.workload.receiver() {
            Side::Connector => &outcome.connector,
            Side::Binder => &outcome.binder,
        }
    }

    fn sender<'a>(&self, outcome: &'a Outcome) -> &'a RoleReport {
        match self.workload.receiver() {
            Side::Connector => &outcome.binder,
            Side::Binder => &outcome.connector,
        }
    }

    /// The histogram of one repeat.
    pub fn samples<'a>(&self, outcome: &'a Outcome, since: Since) -> Option<&'a Samples> {
        match since {
            Since::Intended => self.receiver(outcome).latency.as_ref(),
            Since::Sent => self.receiver(outcome).latency_since_send.as_ref(),
        }
    }

    /// Percentiles over the repeats; none if the workload has no such latency.
    pub fn latency(&self, since: Since) -> Option<LatencySummary> {
        let samples = self.outcomes().filter_map(|outcome| self.samples(outcome, since));
        LatencySummary::of(&samples.map(Samples::to_latencies).collect::<Vec<_>>())
    }

    /// The rate over the repeats, where messages or answers arrive.
    pub fn rate(&self) -> Option<RateSummary> {
        let flows = self.outcomes().map(|outcome| self.receiver(outcome));
        let flows = flows.filter(|side| side.elapsed_ns > 0 && side.messages > 0);
        RateSummary::of(flows.map(|side| (side.messages, side.bytes, side.elapsed_ns)))
    }

    /// What a message costs; none without usage figures. Round trips count as one message.
    pub fn cost(&self) -> Option<CostSummary> {
        let all: Vec<_> = self.outcomes().filter_map(|outcome| self.used(outcome)).collect();
        let median = |of: &dyn Fn(&Used) -> Option<f64>| {
            let each: Option<Vec<_>> =
                all.iter().map(|used| Some(of(used)? / used.messages)).collect();
            Some(Spread::of(each?)?.median)
        };
        let shares =
            all.iter().map(|used| used.both.system_ns as f64 / used.both.cpu_ns().max(1) as f64);
        let cpu = |usage: Option<Usage>| Some(usage?.cpu_ns() as f64);
        Some(CostSummary {
            cpu_ns: Spread::of(all.iter().map(|used| used.both.cpu_ns() as f64 / used.messages))?,
            connector_cpu_ns: median(&|used| cpu(used.connector)),
            binder_cpu_ns: median(&|used| cpu(used.binder)),
            system_share: Spread::of(shares)?.median,
            voluntary_switches: median(&|used| Some(used.both.voluntary_switches as f64))?,
            involuntary_switches: median(&|used| Some(used.both.involuntary_switches as f64))?,
            system_calls: self.system_calls(),
        })
    }

    fn system_calls(&self) -> Option<f64> {
        let used = self.used(self.counted.as_ref()?.as_ref().ok()?)?;
        Some(used.both.system_calls? as f64 / used.messages)
    }

    fn used(&self, outcome: &Outcome) -> Option<Used> {
        let (connector, binder) = (outcome.connector.usage, outcome.binder.usage);
        let both = match (connector, binder) {
            (Some(one), Some(other)) => one.and(other),
            (one, other) => one.or(other)?,
        };
        let messages = self.receiver(outcome).messages;
        (messages > 0).then_some(Used { messages: messages as f64, both, connector, binder })
    }

    /// Bytes of memory per idle connection, at the side that accepted them.
    pub fn bytes_per_connection(&self) -> Option<Spread> {
        let Pattern::Idle { connections } = self.workload.pattern else { return None };
        let bytes = self.outcomes().filter_map(|outcome| outcome.binder.connections_bytes);
        Spread::of(bytes.map(|bytes| bytes as f64 / f64::from(connections.max(1))))
    }

    /// The share of one core that idle connections cost the side that accepted them.
    pub fn idle_share(&self) -> Option<Spread> {
        let Load::Silent = self.workload.load else { return None };
        Spread::of(self.outcomes().filter_map(|outcome| {
            let side = &outcome.binder;
            Some(side.usage?.cpu_ns() as f64 / side.elapsed_ns.max(1) as f64)
        }))
    }

    /// The ratio to another cell, repeat by repeat, of a figure that each repeat has.
    pub fn ratio(
        &self,
        base: &Self,
        figure: impl Fn(&Self, &Outcome) -> Option<f64>,
    ) -> Option<Spread> {
        let pairs = self.repeats.iter().zip(&base.repeats);
        Spread::of(pairs.filter_map(|(ours, theirs)| {
            let ours = figure(self, ours.as_ref().ok()?)?;
            let theirs = figure(base, theirs.as_ref().ok()?)?;
            (theirs > 0.0).then(|| ours / theirs)
        }))
    }

    /// One percentile of one repeat, in nanoseconds.
    pub fn quantile_ns(&self, outcome: &Outcome, since: Since, quantile: f64) -> Option<f64> {
        let latencies = self.samples(outcome, since)?.to_latencies();
        (latencies.count() > 0).then(|| latencies.quantile_ns(quantile) as f64)
    }

    /// Messages per second of one repeat.
    pub fn messages_per_second(&self, outcome: &Outcome) -> Option<f64> {
        let side = self.receiver(outcome);
        let seconds = side.elapsed_ns as f64 / SECOND_NS as f64;
        (seconds > 0.0).then(|| side.messages as f64 / seconds)
    }

    /// Processor time per message of one repeat, both sides, in nanoseconds.
    pub fn cpu_ns_per_message(&self, outcome: &Outcome) -> Option<f64> {
        let single = Self { repeats: vec![Ok(outcome.clone())], ..self.clone() };
        Some(single.cost()?.cpu_ns.median)
    }

    /// The cell in words, for progress and messages.
    pub fn label(&self) -> String {
        format!("{} {} {}", self.transport.name(), self.peer, self.workload.label())
    }

    /// Messages lost or out of order, and repeats that came to nothing.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let numbered = self.repeats.iter().zip(1..).map(|(repeat, n)| (repeat, n.to_string()));
        let counted = self.counted.iter().map(|repeat| (repeat, "that counts calls".to_owned()));
        for (repeat, which) in numbered.chain(counted) {
            let found = match repeat {
                Err(error) => vec![error.clone()],
                Ok(outcome) => self.failures_of(outcome),
            };
            let label = self.label();
            failures.extend(found.into_iter().map(|why| format!("{label}: repeat {which}: {why}")));
        }
        failures
    }

    fn failures_of(&self, outcome: &Outcome) -> Vec<String> {
        let mut failures = Vec::new();
        let (sent, receiver) = (self.sender(outcome).messages, self.receiver(outcome));
        if receiver.messages == 0 {
            let why = match outcome.connector.unsent {
                0 => String::new(),
                unsent => format!(": the sender gave up in its warm-up, {unsent} messages unsent"),
            };
            failures.push(format!("nothing was measured{why}"));
        }
        if receiver.lost > 0 || receiver.messages < sent {
            let lost = receiver.lost.max(sent.saturating_sub(receiver.messages));
            failures.push(format!("{lost} of {sent} messages lost"));
        }
        if receiver.reordered > 0 {
            failures.push(format!("{} messages out of order", receiver.reordered));
        }
        failures
    }

    /// Messages that fell due and were never sent, in all repeats.
    pub fn unsent(&self) -> u64 {
        self.outcomes().map(|outcome| outcome.connector.unsent).sum()
    }

    /// Whether the sender fell short of the rate it was to keep, in words.
    pub fn missed_target(&self) -> Option<String> {
        let Load::OpenLoop { rate_per_second, .. } = self.workload.load else { return None };
        let slowest = self.slowest_sender()?;
        if slowest >= 0.99 * rate_per_second as f64 && self.unsent() == 0 {
            return None;
        }
        let unsent = match self.unsent() {
            0 => String::new(),
            unsent => format!(
                "; the sender gave up with {unsent} messages never sent, so these latencies leave \
                 out the worst (coordinated omission)"
            ),
        };
        Some(format!(
            "{}: target rate missed: {slowest:.0} of {rate_per_second} messages per second; \
             latency since the intended time shows how late they were{unsent}",
            self.label()
        ))
    }

    /// Messages per second of the open-loop sender in the repeat where it was slowest.
    pub fn slowest_sender(&self) -> Option<f64> {
        let reached = self.outcomes().filter(|outcome| outcome.connector.elapsed_ns > 0);
        reached
            .map(|Outcome { connector, .. }| {
                let intervals = connector.messages.saturating_sub(1) as f64;
                intervals * SECOND_NS as f64 / connector.elapsed_ns as f64
            })
            .min_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(workload: Workload, sides: Vec<(RoleReport, RoleReport)>) -> Cell {
        let outcome = |(connector, binder)| Ok(Outcome { connector, binder });
        let repeats = sides.into_iter().map(outcome).collect();
        Cell { repeats, ..Cell::new(workload, Transport::Tcp, PeerName::RAW) }
    }

    fn flow(messages: u64, elapsed_ns: u64) -> RoleReport {
        RoleReport { messages, elapsed_ns, bytes: messages * 64, ..RoleReport::default() }
    }

    fn latency(values: impl IntoIterator<Item = u64>) -> Option<Samples> {
        let mut latencies = Latencies::new();
        values.into_iter().for_each(|value| latencies.record(value));
        Some(latencies.to_samples())
    }

    #[test]
    fn the_middle_of_odd_and_even_numbers_of_repeats() {
        let spread = |median, min, max| Some(Spread { median, min, max });
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), spread(2.0, 1.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0]), spread(2.5, 1.0, 4.0));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn the_rate_is_what_the_receiver_saw() {
        let throughput = Workload::throughput(64, 1);
        let summary = cell(throughput, vec![(flow(100, 1), flow(100, SECOND_NS / 2))]).rate();
        assert_eq!(summary.unwrap().messages_per_second.median, 200.0);
        assert_eq!(summary.unwrap().bytes_per_second.max, 12_800.0);
    }

    #[test]
    fn lost_and_reordered_messages_are_failures() {
        let throughput = Workload::throughput(64, 1);
        let received = RoleReport { lost: 2, reordered: 1, ..flow(98, 1) };
        let failures = cell(throughput, vec![(flow(100, 1), received)]).failures();
        assert_eq!(failures.len(), 2);
        assert!(failures[0].contains("2 of 100 messages lost"), "{failures:?}");
        assert!(cell(throughput, vec![(flow(9, 1), flow(9, 1))]).failures().is_empty());
    }

    #[test]
    fn a_cell_that_measured_nothing_is_a_failure_and_shows_no_latency() {
        let one_way = Workload::one_way(64, 1000, 1);
        let nothing = RoleReport { latency: latency([]), ..RoleReport::default() };
        let cell = cell(one_way, vec![(flow(0, 1), nothing)]);
        assert!(cell.failures()[0].contains("nothing was measured"), "{:?}", cell.failures());
        assert!(cell.latency(Since::Intended).is_none() && cell.rate().is_none());
    }

    #[test]
    fn a_sender_that_falls_behind_or_gives_up_is_reported() {
        let one_way = Workload::one_way(64, 1000, 1);
        let at = |messages| cell(one_way, vec![(flow(messages, SECOND_NS), flow(messages, 1))]);
        assert_eq!(at(1001).missed_target(), None);
        assert!(at(901).missed_target().unwrap().contains("900 of 1000"));
        let gave_up = RoleReport { unsent: 7, ..flow(1001, SECOND_NS) };
        let text = cell(one_way, vec![(gave_up, flow(1001, 1))]).missed_target().unwrap();
        assert!(text.contains("7 messages never sent"), "{text}");
    }

    #[test]
    fn percentiles_are_of_all_samples_and_their_range_of_the_repeats() {
        let repeat = |value, count: usize| {
            let latency = latency(std::iter::repeat_n(value, count));
            (RoleReport { latency, ..flow(100, 1) }, flow(100, 1))
        };
        let sides = vec![repeat(10, 600), repeat(30, 100), repeat(20, 400)];
        let summary = cell(Workload::round_trip(64, 0), sides).latency(Since::Intended).unwrap();
        let (p50, max) = (summary.quantiles[0], summary.quantiles[5]);
        assert_eq!((p50.merged_ns, p50.min_ns, p50.max_ns), (10, 10, 30));
        assert_eq!((max.merged_ns, max.doubtful), (30, false), "the maximum of all repeats");
        assert_eq!(summary.merged.count(), 1100);
        let doubtful: Vec<_> = summary.quantiles.iter().map(|quantile| quantile.doubtful).collect();
        assert_eq!(doubtful, [false, false, false, true, true, false], "by all 1100 samples");
    }

    #[test]
    fn ratios_are_taken_between_repeats_that_ran_beside_each_other() {
        let throughput = Workload::throughput(64, 1);
        let of = |rates: [u64; 3]| {
            let mut sides =
                cell(throughput, rates.map(|rate| (flow(rate, 1), flow(rate, SECOND_NS))).into());
            sides.repeats[2] =
                rates[2].checked_sub(1).map_or(Err("died".into()), |_| sides.repeats[2].clone());
            sides
        };
        let figure = |cell: &Cell, outcome: &Outcome| cell.messages_per_second(outcome);
        let ratio = of([200, 900, 400]).ratio(&of([100, 300, 0]), figure).unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max), (2.5, 2.0, 3.0), "the third has no pair");
    }

    #[test]
    fn costs_are_per_message_and_of_both_processes() {
        let usage = |cpu: u64| Usage { user_ns: cpu, system_ns: cpu, ..Usage::default() };
        let side = |cpu| RoleReport { usage: Some(usage(cpu)), ..flow(10, 1) };
        let throughput = Workload::throughput(64, 1);
        let mut measured = cell(throughput, vec![(side(100), side(300))]);
        let cost = measured.cost().unwrap();
        assert_eq!((cost.cpu_ns.median, cost.system_share), (80.0, 0.5));
        assert_eq!((cost.connector_cpu_ns, cost.binder_cpu_ns), (Some(20.0), Some(60.0)));
        assert_eq!(cost.system_calls, None, "not counted");
        let calls = Some(Usage { system_calls: Some(3), ..usage(5000) });
        let mut outcome = measured.outcomes().next().unwrap().clone();
        (outcome.connector.usage, outcome.binder.usage) = (calls, calls);
        measured.counted = Some(Ok(outcome));
        let cost = measured.cost().unwrap();
        assert_eq!((cost.system_calls, cost.cpu_ns.median), (Some(0.6), 80.0));
        measured.counted = Some(Err("no end".to_owned()));
        assert_eq!(measured.cost().unwrap().system_calls, None);
        assert!(
            measured.failures()[0].contains("counts calls: no end"),
            "{:?}",
            measured.failures()
        );
        let one_process = cell(throughput, vec![(side(100), flow(10, 1))]).cost().unwrap();
        assert_eq!((one_process.cpu_ns.median, one_process.binder_cpu_ns), (20.0, None));
    }
}
