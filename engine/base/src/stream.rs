//! One direction of a pipe: a stream of framed bytes in slabs, from one writer to one reader, bounded by credit.
//!
//! ```text
//!  writer: append … commit ──► segments (SPSC ring)  ──► reader: available / advance, or ranges / consume
//!                              published position    ──►
//!                              messages consumed     ◄──
//! ```
//!
//! A *segment* is a run of bytes in one slab. The last segment is open: when the next bytes follow in the same slab,
//! nothing but the published position moves, so a message costs its bytes and one store. A body sent by reference is a
//! segment of its own. The reader either cuts frames out in place (application) or gathers ranges for the kernel
//! (connection); the bytes are the same.
//!
//! # Invariants
//!
//! * Positions count bytes since the stream began. `read ≤ published = committed ≤ written`.
//! * Segment `n` holds positions `base(n) .. base(n+1)`; the last one reaches to `published`.
//! * `published` moves by whole messages only, so a reader never sees part of a message (the writer commits at the end
//!   of a message; `rollback` forgets an unfinished one).
//! * Segments are pushed before the position that needs them is published: a reader that loads `published` first and
//!   the ring second finds every segment it needs.
//! * Bytes below `published` are filled slab bytes and never change (see `slab`).
//!
//! # Sleeping and credit
//!
//! Both use the same handshake. The side that finds nothing to do sets its `waits` flag, then looks once more; the other
//! side makes its progress visible, then looks at the flag. With a barrier between the two steps on each side at least
//! one sees the other. A flag seen set is taken down and the caller is told to notify: once per batch. For the reader's
//! flag the barrier is asymmetric (see [`barrier`]), because the writer looks at it for every message; for the writer's
//! flag all accesses are SeqCst.

use std::collections::VecDeque;
use std::io::IoSlice;

use crossbeam_utils::CachePadded;

use crate::barrier;
use crate::ring::{Consumer, Producer, ring};
use crate::slab::{Bytes, SlabPool, SlabSize, SlabWriter};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Arc, seq_cst_point};

struct Segment {
    /// Starts at the segment's first byte; its own length is only what was there when it was pushed.
    bytes: Bytes,
    base: u64,
}

struct Shared {
    /// Position up to which the reader may read. Writer stores, reader loads.
    published: CachePadded<AtomicU64>,
    /// The reader found nothing and wants to be told.
    reader_waits: CachePadded<AtomicBool>,
    /// Messages the reader is done with, in steps of the low-water mark. Reader stores, writer loads.
    consumed: CachePadded<AtomicU64>,
    /// Position the reader reached; only a connection keeps it up to date, for `unread_bytes`.
    read_position: AtomicU64,
    /// The writer is out of credit and wants to be told.
    writer_waits: AtomicBool,
    /// High-water mark in messages; 0 = unlimited.
    high_water_mark: AtomicU32,
    writer_gone: AtomicBool,
}

/// The system has no memory for another slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMemory {
    /// Bytes asked for.
    pub wanted_bytes: usize,
}

impl std::fmt::Display for NoMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the system has no memory for a buffer of {} bytes", self.wanted_bytes)
    }
}

impl std::error::Error for NoMemory {}

/// Where the last segment ends, to see whether the next bytes follow on directly.
#[derive(Clone, Copy, PartialEq, Eq)]
struct TailEnd {
    slab: usize,
    end: usize,
}

impl TailEnd {
    fn start_of(bytes: &Bytes) -> Self {
        Self { slab: bytes.slab().address(), end: bytes.as_ptr() as usize }
    }

    fn end_of(bytes: &Bytes) -> Self {
        Self { slab: bytes.slab().address(), end: bytes.as_ptr() as usize + bytes.len() }
    }
}

