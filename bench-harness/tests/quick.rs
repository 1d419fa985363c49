//! The tool from the outside: real processes, real files, in its tiny mode.

mod common;

use common::{cells_of, document, harness, run_quick, stderr, stdout};
use std::process::Command;
use tempfile::TempDir;

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
        let repeat = &cell["repeats"][0]["Ok"];
        let sent = repeat["connector"]["messages"].as_u64().unwrap();
        assert!(sent > 0, "{cell}");
        assert_eq!(repeat["binder"]["messages"].as_u64().unwrap(), sent, "{cell}");
        assert_eq!(repeat["binder"]["lost"], 0);
        let counts = document["manifest"]["system_calls_uncounted"].is_null();
        assert_eq!(cell["counted"].is_null(), !counts, "{cell}");
        if counts {
            let calls = &cell["counted"]["Ok"]["binder"]["usage"]["system_calls"];
            assert!(calls.as_u64() > Some(0), "{cell}");
        }
        for side in ["connector", "binder"] {
            assert!(repeat[side]["usage"]["user_ns"].is_u64(), "{side} of {cell}");
        }
    }
    let figures = document["figures"].as_array().unwrap();
    assert!(figures.iter().all(|cell| cell["cpu_ns_per_message"]["median"].as_f64() > Some(0.0)));
    let one_way = figures.iter().find(|cell| cell["load"] == "open_loop").unwrap();
    assert_eq!(one_way["latency"]["samples"], 300, "10,000 per second for 30 ms");
    let longest = |since: &str| one_way[since]["max"]["all_repeats_ns"].as_u64().unwrap();
    assert!(longest("latency") >= longest("latency_since_send"));
}

#[test]
fn every_kind_of_file_is_left_and_holds_what_it_should() {
    let directory = TempDir::new().unwrap();
    run_quick(&directory, &["--peers", "raw", "--transports", "tcp"]);
    let read = |name: &str| {
        std::fs::read_to_string(directory.path().join("out").join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for name in
        ["round-trip-64-bytes-tcp-raw", "one-way-64-bytes-10000-per-second-tcp-raw-since-send"]
    {
        let percentiles = read(&format!("{name}.hgrm"));
        assert!(percentiles.contains("1/(1-Percentile)") && percentiles.contains("#[Mean"));
        assert!(read(&format!("{name}.hlog")).contains("Tag=raw,"));
    }
    assert!(read("round-trip-64-bytes-tcp.svg").starts_with("<svg"));
    assert!(read("results.csv").lines().count() > 10);
    let page = read("report.html");
    assert!(page.contains("<polyline") && page.contains("round trip, tcp"), "{page}");
}

#[test]
fn the_floor_stands_beside_the_results_and_alone() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().to_str().unwrap();
    let output =
        harness(&["floor", "--duration-ms", "20", "--rounds", "2", "--sizes", "64", "--out", out]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let document = document(directory.path());
    let floor = document["floor"].as_array().unwrap();
    let two_cores = document["manifest"]["cores"].as_u64().unwrap() > 1;
    for probe in ["bounce", "eventfd", "ping", "stream", "framed", "ring", "jitter"] {
        let mut lines = floor.iter().filter(|line| line["probe"] == probe);
        let measured = lines.any(|line| {
            assert_eq!(line["rounds"].as_array().unwrap().len(), 2, "{line}");
            ["connector", "binder"]
                .iter()
                .any(|side| line["rounds"][0]["Ok"][side]["elapsed_ns"].as_u64().unwrap_or(0) > 0)
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
    let text = stdout(&output);
    if text.contains("libzmq not found: install libzmq5") {
        assert_eq!(measured, 0);
    } else {
        assert_eq!(measured, 9, "three workloads over three transports");
        assert!(text.contains("raw / libzmq"), "ratios: {text}");
        let libraries = document["manifest"]["libraries"].to_string();
        assert!(libraries.contains(".so"), "the file really loaded: {libraries}");
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

#[test]
fn a_library_that_was_named_must_open() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("out");
    let out = out.to_str().unwrap();
    let output = harness(&["--quick", "--out", out, "--libzmq", "/nonexistent.so"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--libzmq /nonexistent.so"), "{}", stderr(&output));
    let output = harness(&["--quick", "--out", out, "--rival", "other=/bin/true"]);
    assert!(stderr(&output).contains("other: /bin/true does not answer"), "{}", stderr(&output));
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
    assert_eq!(output.status.code(), Some(1));
    let document = document(&out);
    let failures = document["failures"].to_string();
    assert!(failures.contains("ipc raw round-trip-64-bytes: repeat 1"), "{failures}");
    assert!(failures.contains("set TMPDIR to a shorter directory"), "{failures}");
    assert!(stdout(&output).contains("FAILURE: ipc raw round-trip"));
    let left: Vec<_> = std::fs::read_dir(&long).unwrap().collect();
    assert!(left.is_empty(), "temporary files are removed: {left:?}");
    for cell in document["cells"].as_array().unwrap() {
        let ended = cell["repeats"][0]["Ok"].is_object();
        assert_eq!(ended, cell["transport"] == "tcp", "{cell}");
    }
}

#[test]
fn a_sender_that_never_leaves_its_warm_up_is_a_failure_not_a_zero() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("out");
    // Ten million messages per second through one system call each cannot be kept.
    let output = Command::new(env!("CARGO_BIN_EXE_bench-harness"))
        .args(["--quick", "--peers", "raw", "--workloads", "one-way", "--transports", "tcp"])
        .args(["--rates", "10000000", "--warm-up-ms", "400", "--duration-ms", "1", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("nothing was measured: the sender gave up"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn two_runs_are_compared_and_a_run_with_itself_is_the_same() {
    let directory = TempDir::new().unwrap();
    run_quick(&directory, &["--peers", "raw", "--workloads", "throughput", "--repeats", "3"]);
    let out = directory.path().join("out");
    let out = out.to_str().unwrap();
    let output = harness(&["compare", out, out]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("0 WORSE"), "{}", stdout(&output));
    let output = harness(&["compare", out, "/nonexistent"]);
    assert_eq!(output.status.code(), Some(2), "no comparison is not a verdict");
}
