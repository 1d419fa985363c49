//! Faults of the handshake, with what a monitor event and the reconnect policy need to know about each.

use thiserror::Error;

use super::MetadataError;
use crate::greeting::Version;
use crate::socket_type::SocketType;

/// The ZMQ_PROTOCOL_ERROR_* values of the C API that a handshake can raise.
pub mod protocol_code {
    /// A server got a command in a state that expects none.
    pub const ZMTP_UNSPECIFIED: u32 = 0x1000_0000;
    /// The command is not one of those expected now.
    pub const UNEXPECTED_COMMAND: u32 = 0x1000_0001;
    /// A CURVE nonce did not increase.
    pub const INVALID_SEQUENCE: u32 = 0x1000_0002;
    /// A CURVE vouch names another short-term key.
    pub const KEY_EXCHANGE: u32 = 0x1000_0003;
    /// The body is too short to hold its own name.
    pub const MALFORMED_COMMAND_UNSPECIFIED: u32 = 0x1000_0011;
    /// Malformed MESSAGE.
    pub const MALFORMED_COMMAND_MESSAGE: u32 = 0x1000_0012;
    /// Malformed HELLO.
    pub const MALFORMED_COMMAND_HELLO: u32 = 0x1000_0013;
    /// Malformed INITIATE.
    pub const MALFORMED_COMMAND_INITIATE: u32 = 0x1000_0014;
    /// Malformed ERROR.
    pub const MALFORMED_COMMAND_ERROR: u32 = 0x1000_0015;
    /// Malformed READY.
    pub const MALFORMED_COMMAND_READY: u32 = 0x1000_0016;
    /// Malformed WELCOME.
    pub const MALFORMED_COMMAND_WELCOME: u32 = 0x1000_0017;
    /// PLAIN and CURVE clients: bad properties in READY.
    pub const INVALID_METADATA: u32 = 0x1000_0018;
    /// A CURVE box failed to open.
    pub const CRYPTOGRAPHIC: u32 = 0x1100_0001;
    /// The greeting names another mechanism.
    pub const MECHANISM_MISMATCH: u32 = 0x1100_0002;
    /// ZAP: unspecified.
    pub const ZAP_UNSPECIFIED: u32 = 0x2000_0000;
    /// ZAP: not the seven frames of a reply.
    pub const ZAP_MALFORMED_REPLY: u32 = 0x2000_0001;
    /// ZAP: the reply answers another request.
    pub const ZAP_BAD_REQUEST_ID: u32 = 0x2000_0002;
    /// ZAP: the reply is not version 1.0.
    pub const ZAP_BAD_VERSION: u32 = 0x2000_0003;
    /// ZAP: status is not 200, 300, 400 or 500.
    pub const ZAP_INVALID_STATUS_CODE: u32 = 0x2000_0004;
    /// ZAP: the metadata does not parse.
    pub const ZAP_INVALID_METADATA: u32 = 0x2000_0005;
}

/// Which monitor event, next to DISCONNECTED, a failed handshake raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorCode {
    /// None: libzmq reports only DISCONNECTED.
    None,
    /// HANDSHAKE_FAILED_PROTOCOL with one of [`protocol_code`].
    Protocol(u32),
    /// HANDSHAKE_FAILED_AUTH with status 300, 400 or 500.
    Auth(u16),
    /// HANDSHAKE_FAILED_NO_DETAIL; the value is the errno the caller has.
    NoDetail,
}

