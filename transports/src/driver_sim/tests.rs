//! The simulated network by itself; the driver contract is in the conformance suite.

use super::*;
use std::io::{ErrorKind, IoSlice};

use zeroring_base::rng::Rng;
use zeroring_core::io::driver::{Driver, Event, Token};
use zeroring_core::io::transport::{Listener, Stream, Transport};

struct Bench {
    net: SimNet,
    clock: VirtualClock,
    listener: Arc<dyn Listener>,
}

impl Bench {
    /// Node "b" listens.
    fn new(seed: u64, faults: Faults) -> Self {
        let clock = VirtualClock::new(1_000);
        let net = SimNet::new(seed, clock.clone());
        net.set_faults(faults);
        let mut options = crate::test_options();
        options.backlog_connections = 2;
        let listener = net.transport("tcp", "b").bind("b:5555", &options).expect("bind");
        Self { net, clock, listener }
    }

    /// Moves to the next thing to happen; false if there is none.
    fn step(&self) -> bool {
        let next_ns = self.net.next_event_ns();
        self.clock.advance_to(next_ns.unwrap_or(0));
        next_ns.is_some()
    }

    fn run(&self) {
        while self.step() {}
        self.net.lock().catch_up();
    }

    fn connect(&self, node: &str) -> std::io::Result<Arc<dyn Stream>> {
        let transport = self.net.transport("tcp", node);
        let mut attempt = transport.connect("b:5555", &crate::test_options())?;
        self.run();
        attempt.finish()
    }

    fn pair(&self) -> (Arc<dyn Stream>, Arc<dyn Stream>) {
        let near = self.connect("a").expect("connect");
        (near, self.listener.accept().expect("accept"))
    }

