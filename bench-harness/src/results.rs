//! What the repeats of a cell amount to: medians with their spread, and what went wrong.

use crate::clock::SECOND_NS;
use crate::histogram::{Latencies, QUANTILES, Samples};
use crate::peer::{PeerName, Transport};
use crate::process::Outcome;
use crate::workload::Workload;

/// One library, one workload, one transport, all repeats.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What was measured.
    pub workload: Workload,
    /// Over what.
    pub transport: Transport,
    /// With which library.
    pub peer: PeerName,
    /// The repeats that came to an end.
    pub outcomes: Vec<Outcome>,
    /// Why others did not.
    pub errors: Vec<String>,
}

/// The middle of the repeats, and the extremes.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    /// One per entry of [`QUANTILES`], in nanoseconds.
    pub quantiles_ns: Vec<Spread>,
    /// Which of them rest on fewer than ten samples above, in the repeat that has fewest.
    pub doubtful: Vec<bool>,
    /// All repeats together.
    pub merged: Latencies,
}

/// The flow of a cell, as received.
#[derive(Debug, Clone, Copy)]
pub struct RateSummary {
    /// Messages per second.
    pub messages_per_second: Spread,
    /// Body bytes per second.
    pub bytes_per_second: Spread,
}

impl Cell {
    /// Percentiles over the repeats; none if the workload has no such latency.
    pub fn latency(&self, since: Since) -> Option<LatencySummary> {
        let samples = |outcome: &Outcome| -> Option<Samples> {
            match since {
                Since::Intended => {
                    outcome.connector.latency.clone().or_else(|| outcome.binder.latency.clone())
                }
                Since::Sent => outcome.binder.latency_since_send.clone(),
            }
        };
        let repeats: Vec<_> = self
            .outcomes
            .iter()
            .filter_map(samples)
            .map(|samples| samples.to_latencies())
            .collect();
        let mut merged = Latencies::new();
        repeats.iter().for_each(|repeat| merged.merge(repeat));
        let spread = |(_, quantile)| {
            Spread::of(repeats.iter().map(|repeat| repeat.quantile_ns(quantile) as f64))
        };
        let doubtful = |(_, quantile)| repeats.iter().any(|repeat| repeat.is_doubtful(quantile));
        Some(LatencySummary {
            quantiles_ns: QUANTILES.into_iter().map(spread).collect::<Option<_>>()?,
            doubtful: QUANTILES.into_iter().map(doubtful).collect(),
            merged,
        })
    }

    /// The rate over the repeats, at the receiver; at the requester for round trips.
    pub fn rate(&self) -> Option<RateSummary> {
        let flow = |outcome: &Outcome| {
            let round_trip = self.workload == Workload::RoundTrip;
            let side = if round_trip { &outcome.connector } else { &outcome.binder };
            (side.elapsed_ns > 0).then(|| {
                let seconds = side.elapsed_ns as f64 / SECOND_NS as f64;
                (side.messages as f64 / seconds, side.bytes as f64 / seconds)
            })
        };
        let flows: Vec<_> = self.outcomes.iter().filter_map(flow).collect();
        Some(RateSummary {
            messages_per_second: Spread::of(flows.iter().map(|flow| flow.0))?,
            bytes_per_second: Spread::of(flows.iter().map(|flow| flow.1))?,
        })
    }

    /// The cell in words, for progress and messages.
    pub fn label(&self) -> String {
        format!("{} {} {}", self.transport.name(), self.peer.name(), self.workload.label())
    }

