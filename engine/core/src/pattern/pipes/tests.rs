//! Who writes what a pipe to a connection takes, on a virtual clock.

use std::sync::atomic::{AtomicU32, Ordering};

use zeroring_base::time::VirtualClock;
use zeroring_zmtp::greeting::Version;

use super::*;
use crate::io::link::tests::{Told, link_that_writes};
use crate::pattern::pace::MESSAGES_PER_LOOK_MAX;
use crate::pipe::one_way;

const MESSAGE_NS: u64 = 50;
const WRITE_NS: u64 = 5_000;

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
        let hand = VirtualClock::new(1_000_000_000);
        let clock = Clock::Virtual(hand.clone());
        let writes = Arc::new(AtomicU32::new(0));
        let stream = Told::new(usize::MAX >> 1, {
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
        pipes.insert(NewPipe {
            id: PipeId(1),
            writer,
            reader,
            peer: PipePeer::Link(link),
            info: None,
            announced: None,
            peer_marks: None,
            assigned_id: Vec::new(),
            endpoint: EndpointId(0),
            subscribe_all: false,
            survives_reconnect: false,
        });
        Self { pipes, pool: SlabPool::default(), hand, clock, writes }
    }

    /// Sends as a socket does: the short way, else the long one.
    fn send(&mut self, body: &[u8]) {
        self.hand.advance_to(self.clock.now_ns() + MESSAGE_NS);
        let pipe = self.pipes.get_mut(0).expect("a pipe");
        if !pipe.try_send_short(body, &self.clock) {
            assert!(pipe.has_room(&self.clock), "the connection takes everything");
            pipe.put(&mut self.pool, body.into(), false, 4096).expect("memory");
            pipe.commit(&self.clock, true);
        }
    }

    fn writes_for(&mut self, messages: u32) -> u32 {
        let before = self.writes.load(Ordering::Relaxed);
        (0..messages).for_each(|_| self.send(b"tick"));
        self.writes.load(Ordering::Relaxed) - before
    }

    fn unwritten_bytes(&mut self) -> u64 {
        self.pipes.get_mut(0).expect("a pipe").unwritten_bytes()
    }
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

/// Bytes fill a batch before messages do; the one that does goes the long way, and writes it.
#[test]
fn a_full_batch_is_written_at_once() {
    let mut bench = Bench::new(0);
    bench.writes_for(100);
    for _ in 0..2000 {
        bench.send(&[7; 250]);
        assert!(bench.unwritten_bytes() < limits::FLUSH_BYTES as u64);
    }
}