/// A new stream with room for `high_water_mark` messages (0 = unlimited).
pub fn stream(high_water_mark: u32) -> (StreamWriter, StreamReader) {
    barrier::prepare();
    let shared = Arc::new(Shared {
        published: CachePadded::new(AtomicU64::new(0)),
        reader_waits: CachePadded::new(AtomicBool::new(true)),
        consumed: CachePadded::new(AtomicU64::new(0)),
        read_position: AtomicU64::new(0),
        writer_waits: AtomicBool::new(false),
        high_water_mark: AtomicU32::new(high_water_mark),
        writer_gone: AtomicBool::new(false),
    });
    let (producer, consumer) = ring();
    let writer = StreamWriter {
        shared: shared.clone(),
        segments: producer,
        slab: None,
        slab_size: SlabSize::default(),
        tail: None,
        staged: Vec::new(),
        written: 0,
        committed: 0,
        messages_written: 0,
        consumed_seen: 0,
    };
    let reader = StreamReader {
        shared,
        segments: consumer,
        held: VecDeque::new(),
        position: 0,
        offset: 0,
        available: 0,
        messages_read: 0,
        messages_acked: 0,
    };
    (writer, reader)
}

/// The writing end of a stream.
pub struct StreamWriter {
    shared: Arc<Shared>,
    segments: Producer<Segment>,
    slab: Option<SlabWriter>,
    slab_size: SlabSize,
    tail: Option<TailEnd>,
    /// Segments of the message being written; the reader learns of them at commit.
    staged: Vec<Segment>,
    written: u64,
    committed: u64,
    messages_written: u64,
    consumed_seen: u64,
}

impl StreamWriter {
    /// Copies `header` and `body`, one behind the other and contiguous, to the end of the stream.
    #[inline]
    pub fn append_copy(
        &mut self,
        pool: &mut SlabPool,
        header: &[u8],
        body: &[u8],
    ) -> Result<(), NoMemory> {
        let total = header.len() + body.len();
        if self.slab.as_ref().is_none_or(|slab| slab.room() < total) {
            self.next_slab(pool, total)?;
        }
        let Some(slab) = self.slab.as_mut() else { return Err(NoMemory { wanted_bytes: total }) };
        let start = slab.filled();
        slab.put(header);
        slab.put(body);
        self.appended_own(start, total);
        Ok(())
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
        let total = 2 + body.len();
        if self.slab.as_ref().is_none_or(|slab| slab.room() < total) {
            self.next_slab(pool, total)?;
        }
        let Some(slab) = self.slab.as_mut() else { return Err(NoMemory { wanted_bytes: total }) };
        let start = slab.filled();
        slab.prefetch_spare();
        slab.put_with_short_header(header, body);
        self.appended_own(start, total);
        Ok(())
    }

    /// Commits a message of one short frame, where nothing stands in the way: it follows the last one in the same slab, and
    /// there is credit. `None`: something does, and nothing was done. Otherwise as [`commit`](Self::commit).
    #[inline(always)]
    pub fn try_commit_short(&mut self, header: u16, body: &[u8]) -> Option<bool> {
        let total = 2 + body.len();
        let has_credit = self.credit_seen() > 0;
        let slab = self.slab.as_mut()?;
        let end = slab.address_of(slab.filled());
        let follows = self.tail == Some(TailEnd { slab: slab.slab().address(), end });
        if !follows || !has_credit || slab.room() < total || self.written != self.committed {
            return None;
        }
        slab.prefetch_spare();
        slab.put_with_short_header(header, body);
        self.tail = Some(TailEnd { slab: slab.slab().address(), end: end + total });
        self.written += total as u64;
        Some(self.publish(1))
    }

    /// Books `total` bytes that were put into our own slab from `start` on.
    #[inline]
    fn appended_own(&mut self, start: usize, total: usize) {
        let Some(slab) = self.slab.as_ref() else { return };
        let from = TailEnd { slab: slab.slab().address(), end: slab.address_of(start) };
        if self.tail != Some(from) {
            let bytes = slab.bytes(start, start + total);
            self.staged.push(Segment { bytes, base: self.written });
        }
        self.tail = Some(TailEnd { slab: from.slab, end: from.end + total });
        self.written += total as u64;
    }