/// Why a handshake failed. All end the connection: flush pending output (it may hold an ERROR for the
/// peer), then close.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// All 20 bytes of the mechanism field must equal ours.
    #[error(
        "peer announced mechanism {:?}, this socket is configured for {ours}; \
         configure both ends alike",
        String::from_utf8_lossy(peer)
    )]
    MechanismMismatch {
        /// Our mechanism.
        ours: &'static str,
        /// The peer's field, padding included.
        peer: [u8; 20],
    },
    /// A 1.0 or 2.0 peer cannot be authenticated and this socket demands it.
    #[error(
        "peer speaks {version:?} which has no security, and this socket demands it; upgrade the peer"
    )]
    OldPeerRefused {
        /// What the peer speaks.
        version: Version,
    },
    /// The identity frame of a 1.0 or 2.0 peer is too long.
    #[error("peer's identity frame has {identity_bytes} bytes, the limit is {max_identity_bytes}")]
    IdentityTooLong {
        /// Announced size.
        identity_bytes: u64,
        /// The limit.
        max_identity_bytes: u64,
    },
    /// The v1 length field counts the flags byte and so cannot be zero.
    #[error("peer's identity frame has length zero, v1 frames start at one; close the connection")]
    ZeroLengthFrame,
    /// A handshake command is larger than we are willing to hold.
    #[error(
        "peer announced a handshake command of {body_bytes} bytes, the limit is {max_command_bytes}"
    )]
    CommandTooLarge {
        /// Announced size.
        body_bytes: u64,
        /// The limit.
        max_command_bytes: u64,
    },
    /// The mechanism does not allow this command now.
    #[error(
        "peer sent {:?} where {expected} was expected; nothing may be sent ahead of the handshake",
        String::from_utf8_lossy(start)
    )]
    UnexpectedCommand {
        /// What would have been right.
        expected: &'static str,
        /// The first bytes of the command, at most 16.
        start: Vec<u8>,
    },
    /// The command is the right one but its body is not.
    #[error("peer's {command} is malformed ({body_bytes} bytes); close the connection")]
    MalformedCommand {
        /// Name of the command.
        command: &'static str,
        /// Size of its body.
        body_bytes: usize,
        /// The [`protocol_code`] to report.
        code: u32,
    },
    /// The peer's properties are invalid.
    #[error("peer's properties are invalid")]
    Metadata {
        /// What is wrong with them.
        source: MetadataError,
        /// NULL reports nothing, PLAIN and CURVE clients report INVALID_METADATA.
        monitor: MonitorCode,
    },
    /// The two socket types may not talk to each other.
    #[error("peer is a {:?} socket, which a {} socket cannot talk to; check the endpoint",
        String::from_utf8_lossy(peer), ours.name())]
    SocketTypeMismatch {
        /// Our type.
        ours: SocketType,
        /// The peer's `Socket-Type`, at most 16 bytes of it.
        peer: Vec<u8>,
    },
    /// The peer answered with ERROR.
    #[error("peer refused the connection with ERROR {:?}", String::from_utf8_lossy(reason))]
    PeerError {
        /// The reason, at most 255 bytes.
        reason: Vec<u8>,
    },
    /// Our own authentication handler refused the peer.
    #[error("the authentication handler refused the peer with status {status}")]
    ZapDenied {
        /// 300, 400 or 500.
        status: u16,
    },
    /// Our own authentication handler answered with something invalid.
    #[error("the authentication handler's reply is invalid (code {code:#x}); repair the handler")]
    ZapReplyInvalid {
        /// The [`protocol_code`] to report.
        code: u32,
    },
    /// A fault particular to one mechanism, such as a box that does not open.
    #[error("{what}; close the connection")]
    Mechanism {
        /// The fault.
        what: &'static str,
        /// The [`protocol_code`] to report.
        code: u32,
    },
    /// The handshake took too long. Raised by the caller, who has the clock.
    #[error(
        "the handshake took more than {limit_ms} ms; the peer may be overloaded or not speak ZMTP"
    )]
    TimedOut {
        /// ZMQ_HANDSHAKE_IVL.
        limit_ms: u64,
    },
    /// The peer closed the connection first. Raised by the caller, who has the socket.
    #[error("the peer closed the connection during the handshake")]
    PeerClosed,
    /// A verdict was given but no ZAP request is open. A mistake of the caller.
    #[error("no authentication request is open")]
    NoZapPending,
}

impl HandshakeError {
    /// Builds [`HandshakeError::UnexpectedCommand`], keeping little of what came.
    pub fn unexpected(expected: &'static str, body: &[u8]) -> Self {
        Self::UnexpectedCommand { expected, start: body.iter().take(16).copied().collect() }
    }

    /// The monitor event libzmq raises for this failure.
    pub fn monitor_code(&self) -> MonitorCode {
        match self {
            Self::MechanismMismatch { .. } => {
                MonitorCode::Protocol(protocol_code::MECHANISM_MISMATCH)
            }
            Self::UnexpectedCommand { .. } => {
                MonitorCode::Protocol(protocol_code::UNEXPECTED_COMMAND)
            }
            Self::MalformedCommand { code, .. }
            | Self::ZapReplyInvalid { code }
            | Self::Mechanism { code, .. } => MonitorCode::Protocol(*code),
            Self::Metadata { monitor, .. } => *monitor,
            Self::PeerError { reason } => auth_status(reason),
            Self::ZapDenied { status } => MonitorCode::Auth(*status),
            Self::TimedOut { .. } | Self::PeerClosed => MonitorCode::NoDetail,
            Self::OldPeerRefused { .. }
            | Self::IdentityTooLong { .. }
            | Self::ZeroLengthFrame
            | Self::CommandTooLarge { .. }
            | Self::SocketTypeMismatch { .. }
            | Self::NoZapPending => MonitorCode::None,
        }
    }

    /// Whether the connecting side gives this endpoint up instead of reconnecting. libzmq does so for every
    /// protocol fault of the peer; lost connections, timeouts and our own refusals are tried again.
    pub fn is_fatal_for_connecter(&self) -> bool {
        !matches!(
            self,
            Self::TimedOut { .. } | Self::PeerClosed | Self::ZapDenied { .. } | Self::NoZapPending
        )
    }
}

/// Only the exact texts 300, 400 and 500 raise HANDSHAKE_FAILED_AUTH.
fn auth_status(reason: &[u8]) -> MonitorCode {
    match reason {
        b"300" => MonitorCode::Auth(300),
        b"400" => MonitorCode::Auth(400),
        b"500" => MonitorCode::Auth(500),
        _ => MonitorCode::None,
    }
}
