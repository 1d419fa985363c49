//! Connecting, connecting again, and noticing that a peer is gone.

use std::time::Duration;

use zeroring_core::options::number;
pub use zeroring_core::options::{MetadataProperty, ReconnectStop};

use super::{forever_below_zero, millis, millis_u32, off_at_zero, options};
use crate::Socket;
use crate::error::OptionFault;
use crate::kind::{Kind, NamesPeers};

/// Tenths of a second, rounded down as on the wire (RFC 37, PING), at most 6553.5 s.
fn deciseconds(duration: Option<Duration>) -> u16 {
    u16::try_from(duration.unwrap_or_default().as_millis() / 100).unwrap_or(u16::MAX)
}

options! {
/// Connections.
impl Kind, example "Dealer" {
    /// Wait before connecting again, after a failed attempt or a lost connection. `None` or zero: never again. Up to the
    /// same time is added at random, unless [a maximum](Self::set_reconnect_interval_max) is set. Default 100 ms. Next
    /// connect. Source: `ZMQ_RECONNECT_IVL`.
    reconnect_interval, set_reconnect_interval(interval: Option<Duration>) = "Some(Duration::from_millis(10))",
        |options| forever_below_zero(options.reconnect_interval_ms).filter(|wait| !wait.is_zero()),
        |options| options.reconnect_interval_ms = interval.map_or(-1, millis);
    /// Let the wait double with each failure, up to this. `None` or zero: no growth, the default. Next connect. Source:
    /// `ZMQ_RECONNECT_IVL_MAX`.
    reconnect_interval_max, set_reconnect_interval_max(interval: Option<Duration>) = "Some(Duration::from_secs(5))",
        |options| off_at_zero(options.reconnect_interval_max_ms),
        |options| options.reconnect_interval_max_ms = interval.map_or(0, millis_u32);
    /// When to stop connecting again: bits of [`ReconnectStop`]. Default 0. Next connect. Source: `ZMQ_RECONNECT_STOP`.
    reconnect_stop, set_reconnect_stop(bits: i32) = "1",
        |options| options.reconnect_stop_bits, |options| options.reconnect_stop_bits = bits;
    /// Longest wait for a tcp connection. `None` or zero: the system's, some minutes; the default. Next connect. Source:
    /// `ZMQ_CONNECT_TIMEOUT`.
    connect_timeout, set_connect_timeout(timeout: Option<Duration>) = "Some(Duration::from_secs(3))",
        |options| off_at_zero(options.connect_timeout_ms),
        |options| options.connect_timeout_ms = timeout.map_or(0, millis_u32);
    /// Longest handshake. `None` or zero: no limit. Default 30 s. Next bind or connect. Source: `ZMQ_HANDSHAKE_IVL`.
    handshake_interval, set_handshake_interval(interval: Option<Duration>) = "Some(Duration::from_secs(5))",
        |options| off_at_zero(options.handshake_interval_ms),
        |options| options.handshake_interval_ms = interval.map_or(0, millis_u32);
    /// Ask the peer for a sign of life this often (PING, RFC 37). `None` or zero: never, the default. Next bind or
    /// connect. Source: `ZMQ_HEARTBEAT_IVL`.
    ///
    /// Without heartbeats a peer whose machine vanished is noticed only when tcp gives up on unacknowledged data.
    heartbeat_interval, set_heartbeat_interval(interval: Option<Duration>) = "Some(Duration::from_secs(1))",
        |options| off_at_zero(options.heartbeat_interval_ms),
        |options| options.heartbeat_interval_ms = interval.map_or(0, millis_u32);
    /// Silence after a PING that ends the connection. `None`: as long as the interval, the default; zero: never. Next
    /// bind or connect. Source: `ZMQ_HEARTBEAT_TIMEOUT`.
    heartbeat_timeout, set_heartbeat_timeout(timeout: Option<Duration>) = "Some(Duration::from_secs(3))",
        |options| options.heartbeat_timeout_ms.map(|ms| Duration::from_millis(ms.into())),
        |options| options.heartbeat_timeout_ms = timeout.map(millis_u32);
    /// Silence after which the *peer* shall give up on us; sent with each PING, in tenths of a second, rounded down, at
    /// most 6553.5 s. `None` or zero: no request, the default. Next bind or connect. Source: `ZMQ_HEARTBEAT_TTL`.
    heartbeat_ttl, set_heartbeat_ttl(ttl: Option<Duration>) = "Some(Duration::from_secs(10))",
        |options| off_at_zero(u32::from(options.heartbeat_ttl_deciseconds) * 100),
        |options| options.heartbeat_ttl_deciseconds = deciseconds(ttl);
    /// Length of the kernel's queue of connections that wait to be accepted. Default 100. Next bind. Source:
    /// `ZMQ_BACKLOG`.
    backlog, set_backlog(connections: u32) = "1000",
        |options| options.backlog_connections, |options| options.backlog_connections = connections;
    /// Ask the ZAP handler only if a [domain](Self::set_zap_domain) is set. Default false. Source:
    /// `ZMQ_ZAP_ENFORCE_DOMAIN`.
    zap_enforce_domain, set_zap_enforce_domain(on: bool) = "true",
        |options| options.zap_enforce_domain, |options| options.zap_enforce_domain = on;
}
}

