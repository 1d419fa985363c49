use proptest::prelude::*;

use super::*;
use crate::command::{self, Command, CommandError};

/// Limits far above what most tests send, yet finite.
const ROOMY: FrameLimits = FrameLimits {
    max_frame_bytes: Some(1 << 20),
    max_message_parts: 1000,
    max_message_bytes: 1 << 24,
    max_command_bytes: 1 << 16,
};

/// Everything a receiver can observe of a stream.
#[derive(Debug, Default)]
struct Observed {
    messages: Vec<Vec<Vec<u8>>>,
    commands: Vec<(u8, Vec<u8>)>,
    published_bytes: usize,
    fault: Option<FrameError>,
}

/// How many bytes are published counts only without a fault: commands between the last message and the
/// fault may or may not have been published when it was found.
impl PartialEq for Observed {
    fn eq(&self, other: &Self) -> bool {
        let published = |it: &Self| it.fault.is_none().then_some(it.published_bytes);
        self.messages == other.messages
            && self.commands == other.commands
            && self.fault == other.fault
            && published(self) == published(other)
    }
}

/// A receiver that keeps the contract of the scanner, reading the stream in the given pieces.
fn receive<'a>(
    limits: FrameLimits,
    max_messages: u32,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Observed {
    let mut scanner = Scanner::new(limits);
    let mut observed = Observed::default();
    let mut retained: Vec<u8> = Vec::new();
    for piece in pieces {
        retained.extend_from_slice(piece);
        loop {
            let commands = &mut observed.commands;
            let scan = scanner.scan(&retained, max_messages, |flags, body| {
                commands.push((flags, body.to_vec()));
                Ok(())
            });
            let scan = match scan {
                Ok(scan) => scan,
                Err(fault) => {
                    observed.fault = Some(fault);
                    return observed;
                }
            };
            check_scan(&scan, &retained, max_messages);
            publish(&retained[..scan.whole_message_bytes], scan.messages, &mut observed);
            retained.drain(..scan.whole_message_bytes);
            if scan.messages < max_messages && scan.fault.is_none() {
                break;
            }
        }
    }
    observed
}

fn check_scan(scan: &Scan, bytes: &[u8], max_messages: u32) {
    assert!(scan.messages <= max_messages);
    assert!(scan.whole_message_bytes <= scan.walked_bytes);
    assert!(scan.walked_bytes <= bytes.len());
    if let Some(needed_bytes) = scan.needed_bytes() {
        assert!(needed_bytes > (bytes.len() - scan.whole_message_bytes) as u64);
    }
}

/// What the application side does with a published prefix.
fn publish(prefix: &[u8], messages: u32, observed: &mut Observed) {
    let before = observed.messages.len();
    let mut parts = Vec::new();
    let mut frames = Frames::new(prefix);
    for frame in frames.by_ref().filter(|frame| !frame.is_command()) {
        parts.push(frame.body.to_vec());
        if !frame.is_more() {
            observed.messages.push(std::mem::take(&mut parts));
        }
    }
    assert!(frames.rest().is_empty(), "a prefix holds whole frames");
    assert!(parts.is_empty(), "a prefix ends with a whole message");
    assert_eq!(observed.messages.len() - before, messages as usize);
    observed.published_bytes += prefix.len();
}

