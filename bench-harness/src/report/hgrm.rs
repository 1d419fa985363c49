//! The percentile file of HdrHistogram (`.hgrm`), one per latency cell, as its plotters read it.
//! Values are microseconds.

use std::fmt::Write as _;

use crate::histogram::Latencies;

const TICKS_PER_HALF_DISTANCE: u32 = 5;
const NS_PER_VALUE: f64 = 1000.0;

/// The whole file.
pub fn text(latencies: &Latencies) -> String {
    let histogram = latencies.inner();
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        total += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / NS_PER_VALUE;
        let quantile = step.quantile_iterated_to();
        // Writing to a String cannot fail.
        let _ = write!(text, "{value:12.3} {quantile:.12} {total:10}");
        let _ = match quantile < 1.0 {
            true => writeln!(text, " {:14.2}", 1.0 / (1.0 - quantile)),
            false => writeln!(text),
        };
    }
    let (mean, deviation) = (latencies.mean_ns(), latencies.deviation_ns());
    let max = latencies.quantile_ns(1.0) as f64;
    let sub_buckets = 2 * 10_u64.pow(u32::from(histogram.sigfig())).next_power_of_two();
    let _ = write!(
        text,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n\
         #[Max     = {:12.3}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {:12}]\n",
        mean / NS_PER_VALUE,
        deviation / NS_PER_VALUE,
        max / NS_PER_VALUE,
        latencies.count(),
        histogram.buckets(),
        sub_buckets,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> String {
        let mut latencies = Latencies::new();
        (1..=1000).for_each(|value| latencies.record(value * 1000));
        text(&latencies)
    }

    #[test]
    fn the_frame_is_what_plotters_expect() {
        let text = sample();
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap(),
            "       Value     Percentile TotalCount 1/(1-Percentile)"
        );
        assert_eq!(lines.next().unwrap(), "");
        let footer: Vec<_> = text.lines().filter(|line| line.starts_with("#[")).collect();
        assert!(footer[0].starts_with("#[Mean    =      500."), "{}", footer[0]);
        assert!(footer[1].ends_with("Total count    =         1000]"), "{}", footer[1]);
        assert!(footer[2].ends_with("SubBuckets     =         2048]"), "{}", footer[2]);
    }

    #[test]
    fn rows_rise_to_the_whole_and_only_the_last_has_three_columns() {
        let text = sample();
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .collect();
        let (last, others) = rows.split_last().unwrap();
        assert_eq!((last.len(), last[1], last[2]), (3, 1.0, 1000.0));
        assert!(others.iter().all(|row| row.len() == 4));
        assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]));
        let median = rows.iter().find(|row| row[1] >= 0.5).unwrap();
        assert!((median[0] - 500.0).abs() < 1.0 && median[2] >= 500.0, "{median:?}");
        assert!((median[3] - 2.0).abs() < 0.01);
    }
}
