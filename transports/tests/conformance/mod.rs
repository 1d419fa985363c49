//! What the cases run on: a driver, a transport, and a way to let time pass.

pub mod cases;

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroring_base::time::VirtualClock;
use zeroring_core::io::driver::{Driver, Event, Token};
use zeroring_core::io::transport::{Connecting, Listener, Stream, Transport};
use zeroring_transports::driver_sim::{SimDriver, SimNet};
use zeroring_transports::{DriverChoice, IpcTransport, TcpTransport, available, new_driver};

/// Longest any case may take; far beyond what it needs, so only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(20);

/// One driver with one kind of stream.
pub struct World {
    pub driver: Box<dyn Driver>,
    pub transport: Arc<dyn Transport>,
    bind_address: &'static str,
    sim: Option<(SimNet, VirtualClock)>,
    next_token: u64,
    /// Events that no case asked for yet.
    pub events: Vec<Event>,
}

impl World {
    pub fn epoll_tcp() -> Option<Self> {
        Some(Self::real(DriverChoice::Epoll, Arc::new(TcpTransport), "127.0.0.1:*"))
    }

    pub fn epoll_ipc() -> Option<Self> {
        Some(Self::real(DriverChoice::Epoll, Arc::new(IpcTransport), "*"))
    }

    pub fn uring_tcp() -> Option<Self> {
        uring_works()
            .then(|| Self::real(DriverChoice::Uring, Arc::new(TcpTransport), "127.0.0.1:*"))
    }

    pub fn uring_ipc() -> Option<Self> {
        uring_works().then(|| Self::real(DriverChoice::Uring, Arc::new(IpcTransport), "*"))
    }

    pub fn sim() -> Option<Self> {
        Some(Self::simulated(SimNet::driver))
    }

    pub fn sim_receiving() -> Option<Self> {
        Some(Self::simulated(SimNet::receiving_driver))
    }

    fn simulated(driver: fn(&SimNet) -> SimDriver) -> Self {
        let clock = VirtualClock::new(1);
        let net = SimNet::new(7, clock.clone());
        let driver = Box::new(driver(&net));
        let transport = Arc::new(net.transport("tcp", "node-a"));
        Self::with(driver, transport, "node-a:*", Some((net, clock)))
    }

    fn real(choice: DriverChoice, transport: Arc<dyn Transport>, address: &'static str) -> Self {
        let (driver, note) = new_driver(choice).expect("a driver");
        assert_eq!(note, None);
        Self::with(driver, transport, address, None)
    }

    fn with(
        driver: Box<dyn Driver>,
        transport: Arc<dyn Transport>,
        bind_address: &'static str,
        sim: Option<(SimNet, VirtualClock)>,
    ) -> Self {
        Self { driver, transport, bind_address, sim, next_token: 1, events: Vec::new() }
    }

    pub fn is_sim(&self) -> bool {
        self.sim.is_some()
    }

    pub fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    pub fn listen(&self) -> Arc<dyn Listener> {
        self.transport.bind(self.bind_address, &options()).expect("bind")
    }

    pub fn connect(&self, listener: &Arc<dyn Listener>) -> io::Result<Box<dyn Connecting>> {
        let (_, address) = listener.endpoint().split_once("://").expect("an endpoint");
        self.transport.connect(address, &options())
    }

    /// One wait. Simulated time goes on to the next thing to happen, also if the wait brought something: what is
    /// reported again and again must not hold up the rest.
    pub fn pump(&mut self) {
        self.driver.wait(Some(Duration::from_millis(100)), &mut self.events).expect("wait");
        if let Some((net, clock)) = &self.sim {
            clock.advance_to(net.next_event_ns().unwrap_or(clock.now_ns() + 1_000_000));
        }
    }

