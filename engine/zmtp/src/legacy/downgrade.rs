//! Our own v2 frames in, what an older peer understands out (RFC 13, 15, 23 against RFC 37).
//!
//! | peer | message frames | SUBSCRIBE, CANCEL | other commands |
//! |------|----------------|-------------------|----------------|
//! | 3.1  | as they are    | as they are       | as they are    |
//! | 3.0  | as they are    | message `01 T`, `00 T` | as they are |
//! | 2.0  | as they are    | message `01 T`, `00 T` | dropped     |
//! | 1.0  | v1 frames      | v1 message `01 T`, `00 T` | dropped  |
//!
//! A 255-byte topic makes a 256-byte message and gets a proper long frame; libzmq forgets the LONG bit
//! there and confuses its peer.

use super::{LegacyError, append_v1_frame};
use crate::command::Command;
use crate::framing::{self, Frame, Frames, MORE};
use crate::greeting::Version;

/// Translates what goes to one peer.
#[derive(Clone, Debug)]
pub struct Downgrade {
    version: Version,
    /// The last message frame had MORE set.
    is_inside_message: bool,
    /// Subscriptions that came inside a message. They are messages of their own for the peer, so they wait
    /// for its end.
    deferred: Vec<u8>,
}

impl Downgrade {
    /// A translator at a message boundary.
    pub const fn new(version: Version) -> Self {
        Self { version, is_inside_message: false, deferred: Vec::new() }
    }

    /// Whether bytes pass unchanged, so that the caller may spare itself the copy.
    pub const fn is_transparent(&self) -> bool {
        matches!(self.version, Version::V3_1)
    }

    /// Appends the translation of `frames`, which must be whole frames as this engine writes them.
    ///
    /// # Errors
    ///
    /// [`LegacyError::PartialFrame`] when bytes are left over; the frames before them are translated.
    pub fn translate(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), LegacyError> {
        if self.is_transparent() {
            out.extend_from_slice(frames);
            return Ok(());
        }
        let mut walk = Frames::new(frames);
        for frame in walk.by_ref() {
            if frame.is_command() {
                self.translate_command(frame, out);
            } else {
                self.translate_part(frame, out);
            }
        }
        match walk.rest().len() {
            0 => Ok(()),
            rest_bytes => Err(LegacyError::PartialFrame { rest_bytes }),
        }
    }

    fn translate_part(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) {
        self.append(frame.is_more(), frame.body, out);
        self.is_inside_message = frame.is_more();
        if !self.is_inside_message {
            out.append(&mut self.deferred);
        }
    }

    fn translate_command(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) {
        match Command::parse(frame.body) {
            Ok(Command::Subscribe(topic)) => self.append_subscription(1, topic, out),
            Ok(Command::Cancel(topic)) => self.append_subscription(0, topic, out),
            _ if self.version.has_commands() => framing::append_frame(frame.flags, frame.body, out),
            _ => {}
        }
    }

    fn append_subscription(&mut self, first: u8, topic: &[u8], out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(1 + topic.len());
        body.push(first);
        body.extend_from_slice(topic);
        if self.is_inside_message {
            let mut deferred = std::mem::take(&mut self.deferred);
            self.append(false, &body, &mut deferred);
            self.deferred = deferred;
        } else {
            self.append(false, &body, out);
        }
    }

    fn append(&self, is_more: bool, body: &[u8], out: &mut Vec<u8>) {
        match self.version {
            Version::V1_0 => append_v1_frame(is_more, body, out),
            _ => framing::append_frame(if is_more { MORE } else { 0 }, body, out),
        }
    }
}
