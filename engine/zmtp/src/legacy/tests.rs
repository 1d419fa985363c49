use proptest::prelude::*;

use super::*;
use crate::command;
use crate::framing::{self, Frames, LONG, MORE};
use crate::greeting::Version;

fn decode(max_frame_bytes: Option<u64>, stream: &[u8]) -> Result<Vec<u8>, LegacyError> {
    let mut out = Vec::new();
    V1Decoder::new(max_frame_bytes).decode(stream, &mut out).map(|()| out)
}

fn downgrade(version: Version, frames: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Downgrade::new(version).translate(frames, &mut out).unwrap();
    out
}

fn subscribe(topic: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    command::encode_subscribe(topic, &mut out);
    out
}

fn v2_frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    framing::append_frame(flags, body, &mut out);
    out
}

#[test]
fn golden_v1_traffic_is_read_and_written() {
    // zmtp 14.4: "hi" from the peer, "yo" and 300 × "x" to it.
    assert_eq!(decode(None, b"\x03\x00hi").unwrap(), b"\x00\x02hi");
    let ours = [v2_frame(0, b"yo"), v2_frame(0, &[b'x'; 300])].concat();
    let mut expected = b"\x03\x00yo\xff\0\0\0\0\0\0\x01\x2d\0".to_vec();
    expected.extend([b'x'; 300]);
    assert_eq!(downgrade(Version::V1_0, &ours), expected);
    assert_eq!(decode(None, &expected).unwrap(), ours);
}

#[test]
fn v1_headers_are_short_up_to_253_bytes() {
    let mut out = [0; 10];
    assert_eq!(encode_v1_header(true, 253, &mut out), 2);
    assert_eq!(out[..2], [254, 1]);
    assert_eq!(encode_v1_header(false, 254, &mut out), 10);
    assert_eq!(out, [0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0]);
}

#[test]
fn v1_frames_are_read_in_either_form_with_other_flags_ignored() {
    assert_eq!(decode(None, b"\x02\xfea").unwrap(), b"\x00\x01a");
    assert_eq!(decode(None, b"\xff\0\0\0\0\0\0\0\x02\x01a").unwrap(), b"\x01\x01a");
    assert_eq!(decode(None, b"\x01\x00").unwrap(), b"\x00\x00");
}

#[test]
fn v1_faults_are_found_on_the_header_and_stick() {
    assert_eq!(decode(None, b"\x00"), Err(LegacyError::ZeroLengthFrame));
    assert_eq!(decode(None, b"\xff\0\0\0\0\0\0\0\0"), Err(LegacyError::ZeroLengthFrame));
    let fault = LegacyError::FrameTooLarge { body_bytes: 11, max_frame_bytes: 10 };
    assert_eq!(decode(Some(10), b"\x0c\x00"), Err(fault));
    assert!(decode(Some(10), b"\x0b\x000123456789").is_ok());
    assert!(decode(None, &[0xff; 10]).is_err(), "beyond 2^63");
    let mut decoder = V1Decoder::new(Some(10));
    let mut out = Vec::new();
    assert_eq!(decoder.decode(b"\x02\x00a\x0c\x00", &mut out), Err(fault));
    assert_eq!(out, b"\x00\x01a", "frames before the fault are kept");
    assert_eq!(decoder.decode(b"\x02\x00a", &mut out), Err(fault));
}

#[test]
fn golden_subscriptions_for_every_version() {
    // zmtp 14.3
    let mut ours = [subscribe(b""), subscribe(b"A")].concat();
    command::encode_cancel(b"A", &mut ours);
    assert_eq!(downgrade(Version::V3_1, &ours), ours);
    let messages = b"\x00\x01\x01\x00\x02\x01A\x00\x02\x00A";
    assert_eq!(downgrade(Version::V3_0, &ours), messages);
    assert_eq!(downgrade(Version::V2_0, &ours), messages);
    assert_eq!(downgrade(Version::V1_0, &ours), b"\x02\x00\x01\x03\x00\x01A\x03\x00\x00A");
}

#[test]
fn topics_of_254_to_256_bytes_are_framed_correctly() {
    for version in [Version::V2_0, Version::V3_0] {
        let short = downgrade(version, &subscribe(&[b'B'; 254]));
        assert_eq!(short[..4], [0, 0xff, 1, b'B']);
        // libzmq forgets LONG here.
        let broken = downgrade(version, &subscribe(&[b'C'; 255]));
        assert_eq!(broken[..11], [LONG, 0, 0, 0, 0, 0, 0, 1, 0, 1, b'C']);
        assert_eq!(broken.len(), 9 + 256);
        let long = downgrade(version, &subscribe(&[b'C'; 256]));
        assert_eq!(long[..11], [LONG, 0, 0, 0, 0, 0, 0, 1, 1, 1, b'C']);
    }
}

