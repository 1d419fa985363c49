//! The report as a person reads it: tables, histograms drawn in text; the summary and the warnings
//! last, so that they are not scrolled away.

use std::fmt::Write as _;

use super::drawing;
use super::table::{align_right, table};
use super::units::{dash, micros, ratio, short, spaced, spread_ratio};
use crate::document::Document;
use crate::floor::{Floor, Line, Wait};
use crate::histogram::QUANTILES;
use crate::machine::Manifest;
use crate::peer::{PeerName, Transport};
use crate::process::Outcome;
use crate::results::{Cell, CostSummary, LatencySummary, Quantile, Since, Spread};
use crate::workload::{Load, Pattern, Workload};

/// Where and how: the lines above the tables.
pub fn header(manifest: &Manifest) -> String {
    let Manifest { time_utc, git_commit, rustc, kernel, cpu_model, cores, clocksource, .. } =
        manifest;
    let (tx, rx) = (&manifest.options["cpu_tx"], &manifest.options["cpu_rx"]);
    let tuning = &manifest.tuning;
    let mut text = format!(
        "{cpu_model}, {cores} cores, Linux {kernel}, clocksource {clocksource}, governor {}, \
         turbo {}, isolated cores {}\n\
         {time_utc}, built from {git_commit} by {rustc}; sender on core {tx}, receiver on core \
         {rx}\n",
        tuning.governor, tuning.turbo, tuning.isolated_cores
    );
    if !manifest.libraries.is_empty() {
        let _ = writeln!(text, "{}", manifest.libraries.join("; "));
    }
    text
}

/// What the machine allows.
pub fn floor(floor: &Floor) -> String {
    if floor.0.is_empty() {
        return String::new();
    }
    let rounds = floor.0.iter().map(|line| line.rounds.len()).max().unwrap_or(0);
    let mut table = table(&["", "p50 µs", "p99 µs", "p99.9 µs", "max µs", "rate"]);
    for line in &floor.0 {
        table.add_row(floor_line(line));
    }
    align_right(&mut table);
    format!(
        "floor: no messaging library; {rounds} rounds spread over the run: all samples, below it \
         min–max of the rounds\n{table}\n"
    )
}

fn floor_line(line: &Line) -> Vec<String> {
    let mut row = vec![line.probe.label()];
    if let Some(error) = line.errors().next() {
        row.push(format!("none: {error}"));
    } else if let Some(share) = line.stolen_share() {
        row.extend(["", "", ""].map(String::from));
        let longest = line.latency().map(|summary| summary.merged.quantile_ns(1.0));
        row.push(longest.map_or_else(dash, |ns| micros(ns as f64)));
        row.push(format!("{:.2} % of the time", 100.0 * share));
    } else if let Some(summary) = line.latency() {
        for index in [0, 2, 3, 5] {
            let hidden = line.probe.samples_are_means() && index != 0;
            row.push(if hidden { dash() } else { quantile_text(&summary.quantiles[index], 1.0) });
        }
    } else if let Some(rates) = line.rates() {
        let messages = rates.messages_per_second;
        let messages = if messages.median > 0.0 {
            format!("{} msg/s, ", short(messages.median))
        } else {
            String::new()
        };
        row.extend(["", "", "", ""].map(String::from));
        let Spread { median, min, max } = rates.bytes_per_second;
        row.push(format!("{messages}{}B/s\n{}–{}", spaced(median), short(min), short(max)));
    }
    row
}

/// All tables and drawings of a run, and the summary.
pub fn results(document: &Document) -> String {
    sections(document) + &glance(document)
}

/// All tables and drawings of a run.
pub fn sections(document: &Document) -> String {
    let mut text = String::new();
    for transport in Transport::ALL {
        // A sweep's cells stand in its own tables, each library at rates of its own.
        let compared =
            |workload: &Workload| workload.measures_latency() && document.sweeps.is_empty();
        for workload in workloads(document, compared) {
            let cells = cells_of(document, transport, |cell| cell.workload == workload);
            if !cells.is_empty() {
                text += &latency_section(document, workload, transport, &cells);
            }
        }
        text += &rate_section(document, transport);
        text += &cost_section(document, transport);
    }
    text + &idle_section(document) + &sweep_section(document)
}