    #[cold]
    fn next_slab(&mut self, pool: &mut SlabPool, total: usize) -> Result<(), NoMemory> {
        self.slab = None; // gives the old one back before the new one is taken
        self.tail = None;
        let fresh = pool.next_writer(&mut self.slab_size, total);
        self.slab = Some(fresh.ok_or(NoMemory { wanted_bytes: total })?);
        Ok(())
    }

    /// Appends bytes `start..end` of a slab that somebody else fills (received bytes, a batch shared by a fan-out).
    #[inline]
    pub fn append_filled(&mut self, slab: &SlabWriter, start: usize, end: usize) {
        let from = TailEnd { slab: slab.slab().address(), end: slab.address_of(start) };
        if self.tail != Some(from) {
            self.staged.push(Segment { bytes: slab.bytes(start, end), base: self.written });
        }
        self.tail = Some(TailEnd { slab: from.slab, end: from.end + (end - start) });
        self.written += (end - start) as u64;
    }

    /// Appends `bytes` by reference.
    pub fn append_shared(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let end = TailEnd::end_of(&bytes);
        self.written += bytes.len() as u64;
        if self.tail != Some(TailEnd::start_of(&bytes)) {
            let base = self.written - bytes.len() as u64;
            self.staged.push(Segment { bytes, base });
        }
        self.tail = Some(end);
    }

    /// Publishes everything appended, which ends `messages` messages. True if the reader waits and must be told.
    #[inline]
    #[must_use]
    pub fn commit(&mut self, messages: u32) -> bool {
        if !self.staged.is_empty() {
            self.push_staged();
        }
        self.publish(messages)
    }

    #[inline(always)]
    fn publish(&mut self, messages: u32) -> bool {
        self.messages_written += u64::from(messages);
        self.committed = self.written;
        // Release pairs with the Acquire load in `load_segments`: who sees the position sees bytes and segments.
        self.shared.published.store(self.written, Ordering::Release);
        // Pairs with the heavy barrier of a reader that is about to wait, see the module.
        barrier::light();
        self.shared.reader_waits.load(Ordering::Relaxed)
            && self.shared.reader_waits.swap(false, Ordering::AcqRel)
    }

    #[cold]
    fn push_staged(&mut self) {
        for segment in self.staged.drain(..) {
            self.segments.push_unpublished(segment);
        }
        self.segments.publish();
    }

    /// Forgets everything appended since the last commit.
    pub fn rollback(&mut self) {
        if self.written != self.committed {
            self.staged.clear();
            self.written = self.committed;
            self.tail = None; // the next bytes start a segment of their own
        }
    }

    /// The reader has let go of all it read: the next bytes start a segment of their own.
    pub fn begin_anew(&mut self) {
        self.tail = None;
    }

    /// True if something was appended and not committed.
    pub fn has_uncommitted(&self) -> bool {
        self.written != self.committed
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
        match u64::from(self.shared.high_water_mark.load(Ordering::Relaxed)) {
            0 => u64::MAX,
            // Saturating: a reader that counts more than was committed gives credit, and must not wedge its writer.
            hwm => hwm.saturating_sub(self.messages_written.saturating_sub(self.consumed_seen)),
        }
    }

    #[cold]
    fn refresh_credit(&mut self) {
        self.consumed_seen = self.shared.consumed.load(Ordering::SeqCst);
    }

    /// Like [`credit`](Self::credit) `> 0`; if there is none, asks the reader to tell when there is.
    #[inline]
    pub fn has_credit_or_waits(&mut self) -> bool {
        if self.credit() > 0 {
            return true;
        }
        self.shared.writer_waits.store(true, Ordering::SeqCst);
        seq_cst_point();
        self.refresh_credit();
        self.credit() > 0
    }

