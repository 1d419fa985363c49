//! Two saved runs, cell by cell: is the second one slower?
//!
//! A verdict needs two things at once: the medians differ by more than the threshold, and the
//! repeats of the two runs do not overlap. One of them alone is noise.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::document::Document;
use crate::process::Outcome;
use crate::report::table::{align_right, table};
use crate::results::{Cell, Since, Spread};

/// Options of `compare`.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// The run to compare with: a results.json, or the directory that holds it
    base: PathBuf,
    /// The run to judge
    new: PathBuf,
    /// How far medians must differ to count, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    threshold: f64,
    /// Only cells whose name contains this, such as "tcp zeroring"
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

fn percent(text: &str) -> Result<f64> {
    match text.parse() {
        Ok(percent) if (0.0..1000.0).contains(&percent) => Ok(percent),
        _ => bail!("{text} is not a number of percent from 0 to 1000"),
    }
}

/// What came of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Better,
    Worse,
    Same,
    /// The medians differ, the repeats overlap; or there are too few to tell.
    Unsure,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Same => "same",
            Self::Unsure => "unsure",
        }
    }
}

/// A figure that repeats have, and which way is better.
struct Figure {
    name: &'static str,
    less_is_better: bool,
    of: fn(&Cell, &Outcome) -> Option<f64>,
}

const FIGURES: [Figure; 4] = [
    Figure {
        name: "p50",
        less_is_better: true,
        of: |cell, outcome| cell.quantile_ns(outcome, Since::Intended, 0.5),
    },
    Figure {
        name: "p99",
        less_is_better: true,
        of: |cell, outcome| cell.quantile_ns(outcome, Since::Intended, 0.99),
    },
    Figure { name: "rate", less_is_better: false, of: rate },
    Figure { name: "CPU per message", less_is_better: true, of: cost },
];

fn rate(cell: &Cell, outcome: &Outcome) -> Option<f64> {
    cell.workload.measures_rate().then(|| cell.messages_per_second(outcome))?
}

/// The open loop spins between messages, so its processor time says nothing.
fn cost(cell: &Cell, outcome: &Outcome) -> Option<f64> {
    cell.workload.measures_rate().then(|| cell.cpu_ns_per_message(outcome))?
}

/// Repeats from which on their not overlapping means something.
const REPEATS_MIN: usize = 3;

/// New over base: of the medians, and the most that any two repeats differ either way.
fn judge(
    base: &[f64],
    new: &[f64],
    less_is_better: bool,
    threshold: f64,
) -> Option<(Spread, Verdict)> {
    let (enough, base, new) = (
        base.len().min(new.len()) >= REPEATS_MIN,
        Spread::of(base.iter().copied())?,
        Spread::of(new.iter().copied())?,
    );
    if base.min <= 0.0 {
        return None;
    }
    let ratio = Spread {
        median: new.median / base.median,
        min: new.min / base.max,
        max: new.max / base.min,
    };
    let (up, down) = (1.0 + threshold / 100.0, 1.0 / (1.0 + threshold / 100.0));
    let verdict = match ratio {
        _ if (down..=up).contains(&ratio.median) => Verdict::Same,
        _ if !enough || (ratio.min..=ratio.max).contains(&1.0) => Verdict::Unsure,
        _ if (ratio.median > 1.0) == less_is_better => Verdict::Worse,
        _ => Verdict::Better,
    };
    Some((ratio, verdict))
}

/// Prints the comparison; false if something got worse.
pub fn run(arguments: &CompareArgs) -> Result<bool> {
    let (base, new) = (Document::load(&arguments.base)?, Document::load(&arguments.new)?);
    let (text, worse) = compare(&base, &new, arguments)?;
    print!("{text}");
    Ok(worse == 0)
}

