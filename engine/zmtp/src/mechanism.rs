//! Security mechanisms: what happens between the greeting and traffic, and to each frame after that
//! (RFC 37 "Security Mechanisms").
//!
//! A [`Mechanism`] lives for one handshake. It is fed the bodies of the peer's handshake commands, appends
//! the frames of its own, may pause for an authentication verdict (ZAP, RFC 27), and finishes with the
//! peer's properties and, if it protects traffic, a [`SecureSession`].
//!
//! Invariants:
//! * Commands are never pipelined: nothing is written beyond the answer to what has arrived.
//! * A mechanism never asks the system for randomness; what it needs comes with its configuration.

use std::fmt;

pub use crate::error::{HandshakeError, MonitorCode, protocol_code};
use crate::metadata::PeerProperties;
use crate::socket_type::SocketType;

mod null;

pub use null::NullMechanism;

/// Which mechanism a socket uses, with its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MechanismConfig {
    /// No security.
    #[default]
    Null,
}

/// What a mechanism must know about its connection.
#[derive(Clone, Debug)]
pub struct MechanismContext {
    /// Our socket type, to judge the peer's.
    pub socket_type: SocketType,
    /// Our encoded properties.
    pub properties: Vec<u8>,
    /// Whether ZMQ_ZAP_DOMAIN is set.
    pub zap_domain_set: bool,
}

impl MechanismConfig {
    /// The mechanism for one connection.
    pub fn build(&self, context: MechanismContext) -> Box<dyn Mechanism> {
        match self {
            Self::Null => Box::new(NullMechanism::new(context)),
        }
    }

    /// Whether peers that cannot authenticate (1.0 and 2.0) may be served.
    pub const fn allows_old_peers(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// How far a handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// It waits for the peer, or for a verdict when [`Mechanism::zap_request`] has one open.
    Continue,
    /// Both directions are through; call [`Mechanism::finish`].
    Done,
}

/// A question to the authentication handler, to be completed by the caller with domain and address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZapRequest {
    /// Name of the mechanism.
    pub mechanism: &'static str,
    /// The frames behind it: none for NULL, name and password for PLAIN, the client key for CURVE.
    pub credentials: Vec<Vec<u8>>,
}

/// A refusal by the authentication handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZapDenial {
    /// 300: try again later. The peer is told nothing.
    Temporary,
    /// 400: authentication failed.
    Denied,
    /// 500: the handler is broken.
    Internal,
}

impl ZapDenial {
    /// The status code.
    pub const fn status(self) -> u16 {
        match self {
            Self::Temporary => 300,
            Self::Denied => 400,
            Self::Internal => 500,
        }
    }

    /// The reason for an ERROR command; none for 300, on which libzmq never tells its peer.
    pub const fn reason(self) -> Option<&'static [u8]> {
        match self {
            Self::Temporary => None,
            Self::Denied => Some(b"400"),
            Self::Internal => Some(b"500"),
        }
    }
}

/// The verdict on a [`ZapRequest`]. Whether a missing handler means yes or no differs by mechanism and
/// options; the caller decides it and says so here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZapVerdict {
    /// Status 200.
    Allow {
        /// Shown to the application as `User-Id`, if not empty.
        user_id: String,
        /// Further properties to show.
        metadata: Vec<(String, Vec<u8>)>,
    },
    /// Any other valid status.
    Deny(ZapDenial),
}

/// One side of a security handshake.
///
/// Calls come in this order: `start` once; then `on_command` for each command of the peer and `on_zap` for
/// each open request, until one of them returns [`Progress::Done`]; then `finish` once. After an error no
/// further call is made, but what was appended to `output` is still sent.
pub trait Mechanism: fmt::Debug + Send {
    /// Name in the greeting.
    fn name(&self) -> &'static str;

    /// The as-server byte of the greeting.
    fn as_server(&self) -> bool {
        false
    }

    /// The greetings are exchanged.
    ///
    /// # Errors
    ///
    /// The mechanism cannot begin.
    fn start(&mut self, output: &mut Vec<u8>) -> Result<Progress, HandshakeError>;

    /// A handshake command of the peer arrived; `body` starts with its name.
    ///
    /// # Errors
    ///
    /// The peer broke the mechanism's rules or refused us.
    fn on_command(&mut self, body: &[u8], output: &mut Vec<u8>)
    -> Result<Progress, HandshakeError>;

    /// The request that waits for a verdict. The peer may send meanwhile; the mechanism judges that.
    fn zap_request(&self) -> Option<ZapRequest>;

    /// The verdict on the open request. Properties of an allowed peer are kept by the caller.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::ZapDenied`] for every denial.
    fn on_zap(
        &mut self,
        verdict: Result<(), ZapDenial>,
        output: &mut Vec<u8>,
    ) -> Result<Progress, HandshakeError>;

    /// Takes the result of a finished handshake.
    fn finish(&mut self) -> Finished;
}

/// The result of a mechanism.
#[derive(Debug, Default)]
pub struct Finished {
    /// What the peer said about itself.
    pub peer: PeerProperties,
    /// Protection of traffic, if the mechanism has any.
    pub session: Option<Box<dyn SecureSession>>,
}

/// Protection of traffic: every frame is sealed into, and opened from, one wire frame (CURVE MESSAGE).
///
/// The wire frame that carries sealed bytes has outer flags 0 (LONG by size only); on receipt the outer
/// MORE and COMMAND are ignored and the flags inside are authoritative. Inner flags use another alphabet
/// than frames do (COMMAND is 02), which implementations translate: here flags are always those of
/// [`crate::framing`].
pub trait SecureSession: fmt::Debug + Send {
    /// Bytes by which a sealed body is longer than the plain one.
    fn overhead_bytes(&self) -> usize;

    /// Appends the body of the wire frame for a plain frame.
    ///
    /// # Errors
    ///
    /// The session is used up; close the connection.
    fn seal(&mut self, flags: u8, plain: &[u8], out: &mut Vec<u8>) -> Result<(), HandshakeError>;

    /// Opens the body of a wire frame, appends the plain body and returns the plain frame's flags.
    ///
    /// # Errors
    ///
    /// The frame is no MESSAGE, was replayed or does not open; close the connection.
    fn open(&mut self, sealed: &[u8], out: &mut Vec<u8>) -> Result<u8, HandshakeError>;
}