/// Failures and warnings.
pub fn remarks(document: &Document) -> String {
    let mut text = String::new();
    for failure in &document.failures {
        let _ = writeln!(text, "FAILURE: {failure}");
    }
    for warning in &document.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    let conduct = &document.conduct;
    let _ = writeln!(
        text,
        "took {:.0} s; load average {:.2} before, {:.2} after; {:.1} % of the machine's time taken \
         by its host",
        conduct.wall_ms as f64 / 1000.0,
        document.manifest.load_average,
        conduct.load_average,
        100.0 * conduct.stolen_share
    );
    text
}

fn workloads(document: &Document, wanted: impl Fn(&Workload) -> bool) -> Vec<Workload> {
    let mut workloads = Vec::new();
    for cell in document.cells.iter().filter(|cell| wanted(&cell.workload)) {
        if !workloads.contains(&cell.workload) {
            workloads.push(cell.workload);
        }
    }
    workloads
}

fn cells_of(
    document: &Document,
    transport: Transport,
    wanted: impl Fn(&Cell) -> bool,
) -> Vec<&Cell> {
    document.cells.iter().filter(|cell| cell.transport == transport && wanted(cell)).collect()
}

fn peers_of(cells: &[&Cell]) -> Vec<PeerName> {
    let mut peers: Vec<PeerName> = Vec::new();
    for cell in cells {
        if !peers.contains(&cell.peer) {
            peers.push(cell.peer);
        }
    }
    peers
}

fn latency_title(document: &Document, workload: Workload, transport: Transport) -> String {
    let (name, bytes) = (transport.name(), workload.size_bytes);
    match workload.load {
        Load::OpenLoop { rate_per_second, burst_messages } => {
            let bursts = match burst_messages {
                0 | 1 => String::new(),
                messages => format!(" in bursts of {messages}"),
            };
            format!(
                "one-way latency, {name}, PUSH/PULL {bytes} B, open loop at {rate_per_second} \
                 msg/s{bursts}, pace {}",
                document.manifest.options["pace"].as_str().unwrap_or("unknown")
            )
        }
        _ => format!(
            "round trip, {name}, {} {bytes} B, closed loop: hides stalls between requests",
            workload.title()
        ),
    }
}

fn latency_section(
    document: &Document,
    workload: Workload,
    transport: Transport,
    cells: &[&Cell],
) -> String {
    let open_loop = matches!(workload.load, Load::OpenLoop { .. });
    let mut text = format!(
        "\n== {} ==\nµs: all samples of all repeats, below it min–max of the repeats; ratios: \
         median of repeats, min–max; * fewer than 10 samples above\n",
        latency_title(document, workload, transport)
    );
    let mut table = table(&["", "p50", "p90", "p99", "p99.9", "p99.99", "max", "samples"]);
    for (label, wait) in [("spinning", Wait::Spinning), ("sleeping", Wait::Sleeping)] {
        if let Some(line) = document.floor.round_trip(transport, wait) {
            table.add_row(floor_row(label, line, open_loop));
        }
    }
    let bases: &[(Since, &str)] = if open_loop {
        &[(Since::Intended, " since intended send"), (Since::Sent, " since actual send")]
    } else {
        &[(Since::Intended, "")]
    };
    for &(since, suffix) in bases {
        for cell in cells {
            if let Some(summary) = cell.latency(since) {
                let gave_up = if cell.unsent() > 0 { " † gave up" } else { "" };
                table.add_row(latency_row(format!("{}{suffix}{gave_up}", cell.peer), &summary));
            }
        }
        for cell in cells {
            if let Some(base) = document.baseline_of(cell) {
                table.add_row(latency_ratios(cell, base, since, suffix));
            }
        }
    }
    for why in document.absent() {
        table.add_row(vec![why]);
    }
    align_right(&mut table);
    let _ = writeln!(text, "{table}");
    let unsent: u64 = cells.iter().map(|cell| cell.unsent()).sum();
    if unsent > 0 {
        let _ = writeln!(
            text,
            "† the sender gave up: {unsent} messages that fell due were never sent, and the worst \
             latencies are missing (coordinated omission)"
        );
    }
    let merged: Vec<_> = cells
        .iter()
        .filter_map(|cell| Some((cell.peer.name(), cell.latency(Since::Intended)?.merged)))
        .collect();
    text + &drawing::histograms(&merged)
}