/// The slow reference: one pass over the complete stream, written for obviousness.
fn reference(limits: FrameLimits, stream: &[u8]) -> Observed {
    let mut observed = Observed::default();
    let (mut parts, mut sum, mut interleaved, mut at) = (Vec::new(), 0_u64, 0_u64, 0);
    while at + 2 <= stream.len() {
        let flags = stream[at] & 7;
        let (header, body_bytes) = if flags & LONG == 0 {
            (2, u64::from(stream[at + 1]))
        } else if at + 9 <= stream.len() {
            (9, u64::from_be_bytes(stream[at + 1..at + 9].try_into().unwrap()))
        } else {
            break;
        };
        let is_command = flags & COMMAND != 0;
        let inside = !parts.is_empty();
        observed.fault = if body_bytes >= 1 << 63 {
            Some(FrameError::LengthReserved { length: body_bytes })
        } else if is_command {
            let max_command_bytes = limits.max_command_bytes;
            let max_bytes = max_command_bytes.max(1 << 20);
            let bytes = interleaved + header + body_bytes;
            if body_bytes > max_command_bytes {
                Some(FrameError::CommandTooLarge { body_bytes, max_command_bytes })
            } else if inside && bytes > max_bytes {
                Some(FrameError::CommandFlood { bytes, max_bytes })
            } else {
                None
            }
        } else if limits.max_frame_bytes.is_some_and(|max| body_bytes > max) {
            let max_frame_bytes = limits.max_frame_bytes.unwrap();
            Some(FrameError::FrameTooLarge { body_bytes, max_frame_bytes })
        } else if parts.len() >= limits.max_message_parts as usize {
            Some(FrameError::TooManyParts { max_message_parts: limits.max_message_parts })
        } else if sum + body_bytes > limits.max_message_bytes {
            let max_message_bytes = limits.max_message_bytes;
            Some(FrameError::MessageTooLarge { message_bytes: sum + body_bytes, max_message_bytes })
        } else {
            None
        };
        let total = header + body_bytes;
        if observed.fault.is_some() || total > (stream.len() - at) as u64 {
            break;
        }
        let end = at + total as usize;
        let body = stream[at + header as usize..end].to_vec();
        at = end;
        if is_command {
            observed.commands.push((flags, body));
            if inside {
                interleaved += total;
            } else {
                observed.published_bytes = at;
            }
            continue;
        }
        parts.push(body);
        sum += body_bytes;
        if flags & MORE == 0 {
            observed.messages.push(std::mem::take(&mut parts));
            observed.published_bytes = at;
            (sum, interleaved) = (0, 0);
        }
    }
    observed
}

/// Cuts a stream into pieces of the given sizes, repeated.
fn cut<'a>(stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = stream;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |&size| size.max(1)).min(rest.len());
        let (piece, after) = rest.split_at(size);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_frame(flags, body, &mut out);
    out
}

fn ping() -> Vec<u8> {
    let mut out = Vec::new();
    command::encode_ping(20, b"", &mut out);
    out
}

