//! The cases. Each takes a fresh world and speaks only the traits.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroring_core::io::driver::{Event, Token};
use zeroring_core::io::transport::{Connecting, Stream};

use super::{Reader, World, event_token, send_all};

/// A reader registered on one end of a connection, and the other end.
fn reading(world: &mut World) -> (Reader, Arc<dyn Stream>) {
    let (near, far) = world.pair();
    let token = world.token();
    world.driver.add_stream(token, &near, true).expect("add");
    (Reader::new(token, near), far)
}

fn send(stream: &Arc<dyn Stream>, bytes: &[u8]) {
    assert_eq!(stream.try_send(&[IoSlice::new(bytes)]).expect("fits"), bytes.len());
}

/// Bytes in which a gap, a repetition or a swap shows.
fn pattern(len: usize) -> Vec<u8> {
    let mut rng = zeroring_base::rng::Rng::from_seed(len as u64);
    (0..len).map(|_| rng.next_u64() as u8).collect()
}

pub fn bytes_arrive_complete_and_in_order(world: &mut World) {
    let (mut reader, far) = reading(world);
    let bytes = pattern(5000);
    for chunk in bytes.chunks(7) {
        send(&far, chunk);
        world.pump();
        reader.take(&mut world.events);
    }
    world.read_until(&mut reader, |reader| reader.bytes.len() >= 5000);
    assert!(reader.bytes == bytes, "bytes differ");
}

pub fn ten_mebibytes_arrive_unharmed(world: &mut World) {
    let (mut reader, far) = reading(world);
    let far_token = world.token();
    world.driver.add_stream(far_token, &far, false).expect("add");
    let bytes = pattern(10 << 20);
    send_all(world, far_token, &far, &bytes, &mut reader);
    world.read_until(&mut reader, |reader| reader.bytes.len() >= bytes.len());
    assert!(reader.bytes == bytes, "bytes differ");
    assert!(reader.failed.is_none() && !reader.ended);
}

pub fn a_pause_is_answered_once_and_holds(world: &mut World) {
    let (mut reader, far) = reading(world);
    send(&far, b"before");
    world.read_until(&mut reader, |reader| reader.bytes.len() == 6);
    world.driver.set_read(reader.token, false);
    world.read_until(&mut reader, |reader| reader.pauses == 1);
    let reports = reader.reports;
    send(&far, b"during");
    world.settle();
    reader.take(&mut world.events);
    assert_eq!((reader.pauses, reader.reports), (1, reports), "a paused stream spoke");
    world.driver.set_read(reader.token, true);
    world.read_until(&mut reader, |reader| reader.bytes.len() == 12);
    assert_eq!(reader.bytes, b"beforeduring");
    assert_eq!(reader.pauses, 1);
}

pub fn pausing_amid_traffic_loses_nothing(world: &mut World) {
    let (mut reader, far) = reading(world);
    let far_token = world.token();
    world.driver.add_stream(far_token, &far, false).expect("add");
    let bytes = pattern(2 << 20);
    for (round, chunk) in bytes.chunks(16 << 10).enumerate() {
        send_all(world, far_token, &far, chunk, &mut reader);
        world.driver.set_read(reader.token, false);
        if round % 2 == 0 {
            world.read_until(&mut reader, |reader| reader.pauses == round + 1);
        }
        world.driver.set_read(reader.token, true);
        world.read_until(&mut reader, |reader| reader.pauses == round + 1);
    }
    world.read_until(&mut reader, |reader| reader.bytes.len() >= bytes.len());
    assert!(reader.bytes == bytes, "bytes differ");
}

pub fn pausing_twice_is_answered_twice(world: &mut World) {
    let (mut reader, far) = reading(world);
    world.driver.set_read(reader.token, false);
    world.driver.set_read(reader.token, false);
    world.read_until(&mut reader, |reader| reader.pauses == 2);
    world.driver.set_read(reader.token, true);
    send(&far, b"x");
    world.read_until(&mut reader, |reader| reader.bytes == b"x");
    assert_eq!(reader.pauses, 2);
}

