//! Shows a connection's life: a client finds its server, loses it, and finds the next one.
//!
//!     monitor_events

use std::time::Duration;

use zeroring::{Context, Event, EventKind, Monitor, Pull, Push};

fn main() -> anyhow::Result<()> {
    let context = Context::new();
    let client = context.socket::<Push>()?;
    client.set_reconnect_interval(Some(Duration::from_millis(10)));
    let mut events = client.monitor();

    let server = context.socket::<Pull>()?;
    let endpoint = server.bind("tcp://127.0.0.1:*")?;
    client.connect(&endpoint)?;
    print_until(&mut events, EventKind::HandshakeSucceeded);

    println!("-- the server goes away");
    drop(server);
    print_until(&mut events, EventKind::ConnectRetried);

    println!("-- another one takes its place");
    let server = context.socket::<Pull>()?;
    server.bind(&endpoint)?;
    print_until(&mut events, EventKind::HandshakeSucceeded);
    Ok(())
}

fn print_until(events: &mut Monitor, last: EventKind) {
    for event in events {
        print(&event);
        if event.kind() == last {
            return;
        }
    }
}

fn print(event: &Event) {
    let Event { what, local_endpoint: ours, remote_endpoint: theirs, detail, .. } = event;
    println!("{what:?} ours={ours:?} theirs={theirs:?} {detail}");
}
