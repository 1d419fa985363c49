//! Refcounted memory: where the bytes of a message live from the kernel to the application and back.
//!
//! A *slab* is one block of memory with a reference count. A [`SlabWriter`] fills it from the front; [`Bytes`] are
//! slices of the part already filled. When the last reference goes, a pooled slab is pushed on its home's return
//! stack, and the pool's owner takes the whole stack back in one swap: no lock, and no allocator on the data path.
//! Which of the free slabs is used next, see [`pool`].
//!
//! # Invariant (every `unsafe` block below points here)
//!
//! * A `Slab` value is a counted reference: its header and data stay allocated while it exists.
//! * Data bytes are initialised from allocation on (zeroed once, or brought along by a foreign owner).
//! * Bytes below a writer's `filled` mark are never written again while the writer exists; bytes at and above it are
//!   touched by that one writer only. `Bytes` cover only filled bytes. So no byte is shared and written at once.
//! * A slab has at most one `SlabWriter`, which is made only from a slab nobody else refers to.

mod copy;
mod pool;

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use crate::counters::SLABS_IN_USE;
use crate::limits;
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};
use crate::sync::{Arc, thread_mark};

pub use pool::{SlabPool, SlabSize};

/// One cache line: the data starts on its own line, away from the count.
const HEADER_BYTES: usize = 64;

#[repr(C, align(64))]
struct Header {
    refs: AtomicUsize,
    /// Where the data starts: right behind the header, or in a foreign owner's memory.
    data: *mut u8,
    capacity: usize,
    kind: Kind,
    /// Link of the return stack; meaningful only while the slab is on it.
    next_free: *mut Header,
    /// The last reference went on another thread than the pool's; meaningful only for a free slab.
    is_cold: bool,
}

const _: () = assert!(size_of::<Header>() <= HEADER_BYTES);

enum Kind {
    /// Returns to the pool it came from.
    Pooled(Option<Arc<Home>>),
    /// Freed when the last reference goes.
    Single,
    /// Data belongs to this value; dropping it frees the data.
    Foreign(#[allow(dead_code, reason = "held for its drop")] Box<dyn std::any::Any + Send + Sync>),
}

/// Where slabs of one pool come home to.
struct Home {
    /// Stack of returned slabs: anyone pushes, only the pool's owner takes (all at once, so there is no ABA).
    returned: AtomicPtr<Header>,
    returned_bytes: AtomicUsize,
    closed: AtomicBool,
    /// The thread that took a slab last, by its [`thread_mark`].
    user: AtomicUsize,
}

// SAFETY: must hold: the raw headers on the stack are owned by the stack alone. Made to hold by `release`, which pushes
// a header only after its count reached zero. Otherwise two threads would free the same slab.
unsafe impl Send for Home {}
// SAFETY: as above; all access to the stack goes through atomics.
unsafe impl Sync for Home {}

impl Home {
    /// Takes a slab nobody refers to any more.
    fn give_back(&self, slab: NonNull<Header>) {
        // SAFETY: the count reached zero (caller), so this is the only reference; else: a race with another's write.
        let bytes = unsafe { (*slab.as_ptr()).capacity };
        // Relaxed, like `closed` and `user`: hints, each a little late at worst.
        let held_bytes = self.returned_bytes.load(Ordering::Relaxed) + bytes;
        if held_bytes > limits::POOL_RETURNED_BYTES_MAX || self.closed.load(Ordering::Relaxed) {
            // SAFETY: as above; else: double free.
            unsafe { free(slab) };
            return;
        }
        self.returned_bytes.fetch_add(bytes, Ordering::Relaxed);
        let is_cold = self.user.load(Ordering::Relaxed) != thread_mark();
        // SAFETY: as above; the write is published with the slab.
        unsafe { (*slab.as_ptr()).is_cold = is_cold };
        let mut head = self.returned.load(Ordering::Relaxed);
        loop {
            // SAFETY: we own the slab until the push below succeeds; else: a racing write to `next_free`.
            unsafe { (*slab.as_ptr()).next_free = head };
            // Release pairs with the Acquire swap in `take_all`: the taker sees `next_free`.
            match self.returned.compare_exchange_weak(
                head,
                slab.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(seen) => head = seen,
            }
        }
    }

