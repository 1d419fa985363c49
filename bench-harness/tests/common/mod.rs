//! Running the tool and reading what it left.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

pub fn harness(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench-harness")).args(arguments).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn document(directory: &Path) -> Value {
    let text = std::fs::read_to_string(directory.join("results.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub fn run_quick(directory: &TempDir, more: &[&str]) -> (Output, Value) {
    let out = directory.path().join("out");
    let mut arguments = vec!["--quick", "--deadline-ms", "60000", "--out", out.to_str().unwrap()];
    arguments.extend(more);
    let output = harness(&arguments);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let document = document(&out);
    (output, document)
}

pub fn cells_of(document: &Value, peer: &str) -> usize {
    document["cells"].as_array().unwrap().iter().filter(|cell| cell["peer"] == peer).count()
}

/// The libraries that can be measured on this machine, of ours and the stock one.
pub fn libraries() -> Vec<&'static str> {
    let question = r#"{"peer":"libzmq","options":{"io_threads":1,"cpu_io":[],"driver":"auto",
        "wait_policy":"adaptive","hwm_messages":1000,"sndbuf_bytes":null,"rcvbuf_bytes":null,
        "max_sockets":1023,"libzmq":null}}"#;
    let stock = stdout(&harness(&["probe", question])).contains("bench: probe");
    if stock { vec!["zeroring", "libzmq"] } else { vec!["zeroring"] }
}
