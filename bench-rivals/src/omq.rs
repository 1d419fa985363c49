//! The crate `omq-tokio`, through its blocking interface.

use anyhow::Result;
use bench_harness::peer::{Capabilities, Facts, Peer, PeerOptions, PeerSocket, SocketKind};
use bytes::Bytes;
use omq_tokio::context::ContextConfig;
use omq_tokio::{Context, Message, Options, SocketType, blocking};

use crate::parts::{Parts, copy_out};

/// A context and what its sockets are made with.
pub struct Omq {
    context: Context,
    options: PeerOptions,
}

/// A socket.
pub struct Socket {
    socket: blocking::Socket,
    parts: Parts,
}

impl Peer for Omq {
    type Socket = Socket;

    fn capabilities() -> Capabilities {
        Capabilities { proxy: false, ..Capabilities::all() }
    }

    fn open(options: &PeerOptions) -> Result<Self> {
        let io_threads = usize::try_from(options.io_threads)?;
        let context = Context::with_config(ContextConfig { io_threads });
        Ok(Self { context, options: options.clone() })
    }

    fn facts(&self) -> Facts {
        let notes = vec!["blocking interface".to_owned()];
        Facts { version: "omq-tokio 0.33".into(), notes, ..Facts::default() }
    }

    fn socket(&self, kind: SocketKind) -> Result<Socket> {
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
        let hwm = u32::try_from(self.options.hwm_messages)?;
        let bytes = |bytes: Option<u32>| bytes.map(|bytes| bytes as usize);
        let options = Options {
            send_hwm: hwm,
            recv_hwm: hwm,
            send_buffer_size: bytes(self.options.sndbuf_bytes),
            recv_buffer_size: bytes(self.options.rcvbuf_bytes),
            ..Options::default()
        };
        let socket = self.context.blocking_socket(kind, options);
        Ok(Socket { socket, parts: Parts::default() })
    }

    fn close(self) -> Result<()> {
        self.context.term();
        Ok(())
    }
}

impl PeerSocket for Socket {
    fn bind(&mut self, endpoint: &str) -> Result<String> {
        Ok(self.socket.bind(endpoint.replace(":*", ":0").as_str())?.to_string())
    }

    fn connect(&mut self, endpoint: &str) -> Result<()> {
        Ok(self.socket.connect(endpoint)?)
    }

    fn subscribe_to_all(&mut self) -> Result<()> {
        Ok(self.socket.subscribe(Bytes::new())?)
    }

    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.socket.send(Message::from_slice(message))?)
    }

    fn recv(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let message = self.socket.recv()?;
        copy_out(message.get(0).unwrap_or_default(), buffer)
    }

    fn send_part(&mut self, part: &[u8], more: bool) -> Result<()> {
        match self.parts.push(part, more) {
            Some(parts) => Ok(self.socket.send(Message::multipart(parts))?),
            None => Ok(()),
        }
    }

    fn recv_part(&mut self, buffer: &mut [u8]) -> Result<(usize, bool)> {
        let socket = &self.socket;
        self.parts.pop(buffer, || {
            let message = socket.recv()?;
            Ok((0..message.len()).filter_map(|index| message.part_bytes(index)).collect())
        })
    }
}
