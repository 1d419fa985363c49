//! Free slabs of one thread or socket, and which of them is used next.
//!
//! *Warm* slabs were last read on the thread that fills them: the one given back last is the one whose lines are still
//! near. *Cold* slabs were last read by another core, which has shared the lines ever since: writing to them has to
//! ask that core first, line by line, and no prefetch helps as long as they lie in our own cache too. So cold slabs are
//! used in turn, and only when there are so many that both cores' caches have dropped a line by the time it is written
//! again: then it comes from the cache behind both at a fraction of the price (64 B messages between two cores: 2.7
//! times as many).
//!
//! Slabs larger than usual, each for one large frame, are kept apart and used again for frames of about their size:
//! fresh memory costs a page fault every 4 KiB.
//!
//! Each stream takes slabs of its own, and most streams of a large service are idle: see [`SlabSize`].

use std::collections::VecDeque;
use std::ptr::NonNull;

use super::{Header, Home, Kind, Slab, SlabWriter, free};
use crate::limits;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use crate::sync::thread_mark;
use crate::time::{Clock, NS_PER_MS};

/// A pool that fills a slab within this time has a stream to carry: 32 MB/s and more.
const STREAM_INTERVAL_NS: u64 = 2 * NS_PER_MS;
/// Free slabs of the usual size that another pool keeps.
const IDLE_SLABS_MAX: usize = 16;
/// A stream's first slab, in bytes.
const FIRST_SLAB_BYTES: usize = 1024;
/// A stream that fills a slab within this time gets a larger one next ...
const GROW_INTERVAL_NS: u64 = 100 * NS_PER_MS;
/// ... so many times larger ...
const GROWTH: usize = 8;
/// ... and one that takes longer than this begins again with a small one.
const SHRINK_INTERVAL_NS: u64 = 10_000 * NS_PER_MS;

/// Source of slabs for one thread or one socket.
pub struct SlabPool {
    home: Arc<Home>,
    free: Free,
    slab_bytes: usize,
    /// When a slab of the usual size was taken last.
    taken_ns: Option<u64>,
    clock: Clock,
}

/// How large the next slab of one stream shall be: small at first, the usual size when it fills them fast. A connection
/// that says little holds little.
#[derive(Debug, Default)]
pub struct SlabSize {
    bytes: usize,
    taken_ns: u64,
}

impl SlabSize {
    fn next(&mut self, now_ns: u64, usual_bytes: usize) -> usize {
        let filled_in_ns = now_ns.saturating_sub(self.taken_ns);
        self.taken_ns = now_ns;
        self.bytes = match self.bytes {
            0 => FIRST_SLAB_BYTES,
            _ if filled_in_ns > SHRINK_INTERVAL_NS => FIRST_SLAB_BYTES,
            bytes if filled_in_ns < GROW_INTERVAL_NS => bytes * GROWTH,
            bytes => bytes,
        };
        self.bytes = self.bytes.min(usual_bytes);
        self.bytes
    }
}

/// Slabs without references.
#[derive(Default)]
struct Free {
    warm: Vec<NonNull<Header>>,
    cold: VecDeque<NonNull<Header>>,
    /// Larger than usual, oldest first.
    large: VecDeque<NonNull<Header>>,
    large_bytes: usize,
}

// SAFETY: must hold: headers in `free` have no references. Held by `take_returned`, which takes over only what the
// return stack owned. Otherwise: double use.
unsafe impl Send for SlabPool {}

impl std::fmt::Debug for SlabPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlabPool")
            .field("slab_bytes", &self.slab_bytes)
            .field("warm", &self.free.warm.len())
            .field("cold", &self.free.cold.len())
            .field("large", &self.free.large.len())
            .finish()
    }
}

impl Default for SlabPool {
    fn default() -> Self {
        Self::new(limits::SLAB_BYTES)
    }
}

impl SlabPool {
    /// A pool of slabs of `slab_bytes` each.
    pub fn new(slab_bytes: usize) -> Self {
        let home = Home {
            returned: AtomicPtr::new(std::ptr::null_mut()),
            returned_bytes: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            user: AtomicUsize::new(thread_mark()),
        };
        Self {
            home: Arc::new(home),
            free: Free::default(),
            slab_bytes,
            taken_ns: None,
            clock: Clock::Real,
        }
    }

    /// This pool, with another clock.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Size of the pool's slabs, in bytes.
    pub fn slab_bytes(&self) -> usize {
        self.slab_bytes
    }

