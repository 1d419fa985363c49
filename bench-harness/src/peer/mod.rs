//! The messaging libraries under test, behind the smallest interface the workloads need.
//!
//! Workloads are generic over [`Peer`], so each library gets its own copy of the measured loop and
//! no call on it goes through a table. To add a library to this program: write its file beside
//! `raw.rs`, then add a name and one arm in [`BuiltIn`]. Libraries of other packages are programs of
//! their own that give [`crate::role::program`] another [`PeerSet`].

mod libzmq;
mod name;
mod raw;
mod zeroring;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub use name::PeerName;

/// How two sockets reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Two threads of one process.
    Inproc,
    /// Two processes over a Unix socket.
    Ipc,
    /// Two processes over loopback TCP.
    Tcp,
}

impl Transport {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Inproc, Self::Ipc, Self::Tcp];

    /// The name in endpoints and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inproc => "inproc",
            Self::Ipc => "ipc",
            Self::Tcp => "tcp",
        }
    }
}

/// The socket types that the workloads use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketKind {
    /// Sends one way.
    Push,
    /// Receives one way.
    Pull,
    /// Asks, then waits for the answer.
    Req,
    /// Answers.
    Rep,
    /// Asks without waiting.
    Dealer,
    /// Answers whom it names.
    Router,
    /// Sends to all who subscribed.
    Pub,
    /// Receives what it subscribed to.
    Sub,
}

impl SocketKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Push,
        Self::Pull,
        Self::Req,
        Self::Rep,
        Self::Dealer,
        Self::Router,
        Self::Pub,
        Self::Sub,
    ];
}

/// Kernel interface of our I/O threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriverName {
    /// The library's default.
    #[default]
    Auto,
    /// io_uring.
    Uring,
    /// epoll.
    Epoll,
}

/// How our side waits when nothing is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitName {
    /// In the kernel, at once.
    Sleep,
    /// Spinning for a short while, then in the kernel: the library's default.
    #[default]
    Adaptive,
    /// Spinning, always.
    Spin,
}

/// What a library is opened with, and each of its sockets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerOptions {
    /// Background I/O threads per process.
    pub io_threads: i32,
    /// Cores of the I/O threads; empty for any.
    pub cpu_io: Vec<usize>,
    /// What our I/O threads run on.
    pub driver: DriverName,
    /// How our side waits.
    pub wait_policy: WaitName,
    /// Both high-water marks of each socket, in messages.
    pub hwm_messages: i32,
    /// The kernel's send buffer of each connection; the system's default if absent.
    pub sndbuf_bytes: Option<u32>,
    /// The kernel's receive buffer of each connection; the system's default if absent.
    pub rcvbuf_bytes: Option<u32>,
    /// How many sockets the context must allow.
    pub max_sockets: i32,
    /// Path of the shared library, where there is one and the user named it.
    pub libzmq: Option<PathBuf>,
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self {
            io_threads: 1,
            cpu_io: Vec::new(),
            driver: DriverName::default(),
            wait_policy: WaitName::default(),
            hwm_messages: 1000,
            sndbuf_bytes: None,
            rcvbuf_bytes: None,
            max_sockets: 1023,
            libzmq: None,
        }
    }
}

/// What a library can do; workloads that need more are not measured with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Over what it speaks.
    pub transports: Vec<Transport>,
    /// Socket types it has.
    pub kinds: Vec<SocketKind>,
    /// Whether a bound socket serves more than one connection.
    pub many_connections: bool,
    /// Whether messages may have several parts.
    pub multipart: bool,
    /// Whether it forwards by itself between two sockets.
    pub proxy: bool,
}

impl Capabilities {
    /// Everything there is.
    pub fn all() -> Self {
        Self {
            transports: Transport::ALL.to_vec(),
            kinds: SocketKind::ALL.to_vec(),
            many_connections: true,
            multipart: true,
            proxy: true,
        }
    }
}

/// What an opened library says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Name and version.
    pub version: String,
    /// What its I/O threads really run on, where it says so.
    pub driver: Option<String>,
    /// The file that was really loaded, for libraries loaded at run time.
    pub path: Option<String>,
    /// What it wants the user to know, such as a driver that was refused.
    pub notes: Vec<String>,
}

impl Facts {
    /// All of it on one line.
    pub fn line(&self) -> String {
        let mut line = self.version.clone();
        for more in self.driver.iter().chain(&self.path).chain(&self.notes) {
            line += ", ";
            line += more;
        }
        line
    }
}

