//! What libzmq's tools of these names do and print: same order of arguments, same lines, across two
//! hosts, with nothing of our own on the wire.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, Subcommand};

use crate::peer::{Peer, PeerName, PeerOptions, PeerSet, PeerSocket, PeerTask, SocketKind};

/// The tools.
#[derive(Debug, Clone, Subcommand)]
#[command(rename_all = "snake_case")]
pub enum Tool {
    /// Answer a remote_lat on this or another host.
    LocalLat(Lat),
    /// Ask a local_lat and print the average latency.
    RemoteLat(Lat),
    /// Receive from a remote_thr and print the mean throughput.
    LocalThr(Thr),
    /// Send to a local_thr.
    RemoteThr(Thr),
    /// Ask and answer between two threads, and print the average latency.
    InprocLat(InprocLat),
    /// Send and receive between two threads, and print the mean throughput.
    InprocThr(InprocThr),
    /// Send and receive through the library's own proxy, and print the mean throughput.
    ProxyThr(InprocThr),
}

/// Arguments of the latency tools.
#[derive(Debug, Clone, Args)]
pub struct Lat {
    /// Such as tcp://192.0.2.1:5555
    endpoint: String,
    /// In bytes
    message_size: usize,
    /// How many round trips
    roundtrip_count: u64,
    #[command(flatten)]
    with: With,
}

/// Arguments of the throughput tools.
#[derive(Debug, Clone, Args)]
pub struct Thr {
    /// Such as tcp://192.0.2.1:5555
    endpoint: String,
    /// In bytes
    message_size: usize,
    /// How many messages
    message_count: u64,
    #[command(flatten)]
    with: With,
}

/// Arguments of the latency tool in one process.
#[derive(Debug, Clone, Args)]
pub struct InprocLat {
    /// In bytes
    message_size: usize,
    /// How many round trips
    roundtrip_count: u64,
    #[command(flatten)]
    with: With,
}

/// Arguments of the throughput tools in one process.
#[derive(Debug, Clone, Args)]
pub struct InprocThr {
    /// In bytes
    message_size: usize,
    /// How many messages
    message_count: u64,
    #[command(flatten)]
    with: With,
}

/// With which library.
#[derive(Debug, Clone, Args)]
pub struct With {
    /// zeroring or libzmq
    #[arg(long, default_value_t = PeerName::ZERORING)]
    library: PeerName,
    /// The libzmq to load [default: libzmq.so.5 as the system finds it]
    #[arg(long, value_name = "PATH")]
    libzmq: Option<std::path::PathBuf>,
}

impl Tool {
    fn with(&self) -> &With {
        match self {
            Self::LocalLat(arguments) | Self::RemoteLat(arguments) => &arguments.with,
            Self::LocalThr(arguments) | Self::RemoteThr(arguments) => &arguments.with,
            Self::InprocLat(arguments) => &arguments.with,
            Self::InprocThr(arguments) | Self::ProxyThr(arguments) => &arguments.with,
        }
    }
}

/// Does what the tool of that name does.
pub fn run<S: PeerSet>(tool: &Tool) -> Result<()> {
    let With { library, libzmq } = tool.with().clone();
    // The tools leave everything at its default.
    let options = PeerOptions { libzmq, ..PeerOptions::default() };
    let task = RunTool { tool, options };
    S::dispatch(library, task).with_context(|| format!("--library {library}: not in here"))?
}

struct RunTool<'a> {
    tool: &'a Tool,
    options: PeerOptions,
}

impl PeerTask for RunTool<'_> {
    type Output = Result<()>;

    fn run<P: Peer>(self) -> Result<()> {
        let peer = Arc::new(P::open(&self.options)?);
        match self.tool {
            Tool::LocalLat(arguments) => {
                let mut socket = peer.socket(SocketKind::Rep)?;
                socket.bind(&arguments.endpoint)?;
                answer(&mut socket, arguments.message_size, arguments.roundtrip_count)?;
            }
            Tool::RemoteLat(arguments) => {
                let mut socket = peer.socket(SocketKind::Req)?;
                socket.connect(&arguments.endpoint)?;
                ask(&mut socket, arguments.message_size, arguments.roundtrip_count)?;
            }
            Tool::LocalThr(arguments) => {
                let mut socket = peer.socket(SocketKind::Pull)?;
                socket.bind(&arguments.endpoint)?;
                receive(&mut socket, arguments.message_size, arguments.message_count)?;
            }
            Tool::RemoteThr(arguments) => {
                let mut socket = peer.socket(SocketKind::Push)?;
                socket.connect(&arguments.endpoint)?;
                send(&mut socket, arguments.message_size, arguments.message_count)?;
            }
            Tool::InprocLat(arguments) => {
                let InprocLat { message_size, roundtrip_count, .. } = *arguments;
                let mut socket = peer.socket(SocketKind::Req)?;
                let other = beside(&peer, SocketKind::Rep, move |socket| {
                    answer(socket, message_size, roundtrip_count)
                })?;
                socket.connect(other.endpoint())?;
                ask(&mut socket, message_size, roundtrip_count)?;
                other.join()?;
            }
            Tool::InprocThr(arguments) => {
                let InprocThr { message_size, message_count, .. } = *arguments;
                let other = beside(&peer, SocketKind::Pull, move |socket| {
                    receive(socket, message_size, message_count)
                })?;
                let mut socket = peer.socket(SocketKind::Push)?;
                socket.connect(other.endpoint())?;
                send(&mut socket, message_size, message_count)?;
                other.join()?;
            }
            Tool::ProxyThr(arguments) => proxy(&peer, arguments)?,
        }
        Arc::into_inner(peer).context("a socket still holds the library")?.close()
    }
}

