use proptest::prelude::*;

use super::*;
use crate::framing::Frames;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

#[test]
fn golden_heartbeats_are_written_and_read() {
    // zmtp 14.6
    let ping = written(|out| encode_ping(20, b"", out));
    assert_eq!(ping, b"\x04\x07\x04PING\x00\x14");
    assert_eq!(Command::parse(&ping[2..]), Ok(Command::Ping { ttl_ds: 20, context: b"" }));
    assert_eq!(written(|out| encode_pong(b"", out)), b"\x04\x05\x04PONG");
    let ping = written(|out| encode_ping(0, b"ctx", out));
    assert_eq!(ping, b"\x04\x0a\x04PING\x00\x00ctx");
    let pong = written(|out| encode_pong(b"ctx", out));
    assert_eq!(pong, b"\x04\x08\x04PONGctx");
    assert_eq!(Command::parse(&pong[2..]), Ok(Command::Pong { context: b"ctx" }));
    let long = Command::parse(b"\x04PING\x00\x000123456789abcdefghij");
    assert_eq!(long, Ok(Command::Ping { ttl_ds: 0, context: b"0123456789abcdefghij" }));
    let pong = written(|out| encode_pong(b"0123456789abcdefghij", out));
    assert_eq!(pong, b"\x04\x15\x04PONG0123456789abcdef");
}

#[test]
fn golden_subscriptions_are_written_and_read() {
    // zmtp 14.3, 3.1
    assert_eq!(written(|out| encode_subscribe(b"", out)), b"\x04\x0a\x09SUBSCRIBE");
    assert_eq!(written(|out| encode_subscribe(b"A", out)), b"\x04\x0b\x09SUBSCRIBEA");
    assert_eq!(written(|out| encode_cancel(b"A", out)), b"\x04\x08\x06CANCELA");
    let last_short = written(|out| encode_subscribe(&[b'C'; 245], out));
    assert_eq!(last_short[..12], *b"\x04\xff\x09SUBSCRIBE");
    let first_long = written(|out| encode_subscribe(&[b'C'; 246], out));
    assert_eq!(first_long[..19], *b"\x06\0\0\0\0\0\0\x01\0\x09SUBSCRIBE");
    assert_eq!(Command::parse(b"\x09SUBSCRIBEA"), Ok(Command::Subscribe(b"A")));
    assert_eq!(Command::parse(b"\x06CANCEL"), Ok(Command::Cancel(b"")));
}

#[test]
fn golden_errors_are_written_and_read() {
    // zmtp 14.5, NULL with ZAP 400
    let error = written(|out| encode_error(b"400", out));
    assert_eq!(error, b"\x04\x0a\x05ERROR\x03400");
    assert_eq!(Command::parse(&error[2..]), Ok(Command::Error(b"400")));
    assert_eq!(written(|out| encode_error(&[b'x'; 300], out)).len(), 9 + 6 + 1 + 255);
}

#[test]
fn what_libzmq_ignores_is_unknown() {
    let ignored: [(&[u8], &[u8]); 6] = [
        (b"", b""),
        (b"\x05PING", b""),
        (b"\xff", b""),
        (b"\x04ping\x00\x00", b"ping"),
        (b"\x05HELLO", b"HELLO"),
        (b"\x00", b""),
    ];
    for (body, name) in ignored {
        assert_eq!(Command::parse(body), Ok(Command::Unknown { name }), "{body:?}");
    }
    assert_eq!(Command::parse(b"\x05READYx"), Ok(Command::Ready(b"x")));
}

#[test]
fn malformed_known_commands_are_refused() {
    for (data_bytes, body) in [&b"\x04PING"[..], b"\x04PING\x00"].into_iter().enumerate() {
        assert_eq!(Command::parse(body), Err(CommandError::PingTooShort { data_bytes }));
    }
    let truncated = CommandError::ErrorReasonTruncated { reason_bytes: None, data_bytes: 0 };
    assert_eq!(Command::parse(b"\x05ERROR"), Err(truncated));
    let truncated = CommandError::ErrorReasonTruncated { reason_bytes: Some(4), data_bytes: 4 };
    assert_eq!(Command::parse(b"\x05ERROR\x04400"), Err(truncated));
}

proptest! {
    #[test]
    fn any_body_is_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Command::parse(&body);
    }

    #[test]
    fn topics_round_trip(topic in proptest::collection::vec(any::<u8>(), 0..600)) {
        let bytes = written(|out| {
            encode_subscribe(&topic, out);
            encode_cancel(&topic, out);
        });
        let commands: Vec<_> =
            Frames::new(&bytes).map(|frame| Command::parse(frame.body).unwrap()).collect();
        prop_assert_eq!(commands, [Command::Subscribe(&topic), Command::Cancel(&topic)]);
    }
}
