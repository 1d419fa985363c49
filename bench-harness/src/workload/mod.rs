//! The workloads, and what all of them share: the order of events between the two sides, and what
//! a side reports.
//!
//! The binder binds and announces its endpoints; the connector connects and sends a greeting on
//! each connection; when all arrived the binder says `linked`, and only then does the clock of the
//! sender start. So no connection set-up is ever measured, and no fixed pause is needed. At the end
//! the receiver says `done`, and only then does the sender close: libzmq drops what is still in the
//! kernel when the sender of an ipc connection hangs up while the receiver's queue is full.

mod fan_out;
mod idle;
mod kinds;
pub mod message;
mod one_way;
mod pipeline;
mod proxied;
mod round_trip;
mod throughput;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::affinity;
use crate::histogram::Samples;
use crate::peer::{Facts, Peer, PeerSocket, SocketKind};
use crate::role::{Control, Setting, Side};
use crate::usage::{Meter, Usage};

pub use kinds::{Load, Pattern, Workload};
use message::Header;

/// Message size of the latency workloads unless the user says otherwise.
pub const LATENCY_MESSAGE_BYTES: usize = 64;

/// What one side saw. Fields that a side has nothing to say about stay at zero or absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoleReport {
    /// Messages sent, answered or received while measuring. A publisher counts a message once per
    /// subscriber that reads.
    pub messages: u64,
    /// Body bytes of those messages.
    pub bytes: u64,
    /// From the first measured message to the last.
    pub elapsed_ns: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Sequence numbers that came after a higher one, or twice.
    pub reordered: u64,
    /// Messages that fell due and were never sent, because the sender gave up.
    pub unsent: u64,
    /// Round trip, or receive minus intended send.
    pub latency: Option<Samples>,
    /// Receive minus actual send, in the open loop.
    pub latency_since_send: Option<Samples>,
    /// What this side's process used; absent on the second side of a process.
    pub usage: Option<Usage>,
    /// What idle connections took of this process's memory, all together.
    pub connections_bytes: Option<u64>,
    /// What the library says about itself, once it runs.
    pub facts: Option<Facts>,
}

/// Everything a side needs to do its part.
#[derive(Debug)]
struct Job<'a, P: Peer> {
    peer: &'a Arc<P>,
    workload: Workload,
    setting: &'a Setting,
    control: &'a mut Control,
    meter: Meter,
}

impl<P: Peer> Job<'_, P> {
    fn size(&self) -> usize {
        self.workload.size_bytes
    }

    fn socket(&self, kind: SocketKind) -> Result<P::Socket> {
        self.peer.socket(kind)
    }
}

/// Runs one side of a workload with an opened library and returns what it saw.
pub fn run<P: Peer>(
    peer: &Arc<P>,
    workload: Workload,
    side: Side,
    setting: &Setting,
    control: &mut Control,
) -> Result<RoleReport> {
    if setting.pin_first {
        affinity::pin(setting.core(side))?;
    }
    let meter = Meter::new(setting.meters(side));
    let mut job = Job { peer, workload, setting, control, meter };
    let mut report = match (workload.pattern, side) {
        (Pattern::FanOut { .. }, Side::Binder) => fan_out::publish(&mut job),
        (Pattern::FanOut { .. }, Side::Connector) => fan_out::subscribe(&mut job),
        (Pattern::Idle { connections }, Side::Binder) => idle::serve(&mut job, connections),
        (Pattern::Idle { connections }, Side::Connector) => idle::connect(&mut job, connections),
        (Pattern::Proxy, Side::Binder) => proxied::receive(&mut job),
        (_, Side::Binder) => bind_side(&mut job),
        (_, Side::Connector) => connect_side(&mut job),
    }?;
    // Who only plays the other side of idle connections does not use the library.
    if !matches!((workload.pattern, side), (Pattern::Idle { .. }, Side::Connector)) {
        report.facts = Some(peer.facts());
    }
    Ok(report)
}

