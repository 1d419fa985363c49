//! v1 bytes decode alike whole and through small windows, and going back gives the same frames.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use zeroring_zmtp::framing::{Frame, Frames};
use zeroring_zmtp::greeting::Version;
use zeroring_zmtp::legacy::{Downgrade, V1Decoded, V1Decoder};

#[derive(Arbitrary, Debug)]
struct Input {
    stream: Vec<u8>,
    max_frame_bytes: u16,
    window_in_bytes: u8,
    window_out_bytes: u8,
}

fuzz_target!(|input: Input| {
    let max_frame_bytes = Some(u64::from(input.max_frame_bytes));
    let mut whole = Vec::new();
    let result = V1Decoder::new(max_frame_bytes).decode(&input.stream, &mut whole);
    assert!(whole.len() <= input.stream.len() + 9);
    assert_eq!(decode_in_windows(&input), whole);

    let mut walk = Frames::new(&whole);
    let frames: Vec<Frame<'_>> = walk.by_ref().collect();
    assert!(frames.iter().all(|frame| frame.body.len() <= usize::from(input.max_frame_bytes)));
    assert!(result.is_ok() || walk.rest().is_empty(), "a fault stands at a frame boundary");

    let whole_frames = &whole[..whole.len() - walk.rest().len()];
    let (mut v1, mut again) = (Vec::new(), Vec::new());
    Downgrade::new(Version::V1_0).translate(whole_frames, &mut v1).expect("whole frames");
    V1Decoder::new(max_frame_bytes).decode(&v1, &mut again).expect("our own frames");
    assert_eq!(again, whole_frames);

    // Any bytes, taken for frames of our own, translate without panic.
    for version in [Version::V1_0, Version::V2_0, Version::V3_0, Version::V3_1] {
        let _ = Downgrade::new(version).translate(&input.stream, &mut Vec::new());
    }
});

fn decode_in_windows(input: &Input) -> Vec<u8> {
    let mut decoder = V1Decoder::new(Some(u64::from(input.max_frame_bytes)));
    let mut window = vec![0; usize::from(input.window_out_bytes).max(1)];
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let end = (at + usize::from(input.window_in_bytes).max(1)).min(input.stream.len());
        let Ok(decoded) = decoder.decode_into(&input.stream[at..end], &mut window) else {
            return out;
        };
        at += decoded.consumed_bytes;
        out.extend_from_slice(&window[..decoded.produced_bytes]);
        if decoded == V1Decoded::default() {
            return out;
        }
    }
}
