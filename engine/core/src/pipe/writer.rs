//! The sending end of a pipe: parts in, whole messages out.

use zeroring_base::slab::{SlabPool, SlabWriter};
use zeroring_base::stream::{NoMemory, StreamWriter};
use zeroring_base::{Bytes, Message, PartRef};
use zeroring_zmtp::framing::{COMMAND, Frames, MORE, encode_header};

use super::conflate::ConflateWriter;

/// Writes frames into a pipe.
#[derive(Debug)]
pub struct PipeWriter(Kind);

#[derive(Debug)]
enum Kind {
    Stream(StreamWriter),
    Conflate(ConflateWriter),
}

impl PipeWriter {
    pub(super) fn from_stream(stream: StreamWriter) -> Self {
        Self(Kind::Stream(stream))
    }

    pub(super) fn from_conflate(conflate: ConflateWriter) -> Self {
        Self(Kind::Conflate(conflate))
    }

    /// Appends one part of a message. Bodies of at least `copy_threshold_bytes` go by reference, others are copied into
    /// the batch; so are those that only live for the call, as long as they fit a slab.
    #[inline]
    pub fn put_part(
        &mut self,
        pool: &mut SlabPool,
        part: PartRef<'_>,
        more: bool,
        copy_threshold_bytes: usize,
    ) -> Result<(), NoMemory> {
        let stream = match &mut self.0 {
            Kind::Stream(stream) => stream,
            Kind::Conflate(conflate) => {
                conflate.put(part.to_message());
                return Ok(());
            }
        };
        let flags = if more { MORE } else { 0 };
        if let Ok(length) = u8::try_from(part.len()) {
            return stream.append_short(pool, u16::from_le_bytes([flags, length]), part.bytes());
        }
        let mut header = [0; 9];
        let header_bytes = encode_header(flags, part.len(), &mut header);
        let header = &header[..header_bytes];
        let is_copied = part.len() < copy_threshold_bytes
            || !part.is_counted() && part.len() + header_bytes <= pool.slab_bytes();
        if is_copied {
            stream.append_copy(pool, header, part.bytes())
        } else {
            let body = part.to_shared_in(pool).ok_or(NoMemory { wanted_bytes: part.len() })?;
            stream.append_copy(pool, header, &[])?;
            stream.append_shared(body);
            Ok(())
        }
    }

    /// Opens the [short way](Self::try_send_small) for messages with so many bytes together at most.
    #[inline]
    pub fn open_short_way(&mut self, bytes_max: u64) {
        if let Kind::Stream(stream) = &mut self.0 {
            stream.open_short_way(bytes_max);
        }
    }

    /// Closes the short way until it is opened again.
    pub fn close_short_way(&mut self) {
        if let Kind::Stream(stream) = &mut self.0 {
            stream.close_short_way();
        }
    }

    /// Puts and commits a message of one part and at most [`SMALL_BYTES_MAX`](zeroring_base::copy::SMALL_BYTES_MAX) bytes, if the
    /// short way is open and wide enough for it. `None`: nothing was done. Otherwise as [`commit`](Self::commit). Calls nothing.
    #[inline(always)]
    pub fn try_send_small(&mut self, body: &[u8]) -> Option<bool> {
        let Kind::Stream(stream) = &mut self.0 else { return None };
        stream.try_commit_small((body.len() as u16) << 8, body)
    }

    /// As [`try_send_small`](Self::try_send_small), for any length.
    #[inline]
    pub fn try_send_short(&mut self, body: &[u8]) -> Option<bool> {
        let Kind::Stream(stream) = &mut self.0 else { return None };
        if let Ok(length) = u8::try_from(body.len()) {
            return stream.try_commit_short(u16::from_le_bytes([0, length]), body);
        }
        let mut header = [0; 9];
        let header_bytes = encode_header(0, body.len(), &mut header);
        stream.try_commit_copy(&header[..header_bytes], body)
    }

    /// Puts and commits a message that is encoded in `slab` at `start..end`, if the [short way](Self::open_short_way) is open
    /// for it and it follows on the last one there. `None`: nothing was done. Otherwise as [`commit`](Self::commit).
    #[inline(always)]
    pub fn try_send_encoded(
        &mut self,
        slab: &SlabWriter,
        start: usize,
        end: usize,
    ) -> Option<bool> {
        let Kind::Stream(stream) = &mut self.0 else { return None };
        stream.try_commit_filled(slab, start, end)
    }

    /// Appends one part whose bytes are already encoded as a frame in `slab` at `start..end` (fan-out).
    #[inline]
    pub fn put_encoded(&mut self, slab: &SlabWriter, start: usize, end: usize) {
        match &mut self.0 {
            Kind::Stream(stream) => stream.append_filled(slab, start, end),
            Kind::Conflate(_) => {
                debug_assert!(false, "a conflating pipe takes parts, not encoded frames")
            }
        }
    }