/// A bound socket, pinned and linked, does its part and says `done`.
fn bind_side<P: Peer>(job: &mut Job<'_, P>) -> Result<RoleReport> {
    let kind = match job.workload.pattern {
        Pattern::RequestReply => SocketKind::Rep,
        Pattern::RouterDealer => SocketKind::Router,
        _ => SocketKind::Pull,
    };
    let mut socket = job.socket(kind)?;
    // Only now, so that the library's own threads, started above, keep every core to choose from.
    affinity::pin(job.setting.core(Side::Binder))?;
    let endpoint = socket.bind(&job.setting.endpoint).context("the receiving side")?;
    job.control.announce(&[&endpoint])?;
    receive_linked(job, &mut socket)
}

/// Waits for the greetings on a bound socket, then does the receiving side's part.
fn receive_linked<P: Peer>(job: &mut Job<'_, P>, socket: &mut P::Socket) -> Result<RoleReport> {
    let mut report = match (job.workload.pattern, job.workload.load) {
        (Pattern::RouterDealer, _) => pipeline::answer(job, socket),
        (Pattern::RequestReply, _) => {
            greeting_received(socket, job.size())?;
            job.control.linked()?;
            round_trip::answer(job, socket)
        }
        (pattern, load) => {
            let senders = if let Pattern::FanIn { senders } = pattern { senders } else { 1 };
            for _ in 0..senders {
                greeting_received(socket, job.size())?;
            }
            job.control.linked()?;
            match load {
                Load::OpenLoop { .. } => one_way::receive(job, socket),
                _ => throughput::receive(job, socket, senders),
            }
        }
    }?;
    report.usage = job.meter.end();
    job.control.done()?;
    Ok(report)
}

/// Connected sockets, pinned and linked, do their part and stay open until the other side is done.
fn connect_side<P: Peer>(job: &mut Job<'_, P>) -> Result<RoleReport> {
    let (kind, count) = match job.workload.pattern {
        Pattern::RequestReply => (SocketKind::Req, 1),
        Pattern::RouterDealer => (SocketKind::Dealer, 1),
        Pattern::FanIn { senders } => (SocketKind::Push, senders),
        _ => (SocketKind::Push, 1),
    };
    let mut sockets =
        (0..count).map(|_| job.socket(kind)).collect::<Result<Vec<_>>>().context("the sockets")?;
    affinity::pin(job.setting.core(Side::Connector))?;
    let endpoints = job.control.await_endpoints()?;
    let endpoint = endpoints.first().context("no endpoint was announced")?;
    for socket in &mut sockets {
        socket.connect(endpoint).context("the sending side")?;
        socket.send(&Header::Greeting.message(job.size()))?;
    }
    job.control.await_linked()?;
    let mut report = match (job.workload.pattern, job.workload.load) {
        (Pattern::RequestReply, _) => round_trip::ask(job, &mut sockets[0]),
        (Pattern::RouterDealer, Load::Window { messages }) => {
            pipeline::ask(job, &mut sockets[0], messages)
        }
        (_, Load::OpenLoop { .. }) => one_way::send(job, &mut sockets[0]),
        (_, Load::Saturating) => throughput::send(job, &mut sockets),
        (pattern, load) => bail!("{pattern:?} cannot be loaded by {load:?}"),
    }?;
    job.control.await_done()?;
    // Now everything that was sent has also left this process, and its cost belongs to it.
    report.usage = job.meter.end();
    Ok(report)
}

fn greeting_received<S: PeerSocket>(socket: &mut S, size: usize) -> Result<()> {
    let mut message = vec![0; size];
    let received = socket.recv(&mut message)?;
    match Header::read(&message[..received])? {
        Header::Greeting => Ok(()),
        other => bail!("the first message was {other:?} instead of the greeting: one was lost"),
    }
}
