//! The whole run as one document: what `results.json` holds, and what every report is made from.
//! It reads back as it was written.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::floor::Floor;
use crate::histogram::{Latencies, QUANTILES};
use crate::machine::{Conduct, Manifest};
use crate::peer::{PeerName, Probe};
use crate::results::{Cell, LatencySummary, Since, Spread};
use crate::sweep::Sweep;

/// Raised when a reader of older documents would misread this one.
pub const FORMAT_VERSION: u32 = 2;
const FORMAT: &str = "bench-harness results";
/// The name of the document in a directory of results.
pub const FILE_NAME: &str = "results.json";

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What this is.
    pub format: String,
    /// Which version of it.
    pub format_version: u32,
    /// Where and how it ran.
    pub manifest: Manifest,
    /// What happened meanwhile.
    pub conduct: Conduct,
    /// What spoils it.
    pub warnings: Vec<String>,
    /// What went wrong: the exit status depends on it.
    pub failures: Vec<String>,
    /// What the machine allows.
    pub floor: Floor,
    /// Libraries asked for, with what they are or why they are absent.
    pub libraries: Vec<Library>,
    /// What was measured, with every sample.
    pub cells: Vec<Cell>,
    /// The rates found by a sweep.
    #[serde(default)]
    pub sweeps: Vec<Sweep>,
    /// The same cells as figures, for readers that do not want to add up samples themselves. Made
    /// anew from the cells, never read.
    #[serde(default, skip_deserializing)]
    pub figures: Vec<Value>,
}

/// A library that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Library {
    /// Its name.
    pub name: PeerName,
    /// What it is, or why it is absent.
    pub probe: Result<Probe, String>,
}

impl Document {
    /// A run that is about to begin.
    pub fn new(manifest: Manifest, conduct: Conduct, libraries: Vec<Library>) -> Self {
        Self {
            format: FORMAT.into(),
            format_version: FORMAT_VERSION,
            manifest,
            conduct,
            warnings: Vec::new(),
            failures: Vec::new(),
            floor: Floor::default(),
            libraries,
            cells: Vec::new(),
            sweeps: Vec::new(),
            figures: Vec::new(),
        }
    }

    /// Writes it into `directory`.
    pub fn save(&self, directory: &Path) -> Result<()> {
        let path = directory.join(FILE_NAME);
        let figures = self.cells.iter().map(figures).collect();
        let text = serde_json::to_string_pretty(&Self { figures, ..self.clone() })?;
        fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }

    /// Reads it from its file, or from the directory that holds it.
    pub fn load(path: &Path) -> Result<Self> {
        let path: PathBuf = if path.is_dir() { path.join(FILE_NAME) } else { path.into() };
        let name = path.display();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
        let value: Value =
            serde_json::from_str(&text).with_context(|| format!("{name} is not JSON"))?;
        ensure!(value["format"] == FORMAT, "{name} does not hold {FORMAT}");
        match value["format_version"].as_u64() {
            Some(version) if version == u64::from(FORMAT_VERSION) => {}
            Some(version) => bail!(
                "{name} has format version {version}, this program reads {FORMAT_VERSION}; \
                 measure again, or read it with the program that wrote it"
            ),
            None => bail!("{name} has no format version"),
        }
        serde_json::from_value(value).with_context(|| format!("{name} is damaged"))
    }

    /// Why libraries are missing, without the loader's own words.
    pub fn absent(&self) -> impl Iterator<Item = &str> {
        let reasons = self.libraries.iter().filter_map(|library| library.probe.as_ref().err());
        reasons.map(|why| why.split(" (").next().unwrap_or(why))
    }

    /// The cells that measured the same as `cell` with the library ratios are taken against.
    pub fn baseline_of(&self, cell: &Cell) -> Option<&Cell> {
        self.cells.iter().find(|base| {
            base.peer == PeerName::BASELINE
                && cell.peer != PeerName::BASELINE
                && (base.workload, base.transport) == (cell.workload, cell.transport)
        })
    }
}

