//! Percentile plots as SVG: latency over the percentile on a scale that stretches towards 100 %,
//! both axes logarithmic, a line per library, dashed where fewer than ten samples lie above.

use std::fmt::Write as _;

use super::units::{micros, short};
use crate::document::Document;
use crate::histogram::{FEWEST_SAMPLES_ABOVE, Latencies};
use crate::results::{Cell, Since};
use crate::sweep::Sweep;
use crate::workload::Workload;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 46.0;
/// Distinguishable with every kind of colour vision, and in grey.
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#000000", "#e69f00"];
/// Between names above the plot, where there is room for that.
const NAME_WIDTH: f64 = 150.0;
const STEPS_PER_DECADE: u32 = 20;

/// The plots of a run with their file names: one for all libraries of each latency workload over
/// each transport; for a sweep one per library with a line for each part of its highest rate.
pub fn of(document: &Document) -> Vec<(String, String)> {
    if !document.sweeps.is_empty() {
        return document.sweeps.iter().map(|sweep| of_sweep(document, sweep)).collect();
    }
    let mut plots: Vec<(String, String)> = Vec::new();
    for cell in document.cells.iter().filter(|cell| cell.workload.measures_latency()) {
        let name = format!("{}-{}", cell.workload.label(), cell.transport.name());
        if plots.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let beside =
            |other: &&Cell| (other.workload, other.transport) == (cell.workload, cell.transport);
        let lines: Vec<_> = document
            .cells
            .iter()
            .filter(beside)
            .filter_map(|cell| Some((cell.peer.name(), cell.latency(Since::Intended)?.merged)))
            .collect();
        if !lines.is_empty() {
            let title = format!("{}, {}", cell.workload.title(), name);
            plots.push((name, svg(&title, &lines)));
        }
    }
    plots
}

fn of_sweep(document: &Document, sweep: &Sweep) -> (String, String) {
    let names: Vec<_> = sweep.points.iter().map(|(percent, _)| format!("{percent} %")).collect();
    let latency = |workload: &Workload| {
        let wanted = (*workload, sweep.transport, sweep.peer);
        let cell = document
            .cells
            .iter()
            .find(|cell| (cell.workload, cell.transport, cell.peer) == wanted)?;
        Some(cell.latency(Since::Intended)?.merged)
    };
    let points = names.iter().zip(&sweep.points);
    let lines: Vec<_> = points
        .filter_map(|(name, (_, workload))| Some((name.as_str(), latency(workload)?)))
        .collect();
    let (transport, peer) = (sweep.transport.name(), sweep.peer);
    let title = format!(
        "one-way latency, {transport}, {peer}, at parts of {} msg/s",
        short(sweep.sustained_per_second as f64)
    );
    (format!("sweep-{transport}-{peer}"), svg(&title, &lines))
}

/// The area in which lines are drawn, and what it spans.
struct Area {
    decades: f64,
    low: f64,
    high: f64,
}

impl Area {
    fn x(&self, quantile: f64) -> f64 {
        let nines = -(1.0 - quantile).max(1e-12).log10();
        LEFT + (nines / self.decades).min(1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, ns: f64) -> f64 {
        let share = (ns.max(1.0).log10() - self.low) / (self.high - self.low);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }
}

/// One plot; every number of it is finite, whatever the samples.
pub fn svg(title: &str, lines: &[(&str, Latencies)]) -> String {
    let most = lines.iter().map(|(_, latencies)| latencies.count()).max().unwrap_or(1).max(10);
    let least_ns = lines.iter().map(|(_, latencies)| latencies.min_ns()).min().unwrap_or(1).max(1);
    let most_ns = lines.iter().map(|(_, latencies)| latencies.quantile_ns(1.0)).max().unwrap_or(1);
    let area = Area {
        decades: (most as f64).log10().ceil().max(1.0),
        low: (least_ns as f64).log10().floor(),
        high: (most_ns.max(least_ns + 1) as f64)
            .log10()
            .ceil()
            .max((least_ns as f64).log10().floor() + 1.0),
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{}</text>\n",
        escaped(title)
    );
    axes(&mut svg, &area);
    for (index, (name, latencies)) in lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        line(&mut svg, &area, latencies, colour);
        let each = NAME_WIDTH.min((WIDTH - LEFT) / lines.len() as f64);
        let x = LEFT + each * index as f64;
        let samples = if each < NAME_WIDTH {
            String::new()
        } else {
            format!(" ({} samples)", latencies.count())
        };
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"26\" width=\"14\" height=\"4\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"33\">{}{samples}</text>",
            x + 18.0,
            escaped(name)
        );
    }
    svg + "</svg>\n"
}

