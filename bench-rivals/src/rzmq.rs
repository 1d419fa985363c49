//! The crate `rzmq`: every call is asynchronous, so a thread that has a message to send or waits
//! for one blocks on its runtime.

use std::sync::Arc;

use anyhow::Result;
use bench_harness::peer::{Capabilities, Facts, Peer, PeerOptions, PeerSocket, SocketKind};
use bytes::Bytes;
use rzmq::socket::options;
use rzmq::{Context, Msg, MsgFlags, SocketType};
use tokio::runtime::{Builder, Runtime};

use crate::parts::{Parts, copy_out};

/// A context and the runtime that its tasks run on.
pub struct Rzmq {
    runtime: Arc<Runtime>,
    context: Context,
    options: PeerOptions,
}

/// A socket.
pub struct Socket {
    runtime: Arc<Runtime>,
    socket: rzmq::Socket,
    parts: Parts,
}

impl Peer for Rzmq {
    type Socket = Socket;

    fn capabilities() -> Capabilities {
        Capabilities { proxy: false, ..Capabilities::all() }
    }

    fn open(options: &PeerOptions) -> Result<Self> {
        let threads = usize::try_from(options.io_threads)?;
        let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
        let context = {
            let _inside = runtime.enter();
            Context::new()?
        };
        Ok(Self { runtime: Arc::new(runtime), context, options: options.clone() })
    }

    fn facts(&self) -> Facts {
        let notes = vec!["each call blocks on a tokio runtime".into()];
        Facts { version: "rzmq 0.5".into(), notes, ..Facts::default() }
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
        let _inside = self.runtime.enter();
        let socket = self.context.socket(kind)?;
        let hwm = self.options.hwm_messages;
        let mut settings = vec![(options::SNDHWM, hwm), (options::RCVHWM, hwm)];
        let buffers = [
            (options::SNDBUF, self.options.sndbuf_bytes),
            (options::RCVBUF, self.options.rcvbuf_bytes),
        ];
        for (option, bytes) in buffers {
            if let Some(bytes) = bytes {
                settings.push((option, i32::try_from(bytes)?));
            }
        }
        for (option, value) in settings {
            self.runtime.block_on(socket.set_option(option, value))?;
        }
        Ok(Socket { runtime: Arc::clone(&self.runtime), socket, parts: Parts::default() })
    }

    fn close(self) -> Result<()> {
        Ok(self.runtime.block_on(self.context.term())?)
    }
}

impl Socket {
    fn receive(&self) -> Result<Vec<Bytes>> {
        let parts = self.runtime.block_on(self.socket.recv_multipart())?;
        Ok(parts.iter().map(|part| part.data_bytes().unwrap_or_default()).collect())
    }
}

impl PeerSocket for Socket {
    fn bind(&mut self, endpoint: &str) -> Result<String> {
        self.runtime.block_on(self.socket.bind(&endpoint.replace(":*", ":0")))?;
        if endpoint.starts_with("tcp://") {
            let bound = self.runtime.block_on(self.socket.get_option(options::LAST_ENDPOINT))?;
            let bound = String::from_utf8(bound)?;
            return Ok(bound.trim_end_matches('\0').to_owned());
        }
        Ok(endpoint.to_owned())
    }

    fn connect(&mut self, endpoint: &str) -> Result<()> {
        Ok(self.runtime.block_on(self.socket.connect(endpoint))?)
    }

    fn subscribe_to_all(&mut self) -> Result<()> {
        Ok(self.runtime.block_on(self.socket.set_option_raw(options::SUBSCRIBE, b""))?)
    }

    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.runtime.block_on(self.socket.send(Msg::from_vec(message.to_vec())))?)
    }

    fn recv(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let message = self.runtime.block_on(self.socket.recv())?;
        copy_out(message.data().unwrap_or_default(), buffer)
    }

    fn send_part(&mut self, part: &[u8], more: bool) -> Result<()> {
        let Some(parts) = self.parts.push(part, more) else { return Ok(()) };
        let last = parts.len() - 1;
        let frame = |(index, part): (usize, Bytes)| {
            let mut frame = Msg::from_bytes(part);
            if index < last {
                frame.set_flags(MsgFlags::MORE);
            }
            frame
        };
        let frames = parts.into_iter().enumerate().map(frame).collect();
        Ok(self.runtime.block_on(self.socket.send_multipart(frames))?)
    }

    fn recv_part(&mut self, buffer: &mut [u8]) -> Result<(usize, bool)> {
        let mut parts = std::mem::take(&mut self.parts);
        let popped = parts.pop(buffer, || self.receive());
        self.parts = parts;
        popped
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A socket that the context closed already has nothing left to close.
        let _ = self.runtime.block_on(self.socket.close());
    }
}