/// A cell as figures; every number says its unit in its key.
fn figures(cell: &Cell) -> Value {
    let mut object = match json!(cell.workload) {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    let mut put = |key: &str, value: Value| object.insert(key.into(), value);
    put("label", json!(cell.workload.label()));
    put("transport", json!(cell.transport));
    put("peer", json!(cell.peer));
    put("repeats", json!(cell.repeats.len()));
    put("unsent_messages", json!(cell.unsent()));
    let bases = [("latency", Since::Intended), ("latency_since_send", Since::Sent)];
    for (key, since) in bases {
        if let Some(summary) = cell.latency(since) {
            put(key, latency(&summary));
        }
    }
    if let Some(rate) = cell.rate() {
        put("messages_per_second", json!(rate.messages_per_second));
        put("bytes_per_second", json!(rate.bytes_per_second));
    }
    if let Some(cost) = cell.cost() {
        put("cpu_ns_per_message", json!(cost.cpu_ns));
        put("cpu_ns_per_message_of_connector", json!(cost.connector_cpu_ns));
        put("cpu_ns_per_message_of_binder", json!(cost.binder_cpu_ns));
        put("cpu_share_in_kernel", json!(cost.system_share));
        put("voluntary_switches_per_message", json!(cost.voluntary_switches));
        put("involuntary_switches_per_message", json!(cost.involuntary_switches));
        put("system_calls_per_message", json!(cost.system_calls));
    }
    let spreads: [(&str, Option<Spread>); 2] = [
        ("bytes_per_connection", cell.bytes_per_connection()),
        ("idle_share_of_a_core", cell.idle_share()),
    ];
    for (key, spread) in spreads {
        if let Some(spread) = spread {
            put(key, json!(spread));
        }
    }
    Value::Object(object)
}

fn latency(summary: &LatencySummary) -> Value {
    let mut object = Map::new();
    let merged: &Latencies = &summary.merged;
    object.insert("samples".into(), json!(merged.count()));
    object.insert("min_ns".into(), json!(merged.min_ns()));
    object.insert("mean_ns".into(), json!(merged.mean_ns()));
    object.insert("standard_deviation_ns".into(), json!(merged.deviation_ns()));
    for ((label, _), quantile) in QUANTILES.iter().zip(&summary.quantiles) {
        let entry = json!({
            "all_repeats_ns": quantile.merged_ns,
            "smallest_of_repeats_ns": quantile.min_ns,
            "largest_of_repeats_ns": quantile.max_ns,
            "fewer_than_10_samples_above": quantile.doubtful,
        });
        object.insert(label.replace('.', "_"), entry);
    }
    Value::Object(object)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::machine::Watch;
    use crate::peer::Transport;
    use crate::process::Outcome;
    use crate::workload::{RoleReport, Workload};
    use clap::Parser;

    /// A document with one latency cell and one rate cell of a library, as fast as asked.
    pub fn sample(latency_ns: u64, messages: u64, repeats: u64) -> Document {
        let plan = Cli::parse_from(["bench-harness", "--quick"]).run.plan().unwrap();
        let manifest = Manifest::collect(&plan, Vec::new());
        let mut document = Document::new(manifest, Watch::start().stop(), Vec::new());
        let workloads = [Workload::round_trip(64, 0), Workload::throughput(64, 1)];
        for workload in workloads {
            let mut cell = Cell::new(workload, Transport::Tcp, PeerName::ZERORING);
            for repeat in 0..repeats {
                let mut latencies = Latencies::new();
                (0..1000).for_each(|_| latencies.record(latency_ns + repeat));
                let latency = workload.measures_latency().then(|| latencies.to_samples());
                let elapsed_ns = crate::clock::SECOND_NS + repeat;
                let side =
                    RoleReport { messages, elapsed_ns, bytes: 64, latency, ..Default::default() };
                cell.repeats.push(Ok(Outcome { connector: side.clone(), binder: side }));
            }
            document.cells.push(cell);
        }
        document
    }

    #[test]
    fn a_saved_document_reads_back_the_same_and_carries_figures() {
        let directory = tempfile::TempDir::new().unwrap();
        let document = sample(1000, 10, 3);
        document.save(directory.path()).unwrap();
        assert_eq!(Document::load(directory.path()).unwrap(), document);
        let text = fs::read_to_string(directory.path().join(FILE_NAME)).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let latency = &value["figures"][0]["latency"];
        assert_eq!(latency["samples"], 3000);
        assert_eq!(latency["p50"]["all_repeats_ns"].as_u64().unwrap() / 10, 100);
        assert_eq!(latency["p99_99"]["fewer_than_10_samples_above"], true);
    }

    #[test]
    fn documents_of_other_versions_and_other_files_are_refused_by_name() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("old.json");
        let refusal = |text: &str| {
            fs::write(&path, text).unwrap();
            format!("{:#}", Document::load(&path).unwrap_err())
        };
        assert!(refusal("{").contains("old.json is not JSON"));
        assert!(refusal("{}").contains("does not hold"));
        let old = r#"{"format": "bench-harness results", "format_version": 1}"#;
        assert!(refusal(old).contains("format version 1, this program reads 2"));
    }
}