    /// Empties the stack into `each`.
    fn take_all(&self, mut each: impl FnMut(NonNull<Header>)) {
        let mut head = self.returned.swap(std::ptr::null_mut(), Ordering::Acquire);
        while let Some(slab) = NonNull::new(head) {
            // SAFETY: the swap made us the only owner of the whole chain; else: use after free.
            let (next, bytes) = unsafe { ((*slab.as_ptr()).next_free, (*slab.as_ptr()).capacity) };
            head = next;
            self.returned_bytes.fetch_sub(bytes, Ordering::Relaxed);
            each(slab);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // SAFETY: slabs on the stack have no references (see `give_back`); else: double free.
        self.take_all(|slab| unsafe { free(slab) });
    }
}

fn layout(capacity: usize) -> Option<Layout> {
    Layout::from_size_align(HEADER_BYTES.checked_add(capacity)?, align_of::<Header>()).ok()
}

/// A zeroed slab, or `None` if the system has no memory for it.
fn allocate(capacity: usize, kind: Kind) -> Option<NonNull<Header>> {
    let layout = layout(capacity)?;
    // SAFETY: the layout's size is at least HEADER_BYTES, so not zero; else: undefined allocator call.
    let raw = unsafe { alloc_zeroed(layout) };
    let header = NonNull::new(raw.cast::<Header>())?;
    // SAFETY: the block is HEADER_BYTES + capacity long and aligned; we alone know it. Else: writes out of bounds.
    unsafe {
        header.as_ptr().write(Header {
            refs: AtomicUsize::new(1),
            data: raw.add(HEADER_BYTES),
            capacity,
            kind,
            next_free: std::ptr::null_mut(),
            is_cold: false,
        });
    }
    Some(header)
}

/// Frees a slab for good.
///
/// # Safety
/// Nobody may refer to the slab any more.
unsafe fn free(slab: NonNull<Header>) {
    // SAFETY: by the contract above we are the only owner; the layout is the one it was allocated with (a foreign
    // slab has an allocation of its own for the header only). Else: double free or wrong layout.
    unsafe {
        let own_bytes = match (*slab.as_ptr()).kind {
            Kind::Foreign(_) => 0,
            _ => (*slab.as_ptr()).capacity,
        };
        std::ptr::drop_in_place(slab.as_ptr());
        if let Some(layout) = layout(own_bytes) {
            dealloc(slab.as_ptr().cast(), layout);
        }
    }
}

/// A counted reference to a slab.
pub struct Slab(NonNull<Header>);

// SAFETY: must hold: header fields other than `refs` do not change while shared, data follows the module invariant.
// Held by this module. Otherwise: data races.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

impl Slab {
    fn header(&self) -> &Header {
        // SAFETY: a `Slab` keeps its header alive (module invariant); else: use after free.
        unsafe { self.0.as_ref() }
    }

    /// A slab nobody else refers to, taken from a pool's free ones or fresh.
    ///
    /// # Safety
    /// A `reused` slab has no references, and `kind` sends it to its own pool.
    unsafe fn begin(reused: Option<NonNull<Header>>, capacity: usize, kind: Kind) -> Option<Slab> {
        let slab = match reused {
            Some(slab) => {
                // SAFETY: no references (caller), so these plain writes race with nobody.
                unsafe {
                    (*slab.as_ptr()).refs = AtomicUsize::new(1);
                    (*slab.as_ptr()).kind = kind;
                }
                slab
            }
            None => allocate(capacity, kind)?,
        };
        SLABS_IN_USE.inc();
        Some(Slab(slab))
    }

    /// A fresh slab outside any pool; `None` if the system has no memory for it.
    pub fn alloc(capacity: usize) -> Option<Slab> {
        let slab = Slab(allocate(capacity, Kind::Single)?);
        SLABS_IN_USE.inc();
        Some(slab)
    }

    /// Bytes the slab can hold.
    pub fn capacity(&self) -> usize {
        self.header().capacity
    }

    fn is_unique(&self) -> bool {
        // Acquire pairs with the Release decrement in `drop`: the last other user's reads are over.
        self.header().refs.load(Ordering::Acquire) == 1
    }

    /// Identity of the slab while it exists; for comparing only.
    #[inline]
    pub(crate) fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }

    /// Number of references to this slab (a hint, for tests and the SHARED message property).
    pub fn ref_count(&self) -> usize {
        self.header().refs.load(Ordering::Relaxed)
    }
}

impl Clone for Slab {
    #[inline]
    fn clone(&self) -> Self {
        // Relaxed: a new reference is made from an existing one, which orders nothing by itself (as in `Arc`).
        self.header().refs.fetch_add(1, Ordering::Relaxed);
        Slab(self.0)
    }
}

impl Drop for Slab {
    #[inline]
    fn drop(&mut self) {
        // Release pairs with the Acquire fence below and the Acquire load in `is_unique`.
        if self.header().refs.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            release(self.0);
        }
    }
}

