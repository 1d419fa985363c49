//! What one side of a handshake is configured with.

use crate::mechanism::MechanismConfig;
use crate::socket_type::SocketType;

/// Settings of one side, fixed when the connection begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeConfig {
    /// Our socket type.
    pub socket_type: SocketType,
    /// Our routing id, 0 to 255 bytes, not starting with zero.
    pub routing_id: Vec<u8>,
    /// Application properties, names starting with `X-`.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// The security mechanism.
    pub mechanism: MechanismConfig,
    /// Whether ZMQ_ZAP_DOMAIN is set: NULL then asks for a verdict, and 1.0 and 2.0 peers are refused.
    pub zap_domain_set: bool,
    /// Largest handshake command accepted, in bytes; 64 KiB is plenty. Worst-case memory of a handshake is
    /// about three times this. ZMQ_MAXMSGSIZE is not applied to handshakes.
    pub max_command_bytes: usize,
}

/// Default of [`HandshakeConfig::max_command_bytes`].
pub const DEFAULT_MAX_COMMAND_BYTES: usize = 64 * 1024;

impl HandshakeConfig {
    /// A configuration without security, routing id or metadata.
    pub fn new(socket_type: SocketType) -> Self {
        Self {
            socket_type,
            routing_id: Vec::new(),
            metadata: Vec::new(),
            mechanism: MechanismConfig::Null,
            zap_domain_set: false,
            max_command_bytes: DEFAULT_MAX_COMMAND_BYTES,
        }
    }
}
