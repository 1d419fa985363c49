//! The greeting: the fixed bytes both sides exchange first, and the versions they reveal (RFC 37
//! "Version Negotiation", RFC 13 and 15 for the old forms).
//!
//! Only constants and encoders live here; when each part is sent is decided by [`crate::handshake`],
//! because it depends on what has arrived.
//!
//! Invariant: a signature is also a valid ZMTP 1.0 frame header, long form, that announces our routing id.

/// The protocol version of a connection: the older of the two sides.
///
/// ```
/// use zeroring_zmtp::greeting::Version;
/// assert!(Version::V3_0 < Version::V3_1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// libzmq 2.x: v1 framing, no greeting.
    V1_0,
    /// libzmq 3.2: v2 framing, 12-byte greeting.
    V2_0,
    /// libzmq 4.0 to 4.3.2: v2 framing, subscriptions as messages.
    V3_0,
    /// libzmq 4.3.3 and later: v2 framing, subscriptions as commands.
    V3_1,
}

impl Version {
    /// Whether the peer understands SUBSCRIBE and CANCEL commands.
    ///
    /// ```
    /// use zeroring_zmtp::greeting::Version;
    /// assert!(Version::V3_1.has_subscription_commands() && !Version::V3_0.has_subscription_commands());
    /// ```
    pub const fn has_subscription_commands(self) -> bool {
        matches!(self, Self::V3_1)
    }

    /// Whether frames can be commands at all, PING and PONG among them.
    ///
    /// ```
    /// use zeroring_zmtp::greeting::Version;
    /// assert!(Version::V3_0.has_commands() && !Version::V2_0.has_commands());
    /// ```
    pub const fn has_commands(self) -> bool {
        matches!(self, Self::V3_0 | Self::V3_1)
    }
}

/// Bytes of the signature, the part that is sent unasked.
pub const SIGNATURE_BYTES: usize = 10;
/// Bytes of a whole 3.x greeting.
pub const GREETING_BYTES: usize = 64;
/// Bytes of a 3.x greeting behind the major version.
pub const REST_BYTES: usize = GREETING_BYTES - SIGNATURE_BYTES - 1;
/// Bytes of the mechanism field.
pub const MECHANISM_BYTES: usize = 20;

/// First byte of a signature; anything else is the first byte of a ZMTP 1.0 identity frame.
pub const SIGNATURE_START: u8 = 0xff;
/// The major version we send as byte 10.
pub const MAJOR: u8 = 3;
/// The minor version we send as byte 11.
pub const MINOR: u8 = 1;

/// Our signature. The padding holds the size of the routing id plus one, so that a 1.0 peer can read the
/// ten bytes as the header of our identity frame.
pub fn signature(routing_id_bytes: usize) -> [u8; SIGNATURE_BYTES] {
    let mut out = [0; SIGNATURE_BYTES];
    let [first, length @ .., last] = &mut out;
    *first = SIGNATURE_START;
    *length = (routing_id_bytes as u64 + 1).to_be_bytes();
    *last = 0x7f;
    out
}

/// Whether ten received bytes that start with `ff` come from a versioned peer. Bit 0 of the last byte
/// tells: it is MORE in a 1.0 identity header, which is never set.
pub fn is_versioned(signature: &[u8; SIGNATURE_BYTES]) -> bool {
    signature[SIGNATURE_BYTES - 1] & 1 == 1
}

/// The version a 3.x peer means by its two version bytes. libzmq takes every major from 2 on that is not 3
/// for 3.1, and only 3.0 for 3.0.
pub fn modern_version(major: u8, minor: u8) -> Version {
    if major == 3 && minor == 0 { Version::V3_0 } else { Version::V3_1 }
}

/// A mechanism name padded to its field. Names longer than the field are cut, and ours never are.
pub fn mechanism_field(name: &str) -> [u8; MECHANISM_BYTES] {
    let mut field = [0; MECHANISM_BYTES];
    for (to, from) in field.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    field
}

/// Bytes 11 to 63 of our greeting: minor version, mechanism, as-server, filler.
pub fn rest(mechanism: &str, as_server: bool) -> [u8; REST_BYTES] {
    let mut out = [0; REST_BYTES];
    let [minor, field @ ..] = &mut out;
    *minor = MINOR;
    for (to, from) in field.iter_mut().zip(mechanism_field(mechanism)) {
        *to = from;
    }
    // RFC 37 wants 1 on the security server; libzmq neither sets nor reads it.
    out[1 + MECHANISM_BYTES] = u8::from(as_server);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_announces_the_routing_id_to_1_0_peers() {
        assert_eq!(signature(0), [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f]);
        assert_eq!(signature(3), [0xff, 0, 0, 0, 0, 0, 0, 0, 4, 0x7f]);
        assert_eq!(signature(255), [0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0x7f]);
    }

    #[test]
    fn the_rest_has_minor_mechanism_and_server_flag() {
        let bytes = rest("NULL", false);
        assert_eq!(bytes[..5], *b"\x01NULL");
        assert!(bytes[5..].iter().all(|&b| b == 0));
        assert_eq!(rest("CURVE", true)[21], 1);
    }

    #[test]
    fn versions_are_read_as_libzmq_reads_them() {
        assert_eq!(modern_version(3, 0), Version::V3_0);
        assert_eq!(modern_version(3, 1), Version::V3_1);
        assert_eq!(modern_version(3, 9), Version::V3_1);
        assert_eq!(modern_version(2, 0), Version::V3_1);
        assert_eq!(modern_version(4, 0), Version::V3_1);
        assert_eq!(modern_version(9, 0), Version::V3_1);
    }
}
