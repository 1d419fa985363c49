//! The whole run as one JSON document; every number says its unit in its key.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::Report;
use crate::floor::Line;
use crate::histogram::{Latencies, QUANTILES};
use crate::results::{Cell, LatencySummary, Since, Spread};
use crate::workload::Workload;

/// Raised when a reader of older documents would misread this one.
const FORMAT_VERSION: u32 = 1;

/// Writes `results.json` into `directory`.
pub fn save(directory: &Path, report: &Report) -> Result<()> {
    let path = directory.join("results.json");
    let text = serde_json::to_string_pretty(&document(report))?;
    fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))
}

fn document(report: &Report) -> Value {
    json!({
        "format": "bench-harness results",
        "format_version": FORMAT_VERSION,
        "manifest": report.manifest,
        "warnings": report.warnings,
        "failures": report.failures,
        "floor": report.floor.0.iter().map(floor_line).collect::<Vec<_>>(),
        "cells": report.cells.iter().map(cell).collect::<Vec<_>>(),
    })
}

fn floor_line(line: &Line) -> Value {
    let mut object = object_of(json!(line.probe));
    object.insert("label".into(), json!(line.probe.label()));
    if let Some(latencies) = line.latencies() {
        object.insert("round_trip".into(), percentiles(&latencies));
    }
    if let Some((messages, bytes)) = line.rates() {
        if messages > 0.0 {
            object.insert("messages_per_second".into(), json!(messages));
        }
        object.insert("bytes_per_second".into(), json!(bytes));
    }
    if let Err(error) = &line.outcome {
        object.insert("error".into(), json!(error));
    }
    Value::Object(object)
}

fn cell(cell: &Cell) -> Value {
    let mut object = object_of(json!(cell.workload));
    let open = matches!(cell.workload, Workload::OneWay { .. });
    let closed = cell.workload == Workload::RoundTrip;
    let load = if open {
        "open_loop"
    } else if closed {
        "closed_loop"
    } else {
        "saturating"
    };
    object.insert("load".into(), json!(load));
    object.insert("size_bytes".into(), json!(cell.workload.size_bytes()));
    object.insert("transport".into(), json!(cell.transport));
    object.insert("peer".into(), json!(cell.peer));
    object.insert("repeats".into(), cell.outcomes.iter().map(repeat).collect());
    object.insert("errors".into(), json!(cell.errors));
    let since_intended = if open { "latency_since_intended" } else { "round_trip" };
    for (key, since) in [(since_intended, Since::Intended), ("latency_since_send", Since::Sent)] {
        if let Some(summary) = cell.latency(since) {
            object.insert(key.into(), latency(&summary));
        }
    }
    if let Some(rate) = cell.rate() {
        object.insert("messages_per_second".into(), spread(rate.messages_per_second));
        object.insert("bytes_per_second".into(), spread(rate.bytes_per_second));
    }
    Value::Object(object)
}

fn repeat(outcome: &crate::process::Outcome) -> Value {
    let (connector, binder) = (&outcome.connector, &outcome.binder);
    json!({
        "sent_messages": connector.messages,
        "sent_elapsed_ns": connector.elapsed_ns,
        "received_messages": binder.messages,
        "received_elapsed_ns": binder.elapsed_ns,
        "lost_messages": binder.lost,
        "reordered_messages": binder.reordered,
        "latency": connector.latency.as_ref().or(binder.latency.as_ref())
            .map(|samples| percentiles(&samples.to_latencies())),
        "latency_since_send": binder.latency_since_send.as_ref()
            .map(|samples| percentiles(&samples.to_latencies())),
    })
}

/// Medians over the repeats with their extremes, and all samples taken together.
fn latency(summary: &LatencySummary) -> Value {
    let mut object = Map::new();
    let columns = QUANTILES.iter().zip(&summary.quantiles_ns).zip(&summary.doubtful);
    for (((label, _), quantile), &doubtful) in columns {
        let mut entry = object_of(spread(*quantile));
        entry.insert("fewer_than_10_samples_above".into(), json!(doubtful));
        object.insert(key_ns(label), Value::Object(entry));
    }
    object.insert("all_repeats".into(), percentiles(&summary.merged));
    Value::Object(object)
}

fn percentiles(latencies: &Latencies) -> Value {
    let mut object = Map::new();
    object.insert("samples".into(), json!(latencies.count()));
    object.insert("min_ns".into(), json!(latencies.min_ns()));
    object.insert("mean_ns".into(), json!(latencies.mean_ns()));
    object.insert("standard_deviation_ns".into(), json!(latencies.deviation_ns()));
    for (label, quantile) in QUANTILES {
        object.insert(key_ns(label), json!(latencies.quantile_ns(quantile)));
    }
    Value::Object(object)
}

/// `p99.9` as `p99_9_ns`.
fn key_ns(label: &str) -> String {
    format!("{}_ns", label.replace('.', "_"))
}

fn spread(spread: Spread) -> Value {
    json!({ "median": spread.median, "min": spread.min, "max": spread.max })
}

fn object_of(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => Map::from_iter([("value".to_owned(), other)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_carry_units_and_percentiles_are_spelled_for_json() {
        let mut latencies = Latencies::new();
        latencies.record(1000);
        let value = percentiles(&latencies);
        assert_eq!(value["p99_99_ns"], json!(1000));
        assert_eq!(value["max_ns"], json!(1000));
        assert_eq!(value["samples"], json!(1));
    }
}