    /// Changes the high-water mark (0 = unlimited).
    pub fn set_high_water_mark(&mut self, messages: u32) {
        self.shared.high_water_mark.store(messages, Ordering::Relaxed);
    }

    /// Bytes committed that the reader, a connection, has not taken yet.
    #[inline]
    pub fn unread_bytes(&self) -> u64 {
        self.committed - self.shared.read_position.load(Ordering::Acquire)
    }

    /// Bytes committed since the stream began.
    #[inline]
    pub fn committed_bytes(&self) -> u64 {
        self.committed
    }

    /// Messages committed that the reader has not acknowledged yet.
    pub fn unacked_messages(&self) -> u64 {
        self.messages_written.saturating_sub(self.shared.consumed.load(Ordering::Relaxed))
    }

    /// Messages committed since the stream began.
    pub fn messages_written(&self) -> u64 {
        self.messages_written
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `is_writer_gone`: everything committed is visible to who sees the flag.
        self.shared.writer_gone.store(true, Ordering::Release);
    }
}

/// The reading end of a stream.
pub struct StreamReader {
    shared: Arc<Shared>,
    segments: Consumer<Segment>,
    /// The segment being read and, while gathering, those behind it.
    held: VecDeque<Segment>,
    position: u64,
    /// Offset of `position` in the first held segment, and bytes readable from there.
    offset: usize,
    available: usize,
    messages_read: u64,
    messages_acked: u64,
}

impl StreamReader {
    /// The contiguous bytes at the reading position; empty if nothing is published.
    #[inline]
    pub fn available(&mut self) -> &[u8] {
        if self.available == 0 && !self.refresh() {
            return &[];
        }
        match self.held.front() {
            // SAFETY: `refresh` made sure offset..offset+available is published in this segment; else: unfilled bytes.
            Some(segment) => unsafe { segment.bytes.published(self.offset, self.available) },
            None => &[],
        }
    }

    /// Shows `f` the bytes that are available without looking for more; it says how many of them it is done with, if any.
    /// True if so.
    ///
    /// # Panics
    /// If it names more than it saw: our own mistake.
    #[inline(always)]
    pub fn read_with(&mut self, f: impl FnOnce(&[u8]) -> Option<usize>) -> bool {
        let Some(segment) = self.held.front() else { return false };
        // SAFETY: as in `available`.
        let bytes = unsafe { segment.bytes.published(self.offset, self.available) };
        let Some(n) = f(bytes) else { return false };
        assert!(n <= self.available, "read {n} of {} bytes", self.available);
        self.offset += n;
        self.available -= n;
        self.position += n as u64;
        segment.bytes.prefetch_published(self.offset, self.available);
        true
    }

    /// Takes the next `n` of the available bytes as a counted slice.
    ///
    /// # Panics
    /// If fewer are available: our own mistake.
    pub fn take(&mut self, n: usize) -> Bytes {
        assert!(n <= self.available, "take {n} of {} bytes", self.available);
        let bytes = match self.held.front() {
            // SAFETY: as in `available`.
            Some(segment) => unsafe { segment.bytes.published_bytes(self.offset, n) },
            None => Bytes::copy_from_slice(&[]),
        };
        self.advance(n);
        bytes
    }