#[test]
fn other_commands_reach_3_x_peers_only() {
    let mut ours = Vec::new();
    command::encode_ping(0, b"", &mut ours);
    assert_eq!(downgrade(Version::V3_0, &ours), ours);
    assert_eq!(downgrade(Version::V2_0, &ours), b"");
    assert_eq!(downgrade(Version::V1_0, &ours), b"");
}

#[test]
fn subscriptions_inside_a_message_wait_for_its_end() {
    let mut downgrade = Downgrade::new(Version::V2_0);
    let mut out = Vec::new();
    let start = [v2_frame(MORE, b"a"), subscribe(b"T")].concat();
    downgrade.translate(&start, &mut out).unwrap();
    assert_eq!(out, b"\x01\x01a");
    downgrade.translate(&v2_frame(0, b"b"), &mut out).unwrap();
    assert_eq!(out, b"\x01\x01a\x00\x01b\x00\x02\x01T");
}

#[test]
fn partial_frames_of_our_own_are_refused() {
    let mut out = Vec::new();
    let result = Downgrade::new(Version::V1_0).translate(b"\x00\x01a\x00\x05b", &mut out);
    assert_eq!(result, Err(LegacyError::PartialFrame { rest_bytes: 3 }));
    assert_eq!(out, b"\x02\x00a");
}

fn bodies() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let body = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => proptest::collection::vec(any::<u8>(), 250..260),
    ];
    proptest::collection::vec((any::<bool>(), body), 0..20)
}

/// Decodes through windows of the given sizes for input and output.
fn decode_in_windows(stream: &[u8], windows: &[(usize, usize)]) -> Result<Vec<u8>, LegacyError> {
    let mut decoder = V1Decoder::new(Some(1 << 20));
    let mut out = Vec::new();
    let mut at = 0;
    let mut idle = 0;
    for &(input, output) in windows.iter().cycle() {
        let end = (at + input).min(stream.len());
        let mut window = vec![0; output];
        let decoded = decoder.decode_into(&stream[at..end], &mut window)?;
        assert!(decoded.produced_bytes <= decoded.consumed_bytes + framing::MAX_HEADER_BYTES);
        out.extend_from_slice(&window[..decoded.produced_bytes]);
        at += decoded.consumed_bytes;
        let is_idle = decoded == V1Decoded::default();
        idle = if is_idle { idle + 1 } else { 0 };
        if idle > windows.len() {
            break;
        }
    }
    Ok(out)
}

proptest! {
    #[test]
    fn v1_frames_become_v2_frames_through_any_windows(
        frames in bodies(),
        mut windows in proptest::collection::vec((0_usize..30, 0_usize..30), 1..8),
    ) {
        let (mut v1, mut v2) = (Vec::new(), Vec::new());
        for (is_more, body) in &frames {
            append_v1_frame(*is_more, body, &mut v1);
            framing::append_frame(u8::from(*is_more), body, &mut v2);
        }
        windows.push((1, 1));
        prop_assert_eq!(decode(None, &v1), Ok(v2.clone()));
        prop_assert_eq!(decode_in_windows(&v1, &windows), Ok(v2.clone()));
        prop_assert_eq!(downgrade(Version::V1_0, &v2), v1);
    }

    #[test]
    fn any_bytes_decode_alike_whole_and_in_pieces(
        stream in proptest::collection::vec(any::<u8>(), 0..300),
        size in 1_usize..20,
    ) {
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        let at_once = V1Decoder::new(Some(1000)).decode(&stream, &mut whole);
        let mut decoder = V1Decoder::new(Some(1000));
        let mut result = Ok(());
        for piece in stream.chunks(size) {
            result = decoder.decode(piece, &mut pieces);
        }
        prop_assert_eq!(result, at_once);
        prop_assert_eq!(&whole, &pieces);
        prop_assert!(Frames::new(&whole).count() <= stream.len());
    }

    #[test]
    fn any_bytes_downgrade_without_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        for version in [Version::V1_0, Version::V2_0, Version::V3_0, Version::V3_1] {
            let _ = Downgrade::new(version).translate(&bytes, &mut Vec::new());
        }
    }
}
