//! The receiving end of a pipe: cuts parts out of the stream where they lie.

use zeroring_base::copy::SMALL_BYTES_MAX;
use zeroring_base::stream::StreamReader;
use zeroring_base::{Bytes, Message, limits};
use zeroring_zmtp::command::Command;
use zeroring_zmtp::framing::{FrameHeader, LONG, parse_header};

use super::conflate::ConflateReader;

/// One frame read from a pipe.
#[derive(Debug, Clone)]
pub enum Part {
    /// A message part; its more-flag is set as received.
    Message(Message),
    /// The body of a SUBSCRIBE or CANCEL; everything else was dealt with by the connection.
    Command(Message),
}

/// Takes the body of a short message. A closure would do, but for the compiler, which makes a call of it.
pub trait TakeShort {
    /// What it makes of a body.
    type Taken;
    /// It wants bodies of at most [`SMALL_BYTES_MAX`] only, and takes them without calling anything: then neither does who
    /// gives them.
    const ONLY_SMALL: bool = false;

    /// Takes a body. `None`: it is not wanted, and stays where it is.
    fn take(&mut self, body: &[u8]) -> Option<Self::Taken>;
}

/// Reads frames from a pipe.
#[derive(Debug)]
pub struct PipeReader {
    kind: Kind,
    /// Large bodies are copied out instead of being slices of the received bytes (`ZERO_COPY_RECV` off).
    copies: bool,
}

#[derive(Debug)]
enum Kind {
    Stream(StreamReader),
    Conflate(ConflateReader),
}

impl PipeReader {
    pub(super) fn from_stream(stream: StreamReader) -> Self {
        Self { kind: Kind::Stream(stream), copies: false }
    }

    pub(super) fn from_conflate(conflate: ConflateReader) -> Self {
        Self { kind: Kind::Conflate(conflate), copies: false }
    }

    /// From now on parts are copies that pin no slab.
    pub fn copy_parts(&mut self) {
        self.copies = true;
    }

    /// Reads the next message part into `part`, skipping commands. `None` if there is none; otherwise whether the writer
    /// waits for credit and must be told.
    #[inline]
    pub fn next_message(&mut self, part: &mut Message) -> Option<bool> {
        let stream = match &mut self.kind {
            Kind::Stream(stream) => stream,
            Kind::Conflate(conflate) => {
                *part = conflate.take()?;
                return Some(false);
            }
        };
        while read_frame(stream, part, self.copies)?.is_command() {}
        Some(!part.more() && stream.count_read(1))
    }

    /// Gives the body of a message of one part to `taker`, if it is short and its bytes are at hand. `None`: it is not so, or
    /// the taker did not want it; nothing was done. Otherwise what that made of it, and the rest as for
    /// [`next_message`](Self::next_message).
    #[inline(always)]
    pub fn try_next_short<T: TakeShort>(&mut self, taker: &mut T) -> Option<(T::Taken, bool)> {
        let Kind::Stream(stream) = &mut self.kind else { return None };
        let bytes = stream.at_hand()?;
        let (&[flags, length], rest) = bytes.split_first_chunk()?;
        let (body, frame_bytes) = match flags {
            0 if T::ONLY_SMALL && usize::from(length) > SMALL_BYTES_MAX => return None,
            0 => (rest.get(..usize::from(length))?, 2 + usize::from(length)),
            LONG if !T::ONLY_SMALL => long_body(bytes)?,
            _ => return None,
        };
        let taken = taker.take(body)?;
        stream.advance(frame_bytes);
        Some((taken, stream.count_read(1)))
    }

    /// The next message part or subscription; other commands are skipped. The flag says that the writer waits for credit
    /// and must be told.
    ///
    /// A subscription counts like a message, so that they are bounded alike, and what counts here is exactly what the
    /// writer counted: a command that is neither SUBSCRIBE nor CANCEL, or has MORE set, only travelled along.
    pub fn next_part(&mut self) -> Option<(Part, bool)> {
        let stream = match &mut self.kind {
            Kind::Stream(stream) => stream,
            Kind::Conflate(conflate) => return conflate.take().map(|m| (Part::Message(m), false)),
        };
        let mut message = Message::new();
        loop {
            let header = read_frame(stream, &mut message, self.copies)?;
            if !header.is_command() {
                let tell = !message.more() && stream.count_read(1);
                return Some((Part::Message(message), tell));
            }
            if !header.is_more() && is_subscription(&message) {
                return Some((Part::Command(message), stream.count_read(1)));
            }
        }
    }

