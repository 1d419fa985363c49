//! What schedules once found, each as a case of its own.

use zeroring_core::socket::Timeout;
use zeroring_transports::driver_sim::Faults;
use zeroring_zmtp::SocketType::{Pull, Push};

use super::world::{World, recv};

/// The first write of a new connection failed, and the connector waited for ever for the end of a stream that was over.
#[test]
fn a_connection_that_dies_at_its_first_write_is_tried_again() {
    let mut world = World::new(1, false);
    // The binder's node takes its turns first: its greeting resets the connection before the connector's first write.
    let nodes = (world.add_node(), world.add_node());
    let (mut pull, mut push) = (world.socket(nodes.0, Pull), world.socket(nodes.1, Push));
    pull.bind("tcp://n0:1").expect("a fresh endpoint");
    world.net.set_faults(Faults { reset_per_mille: 1000, ..Faults::none() });
    push.connect("tcp://n0:1").expect("valid");
    world.advance(20_000_000);
    push.send(&b"at last"[..], false, Timeout::Now).expect("a queue");
    let mut received = None;
    world.rest(|world| {
        received = received.take().or_else(|| recv(world, &mut pull));
        false
    });
    assert_eq!(received, Some(vec![b"at last".to_vec()]));
    drop((push, pull));
    world.finish();
}
