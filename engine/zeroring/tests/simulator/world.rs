//! Nodes on a simulated network, the virtual clock, what goes wrong, and a trace of it all.

use std::io;
use std::sync::Arc;

use crossbeam_channel::Receiver;
use zeroring_base::rng::Rng;
use zeroring_base::time::{Clock, VirtualClock};
use zeroring_base::wake::{NoSleep, OsWake};
use zeroring_core::context::{Context, ContextConfig, DriverSeed, Runtime, ThreadSetup};
use zeroring_core::error::RecvError;
use zeroring_core::io::driver::Driver;
use zeroring_core::io::transport::Transport;
use zeroring_core::monitor::MonitorEvent;
use zeroring_core::options::{ContextOptions, DriverChoice};
use zeroring_core::socket::{SocketCore, Timeout};
use zeroring_transports::driver_sim::{Faults, Kill, SimDriver, SimNet};
use zeroring_zmtp::SocketType;

const MS: u64 = 1_000_000;
/// Virtual time in which everything must have come to rest once nothing goes wrong any more.
const REST_NS: u64 = 3_000 * MS;
/// How long a closed socket may go on sending. Not for ever: its peer may be gone for good.
const LINGER_MS: i32 = 200;
/// Turns in a row, at one moment, after which the engine is running in a circle.
const TURNS_MAX: u32 = 20_000;

/// A system under test.
pub struct World {
    pub net: SimNet,
    pub rng: Rng,
    clock: VirtualClock,
    nodes: Vec<Node>,
    cuts: Vec<(String, String)>,
    /// What the sockets' monitors tell, for the trace.
    monitors: Vec<(String, Receiver<MonitorEvent>)>,
    /// Connections may be killed in this run; otherwise nothing at all may be lost.
    pub is_deadly: bool,
    /// Things the engine did.
    pub work: usize,
    digest: u64,
    prints: bool,
}

struct Node {
    name: String,
    context: Context,
}

impl World {
    pub fn new(seed: u64, prints: bool) -> Self {
        let clock = VirtualClock::new(1);
        let mut rng = Rng::from_seed(seed);
        let net = SimNet::new(rng.next_u64(), clock.clone());
        let is_deadly = rng.chance(1, 2);
        let mut world = Self {
            net,
            rng,
            clock,
            nodes: Vec::new(),
            cuts: Vec::new(),
            monitors: Vec::new(),
            is_deadly,
            work: 0,
            digest: 0xcbf2_9ce4_8422_2325,
            prints,
        };
        world.log(|| format!("deadly {is_deadly}"));
        world.draw_faults();
        world
    }

