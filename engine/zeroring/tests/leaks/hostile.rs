//! Peers that want to fill our memory: each is bounded, and others are served beside it. One test for each hole that a
//! library of this field once had.

use std::io::{Read, Write};
use std::net::Shutdown;

use rustix::process::{Resource, getrlimit};
use zeroring::{EventKind, Pub, Pull, Push, Socket, Sub};

use crate::support::{
    Env, assert_serves_others, await_event, recv, recv_all, slabs, slabs_read_ahead, until,
};
use crate::wire::{COMMAND, MORE, Wire, frame, header};

cases! {
    net {
        mute_connections_beside_real_ones, a_flood_of_data_at_a_publisher, a_flood_of_pings, short_pings,
        a_header_that_announces_everything, long_messages_of_an_old_peer, empty_parts_without_end,
        messages_that_are_never_finished
    }
}

/// What a connection may hold, whatever it sends: what was read at once, and what is begun.
const SLABS_PER_PEER_MAX: i64 = 8;

/// A PULL that has served somebody, so that what it needs itself is there already, and the slabs in use then.
fn in_service(env: &Env) -> (Socket<Pull>, String, i64) {
    let (pull, endpoint) = env.bound::<Pull>();
    assert_serves_others(env, &pull, &endpoint);
    (pull, endpoint, slabs())
}

/// GHSA-25wp-cf8g-938m: peers without a handshake stopped delivery for all others.
fn mute_connections_beside_real_ones(env: &Env) {
    let (pull, endpoint, before) = in_service(env);
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let count = 2000.min(limit.saturating_sub(100) / 3); // both ends are ours
    let mute: Vec<Wire> = (0..count)
        .map(|number| {
            let mut wire = Wire::open(&endpoint);
            // Some say a little.
            wire.write_all(&[0xff, 0, 0, 0][..number as usize % 5 % 4]).expect("room");
            wire
        })
        .collect();
    let push = env.socket::<Push>();
    push.connect(&endpoint).expect("valid");
    for number in 0..1000_u32 {
        push.send(number.to_be_bytes().to_vec()).expect("a queue");
        assert_eq!(recv(&pull), &number.to_be_bytes()[..]);
    }
    let held = slabs() - before;
    assert!(held <= SLABS_PER_PEER_MAX, "{count} mute peers hold {held} slabs");
    drop(mute);
    assert_serves_others(env, &pull, &endpoint);
}

/// CVE-2021-20237: a PUB kept what it received.
fn a_flood_of_data_at_a_publisher(env: &Env) {
    let (publisher, endpoint) = env.bound::<Pub>();
    let sub = env.socket::<Sub>();
    sub.subscribe("").expect("a SUB subscribes");
    sub.connect(&endpoint).expect("valid");
    until("the subscription arrived", || publisher.topics_count() == 1);
    let before = slabs();
    let mut peer = Wire::greeted(&endpoint, "SUB");
    let flood = std::thread::spawn(move || {
        let messages = frame(0, &[b'x'; 1000]).repeat(100);
        for _ in 0..200 {
            if peer.write_all(&messages).is_err() {
                break; // it was shown out, which is as well
            }
        }
        peer
    });
    let mut held = 0;
    until("the flood is over", || {
        publisher.send("news").expect("a PUB never waits");
        assert_eq!(recv(&sub), "news");
        held = held.max(slabs() - before);
        flood.is_finished()
    });
    // What the high-water mark allows (1000 messages, 16 slabs) and what is read in one turn (1 MiB, 16 slabs), of 300
    // slabs that were sent; twice, since the socket looks only now and then. What io_uring read before it was told to
    // pause lies in its own smaller ones, of which 1200 were sent.
    assert!(held <= 64 + slabs_read_ahead(env), "{held} slabs");
    assert_eq!(publisher.topics_count(), 1);
    drop(flood.join().expect("no panic"));
}

/// Answers to PINGs are bounded, whoever does not read them: far less is held than the 160 slabs that are sent.
fn a_flood_of_pings(env: &Env) {
    let (pull, endpoint, before) = in_service(env);
    let mut peer = Wire::greeted(&endpoint, "PUSH");
    let pings = frame(COMMAND, b"\x04PING\x00\x00sixteen bytes in").repeat(100);
    let flood = std::thread::spawn(move || {
        let ended = (0..1000).try_for_each(|_| peer.write_all(&pings));
        (ended, peer)
    });
    let mut held = 0;
    until("the flood is over", || {
        assert_serves_others(env, &pull, &endpoint);
        held = held.max(slabs() - before);
        flood.is_finished()
    });
    assert!(held <= SLABS_PER_PEER_MAX + slabs_read_ahead(env), "{held} slabs");
    let (ended, mut peer) = flood.join().expect("no panic");
    if ended.is_err() {
        return peer.assert_shown_out();
    }
    assert_eq!(peer.read_frame(), (COMMAND, b"\x04PONGsixteen bytes in".to_vec()));
    peer.write_all(&frame(0, b"after all that")).expect("room");
    assert_eq!(recv(&pull), "after all that");
}

