use super::*;
use crate::slab::SlabPool;

fn text(reader: &mut StreamReader) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let n = {
            let bytes = reader.available();
            all.extend_from_slice(bytes);
            bytes.len()
        };
        if n == 0 {
            return all;
        }
        reader.advance(n);
    }
}

#[test]
fn nothing_is_visible_before_commit_and_rollback_forgets() {
    let mut pool = SlabPool::new(64);
    let (mut w, mut r) = stream(0);
    w.append_copy(&mut pool, b"h", b"one").expect("memory");
    assert!(r.available().is_empty());
    assert!(w.commit(1), "the reader of a fresh stream waits");
    w.append_copy(&mut pool, b"h", b"lost").expect("memory");
    w.append_shared(Bytes::copy_from_slice(&[9; 100]));
    w.rollback();
    w.append_copy(&mut pool, b"h", b"two").expect("memory");
    assert!(!w.commit(1));
    assert_eq!(text(&mut r), b"honehtwo");
}

#[test]
fn a_reader_that_let_go_finds_what_follows_in_the_same_slab() {
    let mut pool = SlabPool::new(64);
    let (mut w, mut r) = stream(0);
    let mut slab = pool.writer(64).expect("memory");
    slab.put(b"onetwothree");
    w.append_filled(&slab, 0, 3);
    let _ = w.commit(1);
    assert!(!r.let_go(), "it is not read");
    assert_eq!(text(&mut r), b"one");
    assert!(r.let_go());
    assert_eq!(slab.slab().ref_count(), 1, "only the writer has it");
    w.begin_anew();
    w.append_filled(&slab, 3, 6);
    w.append_filled(&slab, 6, 11);
    let _ = w.commit(2);
    assert_eq!(text(&mut r), b"twothree");
    assert!(r.let_go() && slab.try_reset());
    w.begin_anew();
    slab.put(b"again");
    w.append_filled(&slab, 0, 5);
    let _ = w.commit(1);
    assert_eq!(text(&mut r), b"again");
}

#[test]
fn the_short_way_opens_only_where_nothing_is_in_the_way() {
    let mut pool = SlabPool::new(64);
    let (mut w, mut r) = stream(5);
    const HEADER: u16 = u16::from_le_bytes([b'h', b'!']);
    let refused = |w: &mut StreamWriter, body: &[u8], why: &str| {
        w.open_short_way(u64::MAX);
        assert_eq!(w.try_commit_short(HEADER, body), None, "{why}");
    };
    refused(&mut w, b"", "no slab");
    w.append_copy(&mut pool, b"", b"a").expect("memory");
    refused(&mut w, b"", "inside a message");
    assert!(w.commit(1));
    assert_eq!(w.try_commit_short(HEADER, b"b"), None, "it was not opened");
    w.open_short_way(u64::MAX);
    assert_eq!(w.try_commit_short(HEADER, b"b"), Some(false), "it was told already");
    r.ask_to_be_told();
    assert_eq!(w.try_commit_short(HEADER, b"c"), Some(true));
    assert_eq!(w.try_commit_short(HEADER, &[0; 60]), None, "no room in the slab");
    w.append_copy(&mut pool, b"", b"lost").expect("memory");
    w.rollback();
    refused(&mut w, b"", "behind a gap");
    w.append_shared(Bytes::copy_from_slice(b"shared"));
    assert!(!w.commit(1));
    refused(&mut w, b"", "behind another's bytes");
    w.append_copy(&mut pool, b"", b"d").expect("memory");
    assert!(!w.commit(1));
    refused(&mut w, b"", "no credit");
    assert_eq!(text(&mut r), b"ah!bh!cshared".iter().chain(b"d").copied().collect::<Vec<_>>());
}

#[test]
fn the_short_way_is_as_wide_as_it_was_opened_and_closed_by_everything_else() {
    let (mut pool, mut own) = (SlabPool::new(64), SlabPool::new(64));
    let (mut w, _r) = stream(0);
    w.append_copy(&mut pool, b"", b"a").expect("memory");
    let _ = w.commit(1);
    let sent =
        |w: &mut StreamWriter| (0..9).filter(|_| w.try_commit_short(0, b"x").is_some()).count();
    for (bytes, credit, expected) in [(9, 9, 3), (90, 2, 2), (90, 0, 0), (2, 9, 0), (0, 9, 0)] {
        w.set_high_water_mark(w.messages_written() as u32 + credit);
        w.open_short_way(bytes);
        assert_eq!(sent(&mut w), expected, "{bytes} bytes, credit for {credit} messages");
    }
    assert_eq!((w.messages_written(), w.committed_bytes()), (1 + 5, 1 + 5 * 3));
    w.set_high_water_mark(0);
    type Step<'a> = Box<dyn FnOnce(&mut StreamWriter) + 'a>;
    let others: [Step; 4] = [
        Box::new(|w| w.append_copy(&mut pool, b"", b"x").expect("memory")),
        Box::new(|w| w.append_shared(Bytes::copy_from_slice(b"x"))),
        Box::new(|w| w.set_high_water_mark(1000)),
        Box::new(|w| w.begin_anew()),
    ];
    for (index, other) in others.into_iter().enumerate() {
        let _ = w.commit(1);
        w.append_copy(&mut own, b"", b"a").expect("memory");
        let _ = w.commit(1);
        w.open_short_way(u64::MAX);
        assert_eq!(w.try_commit_short(0, b"x"), Some(false));
        other(&mut w);
        assert_eq!(sent(&mut w), 0, "after number {index}");
    }
}