#[cold]
fn release(slab: NonNull<Header>) {
    SLABS_IN_USE.dec();
    // SAFETY: the count reached zero, so this is the only reference; else: a racing read of `kind`.
    let home = match unsafe { &mut (*slab.as_ptr()).kind } {
        Kind::Pooled(home) => home.take(),
        _ => None,
    };
    match home {
        Some(home) => home.give_back(slab),
        // SAFETY: as above; else: double free.
        None => unsafe { free(slab) },
    }
}

impl std::fmt::Debug for Slab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slab({} bytes, {} refs)", self.capacity(), self.ref_count())
    }
}

/// The right to fill one slab from the front.
pub struct SlabWriter {
    slab: Slab,
    /// Copies of the slab's own fields: its header line is for those who count references.
    data: *mut u8,
    capacity: usize,
    filled: usize,
}

// SAFETY: must hold: `data` points into `slab`, and only this writer touches unfilled bytes (module invariant).
unsafe impl Send for SlabWriter {}
// SAFETY: a shared writer only reads filled bytes, which never change.
unsafe impl Sync for SlabWriter {}

impl std::fmt::Debug for SlabWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SlabWriter({} of {:?})", self.filled, self.slab)
    }
}

impl SlabWriter {
    /// A writer over a new slab of exactly `capacity` bytes, outside any pool.
    pub fn with_capacity(capacity: usize) -> Option<Self> {
        Some(Self::new(Slab::alloc(capacity)?))
    }

    fn new(slab: Slab) -> Self {
        let (data, capacity) = (slab.header().data, slab.header().capacity);
        Self { slab, data, capacity, filled: 0 }
    }

    /// Bytes filled so far.
    #[inline]
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Bytes that still fit.
    #[inline]
    pub fn room(&self) -> usize {
        self.capacity - self.filled
    }

    /// The part not filled yet.
    #[inline]
    pub fn spare(&mut self) -> &mut [u8] {
        let room = self.room();
        // SAFETY: bytes at and above `filled` are initialised and ours alone (module invariant); else: a reader
        // would see bytes change under it.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(self.filled), room) }
    }

    /// Declares the first `n` bytes of [`spare`](Self::spare) filled.
    ///
    /// # Panics
    /// If fewer than `n` bytes are left: our own mistake.
    #[inline]
    pub fn fill(&mut self, n: usize) {
        assert!(n <= self.room(), "filled {n} bytes where {} fit", self.room());
        self.filled += n;
    }

    /// Fetches the line that will be filled a little later: it was last read by another core, and asking for it early
    /// hides the way it has to travel.
    #[inline]
    pub fn prefetch_spare(&self) {
        let offset = self.filled + PREFETCH_BYTES;
        if offset < self.capacity {
            // SAFETY: inside the slab (just checked); else: a pointer out of bounds.
            prefetch_for_write(unsafe { self.data.add(offset) });
        }
    }

    /// Copies a two-byte header and a body in. The header comes in a register: were it assembled in memory, its load would
    /// have to wait for all earlier stores, and with them for the lines another core still holds.
    ///
    /// # Panics
    /// If they do not fit: our own mistake.
    #[inline(always)]
    pub fn put_with_short_header(&mut self, header: u16, body: &[u8]) {
        let spare = self.spare_behind_header(header, body.len());
        copy::copy_fresh(body, spare);
        self.filled += 2 + body.len();
    }

    /// As [`put_with_short_header`](Self::put_with_short_header), for at most
    /// [`SMALL_BYTES_MAX`](crate::copy::SMALL_BYTES_MAX) and without any call.
    ///
    /// # Panics
    /// If they do not fit, or there are more: our own mistake.
    #[inline(always)]
    pub fn put_small(&mut self, header: u16, body: &[u8]) {
        let spare = self.spare_behind_header(header, body.len());
        copy::copy_fresh_small(body, spare);
        self.filled += 2 + body.len();
    }

    /// Puts a header into the spare part, and returns what follows for a body of so many bytes.
    #[inline(always)]
    fn spare_behind_header(&mut self, header: u16, body_bytes: usize) -> &mut [u8] {
        let spare = &mut self.spare()[..2 + body_bytes];
        let (first, rest) = spare.split_at_mut(2);
        first.copy_from_slice(&header.to_le_bytes());
        rest
    }