fn compare(base: &Document, new: &Document, arguments: &CompareArgs) -> Result<(String, usize)> {
    let mut table = table(&["", "figure", "new / base", "spread of repeats", "verdict"]);
    let mut counts =
        [(Verdict::Better, 0), (Verdict::Worse, 0), (Verdict::Same, 0), (Verdict::Unsure, 0)];
    for cell in new.cells.iter().filter(|cell| cell.label().contains(&arguments.only)) {
        let same = |other: &&Cell| {
            (other.workload, other.transport, other.peer)
                == (cell.workload, cell.transport, cell.peer)
        };
        let Some(other) = base.cells.iter().find(same) else { continue };
        for figure in &FIGURES {
            let values = |cell: &Cell| -> Vec<f64> {
                cell.outcomes().filter_map(|outcome| (figure.of)(cell, outcome)).collect()
            };
            let judged =
                judge(&values(other), &values(cell), figure.less_is_better, arguments.threshold);
            let Some((ratio, verdict)) = judged else { continue };
            let count = counts.iter_mut().find(|(of, _)| *of == verdict);
            count.into_iter().for_each(|(_, count)| *count += 1);
            table.add_row(vec![
                cell.label(),
                figure.name.into(),
                format!("{:.3}×", ratio.median),
                format!("{:.3}–{:.3}", ratio.min, ratio.max),
                verdict.name().into(),
            ]);
        }
    }
    let compared: usize = counts.iter().map(|(_, count)| count).sum();
    ensure!(compared > 0, "the two runs have no measured cell in common");
    align_right(&mut table);
    let mut text = differences(base, new);
    let _ = writeln!(text, "{table}");
    let words = counts.map(|(verdict, count)| format!("{count} {}", verdict.name()));
    let _ = writeln!(
        text,
        "{}; worse and better: medians more than {} % apart and no overlap of at least \
         {REPEATS_MIN} repeats",
        words.join(", "),
        arguments.threshold
    );
    Ok((text, counts[1].1))
}

/// Why the two may not be comparable at all.
fn differences(base: &Document, new: &Document) -> String {
    let (one, other) = (&base.manifest, &new.manifest);
    let mut text = format!(
        "base {} commit {}\nnew  {} commit {}\n",
        one.time_utc, one.git_commit, other.time_utc, other.git_commit
    );
    let facts = [
        ("processor", &one.cpu_model, &other.cpu_model),
        ("kernel", &one.kernel, &other.kernel),
        ("compiler", &one.rustc, &other.rustc),
        ("build", &one.build_profile, &other.build_profile),
        ("governor", &one.tuning.governor, &other.tuning.governor),
    ];
    for (name, one, other) in facts.iter().filter(|(_, one, other)| one != other) {
        let _ = writeln!(text, "warning: not the same {name}: {one} and {other}");
    }
    let options = ["cpu_tx", "cpu_rx", "pace", "peer_options", "pin_first"];
    for key in options.iter().filter(|key| one.options[**key] != other.options[**key]) {
        let (one, other) = (&one.options[*key], &other.options[*key]);
        let _ = writeln!(text, "warning: not the same {key}: {one} and {other}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tests::sample;

    fn arguments() -> CompareArgs {
        CompareArgs { base: "".into(), new: "".into(), threshold: 5.0, only: String::new() }
    }

    #[test]
    fn a_verdict_needs_distance_and_no_overlap() {
        let verdict = |base: &[f64], new: &[f64]| judge(base, new, true, 5.0).unwrap().1;
        let base = [100.0, 101.0, 102.0];
        assert_eq!(verdict(&base, &[101.0, 103.0, 104.0]), Verdict::Same);
        assert_eq!(verdict(&base, &[120.0, 121.0, 122.0]), Verdict::Worse);
        assert_eq!(verdict(&base, &[80.0, 81.0, 82.0]), Verdict::Better);
        assert_eq!(verdict(&base, &[101.0, 121.0, 122.0]), Verdict::Unsure, "they overlap");
        assert_eq!(verdict(&base[..1], &[200.0]), Verdict::Unsure, "one repeat proves nothing");
        let rate = judge(&base, &[120.0, 121.0, 122.0], false, 5.0).unwrap();
        assert_eq!((rate.1, rate.0.median > 1.19), (Verdict::Better, true), "more is better");
        assert!(judge(&[], &base, true, 5.0).is_none());
    }

    #[test]
    fn slower_documents_are_worse_and_equal_ones_are_not() {
        let base = sample(1000, 1000, 5);
        let (text, worse) = compare(&base, &base, &arguments()).unwrap();
        assert_eq!(worse, 0, "{text}");
        let (text, worse) = compare(&base, &sample(2000, 500, 5), &arguments()).unwrap();
        assert_eq!(worse, 3, "p50, p99 and rate: {text}");
        let only = CompareArgs { only: "throughput".into(), ..arguments() };
        assert_eq!(compare(&base, &sample(2000, 500, 5), &only).unwrap().1, 1);
    }

    #[test]
    fn runs_without_common_cells_are_refused_and_differences_told() {
        let base = sample(1000, 1000, 3);
        let mut other = base.clone();
        other.manifest.kernel = "another".into();
        let (text, _) = compare(&base, &other, &arguments()).unwrap();
        assert!(text.contains("not the same kernel"), "{text}");
        other.cells.clear();
        assert!(compare(&base, &other, &arguments()).is_err());
    }
}
