//! Questions and answers: REQ and DEALER ask, REP and ROUTER answer.

use zeroring_core::error::SendError;
use zeroring_core::socket::{SocketCore, Timeout};
use zeroring_zmtp::SocketType::{self, Dealer, Rep, Req, Router};

use super::ledger::Ledger;
use super::parcel::Parcel;
use super::world::{World, connection, recv};

const KINDS: [(SocketType, SocketType); 4] =
    [(Req, Rep), (Req, Router), (Dealer, Rep), (Dealer, Router)];
/// A question that is not answered by then is asked anew, in runs where it may be lost.
const PATIENCE_NS: u64 = 50_000_000;

struct Client {
    socket: SocketCore,
    node: usize,
    id: u32,
    /// Questions without answer, and when the last was asked.
    open: Vec<Parcel>,
    asked_ns: u64,
    /// What it asked before it crashed. Who connected to it may still answer that, to the one that came up.
    forgotten: Vec<Parcel>,
}

struct Server {
    socket: SocketCore,
    node: usize,
    id: u32,
    /// Answers to be given, envelope included.
    owed: Vec<Vec<Vec<u8>>>,
}

struct Echo {
    kinds: (SocketType, SocketType),
    clients_bind: bool,
    clients: Vec<Client>,
    servers: Vec<Server>,
    asked: Ledger,
    answered: Ledger,
}

pub fn run(world: &mut World) {
    let mut echo = Echo::new(world);
    for _ in 0..150 {
        match world.rng.below(10) {
            0..4 => echo.client_step(world),
            4..9 => echo.server_step(world),
            _ if world.is_deadly && world.rng.chance(1, 4) => echo.crash(world),
            _ => world.mishap(),
        }
        world.pass();
    }
    world.rest(|world| echo.drain(world));
    if !world.is_deadly {
        echo.expect_answers();
    }
    echo.expect_progress(world);
}

impl Echo {
    fn new(world: &mut World) -> Self {
        let kinds = KINDS[world.rng.below(4) as usize];
        let clients_bind = world.rng.chance(1, 4);
        let (clients, servers) = (1 + world.rng.below(4), 1 + world.rng.below(2));
        world.log(|| {
            format!(
                "echo {kinds:?}, {clients} clients, {servers} servers, clients bind {clients_bind}"
            )
        });
        let mut echo = Self {
            kinds,
            clients_bind,
            clients: Vec::new(),
            servers: Vec::new(),
            asked: Ledger::default(),
            answered: Ledger::default(),
        };
        // Who binds comes first.
        if clients_bind {
            (0..clients).for_each(|_| echo.add_client(world));
        }
        (0..servers).for_each(|_| echo.add_server(world));
        if !clients_bind {
            (0..clients).for_each(|_| echo.add_client(world));
        }
        echo
    }

    fn add_server(&mut self, world: &mut World) {
        let node = world.add_node();
        let socket = self.open(world, node, self.kinds.1);
        let id = 100 + self.servers.len() as u32;
        self.servers.push(Server { socket, node, id, owed: Vec::new() });
    }

    fn add_client(&mut self, world: &mut World) {
        let node = world.add_node();
        let socket = self.open(world, node, self.kinds.0);
        let id = self.clients.len() as u32;
        self.clients.push(Client {
            socket,
            node,
            id,
            open: Vec::new(),
            asked_ns: 0,
            forgotten: Vec::new(),
        });
    }

    /// A socket that binds, or connects to all that do.
    fn open(&self, world: &mut World, node: usize, kind: SocketType) -> SocketCore {
        let mut socket = world.socket(node, kind);
        let is_client = kind == self.kinds.0;
        if is_client {
            let is_deadly = world.is_deadly;
            socket.update_options(|options| {
                // A question may be lost with its connection: only then is it asked again.
                (options.req_relaxed, options.req_correlate) = (is_deadly, is_deadly);
            });
        }
        if is_client == self.clients_bind {
            socket.bind(&format!("tcp://n{node}:1")).expect("a fresh endpoint");
            return socket;
        }
        let binders: Vec<_> = match is_client {
            true => self.servers.iter().map(|server| server.node).collect(),
            false => self.clients.iter().map(|client| client.node).collect(),
        };
        for binder in binders {
            socket.connect(&format!("tcp://n{binder}:1")).expect("valid");
        }
        socket
    }

    /// A client forgets what it asked, or a server what it owes.
    fn crash(&mut self, world: &mut World) {
        let clients = self.clients.len() as u64;
        let at = world.rng.below(clients + self.servers.len() as u64) as usize;
        if at < self.clients.len() {
            let Client { socket, node, id, mut open, mut forgotten, .. } = self.clients.remove(at);
            world.crash(node, vec![socket]);
            let socket = self.open(world, node, self.kinds.0);
            forgotten.append(&mut open);
            self.clients.insert(at, Client { socket, node, id, open, asked_ns: 0, forgotten });
        } else {
            let at = at - self.clients.len();
            let Server { socket, node, id, .. } = self.servers.remove(at);
            world.crash(node, vec![socket]);
            let socket = self.open(world, node, self.kinds.1);
            self.servers.insert(at, Server { socket, node, id, owed: Vec::new() });
        }
    }

    fn client_step(&mut self, world: &mut World) {
        let at = world.rng.below(self.clients.len() as u64) as usize;
        let client = &self.clients[at];
        let is_req = self.kinds.0 == Req;
        let may_ask = match is_req {
            false => client.open.len() < 5,
            true if client.open.is_empty() => true,
            true => world.is_deadly && world.now_ns() > client.asked_ns + PATIENCE_NS,
        };
        if may_ask && world.rng.chance(2, 3) {
            self.ask(world, at);
        } else {
            self.take_answer(world, at);
        }
    }

