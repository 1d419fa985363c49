//! This engine, through the crate that users write against: default options, nothing private.

use std::time::Duration;

use anyhow::{Result, ensure};
use zeroring::{
    AnySocket, Context, DriverChoice, Received, SocketType, Timeout, WaitPolicy, proxy,
};

use super::{Capabilities, DriverName, Facts, Peer, PeerOptions, PeerSocket, SocketKind, WaitName};

/// How long what was sent may take to leave when a workload is over.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);

/// An open context, and what its sockets are made with.
pub struct Zeroring {
    context: Context,
    options: PeerOptions,
}

/// A socket.
pub struct ZeroringSocket(AnySocket);

impl Peer for Zeroring {
    type Socket = ZeroringSocket;

    fn capabilities() -> Capabilities {
        Capabilities::all()
    }

    fn open(options: &PeerOptions) -> Result<Self> {
        let driver = match options.driver {
            DriverName::Auto => DriverChoice::Auto,
            DriverName::Uring => DriverChoice::Uring,
            DriverName::Epoll => DriverChoice::Epoll,
        };
        let wait_policy = match options.wait_policy {
            WaitName::Sleep => WaitPolicy::Sleep,
            WaitName::Adaptive => WaitPolicy::Adaptive,
            WaitName::Spin => WaitPolicy::Spin,
        };
        let cpu_io = options.cpu_io.iter().map(|&core| core as u32);
        let context = Context::builder()
            .io_threads(u32::try_from(options.io_threads)?)
            .max_sockets(u32::try_from(options.max_sockets)?)
            .driver(driver)
            .wait_policy(wait_policy)
            .thread_cpus(cpu_io)
            .build();
        Ok(Self { context, options: options.clone() })
    }

    fn facts(&self) -> Facts {
        Facts {
            version: format!("zeroring {}", env!("CARGO_PKG_VERSION")),
            driver: self.context.driver_name().map(str::to_owned),
            path: None,
            notes: self.context.notes(),
        }
    }

    fn socket(&self, kind: SocketKind) -> Result<Self::Socket> {
        let kind = match kind {
            SocketKind::Push => SocketType::Push,
            SocketKind::Pull => SocketType::Pull,
            SocketKind::Req => SocketType::Req,
            SocketKind::Rep => SocketType::Rep,
            SocketKind::Dealer => SocketType::Dealer,
            SocketKind::Router => SocketType::Router,
            SocketKind::Pub => SocketType::Pub,
            SocketKind::Sub => SocketType::Sub,
        };
        let socket = self.context.any_socket(kind)?;
        let hwm = u32::try_from(self.options.hwm_messages)?;
        socket.set_send_hwm(hwm);
        socket.set_recv_hwm(hwm);
        socket.set_send_buffer(self.options.sndbuf_bytes);
        socket.set_recv_buffer(self.options.rcvbuf_bytes);
        Ok(ZeroringSocket(socket))
    }

    fn proxy(&self, front: Self::Socket, back: Self::Socket) -> Result<()> {
        match proxy(&front.0, &back.0, None) {
            Err(error) if error.is_terminated() => Ok(()),
            other => Ok(other?),
        }
    }

    fn shutdown(&self) {
        self.context.shutdown();
    }

    fn close(self) -> Result<()> {
        let in_time = self.context.term_timeout(FLUSH_LIMIT);
        ensure!(in_time, "what was sent had not left {FLUSH_LIMIT:?} after the end");
        Ok(())
    }
}

/// The whole part, or the harness's mistake.
#[inline]
fn whole(received: Received, buffer: &[u8]) -> Result<usize> {
    let size = received.size_bytes;
    ensure!(
        size <= buffer.len(),
        "a message of {size} B came, at most {} B expected",
        buffer.len()
    );
    Ok(size)
}

impl PeerSocket for ZeroringSocket {
    fn bind(&mut self, endpoint: &str) -> Result<String> {
        Ok(self.0.bind(endpoint)?)
    }

    fn connect(&mut self, endpoint: &str) -> Result<()> {
        Ok(self.0.connect(endpoint)?)
    }

    fn subscribe_to_all(&mut self) -> Result<()> {
        Ok(self.0.subscribe("")?)
    }

    #[inline(always)] // what a program would write there
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.0.send(message)?)
    }

    #[inline(always)]
    fn recv(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let received = self.0.recv_slice(buffer, Timeout::Option)?;
        whole(received, buffer)
    }

    #[inline]
    fn send_part(&mut self, part: &[u8], more: bool) -> Result<()> {
        Ok(self.0.send_part(part, more, Timeout::Option)?)
    }

    #[inline]
    fn recv_part(&mut self, buffer: &mut [u8]) -> Result<(usize, bool)> {
        let received = self.0.recv_slice(buffer, Timeout::Option)?;
        Ok((whole(received, buffer)?, received.more))
    }
}
