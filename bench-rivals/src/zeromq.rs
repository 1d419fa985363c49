//! The crate `zeromq`: every call is asynchronous, so a thread that has a message to send or waits
//! for one blocks on its runtime. It has no inproc, no high-water marks and no socket buffers.

use std::sync::Arc;

use anyhow::{Result, bail};
use bench_harness::peer::{
    Capabilities, Facts, Peer, PeerOptions, PeerSocket, SocketKind, Transport,
};
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use zeromq::{Socket as _, SocketRecv, SocketSend, ZmqMessage};

use crate::parts::{Parts, copy_out};

/// The runtime that sockets run on; there is no context.
pub struct Zeromq(Arc<Runtime>);

/// A socket.
pub struct Socket {
    runtime: Arc<Runtime>,
    any: Any,
    parts: Parts,
}

/// Every socket is a type of its own.
enum Any {
    Push(zeromq::PushSocket),
    Pull(zeromq::PullSocket),
    Req(zeromq::ReqSocket),
    Rep(zeromq::RepSocket),
    Dealer(zeromq::DealerSocket),
    Router(zeromq::RouterSocket),
    Pub(zeromq::PubSocket),
    Sub(zeromq::SubSocket),
}

/// Does the same with whichever socket it is.
macro_rules! with_any {
    ($any:expr, $socket:ident => $do:expr) => {
        match $any {
            Any::Push($socket) => $do,
            Any::Pull($socket) => $do,
            Any::Req($socket) => $do,
            Any::Rep($socket) => $do,
            Any::Dealer($socket) => $do,
            Any::Router($socket) => $do,
            Any::Pub($socket) => $do,
            Any::Sub($socket) => $do,
        }
    };
}

impl Peer for Zeromq {
    type Socket = Socket;

    fn capabilities() -> Capabilities {
        let transports = vec![Transport::Ipc, Transport::Tcp];
        Capabilities { transports, proxy: false, ..Capabilities::all() }
    }

    fn open(options: &PeerOptions) -> Result<Self> {
        let threads = usize::try_from(options.io_threads)?;
        let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
        Ok(Self(Arc::new(runtime)))
    }

    fn facts(&self) -> Facts {
        let notes = vec![
            "each call blocks on a tokio runtime".into(),
            "--hwm, --sndbuf and --rcvbuf not used".into(),
        ];
        Facts { version: "zeromq 0.7".into(), notes, ..Facts::default() }
    }

    fn socket(&self, kind: SocketKind) -> Result<Socket> {
        let _inside = self.0.enter();
        let any = match kind {
            SocketKind::Push => Any::Push(zeromq::PushSocket::new()),
            SocketKind::Pull => Any::Pull(zeromq::PullSocket::new()),
            SocketKind::Req => Any::Req(zeromq::ReqSocket::new()),
            SocketKind::Rep => Any::Rep(zeromq::RepSocket::new()),
            SocketKind::Dealer => Any::Dealer(zeromq::DealerSocket::new()),
            SocketKind::Router => Any::Router(zeromq::RouterSocket::new()),
            SocketKind::Pub => Any::Pub(zeromq::PubSocket::new()),
            SocketKind::Sub => Any::Sub(zeromq::SubSocket::new()),
        };
        Ok(Socket { runtime: Arc::clone(&self.0), any, parts: Parts::default() })
    }
}

impl Socket {
    fn transmit(&mut self, message: ZmqMessage) -> Result<()> {
        let runtime = Arc::clone(&self.runtime);
        Ok(runtime.block_on(async {
            match &mut self.any {
                Any::Push(socket) => socket.send(message).await,
                Any::Req(socket) => socket.send(message).await,
                Any::Rep(socket) => socket.send(message).await,
                Any::Dealer(socket) => socket.send(message).await,
                Any::Router(socket) => socket.send(message).await,
                Any::Pub(socket) => socket.send(message).await,
                Any::Pull(_) | Any::Sub(_) => {
                    Err(zeromq::ZmqError::Other("this socket cannot send"))
                }
            }
        })?)
    }

    fn receive(&mut self) -> Result<ZmqMessage> {
        let runtime = Arc::clone(&self.runtime);
        Ok(runtime.block_on(async {
            match &mut self.any {
                Any::Pull(socket) => socket.recv().await,
                Any::Req(socket) => socket.recv().await,
                Any::Rep(socket) => socket.recv().await,
                Any::Dealer(socket) => socket.recv().await,
                Any::Router(socket) => socket.recv().await,
                Any::Sub(socket) => socket.recv().await,
                Any::Push(_) | Any::Pub(_) => {
                    Err(zeromq::ZmqError::Other("this socket cannot receive"))
                }
            }
        })?)
    }
}

impl PeerSocket for Socket {
    fn bind(&mut self, endpoint: &str) -> Result<String> {
        let endpoint = endpoint.replace(":*", ":0");
        let bound = self
            .runtime
            .block_on(async { with_any!(&mut self.any, socket => socket.bind(&endpoint).await) })?;
        Ok(bound.to_string())
    }

    fn connect(&mut self, endpoint: &str) -> Result<()> {
        Ok(self.runtime.block_on(async {
            with_any!(&mut self.any, socket => socket.connect(endpoint).await)
        })?)
    }

    fn subscribe_to_all(&mut self) -> Result<()> {
        match &mut self.any {
            Any::Sub(socket) => Ok(self.runtime.block_on(socket.subscribe(""))?),
            _ => bail!("only a SUB subscribes"),
        }
    }

    fn send(&mut self, message: &[u8]) -> Result<()> {
        self.transmit(Bytes::copy_from_slice(message).into())
    }

    fn recv(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let message = self.receive()?;
        copy_out(message.get(0).map(|part| part.as_ref()).unwrap_or_default(), buffer)
    }

    fn send_part(&mut self, part: &[u8], more: bool) -> Result<()> {
        match self.parts.push(part, more) {
            Some(parts) => match ZmqMessage::try_from(parts) {
                Ok(message) => self.transmit(message),
                Err(_) => bail!("a message without parts"),
            },
            None => Ok(()),
        }
    }

    fn recv_part(&mut self, buffer: &mut [u8]) -> Result<(usize, bool)> {
        let mut parts = std::mem::take(&mut self.parts);
        let popped = parts.pop(buffer, || Ok(self.receive()?.into_vec()));
        self.parts = parts;
        popped
    }
}
