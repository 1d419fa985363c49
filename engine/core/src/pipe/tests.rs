//! Pipes from outside: order, atomicity, credit, and bytes for the kernel.

use zeroring_base::{Message, SlabPool};

use super::*;

const COPY: usize = 64;

fn send(pool: &mut SlabPool, writer: &mut PipeWriter, parts: &[&[u8]]) -> bool {
    for (index, part) in parts.iter().enumerate() {
        let more = index + 1 < parts.len();
        writer.put_part(pool, (*part).into(), more, COPY).expect("memory");
    }
    writer.commit(1)
}

fn recv(reader: &mut PipeReader) -> Option<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    loop {
        let mut part = Message::new();
        reader.next_message(&mut part)?;
        parts.push(part.to_vec());
        if !part.more() {
            return Some(parts);
        }
    }
}

#[test]
fn parts_small_and_by_reference_arrive_as_sent() {
    let mut pool = SlabPool::new(256);
    let (mut w, mut r) = one_way(10, false);
    let large = vec![5u8; 1000];
    send(&mut pool, &mut w, &[b"", b"a", &large, &[1; 63], &[2; 64], b""]);
    send(&mut pool, &mut w, &[b"next"]);
    assert_eq!(
        recv(&mut r),
        Some(vec![vec![], b"a".to_vec(), large, vec![1; 63], vec![2; 64], vec![]])
    );
    assert_eq!(recv(&mut r), Some(vec![b"next".to_vec()]));
    assert_eq!(recv(&mut r), None);
}

#[test]
fn half_a_message_is_never_seen() {
    let mut pool = SlabPool::new(256);
    let (mut w, mut r) = one_way(10, false);
    w.put_part(&mut pool, b"half".as_slice().into(), true, COPY).expect("memory");
    assert!(r.next_message(&mut Message::new()).is_none());
    w.rollback();
    send(&mut pool, &mut w, &[b"whole"]);
    assert_eq!(recv(&mut r), Some(vec![b"whole".to_vec()]));
}

/// Whatever the kernel takes per write, the gatherer counts each message once, when its last byte went.
#[test]
fn gather_counts_messages_for_every_write_size() {
    for step in 1..40 {
        let mut pool = SlabPool::new(128);
        let (mut w, r) = one_way(6, false);
        let mut gather = Gather::new(r);
        let mut sent = 0u64;
        for n in 0..6u8 {
            send(&mut pool, &mut w, &[&[n], &[n; 100], b"end"]);
            sent += 3 + 102 + 5;
        }
        assert_eq!(w.credit(), 0);
        let mut bytes = Vec::new();
        while !gather.is_empty() {
            let mut ranges = Vec::new();
            gather.ranges(&mut ranges, 64, step);
            let chunk: Vec<u8> = ranges.iter().flat_map(|range| range.to_vec()).collect();
            drop(ranges);
            let _ = gather.consume(chunk.len());
            bytes.extend(chunk);
            let acknowledged = bytes.len() as u64 / 110;
            assert_eq!(
                6 - w.unacked_messages(),
                acknowledged / 3 * 3,
                "step {step}, {} bytes",
                bytes.len()
            );
        }
        assert_eq!(bytes.len() as u64, sent);
        assert_eq!(gather.bytes_to_frame_boundary(), 0);
    }
}

/// Writes `step` bytes at a time: each message of these sizes must be counted when its last byte went.
fn assert_counted(gather: &mut Gather, w: &PipeWriter, sizes: &[usize], step: usize) {
    let ends: Vec<usize> = sizes
        .iter()
        .scan(0, |end, bytes| {
            *end += bytes;
            Some(*end)
        })
        .collect();
    let messages = sizes.len() as u64;
    let mut written = 0;
    while !gather.is_empty() {
        let n = gather.ranges(&mut Vec::new(), 64, step);
        let _ = gather.consume(n);
        written += n;
        let expected = ends.iter().filter(|end| **end <= written).count() as u64;
        assert_eq!(messages - w.unacked_messages(), expected, "step {step}, {written} bytes");
    }
    assert_eq!(w.unacked_messages(), 0, "step {step}");
}

/// Messages of one size are walked several at a time; what stands between them is not passed over.
#[test]
fn gather_counts_runs_of_equal_messages_for_every_write_size() {
    let bodies: [&[u8]; 9] = [b"aa", b"bb", b"cc", b"d", b"d", b"ee", b"", b"", b"ff"];
    for step in 1..40 {
        let mut pool = SlabPool::new(128);
        // With a mark of 2 every message is acknowledged at once.
        let (mut w, r) = one_way(2, false);
        let mut gather = Gather::new(r);
        for body in bodies {
            send(&mut pool, &mut w, &[body]);
        }
        send(&mut pool, &mut w, &[b"gg", b"gg"]);
        let sizes: Vec<usize> = bodies.iter().map(|body| 2 + body.len()).chain([8]).collect();
        assert_eq!(sizes.len(), 10);
        assert_counted(&mut gather, &w, &sizes, step);
    }
}

