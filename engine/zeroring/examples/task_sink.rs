//! Collects the results of a batch: each task exactly once.
//!
//!     task_sink ENDPOINT TASKS

use std::time::Instant;

use anyhow::{Context as _, ensure};
use zeroring::{Context, Pull};

fn main() -> anyhow::Result<()> {
    let [endpoint, tasks] = arguments()?;
    let tasks: u64 = tasks.parse()?;

    let context = Context::new();
    let socket = context.socket::<Pull>()?;
    println!("READY {}", socket.bind(&endpoint)?);

    let first = socket.recv()?;
    ensure!(first == "start", "MISMATCH expected start, got {first:?}");
    let start = Instant::now();
    let mut results = Vec::new();
    for _ in 0..tasks {
        results.push(socket.recv()?.as_str().context("a result is text")?.parse::<u64>()?);
    }
    results.sort_unstable();
    ensure!(results.iter().copied().eq(0..tasks), "MISMATCH results {results:?}");
    println!("elapsed {} ms", start.elapsed().as_millis());
    println!("OK {tasks}");
    Ok(())
}

fn arguments() -> anyhow::Result<[String; 2]> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments.try_into().map_err(|_| anyhow::anyhow!("usage: task_sink ENDPOINT TASKS"))
}
