//! The report as a person reads it: tables, histograms drawn in text, warnings last so that they
//! are not scrolled away.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use super::units::{dash, micros, ratio, short, spaced};
use super::{Report, drawing};
use crate::floor::{Floor, Wait};
use crate::histogram::{Latencies, QUANTILES};
use crate::machine::Manifest;
use crate::peer::{PeerName, Transport};
use crate::results::{Cell, LatencySummary, Since, Spread};
use crate::workload::{LATENCY_MESSAGE_BYTES, Workload};

/// A rule above, under the header and below; none between rows.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// Where and how: the lines above the tables.
pub fn header(manifest: &Manifest) -> String {
    let Manifest { time_utc, git_commit, rustc, kernel, cpu_model, cores, clocksource, .. } =
        manifest;
    let (tx, rx) = (&manifest.options["cpu_tx"], &manifest.options["cpu_rx"]);
    let libraries = manifest.libraries.join("; ");
    let mut text = format!(
        "{cpu_model}, {cores} cores, Linux {kernel}, clocksource {clocksource}\n\
         {time_utc}, commit {git_commit}, {rustc}; sender on core {tx}, receiver on core {rx}\n"
    );
    if !libraries.is_empty() {
        let _ = writeln!(text, "{libraries}");
    }
    text
}

/// What the machine allows.
pub fn floor(floor: &Floor) -> String {
    let mut table = table(&["floor: no messaging library", "p50 µs", "p99 µs", "p99.9 µs", "rate"]);
    for line in &floor.0 {
        let mut row = vec![line.probe.label()];
        match (&line.outcome, line.latencies(), line.rates()) {
            (Err(error), ..) => row.push(format!("none: {error}")),
            (_, Some(latencies), _) => {
                let of = |quantile| micros(latencies.quantile_ns(quantile) as f64);
                row.extend([of(0.5), of(0.99), of(0.999)]);
            }
            (_, _, Some((messages, bytes))) => {
                let messages =
                    if messages > 0.0 { format!("{} msg/s, ", short(messages)) } else { "".into() };
                row.extend(["", "", ""].map(String::from));
                row.push(format!("{messages}{}B/s", spaced(bytes)));
            }
            _ => {}
        }
        table.add_row(row);
    }
    align_right(&mut table);
    format!("{table}\n")
}

/// All tables and drawings of a run.
pub fn results(report: &Report) -> String {
    let mut text = String::new();
    for transport in Transport::ALL {
        for workload in latency_workloads(&report.cells) {
            let cells = cells_of(report, transport, |cell| cell.workload == workload);
            if !cells.is_empty() {
                text += &latency_section(report, workload, transport, &cells);
            }
        }
        text += &throughput_section(report, transport);
    }
    text
}

