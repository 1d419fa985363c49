//! v1 frames in, v2 frames out, byte by byte if need be.

use super::{LegacyError, MAX_V1_HEADER_BYTES, parse_v1_header};
use crate::framing::{self, MAX_HEADER_BYTES, MORE};

/// What one call moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct V1Decoded {
    /// Bytes taken from the input.
    pub consumed_bytes: usize,
    /// Bytes written to the output.
    pub produced_bytes: usize,
}

/// Translates the stream of a 1.0 peer into v2 frames.
///
/// It holds a header at most, never a body, and can stop at any byte of input or output. Of the limits only
/// the frame size is judged here, on the header; parts and sums are judged by the scanner behind.
#[derive(Clone, Debug)]
pub struct V1Decoder {
    max_frame_bytes: u64,
    /// The v1 header as far as it has arrived.
    header: [u8; MAX_V1_HEADER_BYTES],
    header_bytes: usize,
    /// The v2 header, from `pending_at` on still to be written.
    pending: [u8; MAX_HEADER_BYTES],
    pending_at: usize,
    pending_end: usize,
    /// Bytes of the body still to be moved.
    body_bytes: u64,
    fault: Option<LegacyError>,
}

impl V1Decoder {
    /// A decoder at a frame boundary; `None` limits frames only by the format, below 2^63.
    pub fn new(max_frame_bytes: Option<u64>) -> Self {
        Self {
            max_frame_bytes: max_frame_bytes.unwrap_or(u64::MAX).min(u64::MAX >> 1),
            header: [0; MAX_V1_HEADER_BYTES],
            header_bytes: 0,
            pending: [0; MAX_HEADER_BYTES],
            pending_at: 0,
            pending_end: 0,
            body_bytes: 0,
            fault: None,
        }
    }

    /// Translates all of `input`, appending to `out`, which grows by at most 9 bytes more than `input` has.
    ///
    /// # Errors
    ///
    /// The peer broke the format or the limit. Whole frames before the fault are in `out`. The error is
    /// returned again by every later call.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), LegacyError> {
        let start = out.len();
        out.resize(start + input.len() + MAX_HEADER_BYTES, 0);
        let mut decoded = V1Decoded::default();
        let result = self.run(input, out.get_mut(start..).unwrap_or_default(), &mut decoded);
        out.truncate(start + decoded.produced_bytes);
        result
    }

    /// Translates as much of `input` as fits into `out`, of any size. Present the rest again.
    ///
    /// # Errors
    ///
    /// As [`V1Decoder::decode`], but only once a call has nothing to move before the fault.
    pub fn decode_into(&mut self, input: &[u8], out: &mut [u8]) -> Result<V1Decoded, LegacyError> {
        let mut decoded = V1Decoded::default();
        match self.run(input, out, &mut decoded) {
            Err(fault) if decoded.produced_bytes == 0 => Err(fault),
            _ => Ok(decoded),
        }
    }

    fn run(
        &mut self,
        input: &[u8],
        out: &mut [u8],
        decoded: &mut V1Decoded,
    ) -> Result<(), LegacyError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        loop {
            self.write_header(out, decoded);
            self.move_body(input, out, decoded);
            if self.pending_at < self.pending_end || self.body_bytes > 0 {
                return Ok(());
            }
            let Some(&byte) = input.get(decoded.consumed_bytes) else {
                return Ok(());
            };
            decoded.consumed_bytes += 1;
            if let Err(fault) = self.push_header_byte(byte) {
                self.fault = Some(fault);
                return Err(fault);
            }
        }
    }

    fn write_header(&mut self, out: &mut [u8], decoded: &mut V1Decoded) {
        let pending = self.pending.get(self.pending_at..self.pending_end).unwrap_or_default();
        let room = out.get_mut(decoded.produced_bytes..).unwrap_or_default();
        let moved = copy_prefix(pending, room);
        self.pending_at += moved;
        decoded.produced_bytes += moved;
    }

    fn move_body(&mut self, input: &[u8], out: &mut [u8], decoded: &mut V1Decoded) {
        if self.pending_at < self.pending_end {
            return;
        }
        let rest = input.get(decoded.consumed_bytes..).unwrap_or_default();
        let wanted = usize::try_from(self.body_bytes).unwrap_or(usize::MAX);
        let body = rest.get(..wanted).unwrap_or(rest);
        let room = out.get_mut(decoded.produced_bytes..).unwrap_or_default();
        let moved = copy_prefix(body, room);
        self.body_bytes -= moved as u64;
        decoded.consumed_bytes += moved;
        decoded.produced_bytes += moved;
    }

    fn push_header_byte(&mut self, byte: u8) -> Result<(), LegacyError> {
        if let Some(slot) = self.header.get_mut(self.header_bytes) {
            *slot = byte;
            self.header_bytes += 1;
        }
        let arrived = self.header.get(..self.header_bytes).unwrap_or_default();
        let Some(header) = parse_v1_header(arrived)? else {
            return Ok(());
        };
        let max_frame_bytes = self.max_frame_bytes;
        let body_bytes = header.body_bytes;
        let fault = LegacyError::FrameTooLarge { body_bytes, max_frame_bytes };
        if body_bytes > max_frame_bytes {
            return Err(fault);
        }
        // Only a 32-bit system can fail here, on a frame it could never hold.
        let short_of_memory = usize::try_from(body_bytes).map_err(|_| fault)?;
        let flags = if header.is_more { MORE } else { 0 };
        self.pending_end = framing::encode_header(flags, short_of_memory, &mut self.pending);
        self.pending_at = 0;
        self.body_bytes = body_bytes;
        self.header_bytes = 0;
        Ok(())
    }
}

/// Copies as much of `from` as fits and returns how much that was.
fn copy_prefix(from: &[u8], to: &mut [u8]) -> usize {
    let moved = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..moved), to.get_mut(..moved)) {
        to.copy_from_slice(from);
    }
    moved
}
