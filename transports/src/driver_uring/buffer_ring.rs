//! The buffers that the kernel receives into: slabs, handed on without a copy.
//!
//! The kernel takes a buffer from the ring only when bytes are there, so a limited number serves any number of streams.
//! What was received is lent: at the next cycle a slab that nobody refers to any more goes back into the ring as it is,
//! and where somebody kept bytes of it a fresh one takes its place. Whoever keeps a few bytes for long copies them.
//!
//! There are many buffers rather than large ones: a stream that finds none has its receive ended and armed again.
//!
//! Incremental consumption (`IOU_PBUF_RING_INC`) would let small reads share a buffer, but kernels 6.12 to 6.17 mix up or
//! truncate buffers with it (liburing issues 1423, 1433, 1548), and a kernel's bug list is not something to probe for.
//!
//! # Invariant
//!
//! A buffer is in one of two hands. *The kernel's*: its writer stands in `buffers` with nothing filled, and nobody
//! reads or writes the memory but for the kernel. *Ours*: from the completion that names it until it is published again.
//! Only [`BufferRing::publish`] and [`BufferRing::take`] move it between the two.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use rustix::io::Errno;
use zeroring_base::{Bytes, SlabPool, SlabWriter};

/// Buffers in the ring, a power of two: 128 × 16 KiB = 2 MiB per I/O thread.
const BUFFERS: u16 = 128;
const BUFFER_BYTES: usize = 16 * 1024;

/// The one buffer group of the driver.
pub(super) const GROUP: u16 = 0;

/// Page size of every supported machine divides this; the kernel wants the ring page-aligned.
const RING_ALIGN_BYTES: usize = 65_536;

/// The ring and the slabs in it.
pub(super) struct BufferRing {
    entries: NonNull<BufRingEntry>,
    tail: u16,
    /// The kernel's, by buffer number; `None` is lent, or waiting for memory.
    buffers: Vec<Option<SlabWriter>>,
    /// With their numbers.
    lent: Vec<(u16, SlabWriter)>,
    missing: usize,
    pool: SlabPool,
}

// SAFETY: must hold: `entries` is reached only through this value. It is private and never copied out; the kernel's
// side of the ring is not tied to a thread. Otherwise: two threads writing one tail.
unsafe impl Send for BufferRing {}

impl BufferRing {
    /// Registers a ring with `uring` and fills it. The caller drops `uring`'s operations first, then this.
    pub fn register(uring: &IoUring) -> io::Result<Self> {
        // SAFETY: the size is not zero (see `layout`).
        let memory = unsafe { alloc_zeroed(layout()) };
        let entries = NonNull::new(memory.cast::<BufRingEntry>()).ok_or(Errno::NOMEM)?;
        let mut ring = Self {
            entries,
            tail: 0,
            buffers: (0..BUFFERS).map(|_| None).collect(),
            lent: Vec::new(),
            missing: usize::from(BUFFERS),
            pool: SlabPool::new(BUFFER_BYTES),
        };
        // SAFETY: must hold: the memory stays valid while the kernel may read it. It is freed by `drop` only, which
        // the driver runs after the ring is gone (or not at all). Otherwise: the kernel reads freed memory.
        unsafe {
            uring.submitter().register_buf_ring_with_flags(
                entries.as_ptr() as u64,
                BUFFERS,
                GROUP,
                0,
            )?;
        }
        ring.replenish();
        Ok(ring)
    }

    /// Takes back what was lent, and fills gaps left by a lack of memory.
    pub fn replenish(&mut self) {
        let mut lent = std::mem::take(&mut self.lent);
        for (number, mut writer) in lent.drain(..) {
            if writer.try_reset() {
                self.publish(number, writer);
            }
        }
        self.lent = lent;
        if self.missing == 0 {
            return;
        }
        for number in 0..BUFFERS {
            if self.buffers[usize::from(number)].is_none() {
                self.publish_fresh(number);
            }
        }
    }

    /// True if no buffer is left, so that arming a receive would only fail.
    pub fn is_exhausted(&self) -> bool {
        self.missing == usize::from(BUFFERS)
    }

    /// The `len` bytes that a completion says were received into buffer `number`. Its place stays empty until
    /// [`replenish`](Self::replenish).
    pub fn take(&mut self, number: u16, len: usize) -> Option<Bytes> {
        let mut writer = self.buffers.get_mut(usize::from(number))?.take()?;
        self.missing += 1;
        writer.fill(len);
        let bytes = writer.bytes(0, len);
        self.lent.push((number, writer));
        Some(bytes)
    }

    /// Puts a buffer back that a completion names but whose bytes nobody wants.
    pub fn give_back(&mut self, number: u16) {
        let buffer = self.buffers.get_mut(usize::from(number));
        if let Some(writer) = buffer.and_then(Option::take) {
            self.missing += 1;
            self.publish(number, writer);
        }
    }

    fn publish_fresh(&mut self, number: u16) {
        if let Some(writer) = self.pool.writer(self.pool.slab_bytes()) {
            self.publish(number, writer);
        }
    }

    /// Gives a buffer into the kernel's hands.
    fn publish(&mut self, number: u16, mut writer: SlabWriter) {
        debug_assert_eq!(writer.filled(), 0);
        let (address, len) = (writer.spare().as_mut_ptr() as u64, writer.room() as u32);
        self.buffers[usize::from(number)] = Some(writer);
        self.missing -= 1;
        let position = usize::from(self.tail & (BUFFERS - 1));
        // SAFETY: must hold: the position is inside the ring, and not one the kernel may read. The mask makes it the
        // former; at most BUFFERS buffers are in the kernel's hands at a time (each number stands once in `buffers`),
        // so the entry at the tail is not in use. Otherwise: the kernel reads half an entry.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(position);
            entry.set_addr(address);
            entry.set_len(len);
            entry.set_bid(number);
        }
        self.tail = self.tail.wrapping_add(1);
        // Release pairs with the kernel's acquire load of the tail: it sees the entry written above.
        self.shared_tail().store(self.tail, Ordering::Release);
    }

    fn shared_tail(&self) -> &AtomicU16 {
        // SAFETY: `entries` is the registered base, zeroed at allocation; the tail lies in the first entry, aligned,
        // and is written by us only (the kernel reads it). `set_*` above never touch that field.
        unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries.as_ptr()).cast_mut()) }
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        // SAFETY: allocated in `register` with this layout; the kernel's use is over (see there).
        unsafe { dealloc(self.entries.as_ptr().cast(), layout()) }
    }
}

const fn layout() -> Layout {
    let bytes = BUFFERS as usize * size_of::<BufRingEntry>();
    match Layout::from_size_align(bytes, RING_ALIGN_BYTES) {
        Ok(layout) => layout,
        Err(_) => panic!("the ring's size overflows"),
    }
}

const _: () = assert!(BUFFERS.is_power_of_two());
