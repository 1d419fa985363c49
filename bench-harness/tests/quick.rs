//! The tool from the outside: real processes, real files, in its tiny mode.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn harness(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench-harness")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn document(directory: &Path) -> Value {
    let text = std::fs::read_to_string(directory.join("results.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn run_quick(directory: &TempDir, more: &[&str]) -> (Output, Value) {
    let out = directory.path().join("out");
    let mut arguments = vec!["--quick", "--out", out.to_str().unwrap()];
    arguments.extend(more);
    let output = harness(&arguments);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let document = document(&out);
    (output, document)
}

#[test]
fn a_quick_run_measures_counts_and_saves_every_workload() {
    let directory = TempDir::new().unwrap();
    let (output, document) = run_quick(&directory, &["--peers", "raw"]);
    let text = stdout(&output);
    assert!(text.contains("REQ/REP 64 B, closed loop"), "{text}");
    assert!(text.contains("open loop at 10000 msg/s") && text.contains("since actual send"));

    let cells = document["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 6, "three workloads over ipc and tcp");
    for cell in cells {
        let repeat = &cell["repeats"][0];
        let sent = repeat["sent_messages"].as_u64().unwrap();
        assert!(sent > 0, "{cell}");
        assert_eq!(repeat["received_messages"].as_u64().unwrap(), sent, "{cell}");
        assert_eq!(repeat["lost_messages"], 0);
        assert!(cell["messages_per_second"]["median"].as_f64().unwrap() > 0.0);
    }
    let one_way = cells.iter().find(|cell| cell["load"] == "open_loop").unwrap();
    assert_eq!(one_way["repeats"][0]["sent_messages"], 300, "10,000 per second for 30 ms");
    assert_eq!(one_way["latency_since_intended"]["all_repeats"]["samples"], 300);
    let latency = |since: &str| one_way[since]["all_repeats"]["max_ns"].as_u64().unwrap();
    assert!(latency("latency_since_intended") >= latency("latency_since_send"));

    for name in ["round-trip-tcp-raw", "one-way-10000-per-second-ipc-raw-since-send"] {
        let text =
            std::fs::read_to_string(directory.path().join(format!("out/{name}.hgrm"))).unwrap();
        assert!(text.contains("1/(1-Percentile)") && text.contains("#[Mean"), "{text}");
    }
}

#[test]
fn the_floor_stands_beside_the_results_and_alone() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().to_str().unwrap();
    let output = harness(&["floor", "--duration-ms", "20", "--sizes", "64", "--out", out]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let document = document(directory.path());
    let floor = document["floor"].as_array().unwrap();
    let two_cores = document["manifest"]["cores"].as_u64().unwrap() > 1;
    for probe in ["bounce", "eventfd", "ping", "stream", "framed", "ring"] {
        let mut lines = floor.iter().filter(|line| line["probe"] == probe);
        let measured = lines.any(|line| {
            let round_trip = line["round_trip"]["p50_ns"].as_u64().unwrap_or(0);
            round_trip > 0 || line["bytes_per_second"].as_f64().unwrap_or(0.0) > 0.0
        });
        let spins = ["bounce", "ring"].contains(&probe);
        assert_eq!(measured, two_cores || !spins, "{probe}: {floor:?}");
    }
}

#[test]
fn the_stock_library_is_measured_or_its_absence_is_said() {
    let directory = TempDir::new().unwrap();
    let (output, document) = run_quick(&directory, &["--peers", "libzmq,raw"]);
    let measured = cells_of(&document, "libzmq");
    if stdout(&output).contains("libzmq not found: install libzmq5") {
        assert_eq!(measured, 0);
    } else {
        assert_eq!(measured, 9, "three workloads over three transports");
        assert!(stdout(&output).contains("raw / libzmq"), "ratios: {}", stdout(&output));
    }
}

#[test]
fn without_the_stock_library_the_rest_is_measured() {
    let directory = TempDir::new().unwrap();
    // A file that the loader finds first and cannot load.
    std::fs::write(directory.path().join("libzmq.so.5"), "not a library").unwrap();
    let out = directory.path().join("out");
    let output = Command::new(env!("CARGO_BIN_EXE_bench-harness"))
        .args(["--quick", "--peers", "libzmq,raw", "--workloads", "throughput", "--out"])
        .arg(&out)
        .env("LD_LIBRARY_PATH", directory.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("libzmq not found: install libzmq5"), "{}", stdout(&output));
    let document = document(&out);
    assert_eq!((cells_of(&document, "libzmq"), cells_of(&document, "raw")), (0, 2));
}

fn cells_of(document: &Value, peer: &str) -> usize {
    document["cells"].as_array().unwrap().iter().filter(|cell| cell["peer"] == peer).count()
}

#[test]
fn a_library_that_was_named_must_open() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("out");
    let out = out.to_str().unwrap();
    let output = harness(&["--quick", "--out", out, "--libzmq", "/nonexistent.so"]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("--libzmq /nonexistent.so"), "{}", stderr(&output));
}

#[test]
fn cells_that_fail_are_named_and_the_rest_is_saved() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("out");
    // No Unix socket fits into a path this long, so all that needs one fails.
    let long = directory.path().join("x".repeat(120));
    std::fs::create_dir(&long).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bench-harness"))
        .args(["--quick", "--peers", "raw", "--workloads", "round-trip", "--out"])
        .arg(&out)
        .env("TMPDIR", &long)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let document = document(&out);
    let failures = document["failures"].to_string();
    assert!(failures.contains("ipc raw round-trip: repeat 1"), "{failures}");
    assert!(failures.contains("set TMPDIR to a shorter directory"), "{failures}");
    assert!(stdout(&output).contains("FAILURE: ipc raw round-trip"));
    let left: Vec<_> = std::fs::read_dir(&long).unwrap().collect();
    assert!(left.is_empty(), "temporary files are removed: {left:?}");
    for cell in document["cells"].as_array().unwrap() {
        let repeats = cell["repeats"].as_array().unwrap().len();
        assert_eq!(repeats, usize::from(cell["transport"] == "tcp"), "{cell}");
    }
}