/// A library, opened: in ZeroMQ's words a context.
///
/// Both sockets of an inproc measurement come from one value, used by two threads. Background
/// threads should start in `open` or in the first `socket`: the caller pins itself afterwards, so
/// that they do not inherit its core.
pub trait Peer: Sized + Send + Sync + 'static {
    /// Its socket.
    type Socket: PeerSocket;

    /// What it can do.
    fn capabilities() -> Capabilities;

    /// Opens the library, with default options except those given.
    fn open(options: &PeerOptions) -> Result<Self>;

    /// What it says about itself; complete only once a socket was made.
    fn facts(&self) -> Facts;

    /// A new socket, unconnected, with the marks and buffers of the options.
    fn socket(&self, kind: SocketKind) -> Result<Self::Socket>;

    /// Forwards between two sockets until [`Peer::shutdown`].
    fn proxy(&self, front: Self::Socket, back: Self::Socket) -> Result<()> {
        drop((front, back));
        bail!("this library has no proxy")
    }

    /// Ends a proxy that another thread runs.
    fn shutdown(&self) {}

    /// Closes, once all sockets are: what was sent has left, or it is an error.
    fn close(self) -> Result<()> {
        Ok(())
    }
}

/// A socket of a library. All calls block; the parent process holds the deadline.
pub trait PeerSocket {
    /// Binds, and returns the endpoint to connect to: wildcards resolved.
    fn bind(&mut self, endpoint: &str) -> Result<String>;

    /// Connects.
    fn connect(&mut self, endpoint: &str) -> Result<()>;

    /// Subscribes to everything.
    fn subscribe_to_all(&mut self) -> Result<()> {
        bail!("this library has no subscriptions")
    }

    /// Sends one message of one frame.
    fn send(&mut self, message: &[u8]) -> Result<()>;

    /// Receives one message into `buffer` and returns its size. A larger message is an error.
    fn recv(&mut self, buffer: &mut [u8]) -> Result<usize>;

    /// Sends one part of a message; `more` says whether others follow.
    fn send_part(&mut self, part: &[u8], more: bool) -> Result<()> {
        if more { bail!("this library has no multipart messages") } else { self.send(part) }
    }

    /// Takes note of room that came back in the queues towards others, where the library does not do
    /// that by itself with each message.
    fn take_credit(&mut self) -> Result<()> {
        Ok(())
    }

    /// Receives one part; whether others follow is the second value.
    fn recv_part(&mut self, buffer: &mut [u8]) -> Result<(usize, bool)> {
        Ok((self.recv(buffer)?, false))
    }
}

/// Something to do with a library whose type is known only to a [`PeerSet`].
pub trait PeerTask {
    /// What comes out.
    type Output;
    /// Does it.
    fn run<P: Peer>(self) -> Self::Output;
}

/// The libraries that one program holds.
pub trait PeerSet {
    /// Runs `task` with the library that `name` stands for; none if it is not held.
    fn dispatch<T: PeerTask>(name: PeerName, task: T) -> Option<T::Output>;
}

/// The libraries of this program.
#[derive(Debug)]
pub enum BuiltIn {}

impl PeerSet for BuiltIn {
    fn dispatch<T: PeerTask>(name: PeerName, task: T) -> Option<T::Output> {
        match name {
            PeerName::ZERORING => Some(task.run::<zeroring::Zeroring>()),
            PeerName::LIBZMQ => Some(task.run::<libzmq::Libzmq>()),
            PeerName::RAW => Some(task.run::<raw::Raw>()),
            _ => None,
        }
    }
}

/// What a look at a library found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What it says about itself.
    pub facts: Facts,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// Opens a library and closes it again.
pub fn probe<S: PeerSet>(name: PeerName, options: &PeerOptions) -> Result<Probe> {
    struct Look<'a>(&'a PeerOptions);
    impl PeerTask for Look<'_> {
        type Output = Result<Probe>;
        fn run<P: Peer>(self) -> Self::Output {
            let peer = P::open(self.0)?;
            let capabilities = P::capabilities();
            let socket = capabilities.kinds.first().map(|&kind| peer.socket(kind)).transpose()?;
            let facts = peer.facts();
            drop(socket);
            peer.close()?;
            Ok(Probe { facts, capabilities })
        }
    }
    match S::dispatch(name, Look(options)) {
        Some(probe) => probe,
        None => bail!("{name}: no library of that name in this program; see --rival"),
    }
}
