//! The writing end: bytes to the end of the stream, published by whole messages.

use super::{NoMemory, Segment, Shared};
use crate::barrier;
use crate::ring::Producer;
use crate::slab::{Bytes, SlabPool, SlabSize, SlabWriter};
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, seq_cst_point};

/// Where the last segment ends, to see whether the next bytes follow on directly.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Nowhere: the next bytes begin a segment.
    Nowhere,
    /// Where the writer's own slab is filled to.
    Own,
    /// At this address in a slab that somebody else fills.
    Other { slab: usize, end: usize },
}

impl Tail {
    #[inline(always)]
    fn at(slab: &SlabWriter, offset: usize) -> Self {
        Self::Other { slab: slab.slab().address(), end: slab.address_of(offset) }
    }

    fn start_of(bytes: &Bytes) -> Self {
        Self::Other { slab: bytes.slab().address(), end: bytes.as_ptr() as usize }
    }

    fn end_of(bytes: &Bytes) -> Self {
        Self::Other { slab: bytes.slab().address(), end: bytes.as_ptr() as usize + bytes.len() }
    }
}

/// What may follow at the tail without a question: nothing is uncommitted, so many bytes were allowed (and have room, where
/// the tail is our own), and there is credit for so many messages.
#[derive(Clone, Copy, Default)]
struct ShortWay {
    /// 0 while it is closed.
    bytes: usize,
    messages: u64,
}

impl ShortWay {
    /// What is left behind a message of `total` bytes. `None`: it is too long.
    #[inline(always)]
    fn behind(self, total: usize) -> Option<Self> {
        let bytes = self.bytes.checked_sub(total)?;
        let messages = self.messages.wrapping_sub(1); // with room for bytes there is room for a message
        Some(Self { bytes: if messages == 0 { 0 } else { bytes }, messages })
    }
}

/// The writing end of a stream. The fields are in the order of their use, message by message: with a thousand peers the
/// lines touched for each are what a publisher waits for. Those of a message that is encoded already are on the first one.
#[repr(C, align(64))]
pub struct StreamWriter {
    short_way: ShortWay,
    committed: u64,
    shared: Arc<Shared>,
    messages_written: u64,
    tail: Tail,
    slab: Option<SlabWriter>,
    /// Bytes behind those committed.
    uncommitted: u64,
    consumed_seen: u64,
    /// Segments of the message being written; the reader learns of them at commit.
    staged: Vec<Segment>,
    segments: Producer<Segment>,
    slab_size: SlabSize,
}

impl StreamWriter {
    pub(super) fn new(shared: Arc<Shared>, segments: Producer<Segment>) -> Self {
        Self {
            shared,
            segments,
            short_way: ShortWay::default(),
            slab: None,
            slab_size: SlabSize::default(),
            tail: Tail::Nowhere,
            staged: Vec::new(),
            committed: 0,
            uncommitted: 0,
            messages_written: 0,
            consumed_seen: 0,
        }
    }

    /// Copies `header` and `body`, one behind the other and contiguous, to the end of the stream.
    #[inline]
    pub fn append_copy(
        &mut self,
        pool: &mut SlabPool,
        header: &[u8],
        body: &[u8],
    ) -> Result<(), NoMemory> {
        self.append_with(pool, header.len() + body.len(), |slab| {
            slab.put(header);
            slab.put(body);
        })
    }

    /// Like [`append_copy`](Self::append_copy) with a header of two bytes, the first in the low half: the path of small
    /// messages.
    #[inline]
    pub fn append_short(
        &mut self,
        pool: &mut SlabPool,
        header: u16,
        body: &[u8],
    ) -> Result<(), NoMemory> {
        self.append_with(pool, 2 + body.len(), |slab| {
            slab.prefetch_spare();
            slab.put_with_short_header(header, body);
        })
    }

    /// Appends the `total` bytes that `put` puts into our own slab.
    #[inline(always)]
    fn append_with(
        &mut self,
        pool: &mut SlabPool,
        total: usize,
        put: impl FnOnce(&mut SlabWriter),
    ) -> Result<(), NoMemory> {
        if self.slab.as_ref().is_none_or(|slab| slab.room() < total) {
            self.next_slab(pool, total)?;
        }
        let Some(slab) = self.slab.as_mut() else { return Err(NoMemory { wanted_bytes: total }) };
        let start = slab.filled();
        put(slab);
        if self.tail != Tail::Own {
            let bytes = slab.bytes(start, start + total);
            self.staged.push(Segment { bytes, base: self.written() });
        }
        self.appended(Tail::Own, total);
        Ok(())
    }

