//! Latency histograms drawn in text.

use std::fmt::Write as _;

use super::units::micros;
use crate::histogram::Latencies;

const BUCKETS: usize = 14;
const BAR_COLUMNS: usize = 24;

/// Histograms side by side over the same buckets, so that shapes can be compared.
pub fn histograms(histograms: &[(&str, Latencies)]) -> String {
    let filled = || histograms.iter().filter(|(_, latencies)| latencies.count() > 0);
    let least = filled().map(|(_, latencies)| latencies.min_ns()).min();
    let most = filled().map(|(_, latencies)| latencies.quantile_ns(0.9999)).max();
    let (Some(least), Some(most)) = (least, most) else { return String::new() };
    let limits = bucket_limits(least, most);

    let mut text = format!("{:>20}", "µs (bar: log count)");
    for (name, _) in histograms {
        let _ = write!(text, "  {name:<width$}", width = BAR_COLUMNS + 10);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    for (index, pair) in limits.windows(2).enumerate() {
        let last = index + 2 == limits.len();
        let high = if last { "more".into() } else { micros(pair[1] as f64) };
        let _ = write!(text, "{:>20}", format!("{} – {high}", micros(pair[0] as f64)));
        for (_, latencies) in histograms {
            let count = latencies.count_between(pair[0], pair[1]);
            let bar = "█".repeat(bar_columns(count, latencies.count()));
            let count = if count == 0 { String::new() } else { count.to_string() };
            let _ =
                write!(text, "  {:<width$}", format!("{bar} {count}"), width = BAR_COLUMNS + 10);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// Limits of buckets that grow by a constant factor from the least value; the last is open.
fn bucket_limits(least_ns: u64, most_ns: u64) -> Vec<u64> {
    let least = least_ns.max(1) as f64;
    let factor = (most_ns as f64 / least).max(1.1).powf(1.0 / (BUCKETS - 1) as f64);
    let mut limits: Vec<_> =
        (0..BUCKETS).map(|step| (least * factor.powi(step as i32)) as u64).collect();
    limits.dedup();
    limits.push(u64::MAX);
    limits
}

fn bar_columns(count: u64, total: u64) -> usize {
    if count == 0 {
        return 0;
    }
    let share = (count as f64 + 1.0).ln() / (total as f64 + 1.0).ln();
    ((share * BAR_COLUMNS as f64).round() as usize).clamp(1, BAR_COLUMNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_everything_once() {
        for (least, most) in [(1, 1), (130, 131), (50_000, 4_000_000)] {
            let limits = bucket_limits(least, most);
            assert_eq!((limits[0], *limits.last().unwrap()), (least, u64::MAX));
            assert!(limits.windows(2).all(|pair| pair[0] < pair[1]), "{limits:?}");
        }
    }

    #[test]
    fn a_drawing_shows_each_sample_count_and_no_bar_where_nothing_is() {
        let mut latencies = Latencies::new();
        (0..100).for_each(|_| latencies.record(10_000));
        latencies.record(1_000_000);
        let text = histograms(&[("raw", latencies)]);
        let counts: u64 = text
            .lines()
            .filter_map(|line| line.split('█').next_back()?.trim().parse::<u64>().ok())
            .sum();
        assert_eq!(counts, 101, "{text}");
        assert_eq!(text.lines().count(), 1 + BUCKETS, "{text}");
        assert_eq!(histograms(&[]), "");
    }

    #[test]
    fn bars_are_logarithmic_and_never_hide_a_sample() {
        assert_eq!(bar_columns(0, 1_000_000), 0);
        assert_eq!(bar_columns(1, 1_000_000_000_000_000), 1);
        assert_eq!(bar_columns(1_000_000, 1_000_000), BAR_COLUMNS);
    }
}
