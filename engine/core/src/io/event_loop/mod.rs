//! The loop of one I/O thread: commands, deadlines, events; a bounded amount of work per turn.
//!
//! It does all that nobody is waiting for: listening, connecting, handshakes, heartbeats, flushing what a busy sender
//! leaves behind, and reading for sockets whose application is away. It owns listeners, connectors and connections;
//! links it shares with the sockets.
//!
//! One turn is [`EventLoop::turn`]; a real I/O thread calls it for ever, a simulation calls it by hand. The loop reads
//! time from its clock and chance from its seeded generator, so a simulated run replays.

mod accept;
mod closing;
mod connect;
mod connection;
mod departing;
mod flush;
mod heartbeat;
mod lease;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use zeroring_base::SlabPool;
use zeroring_base::mailbox::{Receiver, Sender};
use zeroring_base::rng::Rng;
use zeroring_base::time::Clock;

use super::command::{EndpointId, IoCommand};
use super::directory::{Directory, Load};
use super::driver::{Driver, Event, Token};
use super::link::Link;
pub(crate) use connection::{conflates_incoming, conflates_outgoing};

use accept::Listening;
use connect::Connector;
use connection::Connection;
use timers::{Timer, Timers};

/// Pause after the driver could not wait.
const FAILED_WAIT_PAUSE: Duration = Duration::from_millis(10);

/// What a token stands for.
enum Object {
    Listener(EndpointId),
    Connecting(EndpointId),
    Connection(Box<Connection>),
    Departing(departing::Departing),
}

/// State of one I/O thread. See the module.
pub struct EventLoop {
    driver: Box<dyn Driver>,
    mailbox: Receiver<IoCommand>,
    own_mailbox: Sender<IoCommand>,
    clock: Clock,
    rng: Rng,
    pool: SlabPool,
    commands: VecDeque<IoCommand>,
    events: Vec<Event>,
    objects: HashMap<Token, Object>,
    last_token: u64,
    listeners: BTreeMap<EndpointId, Listening>,
    connectors: BTreeMap<EndpointId, Connector>,
    /// The connection that a link has now.
    connection_of_link: HashMap<u64, Token>,
    /// Links whose application end is closed and that still have something to send.
    closing: BTreeMap<u64, closing::Closing>,
    /// Connections that have said everything, oldest first.
    departing: BTreeSet<Token>,
    watched: flush::Watched,
    leased: lease::Leased,
    timers: Timers,
    /// Registered descriptors, and what is on its way here: for choosing the least loaded thread.
    load: Load,
    directory: Arc<Directory>,
    /// The driver's last wait failed.
    is_driver_failing: bool,
    /// Poll without sleeping (wait policy `Spin`).
    spins: bool,
    stopped: bool,
}

/// What a new loop needs.
pub struct EventLoopConfig {
    /// Its driver.
    pub driver: Box<dyn Driver>,
    /// Its mailbox; the waker must end the driver's wait.
    pub mailbox: (Sender<IoCommand>, Receiver<IoCommand>),
    /// Its clock.
    pub clock: Clock,
    /// Seed of jitter and generated ids.
    pub seed: u64,
    /// Where it reports how many descriptors it serves.
    pub load: Load,
    /// All I/O threads of the context: an accepted connection goes to the least loaded one.
    pub directory: Arc<Directory>,
    /// Never sleep.
    pub spins: bool,
}

impl EventLoop {
    /// A loop with nothing to do yet.
    pub fn new(config: EventLoopConfig) -> Self {
        Self {
            driver: config.driver,
            own_mailbox: config.mailbox.0,
            mailbox: config.mailbox.1,
            pool: SlabPool::default().with_clock(config.clock.clone()),
            clock: config.clock,
            rng: Rng::from_seed(config.seed),
            commands: VecDeque::new(),
            events: Vec::new(),
            objects: HashMap::new(),
            last_token: 0,
            listeners: BTreeMap::new(),
            connectors: BTreeMap::new(),
            connection_of_link: HashMap::new(),
            closing: BTreeMap::new(),
            departing: BTreeSet::new(),
            watched: flush::Watched::default(),
            leased: lease::Leased::default(),
            timers: Timers::default(),
            load: config.load,
            directory: config.directory,
            is_driver_failing: false,
            spins: config.spins,
            stopped: false,
        }
    }

    /// Runs until the context stops it.
    pub fn run(&mut self) {
        while !self.stopped {
            self.turn(None);
        }
    }