    /// Goes past the next `n` of the available bytes.
    ///
    /// # Panics
    /// If fewer are available: our own mistake.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        let has_segment = self.read_with(|_| Some(n));
        assert!(has_segment || n == 0, "advance {n} where nothing is available");
    }

    /// Lets go of the slabs, if everything published was read. True if so; then the writer's next bytes must begin a
    /// segment, see [`StreamWriter::begin_anew`], and nothing may be committed before it knows.
    pub fn let_go(&mut self) -> bool {
        let is_read = self.published() == self.position;
        if is_read {
            self.load_segments();
            self.held.clear();
            (self.offset, self.available) = (0, 0);
        }
        is_read
    }

    /// Looks for more published bytes. True if there are some at the reading position.
    fn refresh(&mut self) -> bool {
        if self.published() == self.position {
            return false;
        }
        let published = self.load_segments();
        while self.held.get(1).is_some_and(|next| next.base <= self.position) {
            self.held.pop_front();
        }
        let (Some(first), next) = (self.held.front(), self.held.get(1)) else { return false };
        let end = next.map_or(published, |next| next.base.min(published));
        self.offset = (self.position - first.base) as usize;
        self.available = (end - self.position) as usize;
        first.bytes.prefetch_window(self.offset, self.available);
        self.available > 0
    }

    /// Takes over the segments up to the published end, and returns that end. Beyond it nothing is known: a later load of
    /// `published` may count bytes of a segment that is not held yet.
    #[inline]
    fn load_segments(&mut self) -> u64 {
        // Acquire pairs with the Release store in `publish`; loaded before the ring, see the module's invariants.
        let published = self.shared.published.load(Ordering::Acquire);
        while let Some(segment) = self.segments.pop() {
            self.held.push_back(segment);
        }
        published
    }

    /// Says that nothing was found and that the writer shall tell. True if there is something after all.
    pub fn wait_or_ready(&mut self) -> bool {
        self.ask_to_be_told();
        barrier::heavy();
        self.has_more()
    }

    /// First half of [`wait_or_ready`](Self::wait_or_ready): several streams can share one [`barrier::heavy`]. Without a
    /// barrier it is for a reader on the writer's own thread only.
    pub fn ask_to_be_told(&mut self) {
        self.shared.reader_waits.store(true, Ordering::Relaxed);
    }

    /// Second half: true if something is published that was not read.
    pub fn has_more(&self) -> bool {
        self.published() != self.position
    }

    /// The reading position.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The published end of the stream.
    #[inline]
    pub fn published(&self) -> u64 {
        self.shared.published.load(Ordering::Acquire)
    }

    /// Counts `messages` as read. True if the writer waits for credit and must be told.
    #[inline]
    #[must_use]
    pub fn count_read(&mut self, messages: u64) -> bool {
        self.messages_read += messages;
        let hwm = u64::from(self.shared.high_water_mark.load(Ordering::Relaxed));
        // libzmq's low-water mark: acknowledge in steps of (HWM + 1) / 2. Without a mark nobody waits for credit.
        let low_water_mark = if hwm == 0 { 1024 } else { hwm.div_ceil(2) };
        self.messages_read - self.messages_acked >= low_water_mark && self.acknowledge()
    }

    /// Tells the writer about everything read. True if it waits for credit and must be told.
    #[must_use]
    pub fn acknowledge(&mut self) -> bool {
        self.messages_acked = self.messages_read;
        self.shared.consumed.store(self.messages_read, Ordering::SeqCst);
        seq_cst_point();
        self.shared.writer_waits.load(Ordering::SeqCst)
            && self.shared.writer_waits.swap(false, Ordering::SeqCst)
    }

    /// Makes the reading position visible to [`StreamWriter::unread_bytes`].
    #[inline]
    pub fn publish_position(&self) {
        self.shared.read_position.store(self.position, Ordering::Release);
    }

    /// True once the writer was dropped; everything it committed can still be read.
    pub fn is_writer_gone(&self) -> bool {
        self.shared.writer_gone.load(Ordering::Acquire)
    }

    /// Changes the high-water mark that the acknowledging step follows.
    pub fn set_high_water_mark(&mut self, messages: u32) {
        self.shared.high_water_mark.store(messages, Ordering::Relaxed);
    }

    /// Appends to `out` the published ranges from the reading position on, up to `ranges_max` and about `bytes_max`.
    /// Returns their total length.
    pub fn ranges<'a>(
        &'a mut self,
        out: &mut Vec<IoSlice<'a>>,
        ranges_max: usize,
        bytes_max: usize,
    ) -> usize {
        let published = self.load_segments();
        let (mut total, mut position) = (0, self.position);
        for (index, segment) in self.held.iter().enumerate() {
            if out.len() >= ranges_max || total >= bytes_max {
                break;
            }
            let end = self.held.get(index + 1).map_or(published, |next| next.base.min(published));
            if end <= position {
                continue;
            }
            let length = ((end - position) as usize).min(bytes_max - total);
            // SAFETY: base ≤ position < end ≤ published, and the segment reaches to `end`; else: unfilled bytes.
            out.push(IoSlice::new(unsafe {
                segment.bytes.published((position - segment.base) as usize, length)
            }));
            total += length;
            position += length as u64;
        }
        total
    }

    /// Goes past `n` bytes that [`ranges`](Self::ranges) gave, across segments.
    ///
    /// # Panics
    /// If fewer are published: our own mistake.
    pub fn consume(&mut self, n: usize) {
        let mut left = n;
        while left > 0 {
            if self.available == 0 {
                assert!(self.refresh(), "consume {n} bytes, {left} more than published");
            }
            let step = left.min(self.available);
            self.advance(step);
            left -= step;
        }
    }

    /// The byte at absolute `position`, and the bytes behind it in the same segment; for walking frame headers ahead of
    /// the reading position without consuming. `None` if it is not published or was read already.
    pub fn peek_at(&mut self, position: u64) -> Option<&[u8]> {
        if position < self.position {
            return None;
        }
        let published = self.load_segments();
        self.check_available();
        if position >= published {
            return None;
        }
        let index = self.held.partition_point(|segment| segment.base <= position).checked_sub(1)?;
        let end = self.held.get(index + 1).map_or(published, |next| next.base.min(published));
        let segment = self.held.get(index)?;
        // SAFETY: base ≤ position < end ≤ published; else: unfilled bytes.
        Some(unsafe {
            segment.bytes.published((position - segment.base) as usize, (end - position) as usize)
        })
    }

    /// A segment that became known may end the one being read earlier than `available` assumed. (It cannot: `available`
    /// never reaches beyond what was published, and later segments start there.) Checked in debug builds.
    fn check_available(&self) {
        debug_assert!(
            self.held.get(1).is_none_or(|next| {
                self.available == 0 || self.position + self.available as u64 <= next.base
            }),
            "a later segment starts inside the one being read"
        );
    }
}

