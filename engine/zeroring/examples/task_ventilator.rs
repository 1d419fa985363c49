//! Hands out a batch of tasks, once a line on standard input says that the workers are ready.
//!
//!     task_ventilator ENDPOINT SINK_ENDPOINT TASKS

use zeroring::{Context, Push};

fn main() -> anyhow::Result<()> {
    let [endpoint, sink_endpoint, tasks] = arguments()?;
    let tasks: u64 = tasks.parse()?;

    let context = Context::new();
    let workers = context.socket::<Push>()?;
    let endpoint = workers.bind(&endpoint)?;
    let sink = context.socket::<Push>()?;
    sink.connect(&sink_endpoint)?;
    println!("READY {endpoint}");

    std::io::stdin().read_line(&mut String::new())?;
    sink.send("start")?;
    let mut cost_ms = 0;
    for number in 0..tasks {
        let milliseconds = number % 4;
        cost_ms += milliseconds;
        workers.send(format!("{number} {milliseconds}"))?;
    }
    println!("cost {cost_ms} ms");
    println!("OK {tasks}");
    Ok(())
}

fn arguments() -> anyhow::Result<[String; 3]> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments
        .try_into()
        .map_err(|_| anyhow::anyhow!("usage: task_ventilator ENDPOINT SINK_ENDPOINT TASKS"))
}
