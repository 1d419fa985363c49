//! The SPSC queue under every pipe: one producer, one consumer, no lock, no bound of its own.
//!
//! Slots live in chunks of [`CHUNK_SLOTS`] linked one after the other; the consumer hands an emptied chunk back to the
//! producer, so a queue in steady state allocates nothing. Bounding is the job of the pipe's credit, which counts
//! messages; this queue holds *ranges* of bytes, far fewer.
//!
//! # Invariant
//! Slots with index below `published` belong to the consumer, the others to the producer. The producer links the next
//! chunk before it publishes the last slot of a chunk, so the consumer never meets a missing link.

use std::mem::MaybeUninit;

use crossbeam_utils::CachePadded;

use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::sync::{Arc, UnsafeCell};

/// Slots per chunk; small under loom so that a model crosses chunks.
#[cfg(not(loom))]
const CHUNK_SLOTS: usize = 32;
#[cfg(loom)]
const CHUNK_SLOTS: usize = 2;

struct Chunk<T> {
    slots: [UnsafeCell<MaybeUninit<T>>; CHUNK_SLOTS],
    /// Written by the producer before the chunk's last slot is published; read by the consumer after it.
    next: UnsafeCell<*mut Chunk<T>>,
}

impl<T> Chunk<T> {
    fn boxed() -> *mut Self {
        Box::into_raw(Box::new(Chunk {
            slots: std::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
            next: UnsafeCell::new(std::ptr::null_mut()),
        }))
    }
}

struct Shared<T> {
    /// Number of items ever published. Producer writes, consumer reads.
    published: CachePadded<AtomicUsize>,
    /// An emptied chunk on its way back to the producer.
    spare: CachePadded<AtomicPtr<Chunk<T>>>,
    /// The consumer's place: kept here so that whoever drops the queue last can free what is left.
    head: UnsafeCell<Head<T>>,
}

struct Head<T> {
    chunk: *mut Chunk<T>,
    popped: usize,
}

// SAFETY: must hold: `head` is touched by the one consumer or by the last owner. Held by `Consumer` being unique and
// `Drop` having `&mut`. Otherwise: data races on the chunk list.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let published = self.published.load(Ordering::Acquire);
        let (mut chunk, mut popped) = self.head.with(|h| {
            // SAFETY: `&mut self`: both ends are gone.
            unsafe { ((*h).chunk, (*h).popped) }
        });
        while popped < published {
            // SAFETY: slots popped..published hold items nobody took; else: a leak or a double drop.
            unsafe {
                (*chunk).slots[popped % CHUNK_SLOTS].with_mut(|s| (*s).assume_init_drop());
            }
            popped += 1;
            if popped.is_multiple_of(CHUNK_SLOTS) {
                // SAFETY: the link was set before the last slot was published (module invariant).
                let next = unsafe { (*chunk).next.with(|n| *n) };
                // SAFETY: the chunk is empty and ours; else: double free.
                drop(unsafe { Box::from_raw(chunk) });
                chunk = next;
            }
        }
        // SAFETY: the last chunk is always allocated and ours alone.
        drop(unsafe { Box::from_raw(chunk) });
        let spare = self.spare.load(Ordering::Acquire);
        if !spare.is_null() {
            // SAFETY: the spare chunk is empty and owned by this slot alone.
            drop(unsafe { Box::from_raw(spare) });
        }
    }
}

/// The writing end.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    chunk: *mut Chunk<T>,
    pushed: usize,
}

/// The reading end.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    /// `published` as last seen: the atomic is read only when this runs out.
    seen: usize,
}

// SAFETY: must hold: `chunk` is touched by this producer only, up to publication. Held by `&mut self` methods.
unsafe impl<T: Send> Send for Producer<T> {}
// SAFETY: as above, for the consumer's side.
unsafe impl<T: Send> Send for Consumer<T> {}

/// A new, empty queue.
pub fn ring<T>() -> (Producer<T>, Consumer<T>) {
    let chunk = Chunk::boxed();
    let shared = Arc::new(Shared {
        published: CachePadded::new(AtomicUsize::new(0)),
        spare: CachePadded::new(AtomicPtr::new(std::ptr::null_mut())),
        head: UnsafeCell::new(Head { chunk, popped: 0 }),
    });
    (Producer { shared: shared.clone(), chunk, pushed: 0 }, Consumer { shared, seen: 0 })
}

impl<T> Producer<T> {
    /// Appends `item` and makes it visible to the consumer.
    pub fn push(&mut self, item: T) {
        self.push_unpublished(item);
        self.publish();
    }

    /// Appends `item`; the consumer sees it after the next [`publish`](Self::publish).
    #[inline]
    pub fn push_unpublished(&mut self, item: T) {
        let slot = self.pushed % CHUNK_SLOTS;
        // SAFETY: slots at and above `published` are the producer's (module invariant); else: a torn item.
        unsafe { (*self.chunk).slots[slot].with_mut(|s| (*s).write(item)) };
        self.pushed += 1;
        if slot == CHUNK_SLOTS - 1 {
            self.link_next_chunk();
        }
    }