    /// True after [`IoCommand::Stop`].
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// When the next deadline is due, for a simulation that moves the clock.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.timers.next_ns()
    }

    /// One turn: commands, deadlines, then events, waiting for them up to `wait_max` (`None`: until something comes).
    /// Returns how many things were done.
    pub fn turn(&mut self, wait_max: Option<Duration>) -> usize {
        let mut done = self.run_commands() + self.fire_timers();
        let timeout = if done > 0 || self.spins { Some(Duration::ZERO) } else { wait_max };
        done += self.wait_for_events(timeout);
        done
    }

    fn run_commands(&mut self) -> usize {
        self.mailbox.drain_into(&mut self.commands);
        let mut done = 0;
        while let Some(command) = self.commands.pop_front() {
            self.run_command(command);
            done += 1;
        }
        done
    }

    fn run_command(&mut self, command: IoCommand) {
        match command {
            // The share of the load goes only now: what it stood for counts itself.
            IoCommand::Listen(spec, _share) => self.listen(*spec),
            IoCommand::Connect(spec, _share) => self.connect(*spec),
            IoCommand::Adopt(adopted) => self.adopt(*adopted),
            IoCommand::CloseAccepted(id, linger_ns) => self.close_accepted(id, linger_ns),
            IoCommand::CloseEndpoint(id, linger_ns, is_disconnect) => {
                self.close_endpoint(id, linger_ns, is_disconnect);
            }
            IoCommand::CloseLink(link, linger_ns) => self.close_link(&link, linger_ns),
            IoCommand::Flush(link) => self.flush_and_watch(&link),
            IoCommand::Resume(link) => self.resume_reading(&link),
            IoCommand::Lease(link) => self.lease(&link),
            IoCommand::StreamEnded(link, generation, end) => {
                self.stream_ended(&link, generation, end);
            }
            IoCommand::PeerPing(link) => self.peer_ping(&link),
            IoCommand::Resolved(id, result) => self.resolver_answered(id, result),
            IoCommand::Stop => self.stop(),
        }
    }

    fn fire_timers(&mut self) -> usize {
        let now_ns = self.clock.now_ns();
        let mut done = 0;
        while let Some(timer) = self.timers.pop_due(now_ns) {
            done += 1;
            match timer {
                Timer::Reconnect(id, attempt) => self.reconnect_due(id, attempt),
                Timer::ConnectTimeout(id, attempt) => self.connect_timed_out(id, attempt),
                Timer::Handshake(token) => self.handshake_timed_out(token),
                Timer::Heartbeat(token) => self.heartbeat_due(token),
                Timer::Linger(link) => self.linger_over(link),
                Timer::Departing(token) => self.look_at_departing(token),
                Timer::Stream => self.look_at_watched(),
                Timer::Lease => self.look_at_leased(),
                Timer::AcceptAgain(id) => self.accept_again(id),
            }
        }
        done
    }

    fn wait_for_events(&mut self, wait_max: Option<Duration>) -> usize {
        let until_timer = self.timers.next_ns().map(|deadline_ns| {
            Duration::from_nanos(deadline_ns.saturating_sub(self.clock.now_ns()))
        });
        let mut timeout = match (wait_max, until_timer) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let was_told =
            timeout != Some(Duration::ZERO) && !self.mailbox.waker().state().prepare_sleep();
        if was_told || !self.mailbox.is_empty() {
            timeout = Some(Duration::ZERO);
        }
        let mut events = std::mem::take(&mut self.events);
        let waited = self.driver.wait(timeout, &mut events);
        self.note_wait(waited);
        self.mailbox.waker().state().wake_up();
        let done = events.len();
        for event in events.drain(..) {
            self.handle_event(event);
        }
        self.events = events;
        done
    }

    /// A driver that cannot wait must not keep a CPU busy with that; there is no telling when it can again.
    fn note_wait(&mut self, waited: io::Result<()>) {
        let failed_before = std::mem::replace(&mut self.is_driver_failing, waited.is_err());
        let Err(error) = waited else { return };
        if !failed_before {
            tracing::error!(driver = self.driver.name(), %error, "the driver's wait failed");
        }
        if !self.clock.is_virtual() {
            std::thread::sleep(FAILED_WAIT_PAUSE);
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Readable(token) => self.readable(token),
            Event::Received(token, bytes) => self.received(token, &bytes),
            Event::Closed(token) => self.end_of_stream(token),
            Event::Failed(token, error) => match self.objects.get(&token) {
                Some(Object::Listener(_)) => self.listener_failed(token, &error),
                _ => self.read_failed(token, &error),
            },
            Event::Paused(token) => self.reading_paused(token),
            Event::Writable(token) => self.writable(token),
            Event::Acceptable(token) => self.acceptable(token),
        }
    }

    fn new_token(&mut self) -> Token {
        self.last_token += 1;
        Token(self.last_token)
    }

    fn insert(&mut self, token: Token, object: Object) {
        self.objects.insert(token, object);
        self.load.inc();
    }

    fn remove(&mut self, token: Token) -> Option<Object> {
        let object = self.objects.remove(&token)?;
        self.driver.deregister(token);
        self.load.dec();
        Some(object)
    }

    fn connection_mut(&mut self, token: Token) -> Option<&mut Connection> {
        match self.objects.get_mut(&token)? {
            Object::Connection(connection) => Some(connection),
            _ => None,
        }
    }

    fn token_of(&self, link: &Link) -> Option<Token> {
        self.connection_of_link.get(&link.id).copied()
    }

    fn stop(&mut self) {
        self.stopped = true;
        for id in self.listeners.keys().copied().collect::<Vec<_>>() {
            self.close_endpoint(id, Some(0), false);
        }
        for id in self.connectors.keys().copied().collect::<Vec<_>>() {
            self.close_endpoint(id, Some(0), false);
        }
        let tokens: Vec<_> = self.objects.keys().copied().collect();
        for token in tokens {
            drop(self.remove(token));
        }
        self.closing.clear();
        self.watched = flush::Watched::default();
        self.leased = lease::Leased::default();
    }
}
