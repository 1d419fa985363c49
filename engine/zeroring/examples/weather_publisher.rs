//! Publishes the weather of ten places, over and over.
//!
//!     weather_publisher ENDPOINT ROUNDS          ROUNDS 0 means for ever

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
        for zip_code in 10_001..=10_010 {
            let temperature = zip_code % 100 + round % 10;
            let humidity = 50 + round % 10;
            socket.send(format!("{zip_code} {temperature} {humidity}"))?;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("OK {rounds}");
    Ok(())
}

fn arguments() -> anyhow::Result<[String; 2]> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments.try_into().map_err(|_| anyhow::anyhow!("usage: weather_publisher ENDPOINT ROUNDS"))
}