    /// Appends received frames that end at a message boundary, in place.
    pub fn put_received(&mut self, slab: &SlabWriter, start: usize, end: usize) {
        match &mut self.0 {
            Kind::Stream(stream) => stream.append_filled(slab, start, end),
            Kind::Conflate(conflate) => put_newest(conflate, slab.filled_slice(start, end)),
        }
    }

    /// As [`put_received`](Self::put_received), for bytes that a driver received.
    pub fn put_adopted(&mut self, frames: &Bytes) {
        match &mut self.0 {
            Kind::Stream(stream) => stream.append_shared(frames.clone()),
            Kind::Conflate(conflate) => put_newest(conflate, frames),
        }
    }

    /// Appends `body` by reference behind a header that was appended before.
    pub fn put_shared(&mut self, body: Bytes) {
        if let Kind::Stream(stream) = &mut self.0 {
            stream.append_shared(body);
        }
    }

    /// Appends a command frame with `body`.
    pub fn put_command(&mut self, pool: &mut SlabPool, body: &[u8]) -> Result<(), NoMemory> {
        let mut header = [0; 9];
        let header_bytes = encode_header(COMMAND, body.len(), &mut header);
        match &mut self.0 {
            Kind::Stream(stream) => stream.append_copy(pool, &header[..header_bytes], body),
            Kind::Conflate(_) => Ok(()), // newest *message* wins; a conflating pipe carries no commands
        }
    }

    /// Publishes what was put, which ends `messages` messages. True if the reader waits and must be told.
    #[inline]
    #[must_use]
    pub fn commit(&mut self, messages: u32) -> bool {
        match &mut self.0 {
            Kind::Stream(stream) => stream.commit(messages),
            Kind::Conflate(conflate) => conflate.commit(),
        }
    }

    /// Forgets the unfinished message.
    pub fn rollback(&mut self) {
        if let Kind::Stream(stream) = &mut self.0 {
            stream.rollback();
        }
    }

    /// The reader has [let go](super::PipeReader::let_go) of what it read.
    pub fn begin_anew(&mut self) {
        if let Kind::Stream(stream) = &mut self.0 {
            stream.begin_anew();
        }
    }

    /// Messages that still fit.
    #[inline]
    pub fn credit(&mut self) -> u64 {
        match &mut self.0 {
            Kind::Stream(stream) => stream.credit(),
            Kind::Conflate(_) => u64::MAX,
        }
    }

    /// True if a message fits; otherwise the reader will tell when one does.
    #[inline]
    pub fn has_credit_or_waits(&mut self) -> bool {
        match &mut self.0 {
            Kind::Stream(stream) => stream.has_credit_or_waits(),
            Kind::Conflate(_) => true,
        }
    }

    /// Changes the high-water mark.
    pub fn set_high_water_mark(&mut self, messages: u32) {
        if let Kind::Stream(stream) = &mut self.0 {
            stream.set_high_water_mark(messages);
        }
    }

    /// Bytes published that the connection behind this pipe has not written yet.
    #[inline]
    pub fn unread_bytes(&self) -> u64 {
        match &self.0 {
            Kind::Stream(stream) => stream.unread_bytes(),
            Kind::Conflate(conflate) => u64::from(conflate.is_full()),
        }
    }

    /// Bytes published since the pipe began.
    #[inline]
    pub fn published_bytes(&self) -> u64 {
        match &self.0 {
            Kind::Stream(stream) => stream.committed_bytes(),
            Kind::Conflate(_) => 0,
        }
    }

    /// Messages published since the pipe began.
    #[inline]
    pub fn messages_written(&self) -> u64 {
        match &self.0 {
            Kind::Stream(stream) => stream.messages_written(),
            Kind::Conflate(conflate) => conflate.messages_written(),
        }
    }

    /// Messages published and not yet acknowledged by the reader.
    pub fn unacked_messages(&self) -> u64 {
        match &self.0 {
            Kind::Stream(stream) => stream.unacked_messages(),
            Kind::Conflate(conflate) => u64::from(conflate.is_full()),
        }
    }

    /// True for a pipe that keeps only the newest part.
    pub fn is_conflating(&self) -> bool {
        matches!(self.0, Kind::Conflate(_))
    }

    /// True if parts were put and not committed.
    pub fn has_uncommitted(&self) -> bool {
        matches!(&self.0, Kind::Stream(stream) if stream.has_uncommitted())
    }
}

fn put_newest(conflate: &mut ConflateWriter, frames: &[u8]) {
    let parts = Frames::new(frames);
    if let Some(newest) = parts.filter(|frame| frame.flags & COMMAND == 0).last() {
        conflate.put(Message::copy_from_slice(newest.body));
    }
}
