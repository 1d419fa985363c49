//! Bytes that no honest peer sends: each is refused with the reason, none panics.

mod golden;

use golden::bytes;
use zeroring_pgm::Sqn;
use zeroring_pgm::wire::{
    Body, BuildError, Data, Envelope, Fault, NakList, Packet, ParseError, Part, PgmOption, Spm,
    checksum, write,
};

/// Fills in the checksum again after the bytes were changed.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum::compute(&bytes);
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The first SPM with an option area of these bytes.
fn spm_with(area: &[u8]) -> Vec<u8> {
    let mut packet = bytes(golden::SPM_FIRST);
    packet[5] = 0x01;
    packet.extend_from_slice(area);
    sealed(packet)
}

fn error(packet: &[u8]) -> ParseError {
    let error = Packet::parse(packet).expect_err("must be refused");
    assert_eq!(error.fault(), Fault::Peer);
    error
}

#[test]
fn every_truncation_of_every_golden_packet_is_refused() {
    for (name, hex) in golden::PACKETS {
        let packet = bytes(hex);
        for len in 0..packet.len() {
            let mut cut = packet[..len].to_vec();
            if len >= 8 {
                cut = sealed(cut);
            }
            assert!(Packet::parse(&cut).is_err(), "{name} cut to {len}");
        }
    }
}

#[test]
fn every_flipped_bit_is_caught_by_the_checksum() {
    for (name, hex) in golden::PACKETS {
        let packet = bytes(hex);
        for bit in 0..packet.len() * 8 {
            let mut flipped = packet.clone();
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            assert!(Packet::parse(&flipped).is_err(), "{name} bit {bit}");
        }
    }
}

#[test]
fn flips_under_a_right_checksum_never_panic() {
    for (_, hex) in golden::PACKETS {
        let packet = bytes(hex);
        for (at, value) in (0..packet.len()).flat_map(|at| (0..=255).map(move |v| (at, v))) {
            let mut changed = packet.clone();
            changed[at] = value;
            let changed = sealed(changed);
            let _ = Packet::parse(&changed).map(|p| p.options.iter().count());
        }
    }
}

#[test]
fn an_empty_datagram_is_a_short_header() {
    assert_eq!(error(&[]), ParseError::Truncated { part: Part::Header, value: 0, bound: 2 });
}

#[test]
fn data_without_a_checksum_is_refused_but_control_is_not() {
    for hex in [golden::ODATA_2, golden::RDATA_2] {
        let mut packet = bytes(hex);
        packet[6..8].fill(0);
        assert!(matches!(error(&packet), ParseError::ChecksumMissing { .. }));
    }
    for hex in [golden::SPM_FIRST, golden::NAK_2, golden::NCF_LIST, golden::SPMR] {
        let mut packet = bytes(hex);
        packet[6..8].fill(0);
        assert!(Packet::parse(&packet).is_ok());
    }
}

#[test]
fn version_reserved_and_unknown_types_are_refused() {
    for value in [0x03, 0x06, 0x07, 0x0B, 0x0E, 0x0F, 0x10, 0x20, 0x40, 0x80, 0xC4] {
        let mut packet = bytes(golden::SPM_FIRST);
        packet[4] = value;
        assert_eq!(error(&sealed(packet)), ParseError::Type { value });
    }
}

#[test]
fn the_length_field_must_tell_the_truth() {
    for tsdu_length in [0u16, 18, 20, u16::MAX] {
        let mut packet = bytes(golden::ODATA_2);
        packet[14..16].copy_from_slice(&tsdu_length.to_be_bytes());
        let expected = ParseError::TsduLength { value: usize::from(tsdu_length), bound: 19 };
        assert_eq!(error(&sealed(packet)), expected);
    }
}

#[test]
fn control_packets_carry_no_payload() {
    let mut packet = bytes(golden::SPMR);
    packet.push(0);
    assert_eq!(error(&sealed(packet.clone())), ParseError::TsduLength { value: 0, bound: 1 });
    packet[15] = 1;
    assert_eq!(error(&sealed(packet)), ParseError::TsduLength { value: 1, bound: 1 });
}

#[test]
fn unknown_address_families_are_refused() {
    for value in [0u16, 3, u16::MAX] {
        for at in [20, 28] {
            let mut packet = bytes(golden::NAK_2);
            packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
            assert_eq!(error(&sealed(packet)), ParseError::AddressFamily { value });
        }
    }
}

#[test]
fn an_ipv6_family_with_an_ipv4_length_is_cut_short() {
    let mut packet = bytes(golden::SPM_FIRST);
    packet[29] = 2;
    let expected = ParseError::Truncated { part: Part::Body, value: 4, bound: 16 };
    assert_eq!(error(&sealed(packet)), expected);
}