pub fn writable_comes_once_per_wish(world: &mut World) {
    let (reader, _far) = reading(world);
    let is_writable =
        |event: &Event| matches!(event, Event::Writable(token) if *token == reader.token);
    for _ in 0..3 {
        world.driver.want_write(reader.token);
        world.expect("writable", is_writable);
        world.settle();
        assert!(!world.events.iter().any(is_writable), "writable without a wish");
    }
}

pub fn a_full_stream_is_writable_only_after_it_drains(world: &mut World) {
    let (near, far) = world.pair();
    let token = world.token();
    world.driver.add_stream(token, &near, false).expect("add");
    let chunk = vec![7; 65_536];
    let mut sent = 0;
    while let Ok(n) = near.try_send(&[IoSlice::new(&chunk)]) {
        sent += n;
    }
    let is_writable = |event: &Event| matches!(event, Event::Writable(t) if *t == token);
    world.driver.want_write(token);
    world.settle();
    // The kernel moves bytes on to the peer's buffer at its own pace, so full may have become not full by itself.
    if !world.events.iter().any(is_writable) {
        let far_token = world.token();
        world.driver.add_stream(far_token, &far, true).expect("add");
        let mut reader = Reader::new(far_token, far);
        world.read_until(&mut reader, |reader| reader.bytes.len() >= sent);
    }
    world.expect("writable", is_writable);
}

pub fn nothing_comes_after_deregistration(world: &mut World) {
    let (reader, far) = reading(world);
    send(&far, b"pending");
    world.driver.want_write(reader.token);
    world.driver.set_read(reader.token, false);
    world.driver.deregister(reader.token);
    send(&far, b"more");
    world.settle();
    drop(far);
    world.settle();
    assert!(!world.events.iter().any(|e| event_token(e) == reader.token), "{:?}", world.events);
}

pub fn unknown_tokens_are_harmless(world: &mut World) {
    let stale = Token(4_000_000_000);
    world.driver.set_read(stale, true);
    world.driver.set_read(stale, false);
    world.driver.want_write(stale);
    world.driver.pause_listener(stale, true);
    world.driver.pause_listener(stale, false);
    world.driver.deregister(stale);
    world.settle();
    assert!(world.events.is_empty(), "{:?}", world.events);
}

pub fn a_token_cannot_be_used_twice_at_once(world: &mut World) {
    let (mut reader, far) = reading(world);
    let (other, _other_far) = world.pair();
    assert!(world.driver.add_stream(reader.token, &other, true).is_err());
    send(&far, b"still first");
    world.read_until(&mut reader, |reader| reader.bytes == b"still first");
}

pub fn a_wake_before_the_wait_counts(world: &mut World) {
    let wake = world.driver.os_wake();
    for _ in 0..3 {
        wake.wake();
        let start = Instant::now();
        let patience = Some(Duration::from_secs(30));
        world.driver.wait(patience, &mut world.events).expect("wait");
        assert!(start.elapsed() < Duration::from_secs(10), "the wake was lost");
    }
    assert!(world.events.is_empty());
}