#[test]
fn headers_are_short_up_to_255_and_long_from_256() {
    let mut out = [0xee; 9];
    assert_eq!(encode_header(LONG | MORE, 255, &mut out), 2);
    assert_eq!(out[..2], [1, 255]);
    assert_eq!(encode_header(COMMAND, 256, &mut out), 9);
    assert_eq!(out, [6, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(encode_header(0, 0, &mut out), 2);
    assert_eq!(out[..2], [0, 0]);
}

#[test]
fn headers_are_read_in_either_form_with_reserved_bits_ignored() {
    let short = FrameHeader { flags: MORE, header_bytes: 2, body_bytes: 5 };
    assert_eq!(parse_header(&[0xf9, 5, 7]), Ok(Some(short)));
    let long = FrameHeader { flags: LONG | COMMAND, header_bytes: 9, body_bytes: 5 };
    assert_eq!(parse_header(&[6, 0, 0, 0, 0, 0, 0, 0, 5]), Ok(Some(long)));
    assert_eq!(long.total_bytes(), 14);
    for cut in 0..9 {
        assert_eq!(parse_header(&[2, 0, 0, 0, 0, 0, 0, 0, 5][..cut]), Ok(None));
    }
    assert_eq!(parse_header(&[0]), Ok(None));
}

#[test]
fn lengths_from_2_to_the_63_on_are_refused() {
    let largest = [2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let header = parse_header(&largest).unwrap().unwrap();
    assert_eq!(header.body_bytes, (1 << 63) - 1);
    assert_eq!(header.total_bytes(), (1 << 63) + 8);
    let mut beyond = [0; 9];
    beyond[..2].copy_from_slice(&[2, 0x80]);
    assert_eq!(parse_header(&beyond), Err(FrameError::LengthReserved { length: 1 << 63 }));
}

/// zmtp 14.1, the traffic of the connecting side.
fn golden_traffic() -> Vec<u8> {
    let mut stream = b"\x00\x05Hello\x02\0\0\0\0\0\0\x01\0".to_vec();
    stream.extend([b'x'; 256]);
    stream.extend(b"\x01\x01a\x01\x00\x00\x01c\x00\xff");
    stream.extend([b'y'; 255]);
    stream
}

#[test]
fn golden_traffic_is_understood_whole_and_byte_by_byte_and_written_alike() {
    let stream = golden_traffic();
    let messages: Vec<Vec<Vec<u8>>> = vec![
        vec![b"Hello".to_vec()],
        vec![vec![b'x'; 256]],
        vec![b"a".to_vec(), vec![], b"c".to_vec()],
        vec![vec![b'y'; 255]],
    ];
    let whole = receive(ROOMY, 100, [stream.as_slice()]);
    assert_eq!(whole.messages, messages);
    assert_eq!(whole.published_bytes, stream.len());
    assert_eq!(receive(ROOMY, 100, stream.chunks(1)), whole);
    let mut written = Vec::new();
    for message in &messages {
        for (index, part) in message.iter().enumerate() {
            let flags = if index + 1 < message.len() { MORE } else { 0 };
            append_frame(flags, part, &mut written);
        }
    }
    assert_eq!(written, stream);
}

#[test]
fn every_split_in_two_and_three_gives_the_same_result() {
    let mut stream = Vec::new();
    stream.extend(ping());
    stream.extend(frame(MORE, b"a"));
    stream.extend(ping());
    stream.extend(frame(COMMAND | MORE, b"\x04junk"));
    stream.extend(frame(MORE, b""));
    stream.extend([LONG, 0, 0, 0, 0, 0, 0, 0, 1, b'c']);
    stream.extend(frame(0, b"d"));
    stream.extend(frame(COMMAND, b""));
    stream.extend(frame(MORE, b"half"));
    let expected = reference(ROOMY, &stream);
    assert_eq!(expected.messages.len(), 2);
    assert_eq!(expected.commands.len(), 4);
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
            for max_messages in [1, 100] {
                assert_eq!(receive(ROOMY, max_messages, pieces), expected, "{first} {second}");
            }
        }
    }
}

#[test]
fn commands_inside_a_message_are_reported_once_and_leave_it_intact() {
    let mut stream = frame(MORE, b"a");
    stream.extend(ping());
    stream.extend(frame(0, b"b"));
    let observed = receive(ROOMY, 10, stream.chunks(1));
    assert_eq!(observed.messages, [[b"a".to_vec(), b"b".to_vec()]]);
    assert_eq!(observed.commands, [(COMMAND, ping()[2..].to_vec())]);
    assert_eq!(observed.published_bytes, stream.len());
}

#[test]
fn commands_alone_are_published_without_messages() {
    let mut scanner = Scanner::new(ROOMY);
    let scan = scanner.scan(&ping(), 10, |_, _| Ok(())).unwrap();
    assert_eq!((scan.whole_message_bytes, scan.messages), (ping().len(), 0));
    assert_eq!(scan.last_message_end_bytes, 0);
    assert!(!scanner.is_inside_message());
}

#[test]
fn the_end_of_the_last_message_is_told_apart_from_the_commands_behind_it() {
    for message in [&b"\x00\x01a"[..], b"\x01\x01a\x00\x01b"] {
        let stream = [&ping()[..], message, &ping()[..], &ping()[..]].concat();
        let scan = Scanner::new(ROOMY).scan(&stream, 10, |_, _| Ok(())).unwrap();
        assert_eq!((scan.whole_message_bytes, scan.messages), (stream.len(), 1));
        assert_eq!(scan.last_message_end_bytes, ping().len() + message.len());
    }
}

#[test]
fn a_scan_stops_behind_the_last_message_it_may_count() {
    let stream = [frame(0, b"a"), frame(MORE, b"b"), frame(0, b"c"), ping()].concat();
    let mut scanner = Scanner::new(ROOMY);
    let mut commands = 0;
    let mut count = |_, _: &[u8]| {
        commands += 1;
        Ok(())
    };
    assert_eq!(scanner.scan(&stream, 0, &mut count).unwrap(), Scan::default());
    let scan = scanner.scan(&stream, 2, &mut count).unwrap();
    assert_eq!((scan.whole_message_bytes, scan.messages), (9, 2));
    let scan = scanner.scan(&stream[9..], 2, &mut count).unwrap();
    assert_eq!((scan.whole_message_bytes, scan.messages), (9, 0));
    assert_eq!(commands, 1);
}

#[test]
fn walked_frames_of_an_unfinished_message_are_not_looked_at_again() {
    let mut bytes = [frame(MORE, b"a"), frame(MORE, b"b")].concat();
    let mut scanner = Scanner::new(ROOMY);
    let scan = scanner.scan(&bytes, 10, |_, _| Ok(())).unwrap();
    assert_eq!((scan.whole_message_bytes, scan.walked_bytes, scan.messages), (0, 6, 0));
    assert!(scanner.is_inside_message());
    // Spoil what was walked: a second look would see commands.
    bytes[0] = COMMAND;
    bytes.extend(frame(0, b"c"));
    let scan = scanner.scan(&bytes, 10, |_, _| panic!("looked again")).unwrap();
    assert_eq!((scan.whole_message_bytes, scan.messages), (9, 1));
}

#[test]
fn the_size_of_an_incomplete_frame_is_told_as_soon_as_its_header_is_known() {
    let large = frame(0, &[b'x'; 1000]);
    let stream = [frame(0, b"a"), frame(MORE, b"b"), large].concat();
    let mut scanner = Scanner::new(ROOMY);
    let scan = scanner.scan(&stream[..14], 10, |_, _| Ok(())).unwrap();
    assert_eq!((scan.whole_message_bytes, scan.walked_bytes), (3, 6));
    assert_eq!(scan.next_frame_bytes, None);
    let scan = scanner.scan(&stream[3..15], 10, |_, _| Ok(())).unwrap();
    assert_eq!((scan.whole_message_bytes, scan.walked_bytes), (0, 3));
    assert_eq!(scan.next_frame_bytes, Some(1009));
    assert_eq!(scan.needed_bytes(), Some(1012));
    let scan = scanner.scan(&stream[3..], 10, |_, _| Ok(())).unwrap();
    assert_eq!((scan.whole_message_bytes, scan.messages), (1012, 1));
}

#[test]
fn limits_are_judged_on_the_header_and_at_their_exact_bounds() {
    let limits = FrameLimits {
        max_frame_bytes: Some(10),
        max_message_parts: 3,
        max_message_bytes: 15,
        max_command_bytes: 12,
    };
    let fault = |stream: &[u8]| receive(limits, 10, [stream]).fault;
    let too_large = FrameError::FrameTooLarge { body_bytes: 11, max_frame_bytes: 10 };
    assert_eq!(fault(&[0, 11]), Some(too_large));
    assert_eq!(fault(&[2, 0, 0, 0, 0, 0, 0, 0, 11]), Some(too_large));
    assert_eq!(fault(&frame(0, &[7; 10])), None);
    let too_large = FrameError::CommandTooLarge { body_bytes: 13, max_command_bytes: 12 };
    assert_eq!(fault(&[4, 13]), Some(too_large));
    assert_eq!(fault(&frame(COMMAND, &[7; 12])), None, "the frame limit spares commands");
    let parts = frame(MORE, b"").repeat(3);
    assert_eq!(fault(&parts), None);
    let too_many = FrameError::TooManyParts { max_message_parts: 3 };
    assert_eq!(fault(&[parts.clone(), vec![0, 0]].concat()), Some(too_many));
    assert_eq!(fault(&[frame(MORE, b"").repeat(2), frame(0, b"")].concat()), None);
    let sum = [frame(MORE, &[7; 10]), frame(0, &[7; 5])].concat();
    assert_eq!(fault(&sum.repeat(3)), None);
    let too_large = FrameError::MessageTooLarge { message_bytes: 16, max_message_bytes: 15 };
    assert_eq!(fault(&[frame(MORE, &[7; 10]), vec![0, 6]].concat()), Some(too_large));
}

#[test]
fn limits_above_255_apply_to_long_frames_and_below_to_plain_ones() {
    for max in [0_u64, 1, 254, 255, 256, 300] {
        let limits = FrameLimits { max_frame_bytes: Some(max), ..FrameLimits::UNLIMITED };
        let fits = frame(0, &vec![1; max as usize]);
        let beyond = frame(0, &vec![1; max as usize + 1]);
        assert_eq!(receive(limits, 10, [fits.as_slice()]).messages.len(), 1);
        assert!(receive(limits, 10, [beyond.as_slice()]).fault.is_some());
    }
}

#[test]
fn commands_cannot_fill_memory_behind_an_unfinished_message() {
    let mut scanner = Scanner::new(ROOMY);
    let mut stream = frame(MORE, b"a");
    let limit = MAX_INTERLEAVED_COMMAND_BYTES as usize;
    stream.extend(ping().repeat(limit / ping().len() + 1));
    let mut commands = 0;
    let fault = scanner.scan(&stream, 10, |_, _| {
        commands += 1;
        Ok(())
    });
    assert!(matches!(fault, Err(FrameError::CommandFlood { .. })), "{fault:?}");
    assert_eq!(commands, limit / ping().len());
}

#[test]
fn an_offence_does_not_take_earlier_messages_along() {
    let stream = [frame(0, b"good"), frame(0, &[0; 300])].concat();
    let limits = FrameLimits { max_frame_bytes: Some(100), ..ROOMY };
    let mut scanner = Scanner::new(limits);
    let scan = scanner.scan(&stream, 10, |_, _| Ok(())).unwrap();
    let fault = FrameError::FrameTooLarge { body_bytes: 300, max_frame_bytes: 100 };
    assert_eq!((scan.whole_message_bytes, scan.messages), (6, 1));
    assert_eq!(scan.fault, Some(fault));
    assert_eq!(scanner.scan(&stream[6..], 10, |_, _| Ok(())), Err(fault));
    assert_eq!(scanner.scan(b"", 10, |_, _| Ok(())), Err(fault));
}

#[test]
fn a_handler_can_stop_the_scan() {
    let stream = frame(COMMAND, b"\x04PING\x00");
    let mut scanner = Scanner::new(ROOMY);
    let result = scanner.scan(&stream, 10, |_, body| {
        Command::parse(body)?;
        Ok(())
    });
    let fault = FrameError::Command(CommandError::PingTooShort { data_bytes: 1 });
    assert_eq!(result, Err(fault));
}

/// Streams of well-formed frames of many kinds.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => proptest::collection::vec(any::<u8>(), 250..260),
        1 => proptest::collection::vec(any::<u8>(), 300..700),
    ];
    let flags = prop_oneof![6 => Just(0), 4 => Just(MORE), 2 => Just(COMMAND), 1 => any::<u8>()];
    let one = (flags, any::<bool>(), body).prop_map(|(flags, force_long, body)| {
        if !force_long {
            return frame(flags, &body);
        }
        let length = (body.len() as u64).to_be_bytes();
        [&[flags | LONG][..], &length, &body].concat()
    });
    proptest::collection::vec(one, 0..40).prop_map(|frames| frames.concat())
}

