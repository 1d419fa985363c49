//! A reader that stops: its sender is stopped by the high-water marks, and goes on when it does.

use zeroring_core::socket::Timeout;
use zeroring_zmtp::SocketType::{Dealer, Pair, Pull, Push};

use super::world::{World, recv};

const BODY_BYTES: usize = 8 * 1024;
/// What may be under way besides the two queues: the network's buffers (at most 256 KiB) and what was read ahead (a slab,
/// or the reads of a driver that reads by itself before it hears that it shall not).
const BETWEEN_MESSAGES_MAX: u32 = (256 * 1024 + 4 * 64 * 1024) / BODY_BYTES as u32;

pub fn run(world: &mut World) {
    let kinds = [(Push, Pull), (Dealer, Dealer), (Pair, Pair)][world.rng.below(3) as usize];
    let (send_hwm, recv_hwm) = (1 + world.rng.below(20) as u32, 1 + world.rng.below(20) as u32);
    world.log(|| format!("stuck {kinds:?} {send_hwm} {recv_hwm}"));
    world.spare_connections();
    let nodes = (world.add_node(), world.add_node());
    let (mut sender, mut receiver) =
        (world.socket(nodes.0, kinds.0), world.socket(nodes.1, kinds.1));
    sender.update_options(|options| options.send_hwm_messages = send_hwm);
    receiver.update_options(|options| options.recv_hwm_messages = recv_hwm);
    receiver.bind("tcp://n1:1").expect("a fresh endpoint");
    sender.connect("tcp://n1:1").expect("valid");
    let (mut sent, mut received) = (0_u32, 0_u32);
    for _ in 0..3 {
        // The reader is away, long enough for everything to fill up.
        for _ in 0..300 {
            let body = vec![(sent % 251) as u8; BODY_BYTES];
            sent += u32::from(sender.send(&body[..], false, Timeout::Now).is_ok());
            let (under_way, bound) = (sent - received, send_hwm + recv_hwm + BETWEEN_MESSAGES_MAX);
            assert!(under_way <= bound, "{under_way} messages under way, at most {bound} may be");
            world.pass();
        }
        world.log(|| format!("sent {sent}, received {received}"));
        assert!(sent - received >= recv_hwm.min(send_hwm), "stopped after {}", sent - received);
        world.rest(|world| {
            let mut progress = false;
            while let Some(parts) = recv(world, &mut receiver) {
                let wanted = vec![(received % 251) as u8; BODY_BYTES];
                assert!(parts == [wanted], "message {received} is {:?}", parts[0].first());
                received += 1;
                progress = true;
            }
            let _ = sender.readiness();
            progress
        });
        assert_eq!(received, sent, "everything arrives when the reader comes back");
    }
}