pub fn a_wake_ends_a_wait_that_began_before(world: &mut World) {
    for _ in 0..20 {
        let wake = world.driver.os_wake();
        let waker = std::thread::spawn(move || wake.wake());
        let start = Instant::now();
        world.driver.wait(None, &mut world.events).expect("wait");
        waker.join().expect("no panic");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    assert!(world.events.is_empty());
}

pub fn an_idle_wait_ends_on_time(world: &mut World) {
    let (_reader, _far) = reading(world);
    world.settle();
    for timeout in [Duration::ZERO, Duration::from_millis(3)] {
        let start = Instant::now();
        world.driver.wait(Some(timeout), &mut world.events).expect("wait");
        assert!(world.is_sim() || start.elapsed() >= timeout, "too early");
        assert!(start.elapsed() < Duration::from_secs(5), "too late");
    }
    assert!(world.events.is_empty(), "{:?}", world.events);
}

pub fn a_closed_peer_is_seen_after_its_last_bytes(world: &mut World) {
    let (mut reader, far) = reading(world);
    send(&far, b"last words");
    drop(far);
    world.read_until(&mut reader, |reader| reader.ended || reader.failed.is_some());
    assert_eq!(reader.bytes, b"last words");
    assert!(reader.ended, "{:?}", reader.failed);
}

pub fn a_peer_closed_while_paused_is_seen_after_resuming(world: &mut World) {
    let (mut reader, far) = reading(world);
    world.driver.set_read(reader.token, false);
    world.read_until(&mut reader, |reader| reader.pauses == 1);
    drop(far);
    world.settle();
    reader.take(&mut world.events);
    assert!(!reader.ended && reader.failed.is_none() && reader.reports == 0);
    world.driver.set_read(reader.token, true);
    world.read_until(&mut reader, |reader| reader.ended || reader.failed.is_some());
}

pub fn connections_are_accepted_and_carry_bytes(world: &mut World) {
    let (near, far) = world.pair();
    for (from, to) in [(&near, &far), (&far, &near)] {
        send(from, b"hello");
        let token = world.token();
        world.driver.add_stream(token, to, true).expect("add");
        let mut reader = Reader::new(token, to.clone());
        world.read_until(&mut reader, |reader| reader.bytes == b"hello");
        world.driver.deregister(token);
    }
    assert!(!far.info().peer_address.is_empty());
}

pub fn a_paused_listener_is_silent_until_resumed(world: &mut World) {
    let listener = world.listen();
    let token = world.token();
    world.driver.add_listener(token, &listener).expect("add");
    world.driver.pause_listener(token, true);
    // A pause is not answered; the canary's own connection lets it take hold.
    world.settle();
    let attempt = world.connect(&listener).expect("connect");
    world.settle();
    assert!(!world.events.iter().any(|e| event_token(e) == token), "{:?}", world.events);
    world.driver.pause_listener(token, false);
    world.accept_one(token, &listener);
    drop(attempt);
}

pub fn a_refused_connection_is_an_error(world: &mut World) {
    let listener = world.listen();
    let endpoint = listener.endpoint().to_owned();
    drop(listener);
    let (_, address) = endpoint.split_once("://").expect("endpoint");
    let attempt = world.transport.connect(address, &super::options());
    let error = match attempt {
        Err(error) => error,
        Ok(attempt) => decided(world, attempt).err().expect("nobody listens"),
    };
    let refused = [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound];
    assert!(refused.contains(&error.kind()), "{error}");
}

fn decided(world: &mut World, mut attempt: Box<dyn Connecting>) -> io::Result<Arc<dyn Stream>> {
    if !attempt.is_immediate() {
        let token = world.token();
        world.driver.add_connecting(token, &*attempt).expect("add");
        world.expect("a decision", |e| matches!(e, Event::Writable(t) if *t == token));
        world.driver.deregister(token);
    }
    attempt.finish()
}

pub fn two_hundred_connections_are_kept_apart(world: &mut World) {
    let listener = world.listen();
    let listening = world.token();
    world.driver.add_listener(listening, &listener).expect("add");
    let mut readers = Vec::new();
    for number in 0..200u32 {
        let client = world.connect_through(&listener).expect("connect");
        let server = world.accept_one(listening, &listener);
        let token = world.token();
        world.driver.add_stream(token, &server, false).expect("add");
        send(&client, &number.to_be_bytes());
        readers.push((Reader::new(token, server), client));
    }
    for (number, (reader, _)) in readers.iter_mut().enumerate().rev() {
        world.driver.set_read(reader.token, true);
        world.read_until(reader, |reader| reader.bytes.len() >= 4);
        assert_eq!(reader.bytes, (number as u32).to_be_bytes());
    }
}
