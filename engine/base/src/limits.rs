//! Every built-in bound of the engine, in one place. What a user may change is an option; its default stands here.

/// Capacity of a pooled slab: what one `recv` can fill and one batch can hold.
pub const SLAB_BYTES: usize = 64 * 1024;

/// Memory that slabs which other threads gave back take turns in: more than one core's second-level cache holds, see
/// `slab::pool`. Only a pool whose slabs others read, and that fills one every 2 ms at the least, grows to it; a slower
/// one gives the rest back.
pub const POOL_CIRCULATING_BYTES: usize = 2 * 1024 * 1024;

/// Slabs waiting for their pool to take them back; beyond it they go to the system.
pub const POOL_RETURNED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Free slabs of large frames that a pool keeps.
pub const POOL_LARGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bodies up to this size live inside a [`Message`](crate::Message) itself.
pub const INLINE_BODY_BYTES_MAX: usize = 86;

/// Bodies at or above this size are sent by reference instead of being copied into the batch.
pub const COPY_THRESHOLD_BYTES: usize = 4096;

/// A flush by the sending thread happens when this much is queued on one connection.
pub const FLUSH_BYTES: usize = 64 * 1024;

/// Most ranges handed to the kernel in one vectored write (Linux allows 1024).
pub const GATHER_RANGES_MAX: usize = 64;

/// Most bytes written to, or read from, one connection before the others get their turn.
pub const FAIRNESS_BYTES: usize = 1024 * 1024;

/// Frames up to this size get their whole buffer at once; larger ones double as bytes really arrive.
pub const TRUSTED_FRAME_BYTES: usize = 1024 * 1024;

/// Events a monitor holds for a reader that fell behind; further ones are dropped and counted.
pub const MONITOR_EVENTS_MAX: usize = 4096;

/// Connections whose descriptors a waiting application thread takes over; above, the I/O threads keep them.
pub const LEASED_LINKS_MAX: usize = 32;

/// A socket that lingers for ever waits for a peer that takes nothing of what the kernel has of it for so long, and then
/// leaves it to the kernel.
pub const DELIVERY_STALL_NS_MAX: u64 = 2_000_000_000;

/// After the peer has everything, and until it closes, its connection is kept open for so long at most.
pub const PEER_END_WAIT_NS_MAX: u64 = 5_000_000_000;

/// Connections of one I/O thread that have said everything and wait for their peer's end; beyond it the oldest are closed.
pub const DEPARTING_MAX: usize = 1024;

const _: () = assert!(COPY_THRESHOLD_BYTES + 9 <= SLAB_BYTES, "a copied frame must fit a slab");
const _: () = assert!(INLINE_BODY_BYTES_MAX < COPY_THRESHOLD_BYTES);