/// A message that is encoded in another's slab takes the short way where it follows on the last one there, and only there.
#[test]
fn encoded_messages_take_the_short_way_where_they_follow_on() {
    let (mut pool, mut own) = (SlabPool::new(64), SlabPool::new(64));
    let (mut w, mut r) = stream(6);
    let mut shared = pool.writer(64).expect("memory");
    let mut other = pool.writer(64).expect("memory");
    shared.put(b"abcdef");
    other.put(b"ABCDEF");
    assert_eq!(w.try_commit_filled(&shared, 0, 1), None, "it was not opened");
    w.append_filled(&shared, 0, 1);
    w.open_short_way(u64::MAX);
    assert_eq!(w.try_commit_filled(&shared, 1, 2), None, "inside a message");
    assert!(w.commit(1));
    w.open_short_way(2);
    assert_eq!(w.try_commit_filled(&other, 1, 2), None, "another slab");
    assert_eq!(w.try_commit_filled(&shared, 2, 3), None, "there is a gap");
    assert_eq!(w.try_commit_filled(&shared, 1, 4), None, "too long");
    assert_eq!(w.try_commit_short(0, b""), None, "not our own slab");
    assert_eq!(w.try_commit_filled(&shared, 1, 2), Some(false));
    assert_eq!(w.try_commit_filled(&shared, 2, 3), Some(false));
    assert_eq!(w.try_commit_filled(&shared, 3, 4), None, "as wide as it was opened");
    r.ask_to_be_told();
    w.open_short_way(u64::MAX);
    assert_eq!(w.try_commit_filled(&shared, 3, 5), Some(true));
    w.append_copy(&mut own, b"", b"!").expect("memory");
    let _ = w.commit(1);
    w.open_short_way(u64::MAX);
    assert_eq!(w.try_commit_filled(&shared, 5, 6), None, "own bytes came between");
    w.append_filled(&shared, 5, 6);
    let _ = w.commit(1);
    w.open_short_way(u64::MAX);
    shared.put(b"g");
    assert_eq!(w.try_commit_filled(&shared, 6, 7), None, "no credit");
    assert_eq!(text(&mut r), b"abcde!f");
    assert_eq!((w.messages_written(), w.committed_bytes()), (6, 7));
}

#[test]
fn a_mark_that_became_smaller_is_acknowledged_by_its_own_steps() {
    let mut pool = SlabPool::new(64);
    let (mut w, mut r) = stream(1000);
    for _ in 0..10 {
        w.append_copy(&mut pool, b"", b"m").expect("memory");
        let _ = w.commit(1);
        assert!(!r.count_read(1));
    }
    w.set_high_water_mark(4);
    assert!(!w.has_credit_or_waits(), "ten are not acknowledged");
    assert!(r.count_read(0), "two would be enough");
    assert_eq!(w.credit(), 4);
}

#[test]
fn what_is_at_hand_is_what_was_found_last() {
    let mut pool = SlabPool::new(64);
    let (mut w, mut r) = stream(0);
    w.append_copy(&mut pool, b"", b"onetwo").expect("memory");
    let _ = w.commit(1);
    assert_eq!(r.at_hand(), None, "it does not look for more by itself");
    assert_eq!(r.available(), b"onetwo");
    r.advance(3);
    assert_eq!((r.at_hand(), r.position()), (Some(&b"two"[..]), 3));
}

#[test]
fn ranges_begin_where_reading_ended_whatever_was_let_go() {
    let mut pool = SlabPool::new(64);
    let (mut w, mut r) = stream(0);
    let whole = |r: &mut StreamReader| {
        let mut ranges = Vec::new();
        r.ranges(&mut ranges, 8, 1 << 20);
        ranges.iter().flat_map(|range| range.to_vec()).collect::<Vec<u8>>()
    };
    for round in 0..3 {
        w.append_copy(&mut pool, b"", b"own").expect("memory");
        let _ = w.commit(1);
        assert_eq!(text(&mut r), b"own");
        // The current segment is read to its end; two more follow.
        w.append_shared(Bytes::copy_from_slice(b"one"));
        w.append_shared(Bytes::copy_from_slice(b"two"));
        let _ = w.commit(1);
        assert_eq!(whole(&mut r), b"onetwo");
        assert_eq!(r.peek_at(r.position() + 4), Some(&b"wo"[..]));
        r.consume(6);
        if round > 0 {
            assert!(r.let_go());
            w.begin_anew();
            assert_eq!((whole(&mut r), r.peek_at(r.position())), (Vec::new(), None));
        }
    }
}

