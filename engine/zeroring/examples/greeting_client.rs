//! Sends Hello, prints the answer.
//!
//!     greeting_client ENDPOINT COUNT

use zeroring::{Context, Req};

fn main() -> anyhow::Result<()> {
    let [endpoint, count] = arguments()?;
    let count: u64 = count.parse()?;

    let context = Context::new();
    let socket = context.socket::<Req>()?;
    socket.connect(&endpoint)?;
    println!("READY {endpoint}");

    for _ in 0..count {
        socket.send("Hello")?;
        println!("received {}", socket.recv()?.as_str().unwrap_or("?"));
    }
    println!("OK {count}");
    Ok(())
}

fn arguments() -> anyhow::Result<[String; 2]> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments.try_into().map_err(|_| anyhow::anyhow!("usage: greeting_client ENDPOINT COUNT"))
}