    /// A writer over a slab of at least `capacity` bytes; `None` if the system has no memory for it.
    pub fn writer(&mut self, capacity: usize) -> Option<SlabWriter> {
        self.home.user.store(thread_mark(), Ordering::Relaxed); // a hint for `give_back`
        let reused = match capacity <= self.slab_bytes {
            true => {
                let now_ns = self.clock.now_ns();
                let last_ns = self.taken_ns.replace(now_ns);
                let is_streaming =
                    last_ns.is_some_and(|last_ns| now_ns - last_ns < STREAM_INTERVAL_NS);
                self.reuse(is_streaming)
            }
            false => self.reuse_large(capacity),
        };
        let kind = Kind::Pooled(Some(self.home.clone()));
        // SAFETY: slabs in `free` have no references; they come from this pool.
        let slab = unsafe { Slab::begin(reused, capacity.max(self.slab_bytes), kind) };
        Some(SlabWriter::new(slab?))
    }

    /// The next slab of a stream, for at least `capacity` bytes; `None` if the system has no memory for it.
    pub fn next_writer(&mut self, size: &mut SlabSize, capacity: usize) -> Option<SlabWriter> {
        let bytes = size.next(self.clock.now_ns(), self.slab_bytes).max(capacity);
        if bytes >= self.slab_bytes { self.writer(bytes) } else { SlabWriter::with_capacity(bytes) }
    }

    /// A free slab of the usual size, unless a fresh one is better. A pool that fills slabs now and then only needs few.
    fn reuse(&mut self, is_streaming: bool) -> Option<NonNull<Header>> {
        let cold_min = match is_streaming {
            true => limits::POOL_CIRCULATING_BYTES / self.slab_bytes,
            false => 1,
        };
        if self.free.warm.is_empty() && self.free.cold.len() < cold_min {
            self.take_returned();
        }
        let free = &mut self.free;
        if !is_streaming {
            free.shrink(IDLE_SLABS_MAX);
        }
        free.warm.pop().or_else(|| {
            let is_worn = free.cold.len() >= cold_min;
            if is_worn { free.cold.pop_front() } else { None }
        })
    }

    /// A free slab for one large frame, if there is one of about that size.
    fn reuse_large(&mut self, capacity: usize) -> Option<NonNull<Header>> {
        self.take_returned();
        let fits = |slab: &NonNull<Header>| {
            // SAFETY: slabs in `free` have no references and stay allocated while they are there.
            let bytes = unsafe { slab.as_ref().capacity };
            (capacity..=capacity.saturating_mul(2)).contains(&bytes)
        };
        let at = self.free.large.iter().rposition(fits)?;
        let slab = self.free.large.remove(at)?;
        // SAFETY: as above.
        self.free.large_bytes -= unsafe { slab.as_ref().capacity };
        Some(slab)
    }

    fn take_returned(&mut self) {
        let (free, usual_bytes) = (&mut self.free, self.slab_bytes);
        let (first_cold, first_warm) = (free.cold.len(), free.warm.len());
        self.home.take_all(|slab| free.add(slab, usual_bytes));
        // The stack gave the last one first.
        free.cold.make_contiguous()[first_cold..].reverse();
        free.warm[first_warm..].reverse();
        free.shrink(2 * limits::POOL_CIRCULATING_BYTES / usual_bytes);
    }
}

impl Free {
    fn add(&mut self, slab: NonNull<Header>, usual_bytes: usize) {
        // SAFETY: it was on the return stack, so nobody else refers to it.
        let (bytes, is_cold) = unsafe { (slab.as_ref().capacity, slab.as_ref().is_cold) };
        if bytes > usual_bytes {
            self.large.push_back(slab);
            self.large_bytes += bytes;
        } else if is_cold {
            self.cold.push_back(slab);
        } else {
            self.warm.push(slab);
        }
    }

    /// Gives slabs back to the system until there are no more than `usual_max` of the usual size, and of the large ones
    /// no more than their bound.
    fn shrink(&mut self, usual_max: usize) {
        while self.warm.len() + self.cold.len() > usual_max
            && let Some(slab) = self.warm.pop().or_else(|| self.cold.pop_front())
        {
            // SAFETY: slabs in `free` have no references; else: double free.
            unsafe { free(slab) };
        }
        while self.large_bytes > limits::POOL_LARGE_BYTES_MAX
            && let Some(slab) = self.large.pop_front()
        {
            // SAFETY: as above.
            unsafe {
                self.large_bytes -= slab.as_ref().capacity;
                free(slab);
            }
        }
    }
}