/// The other thread of a tool that needs two, on a bound socket.
struct Beside {
    endpoint: String,
    thread: thread::JoinHandle<Result<()>>,
}

impl Beside {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn join(self) -> Result<()> {
        self.thread.join().map_err(|_| anyhow!("the other thread panicked"))?
    }
}

fn beside<P: Peer>(
    peer: &Arc<P>,
    kind: SocketKind,
    job: impl FnOnce(&mut P::Socket) -> Result<()> + Send + 'static,
) -> Result<Beside> {
    let (bound, endpoint) = mpsc::channel();
    let peer = Arc::clone(peer);
    let thread = thread::spawn(move || {
        let mut socket = peer.socket(kind)?;
        bound.send(socket.bind("inproc://tool")?)?;
        job(&mut socket)
    });
    match endpoint.recv() {
        Ok(endpoint) => Ok(Beside { endpoint, thread }),
        Err(_) => {
            thread.join().map_err(|_| anyhow!("the other thread panicked"))??;
            bail!("the other thread ended early")
        }
    }
}

fn proxy<P: Peer>(peer: &Arc<P>, arguments: &InprocThr) -> Result<()> {
    let InprocThr { message_size, message_count, .. } = *arguments;
    let receiver =
        beside(peer, SocketKind::Pull, move |socket| receive(socket, message_size, message_count))?;
    let behind = receiver.endpoint().to_owned();
    let (bound, endpoint) = mpsc::channel();
    let between = Arc::clone(peer);
    let forwarding = thread::spawn(move || -> Result<()> {
        let mut front = between.socket(SocketKind::Pull)?;
        let mut back = between.socket(SocketKind::Push)?;
        back.connect(&behind)?;
        bound.send(front.bind("inproc://proxy")?)?;
        between.proxy(front, back)
    });
    let mut socket = peer.socket(SocketKind::Push)?;
    socket.connect(&endpoint.recv().context("the proxy ended early")?)?;
    send(&mut socket, message_size, message_count)?;
    receiver.join()?;
    drop(socket);
    peer.shutdown();
    forwarding.join().map_err(|_| anyhow!("the proxy's thread panicked"))?
}

fn answer<S: PeerSocket>(socket: &mut S, size: usize, count: u64) -> Result<()> {
    let mut message = vec![0; size];
    for _ in 0..count {
        receive_one(socket, &mut message)?;
        socket.send(&message)?;
    }
    Ok(())
}

fn ask<S: PeerSocket>(socket: &mut S, size: usize, count: u64) -> Result<()> {
    ensure!(count > 0, "at least one round trip");
    let mut message = vec![0; size];
    let started = Instant::now();
    for _ in 0..count {
        socket.send(&message)?;
        receive_one(socket, &mut message)?;
    }
    // One way: half of a round trip.
    let average_us = started.elapsed().as_secs_f64() * 1e6 / (2 * count) as f64;
    println!("message size: {size} [B]");
    println!("roundtrip count: {count}");
    println!("average latency: {average_us:.3} [us]");
    Ok(())
}

fn send<S: PeerSocket>(socket: &mut S, size: usize, count: u64) -> Result<()> {
    let message = vec![0; size];
    (0..count).try_for_each(|_| socket.send(&message))
}

/// The first message starts the clock, so that waiting for the sender does not count.
fn receive<S: PeerSocket>(socket: &mut S, size: usize, count: u64) -> Result<()> {
    ensure!(count > 1, "at least two messages: the first one starts the clock");
    let mut message = vec![0; size];
    receive_one(socket, &mut message)?;
    let started = Instant::now();
    for _ in 1..count {
        receive_one(socket, &mut message)?;
    }
    let seconds = started.elapsed().as_secs_f64().max(1e-9);
    let per_second = count as f64 / seconds;
    println!("message size: {size} [B]");
    println!("message count: {count}");
    println!("mean throughput: {per_second:.0} [msg/s]");
    println!("mean throughput: {:.3} [Mb/s]", per_second * size as f64 * 8.0 / 1e6);
    Ok(())
}

fn receive_one<S: PeerSocket>(socket: &mut S, message: &mut [u8]) -> Result<()> {
    let received = socket.recv(message)?;
    let size = message.len();
    ensure!(received == size, "a message of incorrect size came: {received} B instead of {size} B");
    Ok(())
}
