//! The handshake machine: from an open byte stream to established traffic, whatever version the peer
//! speaks (RFC 37 "Version Negotiation" and "Connection Greeting").
//!
//! The greeting is staged, because what may be sent depends on who answers: ten bytes at once, the major
//! version after ten bytes of a versioned peer, then either our socket type (2.0) or the rest of the
//! greeting (3.x). There is one state per thing expected, and each holds only what it needs.
//!
//! The caller moves bytes: it sends [`Handshake::take_output`] after every call, feeds what arrives to
//! [`Handshake::handle_input`], and asks [`Handshake::outcome`]. The handshake timer is the caller's, as
//! long as [`Handshake::is_timed`].
//!
//! Invariants:
//! * Input is consumed exactly up to the first byte of traffic, in the middle of a read if need be.
//! * Nothing is written beyond the next expected step; libzmq closes on a frame sent ahead.
//! * After an error nothing is consumed any more and the same error is returned again.

use crate::greeting::{self, MECHANISM_BYTES, REST_BYTES, SIGNATURE_BYTES, Version};
use crate::mechanism::{
    Mechanism, MechanismContext, Progress, SecureSession, ZapRequest, ZapVerdict,
};
use crate::metadata::{MAX_IDENTITY_BYTES, encode_own_properties, keep_first};
use crate::socket_type::SocketType;

pub use crate::error::{ConfigError, HandshakeError, MonitorCode, protocol_code};

mod config;
mod frame_reader;
mod old_peer;

pub use config::{DEFAULT_MAX_COMMAND_BYTES, HandshakeConfig};

use frame_reader::{FrameReader, Framing, ReadFault};

/// What a completed handshake found out.
#[derive(Debug)]
pub struct Established {
    /// The version to speak.
    pub version: Version,
    /// The peer's type, if it said. Compatible with ours on 3.x; unchecked, as in libzmq, on 2.0.
    pub peer_socket_type: Option<SocketType>,
    /// The peer's routing id, at most 255 bytes; empty when it has none. May start with zero, which is
    /// reserved for ids a ROUTER invents.
    pub peer_routing_id: Vec<u8>,
    /// Properties to show to the application: those of the authentication handler first, then the peer's.
    pub properties: Vec<(String, Vec<u8>)>,
    /// PUB and XPUB only: the peer is a 1.0 subscriber, which filters locally and never subscribes. Act as
    /// if it had subscribed to the empty topic.
    pub implicit_subscribe_all: bool,
    /// Protection of traffic, if the mechanism has any.
    pub session: Option<Box<dyn SecureSession>>,
}

/// What the machine waits for.
#[derive(Debug)]
enum State {
    /// Bytes 0 to 9, or the identity frame of an unversioned peer.
    ExpectSignature {
        received: Vec<u8>,
    },
    /// Byte 10.
    ExpectMajor,
    /// Byte 11 of a 2.0 greeting.
    ExpectSocketType {
        major: u8,
    },
    /// Bytes 11 to 63 of a 3.x greeting.
    ExpectRest {
        major: u8,
        received: Vec<u8>,
    },
    /// The identity frame of an old peer.
    ExpectIdentity(old_peer::ExpectIdentity),
    /// Commands of the mechanism.
    ExpectCommand {
        version: Version,
        reader: FrameReader,
    },
    /// Traffic begins.
    Established,
    Failed(HandshakeError),
}

/// One side of one handshake.
///
/// ```
/// use zeroring_zmtp::handshake::{Handshake, HandshakeConfig};
/// use zeroring_zmtp::socket_type::SocketType;
///
/// let mut push = Handshake::new(HandshakeConfig::new(SocketType::Push))?;
/// let mut pull = Handshake::new(HandshakeConfig::new(SocketType::Pull))?;
/// push.start();
/// pull.start();
/// for _round in 0..4 {
///     pull.handle_input(&push.take_output())?;
///     push.handle_input(&pull.take_output())?;
/// }
/// let established = push.outcome().expect("both sides are through");
/// assert_eq!(established.peer_socket_type, Some(SocketType::Pull));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Handshake {
    config: HandshakeConfig,
    mechanism: Box<dyn Mechanism>,
    state: State,
    is_started: bool,
    output: Vec<u8>,
    /// What the authentication handler wants shown.
    zap_properties: Vec<(String, Vec<u8>)>,
    established: Option<Established>,
}

