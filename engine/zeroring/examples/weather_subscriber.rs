//! Averages some updates of one place's weather.
//!
//!     weather_subscriber ENDPOINT ZIP_CODE COUNT

use anyhow::Context as _;
use zeroring::{Context, Sub};

fn main() -> anyhow::Result<()> {
    let [endpoint, zip_code, count] = arguments()?;
    let count: u32 = count.parse()?;

    let context = Context::new();
    let socket = context.socket::<Sub>()?;
    socket.subscribe(&zip_code)?;
    socket.connect(&endpoint)?;
    println!("READY {endpoint}");

    let (mut temperatures, mut humidities) = (0, 0);
    for _ in 0..count {
        let update = socket.recv()?;
        let text = update.as_str().context("an update is text")?;
        let mut words = text.split(' ').skip(1);
        let mut number = || -> anyhow::Result<i64> {
            Ok(words.next().context("an update has three words")?.parse()?)
        };
        temperatures += number()?;
        humidities += number()?;
    }
    let average = |sum: i64| sum as f64 / f64::from(count);
    println!(
        "average temperature {:.1} humidity {:.1}",
        average(temperatures),
        average(humidities)
    );
    println!("OK {count}");
    Ok(())
}

fn arguments() -> anyhow::Result<[String; 3]> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments
        .try_into()
        .map_err(|_| anyhow::anyhow!("usage: weather_subscriber ENDPOINT ZIP_CODE COUNT"))
}
