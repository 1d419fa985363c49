//! Who writes what a pipe to a connection takes, on a virtual clock.

use std::sync::atomic::{AtomicU32, Ordering};

use zeroring_base::copy::SMALL_BYTES_MAX;
use zeroring_base::slab::SlabWriter;
use zeroring_base::sync::thread_mark;
use zeroring_base::time::VirtualClock;
use zeroring_zmtp::greeting::Version;

use super::*;
use crate::io::link::Link;
use crate::io::link::tests::{Told, link_that_writes};
use crate::io::transport::StreamInfo;
use crate::pattern::pace::MESSAGES_PER_LOOK_MAX;
use crate::pipe::one_way;

const MESSAGE_NS: u64 = 50;
const WRITE_NS: u64 = 5_000;

/// A pipe of which nothing is known but its ends.
pub fn new_pipe(id: u32, writer: PipeWriter, reader: PipeReader, peer: PipePeer) -> NewPipe {
    NewPipe {
        id: PipeId(id),
        writer,
        reader,
        peer,
        info: None,
        announced: None,
        peer_marks: None,
        assigned_id: Vec::new(),
        endpoint: EndpointId(0),
        subscribe_all: false,
        survives_reconnect: false,
    }
}

/// A pipe whose connection takes everything, and what its writes were counted with.
struct Bench {
    pipes: Pipes,
    pool: SlabPool,
    hand: VirtualClock,
    clock: Clock,
    writes: Arc<AtomicU32>,
}

impl Bench {
    fn new(high_water_mark: u32) -> Self {
        Self::with_room(high_water_mark, usize::MAX >> 1)
    }

