//! Prints stock prices, of every symbol that starts with TOPIC.
//!
//!     stock_subscriber ENDPOINT TOPIC COUNT

use zeroring::{Context, Sub};

fn main() -> anyhow::Result<()> {
    let [endpoint, topic, count] = arguments()?;
    let count: u64 = count.parse()?;

    let context = Context::new();
    let socket = context.socket::<Sub>()?;
    socket.subscribe(&topic)?;
    socket.connect(&endpoint)?;
    println!("READY {endpoint}");

    for _ in 0..count {
        let update = socket.recv_multipart()?;
        let [symbol, price] = &*update else {
            anyhow::bail!("an update has two parts, not {}", update.len());
        };
        println!("price {} {}", symbol.as_str().unwrap_or("?"), price.as_str().unwrap_or("?"));
    }
    println!("OK {count}");
    Ok(())
}

fn arguments() -> anyhow::Result<[String; 3]> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments
        .try_into()
        .map_err(|_| anyhow::anyhow!("usage: stock_subscriber ENDPOINT TOPIC COUNT"))
}