/// The end of a multipart message, or a command, is as large as the messages behind it.
#[test]
fn gather_counts_runs_behind_other_frames_for_every_write_size() {
    for step in 1..40 {
        let mut pool = SlabPool::new(128);
        let (mut w, r) = one_way(2, false);
        let mut gather = Gather::new(r);
        let mut sizes = Vec::new();
        for round in 0..3 {
            send(&mut pool, &mut w, &[b"aa", b"bb", b"cc"]);
            sizes.push(12);
            (0..=round).for_each(|_| assert!(!send(&mut pool, &mut w, &[b"dd"])));
            sizes.extend(vec![4; round + 1]);
            w.put_command(&mut pool, b"ee").expect("memory");
            let _ = w.commit(1);
            send(&mut pool, &mut w, &[b"ff"]);
            sizes.extend([4, 4]);
        }
        assert_counted(&mut gather, &w, &sizes, step);
    }
}

/// What lies behind the message that a lost connection cut off is counted as ever.
#[test]
fn runs_of_equal_messages_are_counted_behind_one_that_was_cut_off() {
    for written in 0..8usize {
        let mut pool = SlabPool::new(128);
        let (mut w, r) = one_way(2, false);
        let mut gather = Gather::new(r);
        send(&mut pool, &mut w, &[b"aa", b"bb"]);
        (0..5).for_each(|_| assert!(!send(&mut pool, &mut w, &[b"cc"])));
        let _ = gather.consume(written);
        let _ = gather.skip_unfinished_message();
        let skipped = u64::from(written > 0);
        assert_eq!(6 - w.unacked_messages(), skipped, "after {written} bytes");
        let left = gather.queued_bytes();
        let _ = gather.consume(left - 1);
        assert_eq!(w.unacked_messages(), 1, "after {written} bytes");
        let _ = gather.consume(1);
        assert_eq!(w.unacked_messages(), 0);
    }
}

/// Messages encoded elsewhere and our own, each by the short way where it is open, arrive in order.
#[test]
fn own_and_encoded_messages_take_turns() {
    let mut pool = SlabPool::new(1024);
    let mut shared = pool.writer(1024).expect("memory");
    let (mut w, mut r) = one_way(0, false);
    let mut short = [0, 0];
    for n in 0..60u8 {
        let body = [n; 3];
        let is_encoded = n / 4 % 2 == 1;
        let start = shared.filled();
        if is_encoded {
            shared.put(&[0, 3]);
            shared.put(&body);
        }
        let told = match is_encoded {
            true => w.try_send_encoded(&shared, start, shared.filled()),
            false => w.try_send_small(&body),
        };
        match (told, is_encoded) {
            (Some(_), _) => short[usize::from(is_encoded)] += 1,
            (None, true) => {
                w.put_encoded(&shared, start, shared.filled());
                let _ = w.commit(1);
            }
            (None, false) => {
                send(&mut pool, &mut w, &[&body]);
            }
        }
        w.open_short_way(u64::MAX);
    }
    // The first of each turn begins a segment, or follows on what is not its own.
    assert_eq!(short, [3 * 8, 3 * 7]);
    for n in 0..60u8 {
        assert_eq!(recv(&mut r), Some(vec![vec![n; 3]]));
    }
    assert_eq!(recv(&mut r), None);
}

#[test]
fn after_a_lost_connection_the_next_whole_message_goes_first() {
    for written in 0..=110usize {
        let mut pool = SlabPool::new(128);
        let (mut w, r) = one_way(6, false);
        let mut gather = Gather::new(r);
        send(&mut pool, &mut w, &[b"1", &[9; 100], b"end"]);
        send(&mut pool, &mut w, &[b"second"]);
        if written > 0 {
            let _ = gather.consume(written);
        }
        let _ = gather.skip_unfinished_message();
        let expected: &[u8] = if written == 0 { b"1" } else { b"second" };
        let (_, body) = gather.next_frame(|_, body| body.to_vec()).expect("a frame");
        assert_eq!(body, expected, "after {written} bytes");
    }
}

