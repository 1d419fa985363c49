//! Answers Hello with World.
//!
//!     greeting_server ENDPOINT COUNT

use zeroring::{Context, Rep};

fn main() -> anyhow::Result<()> {
    let [endpoint, count] = arguments()?;
    let count: u64 = count.parse()?;

    let context = Context::new();
    let socket = context.socket::<Rep>()?;
    println!("READY {}", socket.bind(&endpoint)?);

    for _ in 0..count {
        println!("received {}", socket.recv()?.as_str().unwrap_or("?"));
        socket.send("World")?;
    }
    println!("OK {count}");
    Ok(()) // dropping the socket and the context sends what is left
}

fn arguments() -> anyhow::Result<[String; 2]> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments.try_into().map_err(|_| anyhow::anyhow!("usage: greeting_server ENDPOINT COUNT"))
}
