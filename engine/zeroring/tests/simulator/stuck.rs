//! A reader that stops: its sender is stopped by the high-water marks, and goes on when it does. A connection that dies
//! meanwhile takes with it what it carried, and nothing that was still queued.

use zeroring_core::socket::{SocketCore, Timeout};
use zeroring_transports::driver_sim::Kill;
use zeroring_zmtp::SocketType::{Dealer, Pair, Pull, Push};

use super::ledger::Ledger;
use super::parcel::Parcel;
use super::world::{World, connection, recv};

const BODY_BYTES: usize = 8 * 1024;
/// What may be under way besides the two queues: the network's buffers (at most 256 KiB) and what was read ahead (a slab,
/// or the reads of a driver that reads by itself before it hears that it shall not).
const BETWEEN_MESSAGES_MAX: u32 = (256 * 1024 + 4 * 64 * 1024) / BODY_BYTES as u32;

pub fn run(world: &mut World) {
    let is_deadly = world.is_deadly;
    // A PAIR turns away who comes back before it has read what the old connection left, and what that one then sends is
    // lost, as in libzmq.
    let choices = if is_deadly { 2 } else { 3 };
    let kinds = [(Push, Pull), (Dealer, Dealer), (Pair, Pair)][world.rng.below(choices) as usize];
    let marks = (1 + world.rng.below(100) as u32, 1 + world.rng.below(20) as u32);
    world.log(|| format!("stuck {kinds:?} {marks:?}"));
    world.spare_connections(); // but for the deaths below
    let nodes = (world.add_node(), world.add_node());
    let (mut sender, mut receiver) =
        (world.socket(nodes.0, kinds.0), world.socket(nodes.1, kinds.1));
    sender.update_options(|options| options.send_hwm_messages = marks.0);
    receiver.update_options(|options| options.recv_hwm_messages = marks.1);
    receiver.bind("tcp://n1:1").expect("a fresh endpoint");
    sender.connect("tcp://n1:1").expect("valid");
    let mut books = Books::default();
    for _ in 0..3 {
        books.fill(world, &mut sender, marks);
        if is_deadly {
            let how = [Kill::Reset, Kill::Close][world.rng.below(2) as usize];
            let died = world.net.kill_node("n0", how) as u32;
            world.log(|| format!("killed {died} {how:?}"));
            books.may_be_lost += died * (BETWEEN_MESSAGES_MAX + marks.1);
        }
        world.rest(|world| {
            let received = books.empty(world, &mut receiver);
            let _ = sender.readiness();
            received
        });
        let lost = books.sent - books.received;
        assert!(lost <= books.may_be_lost, "{lost} lost, at most {}", books.may_be_lost);
    }
}

#[derive(Default)]
struct Books {
    sent: u32,
    received: u32,
    ledger: Ledger,
    may_be_lost: u32,
}

impl Books {
    /// Sends while the reader is away, long enough for everything to fill up.
    fn fill(&mut self, world: &mut World, sender: &mut SocketCore, marks: (u32, u32)) {
        let before = self.sent;
        for _ in 0..300 {
            let body = [&self.sent.to_be_bytes()[..], &vec![7; BODY_BYTES]].concat();
            if sender.send(&body[..], false, Timeout::Now).is_ok() {
                self.ledger.sent(Parcel { sender: 0, sequence: self.sent });
                self.sent += 1;
            }
            let (under_way, bound) = (self.sent - before, marks.0 + marks.1 + BETWEEN_MESSAGES_MAX);
            assert!(under_way <= bound, "{under_way} messages under way, at most {bound} may be");
            if world.rng.chance(1, 2) {
                world.pass();
            }
        }
        let sent = self.sent - before;
        world.log(|| format!("sent {sent}"));
        assert!(sent >= marks.0.min(marks.1), "stopped after {sent}");
    }

    /// Receives what is there.
    fn empty(&mut self, world: &mut World, receiver: &mut SocketCore) -> bool {
        let before = self.received;
        while let Some(parts) = recv(world, receiver) {
            let (number, rest) = parts[0].split_at(4);
            let number = u32::from_be_bytes([number[0], number[1], number[2], number[3]]);
            assert!(parts.len() == 1 && *rest == *vec![7; BODY_BYTES], "message {number} is torn");
            let over = connection(receiver);
            let booked = self.ledger.received((0, 0), over, Parcel { sender: 0, sequence: number });
            assert_eq!(booked, Ok(()), "over {over}");
            self.received += 1;
        }
        self.received > before
    }
}
