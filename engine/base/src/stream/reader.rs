//! The reading end: frames cut out in place, or ranges gathered for the kernel.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::{Segment, Shared};
use crate::barrier;
use crate::ring::Consumer;
use crate::slab::Bytes;
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, seq_cst_point};

/// The acknowledging step where there is no high-water mark: nobody waits for credit.
const STEP_WITHOUT_MARK: u64 = 1024;

/// The reading end of a stream.
pub struct StreamReader {
    shared: Arc<Shared>,
    segments: Consumer<Segment>,
    /// The segment being read, or read to its end as far as is known. While there is none, `offset` and `available` are 0;
    /// only [`refresh`](Self::refresh) replaces one, and sets them.
    current: Option<Segment>,
    /// Those behind it; none where there is no current one.
    held: VecDeque<Segment>,
    position: u64,
    /// Offset of `position` in the current segment, and bytes readable from there.
    offset: usize,
    available: usize,
    messages_read: u64,
    messages_acked: u64,
    /// Messages read at which they are acknowledged, as long as the mark is this one.
    acknowledged_at: u64,
    high_water_mark_seen: u32,
}

impl StreamReader {
    pub(super) fn new(shared: Arc<Shared>, segments: Consumer<Segment>) -> Self {
        Self {
            shared,
            segments,
            current: None,
            held: VecDeque::new(),
            position: 0,
            offset: 0,
            available: 0,
            messages_read: 0,
            messages_acked: 0,
            acknowledged_at: 0,
            high_water_mark_seen: 0,
        }
    }

    /// The contiguous bytes at the reading position; empty if nothing is published.
    #[inline]
    pub fn available(&mut self) -> &[u8] {
        if self.available == 0 && !self.refresh() {
            return &[];
        }
        self.at_hand().unwrap_or_default()
    }

    /// As [`available`](Self::available), without looking for more where everything known was read; `None` where nothing is
    /// known at all.
    #[inline(always)]
    pub fn at_hand(&self) -> Option<&[u8]> {
        let segment = self.current.as_ref()?;
        // SAFETY: `refresh` made sure offset..offset+available is published in this segment; else: unfilled bytes.
        Some(unsafe { segment.bytes.published(self.offset, self.available) })
    }

    /// Takes the next `n` of the available bytes as a counted slice.
    ///
    /// # Panics
    /// If fewer are available: our own mistake.
    pub fn take(&mut self, n: usize) -> Bytes {
        assert!(n <= self.available, "take {n} of {} bytes", self.available);
        let bytes = match &self.current {
            // SAFETY: as in `at_hand`.
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
    #[inline(always)]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.available, "advance {n} of {} bytes", self.available);
        self.offset += n;
        self.available -= n;
        self.position += n as u64;
        if let Some(segment) = &self.current {
            segment.bytes.prefetch_published(self.offset, self.available);
        }
    }

    /// Lets go of the slabs, if everything published was read. True if so; then the writer's next bytes must begin a
    /// segment, see [`StreamWriter::begin_anew`](super::StreamWriter::begin_anew), and nothing may be committed before it
    /// knows.
    pub fn let_go(&mut self) -> bool {
        let is_read = self.published() == self.position;
        if is_read {
            self.load_segments();
            self.current = None;
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
        while self.held.front().is_some_and(|next| next.base <= self.position) {
            self.current = self.held.pop_front();
        }
        let Some(first) = &self.current else { return false };
        let end = self.held.front().map_or(published, |next| next.base.min(published));
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
        let published = self.shared.ahead.published.load(Ordering::Acquire);
        while let Some(segment) = self.segments.pop() {
            match self.current {
                None => self.current = Some(segment),
                Some(_) => self.held.push_back(segment),
            }
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
        self.shared.back.reader_waits.store(true, Ordering::Relaxed);
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
        self.shared.ahead.published.load(Ordering::Acquire)
    }

    /// Counts `messages` as read. True if the writer waits for credit and must be told.
    #[inline(always)]
    #[must_use]
    pub fn count_read(&mut self, messages: u64) -> bool {
        self.messages_read += messages;
        let high_water_mark = self.shared.back.high_water_mark.load(Ordering::Relaxed);
        let is_due = self.messages_read >= self.acknowledged_at;
        (is_due || high_water_mark != self.high_water_mark_seen)
            && self.acknowledge_if_due(high_water_mark)
    }

    /// libzmq's low-water mark: acknowledges in steps of (HWM + 1) / 2.
    #[cold]
    fn acknowledge_if_due(&mut self, high_water_mark: u32) -> bool {
        let step = match u64::from(high_water_mark) {
            0 => STEP_WITHOUT_MARK,
            mark => mark.div_ceil(2),
        };
        let is_due = self.messages_read - self.messages_acked >= step;
        let told = is_due && self.acknowledge();
        (self.acknowledged_at, self.high_water_mark_seen) =
            (self.messages_acked + step, high_water_mark);
        told
    }

    /// Tells the writer about everything read. True if it waits for credit and must be told.
    #[must_use]
    pub fn acknowledge(&mut self) -> bool {
        self.messages_acked = self.messages_read;
        self.shared.back.consumed.store(self.messages_read, Ordering::SeqCst);
        seq_cst_point();
        self.shared.back.writer_waits.load(Ordering::SeqCst)
            && self.shared.back.writer_waits.swap(false, Ordering::SeqCst)
    }

    /// Makes the reading position visible to [`StreamWriter::unread_bytes`](super::StreamWriter::unread_bytes).
    #[inline]
    pub fn publish_position(&self) {
        self.shared.back.read_position.store(self.position, Ordering::Release);
    }

    /// True once the writer was dropped; everything it committed can still be read.
    pub fn is_writer_gone(&self) -> bool {
        self.shared.ahead.writer_gone.load(Ordering::Acquire)
    }

    /// Changes the high-water mark that the acknowledging step follows.
    pub fn set_high_water_mark(&mut self, messages: u32) {
        self.shared.back.high_water_mark.store(messages, Ordering::Relaxed);
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
        let segments = self.current.iter().chain(&self.held);
        for (segment, next) in segments.zip(self.held.iter().map(Some).chain([None])) {
            if out.len() >= ranges_max || total >= bytes_max {
                break;
            }
            let end = next.map_or(published, |next| next.base.min(published));
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
        let behind = self.held.partition_point(|segment| segment.base <= position);
        let end = self.held.get(behind).map_or(published, |next| next.base.min(published));
        let segment = match behind.checked_sub(1) {
            Some(index) => self.held.get(index)?,
            None => self.current.as_ref()?,
        };
        // SAFETY: base ≤ position < end ≤ published; else: unfilled bytes.
        Some(unsafe {
            segment.bytes.published((position - segment.base) as usize, (end - position) as usize)
        })
    }

    /// A segment that became known may end the one being read earlier than `available` assumed. (It cannot: `available`
    /// never reaches beyond what was published, and later segments start there.) Checked in debug builds.
    fn check_available(&self) {
        debug_assert!(
            self.held.front().is_none_or(|next| {
                self.available == 0 || self.position + self.available as u64 <= next.base
            }),
            "a later segment starts inside the one being read"
        );
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
