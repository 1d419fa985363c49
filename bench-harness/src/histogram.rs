//! Latency samples: recorded by the measuring process, carried to the parent as text, merged and
//! summarised there.
//!
//! Values are nanoseconds with three significant digits, from 1 ns to one minute; anything longer
//! is recorded as one minute.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

const LONGEST_NS: u64 = 60 * crate::clock::SECOND_NS;
const SIGNIFICANT_DIGITS: u8 = 3;
/// Below this many samples above it, a percentile is a guess, and is marked as one.
pub const FEWEST_SAMPLES_ABOVE: u64 = 10;

/// The percentiles of every latency table, as (label, quantile). The last is the maximum.
pub const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

/// A histogram of latencies in nanoseconds.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// An empty histogram. All its memory is allocated here, none while recording.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, SIGNIFICANT_DIGITS);
        Self(histogram.expect("constant bounds that the histogram accepts"))
    }

    /// Adds one sample.
    #[inline]
    pub fn record(&mut self, latency_ns: u64) {
        self.0.saturating_record(latency_ns);
    }

    /// Adds all samples of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all histograms have the same bounds");
    }

    /// Samples recorded.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that a fraction `quantile` of the samples do not exceed.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The smallest sample, 0 when empty.
    pub fn min_ns(&self) -> u64 {
        if self.0.is_empty() { 0 } else { self.0.min() }
    }

    /// The mean of the samples.
    pub fn mean_ns(&self) -> f64 {
        self.0.mean()
    }

    /// The standard deviation of the samples.
    pub fn deviation_ns(&self) -> f64 {
        self.0.stdev()
    }

    /// Samples between two latencies, `low_ns` included and `high_ns` not.
    pub fn count_between(&self, low_ns: u64, high_ns: u64) -> u64 {
        let samples = self.0.iter_recorded();
        let inside = samples.filter(|step| (low_ns..high_ns).contains(&step.value_iterated_to()));
        inside.map(|step| step.count_at_value()).sum()
    }

    /// Whether fewer than ten samples lie above `quantile`. The maximum is exact, never doubtful.
    pub fn is_doubtful(&self, quantile: f64) -> bool {
        let above = (self.count() as f64 * (1.0 - quantile)).round() as u64;
        quantile < 1.0 && above < FEWEST_SAMPLES_ABOVE
    }

    /// The histogram underneath, for the percentile file.
    pub fn inner(&self) -> &Histogram<u64> {
        &self.0
    }

    /// The compressed form that travels between processes and is saved.
    pub fn to_samples(&self) -> Samples {
        let mut bytes = Vec::new();
        let written = V2DeflateSerializer::new().serialize(&self.0, &mut bytes);
        written.expect("a histogram of these bounds fits, and writing to memory cannot fail");
        Samples(BASE64.encode(bytes))
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

/// A histogram in the text form of HdrHistogram's interval logs (V2, compressed). Both ends use the
/// same bucket limits, so nothing is lost on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Samples(String);

impl Samples {
    /// The histogram these samples came from.
    pub fn to_latencies(&self) -> Latencies {
        read(&self.0).expect("checked when these samples were made or read")
    }
}

impl TryFrom<String> for Samples {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        read(&text).map(|_| Self(text))
    }
}

impl From<Samples> for String {
    fn from(samples: Samples) -> Self {
        samples.0
    }
}

fn read(text: &str) -> Result<Latencies, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("not a saved histogram: {error}");
    let bytes = BASE64.decode(text).map_err(|error| wrong(&error))?;
    let read: Histogram<u64> =
        Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| wrong(&error))?;
    let mut latencies = Latencies::new();
    latencies.0.add(&read).map_err(|error| wrong(&error))?;
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(count: u64) -> Latencies {
        let mut latencies = Latencies::new();
        (1..=count).for_each(|value| latencies.record(value * 1000));
        latencies
    }

    #[test]
    fn samples_survive_the_way_between_processes() {
        let original = up_to(5000);
        let text = serde_json::to_string(&original.to_samples()).unwrap();
        let copy = serde_json::from_str::<Samples>(&text).unwrap().to_latencies();
        assert_eq!(copy.count(), 5000);
        for (_, quantile) in QUANTILES {
            assert_eq!(copy.quantile_ns(quantile), original.quantile_ns(quantile));
        }
        assert_eq!(copy.to_samples(), original.to_samples());
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        for text in ["\"\"", "\"AAAA\"", "\"no base64\""] {
            let error = serde_json::from_str::<Samples>(text).unwrap_err().to_string();
            assert!(error.contains("not a saved histogram"), "{error}");
        }
    }

    #[test]
    fn a_percentile_with_fewer_than_ten_samples_above_is_doubtful() {
        let thousand = up_to(1000);
        assert!(!thousand.is_doubtful(0.99), "ten samples lie above");
        assert!(thousand.is_doubtful(0.999), "one sample lies above");
        assert!(!thousand.is_doubtful(1.0), "the maximum is an observation");
    }

    #[test]
    fn merging_adds_counts_and_buckets_split_them() {
        let mut merged = up_to(10);
        merged.merge(&up_to(10));
        assert_eq!(merged.count(), 20);
        assert_eq!(merged.count_between(0, 5_500), 10);
        assert_eq!(merged.count_between(5_500, u64::MAX), 10);
    }

    #[test]
    fn a_stall_longer_than_the_range_is_kept_as_the_longest() {
        let mut latencies = Latencies::new();
        latencies.record(u64::MAX);
        assert_eq!(latencies.count(), 1);
        assert!(latencies.quantile_ns(1.0) >= LONGEST_NS);
    }
}
