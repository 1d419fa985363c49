//! Any body parses or is refused; what parses is written back to the same bytes; properties likewise.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zeroring_zmtp::command::{self, Command, MAX_CONTEXT_BYTES};
use zeroring_zmtp::framing::Frames;
use zeroring_zmtp::metadata::{Properties, append_property};

fuzz_target!(|body: &[u8]| {
    check_properties(body);
    let Ok(parsed) = Command::parse(body) else {
        return;
    };
    let mut out = Vec::new();
    match parsed {
        Command::Ready(list) => command::encode_ready(list, &mut out),
        Command::Error(reason) => command::encode_error(reason, &mut out),
        Command::Subscribe(topic) => command::encode_subscribe(topic, &mut out),
        Command::Cancel(topic) => command::encode_cancel(topic, &mut out),
        Command::Ping { ttl_ds, context } => command::encode_ping(ttl_ds, context, &mut out),
        Command::Pong { context } => command::encode_pong(context, &mut out),
        Command::Unknown { .. } => return,
    }
    let mut frames = Frames::new(&out);
    let frame = frames.next().expect("one frame");
    assert!(frame.is_command() && !frame.is_more() && frames.rest().is_empty());
    // Contexts are cut, and bytes behind the reason of an ERROR are not kept.
    assert!(body.starts_with(frame.body));
    let may_shrink = match parsed {
        Command::Ping { context, .. } | Command::Pong { context } => {
            context.len() > MAX_CONTEXT_BYTES
        }
        Command::Error(_) => true,
        _ => false,
    };
    assert!(may_shrink || frame.body.len() == body.len());
});

fn check_properties(list: &[u8]) {
    let mut written = Vec::new();
    let mut is_whole = true;
    for property in Properties::new(list) {
        match property {
            Ok(property) => append_property(property.name, property.value, &mut written),
            Err(_) => is_whole = false,
        }
    }
    assert!(list.starts_with(&written));
    assert_eq!(is_whole, written.len() == list.len());
}
