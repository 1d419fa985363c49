//! One way: PUSH, DEALER, ROUTER and PAIR send, PULL, DEALER, ROUTER and PAIR receive.

use zeroring_core::error::SendError;
use zeroring_core::socket::{SocketCore, Timeout};
use zeroring_zmtp::SocketType::{self, Dealer, Pair, Pull, Push, Router};

use super::ledger::Ledger;
use super::parcel::Parcel;
use super::world::{World, connection, recv};

const KINDS: [(SocketType, SocketType); 7] = [
    (Push, Pull),
    (Push, Pull),
    (Dealer, Dealer),
    (Dealer, Router),
    (Router, Dealer),
    (Router, Router),
    (Pair, Pair),
];
/// Everybody shares the stream: each message has one receiver.
const GROUP: u32 = 0;

struct Sender {
    socket: SocketCore,
    node: usize,
    id: u32,
}

struct Receiver {
    socket: SocketCore,
    node: usize,
    id: u32,
    is_paused: bool,
}

struct Flow {
    kinds: (SocketType, SocketType),
    senders: Vec<Sender>,
    receivers: Vec<Receiver>,
    ledger: Ledger,
    /// The hub sends; otherwise it receives.
    hub_sends: bool,
    endpoint: String,
    hwm: u32,
    last_id: u32,
}

pub fn run(world: &mut World) {
    let mut flow = Flow::new(world);
    for _ in 0..120 {
        flow.step(world);
        world.pass();
    }
    flow.receivers.iter_mut().for_each(|receiver| receiver.is_paused = false);
    world.rest(|world| flow.drain(world));
    if !world.is_deadly {
        flow.expect_all(&vec![0; flow.last_id as usize + 1]);
    }
    flow.expect_progress(world);
}

impl Flow {
    fn new(world: &mut World) -> Self {
        let kinds = KINDS[world.rng.below(KINDS.len() as u64) as usize];
        let hub_sends = world.rng.chance(1, 2);
        let hwm = [1, 2, 10, 1000][world.rng.below(4) as usize];
        let clients = if kinds.0 == Pair { 1 } else { 1 + world.rng.below(4) };
        world
            .log(|| format!("flow {kinds:?}, hub sends {hub_sends}, {clients} clients, hwm {hwm}"));
        let mut flow = Self {
            kinds,
            senders: Vec::new(),
            receivers: Vec::new(),
            ledger: Ledger::default(),
            hub_sends,
            endpoint: "tcp://n0:1".to_owned(),
            hwm,
            last_id: 0,
        };
        let hub = world.add_node();
        flow.open(world, hub, hub_sends, true);
        for _ in 0..clients {
            let node = world.add_node();
            flow.open(world, node, !hub_sends, false);
        }
        flow
    }

    /// Opens a sender or receiver that binds (the hub) or connects, and that nobody has met before.
    fn open(&mut self, world: &mut World, node: usize, sends: bool, binds: bool) {
        self.last_id += 1;
        self.open_as(world, self.last_id, node, sends, binds);
    }

    fn open_as(&mut self, world: &mut World, id: u32, node: usize, sends: bool, binds: bool) {
        let kind = if sends { self.kinds.0 } else { self.kinds.1 };
        let mut socket = world.socket(node, kind);
        let hwm = self.hwm;
        socket.update_options(|options| {
            (options.send_hwm_messages, options.recv_hwm_messages) = (hwm, hwm);
            options.routing_id = name_of(id);
            options.router_mandatory = true;
            // Who comes back before its old connection is known to be dead would be ignored.
            options.router_handover = true;
        });
        match binds {
            true => drop(socket.bind(&self.endpoint).expect("a fresh endpoint")),
            false => socket.connect(&self.endpoint).expect("valid"),
        }
        world.log(|| format!("{kind:?} {id} on n{node}"));
        match sends {
            true => self.senders.push(Sender { socket, node, id }),
            false => self.receivers.push(Receiver { socket, node, id, is_paused: false }),
        }
    }

    fn step(&mut self, world: &mut World) {
        match world.rng.below(20) {
            0..9 => self.send_some(world),
            9..16 => self.receive_some(world),
            16 => self.pause_or_go_on(world),
            17..19 => world.mishap(),
            _ if world.rng.chance(1, 3) => self.crash(world),
            _ => self.replace_client(world),
        }
    }

    /// The hub or a client crashes, and comes up with nothing but its address and its name: whoever connected to it goes
    /// on using the name it had when they met, as in libzmq.
    fn crash(&mut self, world: &mut World) {
        if !world.is_deadly {
            return;
        }
        let senders = self.senders.len() as u64;
        let at = world.rng.below(senders + self.receivers.len() as u64);
        let sends = at < senders;
        let (node, id, socket) = match sends {
            true => {
                let sender = self.senders.remove(at as usize);
                (sender.node, sender.id, sender.socket)
            }
            false => {
                let receiver = self.receivers.remove((at - senders) as usize);
                (receiver.node, receiver.id, receiver.socket)
            }
        };
        world.crash(node, vec![socket]);
        self.open_as(world, id, node, sends, sends == self.hub_sends);
    }

