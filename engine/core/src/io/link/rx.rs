//! The receiving half of a link: bytes from a stream into the incoming pipe, in place.
//!
//! Bytes land in a slab; the scanner finds message boundaries; the prefix of whole messages is published where it lies,
//! as far as credit goes. What is left is the start of a message, or messages waiting for credit.
//!
//! # Bounds
//! Unpublished bytes are at most what one read brought beyond the credit (a slab) or one unfinished message, which the
//! scanner's limits bound before its buffer grows; a buffer larger than [`limits::TRUSTED_FRAME_BYTES`] only doubles
//! as bytes really arrive.

use std::io;
use std::sync::Arc;

use zeroring_base::slab::{SlabPool, SlabWriter};
use zeroring_base::{Bytes, limits};
use zeroring_zmtp::command::{Command, encode_pong};
use zeroring_zmtp::framing::{COMMAND, FrameError, FrameLimits, Scanner, encode_header};
use zeroring_zmtp::legacy::V1Decoder;

use super::Link;
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
    /// `None` once the link is closed: what still arrives is thrown away.
    pipe: Option<PipeWriter>,
    framing: Framing,
    scanner: Scanner,
    frame_limits: FrameLimits,
    slab: Option<SlabWriter>,
    /// First byte of the slab not published yet.
    start: usize,
    /// Bytes the unfinished message needs from `start` on, if known.
    needed_bytes: Option<u64>,
    /// Published up to the credit; waits for the application to read.
    stalled: bool,
    /// PUB and XPUB read subscriptions from the pipe; for all others commands end here.
    takes_subscriptions: bool,
    max_topic_bytes: usize,
    /// REQ: the peer's envelope is checked before it is queued (zmtp §5.2).
    reply_check: Option<crate::pattern::ReplyCheck>,
}

impl LinkRx {
    /// A receiving half that writes into `pipe`.
    pub fn new(pipe: PipeWriter, options: &SocketOptions, kind: zeroring_zmtp::SocketType) -> Self {
        let frame_limits = FrameLimits {
            max_frame_bytes: options.max_frame_bytes,
            max_message_parts: options.max_message_parts,
            max_message_bytes: options.max_message_bytes.unwrap_or(u64::MAX),
            max_command_bytes: u64::from(options.max_topic_bytes) + 64,
        };
        Self {
            stream: None,
            pipe: Some(pipe),
            framing: Framing::Identity,
            scanner: Scanner::new(frame_limits),
            frame_limits,
            slab: None,
            start: 0,
            needed_bytes: None,
            stalled: false,
            takes_subscriptions: kind.is_publisher(),
            max_topic_bytes: options.max_topic_bytes as usize,
            reply_check: (kind == zeroring_zmtp::SocketType::Req)
                .then(crate::pattern::ReplyCheck::default),
        }
    }

