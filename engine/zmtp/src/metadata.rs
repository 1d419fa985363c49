//! Properties: the metadata both sides exchange in the handshake (RFC 37 "Metadata").
//!
//! A property is `u8 name length, name, u32 value length, value`; a list is properties up to the end of
//! its body. The mechanisms carry the list in READY or INITIATE, boxed or not; its text is the same.
//!
//! Names compare case-sensitively, as in libzmq, so `socket-type` is just an unknown property. Invariant:
//! what we write starts with `Socket-Type`, then `Identity` where due, then `X-` properties by name.

use crate::error::HandshakeError;
use crate::error::MonitorCode;
use crate::socket_type::SocketType;

pub use crate::error::{ConfigError, MetadataError};

/// Most properties kept of one peer.
pub const MAX_PROPERTIES: usize = 256;
/// Longest routing id, ours or a peer's.
pub const MAX_IDENTITY_BYTES: usize = 255;

const SOCKET_TYPE: &str = "Socket-Type";
const IDENTITY: &str = "Identity";

/// One property where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// Its name, 0 to 255 bytes of any kind when it comes from a peer.
    pub name: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

/// Walks an encoded list of properties. After an error it ends.
#[derive(Clone, Debug)]
pub struct Properties<'a> {
    rest: &'a [u8],
}

impl<'a> Properties<'a> {
    /// Walks `list` from its start.
    pub const fn new(list: &'a [u8]) -> Self {
        Self { rest: list }
    }
}

impl<'a> Iterator for Properties<'a> {
    type Item = Result<Property<'a>, MetadataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((property, rest)) = split_property(self.rest) else {
            let rest_bytes = self.rest.len();
            self.rest = &[];
            return Some(Err(MetadataError::Truncated { rest_bytes }));
        };
        self.rest = rest;
        Some(Ok(property))
    }
}

/// Takes the first property off a list; `None` when it is cut off. A value of 2^31 bytes or more, which the
/// RFC forbids, is longer than any command we hold and so counts as cut off.
fn split_property(list: &[u8]) -> Option<(Property<'_>, &[u8])> {
    let (&name_bytes, rest) = list.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(name_bytes))?;
    let (&value_bytes, rest) = rest.split_first_chunk::<4>()?;
    let value_bytes = usize::try_from(u32::from_be_bytes(value_bytes)).ok()?;
    let (value, rest) = rest.split_at_checked(value_bytes)?;
    Some((Property { name, value }, rest))
}

/// What a peer's properties say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerProperties {
    /// Its `Socket-Type`, if it sent one. Already checked against ours.
    pub socket_type: Option<SocketType>,
    /// Its `Identity`; empty when it sent none. The last of several wins.
    pub routing_id: Vec<u8>,
    /// All properties for the application, first of each name wins. Empty names are left out.
    pub properties: Vec<(String, Vec<u8>)>,
}

/// Reads a peer's list of properties for a socket of type `ours`.
///
/// `monitor` is the event to raise for a malformed list, which differs by mechanism. A list without
/// `Socket-Type` is accepted unchecked, as libzmq does.
///
/// # Errors
///
/// The list does not parse, breaks a bound, or names a socket type that `ours` may not talk to.
pub fn read_peer_properties(
    list: &[u8],
    ours: SocketType,
    monitor: MonitorCode,
) -> Result<PeerProperties, HandshakeError> {
    let mut peer = PeerProperties::default();
    for (index, property) in Properties::new(list).enumerate() {
        let property = property.and_then(|property| {
            let max_properties = MAX_PROPERTIES;
            if index < max_properties {
                return Ok(property);
            }
            Err(MetadataError::TooMany { max_properties })
        });
        let property = property.map_err(|source| HandshakeError::Metadata { source, monitor })?;
        interpret(property, ours, monitor, &mut peer)?;
        keep_first(&mut peer.properties, property.name, property.value);
    }
    Ok(peer)
}

fn interpret(
    Property { name, value }: Property<'_>,
    ours: SocketType,
    monitor: MonitorCode,
    peer: &mut PeerProperties,
) -> Result<(), HandshakeError> {
    if name == SOCKET_TYPE.as_bytes() {
        let theirs = SocketType::from_name(value).filter(|&theirs| ours.accepts(theirs));
        let Some(theirs) = theirs else {
            let peer = value.iter().take(16).copied().collect();
            return Err(HandshakeError::SocketTypeMismatch { ours, peer });
        };
        peer.socket_type = Some(theirs);
    }
    if name == IDENTITY.as_bytes() {
        if value.len() > MAX_IDENTITY_BYTES {
            let source = MetadataError::IdentityTooLong {
                identity_bytes: value.len(),
                max_identity_bytes: MAX_IDENTITY_BYTES,
            };
            return Err(HandshakeError::Metadata { source, monitor });
        }
        peer.routing_id = value.to_vec();
    }
    Ok(())
}

/// Adds a property unless its name is empty or taken. Names are shown to applications as text, so bytes
/// that are no UTF-8 are replaced.
pub(crate) fn keep_first(properties: &mut Vec<(String, Vec<u8>)>, name: &[u8], value: &[u8]) {
    let name = String::from_utf8_lossy(name);
    if name.is_empty() || properties.iter().any(|(known, _)| *known == name) {
        return;
    }
    properties.push((name.into_owned(), value.to_vec()));
}

/// Writes our own list.
///
/// # Errors
///
/// The socket type has no handshake, or an option cannot be put on the wire.
pub fn encode_own_properties(
    socket_type: SocketType,
    routing_id: &[u8],
    application: &[(String, Vec<u8>)],
) -> Result<Vec<u8>, ConfigError> {
    if socket_type == SocketType::Stream {
        return Err(ConfigError::StreamSocket);
    }
    check_routing_id(routing_id)?;
    let mut out = Vec::new();
    append_property(SOCKET_TYPE.as_bytes(), socket_type.name().as_bytes(), &mut out);
    if socket_type.sends_identity() {
        append_property(IDENTITY.as_bytes(), routing_id, &mut out);
    }
    // libzmq keeps ZMQ_METADATA in a sorted map.
    let mut application: Vec<_> = application.iter().collect();
    application.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, value) in application {
        if !is_application_name(name) {
            return Err(ConfigError::PropertyName { name: name.clone() });
        }
        append_property(name.as_bytes(), value, &mut out);
    }
    Ok(out)
}

fn check_routing_id(routing_id: &[u8]) -> Result<(), ConfigError> {
    if routing_id.len() > MAX_IDENTITY_BYTES {
        return Err(ConfigError::RoutingIdTooLong {
            routing_id_bytes: routing_id.len(),
            max_routing_id_bytes: MAX_IDENTITY_BYTES,
        });
    }
    Ok(())
}

fn is_application_name(name: &str) -> bool {
    let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || b"-_.+".contains(&b);
    name.starts_with("X-") && name.len() <= 255 && name.bytes().all(is_name_byte)
}

/// Appends one property. The caller has checked the name; a value of 4 GiB cannot occur because the list
/// must fit one handshake command, which [`crate::handshake::Handshake::new`] checks.
pub fn append_property(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    debug_assert!(name.len() <= 255 && u32::try_from(value.len()).is_ok());
    out.push(name.len() as u8);
    out.extend_from_slice(name);
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests;
