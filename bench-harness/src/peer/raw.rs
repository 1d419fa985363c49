//! No library: a length, then the body, one `write` per message on a blocking TCP or Unix socket.
//!
//! A yardstick for latency (what the kernel costs when both sides sleep) and a peer that is always
//! there, so that the harness can test itself. It does not batch: its throughput is what happens
//! without a messaging library, not a limit.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};

use anyhow::{Context, Result, anyhow, bail};

use super::{Peer, PeerOptions, PeerSocket, SocketKind};

const HEADER_BYTES: usize = 4;
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Nothing to open.
pub struct Raw;

impl Peer for Raw {
    type Socket = Socket;

    fn open(_options: &PeerOptions) -> Result<Self> {
        Ok(Self)
    }

    fn version(&self) -> String {
        "raw socket, one write per message".into()
    }

    fn socket(&self, _kind: SocketKind) -> Result<Socket> {
        Ok(Socket { state: State::New, outgoing: Vec::new() })
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
}

impl Socket {
    /// The connection, accepted at the first use of a bound socket.
    fn connection(&mut self) -> Result<&mut BufReader<Box<dyn Stream>>> {
        let accepted: Option<Box<dyn Stream>> = match &self.state {
            State::New => bail!("the socket is neither bound nor connected"),
            State::Tcp(listener) => {
                let (stream, _) = listener.accept().context("accept")?;
                stream.set_nodelay(true).context("TCP_NODELAY")?;
                Some(Box::new(stream))
            }
            State::Unix(listener) => Some(Box::new(listener.accept().context("accept")?.0)),
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

    fn adopt(&mut self, stream: Box<dyn Stream>) {
        self.state = State::Connected(BufReader::with_capacity(READ_BUFFER_BYTES, stream));
    }
}

impl PeerSocket for Socket {
    fn set_hwm(&mut self, _messages: i32) -> Result<()> {
        Ok(())
    }

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
            self.adopt(Box::new(stream));
        } else if let Some(path) = endpoint.strip_prefix("ipc://") {
            self.adopt(Box::new(UnixStream::connect(path).with_context(context)?));
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
