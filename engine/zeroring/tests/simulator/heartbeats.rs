//! Heartbeats on a virtual clock: who is called silent and who is not, and what PINGs cost.

use zeroring_core::socket::{SocketCore, Timeout};
use zeroring_transports::driver_sim::Faults;
use zeroring_zmtp::SocketType::{self, Dealer, Pull, Push};

use super::stranger::Stranger;
use super::world::World;

const MS: u64 = 1_000_000;

/// A socket bound to `tcp://n0:1` on a network without faults. Interval 0: it sends no PINGs.
fn bound(world: &mut World, kind: SocketType, interval_ms: u32, timeout_ms: u32) -> SocketCore {
    world.net.set_faults(Faults::none());
    let node = world.add_node();
    let mut socket = world.socket(node, kind);
    socket.update_options(|options| {
        options.heartbeat_interval_ms = interval_ms;
        options.heartbeat_timeout_ms = Some(timeout_ms);
    });
    socket.bind("tcp://n0:1").expect("a fresh endpoint");
    socket
}

/// Both manners of driver.
fn on_both_drivers(case: fn(World)) {
    for seed in 1..=4 {
        case(World::new(seed, false));
    }
}

#[test]
fn pings_with_a_time_to_live_cost_one_timer() {
    on_both_drivers(|mut world| {
        let pull = bound(&mut world, Pull, 0, 0);
        let peer = Stranger::join(&mut world, "n0:1", Push);
        for _ in 0..1000 {
            peer.ping(300); // 30 s
            world.advance(MS);
            assert!(peer.skip(), "it is served");
        }
        world.advance(28_500 * MS);
        peer.ping(300);
        world.advance(10 * MS);
        let before = world.work;
        world.advance(1_500 * MS); // the times-to-live of all those PINGs pass
        assert!(world.work - before < 50, "{} things were done", world.work - before);
        assert!(peer.skip(), "the last PING is young");
        world.advance(30_000 * MS);
        assert!(!peer.skip(), "it was silent for longer than it said");
        drop(pull);
        world.finish();
    });
}

#[test]
fn a_flood_of_pings_is_one_command() {
    on_both_drivers(|mut world| {
        let pull = bound(&mut world, Pull, 0, 0);
        let peer = Stranger::join(&mut world, "n0:1", Push);
        let before = world.work;
        (0..1000).for_each(|_| peer.ping(300));
        world.advance(MS);
        assert!(world.work - before < 50, "{} things were done", world.work - before);
        drop((pull, peer));
        world.finish();
    });
}

#[test]
fn a_shorter_time_to_live_counts_at_once() {
    on_both_drivers(|mut world| {
        let pull = bound(&mut world, Pull, 0, 0);
        let peer = Stranger::join(&mut world, "n0:1", Push);
        peer.ping(60_000);
        world.advance(MS);
        peer.ping(1);
        world.advance(99 * MS);
        assert!(peer.skip(), "not yet");
        world.advance(2 * MS);
        assert!(!peer.skip());
        drop(pull);
        world.finish();
    });
}

#[test]
fn a_slow_reader_of_a_large_message_is_not_silent() {
    on_both_drivers(|mut world| {
        let mut push = bound(&mut world, Push, 10, 30);
        world.net.set_faults(Faults { capacity_bytes: 16 << 10, ..Faults::none() });
        let peer = Stranger::join(&mut world, "n0:1", Pull);
        push.send(vec![0_u8; 2 << 20].as_slice(), false, Timeout::Now).expect("a queue");
        let (mut taken, mut pings) = (0, 0);
        while taken < 2 << 20 {
            world.advance(5 * MS);
            let bytes = peer.recv(8 << 10).expect("it is alive: it reads");
            taken += bytes.len();
            if bytes.windows(5).any(|window| window == b"\x04PING") {
                pings += 1;
                peer.send(b"\x04\x05\x04PONG");
            }
        }
        assert!(pings <= 2, "{pings} PINGs before the end of the message");
        // From here on it says nothing and reads nothing.
        push.send(vec![0_u8; 2 << 20].as_slice(), false, Timeout::Now).expect("a queue");
        world.advance(100 * MS);
        while let Some(bytes) = peer.recv(1 << 20) {
            assert!(!bytes.is_empty(), "a peer that takes nothing is silent");
        }
        drop(push);
        world.finish();
    });
}

#[test]
fn a_peer_is_not_silent_because_the_application_is_busy() {
    on_both_drivers(|mut world| {
        let mut dealer = bound(&mut world, Dealer, 2, 2);
        let node = world.add_node();
        let mut peer = world.socket(node, Dealer);
        peer.connect("tcp://n0:1").expect("valid");
        world.advance(MS);
        let events = dealer.monitor(u32::MAX);
        for _ in 0..20 {
            // Asks for the descriptor as a call that blocks does, and does not come back for a while.
            dealer.recv(Timeout::Forever).expect_err("nothing was sent");
            world.advance(20 * MS);
        }
        assert!(events.is_empty(), "{:?}", events.try_iter().collect::<Vec<_>>());
        drop((dealer, peer));
        world.finish();
    });
}
