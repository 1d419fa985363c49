//! The sending half of a link: the outgoing pipe into a stream.
//!
//! For ZMTP 3.1 without encryption the pipe's bytes are the wire's bytes: ranges are gathered into one vectored write.
//! Older peers and raw streams get their frames translated into a scratch buffer first. Control frames (PING, PONG)
//! go out at the next frame boundary.

use std::io::{self, IoSlice};
use std::sync::Arc;

use zeroring_base::limits;
use zeroring_zmtp::SocketType;
use zeroring_zmtp::framing::append_frame;
use zeroring_zmtp::greeting::Version;
use zeroring_zmtp::legacy::Downgrade;

use super::Link;
use crate::io::transport::Stream;
use crate::pipe::Gather;

/// What a flush came to.
#[derive(Debug)]
pub enum Flushed {
    /// Everything that was queued at the beginning was handed to the kernel.
    Drained,
    /// The kernel takes no more now.
    Blocked,
    /// The fairness budget ran out; there is more.
    More,
    /// Somebody else is writing.
    Busy,
    /// No stream is attached; what is queued waits for one.
    NotConnected,
    /// The stream is over.
    Failed(io::Error),
    /// STREAM: the application asked for the connection to be closed.
    CloseRequested,
}

enum Wire {
    /// The pipe's bytes are the wire's.
    Identity,
    /// Frames are translated into `scratch` for an older peer.
    Older(Downgrade),
    /// STREAM: only bodies go out; an empty one asks to close.
    Raw,
}

/// Sending half of a link.
pub struct LinkTx {
    stream: Option<Arc<dyn Stream>>,
    /// `None` once the link is closed.
    out: Option<Gather>,
    wire: Wire,
    /// Translated bytes or control frames on their way out, and how many of them went.
    scratch: Vec<u8>,
    scratch_sent: usize,
    /// Control frames for the next frame boundary.
    control: Vec<u8>,
    close_requested: bool,
    /// Handed to the kernel so far; heartbeats look at it.
    written_bytes: u64,
}

impl LinkTx {
    /// A sending half that reads from `out`.
    pub fn new(out: Gather) -> Self {
        Self {
            stream: None,
            out: Some(out),
            wire: Wire::Identity,
            scratch: Vec::new(),
            scratch_sent: 0,
            control: Vec::new(),
            close_requested: false,
            written_bytes: 0,
        }
    }

    /// A stream whose handshake is over begins.
    pub fn attach(&mut self, stream: Arc<dyn Stream>, version: Version, is_raw: bool) {
        self.stream = Some(stream);
        let downgrade = Downgrade::new(version);
        self.wire = match is_raw {
            true => Wire::Raw,
            false if downgrade.is_transparent() => Wire::Identity,
            false => Wire::Older(downgrade),
        };
        self.close_requested = false;
    }

    /// The stream is over. The message being written is lost; whole messages wait for the next stream, except
    /// subscriptions, which the socket sends again as a whole.
    pub fn detach(&mut self, link: &Link) {
        self.stop_writing();
        self.scratch.clear();
        self.scratch_sent = 0;
        self.control.clear();
        let resends = matches!(link.socket.kind(), SocketType::Sub | SocketType::XSub);
        let tell = match &mut self.out {
            None => false,
            Some(out) if resends => out.discard_all(),
            Some(out) => out.skip_unfinished_message(),
        };
        if tell {
            link.tell_writable();
        }
    }

    /// The stream, if one is attached.
    pub fn stream(&self) -> Option<&Arc<dyn Stream>> {
        self.stream.as_ref()
    }

    /// The stream takes no more bytes. What it brings may still be read; the reader finds its end.
    pub fn stop_writing(&mut self) {
        self.stream = None;
    }

    /// Lets go of stream and pipe; what was not sent is dropped.
    pub fn close(&mut self) {
        self.stream = None;
        self.out = None;
        self.scratch.clear();
        self.scratch_sent = 0;
        self.control.clear();
    }

    /// Says that nothing was found and that the sender shall tell; one [`heavy`](zeroring_base::barrier::heavy) barrier
    /// for all that were asked and [`has_more`](Self::has_more) follow.
    pub fn ask_to_be_told(&mut self) {
        if let Some(out) = &mut self.out {
            out.ask_to_be_told();
        }
    }

    /// True if the application sent something that was not taken yet.
    pub fn has_more(&self) -> bool {
        self.out.as_ref().is_some_and(Gather::has_more)
    }

    /// The sender itself drained the pipe and asks to be asked: its next message finds nobody looking after the pipe.
    pub fn wait_own(&mut self) {
        if let Some(out) = &mut self.out {
            out.ask_to_be_told();
        }
    }

    /// Queues the end of the handshake in front of everything else.
    pub fn queue_first(&mut self, bytes: &[u8]) {
        self.scratch.clear();
        self.scratch.extend_from_slice(bytes);
        self.scratch_sent = 0;
    }

    /// Queues a control frame for the next frame boundary.
    pub fn queue_control(&mut self, frame: &[u8]) {
        // One PONG may answer several PINGs: while output is blocked a flood of them must not pile up (zmtp §8).
        if self.stream.is_some() && self.control.len() + frame.len() <= CONTROL_BYTES_MAX {
            self.control.extend_from_slice(frame);
        }
    }

    /// The sender changed the high-water mark: it learns now of everything that went out.
    pub fn acknowledge(&mut self) {
        if let Some(out) = &mut self.out {
            let _ = out.acknowledge(); // the caller is the sender
        }
    }

