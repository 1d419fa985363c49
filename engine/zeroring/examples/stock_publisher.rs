//! Publishes stock prices, symbol and price as two parts of one message.
//!
//!     stock_publisher ENDPOINT ROUNDS            ROUNDS 0 means for ever

use std::time::Duration;

use zeroring::{Context, Pub};

fn main() -> anyhow::Result<()> {
    let [endpoint, rounds] = arguments()?;
    let rounds: u64 = rounds.parse()?;

    let context = Context::new();
    let socket = context.socket::<Pub>()?;
    println!("READY {}", socket.bind(&endpoint)?);

    let last = if rounds == 0 { u64::MAX } else { rounds };
    for round in 0..last {
        let cents = 10_000 + round;
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        for symbol in ["AAPL", "AMZN", "GOOG", "MSFT"] {
            socket.send_multipart([symbol, &price])?;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("OK {rounds}");
    Ok(())
}

fn arguments() -> anyhow::Result<[String; 2]> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments.try_into().map_err(|_| anyhow::anyhow!("usage: stock_publisher ENDPOINT ROUNDS"))
}