    /// Everything that `to` gets until it ends or nothing is left to happen.
    fn drain(&self, to: &Arc<dyn Stream>) -> (Vec<u8>, Option<ErrorKind>) {
        let (mut bytes, mut buf) = (Vec::new(), [0; 100]);
        loop {
            match to.try_recv(&mut buf) {
                Ok(0) => return (bytes, None),
                Ok(n) => bytes.extend_from_slice(&buf[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock && self.step() => {}
                Err(error) => return (bytes, Some(error.kind())),
            }
        }
    }
}

fn send(stream: &Arc<dyn Stream>, bytes: &[u8]) -> std::io::Result<usize> {
    stream.try_send(&[IoSlice::new(bytes)])
}

#[test]
fn bytes_take_their_time_and_keep_their_order() {
    let bench = Bench::new(1, Faults { delay_ns_min: 10, delay_ns_max: 9_000, ..Faults::none() });
    let (near, far) = bench.pair();
    for byte in 0..200 {
        assert_eq!(send(&near, &[byte]).expect("fits"), 1);
    }
    let nothing = far.try_recv(&mut [0; 1]).expect_err("nothing travels at once");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    drop(near);
    assert_eq!(bench.drain(&far), ((0..200).collect(), None));
}

#[test]
fn a_full_direction_blocks_its_sender_until_it_is_read() {
    let bench = Bench::new(1, Faults { capacity_bytes: 10, ..Faults::none() });
    let (near, far) = bench.pair();
    assert_eq!(send(&near, &[7; 25]).expect("some"), 10);
    assert_eq!(send(&near, &[7]).expect_err("full").kind(), ErrorKind::WouldBlock);
    bench.run();
    assert_eq!(send(&near, &[7]).expect_err("arrived is not read").kind(), ErrorKind::WouldBlock);
    assert_eq!(far.try_recv(&mut [0; 4]).expect("there"), 4);
    assert_eq!(send(&near, &[7; 25]).expect("some"), 4);
}

#[test]
fn a_reset_fails_both_ends_and_loses_what_was_under_way() {
    let bench = Bench::new(1, Faults::none());
    let (near, far) = bench.pair();
    send(&near, b"arrived").expect("fits");
    bench.run();
    send(&near, b"lost").expect("fits");
    assert_eq!(bench.net.kill_node("a", Kill::Reset), 1);
    assert_eq!(bench.drain(&far), (b"arrived".to_vec(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(send(&near, b"x").expect_err("dead").kind(), ErrorKind::ConnectionReset);
    assert_eq!(bench.net.stats().lost_bytes, 4);
}

#[test]
fn a_close_delivers_first() {
    let bench = Bench::new(1, Faults::none());
    let (near, far) = bench.pair();
    send(&near, b"last").expect("fits");
    assert!(bench.net.kill_one("b", 0, Kill::Close));
    assert_eq!(send(&near, b"more").expect_err("over").kind(), ErrorKind::BrokenPipe);
    assert_eq!(bench.drain(&far), (b"last".to_vec(), None));
    assert_eq!(bench.drain(&near), (Vec::new(), None));
}

#[test]
fn a_dropped_end_is_an_end_of_stream() {
    let bench = Bench::new(1, Faults::none());
    let (near, far) = bench.pair();
    send(&near, b"bye").expect("fits");
    drop(near);
    assert_eq!(bench.drain(&far), (b"bye".to_vec(), None));
    assert_eq!(send(&far, b"x").expect_err("nobody there").kind(), ErrorKind::BrokenPipe);
    drop(far);
    assert!(bench.net.lock().connections_of("a", None).is_empty(), "nothing is left behind");
}

#[test]
fn a_partition_holds_back_and_healing_lets_go() {
    let bench = Bench::new(1, Faults::none());
    let (near, far) = bench.pair();
    bench.net.partition("a", "b");
    send(&near, b"one").expect("the sender notices nothing");
    bench.run();
    assert_eq!(far.try_recv(&mut [0; 9]).expect_err("cut").kind(), ErrorKind::WouldBlock);
    let undecided = bench.connect("a").err().expect("hangs");
    assert_eq!(undecided.kind(), ErrorKind::NotConnected);
    assert!(bench.connect("c").is_ok(), "others are not concerned");
    bench.net.heal("a", "b");
    send(&near, b"two").expect("fits");
    drop(near);
    assert_eq!(bench.drain(&far), (b"onetwo".to_vec(), None));
}

#[test]
fn a_partition_may_end_in_death() {
    let bench = Bench::new(1, Faults::none());
    let (near, _far) = bench.pair();
    bench.net.partition("b", "a");
    send(&near, b"lost").expect("fits");
    assert_eq!(bench.net.kill_between("b", "a", Kill::Reset), 1);
    assert_eq!(bench.net.kill_between("b", "c", Kill::Reset), 0);
    bench.net.heal("a", "b");
    assert_eq!(near.try_recv(&mut [0; 9]).expect_err("dead").kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_slow_reader_reads_in_the_end() {
    let slow = Faults { read_pause_ns_max: 1_000_000, short_read_per_mille: 900, ..Faults::none() };
    let bench = Bench::new(3, slow);
    let (near, far) = bench.pair();
    let bytes: Vec<u8> = (0..=255).collect();
    send(&near, &bytes).expect("fits");
    drop(near);
    let start_ns = bench.clock.now_ns();
    assert_eq!(bench.drain(&far), (bytes, None));
    assert!(bench.clock.now_ns() - start_ns > 1_000_000, "it was not slow");
}

#[test]
fn names_are_taken_once_and_wildcards_are_completed() {
    let bench = Bench::new(1, Faults::none());
    let (transport, options) = (bench.net.transport("tcp", "c"), crate::test_options());
    let taken = transport.bind("b:5555", &options).err().and_then(|e| e.raw_os_error());
    assert_eq!(taken, Some(libc::EADDRINUSE));
    let one = transport.bind("c:*", &options).expect("bind");
    let two = transport.bind("c:*", &options).expect("bind");
    assert_ne!(one.endpoint(), two.endpoint());
    assert!(one.endpoint().starts_with("tcp://c:"));
    let any = transport.bind("*:77", &options).expect("bind");
    let mut attempt = transport.connect("wherever:77", &options).expect("connect");
    bench.run();
    assert!(attempt.finish().is_ok() && any.accept().is_ok());
}

#[test]
fn attempts_fail_without_a_listener_and_beyond_its_backlog() {
    let bench = Bench::new(1, Faults::none());
    let _waiting = [bench.connect("a").expect("first"), bench.connect("a").expect("second")];
    assert_eq!(bench.connect("a").err().map(|e| e.kind()), Some(ErrorKind::ConnectionRefused));
    let Bench { net, clock, listener } = bench;
    drop(listener);
    let mut attempt =
        net.transport("tcp", "a").connect("b:5555", &crate::test_options()).expect("starts");
    clock.advance_to(net.next_event_ns().expect("under way"));
    assert_eq!(attempt.finish().err().map(|e| e.kind()), Some(ErrorKind::ConnectionRefused));
    assert_eq!(
        _waiting[0].try_recv(&mut [0; 1]).err().map(|e| e.kind()),
        Some(ErrorKind::ConnectionReset)
    );
}

/// A run with everything going wrong; returns all it showed.
fn hostile_run(seed: u64) -> (Vec<String>, SimStats) {
    let bench = Bench::new(seed, Faults::hostile());
    let (mut driver, mut log) = (bench.net.receiving_driver(), Vec::new());
    let (mut rng, mut streams) = (Rng::from_seed(seed), Vec::new());
    driver.add_listener(Token(0), &bench.listener).expect("add");
    for round in 1..400 {
        if rng.chance(1, 4) {
            streams.extend(bench.connect(["a", "c"][round as usize % 2]).ok());
        }
        for stream in &streams {
            let sent = send(stream, &vec![round as u8; rng.below(900) as usize]);
            log.push(format!("{sent:?}"));
        }
        let mut events = Vec::new();
        driver.wait(None, &mut events).expect("wait");
        for event in events {
            log.push(match &event {
                Event::Received(token, bytes) => format!("{token:?} {:?}", &bytes[..]),
                other => format!("{other:?}"),
            });
            if let (Event::Acceptable(_), Ok(stream)) = (event, bench.listener.accept()) {
                driver.add_stream(Token(round), &stream, true).expect("add");
            }
        }
        bench.step();
    }
    log.push(bench.clock.now_ns().to_string());
    (log, bench.net.stats())
}

#[test]
fn a_seed_replays_everything_and_another_does_not() {
    let (log, stats) = hostile_run(11);
    assert!((log.clone(), stats) == hostile_run(11), "the same seed gave another run");
    assert!(log != hostile_run(12).0, "the seed changes nothing");
    assert!(stats.resets > 0 && stats.refusals > 0 && stats.delivered_bytes > 0, "{stats:?}");
}