impl Drop for SlabPool {
    fn drop(&mut self) {
        self.home.closed.store(true, Ordering::Relaxed);
        let Free { warm, cold, large, .. } = std::mem::take(&mut self.free);
        for slab in warm.into_iter().chain(cold).chain(large) {
            // SAFETY: slabs in `free` have no references; else: double free.
            unsafe { free(slab) };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::time::VirtualClock;

    fn address(writer: &SlabWriter) -> usize {
        writer.slab().address()
    }

    #[test]
    fn what_this_thread_gave_back_last_is_used_first() {
        let mut pool = SlabPool::new(64);
        let (first, second) = (pool.writer(1).expect("memory"), pool.writer(1).expect("memory"));
        let (first_at, second_at) = (address(&first), address(&second));
        drop(first);
        drop(second);
        let again = pool.writer(1).expect("memory");
        assert_eq!(address(&again), second_at);
        assert_eq!(address(&pool.writer(1).expect("memory")), first_at);
    }

    #[test]
    fn what_another_thread_gave_back_waits_for_its_turn() {
        let mut pool = SlabPool::new(limits::SLAB_BYTES);
        let circulating = limits::POOL_CIRCULATING_BYTES / limits::SLAB_BYTES;
        let mut order = Vec::new();
        for _ in 0..2 * circulating {
            let kind = Kind::Pooled(Some(pool.home.clone()));
            let reused = pool.reuse(true);
            // SAFETY: a slab that `reuse` gives has no references and comes from this pool.
            let slab = unsafe { Slab::begin(reused, limits::SLAB_BYTES, kind) }.expect("memory");
            order.push(slab.address());
            std::thread::spawn(move || drop(slab)).join().expect("no panic");
        }
        let (first_round, second_round) = order.split_at(circulating);
        assert_eq!(first_round, second_round, "in turn");
        let distinct: std::collections::HashSet<_> = first_round.iter().collect();
        assert_eq!(distinct.len(), circulating);
    }

    #[test]
    fn slabs_of_a_stream_grow_while_they_fill_fast_and_shrink_when_it_falls_silent() {
        let hand = VirtualClock::new(1);
        let mut pool = SlabPool::default().with_clock(Clock::Virtual(hand.clone()));
        let mut size = SlabSize::default();
        let mut next = |after_ns: u64, capacity: usize| {
            hand.advance_to(hand.now_ns() + after_ns);
            pool.next_writer(&mut size, capacity).expect("memory").room()
        };
        assert_eq!(next(0, 1), FIRST_SLAB_BYTES);
        assert_eq!(next(GROW_INTERVAL_NS, 1), FIRST_SLAB_BYTES, "not so fast");
        assert_eq!(next(GROW_INTERVAL_NS - 1, 1), GROWTH * FIRST_SLAB_BYTES);
        assert_eq!(next(1, 1), limits::SLAB_BYTES);
        assert_eq!(next(1, 1), limits::SLAB_BYTES, "no larger ones");
        assert_eq!(next(1, 100_000), 100_000, "unless one message needs it");
        assert_eq!(next(SHRINK_INTERVAL_NS, 1), limits::SLAB_BYTES);
        assert_eq!(next(SHRINK_INTERVAL_NS + 1, 1), FIRST_SLAB_BYTES);
        assert_eq!(next(1, 10_000), 10_000);
    }

    #[test]
    fn a_large_slab_serves_frames_of_about_its_size() {
        let mut pool = SlabPool::new(64);
        let large = pool.writer(100_000).expect("memory");
        let at = address(&large);
        drop(large);
        let much_smaller = pool.writer(1000).expect("memory");
        assert_ne!(address(&much_smaller), at);
        let smaller = pool.writer(60_000).expect("memory");
        assert_eq!((address(&smaller), smaller.room()), (at, 100_000));
    }

    #[test]
    fn free_memory_is_bounded() {
        let mut pool = SlabPool::new(64);
        let many: Vec<_> = (0..40).map(|_| pool.writer(1 << 20).expect("memory")).collect();
        drop(many);
        assert!(
            pool.home.returned_bytes.load(Ordering::Relaxed) <= limits::POOL_RETURNED_BYTES_MAX
        );
        drop(pool.writer(1 << 20));
        assert!(pool.free.large_bytes <= limits::POOL_LARGE_BYTES_MAX);
    }
}