fn quantile_text(quantile: &Quantile, divisor: f64) -> String {
    let mark = if quantile.doubtful { "*" } else { "" };
    let of = |ns: u64| micros(ns as f64 / divisor);
    format!("{}{mark}\n{}–{}", of(quantile.merged_ns), of(quantile.min_ns), of(quantile.max_ns))
}

/// The floor beside latencies. Half of a round trip is no one-way latency except in the middle, and
/// means of many round trips are no percentiles: there only p50 is shown.
fn floor_row(wait: &str, line: &Line, halved: bool) -> Vec<String> {
    let Some(summary) = line.latency() else { return vec![format!("floor, {wait}: none")] };
    let (label, divisor) = if halved { ("half a floor round trip", 2.0) } else { ("floor", 1.0) };
    let only_middle = halved || line.probe.samples_are_means();
    let mut row = vec![format!("{label}, {wait}")];
    row.extend(summary.quantiles.iter().enumerate().map(|(index, quantile)| {
        if only_middle && index > 0 { dash() } else { quantile_text(quantile, divisor) }
    }));
    row.push(if line.probe.samples_are_means() {
        format!("{} means", summary.merged.count())
    } else {
        summary.merged.count().to_string()
    });
    row
}

fn latency_row(label: String, summary: &LatencySummary) -> Vec<String> {
    let mut row = vec![label];
    row.extend(summary.quantiles.iter().map(|quantile| quantile_text(quantile, 1.0)));
    row.push(summary.merged.count().to_string());
    row
}

/// A library against the baseline, repeat by repeat: below 1 is faster.
fn latency_ratios(cell: &Cell, base: &Cell, since: Since, suffix: &str) -> Vec<String> {
    let doubtful = |cell: &Cell| cell.latency(since).map(|latency| latency.quantiles);
    let marks = doubtful(cell).zip(doubtful(base));
    let mut row = vec![format!("{} / {}{suffix}", cell.peer, base.peer)];
    row.extend(QUANTILES.iter().enumerate().map(|(index, (_, quantile))| {
        let of = |cell: &Cell, outcome: &Outcome| cell.quantile_ns(outcome, since, *quantile);
        let doubt = marks
            .as_ref()
            .is_some_and(|(ours, theirs)| ours[index].doubtful || theirs[index].doubtful);
        spread_ratio(cell.ratio(base, of), doubt)
    }));
    row
}

fn rate_section(document: &Document, transport: Transport) -> String {
    let cells = cells_of(document, transport, |cell| cell.workload.measures_rate());
    if cells.is_empty() {
        return String::new();
    }
    let peers = peers_of(&cells);
    let mut text = format!(
        "\n== throughput, {}, counted where messages arrive ==\n\
         msg/s: median of repeats, below it min–max{}; above 100 % of the floor: compare its own \
         min–max\n",
        transport.name(),
        if transport == Transport::Inproc {
            "; floor: a word per message, by reference"
        } else {
            ""
        }
    );
    let mut columns = vec![String::new(), "floor".into()];
    for peer in &peers {
        columns.extend([peer.to_string(), "B/s".into(), "of floor".into()]);
        if *peer != PeerName::BASELINE && peers.contains(&PeerName::BASELINE) {
            columns.push(format!("{peer} / {}", PeerName::BASELINE));
        }
    }
    columns.extend(document.absent().map(|why| why.replacen(": ", ":\n", 1)));
    let mut table = table(&columns);
    for workload in workloads(document, Workload::measures_rate) {
        let of_workload: Vec<_> =
            cells.iter().copied().filter(|cell| cell.workload == workload).collect();
        if !of_workload.is_empty() {
            table.add_row(rate_row(document, transport, &peers, workload, &of_workload));
        }
    }
    align_right(&mut table);
    let _ = writeln!(text, "{table}");
    text
}

