//! The messaging libraries under test, behind the smallest interface the workloads need.
//!
//! Workloads are generic over [`Peer`], so each library gets its own copy of the measured loop and
//! no call on it goes through a table. To add a library: write its file beside `raw.rs`, then add
//! one `mod` line, one [`PeerName`] variant and one arm in [`dispatch`] here.

mod libzmq;
mod raw;
mod zeroring;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

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

/// Every library the harness can drive, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerName {
    /// This engine.
    Zeroring,
    /// The stock library, through its C interface.
    Libzmq,
    /// A frame per system call on a plain blocking socket: no library at all.
    Raw,
}

impl PeerName {
    /// What is measured unless `--peers` says otherwise.
    pub const DEFAULT: &[Self] = &[Self::Zeroring, Self::Libzmq];
    /// What ratios are taken against.
    pub const BASELINE: Self = Self::Libzmq;

    /// The name in tables and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zeroring => "zeroring",
            Self::Libzmq => "libzmq",
            Self::Raw => "raw",
        }
    }

    /// Whether this library speaks that transport.
    pub fn supports(self, transport: Transport) -> bool {
        self != Self::Raw || transport != Transport::Inproc
    }
}

/// The socket types that the workloads use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    /// Sends one way.
    Push,
    /// Receives one way.
    Pull,
    /// Asks, then waits for the answer.
    Req,
    /// Answers.
    Rep,
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

/// What a library is opened with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerOptions {
    /// Background I/O threads per process.
    pub io_threads: i32,
    /// What they run on, where there is a choice.
    pub driver: DriverName,
    /// Path of the shared library, where there is one and the user named it.
    pub libzmq: Option<PathBuf>,
}

/// A library, opened: in ZeroMQ's words a context. Dropping it, after its sockets, flushes.
///
/// Both sockets of an inproc measurement come from one value, used by two threads. Background
/// threads should start in `open` or in the first `socket`: the caller pins itself afterwards, so
/// that they do not inherit its core.
pub trait Peer: Sized + Send + Sync + 'static {
    /// Its socket.
    type Socket: PeerSocket;

    /// Opens the library, with default options except those given.
    fn open(options: &PeerOptions) -> Result<Self>;

    /// Name and version, for the report.
    fn version(&self) -> String;

    /// A new socket, unconnected, default options.
    fn socket(&self, kind: SocketKind) -> Result<Self::Socket>;
}

/// A socket of a library. All calls block; the parent process holds the deadline.
pub trait PeerSocket {
    /// Sets both high-water marks, in messages. Called before bind and connect.
    fn set_hwm(&mut self, messages: i32) -> Result<()>;

    /// Binds, and returns the endpoint to connect to: wildcards resolved.
    fn bind(&mut self, endpoint: &str) -> Result<String>;

    /// Connects.
    fn connect(&mut self, endpoint: &str) -> Result<()>;

    /// Sends one message of one frame.
    fn send(&mut self, message: &[u8]) -> Result<()>;

    /// Receives one message into `buffer` and returns its size. A larger message is an error.
    fn recv(&mut self, buffer: &mut [u8]) -> Result<usize>;
}

/// Something to do with a library whose type is known only to [`dispatch`].
pub trait PeerTask {
    /// What comes out.
    type Output;
    /// Does it.
    fn run<P: Peer>(self) -> Self::Output;
}

/// Runs `task` with the library that `name` stands for.
pub fn dispatch<T: PeerTask>(name: PeerName, task: T) -> T::Output {
    match name {
        PeerName::Zeroring => task.run::<zeroring::Zeroring>(),
        PeerName::Libzmq => task.run::<libzmq::Libzmq>(),
        PeerName::Raw => task.run::<raw::Raw>(),
    }
}

/// Whether the library can be opened here: its version, or why not.
pub fn probe(name: PeerName, options: &PeerOptions) -> Result<String> {
    struct Probe<'a>(&'a PeerOptions);
    impl PeerTask for Probe<'_> {
        type Output = Result<String>;
        fn run<P: Peer>(self) -> Self::Output {
            Ok(P::open(self.0)?.version())
        }
    }
    dispatch(name, Probe(options))
}