    /// Messages lost or out of order, and repeats that came to nothing.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = self.errors.clone();
        for (index, outcome) in self.outcomes.iter().enumerate() {
            let (sent, binder) = (outcome.connector.messages, &outcome.binder);
            if binder.lost > 0 || binder.messages < sent {
                let lost = binder.lost.max(sent.saturating_sub(binder.messages));
                failures.push(format!("repeat {}: {lost} of {sent} messages lost", index + 1));
            }
            if binder.reordered > 0 {
                let count = binder.reordered;
                failures.push(format!("repeat {}: {count} messages out of order", index + 1));
            }
        }
        failures.iter().map(|failure| format!("{}: {failure}", self.label())).collect()
    }

    /// Whether the sender fell short of the rate it was to keep, in words.
    pub fn missed_target(&self) -> Option<String> {
        let Workload::OneWay { rate_per_second } = self.workload else { return None };
        let reached = self.outcomes.iter().filter(|outcome| outcome.connector.elapsed_ns > 0);
        let slowest = reached
            .map(|Outcome { connector, .. }| {
                let intervals = connector.messages.saturating_sub(1) as f64;
                intervals * SECOND_NS as f64 / connector.elapsed_ns as f64
            })
            .min_by(f64::total_cmp)?;
        (slowest < 0.99 * rate_per_second as f64).then(|| {
            format!(
                "{}: target rate missed: {slowest:.0} of {rate_per_second} messages per second; \
                 latency since the intended time shows how late they were",
                self.label()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::RoleReport;

    fn cell(workload: Workload, sides: Vec<(RoleReport, RoleReport)>) -> Cell {
        let outcome = |(connector, binder)| Outcome { connector, binder };
        Cell {
            workload,
            transport: Transport::Tcp,
            peer: PeerName::Raw,
            outcomes: sides.into_iter().map(outcome).collect(),
            errors: Vec::new(),
        }
    }

    fn flow(messages: u64, elapsed_ns: u64) -> RoleReport {
        RoleReport { messages, elapsed_ns, bytes: messages * 64, ..RoleReport::default() }
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
        let throughput = Workload::Throughput { size_bytes: 64 };
        let summary = cell(throughput, vec![(flow(100, 1), flow(100, SECOND_NS / 2))]).rate();
        assert_eq!(summary.unwrap().messages_per_second.median, 200.0);
        assert_eq!(summary.unwrap().bytes_per_second.max, 12_800.0);
    }

    #[test]
    fn lost_and_reordered_messages_are_failures() {
        let throughput = Workload::Throughput { size_bytes: 64 };
        let received = RoleReport { lost: 2, reordered: 1, ..flow(98, 1) };
        let failures = cell(throughput, vec![(flow(100, 1), received)]).failures();
        assert_eq!(failures.len(), 2);
        assert!(failures[0].contains("2 of 100 messages lost"), "{failures:?}");
        assert!(cell(throughput, vec![(flow(9, 1), flow(9, 1))]).failures().is_empty());
    }

    #[test]
    fn a_sender_that_falls_behind_is_reported() {
        let one_way = Workload::OneWay { rate_per_second: 1000 };
        let at = |messages| cell(one_way, vec![(flow(messages, SECOND_NS), flow(messages, 1))]);
        assert_eq!(at(1001).missed_target(), None);
        assert!(at(901).missed_target().unwrap().contains("900 of 1000"));
    }

    #[test]
    fn percentiles_are_medians_of_repeats_and_merged_holds_all() {
        let repeat = |latency_ns| {
            let mut latencies = Latencies::new();
            (0..100).for_each(|_| latencies.record(latency_ns));
            let latency = Some(latencies.to_samples());
            (RoleReport { latency, ..flow(100, 1) }, flow(100, 1))
        };
        let cell = cell(Workload::RoundTrip, vec![repeat(10), repeat(30), repeat(20)]);
        let summary = cell.latency(Since::Intended).unwrap();
        assert_eq!(summary.quantiles_ns[0], Spread { median: 20.0, min: 10.0, max: 30.0 });
        assert_eq!(summary.merged.count(), 300);
        assert_eq!(summary.doubtful, [false, false, true, true, true, false]);
        assert!(cell.latency(Since::Sent).is_none());
    }
}