    /// Copies `bytes` in and declares them filled.
    ///
    /// # Panics
    /// If they do not fit: our own mistake.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.spare()[..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// A reference to filled bytes `start..end`.
    ///
    /// # Panics
    /// If the range is not filled: our own mistake.
    pub fn bytes(&self, start: usize, end: usize) -> Bytes {
        assert!(start <= end && end <= self.filled, "{start}..{end} of {} filled", self.filled);
        // SAFETY: the range lies inside the slab (just checked); else: a pointer out of bounds.
        let ptr = unsafe { self.data.add(start) };
        Bytes { ptr, len: end - start, slab: self.slab.clone() }
    }

    /// Filled bytes `start..end`, borrowed.
    #[inline]
    pub fn filled_slice(&self, start: usize, end: usize) -> &[u8] {
        assert!(start <= end && end <= self.filled, "{start}..{end} of {} filled", self.filled);
        // SAFETY: filled bytes never change (module invariant) and lie inside the slab.
        unsafe { std::slice::from_raw_parts(self.data.add(start), end - start) }
    }

    /// Address of the byte at `offset`; for comparing only.
    #[inline]
    pub(crate) fn address_of(&self, offset: usize) -> usize {
        self.data as usize + offset
    }

    /// Starts again from the front if nobody else refers to the slab.
    pub fn try_reset(&mut self) -> bool {
        let unique = self.slab.is_unique();
        if unique {
            self.filled = 0;
        }
        unique
    }

    /// The slab being filled.
    pub fn slab(&self) -> &Slab {
        &self.slab
    }
}

/// How far ahead of use a line is fetched: about what two cores exchange in the time a line travels.
const PREFETCH_BYTES: usize = 2048;
const LINE_BYTES: usize = 64;

