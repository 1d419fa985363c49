//! Any bytes: the parser refuses them or understands them, and what it understood can be written
//! and read again to the same meaning.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zeroring_pgm::wire::{Envelope, Flags, HEADER_BYTES, Header, Packet, checksum, write};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // The same bytes under a right checksum, which chance alone would hardly ever find.
    if bytes.len() >= HEADER_BYTES {
        check(&sealed(bytes));
    }
});

fn check(bytes: &[u8]) {
    let Ok(packet) = Packet::parse(bytes) else { return };
    let options: Vec<_> = packet.options.iter().collect();
    let mut buf = vec![0; bytes.len()];
    let len = write(&mut buf, &envelope_of(&packet.header), &packet.body, &options)
        .expect("a packet that was read can be written");
    assert_eq!(len, bytes.len());
    let again = Packet::parse(&buf).expect("a packet that was written can be read");
    assert_eq!(again.body, packet.body);
    assert!(again.options.iter().eq(options));
}

fn envelope_of(header: &Header) -> Envelope {
    Envelope {
        parity: header.flags.contains(Flags::PARITY),
        variable_length: header.flags.contains(Flags::VAR_PKTLEN),
        ..Envelope::new(header.source_port, header.destination_port, header.gsi)
    }
}

fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let sum = checksum::compute(&bytes);
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    bytes
}