    fn ask(&mut self, world: &mut World, at: usize) -> bool {
        let client = &mut self.clients[at];
        let parcel = self.asked.next(client.id);
        let envelope = (self.kinds.0 == Dealer).then(Vec::new);
        if !send(&mut client.socket, envelope.into_iter().chain(parcel.parts()).collect()) {
            return false;
        }
        self.asked.sent(parcel);
        if self.kinds.0 == Req {
            client.open.clear(); // what was asked before is not answered any more
        }
        client.open.push(parcel);
        client.asked_ns = world.now_ns();
        world.log(|| format!("asked {parcel:?}"));
        true
    }

    fn take_answer(&mut self, world: &mut World, at: usize) -> bool {
        let client = &mut self.clients[at];
        if self.kinds.0 == Req && client.open.is_empty() {
            return false; // not its turn
        }
        let Some(mut parts) = recv(world, &mut client.socket) else { return false };
        if self.kinds.0 == Dealer {
            assert!(parts.remove(0).is_empty(), "the empty frame stands in front");
        }
        let parcel = Parcel::of(&parts).unwrap_or_else(|what| panic!("answer: {what}"));
        if client.forgotten.contains(&parcel) {
            world.log(|| format!("{} does not remember {parcel:?}", client.id));
            return true;
        }
        let place = client.open.iter().position(|open| *open == parcel);
        let place = place.unwrap_or_else(|| panic!("{} did not ask {parcel:?}", client.id));
        client.open.remove(place);
        let over = connection(&client.socket);
        let booked = self.answered.received((client.id, client.id), over, parcel);
        // Several servers answer in any order, and so may one that owes many answers.
        assert!(!matches!(booked, Err(super::ledger::Fault::Twice(_))), "{booked:?}");
        world.log(|| format!("{} was answered {parcel:?}", client.id));
        true
    }

    fn server_step(&mut self, world: &mut World) {
        let at = world.rng.below(self.servers.len() as u64) as usize;
        if world.rng.chance(1, 2) {
            self.take_question(world, at);
        } else {
            self.answer(world, at);
        }
    }

    fn take_question(&mut self, world: &mut World, at: usize) -> bool {
        let server = &mut self.servers[at];
        if self.kinds.1 == Rep && !server.owed.is_empty() {
            return false; // not its turn
        }
        let Some(parts) = recv(world, &mut server.socket) else { return false };
        let body = body_of(self.kinds.1, &parts);
        let parcel = Parcel::of(body).unwrap_or_else(|what| panic!("question: {what}"));
        let over = connection(&server.socket);
        let booked = self.asked.received((server.id, server.id), over, parcel);
        assert_eq!(booked, Ok(()), "asked of {}", server.id);
        world.log(|| format!("{} got {parcel:?}", server.id));
        server.owed.push(parts);
        true
    }

    fn answer(&mut self, world: &mut World, at: usize) -> bool {
        let server = &mut self.servers[at];
        let Some(parts) = server.owed.pop() else { return false };
        let parcel = Parcel::of(body_of(self.kinds.1, &parts)).expect("checked when it came");
        if !send(&mut server.socket, parts.clone()) {
            server.owed.push(parts);
            return false;
        }
        if self.answered.sent_by(parcel.sender) <= parcel.sequence {
            self.answered.sent(parcel);
        }
        world.log(|| format!("{} answered {parcel:?}", server.id));
        true
    }

    fn drain(&mut self, world: &mut World) -> bool {
        let mut progress = false;
        for at in 0..self.servers.len() {
            while self.take_question(world, at) || self.answer(world, at) {
                progress = true;
            }
        }
        for at in 0..self.clients.len() {
            while self.take_answer(world, at) {
                progress = true;
            }
            let _ = self.clients[at].socket.readiness();
        }
        progress
    }

    fn expect_answers(&self) {
        for client in &self.clients {
            let servers: Vec<_> = self.servers.iter().map(|server| &server.socket).collect();
            assert!(
                client.open.is_empty(),
                "{} has no answer to {:?}\nclient {:#?}\nservers {servers:#?}",
                client.id,
                client.open,
                client.socket
            );
        }
    }

    /// Nothing goes wrong any more: whoever asks is answered.
    fn expect_progress(&mut self, world: &mut World) {
        self.clients.iter_mut().for_each(|client| client.open.clear());
        for at in 0..self.clients.len() {
            assert!(self.ask(world, at), "client {at} cannot ask: {:?}", self.clients[at].socket);
        }
        world.rest(|world| self.drain(world));
        self.expect_answers();
    }
}

/// What a server received, without the envelope that a ROUTER shows: routing id, perhaps a request id, an empty frame.
fn body_of(kind: SocketType, parts: &[Vec<u8>]) -> &[Vec<u8>] {
    if kind != Router {
        return parts;
    }
    let end = parts.iter().position(Vec::is_empty).expect("an empty frame ends the envelope");
    assert!(end <= 2, "an envelope of {end} parts");
    &parts[end + 1..]
}

fn send(socket: &mut SocketCore, parts: Vec<Vec<u8>>) -> bool {
    let last = parts.len() - 1;
    for (at, part) in parts.iter().enumerate() {
        match socket.send(&part[..], at < last, Timeout::Now) {
            Ok(()) => {}
            Err(SendError::WouldBlock) if at == 0 => return false,
            Err(error) => panic!("part {at} of {}: {error}", parts.len()),
        }
    }
    true
}