impl std::fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StreamWriter({} messages, {} bytes)", self.messages_written, self.committed)
    }
}

impl std::fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "StreamReader({} messages, {} of {} bytes)",
            self.messages_read,
            self.position,
            self.published()
        )
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn text(reader: &mut StreamReader) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let n = {
                let bytes = reader.available();
                all.extend_from_slice(bytes);
                bytes.len()
            };
            if n == 0 {
                return all;
            }
            reader.advance(n);
        }
    }

    #[test]
    fn nothing_is_visible_before_commit_and_rollback_forgets() {
        let mut pool = SlabPool::new(64);
        let (mut w, mut r) = stream(0);
        w.append_copy(&mut pool, b"h", b"one").expect("memory");
        assert!(r.available().is_empty());
        assert!(w.commit(1), "the reader of a fresh stream waits");
        w.append_copy(&mut pool, b"h", b"lost").expect("memory");
        w.append_shared(Bytes::copy_from_slice(&[9; 100]));
        w.rollback();
        w.append_copy(&mut pool, b"h", b"two").expect("memory");
        assert!(!w.commit(1));
        assert_eq!(text(&mut r), b"honehtwo");
    }

    #[test]
    fn a_reader_that_let_go_finds_what_follows_in_the_same_slab() {
        let mut pool = SlabPool::new(64);
        let (mut w, mut r) = stream(0);
        let mut slab = pool.writer(64).expect("memory");
        slab.put(b"onetwothree");
        w.append_filled(&slab, 0, 3);
        let _ = w.commit(1);
        assert!(!r.let_go(), "it is not read");
        assert_eq!(text(&mut r), b"one");
        assert!(r.let_go());
        assert_eq!(slab.slab().ref_count(), 1, "only the writer has it");
        w.begin_anew();
        w.append_filled(&slab, 3, 6);
        w.append_filled(&slab, 6, 11);
        let _ = w.commit(2);
        assert_eq!(text(&mut r), b"twothree");
        assert!(r.let_go() && slab.try_reset());
        w.begin_anew();
        slab.put(b"again");
        w.append_filled(&slab, 0, 5);
        let _ = w.commit(1);
        assert_eq!(text(&mut r), b"again");
    }

    /// The short way is open only where the next bytes follow in the writer's own slab.
    #[test]
    fn a_short_frame_goes_the_short_way_or_is_not_touched() {
        let mut pool = SlabPool::new(64);
        let (mut w, mut r) = stream(5);
        const HEADER: u16 = u16::from_le_bytes([b'h', b'!']);
        assert_eq!(w.try_commit_short(HEADER, b"no slab"), None);
        w.append_copy(&mut pool, b"", b"a").expect("memory");
        assert_eq!(w.try_commit_short(HEADER, b"inside a message"), None);
        assert!(w.commit(1));
        assert_eq!(w.try_commit_short(HEADER, b"b"), Some(false), "it was told already");
        r.ask_to_be_told();
        assert_eq!(w.try_commit_short(HEADER, b"c"), Some(true));
        assert_eq!(w.try_commit_short(HEADER, &[0; 60]), None, "no room in the slab");
        w.append_copy(&mut pool, b"", b"lost").expect("memory");
        w.rollback();
        assert_eq!(w.try_commit_short(HEADER, b"behind a gap"), None);
        w.append_shared(Bytes::copy_from_slice(b"shared"));
        assert!(!w.commit(1));
        assert_eq!(w.try_commit_short(HEADER, b"behind another's bytes"), None);
        w.append_copy(&mut pool, b"", b"d").expect("memory");
        assert!(!w.commit(1));
        assert_eq!(w.try_commit_short(HEADER, b"no credit"), None);
        assert_eq!(text(&mut r), b"ah!bh!cshared".iter().chain(b"d").copied().collect::<Vec<_>>());
    }

    #[test]
    fn reading_with_a_closure_takes_what_it_says() {
        let mut pool = SlabPool::new(64);
        let (mut w, mut r) = stream(0);
        w.append_copy(&mut pool, b"", b"onetwo").expect("memory");
        let _ = w.commit(1);
        assert!(!r.read_with(|_| Some(0)), "it does not look for more by itself");
        assert_eq!(r.available(), b"onetwo");
        assert!(!r.read_with(|_| None));
        assert!(r.read_with(|bytes| {
            assert_eq!(bytes, b"onetwo");
            Some(3)
        }));
        assert_eq!(r.available(), b"two");
        assert_eq!(r.position(), 3);
    }

    #[test]
    fn own_shared_and_filled_bytes_keep_their_order() {
        let mut pool = SlabPool::new(32);
        let (mut w, mut r) = stream(0);
        let mut received = pool.writer(32).expect("memory");
        received.put(b"abcdef");
        w.append_copy(&mut pool, b"1", b"own").expect("memory");
        w.append_filled(&received, 0, 3);
        w.append_filled(&received, 3, 6);
        w.append_shared(Bytes::copy_from_slice(b"SHARED"));
        w.append_copy(&mut pool, b"2", b"own").expect("memory");
        w.append_copy(&mut pool, b"", &[b'x'; 30]).expect("memory");
        let _ = w.commit(1);
        let expected = [&b"1ownabcdefSHARED2own"[..], &[b'x'; 30]].concat();
        let mut ranges = Vec::new();
        assert_eq!(r.ranges(&mut ranges, 64, 1 << 20), expected.len());
        assert_eq!(ranges.iter().flat_map(|range| range.to_vec()).collect::<Vec<_>>(), expected);
        assert_eq!(ranges.len(), 5, "touching ranges are merged");
        drop(ranges);
        assert_eq!(r.peek_at(10).expect("published")[0], b'S');
        r.consume(8);
        assert_eq!(text(&mut r), &expected[8..]);
    }

    #[test]
    fn credit_follows_libzmqs_arithmetic() {
        let mut pool = SlabPool::new(1024);
        let (mut w, mut r) = stream(5);
        for n in 0..5 {
            assert_eq!(w.credit(), 5 - n);
            w.append_copy(&mut pool, b"", b"m").expect("memory");
            let _ = w.commit(1);
        }
        assert!(!w.has_credit_or_waits());
        // The low-water mark of 5 is 3: two reads are not yet told, the third is.
        assert!(!r.count_read(1) && !r.count_read(1));
        assert_eq!(w.credit(), 0);
        assert!(r.count_read(1), "the writer waits and must be told");
        assert_eq!(w.credit(), 3);
    }

    #[test]
    fn a_reader_that_counts_too_much_does_not_wedge_its_writer() {
        let mut pool = SlabPool::new(64);
        let (mut w, mut r) = stream(2);
        for _ in 0..5 {
            w.append_copy(&mut pool, b"", b"m").expect("memory");
            let _ = w.commit(1);
            assert_eq!(text(&mut r), b"m");
            let _ = r.count_read(2);
            assert_eq!((w.credit() > 0, w.unacked_messages()), (true, 0));
        }
    }

    #[test]
    fn slabs_go_home_when_the_reader_is_past_them() {
        let mut pool = SlabPool::new(64);
        let (mut w, mut r) = stream(0);
        let mut slabs = std::collections::HashSet::new();
        for n in 0..100u8 {
            w.append_copy(&mut pool, &[n], &[n; 40]).expect("memory");
            let _ = w.commit(1);
            slabs.insert(w.slab.as_ref().expect("just written").slab().address());
            assert_eq!(text(&mut r), [n; 41]);
        }
        assert!(slabs.len() <= 3, "{} slabs for a stream that is always drained", slabs.len());
    }

    /// A regression: `ranges` once took the end of the stream from a later load than the segments.
    #[test]
    fn ranges_are_right_while_the_writer_moves_on_to_other_slabs() {
        const BYTES: usize = 3_000_000;
        let (mut w, mut r) = stream(0);
        let writer = std::thread::spawn(move || {
            let mut pool = SlabPool::new(256);
            let mut written = 0usize;
            while written < BYTES {
                let chunk: Vec<u8> = (0..(written % 90) + 1).map(|i| (written + i) as u8).collect();
                w.append_copy(&mut pool, &chunk[..1], &chunk[1..]).expect("memory");
                let _ = w.commit(1);
                written += chunk.len();
            }
        });
        let mut read = 0usize;
        while read < BYTES {
            let mut ranges = Vec::new();
            let total = r.ranges(&mut ranges, 8, 4096);
            for byte in ranges.iter().flat_map(|range| range.iter()) {
                assert_eq!(*byte, read as u8, "at {read}");
                read += 1;
            }
            drop(ranges);
            r.consume(total);
        }
        writer.join().expect("the writer does not panic");
    }

    #[test]
    fn a_writer_and_a_reader_on_two_threads_agree_on_every_byte() {
        let (mut w, mut r) = stream(100);
        let writer = std::thread::spawn(move || {
            let mut pool = SlabPool::new(256);
            for n in 0..200_000u32 {
                while w.credit() == 0 {
                    std::thread::yield_now();
                }
                w.append_copy(&mut pool, b"", &n.to_le_bytes()).expect("memory");
                let _ = w.commit(1);
            }
        });
        let mut expected = 0u32;
        while expected < 200_000 {
            if r.available().len() < 4 {
                std::thread::yield_now();
                continue;
            }
            let got = r.take(4);
            assert_eq!(*got, expected.to_le_bytes());
            let _ = r.count_read(1);
            expected += 1;
        }
        writer.join().expect("the writer does not panic");
    }
}