impl Handshake {
    /// A handshake that has not begun.
    ///
    /// # Errors
    ///
    /// An option in `config` cannot be put on the wire.
    pub fn new(config: HandshakeConfig) -> Result<Self, ConfigError> {
        let properties =
            encode_own_properties(config.socket_type, &config.routing_id, &config.metadata)?;
        if properties.len() > config.max_command_bytes {
            return Err(ConfigError::PropertiesTooLarge {
                property_bytes: properties.len(),
                max_command_bytes: config.max_command_bytes,
            });
        }
        let mechanism = config.mechanism.build(MechanismContext {
            socket_type: config.socket_type,
            properties,
            zap_domain_set: config.zap_domain_set,
        });
        Ok(Self {
            config,
            mechanism,
            state: State::ExpectSignature { received: Vec::new() },
            is_started: false,
            output: Vec::new(),
            zap_properties: Vec::new(),
            established: None,
        })
    }

    /// The stream is open: puts our signature into the output. Further calls do nothing.
    pub fn start(&mut self) {
        if !self.is_started {
            self.is_started = true;
            self.output.extend_from_slice(&greeting::signature(self.config.routing_id.len()));
        }
    }

    /// Takes what arrived and returns how many bytes belonged to the handshake. Fewer than given means that
    /// traffic begins there; ask [`Handshake::outcome`].
    ///
    /// # Errors
    ///
    /// The handshake failed. Send the pending output, then close.
    pub fn handle_input(&mut self, bytes: &[u8]) -> Result<usize, HandshakeError> {
        self.start();
        if let State::Failed(error) = &self.state {
            return Err(error.clone());
        }
        let mut rest = bytes;
        while !rest.is_empty() && !matches!(self.state, State::Established) {
            let state = std::mem::replace(&mut self.state, State::Established);
            match self.step(state, rest) {
                Ok((state, after)) => {
                    self.state = state;
                    rest = after;
                }
                Err(error) => {
                    self.state = State::Failed(error.clone());
                    return Err(error);
                }
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Bytes to send, not yet taken.
    pub fn pending_output(&self) -> &[u8] {
        &self.output
    }

    /// Takes the bytes to send.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// The authentication request that waits for [`Handshake::zap_reply`]. Keep feeding input meanwhile.
    pub fn zap_request(&self) -> Option<ZapRequest> {
        match self.state {
            State::ExpectCommand { .. } => self.mechanism.zap_request(),
            _ => None,
        }
    }

    /// The verdict on the open request. May complete the handshake.
    ///
    /// # Errors
    ///
    /// The peer is refused: send the pending output, which may hold ERROR, then close. Or no request is
    /// open, which changes nothing.
    pub fn zap_reply(&mut self, verdict: ZapVerdict) -> Result<(), HandshakeError> {
        let State::ExpectCommand { version, .. } = self.state else {
            return Err(HandshakeError::NoZapPending);
        };
        if self.mechanism.zap_request().is_none() {
            return Err(HandshakeError::NoZapPending);
        }
        let verdict = match verdict {
            ZapVerdict::Allow { user_id, metadata } => {
                self.keep_zap_properties(&user_id, metadata);
                Ok(())
            }
            ZapVerdict::Deny(denial) => Err(denial),
        };
        match self.mechanism.on_zap(verdict, &mut self.output) {
            Ok(Progress::Done) => self.establish(version),
            Ok(Progress::Continue) => {}
            Err(error) => {
                self.state = State::Failed(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    /// The result, once and when there is one.
    pub fn outcome(&mut self) -> Option<Established> {
        self.established.take()
    }

    /// Whether the handshake timer (ZMQ_HANDSHAKE_IVL) must still run. It stops when traffic begins. (For old
    /// peers libzmq stops it when their version is known, so one that keeps its identity frame to itself
    /// stays for ever.)
    pub fn is_timed(&self) -> bool {
        !matches!(self.state, State::Established | State::Failed(_))
    }

    fn keep_zap_properties(&mut self, user_id: &str, metadata: Vec<(String, Vec<u8>)>) {
        if !user_id.is_empty() {
            keep_first(&mut self.zap_properties, b"User-Id", user_id.as_bytes());
        }
        for (name, value) in metadata {
            keep_first(&mut self.zap_properties, name.as_bytes(), &value);
        }
    }

    fn step<'b>(
        &mut self,
        state: State,
        bytes: &'b [u8],
    ) -> Result<(State, &'b [u8]), HandshakeError> {
        match state {
            State::ExpectSignature { received } => self.on_signature(received, bytes),
            State::ExpectMajor => Ok(self.on_major(bytes)),
            State::ExpectSocketType { major } => self.on_socket_type(major, bytes),
            State::ExpectRest { major, received } => self.on_rest(major, received, bytes),
            State::ExpectIdentity(expect) => self.on_identity(expect, bytes),
            State::ExpectCommand { version, reader } => self.on_command(version, reader, bytes),
            State::Established => Ok((State::Established, bytes)),
            State::Failed(error) => Err(error),
        }
    }

    fn on_signature<'b>(
        &mut self,
        mut received: Vec<u8>,
        bytes: &'b [u8],
    ) -> Result<(State, &'b [u8]), HandshakeError> {
        let rest = fill(&mut received, SIGNATURE_BYTES, bytes);
        if received.first().is_some_and(|&byte| byte != greeting::SIGNATURE_START) {
            // The bytes are the start of an identity frame: read them again as such.
            let already = received.len() - (bytes.len() - rest.len());
            let expect = self.meet_unversioned(received.get(..already).unwrap_or_default())?;
            return Ok((State::ExpectIdentity(expect), bytes));
        }
        let Ok(signature) = <[u8; SIGNATURE_BYTES]>::try_from(received.as_slice()) else {
            return Ok((State::ExpectSignature { received }, rest));
        };
        if !greeting::is_versioned(&signature) {
            let mut expect = self.meet_unversioned(&signature)?;
            if let Some(state) = self.complete_identity(&mut expect) {
                return Ok((state, rest));
            }
            return Ok((State::ExpectIdentity(expect), rest));
        }
        self.output.push(greeting::MAJOR);
        Ok((State::ExpectMajor, rest))
    }

    fn on_major<'b>(&mut self, bytes: &'b [u8]) -> (State, &'b [u8]) {
        let Some((&major, rest)) = bytes.split_first() else {
            return (State::ExpectMajor, bytes);
        };
        if major <= 1 {
            self.output.push(self.config.socket_type.number());
            return (State::ExpectSocketType { major }, rest);
        }
        let ours = greeting::rest(self.mechanism.name(), self.mechanism.as_server());
        self.output.extend_from_slice(&ours);
        (State::ExpectRest { major, received: Vec::new() }, rest)
    }

    fn on_rest<'b>(
        &mut self,
        major: u8,
        mut received: Vec<u8>,
        bytes: &'b [u8],
    ) -> Result<(State, &'b [u8]), HandshakeError> {
        let rest = fill(&mut received, REST_BYTES, bytes);
        let Ok([minor, field @ ..]) = <[u8; REST_BYTES]>::try_from(received.as_slice()) else {
            return Ok((State::ExpectRest { major, received }, rest));
        };
        let mut peer = [0; MECHANISM_BYTES];
        for (to, from) in peer.iter_mut().zip(field) {
            *to = from;
        }
        // As-server and filler are ignored, as libzmq does.
        let ours = self.mechanism.name();
        if peer != greeting::mechanism_field(ours) {
            return Err(HandshakeError::MechanismMismatch { ours, peer });
        }
        let version = greeting::modern_version(major, minor);
        if self.mechanism.start(&mut self.output)? == Progress::Done {
            self.establish(version);
            return Ok((State::Established, rest));
        }
        let reader = FrameReader::new(Framing::V2, self.config.max_command_bytes as u64);
        Ok((State::ExpectCommand { version, reader }, rest))
    }

    fn on_command<'b>(
        &mut self,
        version: Version,
        mut reader: FrameReader,
        bytes: &'b [u8],
    ) -> Result<(State, &'b [u8]), HandshakeError> {
        let max_command_bytes = self.config.max_command_bytes as u64;
        let consumed = reader.feed(bytes).map_err(|fault| match fault {
            ReadFault::TooLarge { body_bytes } => {
                HandshakeError::CommandTooLarge { body_bytes, max_command_bytes }
            }
            ReadFault::ZeroLength => HandshakeError::ZeroLengthFrame,
        })?;
        let rest = bytes.get(consumed..).unwrap_or_default();
        let Some(body) = reader.take_body() else {
            return Ok((State::ExpectCommand { version, reader }, rest));
        };
        match self.mechanism.on_command(&body, &mut self.output)? {
            Progress::Continue => Ok((State::ExpectCommand { version, reader }, rest)),
            Progress::Done => {
                self.establish(version);
                Ok((State::Established, rest))
            }
        }
    }

    fn establish(&mut self, version: Version) {
        let finished = self.mechanism.finish();
        let mut properties = std::mem::take(&mut self.zap_properties);
        for (name, value) in finished.peer.properties {
            keep_first(&mut properties, name.as_bytes(), &value);
        }
        self.established = Some(Established {
            version,
            peer_socket_type: finished.peer.socket_type,
            peer_routing_id: finished.peer.routing_id,
            properties,
            implicit_subscribe_all: false,
            session: finished.session,
        });
        self.state = State::Established;
    }
}

/// Moves bytes into `received` until it has `target_bytes`; returns those left.
fn fill<'b>(received: &mut Vec<u8>, target_bytes: usize, bytes: &'b [u8]) -> &'b [u8] {
    let missing = target_bytes.saturating_sub(received.len());
    let (taken, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
    received.extend_from_slice(taken);
    rest
}

#[cfg(test)]
mod tests;
