//! Captured packets: what they mean, and that building them again gives the same bytes.

mod golden;

use golden::bytes;
use zeroring_pgm::wire::{
    Ack, Body, Data, DataHead, Envelope, Flags, Header, Nak, Packet, PacketType, PayloadSum,
    PgmOption, Poll, Polr, Spm, checksum, write, write_data_head,
};
use zeroring_pgm::{Gsi, Sqn, Tsi};

const GSI: Gsi = Gsi([0xb7, 0xc6, 0xd1, 0xbc, 0x03, 0x8a]);

fn envelope_of(header: &Header) -> Envelope {
    Envelope {
        parity: header.flags.contains(Flags::PARITY),
        variable_length: header.flags.contains(Flags::VAR_PKTLEN),
        ..Envelope::new(header.source_port, header.destination_port, header.gsi)
    }
}

fn rebuilt(packet: &Packet<'_>) -> Vec<u8> {
    let options: Vec<_> = packet.options.iter().collect();
    let mut buf = vec![0xAA; 2048];
    let len = write(&mut buf, &envelope_of(&packet.header), &packet.body, &options).unwrap();
    buf.truncate(len);
    buf
}

#[test]
fn golden_packets_parse_and_rebuild_to_the_bit() {
    for (name, hex) in golden::PACKETS {
        let bytes = bytes(hex);
        let packet = Packet::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(rebuilt(&packet), bytes, "{name}");
    }
}

#[test]
fn an_empty_window_has_its_lead_before_its_trail() {
    let bytes = bytes(golden::SPM_FIRST);
    let packet = Packet::parse(&bytes).unwrap();
    let path_nla = [10, 77, 0, 1].into();
    let spm = Spm { sqn: Sqn(0), trail: Sqn(0), lead: Sqn(u32::MAX), path_nla };
    assert_eq!(packet.body, Body::Spm(spm));
    assert_eq!(spm.lead.next(), spm.trail);
    assert!(packet.options.is_empty());
}

#[test]
fn data_hands_out_the_payload_where_it_lies() {
    let bytes = bytes(golden::ODATA_2);
    let packet = Packet::parse(&bytes).unwrap();
    let Body::Odata(data) = packet.body else { panic!("{packet:?}") };
    assert_eq!((data.sqn, data.trail), (Sqn(2), Sqn(0)));
    assert_eq!(data.payload, b"\x00\x00\x10\x00topic message 2");
    assert_eq!(data.payload.as_ptr(), bytes[24..].as_ptr());
}

#[test]
fn both_directions_name_the_same_source() {
    let tsi = Tsi { gsi: GSI, source_port: 0x1106 };
    for hex in [golden::ODATA_2, golden::NAK_2, golden::NCF_2] {
        assert_eq!(Header::parse(&bytes(hex)).unwrap().tsi(), tsi);
    }
}

#[test]
fn a_nak_list_names_what_follows_the_first() {
    let bytes = bytes(golden::NAK_LIST);
    let packet = Packet::parse(&bytes).unwrap();
    let Body::Nak(nak) = packet.body else { panic!("{packet:?}") };
    let Some(PgmOption::NakList(list)) = packet.options.iter().next() else { panic!() };
    assert_eq!(nak.sqn, Sqn(57));
    assert_eq!(list.iter().collect::<Vec<_>>(), [Sqn(58), Sqn(120)]);
}

#[test]
fn options_mean_what_deployed_sources_mean() {
    let expected = [
        (golden::SPM_FIN, PgmOption::Fin),
        (golden::FRAGMENT_10, PgmOption::Fragment { first_sqn: Sqn(9), offset: 4, apdu_length: 7 }),
        (
            golden::SPM_PARITY,
            PgmOption::ParityPrm { group_packets: 8, proactive: true, on_demand: true },
        ),
    ];
    for (hex, option) in expected {
        let bytes = bytes(hex);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.options.iter().collect::<Vec<_>>(), [option]);
    }
}