/// A PING without, or with half of, its time to live was read beyond its end.
fn short_pings(env: &Env) {
    let (pull, endpoint, _) = in_service(env);
    for short in [&b"\x04PING"[..], b"\x04PING\x00", b"\x04PIN", b"\x05PING\x00\x00", b"\x04", b""]
    {
        let mut peer = Wire::greeted(&endpoint, "PUSH");
        peer.write_all(&[frame(COMMAND, short), frame(0, b"so far, so good")].concat())
            .expect("room");
        let _ = match &peer {
            Wire::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Wire::Ipc(stream) => stream.shutdown(Shutdown::Write),
        };
        // Ignored or shown out, but never a panic. Either way reading ends.
        let _ = peer.read_to_end(&mut Vec::new());
        while pull.try_recv().is_ok() {}
        assert_serves_others(env, &pull, &endpoint);
    }
}

/// CVE-2019-6250: a length near 2^64 overflowed. No limit is set here, and memory is not reserved for promises.
fn a_header_that_announces_everything(env: &Env) {
    let (pull, endpoint, before) = in_service(env);
    let mut peers = Vec::new();
    for length in [u64::MAX, 1 << 63, i64::MAX as u64, i64::MAX as u64 - 9, 1 << 40] {
        for flags in [0, MORE] {
            let mut peer = Wire::greeted(&endpoint, "PUSH");
            let _ = peer.write_all(&[header(flags, length), vec![1; 1000]].concat());
            peers.push(peer);
            assert_serves_others(env, &pull, &endpoint);
        }
    }
    let (held, most) = (slabs() - before, peers.len() as i64 * SLABS_PER_PEER_MAX);
    assert!(held <= most, "{held} slabs");
    assert!(memory_bytes() < 1 << 30, "memory was reserved for a promise");
}

/// Resident memory of this process.
fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has one");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse::<u64>().expect("a number") * 1024
}

/// CVE-2021-20235: the second message beyond 8192 bytes in ZMTP 1.0 overflowed a buffer.
fn long_messages_of_an_old_peer(env: &Env) {
    let (pull, endpoint, _) = in_service(env);
    let mut peer = Wire::open(&endpoint);
    peer.write_all(&[1, 0]).expect("room"); // an empty identity
    let mut ours = [0; 10]; // the start of our greeting is our identity frame
    peer.read_exact(&mut ours).expect("its identity");
    for length in [8193, 10_000, 100_000_usize] {
        let body = vec![length as u8; length];
        let head = [&[0xff][..], &(length as u64 + 1).to_be_bytes(), &[0]].concat();
        peer.write_all(&[head, body.clone()].concat()).expect("room");
        assert!(*recv(&pull) == *body, "{length}");
    }
}

/// Empty parts cost no bytes, but they are counted.
fn empty_parts_without_end(env: &Env) {
    let (pull, endpoint, before) = in_service(env);
    let mut events = pull.monitor();
    let mut peer = Wire::greeted(&endpoint, "PUSH");
    let parts = frame(MORE, b"").repeat(1000);
    let _ = (0..1000).try_for_each(|_| peer.write_all(&parts)); // may be cut off already
    await_event(&mut events, EventKind::Disconnected);
    peer.assert_shown_out();
    let held = slabs() - before;
    assert!(held <= SLABS_PER_PEER_MAX, "{held} slabs");
    assert_serves_others(env, &pull, &endpoint);
}

/// CVE-2021-20234: what came of an unfinished message was leaked.
fn messages_that_are_never_finished(env: &Env) {
    let (pull, endpoint, before) = in_service(env);
    for round in 0..200 {
        let mut events = pull.monitor();
        let mut peer = Wire::greeted(&endpoint, "PUSH");
        let part = vec![1; [10, 5000, 70_000][round % 3]];
        let whole = [frame(MORE, b"whole"), frame(0, &part)].concat();
        peer.write_all(&[whole, frame(MORE, &part), frame(MORE, &part)].concat())
            .expect("it is read");
        drop(peer);
        await_event(&mut events, EventKind::Disconnected);
        let message = recv_all(&pull);
        assert!(message[0] == "whole" && *message[1] == *part);
    }
    assert!(pull.try_recv().is_err(), "a message that was not finished");
    let mut held = 0;
    until("nothing is held for peers that are gone", || {
        held = slabs() - before;
        held <= SLABS_PER_PEER_MAX
    });
}
