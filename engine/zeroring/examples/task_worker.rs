//! Does tasks: waits as many milliseconds as the task says, then reports its number.
//!
//!     task_worker VENTILATOR_ENDPOINT SINK_ENDPOINT COUNT    COUNT 0 means for ever

use std::time::Duration;

use anyhow::Context as _;
use zeroring::{Context, Pull, Push};

fn main() -> anyhow::Result<()> {
    let [ventilator_endpoint, sink_endpoint, count] = arguments()?;
    let count: u64 = count.parse()?;

    let context = Context::new();
    let ventilator = context.socket::<Pull>()?;
    ventilator.connect(&ventilator_endpoint)?;
    let sink = context.socket::<Push>()?;
    sink.connect(&sink_endpoint)?;
    println!("READY {ventilator_endpoint}");

    let last = if count == 0 { u64::MAX } else { count };
    for _ in 0..last {
        let task = ventilator.recv()?;
        let text = task.as_str().context("a task is text")?;
        let (number, milliseconds) = text.split_once(' ').context("a task is two numbers")?;
        std::thread::sleep(Duration::from_millis(milliseconds.parse()?));
        sink.send(number)?;
    }
    println!("OK {count}");
    Ok(())
}

fn arguments() -> anyhow::Result<[String; 3]> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments
        .try_into()
        .map_err(|_| anyhow::anyhow!("usage: task_worker VENTILATOR_ENDPOINT SINK_ENDPOINT COUNT"))
}
