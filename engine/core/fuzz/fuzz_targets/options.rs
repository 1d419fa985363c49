//! Any option number and value: never a panic, an error changes nothing, and an accepted value
//! reads back as it was written, up to the documented rounding.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use zeroring_core::options::{ContextOptions, OptionValue, SocketOptions, number, table};
use zeroring_zmtp::SocketType;

const TYPES: [SocketType; 12] = [
    SocketType::Pair,
    SocketType::Pub,
    SocketType::Sub,
    SocketType::Req,
    SocketType::Rep,
    SocketType::Dealer,
    SocketType::Router,
    SocketType::Pull,
    SocketType::Push,
    SocketType::XPub,
    SocketType::XSub,
    SocketType::Stream,
];

#[derive(Debug, Arbitrary)]
struct Step {
    row: u8,
    /// Overrides the row, so that unknown numbers are tried as well.
    number: Option<i32>,
    null: bool,
    value: Value,
}

#[derive(Debug, Arbitrary)]
enum Value {
    Small(i8),
    Int(i32),
    Wide(i64),
    Bytes(Vec<u8>),
}

impl Value {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Small(value) => i32::from(*value).to_ne_bytes().to_vec(),
            Self::Int(value) => value.to_ne_bytes().to_vec(),
            Self::Wide(value) => value.to_ne_bytes().to_vec(),
            Self::Bytes(bytes) => bytes.clone(),
        }
    }
}

fuzz_target!(|input: (u8, Vec<Step>)| {
    let (type_index, steps) = input;
    let socket_type = TYPES[usize::from(type_index) % TYPES.len()];
    let mut context = ContextOptions::default();
    let mut options = SocketOptions::new(socket_type, &context);
    let rows: Vec<_> = table::rows().collect();
    for step in steps {
        let row = rows[usize::from(step.row) % rows.len()];
        let option = step.number.unwrap_or(row.number);
        let bytes = step.value.bytes();
        try_context(&mut context, option, &bytes);

        let before = options.clone();
        let value = (!step.null).then_some(&bytes[..]);
        if options.set_nullable(socket_type, option, value).is_err() {
            assert_eq!(options, before);
        } else {
            check_reads_back(&options, socket_type, option, value.unwrap_or_default());
        }
    }
});

fn check_reads_back(options: &SocketOptions, socket_type: SocketType, option: i32, value: &[u8]) {
    for len in [4, 8, 300] {
        match options.get(socket_type, option, len) {
            Ok(OptionValue::Int(read)) => {
                let written = i32::from_ne_bytes(value.try_into().expect("four bytes"));
                let relaxed = matches!(
                    option,
                    number::ZAP_ENFORCE_DOMAIN
                        | number::INVERT_MATCHING
                        | number::LOOPBACK_FASTPATH
                );
                let expected = match option {
                    number::HEARTBEAT_TTL => written / 100 * 100,
                    _ if relaxed => i32::from(written != 0),
                    _ => written,
                };
                assert_eq!(read, expected, "option {option}");
            }
            Ok(OptionValue::Int64(read)) => {
                let written = i64::from_ne_bytes(value.try_into().expect("eight bytes"));
                assert_eq!(read, written.max(-1), "option {option}");
            }
            Ok(OptionValue::Uint64(read)) => assert_eq!(read.to_ne_bytes(), value),
            Ok(OptionValue::Bytes(read) | OptionValue::Text(read)) => assert_eq!(read, value),
            Err(_) => {}
        }
    }
}

fn try_context(context: &mut ContextOptions, option: i32, value: &[u8]) {
    let before = context.clone();
    if context.set_bytes(option, value).is_err() {
        assert_eq!(*context, before);
    }
    for len in [0, 4, 16] {
        if let Ok(read) = context.get_bytes(option, len) {
            assert!(read.write_to(&mut vec![0; len]).is_some());
        }
    }
}