fn spread_text(spread: Spread) -> String {
    format!("{}\n{}–{}", short(spread.median), short(spread.min), short(spread.max))
}

fn rate_row(
    document: &Document,
    transport: Transport,
    peers: &[PeerName],
    workload: Workload,
    cells: &[&Cell],
) -> Vec<String> {
    let plain = workload == Workload::throughput(workload.size_bytes, 1);
    let floor = document.floor.messages_per_second(transport, workload.size_bytes);
    let floor = floor.filter(|_| plain);
    let mut row = vec![
        format!("{} {} B", workload.title(), workload.size_bytes),
        floor.map_or_else(dash, spread_text),
    ];
    for &peer in peers {
        let cell = cells.iter().find(|cell| cell.peer == peer);
        let rate = cell.and_then(|cell| cell.rate());
        row.push(rate.map_or_else(dash, |rate| spread_text(rate.messages_per_second)));
        row.push(rate.map_or_else(dash, |rate| short(rate.bytes_per_second.median)));
        let median = rate.map(|rate| rate.messages_per_second.median);
        let share = median.zip(floor).map(|(rate, floor)| 100.0 * rate / floor.median);
        row.push(share.map_or_else(dash, |share| format!("{share:.1} %")));
        if peer != PeerName::BASELINE && peers.contains(&PeerName::BASELINE) {
            let base = cell.and_then(|cell| document.baseline_of(cell));
            let ratio = cell.zip(base).and_then(|(cell, base)| {
                cell.ratio(base, |cell, outcome| cell.messages_per_second(outcome))
            });
            row.push(spread_ratio(ratio, false));
        }
    }
    row
}

/// Processor time of a spinning sender is no cost of a message.
fn has_cost(workload: &Workload) -> bool {
    workload.measures_rate() || matches!(workload.load, Load::ClosedLoop { .. })
}

fn cost_section(document: &Document, transport: Transport) -> String {
    let cells = cells_of(document, transport, |cell| has_cost(&cell.workload));
    let costs: Vec<_> = cells.iter().filter_map(|cell| Some((*cell, cell.cost()?))).collect();
    if costs.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n== what a message costs, {}, both processes together ==\n\
         median of repeats; a round trip counts as one message; in kernel: a sample per timer tick\n",
        transport.name()
    );
    let mut table = table(&[
        "",
        "",
        "CPU ns",
        "sender",
        "receiver",
        "in kernel",
        "sleeps",
        "preempted",
        "system calls",
        "CPU / libzmq",
    ]);
    for (cell, cost) in &costs {
        table.add_row(cost_row(document, cell, cost));
    }
    align_right(&mut table);
    let _ = writeln!(text, "{table}");
    let _ = match &document.manifest.system_calls_uncounted {
        Some(why) => writeln!(text, "system calls: {why}"),
        None => writeln!(text, "system calls: in one repeat more, which counting slows down"),
    };
    text
}