    #[cold]
    fn next_slab(&mut self, pool: &mut SlabPool, total: usize) -> Result<(), NoMemory> {
        self.close_short_way();
        self.slab = None; // gives the old one back before the new one is taken
        self.tail = Tail::Nowhere;
        let fresh = pool.next_writer(&mut self.slab_size, total);
        self.slab = Some(fresh.ok_or(NoMemory { wanted_bytes: total })?);
        Ok(())
    }

    /// Appends bytes `start..end` of a slab that somebody else fills (received bytes, a batch shared by a fan-out).
    #[inline]
    pub fn append_filled(&mut self, slab: &SlabWriter, start: usize, end: usize) {
        if self.tail != Tail::at(slab, start) {
            self.staged.push(Segment { bytes: slab.bytes(start, end), base: self.written() });
        }
        self.appended(Tail::at(slab, end), end - start);
    }

    /// Appends `bytes` by reference.
    pub fn append_shared(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let (end, total) = (Tail::end_of(&bytes), bytes.len());
        if self.tail != Tail::start_of(&bytes) {
            self.staged.push(Segment { bytes, base: self.written() });
        }
        self.appended(end, total);
    }

    #[inline(always)]
    fn appended(&mut self, tail: Tail, total: usize) {
        self.close_short_way();
        self.tail = tail;
        self.uncommitted += total as u64;
    }

    fn written(&self) -> u64 {
        self.committed + self.uncommitted
    }

    /// Publishes everything appended, which ends `messages` messages. True if the reader waits and must be told.
    #[inline]
    #[must_use]
    pub fn commit(&mut self, messages: u32) -> bool {
        if !self.staged.is_empty() {
            self.push_staged();
        }
        let bytes = std::mem::take(&mut self.uncommitted);
        self.publish(bytes, messages)
    }

    #[inline(always)]
    fn publish(&mut self, bytes: u64, messages: u32) -> bool {
        self.messages_written += u64::from(messages);
        self.committed += bytes;
        // Release pairs with the Acquire load in `load_segments`: who sees the position sees bytes and segments.
        self.shared.ahead.published.store(self.committed, Ordering::Release);
        // Pairs with the heavy barrier of a reader that is about to wait, see the module.
        barrier::light();
        self.shared.back.reader_waits.load(Ordering::Relaxed)
            && self.shared.back.reader_waits.swap(false, Ordering::AcqRel)
    }

    #[cold]
    fn push_staged(&mut self) {
        for segment in self.staged.drain(..) {
            self.segments.push_unpublished(segment);
        }
        self.segments.publish();
    }

    /// Opens the short way for messages with so many bytes together, or for as many as there is room and credit for; not
    /// where the next bytes would begin a segment or belong to a message that was begun.
    #[inline]
    pub fn open_short_way(&mut self, bytes_max: u64) {
        let room = match (self.tail, &self.slab) {
            _ if self.has_uncommitted() => return,
            (Tail::Own, Some(slab)) => slab.room() as u64,
            (Tail::Other { .. }, _) => u64::MAX, // what may follow there is encoded already
            _ => return,
        };
        let messages = self.credit_seen();
        let bytes = if messages > 0 { bytes_max.min(room) as usize } else { 0 };
        self.short_way = ShortWay { bytes, messages };
    }

    /// Whatever comes next goes the long way.
    #[inline(always)]
    pub fn close_short_way(&mut self) {
        self.short_way = ShortWay::default();
    }

    /// Commits a message of one small frame, if the short way is open and wide enough. `None`: it is not, and nothing was
    /// done. Otherwise as [`commit`](Self::commit). Calls nothing.
    ///
    /// # Panics
    /// If the body has more than [`SMALL_BYTES_MAX`](crate::copy::SMALL_BYTES_MAX): our own mistake.
    #[inline(always)]
    pub fn try_commit_small(&mut self, header: u16, body: &[u8]) -> Option<bool> {
        let (slab, rest) = self.short_way_for(2 + body.len())?;
        slab.prefetch_spare();
        slab.put_small(header, body);
        Some(self.went_short(2 + body.len(), rest))
    }

    /// As [`try_commit_small`](Self::try_commit_small), for a longer message with a header of two bytes.
    #[inline]
    pub fn try_commit_short(&mut self, header: u16, body: &[u8]) -> Option<bool> {
        let (slab, rest) = self.short_way_for(2 + body.len())?;
        slab.prefetch_spare();
        slab.put_with_short_header(header, body);
        Some(self.went_short(2 + body.len(), rest))
    }

