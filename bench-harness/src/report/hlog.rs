//! HdrHistogram's interval log, version 2: one interval per repeat, as its analysers read it.

use std::time::Duration;

use anyhow::{Result, anyhow};
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::machine::Manifest;
use crate::results::{Cell, Since};

/// The largest values of the log are in milliseconds; the histograms themselves in nanoseconds.
const NS_PER_MAX_VALUE: f64 = 1e6;

/// The log of one cell. Time counts from the first repeat; the tag is the library.
pub fn text(manifest: &Manifest, cell: &Cell, since: Since) -> Result<String> {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&format!("[bench-harness {}]", manifest.tool_version))
        .add_comment(&format!("[{}, values in ns, run of {}]", cell.label(), manifest.time_utc))
        .with_max_value_divisor(NS_PER_MAX_VALUE)
        .begin_log_with(&mut bytes, &mut serializer)?;
    let tag = Tag::new(cell.peer.name());
    let mut starts = Duration::ZERO;
    for outcome in cell.outcomes() {
        let Some(samples) = cell.samples(outcome, since) else { continue };
        let lasts = Duration::from_nanos(outcome.connector.elapsed_ns);
        log.write_histogram(samples.to_latencies().inner(), starts, lasts, tag)
            .map_err(|error| anyhow!("interval log of {}: {error:?}", cell.label()))?;
        starts += lasts;
    }
    Ok(String::from_utf8(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tests::sample;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_log_reads_back_with_one_interval_per_repeat() {
        let document = sample(1000, 10, 3);
        let text = text(&document.manifest, &document.cells[0], Since::Intended).unwrap();
        assert!(text.starts_with("#[bench-harness"), "{text}");
        let intervals: Vec<_> = IntervalLogIterator::new(text.as_bytes())
            .filter_map(|entry| match entry.unwrap() {
                LogEntry::Interval(interval) => Some(interval),
                _ => None,
            })
            .collect();
        assert_eq!(intervals.len(), 3);
        assert!(intervals.iter().all(|interval| interval.tag() == Tag::new("zeroring")));
        assert!(intervals[1].start_timestamp() >= Duration::from_secs(1));
        let encoded = intervals[0].encoded_histogram().to_owned();
        let samples = crate::histogram::Samples::try_from(encoded).unwrap();
        assert_eq!(samples.to_latencies().count(), 1000);
    }
}
