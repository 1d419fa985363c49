//! The highest rate that a library sustains without loss, and its latency at parts of that rate.
//!
//! A rate is sustained when the sender kept its schedule, everything arrived, and the receiver was
//! not left behind: half of all messages came within a millisecond of when they were due.

use anyhow::Result;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::cli::Plan;
use crate::clock::MILLISECOND_NS;
use crate::machine::Watch;
use crate::peer::{PeerName, Transport};
use crate::results::{Cell, Since};
use crate::run::{self, Runner};
use crate::workload::Workload;

/// Parts of the highest rate, in percent.
const PERCENTS: [u64; 7] = [1, 10, 25, 50, 75, 90, 100];
const FIRST_RATE: u64 = 10_000;
const RATE_MAX: u64 = 100_000_000;
/// The search ends when the rate is known this well: the bounds differ by less than a twentieth.
const PRECISION: u64 = 20;
/// With a median latency above this, messages pile up somewhere.
const BACKLOG_NS: f64 = MILLISECOND_NS as f64;

/// What a sweep found for one library over one transport.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// Over what.
    pub transport: Transport,
    /// With which library.
    pub peer: PeerName,
    /// The highest rate sustained without loss; 0 if not even the lowest tried was.
    pub sustained_per_second: u64,
    /// Every rate tried, in order, and whether it was sustained.
    pub tried: Vec<(u64, bool)>,
    /// The workload at each percentage of that rate; the cells of the document have the latencies.
    pub points: Vec<(u64, Workload)>,
}

/// Does what the plan says, prints it, saves it. Returns whether nothing failed.
pub fn run(plan: &Plan) -> Result<bool> {
    let watch = Watch::start();
    let mut document = run::begin(plan, &watch)?;
    let mut runner = Runner::new(plan)?;
    let progress = run::progress_bar(0);
    let size = plan.latency_size_bytes;
    let able: Vec<_> = document
        .libraries
        .iter()
        .filter_map(|library| Some((library.name, library.probe.as_ref().ok()?.clone())))
        .collect();
    for &transport in &plan.transports {
        for (peer, probe) in &able {
            let at = |rate| Workload::one_way(size, rate, 1);
            if !at(1).possible(&probe.capabilities, transport) {
                continue;
            }
            let mut sustains = |rate| {
                progress.set_message(format!("{} {peer}: {rate} per second?", transport.name()));
                sustained(&mut runner, Cell::new(at(rate), transport, *peer))
            };
            let (sustained_per_second, tried) = search(&mut sustains);
            let rates = PERCENTS.map(|percent| (percent, sustained_per_second * percent / 100));
            let points: Vec<_> = rates
                .into_iter()
                .filter(|(_, rate)| *rate > 0)
                .map(|(percent, rate)| (percent, at(rate)))
                .collect();
            for &(_, workload) in &points {
                let cell = Cell::new(workload, transport, *peer);
                document.cells.push(measured(plan, &mut runner, cell, &progress));
            }
            if sustained_per_second == 0 {
                let rates = tried.iter().map(|(rate, _)| rate.to_string()).collect::<Vec<_>>();
                document.failures.push(format!(
                    "{} {peer}: sustained none of the rates tried: {}",
                    transport.name(),
                    rates.join(", ")
                ));
            }
            let peer = *peer;
            document.sweeps.push(Sweep { transport, peer, sustained_per_second, tried, points });
        }
    }
    progress.finish_and_clear();
    run::finish(plan, document, &watch)
}

fn measured(plan: &Plan, runner: &mut Runner<'_>, mut cell: Cell, progress: &ProgressBar) -> Cell {
    for _ in 0..plan.repeats {
        progress.set_message(cell.label());
        let outcome = runner.cell(cell.workload, cell.transport, cell.peer);
        cell.repeats.push(outcome.map_err(|error| format!("{error:#}")));
    }
    cell
}

/// Whether one try at a rate shows no loss, no delay of the sender and no backlog.
fn sustained(runner: &mut Runner<'_>, mut cell: Cell) -> bool {
    let outcome = runner.cell(cell.workload, cell.transport, cell.peer);
    cell.repeats.push(outcome.map_err(|error| format!("{error:#}")));
    let latency = cell.latency(Since::Intended);
    let prompt =
        latency.is_some_and(|latency| (latency.quantiles[0].merged_ns as f64) < BACKLOG_NS);
    cell.failures().is_empty() && cell.missed_target().is_none() && prompt
}

/// Doubles the rate until it is not sustained, then halves the distance. A failure is tried once
/// more before it is believed: a moment's disturbance must not end the search.
fn search(sustains: &mut impl FnMut(u64) -> bool) -> (u64, Vec<(u64, bool)>) {
    let mut tried = Vec::new();
    let mut attempt = |rate| {
        let holds = sustains(rate) || sustains(rate);
        tried.push((rate, holds));
        holds
    };
    let (mut low, mut high) = (0, FIRST_RATE);
    while high <= RATE_MAX && attempt(high) {
        (low, high) = (high, 2 * high);
    }
    while high - low > (low / PRECISION).max(FIRST_RATE / 100) {
        let middle = u64::midpoint(low, high);
        if attempt(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low, tried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_finds_the_limit_wherever_it_is() {
        for limit in [150, 9_999, 10_000, 123_456, 7_654_321] {
            let (found, tried) = search(&mut |rate| rate <= limit);
            assert!(found <= limit && limit - found <= (limit / 19).max(101), "{limit}: {found}");
            assert!(tried.iter().all(|&(rate, holds)| holds == (rate <= limit)), "{tried:?}");
        }
        assert_eq!(search(&mut |_| false).0, 0);
    }

    #[test]
    fn one_disturbance_does_not_end_the_search() {
        let mut calls = 0;
        let (found, _) = search(&mut |rate| {
            calls += 1;
            calls != 2 && rate <= 1_000_000
        });
        assert!(found > 900_000, "{found}");
    }
}
