//! The receiving half of a link: bytes from a stream into the incoming pipe, in place.
//!
//! Bytes land in a slab; the scanner finds message boundaries; the prefix of whole messages is published where it lies,
//! as far as credit goes. What is left is the start of a message, or messages waiting for credit.
//!
//! # Bounds
//! Unpublished bytes are at most what one read brought beyond the credit (a slab) or one unfinished message, which the
//! scanner's limits bound before its buffer grows; a buffer larger than [`limits::TRUSTED_FRAME_BYTES`] only doubles
//! as bytes really arrive. A driver that reads by itself may bring all its buffers before it pauses: they are held as
//! they are until there is credit.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use zeroring_base::slab::{SlabPool, SlabSize, SlabWriter};
use zeroring_base::{Bytes, limits};
use zeroring_zmtp::framing::encode_header;
use zeroring_zmtp::legacy::V1Decoder;

use super::publish::{Published, Publisher};
use super::{Link, RxOwner};
use crate::io::transport::Stream;
use crate::options::SocketOptions;
use crate::pipe::PipeWriter;

/// Why reading ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RxEnd {
    /// The peer closed the stream.
    PeerClosed,
    /// The system's error, as an errno.
    Io(i32),
    /// The peer broke the protocol; a connecting socket gives up.
    Protocol(String),
    /// The system has no memory for the message.
    NoMemory,
    /// The application asked for it (STREAM: an empty part).
    ByApplication,
}

impl RxEnd {
    /// What an I/O error means for the connection.
    pub fn from_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::OutOfMemory => RxEnd::NoMemory,
            io::ErrorKind::InvalidData => RxEnd::Protocol(error.to_string()),
            _ => RxEnd::Io(error.raw_os_error().unwrap_or(0)),
        }
    }
}

/// How the bytes of the stream become frames.
#[derive(Debug)]
enum Framing {
    /// v2 frames: as they are.
    Identity,
    /// ZMTP 1.0: re-framed.
    V1(Box<V1Decoder>),
    /// STREAM: every read becomes one frame.
    Raw,
}

/// What [`LinkRx::drive`] did.
#[derive(Debug, Default)]
pub struct Driven {
    /// Bytes came.
    pub progress: bool,
    /// There may be more to read at once (the fairness budget ran out).
    pub more: bool,
    /// The stream is over.
    pub end: Option<RxEnd>,
}

/// Receiving half of a link.
pub struct LinkRx {
    stream: Option<Arc<dyn Stream>>,
    publisher: Publisher,
    framing: Framing,
    max_frame_bytes: Option<u64>,
    slab: Option<SlabWriter>,
    slab_size: SlabSize,
    /// First byte of the slab not published yet.
    start: usize,
    /// Bytes the unfinished message needs from `start` on, if known.
    needed_bytes: Option<u64>,
    /// Published up to the credit; waits for the application to read.
    stalled: bool,
    /// What a driver brought while there was no credit; comes after what is in `slab`.
    held: VecDeque<Bytes>,
    /// How the stream ended, behind what is held.
    ended: Option<RxEnd>,
}

impl LinkRx {
    /// A receiving half that writes into `pipe`.
    pub fn new(pipe: PipeWriter, options: &SocketOptions, kind: zeroring_zmtp::SocketType) -> Self {
        Self {
            stream: None,
            publisher: Publisher::new(pipe, options, kind),
            framing: Framing::Identity,
            max_frame_bytes: options.max_frame_bytes,
            slab: None,
            slab_size: SlabSize::default(),
            start: 0,
            needed_bytes: None,
            stalled: false,
            held: VecDeque::new(),
            ended: None,
        }
    }

    /// A stream whose handshake is over begins.
    pub fn attach(&mut self, stream: Arc<dyn Stream>, is_v1: bool, is_raw: bool) {
        self.forget_unfinished();
        self.stream = Some(stream);
        self.framing = match (is_v1, is_raw) {
            (true, _) => Framing::V1(Box::new(V1Decoder::new(self.max_frame_bytes))),
            (_, true) => Framing::Raw,
            _ => Framing::Identity,
        };
    }