#[test]
fn own_shared_and_filled_bytes_keep_their_order() {
    let mut pool = SlabPool::new(32);
    let (mut w, mut r) = stream(0);
    let mut received = pool.writer(32).expect("memory");
    received.put(b"abcdef");
    w.append_copy(&mut pool, b"1", b"own").expect("memory");
    w.append_filled(&received, 0, 3);
    w.append_filled(&received, 3, 6);
    w.append_shared(Bytes::copy_from_slice(b"SHARED"));
    w.append_copy(&mut pool, b"2", b"own").expect("memory");
    w.append_copy(&mut pool, b"", &[b'x'; 30]).expect("memory");
    let _ = w.commit(1);
    let expected = [&b"1ownabcdefSHARED2own"[..], &[b'x'; 30]].concat();
    let mut ranges = Vec::new();
    assert_eq!(r.ranges(&mut ranges, 64, 1 << 20), expected.len());
    assert_eq!(ranges.iter().flat_map(|range| range.to_vec()).collect::<Vec<_>>(), expected);
    assert_eq!(ranges.len(), 5, "touching ranges are merged");
    drop(ranges);
    assert_eq!(r.peek_at(10).expect("published")[0], b'S');
    r.consume(8);
    assert_eq!(text(&mut r), &expected[8..]);
}

#[test]
fn credit_follows_libzmqs_arithmetic() {
    let mut pool = SlabPool::new(1024);
    let (mut w, mut r) = stream(5);
    for n in 0..5 {
        assert_eq!(w.credit(), 5 - n);
        w.append_copy(&mut pool, b"", b"m").expect("memory");
        let _ = w.commit(1);
    }
    assert!(!w.has_credit_or_waits());
    // The low-water mark of 5 is 3: two reads are not yet told, the third is.
    assert!(!r.count_read(1) && !r.count_read(1));
    assert_eq!(w.credit(), 0);
    assert!(r.count_read(1), "the writer waits and must be told");
    assert_eq!(w.credit(), 3);
}

#[test]
fn a_reader_that_counts_too_much_does_not_wedge_its_writer() {
    let mut pool = SlabPool::new(64);
    let (mut w, mut r) = stream(2);
    for _ in 0..5 {
        w.append_copy(&mut pool, b"", b"m").expect("memory");
        let _ = w.commit(1);
        assert_eq!(text(&mut r), b"m");
        let _ = r.count_read(2);
        assert_eq!((w.credit() > 0, w.unacked_messages()), (true, 0));
    }
}

#[test]
fn slabs_go_home_when_the_reader_is_past_them() {
    let mut pool = SlabPool::new(64);
    let (mut w, mut r) = stream(0);
    let mut slabs = std::collections::HashSet::new();
    for n in 0..100u8 {
        w.append_copy(&mut pool, &[n], &[n; 40]).expect("memory");
        let _ = w.commit(1);
        slabs.insert(r.available().as_ptr()); // two of these do not fit one slab
        assert_eq!(text(&mut r), [n; 41]);
    }
    assert!(slabs.len() <= 3, "{} slabs for a stream that is always drained", slabs.len());
}

/// A regression: `ranges` once took the end of the stream from a later load than the segments.
#[test]
fn ranges_are_right_while_the_writer_moves_on_to_other_slabs() {
    const BYTES: usize = 3_000_000;
    let (mut w, mut r) = stream(0);
    let writer = std::thread::spawn(move || {
        let mut pool = SlabPool::new(256);
        let mut written = 0usize;
        while written < BYTES {
            let chunk: Vec<u8> = (0..(written % 90) + 1).map(|i| (written + i) as u8).collect();
            w.append_copy(&mut pool, &chunk[..1], &chunk[1..]).expect("memory");
            let _ = w.commit(1);
            written += chunk.len();
        }
    });
    let mut read = 0usize;
    while read < BYTES {
        let mut ranges = Vec::new();
        let total = r.ranges(&mut ranges, 8, 4096);
        for byte in ranges.iter().flat_map(|range| range.iter()) {
            assert_eq!(*byte, read as u8, "at {read}");
            read += 1;
        }
        drop(ranges);
        r.consume(total);
    }
    writer.join().expect("the writer does not panic");
}

#[test]
fn a_writer_and_a_reader_on_two_threads_agree_on_every_byte() {
    let (mut w, mut r) = stream(100);
    let writer = std::thread::spawn(move || {
        let mut pool = SlabPool::new(256);
        for n in 0..200_000u32 {
            while w.credit() == 0 {
                std::thread::yield_now();
            }
            w.append_copy(&mut pool, b"", &n.to_le_bytes()).expect("memory");
            let _ = w.commit(1);
        }
    });
    let mut expected = 0u32;
    while expected < 200_000 {
        if r.available().len() < 4 {
            std::thread::yield_now();
            continue;
        }
        let got = r.take(4);
        assert_eq!(*got, expected.to_le_bytes());
        let _ = r.count_read(1);
        expected += 1;
    }
    writer.join().expect("the writer does not panic");
}