/// Names exchanged in the handshake.
impl<K: Kind> Socket<K> {
    /// Our name towards ROUTER peers. Default: none, and each ROUTER makes one up. Next bind or connect. Source:
    /// `ZMQ_ROUTING_ID`.
    ///
    /// # Errors
    /// [`OptionFault::Option`] unless it has 1 to 255 bytes; [`OptionFault::Terminated`].
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// socket.set_routing_id("anna")?;
    /// assert_eq!(socket.routing_id(), b"anna");
    /// assert!(socket.set_routing_id("").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_routing_id(&self, id: impl AsRef<[u8]>) -> Result<(), OptionFault> {
        self.core().set_option(number::ROUTING_ID, Some(id.as_ref()))
    }

    /// What [`set_routing_id`](Self::set_routing_id) set; empty by default. On a STREAM socket the id of the newest
    /// connection.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// assert!(socket.routing_id().is_empty());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn routing_id(&self) -> Vec<u8> {
        self.core().options().routing_id.clone()
    }

    /// Adds a property to our handshake that peers can [read](Self::peer). The name starts with `X-`; the first value of
    /// a name wins. Next bind or connect. Source: `ZMQ_METADATA`.
    ///
    /// # Errors
    /// [`OptionFault::Option`] if the name does not start with `X-`, has a colon or over 255 bytes, or the value is
    /// empty; [`OptionFault::Terminated`].
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// socket.add_metadata("X-Region", "eu-west")?;
    /// assert_eq!(socket.metadata()[0].value, b"eu-west");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_metadata(&self, name: &str, value: &str) -> Result<(), OptionFault> {
        self.core().set_option(number::METADATA, Some(format!("{name}:{value}").as_bytes()))
    }

    /// Properties added by [`add_metadata`](Self::add_metadata).
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// assert!(socket.metadata().is_empty());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn metadata(&self) -> Vec<MetadataProperty> {
        self.core().options().metadata.clone()
    }

    /// Domain named to the ZAP handler. Default: none. Next bind or connect. Source: `ZMQ_ZAP_DOMAIN`.
    ///
    /// # Errors
    /// [`OptionFault::Option`] unless it has 1 to 255 bytes; [`OptionFault::Terminated`].
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// socket.set_zap_domain("trading")?;
    /// assert_eq!(socket.zap_domain(), b"trading");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_zap_domain(&self, domain: impl AsRef<[u8]>) -> Result<(), OptionFault> {
        self.core().set_option(number::ZAP_DOMAIN, Some(domain.as_ref()))
    }

    /// What [`set_zap_domain`](Self::set_zap_domain) set; empty by default.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// assert!(socket.zap_domain().is_empty());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn zap_domain(&self) -> Vec<u8> {
        self.core().options().zap_domain.clone()
    }
}

/// Peers named by us.
impl<K: NamesPeers> Socket<K> {
    /// The routing id that the peer of the next connect shall have, whatever it calls itself. Used up by that connect.
    /// Source: `ZMQ_CONNECT_ROUTING_ID`.
    ///
    /// # Errors
    /// [`OptionFault::Option`] unless it has 1 to 255 bytes; [`OptionFault::Terminated`]. The connect fails with
    /// [`DuplicateRoutingId`](crate::EndpointFault::DuplicateRoutingId) if the id is in use.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let router = context.socket::<zeroring::Router>()?;
    /// # router.set_linger(Some(std::time::Duration::ZERO));
    /// router.set_connect_routing_id("depot")?;
    /// router.connect("tcp://127.0.0.1:5555")?;
    /// router.send_multipart(["depot", "queued until it is there"])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_connect_routing_id(&self, id: impl AsRef<[u8]>) -> Result<(), OptionFault> {
        self.core().set_option(number::CONNECT_ROUTING_ID, Some(id.as_ref()))
    }
}
