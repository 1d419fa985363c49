//! The scanner agrees with a slow reference that sees the whole stream at once, however the stream is cut.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use zeroring_zmtp::framing::{
    FrameError, FrameLimits, Frames, MAX_INTERLEAVED_COMMAND_BYTES, Scanner, parse_header,
};

#[derive(Arbitrary, Debug)]
struct Input {
    stream: Vec<u8>,
    cuts: Vec<u8>,
    max_messages: u8,
    max_frame_bytes: Option<u16>,
    max_message_parts: u8,
    max_message_bytes: u16,
    max_command_bytes: u16,
}

#[derive(Debug, Default, PartialEq)]
struct Seen {
    messages: Vec<Vec<Vec<u8>>>,
    commands: Vec<Vec<u8>>,
    fault: Option<FrameError>,
}

fn scan_in_pieces(input: &Input, limits: FrameLimits) -> Seen {
    let max_messages = u32::from(input.max_messages).max(1);
    let mut scanner = Scanner::new(limits);
    let mut seen = Seen::default();
    let (mut published, mut arrived) = (0, 0);
    let mut cuts = input.cuts.iter().cycle();
    while arrived < input.stream.len() {
        let piece = cuts.next().map_or(1, |&cut| usize::from(cut).max(1));
        arrived = (arrived + piece).min(input.stream.len());
        loop {
            let retained = &input.stream[published..arrived];
            let scan = scanner.scan(retained, max_messages, |_, body| {
                seen.commands.push(body.to_vec());
                Ok(())
            });
            let scan = match scan {
                Ok(scan) => scan,
                Err(fault) => {
                    seen.fault = Some(fault);
                    return seen;
                }
            };
            publish(&retained[..scan.whole_message_bytes], scan.messages, &mut seen);
            published += scan.whole_message_bytes;
            if scan.messages < max_messages && scan.fault.is_none() {
                break;
            }
        }
    }
    seen
}

fn publish(prefix: &[u8], messages: u32, seen: &mut Seen) {
    let before = seen.messages.len();
    let mut parts = Vec::new();
    let mut frames = Frames::new(prefix);
    for frame in frames.by_ref().filter(|frame| !frame.is_command()) {
        parts.push(frame.body.to_vec());
        if !frame.is_more() {
            seen.messages.push(std::mem::take(&mut parts));
        }
    }
    assert!(frames.rest().is_empty() && parts.is_empty());
    assert_eq!(seen.messages.len() - before, messages as usize);
}

fn reference(stream: &[u8], limits: FrameLimits) -> Seen {
    let mut seen = Seen::default();
    let (mut parts, mut interleaved, mut at) = (Vec::<Vec<u8>>::new(), 0, 0);
    loop {
        let header = match parse_header(&stream[at..]) {
            Ok(Some(header)) => header,
            Ok(None) => return seen,
            Err(fault) => {
                seen.fault = Some(fault);
                return seen;
            }
        };
        let sum: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let max_bytes = MAX_INTERLEAVED_COMMAND_BYTES.max(limits.max_command_bytes);
        let body_bytes = header.body_bytes;
        seen.fault = if header.is_command() {
            let max_command_bytes = limits.max_command_bytes;
            let bytes = interleaved + header.total_bytes();
            if body_bytes > max_command_bytes {
                Some(FrameError::CommandTooLarge { body_bytes, max_command_bytes })
            } else {
                (!parts.is_empty() && bytes > max_bytes)
                    .then_some(FrameError::CommandFlood { bytes, max_bytes })
            }
        } else {
            message_fault(&limits, body_bytes, parts.len(), sum)
        };
        let is_whole = header.total_bytes() <= (stream.len() - at) as u64;
        if seen.fault.is_some() || !is_whole {
            return seen;
        }
        let end = at + header.total_bytes() as usize;
        let body = stream[at + header.header_bytes..end].to_vec();
        at = end;
        if header.is_command() {
            seen.commands.push(body);
            interleaved += if parts.is_empty() { 0 } else { header.total_bytes() };
            continue;
        }
        parts.push(body);
        if !header.is_more() {
            seen.messages.push(std::mem::take(&mut parts));
            interleaved = 0;
        }
    }
}

fn message_fault(
    limits: &FrameLimits,
    body_bytes: u64,
    parts: usize,
    sum: u64,
) -> Option<FrameError> {
    let FrameLimits { max_frame_bytes, max_message_parts, max_message_bytes, .. } = *limits;
    if let Some(max_frame_bytes) = max_frame_bytes.filter(|&max| body_bytes > max) {
        return Some(FrameError::FrameTooLarge { body_bytes, max_frame_bytes });
    }
    if parts >= max_message_parts as usize {
        return Some(FrameError::TooManyParts { max_message_parts });
    }
    let message_bytes = sum + body_bytes;
    (message_bytes > max_message_bytes)
        .then_some(FrameError::MessageTooLarge { message_bytes, max_message_bytes })
}

fuzz_target!(|input: Input| {
    let limits = FrameLimits {
        max_frame_bytes: input.max_frame_bytes.map(u64::from),
        max_message_parts: u32::from(input.max_message_parts).max(1),
        max_message_bytes: u64::from(input.max_message_bytes),
        max_command_bytes: u64::from(input.max_command_bytes),
    };
    assert_eq!(scan_in_pieces(&input, limits), reference(&input.stream, limits));
});
