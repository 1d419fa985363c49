//! How long an application may be away before the loop reads for it.

use zeroring_base::time::{Clock, VirtualClock};

use super::super::tests::{ScriptedDriver, event_loop};
use super::*;
use crate::io::link::tests::link_without_threads;

struct Bench {
    event_loop: EventLoop,
    clock: VirtualClock,
}

impl Bench {
    fn new() -> Self {
        let clock = VirtualClock::new(1);
        let event_loop = event_loop(&ScriptedDriver::default(), Clock::Virtual(clock.clone()));
        Self { event_loop, clock }
    }

    fn lend(&mut self) -> Arc<Link> {
        let link = link_without_threads();
        self.event_loop.lend(&link);
        link
    }

    fn pass(&mut self, ns: u64) {
        let now_ns = Clock::Virtual(self.clock.clone()).now_ns();
        self.clock.advance_to(now_ns + ns);
        self.event_loop.fire_timers();
    }

    /// Milliseconds between looks while the application does something every millisecond.
    fn look_intervals_ms(&mut self, looks: usize, mut active: impl FnMut()) -> Vec<u64> {
        let mut intervals = Vec::new();
        let mut since_look_ms = 0;
        while intervals.len() < looks {
            let due = self.event_loop.leased.timer;
            active();
            self.pass(NS_PER_MS);
            since_look_ms += 1;
            if self.event_loop.leased.timer != due {
                intervals.push(std::mem::take(&mut since_look_ms));
            }
        }
        intervals
    }

    /// Milliseconds until the loop reads again, for an application that went away.
    fn absence_ms(&mut self, link: &Link) -> u64 {
        (0..)
            .find(|_| {
                let is_back = link.rx_owner() == RxOwner::Io;
                if !is_back {
                    self.pass(NS_PER_MS);
                }
                is_back
            })
            .expect("some time")
    }
}

#[test]
fn an_application_that_never_came_is_relieved_at_the_first_look() {
    let mut bench = Bench::new();
    let link = bench.lend();
    assert_eq!(bench.absence_ms(&link), 5);
    assert_eq!(bench.event_loop.timers.next_ns(), None, "nothing is left to look at");
}

#[test]
fn looks_at_one_that_keeps_coming_back_are_rarer_and_rarer() {
    let mut bench = Bench::new();
    let link = bench.lend();
    let presence = link.socket.presence();
    assert_eq!(bench.look_intervals_ms(5, || presence.visit()), [5, 10, 20, 20, 20]);
    presence.visit();
    assert_eq!(bench.absence_ms(&link), 40, "it went away right after a look");
}

#[test]
fn looks_at_one_that_sleeps_on_its_descriptors_are_rare() {
    let mut bench = Bench::new();
    let link = bench.lend();
    let presence = link.socket.presence();
    presence.set_parked(true);
    assert_eq!(bench.look_intervals_ms(7, || ()), [5, 10, 20, 40, 80, 160, 160]);
    presence.set_parked(false);
    assert_eq!(bench.absence_ms(&link), 160);
}

#[test]
fn a_link_that_is_lent_meanwhile_does_not_wait_for_a_rare_look() {
    let mut bench = Bench::new();
    let asleep = bench.lend();
    asleep.socket.presence().set_parked(true);
    bench.look_intervals_ms(6, || ());
    let link = bench.lend();
    assert_eq!(bench.absence_ms(&link), 5);
    assert_eq!(asleep.rx_owner(), RxOwner::App);
}

#[test]
fn lending_again_and_again_does_not_put_looks_off() {
    let mut bench = Bench::new();
    let link = bench.lend();
    for _ in 0..4 {
        bench.pass(NS_PER_MS);
        bench.lend();
    }
    assert_eq!(bench.absence_ms(&link), 1);
}

#[test]
fn connections_with_heartbeats_are_looked_after_often() {
    let mut bench = Bench::new();
    let link = bench.lend();
    link.note_heartbeat();
    let presence = link.socket.presence();
    assert_eq!(bench.look_intervals_ms(4, || presence.visit()), [5, 5, 5, 5]);
    presence.set_parked(true);
    assert_eq!(bench.look_intervals_ms(4, || ()), [5, 10, 20, 20]);
}
