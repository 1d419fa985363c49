//! The connection's end of an outgoing pipe: ranges for the kernel, and which messages they completed.
//!
//! The kernel takes any number of bytes; credit counts messages, control frames may go between frames only, and a
//! reconnect must go on with a whole message. So the gatherer walks the frame headers over the bytes that went.

use std::io::IoSlice;

use zeroring_base::slab::SlabPool;
use zeroring_base::stream::{StreamReader, StreamWriter, stream};
use zeroring_zmtp::framing::{FrameHeader, encode_header, equal_frames, parse_header};

use super::PipeReader;
use super::conflate::ConflateReader;

/// Reads a pipe as bytes.
#[derive(Debug)]
pub struct Gather {
    stream: StreamReader,
    /// A conflating pipe is encoded into a stream of our own, one part at a time.
    conflate: Option<Conflated>,
    /// Start of the first frame not walked yet; at or behind the reading position.
    frame_end: u64,
    /// The frame that ends at `frame_end` ends a message.
    ends_message: bool,
    /// Messages that ended before `frame_end` during the present walk.
    walked_messages: u64,
    /// The frame that ends at `frame_end` is followed by more parts of its message.
    inside_message: bool,
}

#[derive(Debug)]
struct Conflated {
    slot: ConflateReader,
    writer: StreamWriter,
    pool: SlabPool,
}

impl Gather {
    /// Takes over the reading end of a pipe.
    pub fn new(reader: PipeReader) -> Self {
        let (stream, conflate) = match reader.into_stream() {
            Ok(stream) => (stream, None),
            Err(slot) => {
                let (writer, stream) = stream(0);
                (stream, Some(Conflated { slot, writer, pool: SlabPool::default() }))
            }
        };
        let frame_end = stream.position();
        Self {
            stream,
            conflate,
            frame_end,
            ends_message: false,
            walked_messages: 0,
            inside_message: false,
        }
    }

    /// True if nothing is queued now.
    pub fn is_empty(&mut self) -> bool {
        self.queued_bytes() == 0
    }

    /// What is queued now, as far as that is known: behind the part that a conflating pipe is sending a newer one may wait.
    pub fn queued_bytes(&mut self) -> usize {
        self.load_newest();
        (self.stream.published() - self.stream.position()) as usize
    }

    /// True for a pipe that keeps only the newest part.
    pub fn is_conflating(&self) -> bool {
        self.conflate.is_some()
    }

    /// The reading position.
    pub fn position(&self) -> u64 {
        self.stream.position()
    }