#[inline(always)]
fn prefetch_for_write(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // The intrinsic becomes a plain read prefetch on the baseline target, and the line would have to travel twice.
    // SAFETY: a prefetch reads and writes nothing, whatever the address; every 64-bit processor knows the instruction.
    unsafe {
        std::arch::asm!(
            "prefetchw [{}]",
            in(reg) address,
            options(nostack, preserves_flags, readonly)
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[inline(always)]
fn prefetch_for_read(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads and writes nothing, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// A slice of filled bytes that keeps its slab alive. Cloning it copies no bytes.
///
/// ```
/// use zeroring_base::Bytes;
/// let bytes = Bytes::copy_from_slice(b"shared");
/// assert_eq!(bytes.clone().as_ptr(), bytes.as_ptr());
/// ```
pub struct Bytes {
    ptr: *const u8,
    len: usize,
    slab: Slab,
}

// SAFETY: must hold: the bytes do not change while the value exists (module invariant). Otherwise: data races.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// Bytes owned by `owner`; `owner` is dropped when the last slice of them goes.
    ///
    /// ```
    /// assert_eq!(&zeroring_base::Bytes::from_owner(vec![1, 2, 3])[..], [1, 2, 3]);
    /// ```
    pub fn from_owner<T: AsRef<[u8]> + Send + Sync + 'static>(owner: T) -> Bytes {
        let owner: Box<T> = Box::new(owner);
        let (data, len) = {
            let bytes: &[u8] = (*owner).as_ref();
            (bytes.as_ptr().cast_mut(), bytes.len())
        };
        let Some(header) = allocate(0, Kind::Foreign(owner)) else {
            std::alloc::handle_alloc_error(Layout::new::<Header>())
        };
        SLABS_IN_USE.inc();
        // SAFETY: nobody else knows the header yet; else: a racing write.
        unsafe {
            (*header.as_ptr()).data = data;
            (*header.as_ptr()).capacity = len;
        }
        Bytes { ptr: data, len, slab: Slab(header) }
    }

    /// A copy of `bytes` in a slab of its own.
    ///
    /// ```
    /// assert_eq!(&zeroring_base::Bytes::copy_from_slice(b"copied")[..], b"copied");
    /// ```
    pub fn copy_from_slice(bytes: &[u8]) -> Bytes {
        let Some(mut writer) = SlabWriter::with_capacity(bytes.len()) else {
            std::alloc::handle_alloc_error(layout(bytes.len()).unwrap_or(Layout::new::<Header>()))
        };
        writer.put(bytes);
        writer.bytes(0, bytes.len())
    }

    /// The part `start..end`, sharing the same slab.
    ///
    /// # Panics
    /// If the range is out of bounds.
    ///
    /// ```
    /// let bytes = zeroring_base::Bytes::copy_from_slice(b"header body");
    /// assert_eq!(&bytes.slice(7, 11)[..], b"body");
    /// ```
    #[inline]
    pub fn slice(&self, start: usize, end: usize) -> Bytes {
        assert!(start <= end && end <= self.len, "{start}..{end} of {} bytes", self.len);
        // SAFETY: inside the slice (just checked); else: a pointer out of bounds.
        Bytes { ptr: unsafe { self.ptr.add(start) }, len: end - start, slab: self.slab.clone() }
    }

    /// The slab behind the bytes.
    pub fn slab(&self) -> &Slab {
        &self.slab
    }

    /// `n` bytes from `offset` on, without a bounds check against `len` (an open segment grows after it was made).
    ///
    /// # Safety
    /// The caller knows that these bytes are filled and published to it.
    #[inline]
    pub(crate) unsafe fn published(&self, offset: usize, n: usize) -> &[u8] {
        debug_assert!(offset + n <= self.slab.capacity());
        // SAFETY: the caller's contract; filled bytes never change.
        unsafe { std::slice::from_raw_parts(self.ptr.add(offset), n) }
    }

    /// Fetches what will be read a little behind `offset`, if it is among the next `available` bytes: lines that are still
    /// being written must stay where they are.
    #[inline]
    pub(crate) fn prefetch_published(&self, offset: usize, available: usize) {
        if available > PREFETCH_BYTES {
            // SAFETY: inside the published part of the slab (just checked); else: a pointer out of bounds.
            prefetch_for_read(unsafe { self.ptr.add(offset + PREFETCH_BYTES) });
        }
    }

    /// Fetches the start of a newly published window, which [`prefetch_published`](Self::prefetch_published) would be too
    /// late for.
    #[inline]
    pub(crate) fn prefetch_window(&self, offset: usize, available: usize) {
        for line in (0..available.min(PREFETCH_BYTES)).step_by(LINE_BYTES) {
            // SAFETY: inside the published part of the slab (see the bound); else: a pointer out of bounds.
            prefetch_for_read(unsafe { self.ptr.add(offset + line) });
        }
    }

    /// Like [`slice`](Self::slice) for a published part of an open segment.
    ///
    /// # Safety
    /// As for [`published`](Self::published).
    #[inline]
    pub(crate) unsafe fn published_bytes(&self, offset: usize, n: usize) -> Bytes {
        // SAFETY: the caller's contract: inside the slab.
        Bytes { ptr: unsafe { self.ptr.add(offset) }, len: n, slab: self.slab.clone() }
    }
}

impl Clone for Bytes {
    #[inline]
    fn clone(&self) -> Self {
        Bytes { ptr: self.ptr, len: self.len, slab: self.slab.clone() }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: filled bytes, kept alive by `slab`, never written again (module invariant).
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes({} of {:?})", self.len, self.slab)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn slices_stay_as_they_were_while_the_writer_goes_on() {
        let mut pool = SlabPool::new(128);
        let mut writer = pool.writer(100).expect("memory");
        writer.put(b"hello");
        let hello = writer.bytes(0, 5);
        writer.put(b"world");
        assert_eq!(&*hello, b"hello");
        assert!(!writer.try_reset(), "somebody still reads it");
        drop(hello);
        assert!(writer.try_reset());
    }

    #[test]
    fn a_returned_slab_is_used_again() {
        let mut pool = SlabPool::new(64);
        let first = pool.writer(1).expect("memory");
        let address = first.slab().0;
        drop(first);
        assert_eq!(pool.writer(1).expect("memory").slab().0, address);
    }

    #[test]
    fn slabs_outlive_their_pool() {
        let mut pool = SlabPool::new(64);
        let mut writer = pool.writer(64).expect("memory");
        writer.put(&[7; 64]);
        let bytes = writer.bytes(0, 64);
        drop((writer, pool));
        assert_eq!(&*bytes, &[7; 64]);
    }

    #[test]
    fn a_foreign_owner_is_dropped_once_with_the_last_slice() {
        struct Owner(Vec<u8>, #[allow(dead_code, reason = "counts")] std::sync::Arc<()>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        let alive = std::sync::Arc::new(());
        let bytes = Bytes::from_owner(Owner(vec![1, 2, 3], alive.clone()));
        let part = bytes.slice(1, 3);
        drop(bytes);
        assert_eq!((&*part, std::sync::Arc::strong_count(&alive)), (&[2u8, 3][..], 2));
        drop(part);
        assert_eq!(std::sync::Arc::strong_count(&alive), 1);
    }

    #[test]
    fn an_absurd_size_is_an_answer_and_not_an_abort() {
        assert!(Slab::alloc(usize::MAX - 10).is_none());
        assert!(Slab::alloc(1 << 60).is_none());
    }
}