    /// Bytes published since the pipe began; ends at a message boundary. A conflating pipe has 1 when it is full.
    pub fn published_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Stream(stream) => stream.published(),
            Kind::Conflate(conflate) => u64::from(conflate.is_full()),
        }
    }

    /// Bytes read since the pipe began.
    pub fn read_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Stream(stream) => stream.position(),
            Kind::Conflate(_) => 0,
        }
    }

    /// True if the next frame is a message part or command that can be read at once.
    pub fn is_readable(&mut self) -> bool {
        match &mut self.kind {
            Kind::Stream(stream) => !stream.available().is_empty(),
            Kind::Conflate(conflate) => conflate.is_full(),
        }
    }

    /// Lets go of the slabs, if everything was read. True if so; then the writer must
    /// [begin anew](super::PipeWriter::begin_anew) before it commits anything.
    pub fn let_go(&mut self) -> bool {
        match &mut self.kind {
            Kind::Stream(stream) => stream.let_go(),
            Kind::Conflate(_) => false,
        }
    }

    /// Says that nothing was found and that the writer shall tell. True if there is something after all.
    pub fn wait_or_ready(&mut self) -> bool {
        match &mut self.kind {
            Kind::Stream(stream) => stream.wait_or_ready(),
            Kind::Conflate(conflate) => conflate.wait_or_ready(),
        }
    }

    /// First half of [`wait_or_ready`](Self::wait_or_ready), for many pipes at once: ask all, then one
    /// [`heavy`](zeroring_base::barrier::heavy) barrier, then look at all with [`has_more`](Self::has_more).
    pub fn ask_to_be_told(&mut self) {
        match &mut self.kind {
            Kind::Stream(stream) => stream.ask_to_be_told(),
            Kind::Conflate(conflate) => drop(conflate.wait_or_ready()),
        }
    }

    /// Second half: true if there is something after all.
    pub fn has_more(&self) -> bool {
        match &self.kind {
            Kind::Stream(stream) => stream.has_more(),
            Kind::Conflate(conflate) => conflate.is_full(),
        }
    }

    /// True if the writer is gone and everything it published was read.
    pub fn is_finished(&mut self) -> bool {
        match &mut self.kind {
            // The flag first: what was published before it went up is then visible.
            Kind::Stream(stream) => stream.is_writer_gone() && stream.available().is_empty(),
            Kind::Conflate(conflate) => conflate.is_writer_gone() && !conflate.is_full(),
        }
    }

    /// Changes the high-water mark that acknowledging follows.
    pub fn set_high_water_mark(&mut self, messages: u32) {
        if let Kind::Stream(stream) = &mut self.kind {
            stream.set_high_water_mark(messages);
        }
    }

    /// Acknowledges everything read, whatever the step. True if the writer waits for credit and must be told.
    #[must_use]
    pub fn acknowledge(&mut self) -> bool {
        match &mut self.kind {
            Kind::Stream(stream) => stream.acknowledge(),
            Kind::Conflate(_) => false,
        }
    }

    pub(super) fn into_stream(self) -> Result<StreamReader, ConflateReader> {
        match self.kind {
            Kind::Stream(stream) => Ok(stream),
            Kind::Conflate(conflate) => Err(conflate),
        }
    }
}

/// The body of a frame with a long header, if it is whole in `bytes`, and the length of the frame.
#[inline(never)]
fn long_body(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let header = parse_header(bytes).ok()??;
    let end = usize::try_from(header.total_bytes()).ok()?;
    Some((bytes.get(header.header_bytes..end)?, end))
}

fn is_subscription(body: &[u8]) -> bool {
    matches!(Command::parse(body), Ok(Command::Subscribe(_) | Command::Cancel(_)))
}

/// Cuts one frame out of the stream. Only our own code writes into pipes, and received bytes were scanned before they
/// were published, so a frame that is not whole is our own mistake.
#[inline]
fn read_frame(stream: &mut StreamReader, part: &mut Message, copies: bool) -> Option<FrameHeader> {
    let bytes = stream.available();
    if bytes.is_empty() {
        return None;
    }
    let header = match parse_header(bytes) {
        Ok(Some(header)) => header,
        _ => unreachable_frame(bytes.len()),
    };
    let end = header.header_bytes + header.body_bytes as usize;
    match bytes.get(header.header_bytes..end) {
        Some(body) if body.len() <= limits::INLINE_BODY_BYTES_MAX => {
            part.set_copy(body, header.is_more());
            stream.advance(end);
        }
        _ => read_by_reference(stream, header, part, copies),
    }
    Some(header)
}

/// A large body is not copied, unless that is asked for. One that was sent by reference is a segment of its own behind its header.
fn read_by_reference(
    stream: &mut StreamReader,
    header: FrameHeader,
    part: &mut Message,
    copies: bool,
) {
    let body_bytes = header.body_bytes as usize;
    stream.advance(header.header_bytes);
    let there = stream.available().len();
    if there < body_bytes {
        unreachable_frame(there)
    }
    let mut body = stream.take(body_bytes);
    if copies {
        body = Bytes::copy_from_slice(&body);
    }
    part.set_shared(body, header.is_more());
}

#[cold]
fn unreachable_frame(bytes: usize) -> ! {
    unreachable!(
        "a pipe holds whole frames only, but {bytes} bytes are not one: a mistake of the engine"
    )
}