    /// Pumps until `found` picks an event, and takes that event out.
    pub fn expect(&mut self, what: &str, found: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.events.iter().position(&found) {
                return self.events.remove(at);
            }
            let others = self.events.len().min(5);
            assert!(Instant::now() < deadline, "no {what}; got {:?} …", &self.events[..others]);
            self.pump();
        }
    }

    /// A connection with both ends; neither is registered.
    pub fn pair(&mut self) -> (Arc<dyn Stream>, Arc<dyn Stream>) {
        let listener = self.listen();
        let token = self.token();
        self.driver.add_listener(token, &listener).expect("listen");
        let client = self.connect_through(&listener).expect("connect");
        let server = self.accept_one(token, &listener);
        self.driver.deregister(token);
        (client, server)
    }

    pub fn connect_through(&mut self, listener: &Arc<dyn Listener>) -> io::Result<Arc<dyn Stream>> {
        let mut attempt = self.connect(listener)?;
        if !attempt.is_immediate() {
            let token = self.token();
            self.driver.add_connecting(token, &*attempt)?;
            self.expect("connected", |event| matches!(event, Event::Writable(t) if *t == token));
            self.driver.deregister(token);
        }
        attempt.finish()
    }

    pub fn accept_one(&mut self, token: Token, listener: &Arc<dyn Listener>) -> Arc<dyn Stream> {
        loop {
            self.expect(
                "a connection",
                |event| matches!(event, Event::Acceptable(t) if *t == token),
            );
            match listener.accept() {
                // Acceptable is level-triggered: several reports may stand for one connection.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                accepted => return accepted.expect("accepted"),
            }
        }
    }

    /// A canary: when its bytes have come, whatever was under way before has come too. Done twice, because drivers
    /// may report one event per kernel call.
    pub fn settle(&mut self) {
        let (near, far) = self.pair();
        let token = self.token();
        self.driver.add_stream(token, &near, true).expect("canary");
        for _ in 0..2 {
            let sent = far.try_send(&[IoSlice::new(b"chirp")]);
            assert_eq!(sent.expect("fits"), 5);
            let mut reader = Reader::new(token, near.clone());
            self.read_until(&mut reader, |reader| reader.bytes.len() >= 5);
        }
        self.driver.deregister(token);
        self.events.retain(|event| event_token(event) != token);
    }

    pub fn read_until(&mut self, reader: &mut Reader, done: impl Fn(&Reader) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(reader) {
            assert!(Instant::now() < deadline, "stuck after {} bytes", reader.bytes.len());
            self.pump();
            reader.take(&mut self.events);
        }
    }
}

/// Collects what a driver brings for one stream, whichever way it does.
pub struct Reader {
    pub token: Token,
    stream: Arc<dyn Stream>,
    pub bytes: Vec<u8>,
    pub ended: bool,
    pub failed: Option<io::Error>,
    pub pauses: usize,
    /// Number of `Readable` and `Received` events seen.
    pub reports: usize,
}

impl Reader {
    pub fn new(token: Token, stream: Arc<dyn Stream>) -> Self {
        let (bytes, ended, failed, pauses, reports) = (Vec::new(), false, None, 0, 0);
        Self { token, stream, bytes, ended, failed, pauses, reports }
    }

    /// Handles this stream's events and leaves the others.
    pub fn take(&mut self, events: &mut Vec<Event>) {
        let mut others = Vec::new();
        for event in events.drain(..) {
            match event {
                Event::Readable(t) if t == self.token => self.read(),
                Event::Received(t, bytes) if t == self.token => {
                    assert!(!bytes.is_empty(), "an empty Received");
                    self.reports += 1;
                    self.bytes.extend_from_slice(&bytes);
                }
                Event::Closed(t) if t == self.token => self.ended = true,
                Event::Failed(t, error) if t == self.token => self.failed = Some(error),
                Event::Paused(t) if t == self.token => self.pauses += 1,
                other => others.push(other),
            }
        }
        *events = others;
    }

    fn read(&mut self) {
        self.reports += 1;
        let mut buf = [0; 10_000];
        match self.stream.try_recv(&mut buf) {
            Ok(0) => self.ended = true,
            Ok(n) => self.bytes.extend_from_slice(&buf[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.failed = Some(error),
        }
    }
}

pub fn event_token(event: &Event) -> Token {
    match event {
        Event::Readable(t)
        | Event::Received(t, _)
        | Event::Closed(t)
        | Event::Failed(t, _)
        | Event::Paused(t)
        | Event::Writable(t)
        | Event::Acceptable(t) => *t,
    }
}

pub fn options() -> zeroring_core::options::SocketOptions {
    let mut options = default_options();
    options.backlog_connections = 512;
    options
}

fn default_options() -> zeroring_core::options::SocketOptions {
    zeroring_core::options::SocketOptions::default()
}

/// Where io_uring is forbidden its suite has nothing to test; say so instead of failing.
fn uring_works() -> bool {
    available().inspect_err(|why| eprintln!("io_uring not tested: {why}")).is_ok()
}

/// Sends all of `bytes`, pumping while the stream is full. The sender must be registered under `token`.
pub fn send_all(
    world: &mut World,
    token: Token,
    from: &Arc<dyn Stream>,
    bytes: &[u8],
    reader: &mut Reader,
) {
    let mut sent = 0;
    while sent < bytes.len() {
        match from.try_send(&[IoSlice::new(&bytes[sent..])]) {
            Ok(n) => sent += n,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                world.driver.want_write(token);
                world.pump();
                reader.take(&mut world.events);
                world.events.retain(|event| !matches!(event, Event::Writable(t) if *t == token));
            }
        }
    }
}