    /// The stream is over: an unfinished message is forgotten.
    pub fn detach(&mut self) {
        self.stream = None;
        self.forget_unfinished();
    }

    fn forget_unfinished(&mut self) {
        self.publisher.forget_unfinished();
        self.slab = None;
        self.start = 0;
        self.needed_bytes = None;
        self.stalled = false;
        self.held.clear();
        self.ended = None;
    }

    /// The stream, if one is attached.
    pub fn stream(&self) -> Option<&Arc<dyn Stream>> {
        self.stream.as_ref()
    }

    /// Where that which was published so far ends in the pipe.
    pub fn published_bytes(&self) -> u64 {
        self.publisher.published_bytes()
    }

    /// True if messages wait here because the application does not read.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// True if the application read enough to take a message.
    pub fn has_credit(&mut self) -> bool {
        self.publisher.has_credit()
    }

    /// Lets go of stream and pipe: the socket reads what is there and then finds the end.
    pub fn close(&mut self) {
        self.detach();
        self.publisher.close();
    }

    /// Publishes what waited for credit, without reading.
    pub fn publish_waiting(&mut self, pool: &mut SlabPool, link: &Arc<Link>) -> Driven {
        let mut driven = Driven::default();
        self.publish_held(pool, link, &mut driven);
        driven
    }

    /// Publishes what is here, as far as credit goes. False (with `driven.end` set) if the stream is over.
    fn publish_held(&mut self, pool: &mut SlabPool, link: &Arc<Link>, driven: &mut Driven) -> bool {
        if !self.publish_or_end(link, driven) {
            return false;
        }
        while !self.stalled
            && let Some(bytes) = self.held.pop_front()
        {
            if !self.take_in(pool, link, &bytes, driven) {
                return false;
            }
        }
        if !self.stalled {
            driven.end = self.ended.take();
        }
        driven.end.is_none()
    }

    /// A driver found the end of the stream. Returned if it is the end now; messages that wait for the application come
    /// first, and publishing the last of them ends the stream.
    pub fn end_behind_held(&mut self, end: RxEnd) -> Option<RxEnd> {
        if !self.stalled {
            return Some(end);
        }
        self.ended = Some(end);
        None
    }

    /// The reader has let go of all that was published: the slab is filled from its start again, while it is still near.
    pub fn begin_anew(&mut self) {
        self.publisher.begin_anew();
        if self.pending() == 0 && self.slab.as_mut().is_some_and(SlabWriter::try_reset) {
            self.start = 0;
        }
    }

