//! One end of a simulated connection: what is under way to it, what has arrived, and how it ended.

use std::collections::VecDeque;
use std::io;

use rustix::io::Errno;
use zeroring_core::io::transport::StreamInfo;

/// One end. Everything here is about the direction *towards* it.
#[derive(Debug)]
pub(super) struct End {
    pub node: String,
    pub peer: u64,
    pub info: StreamInfo,
    /// Somebody still holds the stream.
    pub held: bool,
    /// Chunks under way, oldest first.
    under_way: VecDeque<Vec<u8>>,
    arrived: VecDeque<u8>,
    /// Sent and not read yet.
    pub buffered_bytes: usize,
    /// Nothing overtakes: no chunk is due before the one sent earlier.
    pub last_due_ns: u64,
    /// The sender has said its last; nothing more may be sent this way.
    pub closing: bool,
    /// The end of the stream has arrived.
    pub ended: bool,
    pub reset: bool,
    /// A slow reader sees nothing before this time.
    pub readable_from_ns: u64,
}

impl End {
    pub fn new(node: String, peer: u64, info: StreamInfo) -> Self {
        Self {
            node,
            peer,
            info,
            held: true,
            under_way: VecDeque::new(),
            arrived: VecDeque::new(),
            buffered_bytes: 0,
            last_due_ns: 0,
            closing: false,
            ended: false,
            reset: false,
            readable_from_ns: 0,
        }
    }

    /// Takes bytes that their sender wrote.
    pub fn launch(&mut self, chunk: Vec<u8>) {
        self.buffered_bytes += chunk.len();
        self.under_way.push_back(chunk);
    }

    /// The oldest chunk arrives; returns its length.
    pub fn arrive(&mut self) -> usize {
        let Some(chunk) = self.under_way.pop_front() else { return 0 };
        if self.held {
            self.arrived.extend(&chunk);
        } else {
            // Nobody reads here any more.
            self.buffered_bytes -= chunk.len();
        }
        chunk.len()
    }

    /// Loses what is under way; returns how many bytes that were.
    pub fn lose_under_way(&mut self) -> usize {
        let lost: usize = self.under_way.drain(..).map(|chunk| chunk.len()).sum();
        self.buffered_bytes -= lost;
        lost
    }

    /// True if a read would give something: bytes, an end or an error.
    pub fn is_readable(&self, now_ns: u64) -> bool {
        let something = !self.arrived.is_empty() || self.ended || self.reset;
        something && now_ns >= self.readable_from_ns
    }

    /// Number of bytes that have not arrived yet.
    pub fn under_way_bytes(&self) -> usize {
        self.under_way.iter().map(Vec::len).sum()
    }

    /// Number of bytes a read could give now.
    pub fn arrived_bytes(&self) -> usize {
        self.arrived.len()
    }

    /// What a read gives when no bytes are there.
    pub fn read_nothing(&self) -> io::Result<usize> {
        match (self.reset, self.ended) {
            (true, _) => Err(Errno::CONNRESET.into()),
            (false, true) => Ok(0),
            (false, false) => Err(Errno::WOULDBLOCK.into()),
        }
    }

    /// Moves `buf.len()` arrived bytes into `buf`.
    pub fn read(&mut self, buf: &mut [u8]) {
        let len = buf.len();
        for (place, byte) in buf.iter_mut().zip(self.arrived.drain(..len)) {
            *place = byte;
        }
        self.buffered_bytes -= len;
    }
}
