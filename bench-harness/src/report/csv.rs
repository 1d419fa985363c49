//! All figures as one table for spreadsheets: a line per figure of each cell, with its unit.

use std::fmt::Write as _;

use crate::document::Document;
use crate::histogram::QUANTILES;
use crate::results::{Cell, Since, Spread};

const HEADER: &str = "workload,transport,library,figure,unit,value,min_of_repeats,max_of_repeats,\
                      samples,fewer_than_10_samples_above\n";

/// The whole file. No value holds a comma or a quote.
pub fn text(document: &Document) -> String {
    let mut text = HEADER.to_owned();
    document.cells.iter().for_each(|cell| cell_lines(&mut text, cell));
    text
}

fn cell_lines(text: &mut String, cell: &Cell) {
    let name = format!("{},{},{}", cell.workload.label(), cell.transport.name(), cell.peer);
    for (since, suffix) in [(Since::Intended, ""), (Since::Sent, " since send")] {
        let Some(summary) = cell.latency(since) else { continue };
        let samples = summary.merged.count();
        for ((label, _), quantile) in QUANTILES.iter().zip(&summary.quantiles) {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{name},{label}{suffix},ns,{},{},{},{samples},{}",
                quantile.merged_ns, quantile.min_ns, quantile.max_ns, quantile.doubtful
            );
        }
    }
    let rate = cell.rate();
    let cost = cell.cost();
    let spreads: [(&str, &str, Option<Spread>); 5] = [
        ("messages", "1/s", rate.map(|rate| rate.messages_per_second)),
        ("bytes", "B/s", rate.map(|rate| rate.bytes_per_second)),
        ("CPU time per message", "ns", cost.map(|cost| cost.cpu_ns)),
        ("memory per connection", "B", cell.bytes_per_connection()),
        ("CPU while idle", "cores", cell.idle_share()),
    ];
    for (figure, unit, spread) in spreads {
        let Some(Spread { median, min, max }) = spread else { continue };
        let _ = writeln!(text, "{name},{figure},{unit},{median},{min},{max},,");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tests::sample;

    #[test]
    fn every_line_has_every_column() {
        let text = text(&sample(1000, 10, 3));
        let columns = HEADER.split(',').count();
        assert!(text.lines().all(|line| line.split(',').count() == columns), "{text}");
        let p50 = text.lines().find(|line| line.contains(",p50,")).unwrap();
        assert!(p50.starts_with("round-trip-64-bytes,tcp,zeroring,p50,ns,"), "{p50}");
        assert!(p50.ends_with(",3000,false"), "{p50}");
        assert!(text.contains("throughput-64-bytes,tcp,zeroring,messages,1/s,9.99"), "{text}");
    }
}