/// Failures and warnings.
pub fn remarks(report: &Report) -> String {
    let mut text = String::new();
    for failure in &report.failures {
        let _ = writeln!(text, "FAILURE: {failure}");
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

fn latency_workloads(cells: &[Cell]) -> Vec<Workload> {
    let mut workloads = Vec::new();
    for cell in cells {
        let latency = !matches!(cell.workload, Workload::Throughput { .. });
        if latency && !workloads.contains(&cell.workload) {
            workloads.push(cell.workload);
        }
    }
    workloads
}

fn cells_of(report: &Report, transport: Transport, wanted: impl Fn(&Cell) -> bool) -> Vec<&Cell> {
    report.cells.iter().filter(|cell| cell.transport == transport && wanted(cell)).collect()
}

fn latency_section(
    report: &Report,
    workload: Workload,
    transport: Transport,
    cells: &[&Cell],
) -> String {
    let name = transport.name();
    let bytes = LATENCY_MESSAGE_BYTES;
    let open_loop = matches!(workload, Workload::OneWay { .. });
    let title = match workload {
        Workload::OneWay { rate_per_second } => format!(
            "one-way latency, {name}, PUSH/PULL {bytes} B, open loop at {rate_per_second} msg/s, \
             pace {}",
            report.manifest.options["pace"].as_str().unwrap_or("unknown")
        ),
        _ => format!(
            "round trip, {name}, REQ/REP {bytes} B, closed loop: hides stalls between requests"
        ),
    };
    let mut text = format!(
        "\n== {title} ==\nµs: median of repeats, below it min–max; \
                            * fewer than 10 samples above\n"
    );
    let mut table = table(&["", "p50", "p90", "p99", "p99.9", "p99.99", "max"]);
    for (label, wait) in [("spinning", Wait::Spinning), ("sleeping", Wait::Sleeping)] {
        if let Some(floor) = report.floor.round_trip(transport, wait) {
            table.add_row(floor_row(label, &floor, open_loop));
        }
    }
    let bases: &[(Since, &str)] = if open_loop {
        &[(Since::Intended, " since intended send"), (Since::Sent, " since actual send")]
    } else {
        &[(Since::Intended, "")]
    };
    for &(since, suffix) in bases {
        let summaries: Vec<_> =
            cells.iter().filter_map(|cell| Some((cell.peer, cell.latency(since)?))).collect();
        for (peer, summary) in &summaries {
            table.add_row(latency_row(format!("{}{suffix}", peer.name()), summary));
        }
        for row in latency_ratios(&summaries, suffix) {
            table.add_row(row);
        }
    }
    for why in absent(report) {
        table.add_row(vec![why]);
    }
    align_right(&mut table);
    let _ = writeln!(text, "{table}");
    let merged: Vec<_> = cells
        .iter()
        .filter_map(|cell| Some((cell.peer.name(), cell.latency(Since::Intended)?.merged)))
        .collect();
    text + &drawing::histograms(&merged)
}

fn floor_row(wait: &str, floor: &Latencies, halved: bool) -> Vec<String> {
    let (label, divisor) = if halved { ("half a floor round trip", 2.0) } else { ("floor", 1.0) };
    let mut row = vec![format!("{label}, {wait}")];
    row.extend(QUANTILES.map(|(_, quantile)| {
        let mark = if floor.is_doubtful(quantile) { "*" } else { "" };
        micros(floor.quantile_ns(quantile) as f64 / divisor) + mark
    }));
    row
}

fn latency_row(label: String, summary: &LatencySummary) -> Vec<String> {
    let mut row = vec![label];
    row.extend(summary.quantiles_ns.iter().zip(&summary.doubtful).map(|(spread, &doubtful)| {
        let Spread { median, min, max } = *spread;
        let mark = if doubtful { "*" } else { "" };
        format!("{}{mark}\n{}–{}", micros(median), micros(min), micros(max))
    }));
    row
}

/// Each library against the baseline, where both were measured: below 1 is faster.
fn latency_ratios(summaries: &[(PeerName, LatencySummary)], suffix: &str) -> Vec<Vec<String>> {
    let Some((_, base)) = summaries.iter().find(|(peer, _)| *peer == PeerName::BASELINE) else {
        return Vec::new();
    };
    let others = summaries.iter().filter(|(peer, _)| *peer != PeerName::BASELINE);
    let rows = others.map(|(peer, summary)| {
        let mut row = vec![format!("{} / {}{suffix}", peer.name(), PeerName::BASELINE.name())];
        let pairs = summary.quantiles_ns.iter().zip(&base.quantiles_ns);
        row.extend(pairs.map(|(ours, theirs)| ratio(ours.median, theirs.median)));
        row
    });
    rows.collect()
}

/// Why libraries are missing, without the loader's own words.
fn absent(report: &Report) -> impl Iterator<Item = &str> {
    let reasons = report.libraries.iter().filter_map(|(_, status)| status.as_ref().err());
    reasons.map(|why| why.split(" (").next().unwrap_or(why))
}

fn throughput_section(report: &Report, transport: Transport) -> String {
    let mut cells =
        cells_of(report, transport, |cell| matches!(cell.workload, Workload::Throughput { .. }));
    if cells.is_empty() {
        return String::new();
    }
    let mut peers: Vec<PeerName> = Vec::new();
    for cell in &cells {
        if !peers.contains(&cell.peer) {
            peers.push(cell.peer);
        }
    }
    let mut text = format!(
        "\n== throughput, {}, PUSH/PULL, counted at the receiver ==\n\
         msg/s: median of repeats, below it min–max{}\n",
        transport.name(),
        if transport == Transport::Inproc {
            "; floor: a word per message, by reference"
        } else {
            ""
        }
    );
    let mut columns = vec!["B".to_owned(), "floor".to_owned()];
    for peer in &peers {
        columns.extend([peer.name().to_owned(), "B/s".to_owned(), "of floor".to_owned()]);
        if *peer != PeerName::BASELINE && peers.contains(&PeerName::BASELINE) {
            columns.push(format!("{} / {}", peer.name(), PeerName::BASELINE.name()));
        }
    }
    columns.extend(absent(report).map(|why| why.replacen(": ", ":\n", 1)));
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    let mut table = table(&columns);
    cells.sort_by_key(|cell| cell.workload.size_bytes());
    for of_size in cells.chunk_by(|one, other| one.workload == other.workload) {
        table.add_row(throughput_row(report, transport, &peers, of_size));
    }
    align_right(&mut table);
    let _ = writeln!(text, "{table}");
    text
}

fn throughput_row(
    report: &Report,
    transport: Transport,
    peers: &[PeerName],
    cells: &[&Cell],
) -> Vec<String> {
    let size_bytes = cells[0].workload.size_bytes();
    let floor = report.floor.messages_per_second(transport, size_bytes);
    let rate_of = |peer| cells.iter().find(|cell| cell.peer == peer).and_then(|cell| cell.rate());
    let base = rate_of(PeerName::BASELINE);
    let mut row = vec![size_bytes.to_string(), floor.map_or_else(dash, short)];
    for &peer in peers {
        let rate = rate_of(peer);
        row.push(rate.map_or_else(dash, |rate| {
            let Spread { median, min, max } = rate.messages_per_second;
            format!("{}\n{}–{}", short(median), short(min), short(max))
        }));
        row.push(rate.map_or_else(dash, |rate| short(rate.bytes_per_second.median)));
        let median = rate.map(|rate| rate.messages_per_second.median);
        let share = median.zip(floor).map(|(rate, floor)| 100.0 * rate / floor);
        row.push(share.map_or_else(dash, |share| format!("{share:.1} %")));
        if peer != PeerName::BASELINE && peers.contains(&PeerName::BASELINE) {
            let both = median.zip(base.map(|base| base.messages_per_second.median));
            row.push(both.map_or_else(dash, |(ours, theirs)| ratio(ours, theirs)));
        }
    }
    row
}

fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(columns);
    table
}

fn align_right(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
