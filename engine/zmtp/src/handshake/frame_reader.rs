//! Collects one frame of the handshake: an identity frame (v1 or v2) or a command.
//!
//! Invariant: memory grows only with bytes that have arrived, and a body over the limit is refused on its
//! header.

use crate::framing::{self, FrameError};

/// Which header to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    V1,
    V2,
}

/// Why a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadFault {
    TooLarge { body_bytes: u64 },
    ZeroLength,
}

#[derive(Debug)]
pub(super) struct FrameReader {
    framing: Framing,
    max_body_bytes: u64,
    header: Vec<u8>,
    /// Known once the header is complete; at most `max_body_bytes`.
    body_bytes: Option<usize>,
    body: Vec<u8>,
}

impl FrameReader {
    pub(super) fn new(framing: Framing, max_body_bytes: u64) -> Self {
        Self { framing, max_body_bytes, header: Vec::new(), body_bytes: None, body: Vec::new() }
    }

    /// Takes from `bytes` what belongs to this frame and returns how much that was.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<usize, ReadFault> {
        let mut consumed = 0;
        let body_bytes = loop {
            if let Some(body_bytes) = self.body_bytes {
                break body_bytes;
            }
            let Some(&byte) = bytes.get(consumed) else {
                return Ok(consumed);
            };
            self.header.push(byte);
            consumed += 1;
            self.body_bytes = self.read_header()?;
        };
        let missing = body_bytes - self.body.len();
        let rest = bytes.get(consumed..).unwrap_or_default();
        let taken = rest.get(..missing).unwrap_or(rest);
        self.body.extend_from_slice(taken);
        Ok(consumed + taken.len())
    }

    /// The body, once the frame is whole.
    pub(super) fn take_body(&mut self) -> Option<Vec<u8>> {
        if self.body_bytes != Some(self.body.len()) {
            return None;
        }
        self.header.clear();
        self.body_bytes = None;
        Some(std::mem::take(&mut self.body))
    }

    fn read_header(&self) -> Result<Option<usize>, ReadFault> {
        let body_bytes = match self.framing {
            Framing::V1 => crate::legacy::parse_v1_header(&self.header)
                .map_err(|_| ReadFault::ZeroLength)?
                .map(|header| header.body_bytes),
            // Handshake frames are taken whatever their COMMAND and MORE bits say, as libzmq does.
            Framing::V2 => framing::parse_header(&self.header)
                .map_err(too_large)?
                .map(|header| header.body_bytes),
        };
        match body_bytes {
            Some(body_bytes) if body_bytes > self.max_body_bytes => {
                Err(ReadFault::TooLarge { body_bytes })
            }
            Some(body_bytes) => Ok(usize::try_from(body_bytes).ok()),
            None => Ok(None),
        }
    }
}

/// The only fault a bare header can have is a reserved length, which is above any limit of ours.
fn too_large(fault: FrameError) -> ReadFault {
    let body_bytes = match fault {
        FrameError::LengthReserved { length } => length,
        _ => u64::MAX,
    };
    ReadFault::TooLarge { body_bytes }
}
