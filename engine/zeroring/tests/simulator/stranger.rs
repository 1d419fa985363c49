//! A ZMTP 3.0 peer made by hand, on a node of its own.

use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;

use zeroring_core::io::transport::{Connecting, Stream, Transport};
use zeroring_core::options::{ContextOptions, SocketOptions};
use zeroring_zmtp::SocketType;

use super::world::World;

const MS: u64 = 1_000_000;

/// One connection to a socket of the engine.
pub struct Stranger(Arc<dyn Stream>);

impl Stranger {
    /// Connects to `address` as a socket of type `kind` and shakes hands.
    pub fn join(world: &mut World, address: &str, kind: SocketType) -> Self {
        let peer = Self::connect(world, address);
        let mut greeting = vec![0_u8; 64];
        greeting[0] = 0xff;
        greeting[9] = 0x7f;
        greeting[10] = 3;
        greeting[12..16].copy_from_slice(b"NULL");
        let mut ready = b"\x05READY\x0bSocket-Type".to_vec();
        ready.extend_from_slice(&(kind.name().len() as u32).to_be_bytes());
        ready.extend_from_slice(kind.name().as_bytes());
        greeting.extend_from_slice(&[4, ready.len() as u8]);
        greeting.extend_from_slice(&ready);
        peer.send(&greeting);
        world.advance(MS);
        peer
    }

    /// Connects to `address` and says nothing.
    pub fn connect(world: &mut World, address: &str) -> Self {
        Self::connect_many(world, address, 1).remove(0)
    }

    /// As many connections at once.
    pub fn connect_many(world: &mut World, address: &str, count: usize) -> Vec<Self> {
        let options = SocketOptions::new(SocketType::Stream, &ContextOptions::default());
        let transport = world.net.transport("tcp", "stranger");
        let attempt = |_| transport.connect(address, &options).expect("an address");
        let attempts: Vec<_> = (0..count).map(attempt).collect();
        world.advance(MS);
        let finish = |mut attempt: Box<dyn Connecting>| attempt.finish().expect("it listens");
        attempts.into_iter().map(|attempt| Self(finish(attempt))).collect()
    }

    /// Sends bytes, all of which must fit.
    pub fn send(&self, bytes: &[u8]) {
        let sent = self.0.try_send(&[IoSlice::new(bytes)]).expect("a connection");
        assert_eq!(sent, bytes.len(), "no room");
    }

    /// Sends a PING without context.
    pub fn ping(&self, ttl_ds: u16) {
        let mut frame = b"\x04\x07\x04PING".to_vec();
        frame.extend_from_slice(&ttl_ds.to_be_bytes());
        self.send(&frame);
    }

    /// Reads up to `bytes_max` of what is there; `None` once the connection is over.
    pub fn recv(&self, bytes_max: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; bytes_max];
        match self.0.try_recv(&mut bytes) {
            Ok(0) => None,
            Ok(n) => {
                bytes.truncate(n);
                Some(bytes)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(Vec::new()),
            Err(_) => None,
        }
    }

    /// Reads everything that is there. False if the connection is over.
    pub fn skip(&self) -> bool {
        loop {
            match self.recv(1 << 16) {
                None => return false,
                Some(bytes) if bytes.is_empty() => return true,
                Some(_) => {}
            }
        }
    }
}