fn limits() -> impl Strategy<Value = FrameLimits> {
    let tight = (proptest::option::of(0_u64..300), 1_u32..6, 0_u64..600, 0_u64..300).prop_map(
        |(max_frame_bytes, max_message_parts, max_message_bytes, max_command_bytes)| FrameLimits {
            max_frame_bytes,
            max_message_parts,
            max_message_bytes,
            max_command_bytes,
        },
    );
    prop_oneof![3 => Just(ROOMY), 1 => tight]
}

proptest! {
    #[test]
    fn agrees_with_the_reference_on_frames(
        stream in frames(),
        limits in limits(),
        sizes in proptest::collection::vec(1_usize..400, 1..20),
        max_messages in 1_u32..5,
    ) {
        let expected = reference(limits, &stream);
        prop_assert_eq!(receive(limits, max_messages, cut(&stream, &sizes)), expected);
    }

    #[test]
    fn agrees_with_the_reference_on_any_bytes(
        stream in proptest::collection::vec(any::<u8>(), 0..600),
        limits in limits(),
        sizes in proptest::collection::vec(1_usize..50, 1..20),
    ) {
        let expected = reference(limits, &stream);
        prop_assert_eq!(receive(limits, 3, cut(&stream, &sizes)), expected);
    }

    #[test]
    fn headers_round_trip(flags in 0_u8..8, body_bytes in any::<u32>()) {
        let mut out = [0; 9];
        let header_bytes = encode_header(flags, body_bytes as usize, &mut out);
        let header = parse_header(&out[..header_bytes]).unwrap().unwrap();
        prop_assert_eq!(header.header_bytes, header_bytes);
        prop_assert_eq!(header.body_bytes, u64::from(body_bytes));
        prop_assert_eq!(header.flags & !LONG, flags & !LONG);
    }
}