    fn with_room(high_water_mark: u32, room_bytes: usize) -> Self {
        let hand = VirtualClock::new(1_000_000_000);
        let clock = Clock::Virtual(hand.clone());
        let writes = Arc::new(AtomicU32::new(0));
        let stream = Told::new(room_bytes, {
            let (hand, clock, writes) = (hand.clone(), clock.clone(), writes.clone());
            move || {
                hand.advance_to(clock.now_ns() + WRITE_NS);
                writes.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (writer, out) = one_way(high_water_mark, false);
        let (_, reader) = one_way(0, false);
        let link = link_that_writes(out);
        link.tx().attach(stream, Version::V3_1, false);
        link.set_connected(true);
        let mut pipes = Pipes::default();
        pipes.insert(new_pipe(1, writer, reader, PipePeer::Link(link)));
        Self { pipes, pool: SlabPool::default(), hand, clock, writes }
    }

    /// Sends as a socket does: the short way, else the long one.
    fn send(&mut self, body: &[u8]) {
        self.hand.advance_to(self.clock.now_ns() + MESSAGE_NS);
        let pipe = self.pipes.get_mut(0).expect("a pipe");
        let put = match body.len() {
            0..=SMALL_BYTES_MAX => pipe.try_put_small(body),
            _ => pipe.try_put_short(body),
        };
        if let Some(told) = put {
            assert!(pipe.sent_short(told, body.len(), &self.clock));
            return;
        }
        assert!(pipe.has_room(&self.clock), "the connection takes everything");
        pipe.put(&mut self.pool, body.into(), false, 4096).expect("memory");
        pipe.commit(&self.clock, true);
    }

    /// Sends what stands at the end of `slab` as a publisher does. True if it went the short way.
    fn send_encoded(&mut self, slab: &SlabWriter, start: usize, may_write: bool) -> bool {
        self.hand.advance_to(self.clock.now_ns() + MESSAGE_NS);
        let pipe = self.pipes.get_mut(0).expect("a pipe");
        let range = (start, slab.filled());
        let is_short = pipe.try_send_encoded(slab, range, &self.clock, may_write);
        if !is_short {
            assert!(pipe.has_room(&self.clock), "the connection takes everything");
            pipe.put_encoded(slab, range.0, range.1);
            pipe.commit(&self.clock, may_write);
        }
        is_short
    }

    fn writes_for(&mut self, messages: u32) -> u32 {
        let before = self.writes.load(Ordering::Relaxed);
        (0..messages).for_each(|_| self.send(b"tick"));
        self.writes.load(Ordering::Relaxed) - before
    }

    fn link(&mut self) -> Arc<Link> {
        match &self.pipes.get_mut(0).expect("a pipe").peer {
            PipePeer::Link(link) => link.clone(),
            _ => unreachable!("made with a link"),
        }
    }

    fn unwritten_bytes(&mut self) -> u64 {
        self.pipes.get_mut(0).expect("a pipe").unwritten_bytes()
    }
}

/// Those that may not write leave that to the I/O thread, but for a full batch.
#[test]
fn encoded_messages_fill_batches_whoever_may_write() {
    for may_write in [true, false] {
        let mut bench = Bench::new(0);
        let messages: usize = 5000;
        let frame = [&[0, 62][..], &[7; 62]].concat();
        let mut slab = SlabWriter::with_capacity(messages * frame.len()).expect("memory");
        let mut short = 0;
        for n in 0..messages {
            let start = slab.filled();
            slab.put(&frame);
            short += usize::from(bench.send_encoded(&slab, start, may_write));
            assert!(bench.unwritten_bytes() < limits::FLUSH_BYTES as u64, "message {n}");
        }
        let batches = messages * frame.len() / limits::FLUSH_BYTES;
        let writes = bench.writes.load(Ordering::Relaxed) as usize;
        match may_write {
            true => assert!((batches..messages / 50).contains(&writes), "{writes} writes"),
            false => assert_eq!(writes, batches),
        }
        assert!(short > messages * 9 / 10, "{short} of {messages} went the short way");
    }
}

/// A topic that goes to many peers, and one that goes to few: what the first left behind goes out with the second, in time.
#[test]
fn a_message_that_may_write_takes_along_what_others_might_not() {
    let mut bench = Bench::new(0);
    let frame = [&[0, 62][..], &[7; 62]].concat();
    let mut slab = SlabWriter::with_capacity(1 << 20).expect("memory");
    let mut send = |bench: &mut Bench, may_write| {
        let start = slab.filled();
        slab.put(&frame);
        bench.send_encoded(&slab, start, may_write)
    };
    let short = (0..100).filter(|_| send(&mut bench, false)).count();
    assert!(short > 90, "{short} of 100 went the short way");
    assert!(send(&mut bench, false) && bench.unwritten_bytes() > 0, "the short way is open");
    bench.hand.advance_to(bench.clock.now_ns() + 2 * WRITE_NS);
    send(&mut bench, true);
    assert_eq!(bench.unwritten_bytes(), 0);
}

/// What the I/O thread wrote meanwhile the sender must not wait for: its next message goes by itself.
#[test]
fn a_slow_message_after_a_stream_that_was_written_goes_at_once() {
    let mut bench = Bench::new(0);
    bench.writes_for(1000);
    bench.writes_for(3); // in the middle between two looks
    let _ = bench.link().drive_tx(false);
    for n in 0..10 {
        bench.hand.advance_to(bench.clock.now_ns() + 2 * WRITE_NS);
        bench.send(b"tick");
        assert_eq!(bench.unwritten_bytes(), 0, "slow message {n}");
    }
}

#[test]
fn nothing_is_put_the_short_way_into_a_pipe_that_is_gone() {
    let mut bench = Bench::new(0);
    bench.writes_for(100);
    let clock = bench.clock.clone();
    let pipe = bench.pipes.get_mut(0).expect("a pipe");
    assert!(pipe.try_put_small(b"tick").is_some(), "it is open");
    pipe.set_gone();
    assert_eq!((pipe.try_put_small(b"tick"), pipe.try_put_short(b"tick")), (None, None));
    pipe.send_command_anyway(&mut bench.pool, b"command", &clock);
    assert_eq!(pipe.try_put_small(b"tick"), None, "a command does not open it");
}

/// A regression: after each write that made room, the next messages were taken for a new burst and written one by one.
#[test]
fn a_sender_that_fills_its_queue_goes_on_in_batches() {
    for high_water_mark in [100, 200] {
        let mut bench = Bench::new(high_water_mark);
        bench.writes_for(1000);
        let writes = bench.writes_for(10_000);
        let batches = 10_000 / high_water_mark;
        assert!(writes <= batches + 1, "{writes} writes where {batches} batches fill the queue");
    }
}

#[test]
fn a_stream_without_a_mark_is_written_by_age() {
    let mut bench = Bench::new(0);
    bench.writes_for(1000);
    let writes = bench.writes_for(10_000);
    let ages = 10_000 * MESSAGE_NS / 40_000;
    assert!((1..=ages as u32 + 1).contains(&writes), "{writes} writes in {ages} times 40 us");
}

/// A regression: a count of messages that needed no look outlived the stream it was made in.
#[test]
fn a_sender_that_waited_in_a_stream_looks_at_the_clock_again() {
    let mut bench = Bench::new(1000);
    bench.writes_for(1000);
    let clock = bench.clock.clone();
    bench.pipes.get_mut(0).expect("a pipe").flush(&clock);
    bench.hand.advance_to(bench.clock.now_ns() + 2 * WRITE_NS);
    (0..2).for_each(|_| bench.send(b"tick")); // the first is written by itself, the second left behind
    for n in 0..10 {
        bench.hand.advance_to(bench.clock.now_ns() + 2 * WRITE_NS);
        bench.send(b"tick");
        assert_eq!(bench.unwritten_bytes(), 0, "slow message {n}");
    }
}

#[test]
fn the_last_sender_is_known_beyond_its_pipe_and_its_connection() {
    let info = |fd| {
        Arc::new(PeerInfo {
            socket_type: None,
            routing_id: Vec::new(),
            version: Version::V3_1,
            stream: StreamInfo::default(),
            fd,
            properties: Vec::new(),
        })
    };
    let mut bench = Bench::new(0);
    let seen = |bench: &Bench| bench.pipes.last_sender().map(|info| info.fd);
    assert_eq!(seen(&bench), None);
    assert!(!bench.pipes.connected(0, info(1)) && bench.pipes.connected(0, info(2)));
    assert_eq!(seen(&bench), None, "nothing was received");
    bench.pipes.received_from(0);
    assert_eq!(seen(&bench), Some(2));
    bench.pipes.connected(0, info(3));
    assert_eq!(seen(&bench), Some(2), "what came by the connection before");
    bench.pipes.received_from(0);
    drop(bench.pipes.remove(0));
    assert_eq!(seen(&bench), Some(3));
    let (writer, _) = one_way(0, false);
    let (_, reader) = one_way(0, false);
    let slot = bench.pipes.insert(new_pipe(2, writer, reader, PipePeer::NotBound));
    bench.pipes.connected(slot, info(5));
    assert_eq!((slot, seen(&bench)), (0, Some(3)), "another one in the same slot");
}

/// What a burst left behind the I/O thread writes, until the sender looks at the clock again.
#[test]
fn a_sender_that_has_time_again_leaves_nothing_behind() {
    let mut bench = Bench::new(1000);
    bench.writes_for(1000);
    for n in 0..200 {
        bench.hand.advance_to(bench.clock.now_ns() + 2 * WRITE_NS);
        bench.send(b"tick");
        assert!(n < MESSAGES_PER_LOOK_MAX || bench.unwritten_bytes() == 0, "message {n}");
    }
}

fn is_noted(link: &Link) -> bool {
    link.left_behind_by() == thread_mark()
}

/// What was noted is forgotten when it is written, also where the connection does not take it: then the next message is
/// noted again, however many might have followed without a question.
#[test]
fn a_thread_that_has_waited_notes_what_it_leaves_behind_again() {
    let mut bench = Bench::with_room(0, 0);
    bench.clock = Clock::Real;
    let link = bench.link();
    for _ in 0..10 {
        let mut sent = 0;
        while !is_noted(&link) {
            bench.send(b"tick");
            sent += 1;
            assert!(sent < 10, "nothing was noted");
        }
        bench.writes_for(10);
        left_behind::write(&Clock::Real);
        assert!(bench.unwritten_bytes() > 0 && !is_noted(&link));
    }
}

/// Bytes fill a batch before messages do; the one that does goes the long way, and writes it.
#[test]
fn a_full_batch_is_written_at_once() {
    let mut bench = Bench::new(0);
    bench.writes_for(100);
    bench.hand.advance_to(bench.clock.now_ns() + 2 * WRITE_NS);
    while bench.unwritten_bytes() > 0 {
        bench.send(b"tick"); // from here on batches begin empty: frames of a power of two fill one exactly
    }
    for body_bytes in [254, 250, 62, 503, 1015] {
        for _ in 0..5000 {
            bench.send(&[7; 1015][..body_bytes]);
            assert!(bench.unwritten_bytes() < limits::FLUSH_BYTES as u64);
        }
    }
}