    /// A stream whose handshake is over begins.
    pub fn attach(&mut self, stream: Arc<dyn Stream>, is_v1: bool, is_raw: bool) {
        self.forget_unfinished();
        self.stream = Some(stream);
        self.framing = match (is_v1, is_raw) {
            (true, _) => Framing::V1(Box::new(V1Decoder::new(self.frame_limits.max_frame_bytes))),
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
        self.scanner = Scanner::new(self.frame_limits);
        if let Some(check) = &mut self.reply_check {
            *check = Default::default();
        }
        self.slab = None;
        self.start = 0;
        self.needed_bytes = None;
        self.stalled = false;
        if let Some(pipe) = &mut self.pipe {
            pipe.rollback();
        }
    }

    /// The stream, if one is attached.
    pub fn stream(&self) -> Option<&Arc<dyn Stream>> {
        self.stream.as_ref()
    }

    /// True if messages wait here because the application does not read.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Lets go of stream and pipe: the socket reads what is there and then finds the end.
    pub fn close(&mut self) {
        self.detach();
        self.pipe = None;
    }

    /// Publishes what waited for credit, without reading.
    pub fn publish_waiting(&mut self, link: &Arc<Link>) -> Driven {
        let mut driven = Driven::default();
        self.publish_or_end(link, &mut driven);
        driven
    }

    /// Reads what is there, up to the fairness budget, and publishes it.
    pub fn drive(&mut self, pool: &mut SlabPool, link: &Arc<Link>) -> Driven {
        let mut driven = Driven::default();
        if self.stalled && !self.publish_or_end(link, &mut driven) {
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
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return driven,
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
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            if self.make_room(pool).is_none() {
                driven.end = Some(RxEnd::NoMemory);
                return driven;
            }
            match self.copy_in(rest) {
                Ok(n) => rest = &rest[n..],
                Err(end) => {
                    driven.end = Some(end);
                    return driven;
                }
            }
            if !self.publish_or_end(link, &mut driven) {
                return driven;
            }
        }
        driven
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
        let Some(()) = self.make_room(pool) else { return Err(io::ErrorKind::OutOfMemory.into()) };
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
                if taken < n && self.make_room(pool).is_none() {
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

    /// Makes sure that a read has somewhere to go; `None` if the system has no memory.
    fn make_room(&mut self, pool: &mut SlabPool) -> Option<()> {
        let pending = self.slab.as_ref().map_or(0, |slab| slab.filled() - self.start);
        let wanted = wanted_bytes(pending, self.needed_bytes);
        if let Some(slab) = &mut self.slab {
            if pending == 0 && slab.room() < MIN_READ_BYTES && slab.try_reset() {
                self.start = 0;
            }
            let fits = slab.filled() + slab.room() - self.start >= wanted;
            if fits && slab.room() >= MIN_READ_BYTES.min(wanted.saturating_sub(pending)).max(1) {
                return Some(());
            }
        }
        let mut fresh = pool.writer(wanted)?;
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

    /// Publishes whole messages as far as credit goes.
    fn publish(&mut self, link: &Arc<Link>) -> Result<(), String> {
        let mut tell = false;
        let result = self.publish_batches(link, &mut tell);
        if tell {
            link.tell_readable();
        }
        result
    }

    fn publish_batches(&mut self, link: &Arc<Link>, tell: &mut bool) -> Result<(), String> {
        self.stalled = false;
        let Some(slab) = &self.slab else { return Ok(()) };
        let Some(pipe) = &mut self.pipe else {
            self.start = slab.filled();
            return Ok(());
        };
        while self.start < slab.filled() {
            if !pipe.has_credit_or_waits() {
                self.stalled = true;
                return Ok(());
            }
            let credit = u32::try_from(pipe.credit()).unwrap_or(u32::MAX);
            let bytes = slab.filled_slice(self.start, slab.filled());
            let mut handler = CommandHandler {
                link,
                takes_subscriptions: self.takes_subscriptions,
                max_topic_bytes: self.max_topic_bytes,
                subscriptions: 0,
                fault: None,
            };
            let scan = self
                .scanner
                .scan(bytes, credit, |flags, body| handler.on_command(flags, body))
                .map_err(|error| handler.fault.take().unwrap_or_else(|| error.to_string()))?;
            let whole = scan.whole_message_bytes;
            let (subscriptions, fault) = (handler.subscriptions, handler.fault.take());
            if let Some(check) = &mut self.reply_check {
                check.pass(&bytes[..whole])?;
            }
            if scan.messages + subscriptions > 0 {
                pipe.put_received(slab, self.start, self.start + whole);
                *tell |= pipe.commit(scan.messages + subscriptions);
            }
            self.start += whole;
            if let Some(error) = scan.fault {
                return Err(fault.unwrap_or_else(|| error.to_string()));
            }
            self.needed_bytes = scan.needed_bytes();
            if scan.messages < credit {
                return Ok(()); // everything walked; the rest is the start of a message
            }
        }
        self.needed_bytes = None;
        Ok(())
    }
}

/// Room below which a read is not worth a system call.
const MIN_READ_BYTES: usize = 8 * 1024;
/// Largest chunk a STREAM socket delivers (libzmq's default batch).
const RAW_CHUNK_BYTES: usize = 8192;
const RAW_HEADER_BYTES: usize = 9;

/// Capacity to hold the pending bytes and what is known to follow, without trusting large announcements.
fn wanted_bytes(pending: usize, needed: Option<u64>) -> usize {
    let needed = needed.map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let trusted = needed.min(limits::TRUSTED_FRAME_BYTES.max(pending.saturating_mul(2)));
    trusted.max(pending + 1).max(limits::SLAB_BYTES.min(pending + MIN_READ_BYTES))
}

fn put_raw_frame(slab: &mut SlabWriter, chunk: &[u8]) {
    let mut header = [0; 9];
    let n = encode_header(0, chunk.len(), &mut header);
    slab.put(&header[..n]);
    slab.put(chunk);
}

/// What becomes of commands during traffic (zmtp §4.3).
struct CommandHandler<'a> {
    link: &'a Arc<Link>,
    takes_subscriptions: bool,
    max_topic_bytes: usize,
    subscriptions: u32,
    fault: Option<String>,
}

impl CommandHandler<'_> {
    fn on_command(&mut self, flags: u8, body: &[u8]) -> Result<(), FrameError> {
        if flags & COMMAND == 0 || flags & zeroring_zmtp::framing::MORE != 0 {
            return Ok(()); // libzmq ignores a command with MORE set
        }
        match Command::parse(body) {
            Ok(Command::Ping { ttl_ds, context }) => self.on_ping(ttl_ds, context),
            Ok(Command::Subscribe(topic) | Command::Cancel(topic)) if self.takes_subscriptions => {
                if topic.len() > self.max_topic_bytes {
                    return Err(FrameError::CommandTooLarge {
                        body_bytes: topic.len() as u64,
                        max_command_bytes: self.max_topic_bytes as u64,
                    });
                }
                self.subscriptions += 1;
            }
            Ok(_) => {}
            Err(error) => return self.malformed(body, error.to_string()),
        }
        Ok(())
    }

    /// A known command that is malformed is an offence; what cannot even be named is ignored, as libzmq does.
    fn malformed(&mut self, body: &[u8], text: String) -> Result<(), FrameError> {
        let known = [&b"\x04PING"[..], b"\x04PONG", b"\x09SUBSCRIBE", b"\x06CANCEL"];
        if known.iter().any(|name| body.starts_with(name)) {
            self.fault = Some(text);
            return Err(FrameError::CommandTooLarge {
                body_bytes: body.len() as u64,
                max_command_bytes: 0,
            });
        }
        Ok(())
    }

    fn on_ping(&mut self, ttl_ds: u16, context: &[u8]) {
        let mut pong = Vec::with_capacity(32);
        encode_pong(context, &mut pong);
        self.link.queue_control(&pong);
        if ttl_ds > 0 {
            self.link.report_ping(ttl_ds);
        }
    }
}
