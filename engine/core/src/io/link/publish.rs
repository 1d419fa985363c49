//! From received bytes into the incoming pipe: whole messages, checked, as far as credit goes.

use std::sync::Arc;

use zeroring_zmtp::SocketType;
use zeroring_zmtp::command::{Command, encode_pong};
use zeroring_zmtp::framing::{COMMAND, FrameError, FrameLimits, Frames, MORE, Scan, Scanner};

use super::Link;
use crate::options::SocketOptions;
use crate::pattern::ReplyCheck;
use crate::pipe::PipeWriter;

/// Finds the messages in the bytes of a stream and puts them into the pipe.
pub(super) struct Publisher {
    /// `None` once the link is closed: what still arrives is thrown away.
    pipe: Option<PipeWriter>,
    scanner: Scanner,
    frame_limits: FrameLimits,
    /// Subscriptions inside the message that is not whole yet.
    inside: u32,
    /// PUB and XPUB read subscriptions from the pipe; for all others commands end here.
    takes_subscriptions: bool,
    max_topic_bytes: usize,
    /// REQ: the peer's envelope is checked before it is queued (zmtp §5.2).
    reply_check: Option<ReplyCheck>,
}

/// What became of a run of bytes.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// Length of what is done with: whole messages at the start of the run.
    pub bytes: usize,
    /// How long the rest must become for its first unfinished frame, if that is known.
    pub needed_bytes: Option<u64>,
    /// The rest waits for the application to read.
    pub is_out_of_credit: bool,
    /// Everything was walked: the rest is the start of a message.
    pub is_all: bool,
}

impl Publisher {
    pub fn new(pipe: PipeWriter, options: &SocketOptions, kind: SocketType) -> Self {
        let frame_limits = FrameLimits {
            max_frame_bytes: options.max_frame_bytes,
            max_message_parts: options.max_message_parts,
            max_message_bytes: options.max_message_bytes.unwrap_or(u64::MAX),
            max_command_bytes: u64::from(options.max_topic_bytes) + 64,
        };
        Self {
            pipe: Some(pipe),
            scanner: Scanner::new(frame_limits),
            frame_limits,
            inside: 0,
            takes_subscriptions: kind.is_publisher(),
            max_topic_bytes: options.max_topic_bytes as usize,
            reply_check: (kind == SocketType::Req).then(ReplyCheck::default),
        }
    }

    /// The reader has let go of what it read.
    pub fn begin_anew(&mut self) {
        if let Some(pipe) = &mut self.pipe {
            pipe.begin_anew();
        }
    }

    /// Lets go of the pipe.
    pub fn close(&mut self) {
        self.pipe = None;
    }

    /// Where that which was published so far ends; 0 once the link is closed.
    pub fn published_bytes(&self) -> u64 {
        self.pipe.as_ref().map_or(0, PipeWriter::published_bytes)
    }

    /// True if a message can be published, or thrown away because the link is closed.
    pub fn has_credit(&mut self) -> bool {
        self.pipe.as_mut().is_none_or(|pipe| pipe.credit() > 0)
    }

    /// The stream is over: so is the message it was in the middle of.
    pub fn forget_unfinished(&mut self) {
        self.scanner = Scanner::new(self.frame_limits);
        self.inside = 0;
        if let Some(check) = &mut self.reply_check {
            *check = ReplyCheck::default();
        }
        if let Some(pipe) = &mut self.pipe {
            pipe.rollback();
        }
    }

    /// Publishes the whole messages at the start of `bytes`, as many as there is credit for: `put` appends a prefix of
    /// the given length to the pipe. What is not done with is to be passed again, with what follows it.
    ///
    /// # Errors
    /// The peer's offence, in words.
    pub fn publish(
        &mut self,
        link: &Arc<Link>,
        bytes: &[u8],
        put: impl FnOnce(&mut PipeWriter, usize),
    ) -> Result<Published, String> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(Published { bytes: bytes.len(), is_all: true, ..Published::default() });
        };
        if !pipe.has_credit_or_waits() {
            return Ok(Published { is_out_of_credit: true, ..Published::default() });
        }
        let credit = u32::try_from(pipe.credit()).unwrap_or(u32::MAX);
        let walked_before = self.scanner.walked_bytes();
        let mut handler = CommandHandler {
            link,
            takes_subscriptions: self.takes_subscriptions,
            max_topic_bytes: self.max_topic_bytes,
            subscriptions: 0,
            fault: None,
        };
        let scanned =
            self.scanner.scan(bytes, credit, |flags, body| handler.on_command(flags, body));
        let (subscriptions, mut fault) = (handler.subscriptions, handler.fault);
        let scan = scanned.map_err(|error| fault.take().unwrap_or_else(|| error.to_string()))?;
        let whole = scan.whole_message_bytes;
        if let Some(check) = &mut self.reply_check {
            check.pass(&bytes[..whole])?;
        }
        // Subscriptions inside an unfinished message are published, and counted, with its end.
        let is_inside = self.scanner.is_inside_message();
        let ended_before =
            if is_inside && scan.messages == 0 { 0 } else { std::mem::take(&mut self.inside) };
        let inside = match is_inside && subscriptions > 0 {
            true => subscriptions_in(&bytes[whole.max(walked_before)..scan.walked_bytes]),
            false => 0,
        };
        self.inside += inside;
        let ended = scan.messages + ended_before + subscriptions - inside;
        if ended > 0 {
            put(pipe, bytes_to_publish(bytes, &scan, self.takes_subscriptions));
            if pipe.commit(ended) {
                link.tell_readable();
            }
        }
        let needed_bytes = scan.needed_bytes();
        if let Some(error) = scan.fault {
            return Err(fault.unwrap_or_else(|| error.to_string()));
        }
        let is_all = scan.messages < credit;
        Ok(Published { bytes: whole, needed_bytes, is_out_of_credit: false, is_all })
    }
}

/// How much of the scanned range is for the application. Commands at its end are not, unless they are subscriptions: with
/// nothing behind them they would make the pipe look readable, and nothing would come of reading it.
fn bytes_to_publish(bytes: &[u8], scan: &Scan, takes_subscriptions: bool) -> usize {
    let mut end = scan.last_message_end_bytes;
    if takes_subscriptions {
        let mut tail = Frames::new(&bytes[end..scan.whole_message_bytes]);
        while let Some(frame) = tail.next() {
            if is_subscription(frame.flags, frame.body) {
                end = scan.whole_message_bytes - tail.rest().len();
            }
        }
    }
    end
}

fn subscriptions_in(frames: &[u8]) -> u32 {
    let subscriptions =
        Frames::new(frames).filter(|frame| is_subscription(frame.flags, frame.body));
    subscriptions.count() as u32
}

fn is_subscription(flags: u8, body: &[u8]) -> bool {
    flags & MORE == 0
        && matches!(Command::parse(body), Ok(Command::Subscribe(_) | Command::Cancel(_)))
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
        if flags & COMMAND == 0 || flags & MORE != 0 {
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
        self.link.note_heartbeat();
        self.link.report_ping(ttl_ds);
    }
}