#[test]
fn conflation_keeps_the_newest_part() {
    let mut pool = SlabPool::new(128);
    let (mut w, mut r) = one_way(1, true);
    assert!(send(&mut pool, &mut w, &[b"old"]));
    assert!(!send(&mut pool, &mut w, &[b"two", b"parts"]));
    assert_eq!(recv(&mut r), Some(vec![b"parts".to_vec()]));
    assert!(!r.wait_or_ready());
    assert!(send(&mut pool, &mut w, &[b"new"]), "the reader waits again");

    let mut gather = Gather::new(r);
    assert!(!gather.is_empty());
    assert_eq!(gather.next_frame(|_, body| body.to_vec()).map(|f| f.1), Some(b"new".to_vec()));
    assert!(gather.is_empty() && !gather.is_finished());
    drop(w);
    assert!(gather.is_finished());
}

/// Commands count like messages, between messages and inside one.
#[test]
fn gather_counts_commands_for_every_write_size() {
    for step in 1..40 {
        let mut pool = SlabPool::new(128);
        let (mut w, r) = one_way(6, false);
        let mut gather = Gather::new(r);
        for n in 0..3u8 {
            w.put_command(&mut pool, &[n; 20]).expect("memory");
            let _ = w.commit(1);
            send(&mut pool, &mut w, &[&[n], b"end"]);
        }
        assert_eq!(w.credit(), 0);
        while !gather.is_empty() {
            let mut ranges = Vec::new();
            let taken = gather.ranges(&mut ranges, 64, step);
            drop(ranges);
            let _ = gather.consume(taken);
        }
        let _ = gather.acknowledge(); // the rest of the last step
        assert_eq!(w.unacked_messages(), 0, "step {step}");
    }
    let mut pool = SlabPool::new(128);
    let (mut w, r) = one_way(6, false);
    let mut gather = Gather::new(r);
    for _ in 0..6 {
        w.put_command(&mut pool, b"\x06CANCELx").expect("memory");
        let _ = w.commit(1);
    }
    let _ = gather.consume(3); // a connection that is lost in the middle of one
    let _ = gather.discard_all();
    assert_eq!(w.unacked_messages(), 0);
}

/// A publisher counts what was counted when it was published: subscriptions, not what travelled along with them.
#[test]
fn only_subscriptions_count_as_read() {
    let mut pool = SlabPool::new(128);
    let (mut w, mut r) = one_way(1, false);
    for topic in [b"a", b"b"] {
        assert_eq!(w.credit(), 1);
        w.put_command(&mut pool, b"\x04PING\0\0").expect("memory");
        w.put_command(&mut pool, &[b"\x09SUBSCRIBE", &topic[..]].concat()).expect("memory");
        w.put_command(&mut pool, b"\x04PING\0\0").expect("memory");
        let _ = w.commit(1);
        assert_eq!(w.credit(), 0);
        let Some((Part::Command(body), _)) = r.next_part() else { panic!("a subscription") };
        assert!(body.ends_with(topic));
        assert!(r.next_part().is_none());
        assert_eq!(w.unacked_messages(), 0);
    }
}

#[test]
fn an_acknowledgement_after_a_lowered_mark_gives_the_room_back() {
    let mut pool = SlabPool::new(128);
    let (mut w, mut r) = one_way(10, false);
    for _ in 0..4 {
        send(&mut pool, &mut w, &[b"m"]);
        assert!(recv(&mut r).is_some());
    }
    w.set_high_water_mark(3);
    assert!(!w.has_credit_or_waits(), "four are not acknowledged: the step was five");
    assert!(r.acknowledge(), "the writer waits and must be told");
    assert_eq!(w.credit(), 3);
}

#[test]
fn large_parts_are_slices_of_what_was_received_unless_copies_are_asked_for() {
    for copies in [false, true] {
        let mut pool = SlabPool::new(4096);
        let (mut w, mut r) = one_way(10, false);
        if copies {
            r.copy_parts();
        }
        let mut slab = pool.writer(4096).expect("memory");
        for _ in 0..2 {
            slab.put(&[2, 0, 0, 0, 0, 0, 0, 3, 232]); // a frame of 1000 bytes
            slab.put(&[7; 1000]);
        }
        w.put_received(&slab, 0, 2018);
        let _ = w.commit(2);
        let (mut first, mut second) = (Message::new(), Message::new());
        assert!(r.next_message(&mut first).is_some() && r.next_message(&mut second).is_some());
        assert!(first == [7; 1000][..] && second == [7; 1000][..]);
        let in_slab = slab.filled_slice(0, 2018).as_ptr_range();
        for part in [&first, &second] {
            assert_eq!(in_slab.contains(&part.as_ptr()), !copies, "copies: {copies}");
        }
    }
}