fn axes(svg: &mut String, area: &Area) {
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    for decade in area.low as i32..=area.high as i32 {
        let ns = 10_f64.powi(decade);
        let y = area.y(ns);
        // Writing to a String cannot fail.
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} µs</text>",
            LEFT - 6.0,
            y + 4.0,
            micros(ns)
        );
    }
    for nines in 0..=area.decades as i32 {
        let quantile = 1.0 - 10_f64.powi(-nines);
        let x = area.x(quantile);
        let label = if nines == 0 { "0".into() } else { percent(nines as usize) };
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label} %</text>",
            bottom + 18.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">percentile; dashed: \
         fewer than {FEWEST_SAMPLES_ABOVE} samples above</text>",
        HEIGHT - 10.0
    );
}

/// 90, 99, 99.9, …
fn percent(nines: usize) -> String {
    match nines {
        1 => "90".into(),
        2 => "99".into(),
        more => format!("99.{}", "9".repeat(more - 2)),
    }
}

fn line(svg: &mut String, area: &Area, latencies: &Latencies, colour: &str) {
    if latencies.count() == 0 {
        return;
    }
    let (mut sure, mut doubtful) = (String::new(), String::new());
    let last = (latencies.count() as f64).log10() * f64::from(STEPS_PER_DECADE);
    for step in 0..=last.ceil() as u32 {
        let quantile = 1.0 - 10_f64.powf(-f64::from(step) / f64::from(STEPS_PER_DECADE));
        let point = format!(
            "{:.1},{:.1} ",
            area.x(quantile),
            area.y(latencies.quantile_ns(quantile) as f64)
        );
        if latencies.is_doubtful(quantile) {
            // The dashed part begins where the other ends.
            if doubtful.is_empty() {
                doubtful += sure.split_whitespace().next_back().unwrap_or_default();
                doubtful.push(' ');
            }
            doubtful += &point;
        } else {
            sure += &point;
        }
    }
    for (points, dashes) in [(sure, ""), (doubtful, " stroke-dasharray=\"4 3\"")] {
        if points.split_whitespace().count() > 1 {
            let points = points.trim();
            let _ = writeln!(
                svg,
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" \
                 stroke-width=\"2\"{dashes}/>"
            );
        }
    }
}

/// Text that may stand inside XML and HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tests::sample;

    #[test]
    fn a_plot_has_a_line_per_library_and_dashes_what_is_doubtful() {
        let mut latencies = Latencies::new();
        (1..=1000).for_each(|value| latencies.record(value * 1000));
        let svg = svg("a < b", &[("one", latencies.clone()), ("two", latencies)]);
        assert_eq!(svg.matches("<polyline").count(), 4, "solid and dashed, twice: {svg}");
        assert_eq!(svg.matches("stroke-dasharray").count(), 2);
        assert!(svg.contains("a &lt; b") && svg.contains("one (1000 samples)"));
        assert!(svg.contains(">99.9 %<") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn extreme_samples_still_make_a_plot() {
        for values in [vec![], vec![1], vec![5, 5, 5], vec![1, u64::MAX]] {
            let mut latencies = Latencies::new();
            values.iter().for_each(|&value| latencies.record(value));
            let svg = svg("x", &[("one", latencies)]);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?}: {svg}");
        }
    }

    #[test]
    fn a_sweep_has_a_plot_per_library_with_a_line_per_rate() {
        let mut document = sample(1000, 10, 1);
        let Cell { workload, transport, peer, .. } = document.cells[0];
        document.sweeps.push(Sweep {
            transport,
            peer,
            sustained_per_second: 1000,
            tried: vec![(1000, true)],
            points: vec![(50, workload), (100, workload)],
        });
        let plots = of(&document);
        assert_eq!((plots.len(), plots[0].0.as_str()), (1, "sweep-tcp-zeroring"));
        assert!(plots[0].1.contains("50 % (1000 samples)") && plots[0].1.contains(">100 % ("));
    }

    #[test]
    fn a_run_has_a_plot_per_latency_workload_and_transport() {
        let plots = of(&sample(1000, 10, 3));
        assert_eq!(plots.len(), 1, "throughput has none");
        assert_eq!(plots[0].0, "round-trip-64-bytes-tcp");
    }
}
