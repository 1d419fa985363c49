//! v2 framing (ZMTP 2.0 and 3.x, RFC 37 "Framing"): frame headers and message boundaries. The hot path.
//!
//! A frame is `flags, length, body`: two header bytes when the length fits one byte, nine with an 8-byte
//! length. [`parse_header`] and [`encode_header`] handle one header; [`Scanner`] walks everything a read
//! brought in and says how much of it is whole messages; [`Frames`] walks what the scanner passed.
//!
//! Place on the path: the I/O thread scans bytes where they landed and publishes the prefix that ends at a
//! message boundary, without copying. Nothing here allocates.
//!
//! Invariants:
//! * A published prefix holds whole frames only, its last message is complete, and every frame in it has
//!   passed the limits.
//! * Limits are judged on the header, before the body has arrived, so a caller that sizes its buffer by
//!   [`Scan::needed_bytes`] never reserves more than the limits allow.
//! * Reserved flag bits of a peer are ignored; whoever reads a published frame masks them off
//!   ([`FrameHeader::flags`] already is).

mod scanner;

pub use crate::error::FrameError;
pub use scanner::{FrameLimits, MAX_INTERLEAVED_COMMAND_BYTES, Scan, Scanner};

/// Another frame of the same message follows. Always 0 on commands we send.
pub const MORE: u8 = 1;
/// The length field has 8 bytes instead of 1.
pub const LONG: u8 = 2;
/// The frame is a command, not part of a message.
pub const COMMAND: u8 = 4;

/// The bits a peer may use; all others are reserved and ignored.
const KNOWN_FLAGS: u8 = MORE | LONG | COMMAND;

/// Size of the longest frame header.
pub const MAX_HEADER_BYTES: usize = 9;

/// The largest body that gets a short header.
pub const MAX_SHORT_BODY_BYTES: usize = 255;

/// A parsed frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// [`MORE`], [`LONG`] and [`COMMAND`] as they came; reserved bits are cleared.
    pub flags: u8,
    /// 2 or 9.
    pub header_bytes: usize,
    /// Length of the body that follows, below 2^63.
    pub body_bytes: u64,
}

impl FrameHeader {
    /// Another frame of the same message follows.
    #[inline]
    pub const fn is_more(&self) -> bool {
        self.flags & MORE != 0
    }

    /// The frame is a command.
    #[inline]
    pub const fn is_command(&self) -> bool {
        self.flags & COMMAND != 0
    }

    /// Header and body together. Cannot overflow: the body is below 2^63.
    #[inline]
    pub const fn total_bytes(&self) -> u64 {
        self.header_bytes as u64 + self.body_bytes
    }
}

/// Reads the header at the start of `bytes`.
///
/// `Ok(None)` means that the header is not complete yet. Both forms are accepted for any size.
///
/// # Errors
///
/// [`FrameError::LengthReserved`] for a length of 2^63 or more, which the RFC forbids.
#[inline]
pub fn parse_header(bytes: &[u8]) -> Result<Option<FrameHeader>, FrameError> {
    let Some(&[flags, short_length]) = bytes.first_chunk::<2>() else {
        return Ok(None);
    };
    let flags = flags & KNOWN_FLAGS;
    if flags & LONG == 0 {
        let body_bytes = u64::from(short_length);
        return Ok(Some(FrameHeader { flags, header_bytes: 2, body_bytes }));
    }
    let Some(&[_, ref length @ ..]) = bytes.first_chunk::<9>() else {
        return Ok(None);
    };
    let body_bytes = u64::from_be_bytes(*length);
    if body_bytes >> 63 != 0 {
        return Err(FrameError::LengthReserved { length: body_bytes });
    }
    Ok(Some(FrameHeader { flags, header_bytes: 9, body_bytes }))
}

/// Writes the header of a frame with `flags` and a body of `body_bytes`, and returns its size, 2 or 9.
///
/// [`LONG`] in `flags` is ignored: the size decides, short up to 255 bytes as libzmq does.
#[inline]
pub fn encode_header(flags: u8, body_bytes: usize, out: &mut [u8; 9]) -> usize {
    if body_bytes <= MAX_SHORT_BODY_BYTES {
        out[0] = flags & !LONG;
        out[1] = body_bytes as u8;
        return 2;
    }
    let [first, length @ ..] = out;
    *first = flags | LONG;
    *length = (body_bytes as u64).to_be_bytes();
    9
}

/// How many whole frames at the start of `bytes` have this short header, one behind the other; counting ends where one has
/// another, or is not whole.
///
/// Walking frame by frame, each header must have been loaded before the next one can be: a cache's latency for every frame.
/// Here the place of the next header is known before, and the processor looks at several at once.
///
/// ```
/// use zeroring_zmtp::framing::equal_frames;
/// assert_eq!(equal_frames(b"\x00\x01a\x00\x01b\x00\x02cc", [0, 1]), 2);
/// ```
#[inline]
pub fn equal_frames(bytes: &[u8], header: [u8; 2]) -> usize {
    let frame_bytes = 2 + usize::from(header[1]);
    let (mut frames, mut rest) = (0, bytes);
    while let Some((frame, behind)) = rest.split_at_checked(frame_bytes)
        && frame[..2] == header
    {
        (frames, rest) = (frames + 1, behind);
    }
    frames
}

/// Appends a whole frame to `out`.
pub fn append_frame(flags: u8, body: &[u8], out: &mut Vec<u8>) {
    let mut header = [0; MAX_HEADER_BYTES];
    let header_bytes = encode_header(flags, body.len(), &mut header);
    out.reserve(header_bytes + body.len());
    out.extend_from_slice(&header[..header_bytes]);
    out.extend_from_slice(body);
}

/// A frame standing whole in a byte range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// [`MORE`], [`LONG`] and [`COMMAND`]; reserved bits are cleared.
    pub flags: u8,
    /// Size of the header in front of the body, 2 or 9.
    pub header_bytes: usize,
    /// The body, where it landed.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Another frame of the same message follows.
    #[inline]
    pub const fn is_more(&self) -> bool {
        self.flags & MORE != 0
    }

    /// The frame is a command.
    #[inline]
    pub const fn is_command(&self) -> bool {
        self.flags & COMMAND != 0
    }
}

/// Walks the frames of a range that begins at a frame boundary, such as a published prefix.
///
/// Ends before the first frame that is not whole; [`Frames::rest`] is what was left. A published prefix
/// still contains the command frames that stood in it: skip those, they have been reported already.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// Starts at the first byte of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes not walked yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    #[inline]
    fn next(&mut self) -> Option<Frame<'a>> {
        let header = parse_header(self.rest).ok()??;
        let body_bytes = usize::try_from(header.body_bytes).ok()?;
        let (_, after_header) = self.rest.split_at_checked(header.header_bytes)?;
        let (body, rest) = after_header.split_at_checked(body_bytes)?;
        self.rest = rest;
        Some(Frame { flags: header.flags, header_bytes: header.header_bytes, body })
    }
}

#[cfg(test)]
mod tests;