    /// Queues our own PING, also when the peer's demand for PONGs has filled the queue. One at a time.
    pub fn queue_ping(&mut self, frame: &[u8]) {
        if self.stream.is_some() {
            self.control.extend_from_slice(frame);
        }
    }

    /// True while control frames wait to be written.
    pub fn has_control(&self) -> bool {
        !self.control.is_empty() || self.scratch_sent < self.scratch.len()
    }

    /// Bytes handed to the kernel so far.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// True if nothing waits to be written.
    pub fn is_drained(&mut self) -> bool {
        self.scratch_sent == self.scratch.len()
            && self.control.is_empty()
            && self.out.as_mut().is_none_or(Gather::is_empty)
    }

    /// Writes until the kernel takes no more, nothing is left of what is queued now, or the fairness budget is used.
    ///
    /// What its sender adds meanwhile is the sender's: an I/O thread that went on would take the writing from it, for
    /// milliseconds at a time, on a core that somebody else needs.
    pub fn flush(&mut self, link: &Link) -> Flushed {
        let Some(stream) = self.stream.clone() else { return Flushed::NotConnected };
        let mut queued = self.queued_bytes();
        let mut budget = limits::FAIRNESS_BYTES;
        loop {
            match self.write_once(&*stream, link) {
                Ok(0) if self.close_requested => return Flushed::CloseRequested,
                Ok(0) => return Flushed::Drained,
                Ok(n) => {
                    (budget, queued) = (budget.saturating_sub(n), queued.saturating_sub(n));
                    self.written_bytes += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flushed::Blocked,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Flushed::Failed(error),
            }
            if queued == 0 {
                return Flushed::Drained;
            }
            if budget == 0 {
                return Flushed::More;
            }
        }
    }

    /// What there is to write now. Where that is not known, for bytes to be translated and parts to be replaced by newer
    /// ones, it counts as endless.
    fn queued_bytes(&mut self) -> usize {
        let is_conflating = self.out.as_ref().is_some_and(Gather::is_conflating);
        if is_conflating || !matches!(self.wire, Wire::Identity) {
            return usize::MAX;
        }
        let control_bytes = self.scratch.len() - self.scratch_sent + self.control.len();
        control_bytes + self.out.as_mut().map_or(0, Gather::queued_bytes)
    }

    /// One write. `Ok(0)` means that there is nothing to write.
    fn write_once(&mut self, stream: &dyn Stream, link: &Link) -> io::Result<usize> {
        if self.scratch_sent < self.scratch.len() {
            return self.write_scratch(stream);
        }
        if !self.control.is_empty() && self.is_at_frame_boundary() {
            self.scratch.clear();
            self.scratch_sent = 0;
            std::mem::swap(&mut self.scratch, &mut self.control);
            return self.write_scratch(stream);
        }
        if matches!(self.wire, Wire::Identity) {
            return self.write_ranges(stream, link);
        }
        self.translate(link);
        if self.scratch.is_empty() { Ok(0) } else { self.write_scratch(stream) }
    }

    fn is_at_frame_boundary(&self) -> bool {
        self.out.as_ref().is_none_or(|out| out.bytes_to_frame_boundary() == 0)
    }

    fn write_scratch(&mut self, stream: &dyn Stream) -> io::Result<usize> {
        let n = stream.try_send(&[IoSlice::new(&self.scratch[self.scratch_sent..])])?;
        self.scratch_sent += n;
        if self.scratch_sent == self.scratch.len() {
            self.scratch.clear();
            self.scratch_sent = 0;
        }
        Ok(n)
    }

    fn write_ranges(&mut self, stream: &dyn Stream, link: &Link) -> io::Result<usize> {
        let Some(out) = &mut self.out else { return Ok(0) };
        let bytes_max = match self.control.is_empty() {
            true => limits::FAIRNESS_BYTES,
            false => out.bytes_to_frame_boundary(), // control waits for the frame being written
        };
        let mut ranges = Vec::with_capacity(limits::GATHER_RANGES_MAX);
        if out.ranges(&mut ranges, limits::GATHER_RANGES_MAX, bytes_max) == 0 {
            return Ok(0);
        }
        let n = stream.try_send(&ranges)?;
        drop(ranges);
        if out.consume(n) {
            link.tell_writable();
        }
        Ok(n)
    }

    /// Fills `scratch` with translated frames, up to a batch.
    fn translate(&mut self, link: &Link) {
        self.scratch.clear();
        self.scratch_sent = 0;
        let Some(out) = &mut self.out else { return };
        while self.scratch.len() < limits::FLUSH_BYTES && !self.close_requested {
            let (scratch, wire) = (&mut self.scratch, &mut self.wire);
            let mut close = false;
            let frame = out.next_frame(|header, body| match wire {
                Wire::Raw if header.is_command() => {}
                Wire::Raw if body.is_empty() => close = true,
                Wire::Raw => scratch.extend_from_slice(body),
                Wire::Older(downgrade) => {
                    let mut whole = Vec::with_capacity(body.len() + 9);
                    append_frame(header.flags, body, &mut whole);
                    // Only our own frames pass here; one that cannot be told to an old peer is left out.
                    let _ = downgrade.translate(&whole, scratch);
                }
                Wire::Identity => {}
            });
            match frame {
                Some((tell, ())) => {
                    if tell {
                        link.tell_writable();
                    }
                }
                None => return,
            }
            if close {
                // libzmq drops what is still queued when the application closes a raw connection.
                self.scratch.clear();
                self.close_requested = true;
            }
        }
    }
}

/// Control frames that may wait for a blocked peer: a PONG is at most 23 bytes.
const CONTROL_BYTES_MAX: usize = 4096;

#[cfg(test)]
pub(crate) mod tests;
