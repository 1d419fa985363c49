//! The part of the handshake that only 1.0 and 2.0 peers see: one identity frame each way, in place of the
//! mechanism (RFC 13 and RFC 15).
//!
//! Old versions carry no security, so a socket that demands any refuses them as soon as it recognises them.

use super::{
    Established, FrameReader, Framing, Handshake, HandshakeError, MAX_IDENTITY_BYTES, ReadFault,
    SocketType, State, Version,
};
use crate::framing;
use crate::legacy;

/// Waits for the peer's identity frame.
#[derive(Debug)]
pub(super) struct ExpectIdentity {
    version: Version,
    peer_socket_type: Option<SocketType>,
    implicit_subscribe_all: bool,
    reader: FrameReader,
}

impl Handshake {
    /// The peer speaks 1.0 without greeting; `start` are the bytes of its identity frame that were taken
    /// for a signature until now.
    pub(super) fn meet_unversioned(
        &mut self,
        start: &[u8],
    ) -> Result<ExpectIdentity, HandshakeError> {
        let version = Version::V1_0;
        self.refuse_if_secure(version)?;
        // Our signature was the header of our identity frame; only its body is missing.
        self.output.extend_from_slice(&self.config.routing_id);
        let mut expect = ExpectIdentity {
            version,
            peer_socket_type: None,
            implicit_subscribe_all: self.config.socket_type.is_publisher(),
            reader: FrameReader::new(Framing::V1, MAX_IDENTITY_BYTES as u64),
        };
        expect.reader.feed(start).map_err(identity_error)?;
        Ok(expect)
    }

    /// Byte 11 of an old greeting. The type is noted and, as in libzmq, not enforced.
    pub(super) fn on_socket_type<'b>(
        &mut self,
        major: u8,
        bytes: &'b [u8],
    ) -> Result<(State, &'b [u8]), HandshakeError> {
        let Some((&number, rest)) = bytes.split_first() else {
            return Ok((State::ExpectSocketType { major }, bytes));
        };
        // Revision 0 is a pre-release: this greeting, but v1 frames after it.
        let (version, framing) = match major {
            0 => (Version::V1_0, Framing::V1),
            _ => (Version::V2_0, Framing::V2),
        };
        self.refuse_if_secure(version)?;
        match framing {
            Framing::V1 => {
                legacy::append_v1_frame(false, &self.config.routing_id, &mut self.output)
            }
            Framing::V2 => framing::append_frame(0, &self.config.routing_id, &mut self.output),
        }
        let expect = ExpectIdentity {
            version,
            peer_socket_type: SocketType::from_number(number),
            implicit_subscribe_all: false,
            reader: FrameReader::new(framing, MAX_IDENTITY_BYTES as u64),
        };
        Ok((State::ExpectIdentity(expect), rest))
    }

    pub(super) fn on_identity<'b>(
        &mut self,
        mut expect: ExpectIdentity,
        bytes: &'b [u8],
    ) -> Result<(State, &'b [u8]), HandshakeError> {
        let consumed = expect.reader.feed(bytes).map_err(identity_error)?;
        let rest = bytes.get(consumed..).unwrap_or_default();
        let state = match self.complete_identity(&mut expect) {
            Some(state) => state,
            None => State::ExpectIdentity(expect),
        };
        Ok((state, rest))
    }

    /// Establishes the connection if the identity frame is whole.
    pub(super) fn complete_identity(&mut self, expect: &mut ExpectIdentity) -> Option<State> {
        let peer_routing_id = expect.reader.take_body()?;
        self.established = Some(Established {
            version: expect.version,
            peer_socket_type: expect.peer_socket_type,
            peer_routing_id,
            properties: Vec::new(),
            implicit_subscribe_all: expect.implicit_subscribe_all,
            session: None,
        });
        Some(State::Established)
    }

    fn refuse_if_secure(&self, version: Version) -> Result<(), HandshakeError> {
        if self.config.zap_domain_set || !self.config.mechanism.allows_old_peers() {
            return Err(HandshakeError::OldPeerRefused { version });
        }
        Ok(())
    }
}

fn identity_error(fault: ReadFault) -> HandshakeError {
    match fault {
        ReadFault::ZeroLength => HandshakeError::ZeroLengthFrame,
        ReadFault::TooLarge { body_bytes } => HandshakeError::IdentityTooLong {
            identity_bytes: body_bytes,
            max_identity_bytes: MAX_IDENTITY_BYTES as u64,
        },
    }
}
