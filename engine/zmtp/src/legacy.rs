//! Peers older than 3.1: v1 framing (ZMTP 1.0, RFC 13) and the older forms of subscriptions.
//!
//! Inside the engine everything is v2 frames with SUBSCRIBE and CANCEL commands. [`V1Decoder`] turns what a
//! 1.0 peer sends into v2 frames, in front of the scanner; [`Downgrade`] turns what we are about to send
//! into the bytes the peer's version understands, behind everything else.
//!
//! Invariant: a v2 frame is never longer than the v1 frame with the same body, so decoding never needs more
//! room than the input took.

use crate::error::LegacyError as Error;

mod downgrade;
mod v1_decoder;

pub use crate::error::LegacyError;
pub use downgrade::Downgrade;
pub use v1_decoder::{V1Decoded, V1Decoder};

/// Longest v1 header.
pub const MAX_V1_HEADER_BYTES: usize = 10;

/// A parsed v1 frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V1Header {
    /// Another frame of the same message follows; the other flags are ignored.
    pub is_more: bool,
    /// 2 or 10.
    pub header_bytes: usize,
    /// Length of the body; the flags byte is not counted here.
    pub body_bytes: u64,
}

/// Reads the v1 header at the start of `bytes`; `Ok(None)` when it is not complete.
///
/// # Errors
///
/// A length of zero, as soon as it is known: the length counts the flags byte.
pub fn parse_v1_header(bytes: &[u8]) -> Result<Option<V1Header>, Error> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let (length, header_bytes) = match (first, rest.first_chunk::<8>()) {
        (0xff, None) => return Ok(None),
        (0xff, Some(&length)) => (u64::from_be_bytes(length), MAX_V1_HEADER_BYTES),
        (short, _) => (u64::from(short), 2),
    };
    let body_bytes = length.checked_sub(1).ok_or(Error::ZeroLengthFrame)?;
    let flags = bytes.get(header_bytes - 1);
    Ok(flags.map(|flags| V1Header { is_more: flags & 1 == 1, header_bytes, body_bytes }))
}

/// Writes a v1 header and returns its size: 2 for bodies up to 253 bytes, else 10.
pub fn encode_v1_header(
    is_more: bool,
    body_bytes: usize,
    out: &mut [u8; MAX_V1_HEADER_BYTES],
) -> usize {
    let flags = u8::from(is_more);
    let length = body_bytes as u64 + 1;
    if length < 0xff {
        out[0] = length as u8;
        out[1] = flags;
        return 2;
    }
    let [first, wide @ .., last] = out;
    *first = 0xff;
    *wide = length.to_be_bytes();
    *last = flags;
    MAX_V1_HEADER_BYTES
}

/// Appends a whole v1 frame to `out`.
pub fn append_v1_frame(is_more: bool, body: &[u8], out: &mut Vec<u8>) {
    let mut header = [0; MAX_V1_HEADER_BYTES];
    let header_bytes = encode_v1_header(is_more, body.len(), &mut header);
    out.reserve(header_bytes + body.len());
    out.extend_from_slice(&header[..header_bytes]);
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests;
