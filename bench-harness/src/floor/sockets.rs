//! Plain stream sockets between two processes, and 64 bytes there and back over them.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::{PING_BYTES, Wait};
use crate::affinity;
use crate::clock::now_ns;
use crate::histogram::Latencies;
use crate::peer::Transport;
use crate::role::{Control, Setting, Side};
use crate::workload::RoleReport;

/// A connected socket, pinned to the core of its side.
pub fn open(
    transport: Transport,
    side: Side,
    setting: &Setting,
    control: &mut Control,
) -> Result<OwnedFd> {
    affinity::pin(setting.core(side))?;
    match (transport, side) {
        (Transport::Tcp, Side::Binder) => {
            let listener = TcpListener::bind("127.0.0.1:0").context("bind 127.0.0.1")?;
            control.announce(&[&listener.local_addr()?.to_string()])?;
            without_delay(listener.accept().context("accept")?.0)
        }
        (Transport::Tcp, Side::Connector) => {
            let address = announced(control)?;
            without_delay(
                TcpStream::connect(&address).with_context(|| format!("connect {address}"))?,
            )
        }
        (_, Side::Binder) => {
            let path = setting.endpoint.strip_prefix("ipc://").unwrap_or(&setting.endpoint);
            let listener = UnixListener::bind(path).with_context(|| format!("bind {path}"))?;
            control.announce(&[path])?;
            Ok(listener.accept().context("accept")?.0.into())
        }
        (_, Side::Connector) => {
            let path = announced(control)?;
            Ok(UnixStream::connect(&path).with_context(|| format!("connect {path}"))?.into())
        }
    }
}

fn announced(control: &mut Control) -> Result<String> {
    control.await_endpoints()?.pop().context("no endpoint was announced")
}

fn without_delay(stream: TcpStream) -> Result<OwnedFd> {
    stream.set_nodelay(true).context("TCP_NODELAY")?;
    Ok(stream.into())
}

/// Sends and waits for the echo, until the time is over. Dropping the socket ends the other side.
pub fn ping(socket: &OwnedFd, wait: Wait, setting: &Setting) -> Result<RoleReport> {
    let mut buffer = [0; PING_BYTES];
    let mut round_trip = || -> Result<()> {
        write_all(socket, &buffer)?;
        match read_exact(socket, &mut buffer, wait)? {
            true => Ok(()),
            false => bail!("the echoing side closed the connection"),
        }
    };
    let warm_until_ns = now_ns() + setting.warm_up_ns;
    while now_ns() < warm_until_ns {
        round_trip()?;
    }
    let mut latencies = Latencies::new();
    let started_ns = now_ns();
    let mut after_ns = started_ns;
    while after_ns - started_ns < setting.duration_ns {
        let before_ns = now_ns();
        round_trip()?;
        after_ns = now_ns();
        latencies.record(after_ns - before_ns);
    }
    Ok(RoleReport {
        messages: latencies.count(),
        elapsed_ns: after_ns - started_ns,
        latency: Some(latencies.to_samples()),
        ..RoleReport::default()
    })
}

/// Echoes until the other side closes.
pub fn pong(socket: &OwnedFd, wait: Wait) -> Result<RoleReport> {
    let mut buffer = [0; PING_BYTES];
    let mut report = RoleReport::default();
    while read_exact(socket, &mut buffer, wait)? {
        write_all(socket, &buffer)?;
        report.messages += 1;
    }
    Ok(report)
}

/// Writes everything, blocking.
pub fn write_all(socket: &OwnedFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("writing to the socket"),
        }
    }
    Ok(())
}

/// Fills `buffer`; false if the connection ended before its first byte.
fn read_exact(socket: &OwnedFd, buffer: &mut [u8], wait: Wait) -> Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_some(socket, &mut buffer[filled..], wait)? {
            0 if filled == 0 => return Ok(false),
            0 => bail!("the connection ended inside a message, after {filled} B"),
            received => filled += received,
        }
    }
    Ok(true)
}

/// Reads what there is, at least one byte; 0 at the end of the connection.
#[inline]
pub fn read_some(socket: &OwnedFd, buffer: &mut [u8], wait: Wait) -> Result<usize> {
    let flags = match wait {
        Wait::Sleeping => RecvFlags::empty(),
        Wait::Spinning => RecvFlags::DONTWAIT,
    };
    loop {
        match recv(socket, &mut *buffer, flags) {
            Ok((received, _)) => return Ok(received),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if wait == Wait::Spinning => std::hint::spin_loop(),
            Err(error) => return Err(error).context("reading from the socket"),
        }
    }
}