    /// Ranges to write, up to `ranges_max` and about `bytes_max`. Returns their total length.
    pub fn ranges<'a>(
        &'a mut self,
        out: &mut Vec<IoSlice<'a>>,
        ranges_max: usize,
        bytes_max: usize,
    ) -> usize {
        self.load_newest();
        self.stream.ranges(out, ranges_max, bytes_max)
    }

    /// Bytes to write until the frame being written is complete; 0 at a frame boundary.
    pub fn bytes_to_frame_boundary(&self) -> usize {
        (self.frame_end - self.stream.position()) as usize
    }

    /// Goes past `n` bytes the kernel took. True if the writer waits for credit and must be told.
    #[must_use]
    pub fn consume(&mut self, n: usize) -> bool {
        let messages = self.walk_to(self.stream.position() + n as u64);
        self.stream.consume(n);
        self.stream.publish_position();
        messages > 0 && self.stream.count_read(messages)
    }

    /// Walks frames up to `target` and counts the messages that end there or before.
    fn walk_to(&mut self, target: u64) -> u64 {
        let mut messages = 0;
        while self.frame_end <= target {
            messages += u64::from(std::mem::take(&mut self.ends_message));
            if self.frame_end == target {
                break;
            }
            self.walk_frames(target);
            messages += std::mem::take(&mut self.walked_messages);
        }
        messages
    }

    /// Walks the frames that start before `target` in the bytes that lie together at `frame_end`; at least one.
    fn walk_frames(&mut self, target: u64) {
        let mut bytes = self.stream.peek_at(self.frame_end).unwrap_or_default();
        loop {
            let header = match parse_header(bytes) {
                Ok(Some(header)) => header,
                _ => unreachable!("a pipe holds whole frames: none at {}", self.frame_end),
            };
            let frames = equal_messages(bytes, target - self.frame_end).max(1);
            self.walked_messages += frames - 1;
            self.frame_end += frames * header.total_bytes();
            if header.is_command() {
                self.ends_message = true; // sent and counted like a message of its own, also inside another one
            } else {
                self.ends_message = !header.is_more();
                self.inside_message = header.is_more();
            }
            let walked_bytes = usize::try_from(frames * header.total_bytes()).ok();
            let rest = walked_bytes.and_then(|n| bytes.get(n..));
            // The message that ends here is counted by the caller, one at a time.
            match rest {
                Some(rest) if !rest.is_empty() && self.frame_end < target => {
                    self.walked_messages += u64::from(std::mem::take(&mut self.ends_message));
                    bytes = rest;
                }
                _ => return,
            }
        }
    }

    fn header_at(&mut self, position: u64) -> Option<FrameHeader> {
        parse_header(self.stream.peek_at(position)?).ok().flatten()
    }

    /// After a connection was lost: goes on behind the message that was being written. The writer is told as by
    /// [`consume`](Self::consume).
    #[must_use]
    pub fn skip_unfinished_message(&mut self) -> bool {
        let start = self.stream.position();
        let inside = self.inside_message || self.frame_end > start;
        if !inside {
            return false;
        }
        while self.inside_message {
            self.walk_frames(self.frame_end + 1);
        }
        let rest = (self.frame_end - start) as usize;
        self.consume(rest)
    }

    /// Throws away everything queued (subscriptions that will be sent again as a whole; linger 0).
    #[must_use]
    pub fn discard_all(&mut self) -> bool {
        let mut tell = false;
        loop {
            let rest = (self.stream.published() - self.stream.position()) as usize;
            if rest == 0 {
                return tell;
            }
            tell |= self.consume(rest);
        }
    }

    /// The high-water mark has changed: what went out and is not acknowledged yet, because the step of the old mark was not
    /// reached, is acknowledged now. True if the writer waits for credit and must be told.
    #[must_use]
    pub fn acknowledge(&mut self) -> bool {
        self.stream.acknowledge()
    }

    /// The next whole frame, for connections that translate: its header and body are passed to `f`, then it is gone.
    /// `None` if nothing is queued; otherwise whether the writer must be told, and what `f` returned.
    pub fn next_frame<R>(&mut self, f: impl FnOnce(FrameHeader, &[u8]) -> R) -> Option<(bool, R)> {
        self.load_newest();
        let start = self.stream.position();
        let header = self.header_at(start)?;
        let body_bytes = header.body_bytes as usize;
        let result = {
            let body_start = start + header.header_bytes as u64;
            let body = if body_bytes == 0 { &[] } else { self.stream.peek_at(body_start)? };
            f(header, body.get(..body_bytes)?)
        };
        Some((self.consume(header.header_bytes + body_bytes), result))
    }

    /// Says that nothing was found and that the writer shall tell. A heavy barrier and [`has_more`](Self::has_more) follow,
    /// unless the caller is the writer itself: then nothing can come in between.
    pub fn ask_to_be_told(&mut self) {
        match &mut self.conflate {
            None => self.stream.ask_to_be_told(),
            Some(conflated) => drop(conflated.slot.wait_or_ready()),
        }
    }

    /// True if something was sent that was not taken yet.
    pub fn has_more(&self) -> bool {
        let has_newest = self.conflate.as_ref().is_some_and(|conflated| conflated.slot.is_full());
        has_newest || self.stream.has_more()
    }

    /// True if the application's end is gone and everything it sent was written.
    pub fn is_finished(&mut self) -> bool {
        let gone = match &self.conflate {
            None => self.stream.is_writer_gone(),
            Some(conflated) => conflated.slot.is_writer_gone(),
        };
        gone && self.is_empty()
    }

    /// Moves the newest part of a conflating pipe into our stream, if the one before it went out.
    fn load_newest(&mut self) {
        let Some(conflated) = &mut self.conflate else { return };
        if self.stream.position() != self.stream.published() {
            return;
        }
        let Some(part) = conflated.slot.take() else { return };
        let mut header = [0; 9];
        let header_bytes = encode_header(0, part.len(), &mut header);
        let appended =
            conflated.writer.append_copy(&mut conflated.pool, &header[..header_bytes], &[]);
        if appended.is_ok() {
            conflated.writer.append_shared(part.to_shared());
            let _ = conflated.writer.commit(1);
        }
    }
}

/// Messages of one short frame each, all of one size, that stand at the start of `bytes` and within the first `bytes_max`.
fn equal_messages(bytes: &[u8], bytes_max: u64) -> u64 {
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    match bytes {
        &[0, length, ..] => equal_frames(&bytes[..bytes.len().min(bytes_max)], [0, length]) as u64,
        _ => 0,
    }
}
