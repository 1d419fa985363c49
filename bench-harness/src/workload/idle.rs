//! Connections on which nothing happens: what each takes of the memory and of the processor of the
//! side that accepts them.
//!
//! The other side is no library but the few bytes of a ZMTP 3.0 handshake on plain sockets, so that
//! ten thousand connections need ten thousand descriptors there, and every library faces the same.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::message::Header;
use super::{Job, RoleReport, greeting_received};
use crate::affinity;
use crate::clock::now_ns;
use crate::peer::{Peer, PeerSocket, SocketKind};
use crate::role::Side;
use crate::usage::private_memory_bytes;

const GREETING_BYTES: usize = 64;

/// The accepting side: counts the greetings, then does nothing while it is measured.
pub fn serve<P: Peer>(job: &mut Job<'_, P>, connections: u32) -> Result<RoleReport> {
    let mut socket = job.socket(SocketKind::Pull)?;
    affinity::pin(job.setting.core(Side::Binder))?;
    let endpoint = socket.bind(&job.setting.endpoint).context("the accepting side")?;
    let before = private_memory_bytes();
    job.control.announce(&[&endpoint])?;
    for _ in 0..connections {
        greeting_received(&mut socket, job.size())?;
    }
    let after = private_memory_bytes();
    // What set-up left to do is done before the measurement.
    std::thread::sleep(Duration::from_nanos(job.setting.warm_up_ns));
    job.meter.begin();
    let started_ns = now_ns();
    std::thread::sleep(Duration::from_nanos(job.setting.duration_ns));
    let elapsed_ns = now_ns() - started_ns;
    let usage = job.meter.end();
    job.control.done()?;
    Ok(RoleReport {
        messages: u64::from(connections),
        elapsed_ns,
        usage,
        connections_bytes: before.zip(after).map(|(before, after)| after.saturating_sub(before)),
        ..RoleReport::default()
    })
}

/// The connecting side: shakes hands, says one message each, and keeps still.
pub fn connect<P: Peer>(job: &mut Job<'_, P>, connections: u32) -> Result<RoleReport> {
    let endpoints = job.control.await_endpoints()?;
    let endpoint = endpoints.first().context("no endpoint was announced")?;
    let greeting = Header::Greeting.message(job.size());
    let mut open = Vec::new();
    for number in 0..connections {
        let stream = shake_hands(endpoint, &greeting);
        open.push(stream.with_context(|| format!("connection {number} of {connections}"))?);
    }
    job.control.await_done()?;
    Ok(RoleReport { messages: u64::from(connections), ..RoleReport::default() })
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// A connection as a ZMTP 3.0 PUSH would make it, up to and including its first message.
fn shake_hands(endpoint: &str, message: &[u8]) -> Result<Box<dyn Stream>> {
    let mut stream: Box<dyn Stream> = if let Some(address) = endpoint.strip_prefix("tcp://") {
        Box::new(TcpStream::connect(address)?)
    } else if let Some(path) = endpoint.strip_prefix("ipc://") {
        Box::new(UnixStream::connect(path)?)
    } else {
        bail!("{endpoint}: only tcp:// and ipc:// have connections")
    };
    stream.write_all(&greeting())?;
    stream.read_exact(&mut [0; GREETING_BYTES]).context("the other side's greeting")?;
    stream.write_all(&ready())?;
    // A command frame: its flags, its length, its body.
    let mut head = [0; 2];
    stream.read_exact(&mut head).context("the other side's READY")?;
    ensure!(head[0] == 4, "a frame with flags {} came instead of READY", head[0]);
    stream.read_exact(&mut vec![0; usize::from(head[1])]).context("the other side's READY")?;
    let mut frame = vec![0, u8::try_from(message.len())?];
    frame.extend_from_slice(message);
    stream.write_all(&frame)?;
    Ok(stream)
}

/// Signature, version 3.0, mechanism NULL, not a server.
fn greeting() -> [u8; GREETING_BYTES] {
    let mut greeting = [0; GREETING_BYTES];
    (greeting[0], greeting[9], greeting[10]) = (0xFF, 0x7F, 3);
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// The READY command of a PUSH socket.
fn ready() -> Vec<u8> {
    let mut body = b"\x05READY\x0BSocket-Type".to_vec();
    body.extend_from_slice(&4_u32.to_be_bytes());
    body.extend_from_slice(b"PUSH");
    let mut frame = vec![4, body.len() as u8];
    frame.append(&mut body);
    frame
}
