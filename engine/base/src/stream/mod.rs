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
//! # The short way
//!
//! Most messages are short and follow one another. For those, each end keeps at hand what it found out last: the writer how
//! many bytes and messages may follow at its tail, in its own slab or in one that a fan-out fills, without asking anything
//! ([`StreamWriter::open_short_way`]), the reader the bytes it may read without looking for more. Whatever else happens to the
//! writer closes its short way. What the reader does cannot: a mark that it lowers binds the writer from the end of that way
//! on, or from its own next [`StreamWriter::set_high_water_mark`] (sockets tell each other).
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

mod reader;
#[cfg(all(test, not(loom)))]
mod tests;
mod writer;

use crossbeam_utils::CachePadded;

pub use reader::StreamReader;
pub use writer::StreamWriter;

use crate::barrier;
use crate::ring::ring;
use crate::slab::Bytes;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

struct Segment {
    /// Starts at the segment's first byte; its own length is only what was there when it was pushed.
    bytes: Bytes,
    base: u64,
}

/// What both ends share, on two lines: what the writer stores for each message, and what changes now and then.
struct Shared {
    ahead: CachePadded<Ahead>,
    back: CachePadded<Back>,
}

/// From the writer to the reader.
struct Ahead {
    /// Position up to which the reader may read. Writer stores, reader loads.
    published: AtomicU64,
    writer_gone: AtomicBool,
}

/// What the reader has to say, and the writer looks at for every message; and what either end sets now and then.
struct Back {
    /// The reader found nothing and wants to be told.
    reader_waits: AtomicBool,
    /// Messages the reader is done with, in steps of the low-water mark. Reader stores, writer loads.
    consumed: AtomicU64,
    /// Position the reader reached; only a connection keeps it up to date, for `unread_bytes`.
    read_position: AtomicU64,
    /// The writer is out of credit and wants to be told.
    writer_waits: AtomicBool,
    /// High-water mark in messages; 0 = unlimited. Either end may change it.
    high_water_mark: AtomicU32,
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

/// A new stream with room for `high_water_mark` messages (0 = unlimited).
pub fn stream(high_water_mark: u32) -> (StreamWriter, StreamReader) {
    barrier::prepare();
    let ahead = Ahead { published: AtomicU64::new(0), writer_gone: AtomicBool::new(false) };
    let back = Back {
        reader_waits: AtomicBool::new(true),
        consumed: AtomicU64::new(0),
        read_position: AtomicU64::new(0),
        writer_waits: AtomicBool::new(false),
        high_water_mark: AtomicU32::new(high_water_mark),
    };
    let (ahead, back) = (CachePadded::new(ahead), CachePadded::new(back));
    let shared = Arc::new(Shared { ahead, back });
    let (producer, consumer) = ring();
    (StreamWriter::new(shared.clone(), producer), StreamReader::new(shared, consumer))
}
