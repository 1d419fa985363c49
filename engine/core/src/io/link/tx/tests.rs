//! How far a flush goes, on a stream that does as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use zeroring_base::SlabPool;

use super::*;
use crate::io::link::tests::link_without_threads;
use crate::io::transport::{Handle, StreamInfo};
use crate::pipe::{PipeWriter, one_way};

type Hook = Box<dyn FnMut() + Send>;

/// Takes up to `room_bytes`, and calls `hook` during each write.
pub struct Told {
    room_bytes: AtomicUsize,
    written: Mutex<Vec<u8>>,
    hook: Mutex<Hook>,
    info: StreamInfo,
}

impl Told {
    pub fn new(room_bytes: usize, hook: impl FnMut() + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            room_bytes: AtomicUsize::new(room_bytes),
            written: Mutex::default(),
            hook: Mutex::new(Box::new(hook)),
            info: StreamInfo::default(),
        })
    }

    fn written(&self) -> Vec<u8> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Stream for Told {
    fn try_recv(&self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn try_send(&self, ranges: &[IoSlice<'_>]) -> io::Result<usize> {
        (self.hook.lock().unwrap_or_else(PoisonError::into_inner))();
        let mut bytes: Vec<u8> = ranges.iter().flat_map(|range| range.iter().copied()).collect();
        bytes.truncate(self.room_bytes.load(Ordering::Relaxed));
        if bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn finish_writing(&self) -> io::Result<()> {
        Ok(())
    }

    fn undelivered_bytes(&self) -> io::Result<usize> {
        Ok(0)
    }

    fn handle(&self) -> Handle<'_> {
        Handle::Sim(0)
    }

    fn info(&self) -> &StreamInfo {
        &self.info
    }
}

fn send(writer: &mut PipeWriter, body: &[u8]) {
    writer.put_part(&mut SlabPool::default(), body.into(), false, 4096).expect("memory");
    let _ = writer.commit(1);
}

#[test]
fn what_is_sent_during_a_flush_is_left_to_its_sender() {
    let (writer, reader) = one_way(0, false);
    let writer = Arc::new(Mutex::new(writer));
    send(&mut writer.lock().expect("ours"), b"first");
    let streaming = writer.clone();
    let stream = Told::new(usize::MAX >> 1, move || {
        send(&mut streaming.lock().expect("ours"), b"more");
    });
    let mut tx = LinkTx::new(Gather::new(reader));
    tx.attach(stream.clone(), Version::V3_1, false);
    assert!(matches!(tx.flush(&link_without_threads()), Flushed::Drained));
    assert_eq!(stream.written(), b"\0\x05first");
    assert!(tx.has_more());
}

/// Nobody comes back to a closed socket's link once it is drained.
#[test]
fn a_conflating_pipe_is_drained_when_the_newest_part_went_too() {
    let (mut writer, reader) = one_way(0, true);
    let stream = Told::new(3, || {});
    let mut tx = LinkTx::new(Gather::new(reader));
    tx.attach(stream.clone(), Version::V3_1, false);
    let link = link_without_threads();
    send(&mut writer, b"old");
    assert!(matches!(tx.flush(&link), Flushed::Blocked));
    send(&mut writer, b"new");
    stream.room_bytes.store(1000, Ordering::Relaxed);
    assert!(matches!(tx.flush(&link), Flushed::Drained));
    assert_eq!(stream.written(), b"\0\x03old\0\x03new");
}
