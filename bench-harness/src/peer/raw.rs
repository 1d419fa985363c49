//! No library: a length, then the body, one `write` per message on a blocking TCP or Unix socket.
//!
//! A yardstick for latency (what the kernel costs when both sides sleep) and a peer that is always
//! there, so that the harness can test itself. It does not batch: its throughput is what happens
//! without a messaging library, not a limit.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};

use anyhow::{Context, Result, anyhow, bail};

use rustix::fd::AsFd;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

use super::{Capabilities, Facts, Peer, PeerOptions, PeerSocket, SocketKind, Transport};

const HEADER_BYTES: usize = 4;
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Nothing to open; only what its sockets are made with.
pub struct Raw(PeerOptions);

impl Peer for Raw {
    type Socket = Socket;

    fn capabilities() -> Capabilities {
        use SocketKind::{Pull, Push, Rep, Req};
        Capabilities {
            transports: vec![Transport::Ipc, Transport::Tcp],
            kinds: vec![Push, Pull, Req, Rep],
            many_connections: false,
            multipart: false,
            proxy: false,
        }
    }

    fn open(options: &PeerOptions) -> Result<Self> {
        Ok(Self(options.clone()))
    }

    fn facts(&self) -> Facts {
        Facts { version: "raw socket, one write per message".into(), ..Facts::default() }
    }

    fn socket(&self, _kind: SocketKind) -> Result<Socket> {
        Ok(Socket { state: State::New, outgoing: Vec::new(), options: self.0.clone() })
    }
}

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

enum State {
    New,
    Tcp(TcpListener),
    Unix(UnixListener),
    Connected(BufReader<Box<dyn Stream>>),
}

/// One side of one connection; the kernel's buffers are its only queue.
pub struct Socket {
    state: State,
    outgoing: Vec<u8>,
    options: PeerOptions,
}

impl Socket {
    /// The connection, accepted at the first use of a bound socket.
    fn connection(&mut self) -> Result<&mut BufReader<Box<dyn Stream>>> {
        let accepted: Option<Box<dyn Stream>> = match &self.state {
            State::New => bail!("the socket is neither bound nor connected"),
            State::Tcp(listener) => {
                let (stream, _) = listener.accept().context("accept")?;
                stream.set_nodelay(true).context("TCP_NODELAY")?;
                self.set_buffers(&stream)?;
                Some(Box::new(stream))
            }
            State::Unix(listener) => {
                let (stream, _) = listener.accept().context("accept")?;
                self.set_buffers(&stream)?;
                Some(Box::new(stream))
            }
            State::Connected(_) => None,
        };
        if let Some(stream) = accepted {
            self.adopt(stream);
        }
        match &mut self.state {
            State::Connected(connection) => Ok(connection),
            _ => Err(anyhow!("the socket was not connected after accept")),
        }
    }

    fn set_buffers(&self, stream: &impl AsFd) -> Result<()> {
        if let Some(bytes) = self.options.sndbuf_bytes {
            set_socket_send_buffer_size(stream, bytes as usize).context("--sndbuf")?;
        }
        if let Some(bytes) = self.options.rcvbuf_bytes {
            set_socket_recv_buffer_size(stream, bytes as usize).context("--rcvbuf")?;
        }
        Ok(())
    }

    fn adopt(&mut self, stream: Box<dyn Stream>) {
        self.state = State::Connected(BufReader::with_capacity(READ_BUFFER_BYTES, stream));
    }
}

impl PeerSocket for Socket {
    fn bind(&mut self, endpoint: &str) -> Result<String> {
        let context = || format!("bind {endpoint}");
        if let Some(address) = endpoint.strip_prefix("tcp://") {
            let address = address.replace('*', "0");
            let listener = TcpListener::bind(address).with_context(context)?;
            let bound = listener.local_addr().with_context(context)?;
            self.state = State::Tcp(listener);
            Ok(format!("tcp://{bound}"))
        } else if let Some(path) = endpoint.strip_prefix("ipc://") {
            self.state = State::Unix(UnixListener::bind(path).with_context(context)?);
            Ok(endpoint.to_owned())
        } else {
            bail!("{endpoint}: the raw peer speaks tcp:// and ipc:// only")
        }
    }

    fn connect(&mut self, endpoint: &str) -> Result<()> {
        let context = || format!("connect {endpoint}");
        if let Some(address) = endpoint.strip_prefix("tcp://") {
            let stream = TcpStream::connect(address).with_context(context)?;
            stream.set_nodelay(true).with_context(context)?;
            self.set_buffers(&stream)?;
            self.adopt(Box::new(stream));
        } else if let Some(path) = endpoint.strip_prefix("ipc://") {
            let stream = UnixStream::connect(path).with_context(context)?;
            self.set_buffers(&stream)?;
            self.adopt(Box::new(stream));
        } else {
            bail!("{endpoint}: the raw peer speaks tcp:// and ipc:// only")
        }
        Ok(())
    }

    fn send(&mut self, message: &[u8]) -> Result<()> {
        let mut outgoing = std::mem::take(&mut self.outgoing);
        outgoing.clear();
        outgoing.extend_from_slice(&u32::try_from(message.len())?.to_le_bytes());
        outgoing.extend_from_slice(message);
        let written = self.connection()?.get_mut().write_all(&outgoing);
        self.outgoing = outgoing;
        written.context("send")
    }

    fn recv(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let connection = self.connection()?;
        let mut header = [0; HEADER_BYTES];
        connection.read_exact(&mut header).context("receive a length")?;
        let size = u32::from_le_bytes(header) as usize;
        let limit = buffer.len();
        let Some(body) = buffer.get_mut(..size) else {
            bail!("a message of {size} B came, at most {limit} B expected");
        };
        connection.read_exact(body).context("receive a body")?;
        Ok(size)
    }
}