    /// Notes what happened: in the digest, and on the terminal if somebody watches.
    pub fn log(&mut self, text: impl FnOnce() -> String) {
        let text = text();
        for byte in text.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3); // FNV-1a
        }
        if self.prints {
            println!("{:>12.6} ms  {text}", self.clock.now_ns() as f64 / MS as f64);
        }
    }

    pub fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    // ---- Nodes --------------------------------------------------------------------------------------------------

    /// A context of its own, on a driver of either manner. Returns its number.
    pub fn add_node(&mut self) -> usize {
        let name = format!("n{}", self.nodes.len());
        let transport = self.net.transport("tcp", &name);
        self.add_node_with(Arc::new(transport), ContextOptions::default())
    }

    /// As [`add_node`](Self::add_node), with a transport and options of the caller's.
    pub fn add_node_with(
        &mut self,
        transport: Arc<dyn Transport>,
        options: ContextOptions,
    ) -> usize {
        let name = format!("n{}", self.nodes.len());
        let context = self.new_context(&name, transport, options);
        self.nodes.push(Node { name, context });
        self.nodes.len() - 1
    }

    fn new_context(
        &mut self,
        name: &str,
        transport: Arc<dyn Transport>,
        options: ContextOptions,
    ) -> Context {
        let receiving = self.rng.chance(1, 2);
        let context = Context::new(ContextConfig {
            options,
            transports: vec![transport],
            runtime: Arc::new(SimRuntime { net: self.net.clone(), receiving }),
            clock: Clock::Virtual(self.clock.clone()),
            seed: self.rng.next_u64(),
        });
        self.log(|| format!("node {name}, receiving {receiving}"));
        context
    }

    /// A node crashes with all its sockets, and comes up again without any: connections are reset, what was queued is lost.
    pub fn crash(&mut self, node: usize, sockets: Vec<SocketCore>) {
        let name = self.nodes[node].name.clone();
        let died = self.net.kill_node(&name, Kill::Reset);
        self.log(|| format!("crash of {name}, {died} connections"));
        for mut socket in sockets {
            socket.update_options(|options| options.linger_ms = 0);
        }
        self.nodes[node].context.term();
        let transport = Arc::new(self.net.transport("tcp", &name));
        self.nodes[node].context = self.new_context(&name, transport, ContextOptions::default());
    }

    /// How much each I/O thread of a node has to do.
    pub fn loads(&self, node: usize) -> Vec<usize> {
        self.nodes[node].context.io_thread_loads()
    }

    /// A socket on a node, with short reconnect intervals and a short linger.
    pub fn socket(&mut self, node: usize, kind: SocketType) -> SocketCore {
        let mut socket = self.nodes[node].context.socket(kind).expect("a socket");
        // A peer behind a partition is given up: what was on its way to it is lost.
        let is_impatient = self.is_deadly && self.rng.chance(1, 2);
        socket.update_options(|options| {
            options.reconnect_interval_ms = 2;
            options.linger_ms = LINGER_MS;
            if is_impatient {
                options.handshake_interval_ms = 20;
                options.heartbeat_interval_ms = 5;
                options.heartbeat_timeout_ms = Some(10);
                options.heartbeat_ttl_deciseconds = 1;
            }
        });
        let label = format!("n{node} {kind:?}");
        self.monitors.push((label, socket.monitor(u32::MAX)));
        socket
    }

    // ---- Time ---------------------------------------------------------------------------------------------------

    fn turn_until_idle(&mut self) {
        for _ in 0..TURNS_MAX {
            let done: usize = self.nodes.iter().map(|node| node.context.turn()).sum();
            self.work += done;
            if done == 0 {
                return;
            }
        }
        panic!("the engine turns in a circle at {} ns", self.clock.now_ns());
    }

    fn next_ns(&self) -> Option<u64> {
        let deadlines = self.nodes.iter().filter_map(|node| node.context.next_deadline_ns());
        deadlines.chain(self.net.next_event_ns()).min()
    }

    fn log_events(&mut self) {
        let mut events = Vec::new();
        for (label, monitor) in &self.monitors {
            events.extend(
                monitor
                    .try_iter()
                    .map(|event| format!("{label} {:?} {}", event.kind, event.detail)),
            );
        }
        events.into_iter().for_each(|event| self.log(|| event));
    }

    /// Lets everything happen that happens within `span_ns`.
    pub fn advance(&mut self, span_ns: u64) {
        let end_ns = self.clock.now_ns() + span_ns;
        loop {
            self.turn_until_idle();
            self.log_events();
            match self.next_ns() {
                Some(next_ns) if next_ns <= end_ns => self.clock.advance_to(next_ns),
                _ => return self.clock.advance_to(end_ns),
            }
        }
    }

    /// A moment, as long as chance has it.
    pub fn pass(&mut self) {
        let span_ns = self.rng.below(2 * MS);
        self.advance(span_ns);
    }

    /// Nothing goes wrong any more: `drain` is called until, for a while, nothing comes of it.
    pub fn rest(&mut self, mut drain: impl FnMut(&mut World) -> bool) {
        self.heal_all();
        self.net.set_faults(Faults::none());
        self.log(|| "rest".into());
        let end_ns = self.clock.now_ns() + REST_NS;
        let mut quiet = 0;
        while quiet < 40 {
            self.advance(MS);
            quiet = if drain(self) { 0 } else { quiet + 1 };
            assert!(self.clock.now_ns() < end_ns, "no rest within {REST_NS} ns");
        }
    }

    // ---- What goes wrong ----------------------------------------------------------------------------------------

    /// From here on no connection dies.
    pub fn spare_connections(&mut self) {
        self.is_deadly = false;
        self.draw_faults();
    }

    fn draw_faults(&mut self) {
        let faults = match self.rng.below(3) {
            0 => Faults::none(),
            1 => Faults::rough(),
            _ if self.is_deadly => Faults::hostile(),
            _ => Faults::rough(),
        };
        self.log(|| format!("{faults:?}"));
        self.net.set_faults(faults);
    }

    /// One thing goes wrong, or is mended.
    pub fn mishap(&mut self) {
        let (a, b) = (self.some_node(), self.some_node());
        match self.rng.below(if self.is_deadly { 8 } else { 4 }) {
            0 => self.draw_faults(),
            1 if a != b => {
                self.log(|| format!("cut {a} {b}"));
                self.net.partition(&a, &b);
                self.cuts.push((a, b));
            }
            1..4 => self.heal_all(),
            4 => {
                let (how, pick) = (self.way_to_die(), self.rng.below(8) as usize);
                let died = self.net.kill_one(&a, pick, how);
                self.log(|| format!("kill one of {a} {how:?} {died}"));
            }
            5 => {
                let how = self.way_to_die();
                let died = self.net.kill_node(&a, how);
                self.log(|| format!("kill all of {a} {how:?} {died}"));
            }
            _ => {
                let how = self.way_to_die();
                let died = self.net.kill_between(&a, &b, how);
                self.log(|| format!("kill between {a} {b} {how:?} {died}"));
            }
        }
    }

    fn some_node(&mut self) -> String {
        let number = self.rng.below(self.nodes.len() as u64) as usize;
        self.nodes[number].name.clone()
    }

    fn way_to_die(&mut self) -> Kill {
        if self.rng.chance(1, 2) { Kill::Reset } else { Kill::Close }
    }

    fn heal_all(&mut self) {
        for (a, b) in std::mem::take(&mut self.cuts) {
            self.log(|| format!("heal {a} {b}"));
            self.net.heal(&a, &b);
        }
    }

    // ---- The end ------------------------------------------------------------------------------------------------

    /// All sockets are closed: soon nothing may be left of them. Returns the digest of the run.
    pub fn finish(mut self) -> u64 {
        self.rest(|_| false);
        self.advance(LINGER_MS as u64 * MS);
        for node in &self.nodes {
            let stats = node.context.stats();
            assert_eq!((stats.sockets, stats.links), (0, 0), "left over on {}", node.name);
        }
        self.nodes.drain(..).for_each(|node| node.context.term());
        self.digest
    }
}

