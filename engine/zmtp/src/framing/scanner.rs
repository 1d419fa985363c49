//! The scanner: finds the message boundaries in a byte range that grows at its end.
//!
//! It runs on the I/O thread, once per read, over bytes the caller owns. It keeps the state that must
//! survive between reads (how far it walked into an unfinished message, its parts and bytes) and no bytes.

use super::{COMMAND, FrameError, FrameHeader, LONG, MORE, equal_frames, parse_header};

/// Most bytes of command frames that may stand between the frames of one unfinished message (the limit is
/// raised to [`FrameLimits::max_command_bytes`] where that is larger).
///
/// Commands inside a message cannot be published before its last frame, so without a bound a peer could
/// grow our buffer for ever with one MORE frame followed by PINGs. A peer that pings every millisecond
/// reaches this bound after more than a minute inside one message.
pub const MAX_INTERLEAVED_COMMAND_BYTES: u64 = 1 << 20;

/// What one connection may ask us to hold. Worst-case memory for an unfinished message is
/// `max_message_bytes + 9 × max_message_parts +` the interleaved commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Largest body of one message frame (ZMQ_MAXMSGSIZE); `None` for no limit. Not applied to commands.
    pub max_frame_bytes: Option<u64>,
    /// Most frames in one message; 0 counts as 1.
    pub max_message_parts: u32,
    /// Largest sum of the frame bodies of one message, of a single frame too.
    pub max_message_bytes: u64,
    /// Largest body of one command frame.
    pub max_command_bytes: u64,
}

impl FrameLimits {
    /// No limits at all, except that the format itself ends at 2^63. For trusted bytes.
    pub const UNLIMITED: Self = Self {
        max_frame_bytes: None,
        max_message_parts: u32::MAX,
        max_message_bytes: u64::MAX,
        max_command_bytes: u64::MAX,
    };
}

/// What one call of [`Scanner::scan`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Scan {
    /// Length of the prefix that ends at a message boundary and may be published. Pass the bytes from here
    /// on, with what arrives later behind them, to the next call.
    pub whole_message_bytes: usize,
    /// Where the last message of that prefix ends; behind it stand only command frames. 0 if there is no message.
    pub last_message_end_bytes: usize,
    /// Messages in that prefix. Command frames are part of the prefix but never counted.
    pub messages: u32,
    /// Offset in the scanned range where walking stopped: the start of the first frame not yet complete.
    /// At least `whole_message_bytes`; larger inside a multipart message.
    pub walked_bytes: usize,
    /// Total size, header included, of the incomplete frame at `walked_bytes`, when its header is known.
    pub next_frame_bytes: Option<u64>,
    /// An offence found behind the published prefix. Publish first, then close the connection.
    pub fault: Option<FrameError>,
}

impl Scan {
    /// How long the retained range, which starts at `whole_message_bytes`, must become for the incomplete
    /// frame to be complete. `None` while that frame's header is unknown.
    pub fn needed_bytes(&self) -> Option<u64> {
        let frame_offset = (self.walked_bytes - self.whole_message_bytes) as u64;
        self.next_frame_bytes.map(|frame| frame.saturating_add(frame_offset))
    }
}

