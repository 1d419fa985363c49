//! The tools with libzmq's names, alone and against each other across libraries.

mod common;

use std::process::{Child, Command, Stdio};

use common::{harness, libraries, stderr, stdout};

/// The value of the line that starts so.
fn value<'a>(text: &'a str, start: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(start));
    line.unwrap_or_else(|| panic!("no line starts with {start:?}: {text}")).trim()
}

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_bench-harness"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn tools_of_one_process_print_what_libzmq_users_expect() {
    for library in libraries() {
        for tool in ["inproc_thr", "proxy_thr"] {
            let output = harness(&[tool, "100", "1000", "--library", library]);
            let text = stdout(&output);
            assert!(output.status.success(), "{tool} {library}: {text}{}", stderr(&output));
            assert_eq!(value(&text, "message size: "), "100 [B]");
            assert_eq!(value(&text, "message count: "), "1000");
            assert!(text.contains(" [msg/s]\n") && text.ends_with(" [Mb/s]\n"), "{text}");
        }
        let output = harness(&["inproc_lat", "1", "50", "--library", library]);
        let text = stdout(&output);
        assert_eq!(value(&text, "roundtrip count: "), "50");
        assert!(value(&text, "average latency: ").ends_with(" [us]"), "{text}");
    }
}

#[test]
fn both_halves_meet_across_libraries() {
    let directory = tempfile::TempDir::new().unwrap();
    for (number, library) in libraries().into_iter().enumerate() {
        let endpoint = format!("ipc://{}/{number}", directory.path().display());
        let local = start(&["local_lat", &endpoint, "64", "20", "--library", library]);
        let remote = harness(&["remote_lat", &endpoint, "64", "20"]);
        assert!(stdout(&remote).contains("average latency: "), "{}", stderr(&remote));
        let local = local.wait_with_output().unwrap();
        assert!(local.status.success() && local.stdout.is_empty(), "{}", stderr(&local));

        let endpoint = format!("{endpoint}-thr");
        let local = start(&["local_thr", &endpoint, "64", "2000"]);
        let remote = harness(&["remote_thr", &endpoint, "64", "2000", "--library", library]);
        assert!(remote.status.success() && remote.stdout.is_empty(), "{}", stderr(&remote));
        let text = stdout(&local.wait_with_output().unwrap());
        assert!(text.contains("mean throughput: "), "{text}");
    }
}

#[test]
fn a_library_that_is_not_there_is_named() {
    let output = harness(&["inproc_lat", "1", "1", "--library", "other"]);
    assert!(stderr(&output).contains("--library other"), "{}", stderr(&output));
}