fn cost_row(document: &Document, cell: &Cell, cost: &CostSummary) -> Vec<String> {
    let shared = cell.transport == Transport::Inproc;
    let side = |cpu_ns: Option<f64>| match cpu_ns {
        Some(cpu_ns) if !shared => whole(cpu_ns),
        _ => dash(),
    };
    let receives = cell.workload.receiver() == crate::role::Side::Binder;
    let (sender, receiver) = if receives {
        (cost.connector_cpu_ns, cost.binder_cpu_ns)
    } else {
        (cost.binder_cpu_ns, cost.connector_cpu_ns)
    };
    let base = document.baseline_of(cell);
    let ratio =
        base.and_then(|base| cell.ratio(base, |cell, outcome| cell.cpu_ns_per_message(outcome)));
    vec![
        format!("{} {} B", cell.workload.title(), cell.workload.size_bytes),
        cell.peer.to_string(),
        whole(cost.cpu_ns.median),
        side(sender),
        side(receiver),
        format!("{:.0} %", 100.0 * cost.system_share),
        format!("{:.3}", cost.voluntary_switches),
        format!("{:.4}", cost.involuntary_switches),
        cost.system_calls.map_or_else(dash, |calls| format!("{calls:.3}")),
        if base.is_some() { spread_ratio(ratio, false) } else { String::new() },
    ]
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn idle_section(document: &Document) -> String {
    let idle = |cell: &&Cell| matches!(cell.workload.pattern, Pattern::Idle { .. });
    let cells: Vec<_> = document.cells.iter().filter(idle).collect();
    if cells.is_empty() {
        return String::new();
    }
    let mut table = table(&["", "", "", "bytes each", "of a core while idle", "bytes / libzmq"]);
    for cell in cells {
        let bytes = cell.bytes_per_connection();
        let base = document.baseline_of(cell).and_then(Cell::bytes_per_connection);
        let both = bytes.zip(base);
        table.add_row(vec![
            cell.workload.title(),
            cell.transport.name().into(),
            cell.peer.to_string(),
            bytes.map_or_else(dash, |of| format!("{:.0}\n{:.0}–{:.0}", of.median, of.min, of.max)),
            cell.idle_share().map_or_else(dash, |of| format!("{:.3} %", 100.0 * of.median)),
            both.map_or_else(dash, |(ours, theirs)| ratio(ours.median, theirs.median)),
        ]);
    }
    align_right(&mut table);
    format!("\n== idle connections, at the side that accepts them ==\n{table}\n")
}

fn sweep_section(document: &Document) -> String {
    let mut text = String::new();
    for sweep in &document.sweeps {
        let _ = writeln!(
            text,
            "\n== rate sweep, {}, {}: {} msg/s sustained without loss ==\n\
             µs since the intended send; * fewer than 10 samples above",
            sweep.transport.name(),
            sweep.peer,
            short(sweep.sustained_per_second as f64)
        );
        let mut table =
            table(&["of that rate", "msg/s", "p50", "p90", "p99", "p99.9", "p99.99", "max"]);
        for (percent, workload) in &sweep.points {
            let cell = document.cells.iter().find(|cell| {
                (cell.workload, cell.transport, cell.peer)
                    == (*workload, sweep.transport, sweep.peer)
            });
            let latency = cell.and_then(|cell| cell.latency(Since::Intended));
            let rate = match workload.load {
                Load::OpenLoop { rate_per_second, .. } => short(rate_per_second as f64),
                _ => dash(),
            };
            let mut row = vec![format!("{percent} %"), rate];
            row.extend(latency.iter().flat_map(|latency| {
                latency.quantiles.iter().map(|quantile| quantile_text(quantile, 1.0))
            }));
            table.add_row(row);
        }
        align_right(&mut table);
        let _ = writeln!(text, "{table}");
    }
    text
}

/// The figures people ask for first, each against the baseline.
pub fn glance(document: &Document) -> String {
    // The rates of a sweep differ between libraries; its own tables say it all.
    if !document.sweeps.is_empty() {
        return String::new();
    }
    let mut table = table(&["at a glance", "", "", "libzmq", "ratio, min–max"]);
    let ours = |cell: &&Cell| cell.peer != PeerName::BASELINE;
    let mut rows = 0;
    for cell in document.cells.iter().filter(ours) {
        let base = document.baseline_of(cell);
        for (name, text, figure) in glance_figures(cell) {
            let theirs = base.map_or_else(dash, |base| {
                let values = base.outcomes().filter_map(|outcome| figure(base, outcome));
                Spread::of(values).map_or_else(dash, |of| text(of.median))
            });
            let values = cell.outcomes().filter_map(|outcome| figure(cell, outcome));
            let Some(value) = Spread::of(values) else { continue };
            let ratio = base.and_then(|base| cell.ratio(base, figure));
            let what = format!("{name}, {} {} B", cell.workload.title(), cell.workload.size_bytes);
            let who = format!("{} {}", cell.peer, cell.transport.name());
            let ratio = spread_ratio(ratio, false).replace('\n', "  ");
            table.add_row(vec![what, who, text(value.median), theirs, ratio]);
            rows += 1;
        }
    }
    align_right(&mut table);
    if rows == 0 { String::new() } else { format!("\n{table}\nmedians of repeats\n") }
}

type Figure = fn(&Cell, &Outcome) -> Option<f64>;
type Text = fn(f64) -> String;

fn glance_figures(cell: &Cell) -> Vec<(&'static str, Text, Figure)> {
    let small = cell.workload.size_bytes == crate::workload::LATENCY_MESSAGE_BYTES;
    let p50: Figure = |cell, outcome| cell.quantile_ns(outcome, Since::Intended, 0.5);
    let p99: Figure = |cell, outcome| cell.quantile_ns(outcome, Since::Intended, 0.99);
    let time: Text = |ns| format!("{} µs", micros(ns));
    match cell.workload.load {
        Load::ClosedLoop { gap_ns: 0 } => {
            let p999: Figure = |cell, outcome| cell.quantile_ns(outcome, Since::Intended, 0.999);
            vec![("p50", time, p50), ("p99", time, p99), ("p99.9", time, p999)]
        }
        Load::ClosedLoop { .. } => vec![("p50", time, p50)],
        Load::OpenLoop { rate_per_second, .. } if rate_per_second >= 10_000 => {
            vec![("p50", time, p50), ("p99", time, p99)]
        }
        Load::Saturating | Load::Window { .. } if small => {
            let rate: Figure = |cell, outcome| cell.messages_per_second(outcome);
            let cost: Figure = |cell, outcome| cell.cpu_ns_per_message(outcome);
            vec![
                ("rate", |rate| format!("{} msg/s", short(rate)), rate),
                ("CPU per message", |ns| format!("{ns:.0} ns"), cost),
            ]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tests::sample;
    use crate::floor::Probe;
    use crate::workload::RoleReport;

    #[test]
    fn sample_counts_ratios_and_doubts_are_shown() {
        let mut document = sample(1000, 10, 5);
        let mut base = document.cells.clone();
        base.iter_mut().for_each(|cell| cell.peer = PeerName::LIBZMQ);
        document.cells.extend(base);
        let text = results(&document);
        assert!(text.contains("5000") && text.contains("zeroring / libzmq"), "{text}");
        assert!(text.contains("1.00×*"), "a ratio of doubtful percentiles is doubtful: {text}");
        assert!(text.contains("at a glance"), "{text}");
    }

    #[test]
    fn a_sender_that_gave_up_marks_its_row_and_says_why() {
        let mut document = sample(1000, 10, 1);
        let cell = &mut document.cells[0];
        cell.workload = Workload::one_way(64, 1000, 1);
        if let Ok(outcome) = &mut cell.repeats[0] {
            outcome.connector.unsent = 7;
        }
        let text = results(&document);
        assert!(text.contains("† gave up"), "{text}");
        assert!(text.contains("7 messages that fell due were never sent"), "{text}");
    }

    #[test]
    fn means_and_halved_round_trips_show_only_their_middle() {
        let document = sample(1000, 10, 1);
        let latency = document.cells[0].outcomes().next().unwrap().connector.latency.clone();
        let connector = RoleReport { latency, ..RoleReport::default() };
        let outcome = Outcome { connector, binder: RoleReport::default() };
        let bounce = Line { probe: Probe::Bounce, rounds: vec![Ok(outcome.clone())] };
        let eventfd = Line { probe: Probe::Eventfd, rounds: vec![Ok(outcome)] };
        let dashes = |row: Vec<String>| row.iter().filter(|text| **text == dash()).count();
        assert_eq!(dashes(floor_row("spinning", &bounce, false)), 5);
        assert_eq!(dashes(floor_row("sleeping", &eventfd, true)), 5);
        assert_eq!(dashes(floor_row("sleeping", &eventfd, false)), 0);
    }
}
