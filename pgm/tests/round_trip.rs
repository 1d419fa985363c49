//! Any packet we can describe comes back the same, and no bytes at all make the parser panic.

use std::net::IpAddr;

use proptest::prelude::*;
use zeroring_pgm::wire::{
    Ack, Body, Data, Envelope, Feedback, Flags, Nak, NakList, Packet, PgmOption, Poll, Polr,
    Reports, Spm, checksum, write,
};
use zeroring_pgm::{Gsi, Sqn};

fn sqn() -> impl Strategy<Value = Sqn> {
    any::<u32>().prop_map(Sqn)
}

fn envelope() -> impl Strategy<Value = Envelope> {
    any::<(u16, u16, [u8; 6])>().prop_map(|(from, to, gsi)| Envelope::new(from, to, Gsi(gsi)))
}

fn spm() -> impl Strategy<Value = Spm> {
    (sqn(), sqn(), sqn(), any::<IpAddr>()).prop_map(|(sqn, trail, lead, path_nla)| Spm {
        sqn,
        trail,
        lead,
        path_nla,
    })
}

fn nak() -> impl Strategy<Value = Nak> {
    (sqn(), any::<IpAddr>(), any::<IpAddr>()).prop_map(|(sqn, source_nla, group_nla)| Nak {
        sqn,
        source_nla,
        group_nla,
    })
}

fn poll() -> impl Strategy<Value = Poll> {
    (sqn(), any::<(u16, u16, IpAddr, u32, [u8; 4], u32)>()).prop_map(|(sqn, rest)| {
        let (round, sub_type, path_nla, backoff_us, random, mask) = rest;
        Poll { sqn, round, sub_type, path_nla, backoff_us, random, mask }
    })
}

fn body(payload: &[u8]) -> impl Strategy<Value = Body<'_>> {
    let data = move || (sqn(), sqn()).prop_map(move |(sqn, trail)| Data { sqn, trail, payload });
    prop_oneof![
        spm().prop_map(Body::Spm),
        poll().prop_map(Body::Poll),
        (sqn(), any::<u16>()).prop_map(|(sqn, round)| Body::Polr(Polr { sqn, round })),
        data().prop_map(Body::Odata),
        data().prop_map(Body::Rdata),
        (
            nak(),
            prop::sample::select(vec![
                Body::Nak as fn(Nak) -> Body<'static>,
                Body::NNak,
                Body::Ncf
            ])
        )
            .prop_map(|(nak, body)| body(nak)),
        Just(Body::Spmr),
        (sqn(), any::<u32>()).prop_map(|(rx_max, bitmap)| Body::Ack(Ack { rx_max, bitmap })),
    ]
}

fn reports() -> impl Strategy<Value = Reports> {
    any::<(bool, bool, bool)>().prop_map(|(worst_link, worst_path, receiver)| Reports {
        worst_link,
        worst_path,
        receiver,
    })
}

fn feedback() -> impl Strategy<Value = Feedback> {
    (reports(), sqn(), any::<(u16, u16, u16, IpAddr)>()).prop_map(|(reports, sqn, rest)| {
        let (worst_link, worst_path, receiver_worst_path, receiver) = rest;
        let reference_sqn = sqn;
        Feedback { reports, reference_sqn, worst_link, worst_path, receiver_worst_path, receiver }
    })
}

fn numbers<'a>() -> impl Strategy<Value = PgmOption<'a>> {
    (any::<u8>(), any::<(u32, u32, u32, bool, bool)>()).prop_map(|(pick, (a, b, c, d, e))| {
        match pick % 8 {
            0 => PgmOption::Fragment { first_sqn: Sqn(a), offset: b, apdu_length: c },
            1 => PgmOption::Join(Sqn(a)),
            2 => PgmOption::NakBackoffInterval { interval_us: a, poll_sqn: Sqn(b) },
            3 => PgmOption::NakBackoffRange { max_us: a, min_us: b },
            4 => PgmOption::ParityPrm { group_packets: a, proactive: d, on_demand: e },
            5 => PgmOption::ParityGrp(a.max(1)),
            6 => PgmOption::CurrTgsize(a),
            _ => PgmOption::Rst { naks_useless: d, error: (a % 64) as u8 },
        }
    })
}

