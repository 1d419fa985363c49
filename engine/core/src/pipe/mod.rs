//! One peer relation: two streams of frames, one each way, with libzmq's accounting.
//!
//! The frames in a stream are ZMTP v2 frames, the very bytes that go over the wire: a connection writes them without
//! touching them. [`PipeWriter`] puts parts in, [`PipeReader`] cuts parts out in place, [`Gather`] gives ranges to the
//! kernel and counts the messages that went.
//!
//! * Credit counts whole messages; a started message can always be completed (the last part commits).
//! * A message is visible to the other side whole or not at all.
//! * Commands (SUBSCRIBE, CANCEL) travel in the same order as messages and use credit too.
//!
//! A conflating pipe ([`conflate`]) holds the newest part instead of a stream.

pub mod conflate;
mod gather;
mod reader;
mod writer;

pub use gather::Gather;
pub use reader::{Part, PipeReader, TakeShort};
pub use writer::PipeWriter;

use zeroring_base::stream::stream;

/// A new one-way pipe with room for `high_water_mark` messages (0 = unlimited).
pub fn one_way(high_water_mark: u32, conflate: bool) -> (PipeWriter, PipeReader) {
    if conflate {
        return conflate::one_way();
    }
    let (writer, reader) = stream(high_water_mark);
    (PipeWriter::from_stream(writer), PipeReader::from_stream(reader))
}

/// The size of an inproc queue: both ends' marks together, unlimited if either is (libzmq-surface §6.2).
pub fn inproc_high_water_mark(own_send: u32, peer_recv: u32) -> u32 {
    if own_send == 0 || peer_recv == 0 { 0 } else { own_send.saturating_add(peer_recv) }
}

#[cfg(test)]
mod tests;