    fn send_some(&mut self, world: &mut World) {
        let at = world.rng.below(self.senders.len() as u64) as usize;
        for _ in 0..=world.rng.below(8) {
            let to = self.some_receiver(world);
            let sender = &mut self.senders[at];
            let parcel = self.ledger.next(sender.id);
            if !send(&mut sender.socket, to, parcel) {
                return;
            }
            self.ledger.sent(parcel);
            world.log(|| format!("sent {parcel:?}"));
        }
    }

    /// ROUTER: whom to send to.
    fn some_receiver(&mut self, world: &mut World) -> Option<Vec<u8>> {
        let at = world.rng.below(self.receivers.len() as u64) as usize;
        (self.kinds.0 == Router).then(|| name_of(self.receivers[at].id))
    }

    fn receive_some(&mut self, world: &mut World) {
        let at = world.rng.below(self.receivers.len() as u64) as usize;
        if self.receivers[at].is_paused {
            return;
        }
        for _ in 0..=world.rng.below(8) {
            if !self.receive(world, at) {
                return;
            }
        }
    }

    fn receive(&mut self, world: &mut World, at: usize) -> bool {
        let receiver = &mut self.receivers[at];
        let Some(mut parts) = recv(world, &mut receiver.socket) else { return false };
        if self.kinds.1 == Router {
            parts.remove(0);
        }
        let parcel = Parcel::of(&parts).unwrap_or_else(|what| panic!("received: {what}"));
        let over = connection(&receiver.socket);
        let booked = self.ledger.received((GROUP, receiver.id), over, parcel);
        assert_eq!(booked, Ok(()), "received by {}", receiver.id);
        world.log(|| format!("{} received {parcel:?}", receiver.id));
        true
    }

    fn pause_or_go_on(&mut self, world: &mut World) {
        let at = world.rng.below(self.receivers.len() as u64) as usize;
        let receiver = &mut self.receivers[at];
        receiver.is_paused = !receiver.is_paused;
        world.log(|| format!("{} paused {}", receiver.id, receiver.is_paused));
    }

    /// A client goes and another comes in its place. What lingers still arrives; what it did not read is lost with it.
    fn replace_client(&mut self, world: &mut World) {
        if !world.is_deadly {
            return;
        }
        let node = match self.hub_sends {
            true => {
                let at = world.rng.below(self.receivers.len() as u64) as usize;
                self.receivers.remove(at).node
            }
            false => {
                let at = world.rng.below(self.senders.len() as u64) as usize;
                self.senders.remove(at).node
            }
        };
        self.open(world, node, !self.hub_sends, false);
    }

    fn drain(&mut self, world: &mut World) -> bool {
        let mut progress = false;
        for at in 0..self.receivers.len() {
            while self.receive(world, at) {
                progress = true;
            }
        }
        // A socket that only sends still has to hear what became of its connections.
        for sender in &mut self.senders {
            let _ = sender.socket.readiness();
        }
        progress
    }

    /// Everything that was sent from these numbers on has arrived.
    fn expect_all(&self, from: &[u32]) {
        for sender in &self.senders {
            let missing = self.ledger.missing(GROUP, sender.id, from[sender.id as usize]);
            let receivers: Vec<_> =
                self.receivers.iter().map(|receiver| &receiver.socket).collect();
            assert!(
                missing.is_empty(),
                "never arrived: {missing:?}\nsender {:#?}\nreceivers {receivers:#?}",
                sender.socket
            );
        }
    }

    /// Nothing goes wrong any more: whoever sends now can, and it arrives.
    fn expect_progress(&mut self, world: &mut World) {
        let from: Vec<_> = (0..=self.last_id).map(|id| self.ledger.sent_by(id)).collect();
        for at in 0..self.senders.len() {
            let to = self.some_receiver(world);
            let sender = &mut self.senders[at];
            let parcel = self.ledger.next(sender.id);
            assert!(
                send(&mut sender.socket, to, parcel),
                "{} cannot send: {:?}",
                sender.id,
                sender.socket
            );
            self.ledger.sent(parcel);
            world.log(|| format!("at last sent {parcel:?}"));
        }
        world.rest(|world| self.drain(world));
        self.expect_all(&from);
    }
}

fn name_of(id: u32) -> Vec<u8> {
    format!("id {id}").into_bytes()
}

/// Sends a parcel if it can be sent now: all of it or nothing.
fn send(socket: &mut SocketCore, to: Option<Vec<u8>>, parcel: Parcel) -> bool {
    let parts: Vec<_> = to.into_iter().chain(parcel.parts()).collect();
    let last = parts.len() - 1;
    for (at, part) in parts.iter().enumerate() {
        match socket.send(&part[..], at < last, Timeout::Now) {
            Ok(()) => {}
            Err(SendError::WouldBlock | SendError::HostUnreachable) if at == 0 => return false,
            Err(error) => panic!("part {at} of {parcel:?}: {error}"),
        }
    }
    true
}
