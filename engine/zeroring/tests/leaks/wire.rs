//! Peers made by hand, byte by byte: over tcp and ipc, as far as a test needs them.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use crate::support::DEADLINE;

pub const MORE: u8 = 1;
const LONG: u8 = 2;
pub const COMMAND: u8 = 4;

/// A connection of the operating system.
pub enum Wire {
    Tcp(TcpStream),
    Ipc(UnixStream),
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Ipc(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Ipc(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire {
    /// Connects and says nothing.
    pub fn open(endpoint: &str) -> Self {
        let wire = match endpoint.split_once("://").expect("an endpoint") {
            ("tcp", address) => TcpStream::connect(address).map(Self::Tcp),
            ("ipc", path) => UnixStream::connect(path).map(Self::Ipc),
            other => panic!("{other:?} has no wire"),
        };
        let wire = wire.unwrap_or_else(|error| panic!("{endpoint}: {error}"));
        match &wire {
            Self::Tcp(stream) => stream.set_read_timeout(Some(DEADLINE)),
            Self::Ipc(stream) => stream.set_read_timeout(Some(DEADLINE)),
        }
        .expect("a timeout");
        wire
    }

    /// A ZMTP 3.0 peer of type `kind` after its handshake.
    pub fn greeted(endpoint: &str, kind: &str) -> Self {
        let mut wire = Self::open(endpoint);
        let mut greeting = [0_u8; 64];
        (greeting[0], greeting[9], greeting[10]) = (0xff, 0x7f, 3);
        greeting[12..16].copy_from_slice(b"NULL");
        wire.write_all(&greeting).expect("room");
        wire.read_exact(&mut greeting).expect("its greeting");
        let mut ready = b"\x05READY\x0bSocket-Type".to_vec();
        ready.extend_from_slice(&(kind.len() as u32).to_be_bytes());
        ready.extend_from_slice(kind.as_bytes());
        wire.write_all(&frame(COMMAND, &ready)).expect("room");
        wire.read_frame(); // its READY
        wire
    }

    /// Flags and body of the next frame.
    pub fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let mut flags = [0];
        self.read_exact(&mut flags).expect("a frame");
        let mut length = [0; 8];
        let start = if flags[0] & LONG != 0 { 0 } else { 7 };
        self.read_exact(&mut length[start..]).expect("a frame");
        let mut body = vec![0; u64::from_be_bytes(length) as usize];
        self.read_exact(&mut body).expect("a frame");
        (flags[0], body)
    }

    /// The other side closed this connection: reading ends, whatever comes before.
    #[track_caller]
    pub fn assert_shown_out(mut self) {
        match self.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
}

/// A ZMTP 2.0 or 3.x frame.
pub fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = header(flags, body.len() as u64);
    frame.extend_from_slice(body);
    frame
}

/// What stands before a body.
pub fn header(flags: u8, length: u64) -> Vec<u8> {
    match u8::try_from(length) {
        Ok(length) => vec![flags, length],
        Err(_) => [&[flags | LONG][..], &length.to_be_bytes()].concat(),
    }
}
