//! What can go wrong, one small enum per operation.
//!
//! Every variant names the fault, the value seen, the bound it broke and what to do. A fault of the peer
//! ends that one connection, never more.

use thiserror::Error;

mod handshake;

pub use handshake::{HandshakeError, MonitorCode, protocol_code};

/// A peer's traffic broke the framing rules or our limits. Close the connection; libzmq does not reconnect
/// after such a fault either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// RFC 37: a length is at most 2^63 - 1.
    #[error(
        "peer announced a frame of {length} bytes, the protocol ends at 2^63 - 1; close the connection"
    )]
    LengthReserved {
        /// The 8-byte length field.
        length: u64,
    },
    /// One frame exceeds ZMQ_MAXMSGSIZE.
    #[error(
        "peer announced a frame of {body_bytes} bytes, the limit is {max_frame_bytes}; \
         close, or raise ZMQ_MAXMSGSIZE"
    )]
    FrameTooLarge {
        /// Announced size of the body.
        body_bytes: u64,
        /// The limit.
        max_frame_bytes: u64,
    },
    /// The frames of one message add up to too much.
    #[error(
        "peer's message grew to {message_bytes} bytes, the limit is {max_message_bytes}; \
         close, or raise the message limit"
    )]
    MessageTooLarge {
        /// Sum of the bodies, the announced one included.
        message_bytes: u64,
        /// The limit.
        max_message_bytes: u64,
    },
    /// One message has too many frames.
    #[error(
        "peer's message has more than {max_message_parts} frames; close, or raise the part limit"
    )]
    TooManyParts {
        /// The limit.
        max_message_parts: u32,
    },
    /// One command exceeds its limit.
    #[error(
        "peer announced a command of {body_bytes} bytes, the limit is {max_command_bytes}; \
         close, or raise the command limit if topics are that long"
    )]
    CommandTooLarge {
        /// Announced size of the body.
        body_bytes: u64,
        /// The limit.
        max_command_bytes: u64,
    },
    /// Commands pile up inside one unfinished message.
    #[error(
        "peer sent {bytes} bytes of commands inside one message, the limit is {max_bytes}; \
         close the connection"
    )]
    CommandFlood {
        /// Bytes of command frames inside the message, the announced one included.
        bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// A known command was malformed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The command handler stopped the scan and keeps the reason itself.
    #[error("the command handler refused a command; close the connection")]
    Refused,
}

/// A known command has a body that cannot be its own. Unknown and nameless commands are no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// PING needs a 2-byte TTL.
    #[error(
        "peer's PING has {data_bytes} bytes after its name, 2 are needed; close the connection"
    )]
    PingTooShort {
        /// Bytes after the name.
        data_bytes: usize,
    },
    /// The reason of an ERROR reaches beyond the command.
    #[error(
        "peer's ERROR announces a reason of {reason_bytes:?} bytes in {data_bytes} bytes of data; \
         close the connection"
    )]
    ErrorReasonTruncated {
        /// The announced length, if there was one.
        reason_bytes: Option<u8>,
        /// Bytes after the name.
        data_bytes: usize,
    },
}

/// A list of properties does not parse or breaks a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// A name or value reaches beyond the list, or stray bytes end it.
    #[error("a property is cut off after {rest_bytes} bytes; close the connection")]
    Truncated {
        /// Bytes that were left for the property.
        rest_bytes: usize,
    },
    /// More properties than we keep.
    #[error("more than {max_properties} properties; close the connection")]
    TooMany {
        /// The limit.
        max_properties: usize,
    },
    /// RFC 37: an identity has at most 255 bytes.
    #[error("peer's Identity has {identity_bytes} bytes, the limit is {max_identity_bytes}")]
    IdentityTooLong {
        /// Announced size.
        identity_bytes: usize,
        /// The limit.
        max_identity_bytes: usize,
    },
}

/// Our own options cannot be put on the wire. Correct the socket options.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// STREAM sockets exchange raw bytes.
    #[error("a STREAM socket has no handshake; pass its bytes through unframed")]
    StreamSocket,
    /// Routing ids are at most 255 bytes long.
    #[error("the routing id has {routing_id_bytes} bytes, the limit is {max_routing_id_bytes}")]
    RoutingIdTooLong {
        /// Its size.
        routing_id_bytes: usize,
        /// The limit.
        max_routing_id_bytes: usize,
    },
    /// RFC 37: application properties start with `X-`, then letters, digits, `-`, `_`, `.`, `+`.
    #[error("{name:?} is no name for an application property: X- then letters, digits, - _ . +")]
    PropertyName {
        /// The name.
        name: String,
    },
    /// The properties do not fit a handshake command.
    #[error("our properties have {property_bytes} bytes, the limit is {max_command_bytes}")]
    PropertiesTooLarge {
        /// Their encoded size.
        property_bytes: usize,
        /// The limit, `max_command_bytes`.
        max_command_bytes: usize,
    },
}

/// Translation from or to an older framing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LegacyError {
    /// The v1 length field counts the flags byte and so cannot be zero; libzmq closes too.
    #[error("peer sent a v1 frame of length zero, v1 frames start at one; close the connection")]
    ZeroLengthFrame,
    /// One frame exceeds ZMQ_MAXMSGSIZE, or 2^63.
    #[error(
        "peer announced a frame of {body_bytes} bytes, the limit is {max_frame_bytes}; \
         close, or raise ZMQ_MAXMSGSIZE"
    )]
    FrameTooLarge {
        /// Announced size of the body.
        body_bytes: u64,
        /// The limit.
        max_frame_bytes: u64,
    },
    /// Our own side passed a range that does not end at a frame boundary.
    #[error("{rest_bytes} bytes at the end are no whole frame; pass whole frames")]
    PartialFrame {
        /// Bytes that were left over.
        rest_bytes: usize,
    },
}