/// Finds message boundaries in the stream of one peer, in v2 framing.
///
/// # Contract
///
/// * The first call passes a range that starts at a frame boundary. After a call that returned `scan`, drop
///   the first `scan.whole_message_bytes` bytes (they are published) and pass **the same remaining bytes
///   again**, with new ones appended. They may have moved in memory. Passing fewer bytes than were walked
///   is a mistake of the caller: nothing is found.
/// * Frames of an unfinished message that were already walked are not looked at again, so a message of n
///   frames costs n steps however it is split into reads.
/// * Each command is reported exactly once, in order, as soon as it is whole, with its flags and body. It
///   leaves the multipart state alone. Between messages it belongs to the published prefix; inside a
///   message it is published with that message. Readers of published bytes skip command frames.
/// * libzmq ignores commands that have MORE set; the flags are handed over so that the handler can do so.
/// * After [`Scan::messages`] reached `max_messages`, whole messages may be left; scan again.
/// * An offence behind whole messages does not take them along: the call succeeds with [`Scan::fault`]
///   set. An offence with no message before it is returned as the error. After either, every call returns
///   the same error.
///
/// ```
/// use zeroring_zmtp::framing::{FrameLimits, Scanner};
///
/// let mut scanner = Scanner::new(FrameLimits::UNLIMITED);
/// // One message, and the first of two frames of the next.
/// let mut retained = b"\x00\x02hi\x01\x01a".to_vec();
/// let scan = scanner.scan(&retained, u32::MAX, |_flags, _body| Ok(()))?;
/// assert_eq!((scan.whole_message_bytes, scan.messages), (4, 1));
/// retained.drain(..scan.whole_message_bytes);
/// // The rest arrives.
/// retained.extend_from_slice(b"\x00\x01b");
/// let scan = scanner.scan(&retained, u32::MAX, |_flags, _body| Ok(()))?;
/// assert_eq!((scan.whole_message_bytes, scan.messages), (6, 1));
/// # Ok::<(), zeroring_zmtp::framing::FrameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scanner {
    limits: FrameLimits,
    /// Largest body the fast path may pass without asking again; at most 255.
    max_plain_body_bytes: u8,
    /// Bytes of the retained range already walked: whole frames of the unfinished message, and commands.
    walked_bytes: usize,
    /// Frames of the unfinished message walked so far; 0 between messages.
    parts: u32,
    /// Sum of their bodies.
    message_bytes: u64,
    /// Bytes of command frames walked inside the unfinished message.
    interleaved_bytes: u64,
    fault: Option<FrameError>,
}

impl Scanner {
    /// A scanner at a message boundary.
    pub fn new(limits: FrameLimits) -> Self {
        let plain = limits.max_frame_bytes.unwrap_or(u64::MAX).min(limits.max_message_bytes);
        Self {
            limits,
            max_plain_body_bytes: plain.min(255) as u8,
            walked_bytes: 0,
            parts: 0,
            message_bytes: 0,
            interleaved_bytes: 0,
            fault: None,
        }
    }

    /// Bytes of the retained range that were walked already: the next [`scan`](Self::scan) goes on behind them.
    pub const fn walked_bytes(&self) -> usize {
        self.walked_bytes
    }

    /// Whether frames of an unfinished message have been walked. When the connection ends here, that
    /// message is discarded.
    pub const fn is_inside_message(&self) -> bool {
        self.parts > 0
    }

    /// Walks `bytes` until `max_messages` messages are whole or the bytes end; see the type for the
    /// contract. Whole frames behind the last counted message stay for the next call.
    ///
    /// # Errors
    ///
    /// The peer's offence against framing or limits, or what `on_command` returned.
    #[inline]
    pub fn scan<F>(
        &mut self,
        bytes: &[u8],
        max_messages: u32,
        mut on_command: F,
    ) -> Result<Scan, FrameError>
    where
        F: FnMut(u8, &[u8]) -> Result<(), FrameError>,
    {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        debug_assert!(bytes.len() >= self.walked_bytes, "the caller dropped walked bytes");
        let mut scan = Scan { walked_bytes: self.walked_bytes, ..Scan::default() };
        while scan.messages < max_messages {
            if self.parts == 0 {
                self.walk_plain_messages(bytes, max_messages, &mut scan);
                if scan.messages == max_messages {
                    break;
                }
            }
            match self.walk_frame(bytes, &mut scan, &mut on_command) {
                Ok(true) => {}
                Ok(false) => break,
                Err(fault) => {
                    self.fault = Some(fault);
                    scan.fault = Some(fault);
                    break;
                }
            }
        }
        self.walked_bytes = scan.walked_bytes - scan.whole_message_bytes;
        match scan.fault {
            Some(fault) if scan.messages == 0 => Err(fault),
            _ => Ok(scan),
        }
    }