    /// As [`try_commit_short`](Self::try_commit_short), for a message whose header has another length.
    #[inline]
    pub fn try_commit_copy(&mut self, header: &[u8], body: &[u8]) -> Option<bool> {
        let (slab, rest) = self.short_way_for(header.len() + body.len())?;
        slab.put(header);
        slab.put(body);
        Some(self.went_short(header.len() + body.len(), rest))
    }

    /// Where a message of `total` bytes goes, and what the short way is behind it; `None` if it is closed or too short.
    #[inline(always)]
    fn short_way_for(&mut self, total: usize) -> Option<(&mut SlabWriter, ShortWay)> {
        let (Tail::Own, Some(slab)) = (self.tail, self.slab.as_mut()) else { return None };
        Some((slab, self.short_way.behind(total)?))
    }

    #[inline(always)]
    fn went_short(&mut self, total: usize, rest: ShortWay) -> bool {
        self.short_way = rest;
        self.publish(total as u64, 1)
    }

    /// As [`try_commit_short`](Self::try_commit_short), for bytes `start..end` of a slab that somebody else fills, where they
    /// follow on those committed last.
    #[inline(always)]
    pub fn try_commit_filled(
        &mut self,
        slab: &SlabWriter,
        start: usize,
        end: usize,
    ) -> Option<bool> {
        debug_assert!(start < end && end <= slab.filled(), "not filled");
        let rest = self.short_way.behind(end - start)?;
        if self.tail != Tail::at(slab, start) {
            return None;
        }
        self.tail = Tail::at(slab, end);
        Some(self.went_short(end - start, rest))
    }

    /// Forgets everything appended since the last commit.
    pub fn rollback(&mut self) {
        if self.has_uncommitted() {
            self.staged.clear();
            self.uncommitted = 0;
            self.tail = Tail::Nowhere; // the next bytes start a segment of their own
        }
    }

    /// The reader has let go of all it read: the next bytes start a segment of their own.
    pub fn begin_anew(&mut self) {
        self.close_short_way();
        self.tail = Tail::Nowhere;
    }

    /// True if something was appended and not committed.
    pub fn has_uncommitted(&self) -> bool {
        self.uncommitted > 0
    }

    /// Messages that may still be committed before the high-water mark; `u64::MAX` if there is none.
    #[inline]
    pub fn credit(&mut self) -> u64 {
        match self.credit_seen() {
            0 => {
                self.refresh_credit();
                self.credit_seen()
            }
            credit => credit,
        }
    }

    /// As [`credit`](Self::credit), as far as the reader's last known acknowledgement gives it.
    #[inline(always)]
    fn credit_seen(&self) -> u64 {
        // Relaxed: either end may change the mark at any time, and it orders nothing.
        match u64::from(self.shared.back.high_water_mark.load(Ordering::Relaxed)) {
            0 => u64::MAX,
            // Saturating: a reader that counts more than was committed gives credit, and must not wedge its writer.
            hwm => hwm.saturating_sub(self.messages_written.saturating_sub(self.consumed_seen)),
        }
    }

    #[cold]
    fn refresh_credit(&mut self) {
        self.consumed_seen = self.shared.back.consumed.load(Ordering::SeqCst);
    }

    /// Like [`credit`](Self::credit) `> 0`; if there is none, asks the reader to tell when there is.
    #[inline]
    pub fn has_credit_or_waits(&mut self) -> bool {
        if self.credit() > 0 {
            return true;
        }
        self.shared.back.writer_waits.store(true, Ordering::SeqCst);
        seq_cst_point();
        self.refresh_credit();
        self.credit() > 0
    }

    /// Changes the high-water mark (0 = unlimited).
    pub fn set_high_water_mark(&mut self, messages: u32) {
        self.close_short_way();
        self.shared.back.high_water_mark.store(messages, Ordering::Relaxed);
    }

    /// Bytes committed that the reader, a connection, has not taken yet.
    #[inline]
    pub fn unread_bytes(&self) -> u64 {
        self.committed - self.shared.back.read_position.load(Ordering::Acquire)
    }

    /// Bytes committed since the stream began.
    #[inline]
    pub fn committed_bytes(&self) -> u64 {
        self.committed
    }

    /// Messages committed that the reader has not acknowledged yet.
    pub fn unacked_messages(&self) -> u64 {
        self.messages_written.saturating_sub(self.shared.back.consumed.load(Ordering::Relaxed))
    }

    /// Messages committed since the stream began.
    #[inline]
    pub fn messages_written(&self) -> u64 {
        self.messages_written
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `is_writer_gone`: everything committed is visible to who sees the flag.
        self.shared.ahead.writer_gone.store(true, Ordering::Release);
    }
}

impl std::fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StreamWriter({} messages, {} bytes)", self.messages_written, self.committed)
    }
}