    /// Makes everything appended so far visible.
    #[inline]
    pub fn publish(&mut self) {
        // Release pairs with the Acquire load in `Consumer::refresh`: who sees the count sees the items.
        self.shared.published.store(self.pushed, Ordering::Release);
    }

    #[cold]
    fn link_next_chunk(&mut self) {
        // Acquire pairs with the Release in `Consumer::next_chunk`: the consumer is done with the chunk.
        let spare = self.shared.spare.swap(std::ptr::null_mut(), Ordering::Acquire);
        let next = if spare.is_null() { Chunk::boxed() } else { spare };
        // SAFETY: the chunk's last slot is not published yet, so the consumer does not read `next`; a spare chunk is
        // empty and ours. Else: the consumer would follow a stale link.
        unsafe {
            (*next).next.with_mut(|n| *n = std::ptr::null_mut());
            (*self.chunk).next.with_mut(|n| *n = next);
        }
        self.chunk = next;
    }
}

impl<T> Consumer<T> {
    /// Takes the oldest visible item.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let (chunk, popped) = self.place();
        if popped == self.seen && !self.refresh(popped) {
            return None;
        }
        let slot = popped % CHUNK_SLOTS;
        // SAFETY: slots below `published` hold items and are ours (module invariant); else: a torn item.
        let item = unsafe { (*chunk).slots[slot].with(|s| (*s).assume_init_read()) };
        let next = if slot == CHUNK_SLOTS - 1 { self.next_chunk(chunk) } else { chunk };
        // SAFETY: `head` is the consumer's while it exists.
        self.shared.head.with_mut(|h| unsafe { *h = Head { chunk: next, popped: popped + 1 } });
        Some(item)
    }

    /// The oldest visible item, left in place.
    #[inline]
    pub fn peek(&mut self) -> Option<&T> {
        let (chunk, popped) = self.place();
        if popped == self.seen && !self.refresh(popped) {
            return None;
        }
        // SAFETY: as in `pop`; the borrow of `self` keeps it from being popped.
        Some(unsafe { (*chunk).slots[popped % CHUNK_SLOTS].with(|s| (*s).assume_init_ref()) })
    }

    #[inline]
    fn place(&self) -> (*mut Chunk<T>, usize) {
        // SAFETY: `head` is the consumer's while it exists.
        self.shared.head.with(|h| unsafe { ((*h).chunk, (*h).popped) })
    }

    #[inline]
    fn refresh(&mut self, popped: usize) -> bool {
        // Acquire pairs with the Release in `publish`.
        self.seen = self.shared.published.load(Ordering::Acquire);
        self.seen != popped
    }

    #[cold]
    fn next_chunk(&mut self, emptied: *mut Chunk<T>) -> *mut Chunk<T> {
        // SAFETY: the link was set before the last slot was published (module invariant).
        let next = unsafe { (*emptied).next.with(|n| *n) };
        // Release pairs with the Acquire in `link_next_chunk`: our reads of the chunk are over.
        let older = self.shared.spare.swap(emptied, Ordering::AcqRel);
        if !older.is_null() {
            // SAFETY: taken out of the slot, so ours alone; it was emptied before.
            drop(unsafe { Box::from_raw(older) });
        }
        next
    }
}

impl<T> std::fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ring::Producer({} pushed)", self.pushed)
    }
}

impl<T> std::fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ring::Consumer({} popped)", self.place().1)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_in_order_across_chunks_and_threads() {
        let (mut tx, mut rx) = ring();
        let producer = std::thread::spawn(move || (0..100_000u64).for_each(|n| tx.push(n)));
        let mut expected = 0;
        while expected < 100_000 {
            match rx.pop() {
                Some(n) => {
                    assert_eq!(n, expected);
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        producer.join().expect("the producer does not panic");
    }

    #[test]
    fn nothing_is_seen_before_publish() {
        let (mut tx, mut rx) = ring();
        tx.push_unpublished(1);
        assert_eq!(rx.pop(), None);
        tx.publish();
        assert_eq!((rx.peek().copied(), rx.pop(), rx.pop()), (Some(1), Some(1), None));
    }

    #[test]
    fn what_was_not_popped_is_dropped() {
        let item = std::sync::Arc::new(());
        let (mut tx, mut rx) = ring();
        (0..100).for_each(|_| tx.push(item.clone()));
        (0..40).for_each(|_| drop(rx.pop()));
        assert_eq!(std::sync::Arc::strong_count(&item), 61);
        drop((tx, rx));
        assert_eq!(std::sync::Arc::strong_count(&item), 1);
    }
}