fn addresses<'a>() -> impl Strategy<Value = PgmOption<'a>> {
    any::<(u8, u32, u16, IpAddr)>().prop_map(|(pick, timestamp_ms, loss_rate, address)| {
        match pick % 4 {
            0 => PgmOption::Redirect(address),
            1 => PgmOption::PathNla(address),
            2 => PgmOption::PgmccData { timestamp_ms, acker: address },
            _ => PgmOption::PgmccFeedback { timestamp_ms, loss_rate, receiver: address },
        }
    })
}

fn marks<'a>() -> impl Strategy<Value = PgmOption<'a>> {
    (0..3).prop_map(|pick| match pick {
        0 => PgmOption::NbrUnreach,
        1 => PgmOption::Syn,
        _ => PgmOption::Fin,
    })
}

fn option<'a>(sqns: &'a [Sqn], content: &'a [u8]) -> impl Strategy<Value = PgmOption<'a>> {
    prop_oneof![
        numbers(),
        addresses(),
        Just(PgmOption::NakList(NakList::new(sqns))),
        feedback().prop_map(PgmOption::CongestionReport),
        reports().prop_map(PgmOption::CongestionRequest),
        marks(),
        Just(PgmOption::Invalidated { content }),
        (0x14u8..0x7F, any::<u8>()).prop_map(move |(kind, specific)| PgmOption::Unknown {
            kind,
            specific,
            content
        }),
    ]
}

/// Everything a generated packet borrows from.
fn borrowed() -> impl Strategy<Value = (Vec<u8>, Vec<Sqn>, Vec<u8>)> {
    (
        prop::collection::vec(any::<u8>(), 0..1500),
        prop::collection::vec(sqn(), 0..=62),
        prop::collection::vec(any::<u8>(), 0..=251),
    )
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read(
        borrowed in borrowed(),
        envelope in envelope(),
        seed in any::<u64>(),
    ) {
        let (payload, sqns, content) = &borrowed;
        let strategy =
            (body(payload), prop::collection::vec(option(sqns, content), 0..=16));
        let (body, options) = pick(&strategy, seed);
        let mut buf = vec![0; 8192];
        let len = write(&mut buf, &envelope, &body, &options).unwrap();
        let packet = Packet::parse(&buf[..len]).unwrap();
        prop_assert_eq!(packet.body, body);
        prop_assert_eq!(packet.options.iter().collect::<Vec<_>>(), options);
        prop_assert_eq!(packet.header.gsi, envelope.gsi);
        prop_assert_eq!(packet.header.source_port, envelope.source_port);
        prop_assert_eq!(packet.header.destination_port, envelope.destination_port);
    }

    #[test]
    fn parity_packets_keep_their_encoded_options(
        content in prop::collection::vec(any::<u8>(), 0..=251),
        specific in any::<u8>(),
        kind in 1u8..0x7F,
        variable_length in any::<bool>(),
    ) {
        let plain = Envelope::new(1, 2, Gsi::default());
        let envelope = Envelope { parity: true, variable_length, ..plain };
        let body = Body::Rdata(Data { sqn: Sqn(8), trail: Sqn(0), payload: b"parity" });
        let options = [
            PgmOption::ParityGrp(1),
            PgmOption::Encoded { kind, specific, content: &content },
        ];
        let mut buf = [0; 512];
        let len = write(&mut buf, &envelope, &body, &options).unwrap();
        let packet = Packet::parse(&buf[..len]).unwrap();
        prop_assert!(packet.is_parity());
        prop_assert_eq!(packet.header.flags.contains(Flags::VAR_PKTLEN), variable_length);
        prop_assert_eq!(packet.options.iter().collect::<Vec<_>>(), options);
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Packet::parse(&bytes);
        if bytes.len() >= 16 {
            // Let it past the type and the checksum, where the rest of the parser lives.
            bytes[4] &= 0x0F;
            let sum = checksum::compute(&bytes);
            bytes[6..8].copy_from_slice(&sum.to_be_bytes());
            let _ = Packet::parse(&bytes).map(|packet| packet.options.iter().count());
        }
    }
}

/// One value of `strategy`, the same for the same `seed`. Needed because the strategy borrows
/// from other generated values, which `proptest!` arguments cannot.
fn pick<S: Strategy>(strategy: &S, seed: u64) -> S::Value {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy.new_tree(&mut runner).expect("strategies here reject nothing").current()
}