    /// Reads what is there, up to the fairness budget, and publishes it.
    pub fn drive(&mut self, pool: &mut SlabPool, link: &Arc<Link>) -> Driven {
        let mut driven = Driven::default();
        if self.stalled && !self.publish_held(pool, link, &mut driven) {
            return driven;
        }
        let mut budget = limits::FAIRNESS_BYTES;
        while !self.stalled {
            let Some(stream) = self.stream.clone() else { return driven };
            match self.read(pool, &*stream) {
                Ok(0) => {
                    driven.end = Some(RxEnd::PeerClosed);
                    return driven;
                }
                Ok(n) => {
                    driven.progress = true;
                    link.note_activity();
                    if !self.publish_or_end(link, &mut driven) {
                        return driven;
                    }
                    let full = self.slab.as_ref().is_some_and(|slab| slab.room() == 0);
                    budget = budget.saturating_sub(n);
                    if budget == 0 {
                        driven.more = true;
                        return driven;
                    }
                    if !full && n < limits::SLAB_BYTES / 2 && self.needed_bytes.is_none() {
                        return driven; // a short read: the kernel had no more
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // An application that reads by itself looks again and again.
                    if link.rx_owner() != RxOwner::App {
                        self.release_idle_slab();
                    }
                    return driven;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    driven.end = Some(RxEnd::from_io(&error));
                    return driven;
                }
            }
        }
        driven
    }

    /// Takes bytes that a driver (or the handshake) read.
    pub fn feed(&mut self, pool: &mut SlabPool, link: &Arc<Link>, bytes: &Bytes) -> Driven {
        let mut driven = Driven { progress: true, ..Driven::default() };
        link.note_activity();
        if self.stalled {
            self.held.push_back(to_hold(bytes));
        } else {
            self.take_in(pool, link, bytes, &mut driven);
        }
        driven
    }

    /// Takes bytes into the slab and publishes them; without credit the rest is held. False (with `driven.end` set) if
    /// the stream is over.
    fn take_in(
        &mut self,
        pool: &mut SlabPool,
        link: &Arc<Link>,
        bytes: &Bytes,
        driven: &mut Driven,
    ) -> bool {
        let mut taken = 0;
        while taken < bytes.len() {
            if self.stalled {
                self.held.push_front(to_hold(&bytes.slice(taken, bytes.len())));
                return true;
            }
            let step = match self.adopt(link, bytes, taken) {
                Ok(0) => self.copy_and_publish(pool, link, &bytes[taken..]),
                adopted => adopted,
            };
            match step {
                Ok(n) => taken += n,
                Err(end) => {
                    driven.end = Some(end);
                    return false;
                }
            }
        }
        true
    }

    /// Publishes the whole messages of a large read where they lie. Returns their length; 0 if the rest has to be copied.
    fn adopt(&mut self, link: &Arc<Link>, bytes: &Bytes, from: usize) -> Result<usize, RxEnd> {
        let is_identity = matches!(self.framing, Framing::Identity);
        if !is_identity || self.pending() > 0 || bytes.len() - from < ADOPT_BYTES_MIN {
            return Ok(0);
        }
        let published = self.publisher.publish(link, &bytes[from..], |pipe, whole| {
            pipe.put_adopted(&bytes.slice(from, from + whole));
        });
        Ok(self.book(&published.map_err(RxEnd::Protocol)?))
    }

    fn copy_and_publish(
        &mut self,
        pool: &mut SlabPool,
        link: &Arc<Link>,
        rest: &[u8],
    ) -> Result<usize, RxEnd> {
        let bytes_max = self.bytes_to_copy(rest.len());
        self.make_room(pool, bytes_max + FRAMING_BYTES_MAX).ok_or(RxEnd::NoMemory)?;
        let copied = self.copy_in(&rest[..bytes_max])?;
        self.publish(link).map_err(RxEnd::Protocol)?;
        Ok(copied)
    }

    /// How much of a read to copy behind an unfinished message: when much follows, only what completes the frame, so that
    /// the rest can be adopted.
    fn bytes_to_copy(&self, rest: usize) -> usize {
        let pending = self.pending();
        if pending == 0 || rest < ADOPT_BYTES_MIN {
            return rest;
        }
        let missing = match self.needed_bytes {
            Some(needed) => needed.saturating_sub(pending as u64),
            None => FRAME_HEADER_BYTES_MAX,
        };
        usize::try_from(missing).unwrap_or(rest).clamp(1, rest)
    }

    /// Nothing came: a slab of which nothing is in use goes back. A connection that never carried a message holds none.
    fn release_idle_slab(&mut self) {
        if self.pending() == 0 && self.slab.as_mut().is_some_and(SlabWriter::try_reset) {
            self.slab = None;
            self.start = 0;
        }
    }

    /// Bytes in the slab that are not published.
    fn pending(&self) -> usize {
        self.slab.as_ref().map_or(0, |slab| slab.filled() - self.start)
    }

    fn copy_in(&mut self, bytes: &[u8]) -> Result<usize, RxEnd> {
        let Some(slab) = &mut self.slab else { return Err(RxEnd::NoMemory) };
        match &mut self.framing {
            Framing::Identity => {
                let n = bytes.len().min(slab.room());
                slab.put(&bytes[..n]);
                Ok(n)
            }
            Framing::V1(decoder) => {
                let decoded = decoder
                    .decode_into(bytes, slab.spare())
                    .map_err(|error| RxEnd::Protocol(error.to_string()))?;
                slab.fill(decoded.produced_bytes);
                Ok(decoded.consumed_bytes)
            }
            Framing::Raw => {
                let n = bytes
                    .len()
                    .min(slab.room().saturating_sub(RAW_HEADER_BYTES))
                    .min(RAW_CHUNK_BYTES);
                put_raw_frame(slab, &bytes[..n]);
                Ok(n)
            }
        }
    }

    fn read(&mut self, pool: &mut SlabPool, stream: &dyn Stream) -> io::Result<usize> {
        let Some(()) = self.make_room(pool, MIN_READ_BYTES) else {
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        if !matches!(self.framing, Framing::Identity) {
            let mut chunk = [0; RAW_CHUNK_BYTES];
            let n = stream.try_recv(&mut chunk)?;
            let mut taken = 0;
            while taken < n {
                match self.copy_in(&chunk[taken..n]) {
                    Ok(step) => taken += step,
                    Err(RxEnd::Protocol(text)) => {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                    }
                    Err(_) => return Err(io::ErrorKind::OutOfMemory.into()),
                }
                if taken < n && self.make_room(pool, MIN_READ_BYTES).is_none() {
                    return Err(io::ErrorKind::OutOfMemory.into());
                }
            }
            return Ok(n);
        }
        let Some(slab) = &mut self.slab else { return Err(io::ErrorKind::OutOfMemory.into()) };
        let n = stream.try_recv(slab.spare())?;
        slab.fill(n);
        Ok(n)
    }

    /// Makes sure that so many bytes have somewhere to go; `None` if the system has no memory.
    fn make_room(&mut self, pool: &mut SlabPool, incoming: usize) -> Option<()> {
        let pending = self.pending();
        let wanted = wanted_bytes(pending, self.needed_bytes, incoming);
        if let Some(slab) = &mut self.slab {
            if pending == 0 && slab.room() < incoming && slab.try_reset() {
                self.start = 0;
            }
            if has_room(pending, slab.room(), wanted, incoming) {
                return Some(());
            }
        }
        let mut fresh = pool.next_writer(&mut self.slab_size, grown_bytes(pending, wanted))?;
        if let Some(old) = &self.slab {
            fresh.put(old.filled_slice(self.start, old.filled()));
        }
        self.slab = Some(fresh);
        self.start = 0;
        Some(())
    }

    /// Publishes; false (with `driven.end` set) if the peer offended.
    fn publish_or_end(&mut self, link: &Arc<Link>, driven: &mut Driven) -> bool {
        match self.publish(link) {
            Ok(()) => true,
            Err(error) => {
                driven.end = Some(RxEnd::Protocol(error));
                false
            }
        }
    }

    /// Publishes whole messages of the slab as far as credit goes.
    fn publish(&mut self, link: &Arc<Link>) -> Result<(), String> {
        self.stalled = false;
        loop {
            let start = self.start;
            let Some(slab) = self.slab.as_ref().filter(|slab| slab.filled() > start) else {
                return Ok(());
            };
            let bytes = slab.filled_slice(start, slab.filled());
            let published = self.publisher.publish(link, bytes, |pipe, whole| {
                pipe.put_received(slab, start, start + whole);
            })?;
            self.start += self.book(&published);
            if self.stalled || published.is_all {
                return Ok(());
            }
        }
    }

    /// Notes what publishing left behind. Returns how far it went.
    fn book(&mut self, published: &Published) -> usize {
        self.stalled = published.is_out_of_credit;
        self.needed_bytes = published.needed_bytes;
        published.bytes
    }
}

/// Room below which a read is not worth a system call.
const MIN_READ_BYTES: usize = 8 * 1024;
/// Reads of this size, half a buffer of io_uring's, are published where they lie. Smaller ones are copied: a few bytes must
/// not pin a slab.
const ADOPT_BYTES_MIN: usize = 8 * 1024;
const FRAME_HEADER_BYTES_MAX: u64 = 9;
/// More than re-framing adds to a few bytes, so that a copy always gets on.
const FRAMING_BYTES_MAX: usize = 64;
/// Largest chunk a STREAM socket delivers (libzmq's default batch).
const RAW_CHUNK_BYTES: usize = 8192;
const RAW_HEADER_BYTES: usize = 9;

/// What a read brought, for an application that may be away for long: a few bytes must not pin a driver's buffer.
fn to_hold(bytes: &Bytes) -> Bytes {
    if bytes.len() < ADOPT_BYTES_MIN { Bytes::copy_from_slice(bytes) } else { bytes.clone() }
}

/// True if `incoming` bytes may go into the slab that holds the pending ones. A small start of a message moves at once to where
/// the whole of it will fit, a large one only when its slab is full.
fn has_room(pending: usize, room: usize, wanted: usize, incoming: usize) -> bool {
    let is_worth_it = room >= incoming.min(wanted.saturating_sub(pending)).max(1);
    is_worth_it && (pending + room >= wanted || pending > limits::SLAB_BYTES)
}

/// Capacity of the next slab. By half again at least: a message of many parts is not moved for each of them.
fn grown_bytes(pending: usize, wanted: usize) -> usize {
    wanted.max(pending + pending / 2)
}

/// Capacity to hold the pending bytes and what is known to follow, without trusting large announcements.
fn wanted_bytes(pending: usize, needed: Option<u64>, incoming: usize) -> usize {
    let Some(needed) = needed else { return pending + incoming };
    let needed = usize::try_from(needed).unwrap_or(usize::MAX);
    let trusted = needed.min(limits::TRUSTED_FRAME_BYTES.max(pending.saturating_mul(2)));
    trusted.max(pending + 1).max(limits::SLAB_BYTES.min(pending + incoming))
}

fn put_raw_frame(slab: &mut SlabWriter, chunk: &[u8]) {
    let mut header = [0; 9];
    let n = encode_header(0, chunk.len(), &mut header);
    slab.put(&header[..n]);
    slab.put(chunk);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a message that arrives in pieces of `piece` bytes is moved to a larger slab.
    fn moves(message: usize, piece: usize, needed: impl Fn(usize) -> Option<u64>) -> u32 {
        let (mut capacity, mut pending, mut moves) = (limits::SLAB_BYTES, 0, 0);
        while pending < message {
            let wanted = wanted_bytes(pending, needed(pending), MIN_READ_BYTES);
            if !has_room(pending, capacity - pending, wanted, MIN_READ_BYTES) {
                capacity = grown_bytes(pending, wanted);
                moves += 1;
            }
            pending = (pending + piece).min(capacity);
        }
        moves
    }

    #[test]
    fn a_growing_message_is_moved_a_few_times_only() {
        const MESSAGE: usize = 10 << 20;
        assert!(moves(MESSAGE, 100, |_| None) < 40, "small parts");
        assert!(moves(MESSAGE, 100, |pending| Some(pending as u64 + 50)) < 40, "known headers");
        assert!(moves(MESSAGE, 9000, |pending| Some(pending as u64 + 10_000)) < 40, "larger parts");
        assert!(moves(MESSAGE, 1 << 16, |_| Some(MESSAGE as u64)) < 10, "one large part");
    }

    #[test]
    fn announcements_are_not_believed() {
        let wanted = wanted_bytes(0, Some(u64::MAX), MIN_READ_BYTES);
        assert_eq!(wanted, limits::TRUSTED_FRAME_BYTES);
        assert!(grown_bytes(0, wanted) <= limits::TRUSTED_FRAME_BYTES);
    }
}