#[test]
fn rubbish_in_reserved_option_bits_is_ignored() {
    let mut bytes = bytes(golden::NAK_LIST);
    let clean = Packet::parse(&bytes).unwrap().options.iter().count();
    bytes[42] = 0x9f;
    let sum = checksum::compute(&bytes);
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.options.iter().count(), clean);
    assert!(matches!(packet.options.iter().next(), Some(PgmOption::NakList(_))));
}

#[test]
fn repair_reuses_the_payload_and_its_sum() {
    let odata = bytes(golden::ODATA_2);
    let payload = PayloadSum::of(&odata[24..]);
    let envelope = Envelope::new(0x1106, 0x15b3, GSI);
    let head = DataHead { repair: true, sqn: Sqn(2), trail: Sqn(0) };
    let mut packet = odata.clone();
    let len = write_data_head(&mut packet[..24], &envelope, head, &[], payload).unwrap();
    assert_eq!(len, 24);
    assert_eq!(packet, bytes(golden::RDATA_2));
}

#[test]
fn a_head_of_odd_length_still_sums_right() {
    let odd = PgmOption::Unknown { kind: 0x20, specific: 0, content: b"odd" };
    let payload = b"payload";
    let envelope = Envelope::new(1, 2, GSI);
    let head = DataHead { repair: false, sqn: Sqn(1), trail: Sqn(1) };
    let mut buf = [0; 128];
    let sum = PayloadSum::of(payload);
    let len = write_data_head(&mut buf, &envelope, head, &[odd], sum).unwrap();
    assert_eq!(len % 2, 1);
    buf[len..][..payload.len()].copy_from_slice(payload);
    let packet = Packet::parse(&buf[..len + payload.len()]).unwrap();
    assert_eq!(packet.body.payload(), payload);
}

#[test]
fn bodies_have_the_lengths_of_the_standard() {
    let (v4, v6) = ([10, 0, 0, 1].into(), [7u16; 8].into());
    let nak = |source_nla, group_nla| Nak { sqn: Sqn(1), source_nla, group_nla };
    let poll = |path_nla| {
        let (backoff_us, random, mask) = (9, *b"rand", 0xF0);
        Poll { sqn: Sqn(1), round: 2, sub_type: 1, path_nla, backoff_us, random, mask }
    };
    let spm = |path_nla| Spm { sqn: Sqn(1), trail: Sqn(2), lead: Sqn(3), path_nla };
    let data = Data { sqn: Sqn(1), trail: Sqn(1), payload: b"12345" };
    let cases = [
        (Body::Spm(spm(v4)), 36),
        (Body::Spm(spm(v6)), 48),
        (Body::Nak(nak(v4, v4)), 36),
        (Body::NNak(nak(v4, v6)), 48),
        (Body::Ncf(nak(v6, v6)), 60),
        (Body::Poll(poll(v4)), 44),
        (Body::Poll(poll(v6)), 56),
        (Body::Polr(Polr { sqn: Sqn(1), round: 2 }), 24),
        (Body::Ack(Ack { rx_max: Sqn(9), bitmap: 0b1011 }), 24),
        (Body::Spmr, 16),
        (Body::Odata(data), 29),
        (Body::Rdata(data), 29),
    ];
    for (body, expected) in cases {
        let mut buf = [0; 64];
        let len = write(&mut buf, &Envelope::new(3, 4, GSI), &body, &[]).unwrap();
        assert_eq!(len, expected, "{body:?}");
        assert_eq!(Packet::parse(&buf[..len]).unwrap().body, body);
    }
}

#[test]
fn every_type_byte_is_known_or_refused() {
    let known = (0..=255).filter_map(PacketType::from_byte);
    assert_eq!(known.count(), 10);
    assert!(known_bytes_match());
}

fn known_bytes_match() -> bool {
    (0..=255).all(|byte| PacketType::from_byte(byte).is_none_or(|kind| kind as u8 == byte))
}