/// Receives a whole message if one is there. Now and then as a call that would block: in a simulation it asks for what
/// a blocked thread asks for, and returns.
pub fn recv(world: &mut World, socket: &mut SocketCore) -> Option<Vec<Vec<u8>>> {
    let timeout = if world.rng.chance(1, 4) { Timeout::Forever } else { Timeout::Now };
    let mut parts = Vec::new();
    loop {
        match socket.recv(if parts.is_empty() { timeout } else { Timeout::Now }) {
            Ok(part) => {
                parts.push(part.as_bytes().to_vec());
                if !part.more() {
                    return Some(parts);
                }
            }
            Err(RecvError::WouldBlock) if parts.is_empty() => return None,
            Err(error) => panic!("in the middle of a message, {} parts: {error}", parts.len()),
        }
    }
}

/// Over which connection the last message came.
pub fn connection(socket: &SocketCore) -> i32 {
    socket.peer().map_or(-1, |peer| peer.fd)
}

struct SimRuntime {
    net: SimNet,
    receiving: bool,
}

impl Runtime for SimRuntime {
    fn driver_seed(&self, _choice: DriverChoice) -> io::Result<Box<dyn DriverSeed>> {
        Ok(Box::new(Seed(match self.receiving {
            true => self.net.receiving_driver(),
            false => self.net.driver(),
        })))
    }

    fn prepare_thread(&self, _setup: &ThreadSetup) -> Vec<String> {
        Vec::new()
    }
}

struct Seed(SimDriver);

impl DriverSeed for Seed {
    fn os_wake(&self) -> Box<dyn OsWake> {
        Box::new(NoSleep)
    }

    fn start(self: Box<Self>) -> io::Result<(Box<dyn Driver>, Option<String>)> {
        Ok((Box::new(self.0), None))
    }
}
