//! What publishers read from their peers: bounded per call and in memory, whatever the peers do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use zeroring_base::SlabPool;
use zeroring_base::time::Clock;
use zeroring_zmtp::SocketType;
use zeroring_zmtp::command::{encode_cancel, encode_subscribe};

use super::*;
use crate::options::ContextOptions;
use crate::pattern::Pipes;
use crate::pattern::pipes::tests::new_pipe;
use crate::pipe::{PipeWriter, one_way};
use crate::socket::PipePeer;

/// A socket's surroundings.
struct Bench {
    pipes: Pipes,
    pool: SlabPool,
    options: SocketOptions,
    clock: Clock,
}

impl Bench {
    fn new(kind: SocketType) -> Self {
        Self {
            pipes: Pipes::default(),
            pool: SlabPool::default(),
            options: SocketOptions::new(kind, &ContextOptions::default()),
            clock: Clock::Real,
        }
    }

    fn scope(&mut self) -> Scope<'_> {
        Scope {
            pipes: &mut self.pipes,
            pool: &mut self.pool,
            options: &self.options,
            clock: &self.clock,
        }
    }

    /// A peer: its slot, and the end it sends with.
    fn peer(&mut self, id: u32, high_water_mark: u32) -> (usize, PipeWriter) {
        let (writer, _) = one_way(0, false);
        let (peer, reader) = one_way(high_water_mark, false);
        let slot = self.pipes.insert(new_pipe(id, writer, reader, PipePeer::NotBound));
        (slot, peer)
    }
}

fn ask(pool: &mut SlabPool, peer: &mut PipeWriter, subscribe: bool, topic: &[u8]) {
    let mut frame = Vec::new();
    let encode = if subscribe { encode_subscribe } else { encode_cancel };
    encode(topic, &mut frame);
    peer.put_command(pool, &frame[2..]).expect("memory");
    let _ = peer.commit(1);
}

/// A peer that sends as fast as it is read must not hold the application.
#[test]
fn a_flood_of_requests_does_not_hold_the_caller() {
    let (done, end) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let is_over = stop.clone();
    let caller = std::thread::spawn(move || {
        let mut bench = Bench::new(SocketType::Pub);
        let (slot, mut peer) = bench.peer(1, 10_000);
        let flood = std::thread::spawn(move || {
            let mut pool = SlabPool::default();
            while !is_over.load(Ordering::Relaxed) {
                if peer.credit() > 1 {
                    ask(&mut pool, &mut peer, true, b"A");
                    ask(&mut pool, &mut peer, false, b"A");
                }
            }
        });
        let mut fan_out = FanOut::new(true);
        for _ in 0..50 {
            fan_out.readable(&mut bench.scope(), slot);
            let _ = fan_out.take_unread();
        }
        let _ = done.send(());
        flood.join().expect("it ended well");
    });
    let in_time = end.recv_timeout(Duration::from_secs(20));
    stop.store(true, Ordering::Relaxed);
    caller.join().expect("it ended well");
    in_time.expect("the caller was held");
}

#[test]
fn what_came_meanwhile_is_read_at_the_next_call() {
    let mut bench = Bench::new(SocketType::XPub);
    let (slot, mut peer) = bench.peer(1, 0);
    let mut fan_out = FanOut::new(false);
    ask(&mut SlabPool::default(), &mut peer, true, b"A");
    fan_out.unread.push(slot);
    assert!(fan_out.holds_something(), "a thread that is about to sleep must look");
    assert!(fan_out.is_readable(&mut bench.scope()));
    assert!(fan_out.unread.is_empty());
}

#[test]
fn an_offender_is_told_once_and_not_read_on() {
    let mut bench = Bench::new(SocketType::Pub);
    bench.options.max_subscriptions_per_peer = 10;
    let (slot, mut peer) = bench.peer(1, 0);
    let mut pool = SlabPool::default();
    for _ in 0..2 {
        (0..10_u8).for_each(|topic| ask(&mut pool, &mut peer, true, &[topic])); // again is no offence
    }
    let mut fan_out = FanOut::new(true);
    fan_out.readable(&mut bench.scope(), slot);
    assert!(fan_out.take_offenders().is_empty());
    (0..200_u8).for_each(|topic| ask(&mut pool, &mut peer, true, &[topic]));
    fan_out.readable(&mut bench.scope(), slot);
    fan_out.readable(&mut bench.scope(), slot);
    assert_eq!(fan_out.topics_count(), 10);
    assert_eq!(fan_out.take_offenders(), [slot]);
}

