//! Commands of ZMTP 3.x: reading their bodies and writing whole command frames (RFC 37 "Commands").
//!
//! A body is `u8 name length, name, data`; names compare case-sensitively, as libzmq does. The I/O thread
//! parses what [`crate::framing::Scanner`] reports; subscriptions and heartbeats are written here.
//!
//! Invariant: what a peer may send without being cut off by libzmq is never an error here. Unknown names,
//! empty bodies and names that reach beyond the body are [`Command::Unknown`] and ignored in traffic.

use crate::framing::{self, COMMAND};

pub use crate::error::CommandError;

/// Longest context of PING that PONG echoes.
pub const MAX_CONTEXT_BYTES: usize = 16;

/// A command, borrowing from the body it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Handshake: the sender's properties, see [`crate::metadata`]. Ignored in traffic.
    Ready(&'a [u8]),
    /// Handshake: the reason for a refusal. Ignored in traffic.
    Error(&'a [u8]),
    /// Add this topic to the sender's set of subscriptions.
    Subscribe(&'a [u8]),
    /// Remove this topic from the set.
    Cancel(&'a [u8]),
    /// Answer with PONG at once.
    Ping {
        /// The sender asks us to give up after this many tenths of a second of its silence; 0: never.
        ttl_ds: u16,
        /// To be echoed, cut to 16 bytes.
        context: &'a [u8],
    },
    /// Answer to a PING. Counts as traffic, no more.
    Pong {
        /// The echoed context.
        context: &'a [u8],
    },
    /// Anything else, to be ignored.
    Unknown {
        /// Its name; empty when the body holds none.
        name: &'a [u8],
    },
}

impl<'a> Command<'a> {
    /// Reads the body of a command frame.
    ///
    /// # Errors
    ///
    /// A known command whose body cannot be its own: PING without its TTL, ERROR with a cut-off reason.
    pub fn parse(body: &'a [u8]) -> Result<Self, CommandError> {
        let Some((name, data)) = split_name(body) else {
            return Ok(Self::Unknown { name: &[] });
        };
        Ok(match name {
            b"PING" => return parse_ping(data),
            b"PONG" => Self::Pong { context: data },
            b"SUBSCRIBE" => Self::Subscribe(data),
            b"CANCEL" => Self::Cancel(data),
            b"READY" => Self::Ready(data),
            b"ERROR" => return parse_error(data),
            name => Self::Unknown { name },
        })
    }
}

/// Splits a body into name and data; `None` when the name reaches beyond the body.
fn split_name(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&name_bytes, rest) = body.split_first()?;
    rest.split_at_checked(usize::from(name_bytes))
}

fn parse_ping(data: &[u8]) -> Result<Command<'_>, CommandError> {
    // libzmq 4.3.5 reads beyond a short PING and answers with stray memory; we refuse it.
    let Some((ttl_ds, context)) = data.split_first_chunk::<2>() else {
        return Err(CommandError::PingTooShort { data_bytes: data.len() });
    };
    Ok(Command::Ping { ttl_ds: u16::from_be_bytes(*ttl_ds), context })
}

fn parse_error(data: &[u8]) -> Result<Command<'_>, CommandError> {
    let truncated =
        |reason_bytes| CommandError::ErrorReasonTruncated { reason_bytes, data_bytes: data.len() };
    let (&reason_bytes, rest) = data.split_first().ok_or(truncated(None))?;
    let reason = rest.get(..usize::from(reason_bytes)).ok_or(truncated(Some(reason_bytes)))?;
    Ok(Command::Error(reason))
}

/// Appends a PING frame. The TTL is put down as it is; [`crate::heartbeat`] clamps it.
pub fn encode_ping(ttl_ds: u16, context: &[u8], out: &mut Vec<u8>) {
    append(&[b"\x04PING", &ttl_ds.to_be_bytes(), cut_context(context)], out);
}

/// Appends the PONG frame that answers a PING with this context.
pub fn encode_pong(context: &[u8], out: &mut Vec<u8>) {
    append(&[b"\x04PONG", cut_context(context)], out);
}

/// Appends a SUBSCRIBE frame; for peers older than 3.1 see [`crate::legacy`].
pub fn encode_subscribe(topic: &[u8], out: &mut Vec<u8>) {
    append(&[b"\x09SUBSCRIBE", topic], out);
}

/// Appends a CANCEL frame; for peers older than 3.1 see [`crate::legacy`].
pub fn encode_cancel(topic: &[u8], out: &mut Vec<u8>) {
    append(&[b"\x06CANCEL", topic], out);
}

/// Appends a READY frame with encoded properties.
pub fn encode_ready(properties: &[u8], out: &mut Vec<u8>) {
    append(&[b"\x05READY", properties], out);
}

/// Appends an ERROR frame; a reason beyond 255 bytes is cut.
pub fn encode_error(reason: &[u8], out: &mut Vec<u8>) {
    let reason = reason.get(..255).unwrap_or(reason);
    append(&[b"\x05ERROR", &[reason.len() as u8], reason], out);
}

/// libzmq cuts longer contexts to 16 bytes (RFC 37 allows no more).
fn cut_context(context: &[u8]) -> &[u8] {
    context.get(..MAX_CONTEXT_BYTES).unwrap_or(context)
}

fn append(pieces: &[&[u8]], out: &mut Vec<u8>) {
    let body_bytes = pieces.iter().map(|piece| piece.len()).sum();
    let mut header = [0; framing::MAX_HEADER_BYTES];
    let header_bytes = framing::encode_header(COMMAND, body_bytes, &mut header);
    out.reserve(header_bytes + body_bytes);
    out.extend_from_slice(&header[..header_bytes]);
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests;
