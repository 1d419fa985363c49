//! A pipe that keeps only the newest part (ZMQ_CONFLATE, libzmq-surface §6.2).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use zeroring_base::Message;
use zeroring_base::sync::lock;

use super::{PipeReader, PipeWriter};

#[derive(Debug, Default)]
struct Slot {
    newest: Mutex<Newest>,
    writer_gone: AtomicBool,
}

#[derive(Debug)]
struct Newest {
    part: Option<Message>,
    reader_waits: bool,
}

impl Default for Newest {
    fn default() -> Self {
        Self { part: None, reader_waits: true }
    }
}

/// Replaces the part in the slot.
#[derive(Debug)]
pub struct ConflateWriter {
    slot: Arc<Slot>,
    messages_written: u64,
}

/// Takes the part out of the slot.
#[derive(Debug)]
pub struct ConflateReader(Arc<Slot>);

pub(super) fn one_way() -> (PipeWriter, PipeReader) {
    let slot = Arc::new(Slot::default());
    (
        PipeWriter::from_conflate(ConflateWriter { slot: slot.clone(), messages_written: 0 }),
        PipeReader::from_conflate(ConflateReader(slot)),
    )
}

impl ConflateWriter {
    pub(super) fn put(&mut self, part: Message) {
        lock(&self.slot.newest).part = Some(part.with_more(false));
    }

    pub(super) fn commit(&mut self) -> bool {
        self.messages_written += 1;
        std::mem::take(&mut lock(&self.slot.newest).reader_waits)
    }

    pub(super) fn messages_written(&self) -> u64 {
        self.messages_written
    }

    pub(super) fn is_full(&self) -> bool {
        lock(&self.slot.newest).part.is_some()
    }
}

impl Drop for ConflateWriter {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `is_writer_gone`.
        self.slot.writer_gone.store(true, Ordering::Release);
    }
}

impl ConflateReader {
    pub(super) fn take(&mut self) -> Option<Message> {
        lock(&self.0.newest).part.take()
    }

    pub(super) fn is_full(&self) -> bool {
        lock(&self.0.newest).part.is_some()
    }

    pub(super) fn wait_or_ready(&mut self) -> bool {
        let mut newest = lock(&self.0.newest);
        newest.reader_waits = newest.part.is_none();
        newest.part.is_some()
    }

    pub(super) fn is_writer_gone(&self) -> bool {
        self.0.writer_gone.load(Ordering::Acquire)
    }
}
