//! A handshake ends alike whether the peer's bytes arrive at once or in pieces, and its output stays
//! small whatever the peer sends.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use zeroring_zmtp::greeting::{self, Version};
use zeroring_zmtp::handshake::{Handshake, HandshakeConfig, HandshakeError};
use zeroring_zmtp::socket_type::SocketType;

#[derive(Arbitrary, Debug)]
struct Input {
    socket_type: u8,
    has_zap_domain: bool,
    /// How much of a well-formed 3.1 greeting comes before the bytes, so that the mechanism is reached.
    greeting_bytes: u8,
    bytes: Vec<u8>,
    piece_bytes: u8,
}

#[derive(Debug, PartialEq)]
struct End {
    error: Option<HandshakeError>,
    consumed: Option<usize>,
    version: Option<Version>,
    routing_id: Vec<u8>,
    output: Vec<u8>,
}

fn run(config: HandshakeConfig, stream: &[u8], piece_bytes: usize) -> End {
    let mut handshake = Handshake::new(config).expect("a valid configuration");
    handshake.start();
    let mut error = None;
    let mut consumed = 0;
    let mut arrived = 0;
    while arrived < stream.len() && error.is_none() {
        arrived = (arrived + piece_bytes).min(stream.len());
        match handshake.handle_input(&stream[consumed..arrived]) {
            Ok(taken) => consumed += taken,
            Err(fault) => error = Some(fault),
        }
        assert!(consumed <= arrived);
    }
    let output = handshake.take_output();
    assert!(output.len() <= 200, "64 bytes of greeting and one small READY at most");
    let outcome = handshake.outcome();
    assert!(outcome.is_none() || error.is_none());
    assert!(error.is_some() || outcome.is_some() || consumed == stream.len());
    End {
        consumed: error.is_none().then_some(consumed),
        error,
        version: outcome.as_ref().map(|it| it.version),
        routing_id: outcome.map(|it| it.peer_routing_id).unwrap_or_default(),
        output,
    }
}

fuzz_target!(|input: Input| {
    let Some(socket_type) = SocketType::from_number(input.socket_type % 11) else {
        return;
    };
    let mut config = HandshakeConfig::new(socket_type);
    config.zap_domain_set = input.has_zap_domain;
    config.max_command_bytes = 1024;
    let mut stream = greeting::signature(0).to_vec();
    stream.push(greeting::MAJOR);
    stream.extend(greeting::rest("NULL", false));
    stream.truncate(usize::from(input.greeting_bytes) % 65);
    stream.extend(&input.bytes);
    let at_once = run(config.clone(), &stream, stream.len().max(1));
    let in_pieces = run(config, &stream, usize::from(input.piece_bytes).max(1));
    assert_eq!(at_once, in_pieces);
    assert!(at_once.routing_id.len() <= 255);
});