/// Requests of an XPUB whose application never receives.
fn overfull(is_manual: bool) -> (Bench, FanOut, usize) {
    let mut bench = Bench::new(SocketType::XPub);
    bench.options.max_subscriptions_per_peer = u32::MAX;
    bench.options.xpub_manual = is_manual;
    let (slot, mut peer) = bench.peer(1, 0);
    let mut pool = SlabPool::default();
    for topic in 0..EVENTS_MAX as u32 + 1000 {
        ask(&mut pool, &mut peer, true, &topic.to_be_bytes());
    }
    let mut fan_out = FanOut::new(false);
    fan_out.readable(&mut bench.scope(), slot);
    (bench, fan_out, slot)
}

#[test]
fn requests_are_served_when_there_is_no_place_for_events() {
    let (bench, mut fan_out, slot) = overfull(false);
    assert_eq!(fan_out.topics_count(), EVENTS_MAX + 1000);
    assert_eq!((fan_out.events.len(), fan_out.lost_events), (EVENTS_MAX, 1000));
    fan_out.remove(&bench.options, slot);
    assert_eq!((fan_out.topics_count(), fan_out.events.len()), (0, EVENTS_MAX));
}

#[test]
fn in_manual_mode_requests_wait_for_the_application() {
    let (mut bench, mut fan_out, slot) = overfull(true);
    assert_eq!((fan_out.events.len(), fan_out.lost_events), (EVENTS_MAX, 0));
    let mut part = Message::new();
    for topic in 0..EVENTS_MAX as u32 + 1000 {
        assert_eq!(fan_out.recv(&mut bench.scope(), &mut part), Ok(slot));
        assert_eq!(part[1..], topic.to_be_bytes());
    }
    assert_eq!(fan_out.recv(&mut bench.scope(), &mut part), Err(Refused::WouldBlock));
}

#[test]
fn in_manual_mode_requests_of_a_peer_that_is_gone_are_void() {
    let (mut bench, mut fan_out, slot) = overfull(true);
    bench.pipes.get_mut(slot).expect("a peer").set_gone();
    fan_out.readable(&mut bench.scope(), slot);
    assert!(bench.pipes.get_mut(slot).expect("a peer").is_finished());
}

#[test]
fn everybodys_subscribers_are_remembered_until_anything_changes() {
    let mut bench = Bench::new(SocketType::Pub);
    let (first, second) = (bench.peer(1, 0).0, bench.peer(2, 0).0);
    let mut fan_out = FanOut::new(true);
    let sends_to = |fan_out: &mut FanOut, bench: &mut Bench, topic: &[u8]| {
        fan_out.send(&mut bench.scope(), topic.into(), false).expect("memory");
        fan_out.matching.clone()
    };
    fan_out.request(&mut bench.scope(), first, true, b"");
    assert_eq!(sends_to(&mut fan_out, &mut bench, b"A"), [first]);
    assert!(fan_out.matching_always.is_some());
    fan_out.request(&mut bench.scope(), second, true, b"");
    assert_eq!(sends_to(&mut fan_out, &mut bench, b"A"), [first, second]);
    bench.options.invert_matching = true;
    assert!(sends_to(&mut fan_out, &mut bench, b"A").is_empty());
    bench.options.invert_matching = false;
    assert_eq!(sends_to(&mut fan_out, &mut bench, b"A"), [first, second]);
    fan_out.request(&mut bench.scope(), first, false, b"");
    assert_eq!(sends_to(&mut fan_out, &mut bench, b"A"), [second]);
    fan_out.request(&mut bench.scope(), first, true, b"B");
    assert_eq!(sends_to(&mut fan_out, &mut bench, b"A"), [second]);
    assert_eq!(sends_to(&mut fan_out, &mut bench, b"B").len(), 2);
    assert!(fan_out.matching_always.is_none(), "topics matter now");
    fan_out.remove(&bench.options, second);
    assert_eq!(sends_to(&mut fan_out, &mut bench, b"B"), [first]);
}