    /// The fast path: a run of one-frame messages with short headers. Stops in front of anything else.
    #[inline]
    fn walk_plain_messages(&self, bytes: &[u8], max_messages: u32, scan: &mut Scan) {
        let mut at = scan.walked_bytes;
        let mut messages = scan.messages;
        while messages < max_messages {
            let Some(rest) = bytes.get(at..) else { break };
            let Some(&[flags, body_bytes]) = rest.first_chunk::<2>() else { break };
            let is_plain = flags & (MORE | LONG | COMMAND) == 0;
            if !is_plain || body_bytes > self.max_plain_body_bytes {
                break;
            }
            let frame_bytes = 2 + usize::from(body_bytes);
            let wanted_bytes = frame_bytes.saturating_mul((max_messages - messages) as usize);
            let wanted = &rest[..rest.len().min(wanted_bytes)];
            let frames = equal_frames(wanted, [flags, body_bytes]);
            if frames == 0 {
                break; // not whole
            }
            at += frames * frame_bytes;
            messages += frames as u32;
        }
        if messages > scan.messages {
            scan.messages = messages;
            scan.walked_bytes = at;
            scan.whole_message_bytes = at;
            scan.last_message_end_bytes = at;
        }
    }

    /// Walks one frame of any kind; `false` when it is not whole.
    fn walk_frame<F>(
        &mut self,
        bytes: &[u8],
        scan: &mut Scan,
        on_command: &mut F,
    ) -> Result<bool, FrameError>
    where
        F: FnMut(u8, &[u8]) -> Result<(), FrameError>,
    {
        let Some(rest) = bytes.get(scan.walked_bytes..) else {
            return Ok(false);
        };
        let Some(header) = parse_header(rest)? else {
            return Ok(false);
        };
        if header.is_command() {
            self.check_command(&header)?
        } else {
            self.check_part(&header)?
        }
        let total_bytes = usize::try_from(header.total_bytes()).unwrap_or(usize::MAX);
        let Some(body) = rest.get(header.header_bytes..total_bytes) else {
            scan.next_frame_bytes = Some(header.total_bytes());
            return Ok(false);
        };
        scan.walked_bytes += total_bytes;
        if header.is_command() {
            self.pass_command(header, scan);
            on_command(header.flags, body)?;
        } else {
            self.pass_part(header, scan);
        }
        Ok(true)
    }

    fn pass_command(&mut self, header: FrameHeader, scan: &mut Scan) {
        if self.parts == 0 {
            scan.whole_message_bytes = scan.walked_bytes;
        } else {
            self.interleaved_bytes += header.total_bytes();
        }
    }

    fn pass_part(&mut self, header: FrameHeader, scan: &mut Scan) {
        if header.is_more() {
            self.parts += 1;
            self.message_bytes += header.body_bytes;
            return;
        }
        self.parts = 0;
        self.message_bytes = 0;
        self.interleaved_bytes = 0;
        scan.messages += 1;
        scan.whole_message_bytes = scan.walked_bytes;
        scan.last_message_end_bytes = scan.walked_bytes;
    }

    fn check_command(&self, header: &FrameHeader) -> Result<(), FrameError> {
        let FrameLimits { max_command_bytes, .. } = self.limits;
        let body_bytes = header.body_bytes;
        if body_bytes > max_command_bytes {
            return Err(FrameError::CommandTooLarge { body_bytes, max_command_bytes });
        }
        if self.parts == 0 {
            return Ok(());
        }
        let max_bytes = MAX_INTERLEAVED_COMMAND_BYTES.max(max_command_bytes);
        let bytes = self.interleaved_bytes.saturating_add(header.total_bytes());
        if bytes > max_bytes {
            return Err(FrameError::CommandFlood { bytes, max_bytes });
        }
        Ok(())
    }

    fn check_part(&self, header: &FrameHeader) -> Result<(), FrameError> {
        let body_bytes = header.body_bytes;
        if let Some(max_frame_bytes) = self.limits.max_frame_bytes
            && body_bytes > max_frame_bytes
        {
            return Err(FrameError::FrameTooLarge { body_bytes, max_frame_bytes });
        }
        let max_message_parts = self.limits.max_message_parts.max(1);
        if self.parts >= max_message_parts {
            return Err(FrameError::TooManyParts { max_message_parts });
        }
        let max_message_bytes = self.limits.max_message_bytes;
        let message_bytes = self.message_bytes.saturating_add(body_bytes);
        if message_bytes > max_message_bytes {
            return Err(FrameError::MessageTooLarge { message_bytes, max_message_bytes });
        }
        Ok(())
    }
}
