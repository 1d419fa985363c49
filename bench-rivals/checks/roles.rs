//! Each library plays both sides of every workload it claims to be able to do, as threads of one
//! process over tcp.

use std::process::Command;

use serde_json::{Value, json};

const LIBRARIES: [&str; 3] = ["rzmq", "omq-tokio", "zeromq"];

fn options() -> Value {
    json!({
        "io_threads": 1, "cpu_io": [], "driver": "auto", "wait_policy": "adaptive",
        "hwm_messages": 1000, "sndbuf_bytes": null, "rcvbuf_bytes": null, "max_sockets": 100,
        "libzmq": null,
    })
}

/// The line that the program says to its parent, by its first word.
fn say(what: &str, argument: &Value, word: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_bench-rivals"))
        .args([what, &argument.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let start = format!("bench: {word} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    let line = line.unwrap_or_else(|| panic!("{argument}: {text}"));
    serde_json::from_str(line).unwrap_or_else(|_| json!(line))
}

fn measure(peer: &str, workload: Value) -> Value {
    let role = json!({
        "side": null, "parent_pid": std::process::id(), "task": { "peer": [peer, workload] },
        "setting": {
            "transport": "tcp", "endpoint": "tcp://127.0.0.1:*", "one_process": true,
            "pin_first": false, "cpu_tx": 0, "cpu_rx": 0, "warm_up_ns": 1_000_000,
            "duration_ns": 20_000_000, "pace": "yield", "peer": options(),
        },
    });
    say("role", &role, "result")
}

#[test]
fn every_library_says_what_it_is() {
    for peer in LIBRARIES {
        let probe = say("probe", &json!({ "peer": peer, "options": options() }), "probe");
        assert!(probe["facts"]["version"].as_str().unwrap().starts_with(peer), "{probe}");
        assert_eq!(probe["capabilities"]["proxy"], false);
    }
    let other = say("probe", &json!({ "peer": "other", "options": options() }), "error");
    assert!(other.to_string().contains("other: no library of that name"), "{other}");
}

#[test]
fn every_library_moves_every_message_of_every_pattern() {
    let workload = |pattern: Value, load: Value, parts: u32| {
        let mut workload = json!({ "size_bytes": 64, "parts": parts });
        for fields in [pattern, load] {
            let fields = fields.as_object().unwrap().clone();
            workload.as_object_mut().unwrap().extend(fields);
        }
        workload
    };
    let pattern = |name: &str| json!({ "pattern": name });
    let saturating = || json!({ "load": "saturating" });
    let fan_out = json!({ "pattern": "fan_out", "subscribers": 3, "stuck": 0 });
    let fan_in = json!({ "pattern": "fan_in", "senders": 3 });
    let window = json!({ "load": "window", "messages": 10 });
    let closed = json!({ "load": "closed_loop", "gap_ns": 0 });
    let open = json!({ "load": "open_loop", "rate_per_second": 1000, "burst_messages": 1 });
    let workloads = [
        workload(pattern("push_pull"), saturating(), 1),
        workload(pattern("push_pull"), saturating(), 3),
        workload(pattern("push_pull"), open, 1),
        workload(pattern("request_reply"), closed, 1),
        workload(pattern("router_dealer"), window, 1),
        workload(fan_in, saturating(), 1),
        workload(fan_out, saturating(), 1),
    ];
    for peer in LIBRARIES {
        for workload in &workloads {
            let result = measure(peer, workload.clone());
            let (connector, binder) = (&result["connector"], &result["binder"]);
            assert!(connector["messages"].as_u64().unwrap() > 0, "{peer} {workload}: {result}");
            assert_eq!(connector["messages"], binder["messages"], "{peer} {workload}");
            for side in [connector, binder] {
                assert_eq!((&side["lost"], &side["reordered"]), (&json!(0), &json!(0)));
            }
        }
    }
}
