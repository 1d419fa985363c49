//! This engine, through the crate that users write against: default options, nothing private.

use std::time::Duration;

use anyhow::{Result, ensure};
use zeroring::{AnySocket, Context, DriverChoice, Message, SocketType};

use super::{DriverName, Peer, PeerOptions, PeerSocket, SocketKind};

/// How long what was sent may take to leave when a workload is over.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);

/// An open context.
pub struct Zeroring(Context);

/// A socket, and the message that receives go into.
pub struct ZeroringSocket {
    socket: AnySocket,
    received: Message,
}

impl Peer for Zeroring {
    type Socket = ZeroringSocket;

    fn open(options: &PeerOptions) -> Result<Self> {
        let io_threads = u32::try_from(options.io_threads)?;
        let driver = match options.driver {
            DriverName::Auto => DriverChoice::Auto,
            DriverName::Uring => DriverChoice::Uring,
            DriverName::Epoll => DriverChoice::Epoll,
        };
        Ok(Self(Context::builder().io_threads(io_threads).driver(driver).build()))
    }

    fn version(&self) -> String {
        format!("zeroring {}", env!("CARGO_PKG_VERSION"))
    }

    fn socket(&self, kind: SocketKind) -> Result<Self::Socket> {
        let kind = match kind {
            SocketKind::Push => SocketType::Push,
            SocketKind::Pull => SocketType::Pull,
            SocketKind::Req => SocketType::Req,
            SocketKind::Rep => SocketType::Rep,
        };
        Ok(ZeroringSocket { socket: self.0.any_socket(kind)?, received: Message::new() })
    }
}

impl Drop for Zeroring {
    fn drop(&mut self) {
        self.0.term_timeout(FLUSH_LIMIT);
    }
}

impl PeerSocket for ZeroringSocket {
    fn set_hwm(&mut self, messages: i32) -> Result<()> {
        let messages = u32::try_from(messages)?;
        self.socket.set_send_hwm(messages);
        self.socket.set_recv_hwm(messages);
        Ok(())
    }

    fn bind(&mut self, endpoint: &str) -> Result<String> {
        Ok(self.socket.bind(endpoint)?)
    }

    fn connect(&mut self, endpoint: &str) -> Result<()> {
        Ok(self.socket.connect(endpoint)?)
    }

    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.socket.send(message)?)
    }

    fn recv(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.socket.recv_into(&mut self.received)?;
        let size = self.received.len();
        ensure!(
            size <= buffer.len(),
            "received {size} bytes where {} fit: a message of another run",
            buffer.len()
        );
        buffer[..size].copy_from_slice(&self.received);
        Ok(size)
    }
}
