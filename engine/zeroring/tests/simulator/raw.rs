//! Raw bytes: STREAM to STREAM. Each direction of a connection carries the same endless text, so that whoever reads can tell
//! what is missing, doubled or out of order.
//!
//! Who connects keeps what it queued when the connection is lost, and the next one carries it, as in libzmq: over a
//! connection that came after another, the server reads the text from some place on.

use std::collections::BTreeMap;

use zeroring_core::error::SendError;
use zeroring_core::socket::{SocketCore, Timeout};
use zeroring_zmtp::SocketType::Stream;

use super::world::{World, recv};

/// A socket and its connections, by the ids it gave them.
struct Node {
    socket: SocketCore,
    connects: bool,
    connections: BTreeMap<Vec<u8>, Connection>,
    /// Bytes over all connections there ever were.
    sent: u64,
    received: u64,
}

struct Connection {
    sent: u64,
    /// Where in the text the next byte that comes may stand.
    places: Vec<u64>,
}

impl Connection {
    /// One that carries the text from its beginning, or from some place on.
    fn new(from_beginning: bool) -> Self {
        Self { sent: 0, places: if from_beginning { vec![0] } else { (0..PERIOD).collect() } }
    }
}

/// After so many bytes the text begins again.
const PERIOD: u64 = 251 * 5;

/// What is sent from a place of the text on.
fn text(from: u64, len: u64) -> Vec<u8> {
    (from..from + len).map(|at| (at % 251 + at / 251 % 5) as u8).collect()
}

pub fn run(world: &mut World) {
    let clients = 1 + world.rng.below(3) as usize;
    world.log(|| format!("raw, {clients} clients"));
    let mut nodes: Vec<Node> = (0..=clients).map(|_| Node::new(world)).collect();
    nodes[0].socket.bind("tcp://n0:1").expect("a fresh endpoint");
    for node in &mut nodes[1..] {
        node.socket.connect("tcp://n0:1").expect("valid");
    }
    for _ in 0..120 {
        let at = world.rng.below(nodes.len() as u64) as usize;
        match world.rng.below(10) {
            0..5 => nodes[at].send(world),
            5..9 => drop(nodes[at].receive(world)),
            _ => world.mishap(),
        }
        world.pass();
    }
    world.rest(|world| drain(world, &mut nodes));
    expect_connections(&nodes);
    if !world.is_deadly {
        expect_all(&nodes);
    }
    // Nothing goes wrong any more: over every connection something goes both ways.
    let before: Vec<u64> = nodes.iter().map(|node| node.received).collect();
    nodes.iter_mut().for_each(|node| node.send_to_all(world));
    world.rest(|world| drain(world, &mut nodes));
    for (node, before) in nodes.iter().zip(before) {
        assert!(node.received > before, "nothing came to {:#?}", node.socket);
    }
}

fn drain(world: &mut World, nodes: &mut [Node]) -> bool {
    let mut progress = false;
    for node in nodes {
        while node.receive(world) {
            progress = true;
        }
    }
    progress
}

/// The server knows each client, and each client the server.
fn expect_connections(nodes: &[Node]) {
    let counts: Vec<_> = nodes.iter().map(|node| node.connections.len()).collect();
    assert_eq!(counts[0], nodes.len() - 1, "connections of the server, {counts:?}");
    assert!(counts[1..].iter().all(|count| *count == 1), "connections of the clients, {counts:?}");
}

fn expect_all(nodes: &[Node]) {
    let clients = |count: fn(&Node) -> u64| nodes[1..].iter().map(count).sum::<u64>();
    assert_eq!(nodes[0].received, clients(|node| node.sent), "from the clients");
    assert_eq!(nodes[0].sent, clients(|node| node.received), "from the server");
}

impl Node {
    fn new(world: &mut World) -> Self {
        let node = world.add_node();
        let socket = world.socket(node, Stream);
        // The first one binds.
        Self { socket, connects: node > 0, connections: BTreeMap::new(), sent: 0, received: 0 }
    }

    /// Sends a piece over some connection, if there is one with room.
    fn send(&mut self, world: &mut World) {
        let pick = world.rng.below(self.connections.len().max(1) as u64) as usize;
        let Some(id) = self.connections.keys().nth(pick).cloned() else { return };
        self.send_to(world, &id);
    }

    fn send_to_all(&mut self, world: &mut World) {
        let ids: Vec<_> = self.connections.keys().cloned().collect();
        ids.iter().for_each(|id| self.send_to(world, id));
    }

    fn send_to(&mut self, world: &mut World, id: &[u8]) {
        let len = 1 + match world.rng.below(8) {
            0 => world.rng.below(100_000),
            _ => world.rng.below(500),
        };
        match self.socket.send(id, true, Timeout::Now) {
            Ok(()) => {}
            // Its end is known already, or it has no room.
            Err(SendError::HostUnreachable | SendError::WouldBlock) => return,
            Err(error) => panic!("the id of a peer: {error}"),
        }
        let connection = self.connections.get_mut(id).expect("it was asked for");
        // What a connecting side sends goes on over its next connection.
        let from = if self.connects { self.sent } else { connection.sent };
        let sent = self.socket.send(&text(from, len)[..], false, Timeout::Now);
        sent.unwrap_or_else(|error| panic!("after the id: {error}"));
        connection.sent += len;
        self.sent += len;
        world.log(|| format!("sent {len} to {id:?}"));
    }

    /// Takes a piece or a notice, if there is one.
    fn receive(&mut self, world: &mut World) -> bool {
        let Some(parts) = recv(world, &mut self.socket) else { return false };
        let [id, body] = &parts[..] else { panic!("{} parts of raw bytes", parts.len()) };
        world.log(|| format!("received {} of {id:?}", body.len()));
        if body.is_empty() {
            // The first notice says that somebody came, the second that he went.
            if self.connections.remove(id).is_none() {
                let from_beginning = self.connects || !world.is_deadly;
                self.connections.insert(id.clone(), Connection::new(from_beginning));
            }
            return true;
        }
        let connection = self.connections.get_mut(id);
        let connection = connection.unwrap_or_else(|| panic!("bytes of {id:?}, who is not here"));
        let len = body.len() as u64;
        connection.places.retain(|place| *body == text(*place, len));
        assert!(!connection.places.is_empty(), "{len} wrong bytes of {id:?}");
        connection.places.iter_mut().for_each(|place| *place = (*place + len) % PERIOD);
        self.received += body.len() as u64;
        true
    }
}