#[test]
fn option_areas_that_lie_are_refused() {
    let length = |kind, value, bound| ParseError::OptionLength { kind, value, bound };
    let cases: &[(&[u8], ParseError)] = &[
        (&[], ParseError::Truncated { part: Part::Options, value: 0, bound: 1 }),
        (&[0x8e, 4, 0, 0], ParseError::FirstOption { value: 0x8e }),
        (&[0, 5, 0, 8, 0x8e, 4, 0, 0], ParseError::FirstOption { value: 0 }),
        (&[0, 4, 0, 0], ParseError::OptionsTotal { value: 0, bound: 4 }),
        (&[0, 4, 0, 4], ParseError::OptionsTotal { value: 4, bound: 4 }),
        (&[0, 4, 255, 255, 0x8e, 4, 0, 0], ParseError::OptionsTotal { value: 65535, bound: 8 }),
        (&[0, 4, 0, 8, 0x8e, 0, 0, 0], length(0x0e, 0, 4)),
        (&[0, 4, 0, 8, 0x8e, 3, 0, 0], length(0x0e, 3, 4)),
        (&[0, 4, 0, 8, 0x8e, 255, 0, 0], length(0x0e, 255, 4)),
        (&[0, 4, 0, 12, 0x8e, 8, 0, 0, 0, 0, 0, 0], length(0x0e, 8, 4)),
        (&[0, 4, 0, 10, 0x82, 6, 0, 0, 0, 0], length(0x02, 6, 8)),
        (&[0, 4, 0, 8, 0x0e, 4, 0, 0], ParseError::OptionEnd { value: 8, bound: 8 }),
        (
            &[0, 4, 0, 12, 0x8e, 4, 0, 0, 0x8d, 4, 0, 0],
            ParseError::OptionEnd { value: 8, bound: 12 },
        ),
        (&[0, 4, 0, 8, 0x80, 4, 0, 0], ParseError::NestedLength),
        (
            &[0, 4, 0, 12, 0x89, 8, 0, 0, 0, 0, 0, 0],
            ParseError::OptionValue { kind: 9, value: 0, bound: 1 },
        ),
    ];
    for (area, expected) in cases {
        assert_eq!(error(&spm_with(area)), *expected, "{area:02x?}");
    }
}

#[test]
fn a_length_option_cannot_hide_behind_the_encoded_bit() {
    let mut packet = bytes(golden::FRAGMENT_9);
    packet[5] |= 0x80;
    packet[28] = 0x80;
    packet[30] = 0x04;
    assert_eq!(error(&sealed(packet)), ParseError::NestedLength);
}

#[test]
fn sixteen_options_pass_and_seventeen_do_not() {
    let area = |count: usize| {
        let mut area = vec![0, 4, 0, (4 + 4 * count) as u8];
        for _ in 1..count {
            area.extend([0x0d, 4, 0, 0]);
        }
        area.extend([0x8d, 4, 0, 0]);
        area
    };
    let packet = spm_with(&area(16));
    assert_eq!(Packet::parse(&packet).unwrap().options.iter().count(), 16);
    assert_eq!(error(&spm_with(&area(17))), ParseError::OptionCount { bound: 16 });
}

#[test]
fn a_list_of_sixty_two_passes_and_sixty_three_does_not() {
    let sqns = [Sqn(5); 63];
    let spm = Body::Spm(Spm { sqn: Sqn(0), trail: Sqn(0), lead: Sqn(0), path_nla: [0; 4].into() });
    let envelope = Envelope::new(1, 2, Default::default());
    let mut buf = [0; 512];
    let mut list = |len| {
        let option = PgmOption::NakList(NakList::new(&sqns[..len]));
        write(&mut buf, &envelope, &spm, &[option]).map(|len| Packet::parse(&buf[..len]).is_ok())
    };
    assert_eq!(list(62), Ok(true));
    assert_eq!(list(63), Err(BuildError::OptionTooLong { kind: 2, value: 252, bound: 248 }));
}

#[test]
fn packets_that_cannot_exist_are_not_built() {
    let long = vec![0; 65_536];
    let data = |payload| Body::Odata(Data { sqn: Sqn(0), trail: Sqn(0), payload });
    let mut buf = vec![0; 70_000];
    let mut build = |room: usize, body: &Body<'_>, options: &[PgmOption<'_>]| {
        let error =
            write(&mut buf[..room], &Envelope::new(1, 2, Default::default()), body, options)
                .expect_err("must be refused");
        assert_eq!(error.fault(), Fault::Caller);
        error
    };
    let known = PgmOption::Unknown { kind: 0x0E, specific: 0, content: &[] };
    assert_eq!(
        build(70_000, &data(&long), &[]),
        BuildError::PayloadTooLong { value: 65_536, bound: 65_535 }
    );
    assert_eq!(build(26, &data(b"abc"), &[]), BuildError::BufferTooSmall { value: 26, bound: 27 });
    assert_eq!(
        build(99, &data(b""), &[PgmOption::Syn; 17]),
        BuildError::TooManyOptions { value: 17, bound: 16 }
    );
    assert_eq!(build(99, &data(b""), &[known]), BuildError::OptionKind { value: 0x0E });
    assert_eq!(
        build(99, &data(b""), &[PgmOption::ParityGrp(0)]),
        BuildError::OptionValue { kind: 9, value: 0, bound: 1 }
    );
}
