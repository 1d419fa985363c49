//! The stored settings of one socket, as typed fields.
//!
//! Defaults are libzmq's unless a field says otherwise. Each field names its option and number; the
//! [table](super::table) repeats default and range in a form that programs and tests can walk.

use std::collections::BTreeSet;

use zeroring_zmtp::SocketType;

use super::context::ContextOptions;
use super::filter::{AddressFilter, MetadataProperty};
use super::value::{Secret, WaitPolicy};

/// Bits of [`SocketOptions::reconnect_stop_bits`].
///
/// Source: `ZMQ_RECONNECT_STOP_…`.
///
/// ```
/// use zeroring_core::options::ReconnectStop;
/// let bits = ReconnectStop::CONN_REFUSED | ReconnectStop::HANDSHAKE_FAILED;
/// assert_eq!(bits, 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconnectStop;

impl ReconnectStop {
    /// Give up when a tcp connection is refused.
    ///
    /// ```
    /// use zeroring_core::options::ReconnectStop;
    /// assert_eq!(ReconnectStop::CONN_REFUSED, 1);
    /// ```
    pub const CONN_REFUSED: i32 = 1;
    /// Give up when the handshake fails or times out.
    ///
    /// ```
    /// use zeroring_core::options::ReconnectStop;
    /// assert_eq!(ReconnectStop::HANDSHAKE_FAILED, 2);
    /// ```
    pub const HANDSHAKE_FAILED: i32 = 2;
    /// Give up after `disconnect` (ipc only).
    ///
    /// ```
    /// use zeroring_core::options::ReconnectStop;
    /// assert_eq!(ReconnectStop::AFTER_DISCONNECT, 4);
    /// ```
    pub const AFTER_DISCONNECT: i32 = 4;
}

/// Settings of one socket.
///
/// Writing a field directly skips the range checks of [`set`](SocketOptions::set); numbers beyond
/// `i32::MAX` then read back as `i32::MAX` through the C ABI.
///
/// "Live" means that a change reaches existing connections. Everything else reaches the next bind
/// or connect; accepted and repeated connections use what was set when bind or connect ran.
///
/// ```
/// use zeroring_core::options::SocketOptions;
/// assert_eq!(SocketOptions::default().send_hwm_messages, 1000);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketOptions {
    // -- Queues ---------------------------------------------------------------------------------
    /// Most messages queued towards one peer; 0 = no limit, which lets a stuck peer take all
    /// memory. Default 1000, live. `SNDHWM` 23.
    pub send_hwm_messages: u32,
    /// Most messages queued from one peer; 0 = no limit. Default 1000, live. `RCVHWM` 24.
    pub recv_hwm_messages: u32,
    /// How long unsent messages keep the context alive after close, in ms; −1 = for ever, 0 = drop
    /// them. Default −1; 0 for SUB and XSUB, and for all if the context is not blocky. Read at
    /// close. `LINGER` 17.
    pub linger_ms: i32,
    /// How long a receive blocks, in ms; −1 = for ever, 0 = not at all. Default −1, live.
    /// `RCVTIMEO` 27.
    pub recv_timeout_ms: i32,
    /// How long a send blocks, in ms; −1 = for ever, 0 = not at all. Default −1, live.
    /// `SNDTIMEO` 28.
    pub send_timeout_ms: i32,
    /// Queue only towards peers that are connected. Default false. `IMMEDIATE` 39.
    pub immediate: bool,
    /// Keep only the newest message (PULL, PUSH, SUB, PUB, DEALER; others accept and ignore it, as
    /// libzmq does). Breaks multipart messages. Default false. `CONFLATE` 54.
    pub conflate: bool,
    /// Longest part a peer may send; a longer one closes the connection. `None` = no limit, the
    /// default. Not applied to handshake commands. `MAXMSGSIZE` 22.
    pub max_frame_bytes: Option<u64>,
    /// Bit i allows I/O thread i; 0 = all. Default 0. `AFFINITY` 4.
    pub io_thread_affinity: u64,
    /// Length of the kernel's accept queue. Default 100, next bind. `BACKLOG` 19.
    pub backlog_connections: u32,

    // -- Connections ----------------------------------------------------------------------------
    /// Wait before a reconnect, in ms; 0 and −1 = never. Default 100. `RECONNECT_IVL` 18; see
    /// [`Backoff`](super::Backoff).
    pub reconnect_interval_ms: i32,
    /// Longest wait of a growing sequence, in ms; 0 = no growth. Default 0. `RECONNECT_IVL_MAX` 21.
    pub reconnect_interval_max_ms: u32,
    /// When to stop reconnecting, bits of [`ReconnectStop`]. Default 0. `RECONNECT_STOP` 109.
    pub reconnect_stop_bits: i32,
    /// Longest wait for a tcp connect, in ms; 0 = the kernel's. Default 0. `CONNECT_TIMEOUT` 79.
    pub connect_timeout_ms: u32,
    /// Longest handshake, in ms; 0 = no limit. Default 30 000. `HANDSHAKE_IVL` 66.
    pub handshake_interval_ms: u32,
    /// Pause between PINGs, in ms; 0 = no heartbeats. Default 0. `HEARTBEAT_IVL` 75.
    pub heartbeat_interval_ms: u32,
    /// Silence after a PING that ends the connection, in ms; `None` = as the interval (default),
    /// `Some(0)` = never. `HEARTBEAT_TIMEOUT` 77.
    pub heartbeat_timeout_ms: Option<u32>,
    /// Silence after which the peer shall give us up, in tenths of a second as on the wire;
    /// 0 = no request. Default 0. `HEARTBEAT_TTL` 76, which counts ms and rounds down.
    pub heartbeat_ttl_deciseconds: u16,
    /// A bound, listening descriptor that the next bind adopts and later closes. Default `None`.
    /// `USE_FD` 89.
    pub adopted_fd: Option<i32>,
    /// Properties added to our handshake; one per name. Default empty. `METADATA` 95.
    pub metadata: Vec<MetadataProperty>,

    // -- Kernel sockets -------------------------------------------------------------------------
    /// Use IPv6 sockets that also carry IPv4. Default: the context's. `IPV6` 42, and inverted
    /// `IPV4ONLY` 31.
    pub ipv6: bool,
    /// Kernel send buffer; `None` = leave. `SNDBUF` 11.
    pub send_buffer_bytes: Option<u32>,
    /// Kernel receive buffer; `None` = leave. `RCVBUF` 12.
    pub recv_buffer_bytes: Option<u32>,
    /// Type-of-service byte; 0 = leave, the default. `TOS` 57.
    pub type_of_service: u32,
    /// `SO_PRIORITY` of outgoing packets; 0 = leave, the default. `PRIORITY` 112.
    pub packet_priority: u32,
    /// `SO_BUSY_POLL` in µs, applied if above 0. Default 0. `BUSY_POLL` 113.
    pub busy_poll_us: i32,
    /// Network device to bind to, 1 to 16 bytes; empty = any, the default. `BINDTODEVICE` 92.
    pub bind_to_device: Vec<u8>,
    /// `host:port` of a SOCKS5 proxy that tcp connects go through; empty = none, the default. `SOCKS_PROXY` 68.
    pub socks_proxy: Vec<u8>,
    /// User name for the proxy, at most 255 bytes; empty = no authentication, the default. `SOCKS_USERNAME` 99.
    pub socks_username: Vec<u8>,
    /// Password for the proxy, at most 255 bytes. Default empty. `SOCKS_PASSWORD` 100.
    pub socks_password: Secret,
    /// Has an effect on Windows only. Default false. `LOOPBACK_FASTPATH` 94.
    pub loopback_fastpath: bool,
    /// TCP keep-alive on or off; `None` = the kernel's choice, and then the three below are not
    /// applied. Default `None`. `TCP_KEEPALIVE` 34.
    pub tcp_keepalive: Option<bool>,
    /// Unanswered probes before the connection is dropped; `None` = leave. `TCP_KEEPALIVE_CNT` 35.
    pub tcp_keepalive_probes: Option<u32>,
    /// Idle time before the first probe, in s; `None` = leave. `TCP_KEEPALIVE_IDLE` 36.
    pub tcp_keepalive_idle_s: Option<u32>,
    /// Time between probes, in s; `None` = leave. `TCP_KEEPALIVE_INTVL` 37.
    pub tcp_keepalive_interval_s: Option<u32>,
    /// How long sent data may stay unacknowledged, in ms; 0 = leave, the default. `TCP_MAXRT` 80.
    pub tcp_max_retransmit_ms: u32,
    /// If not empty, only tcp peers that match an entry are accepted. `TCP_ACCEPT_FILTER` 38.
    pub tcp_accept_filters: Vec<AddressFilter>,
    /// Processes that may connect by ipc. If any of the three ipc sets has an entry, a peer must
    /// match an entry of any of them. `IPC_FILTER_PID` 58.
    pub ipc_filter_pids: BTreeSet<i32>,
    /// Users that may connect by ipc. `IPC_FILTER_UID` 59.
    pub ipc_filter_uids: BTreeSet<u32>,
    /// Groups that may connect by ipc. `IPC_FILTER_GID` 60.
    pub ipc_filter_gids: BTreeSet<u32>,

    // -- Authentication -------------------------------------------------------------------------
    /// Domain named to the ZAP handler, up to 255 bytes. Default empty. `ZAP_DOMAIN` 55.
    pub zap_domain: Vec<u8>,
    /// Ask the ZAP handler only if the domain is set, and then require it. Default false.
    /// `ZAP_ENFORCE_DOMAIN` 93.
    pub zap_enforce_domain: bool,

    // -- Patterns -------------------------------------------------------------------------------
    /// Our name towards ROUTER peers, up to 255 bytes; empty = none, the default. `ROUTING_ID` 5.
    pub routing_id: Vec<u8>,
    /// ROUTER, REP: report unroutable messages. Default false, live. `ROUTER_MANDATORY` 33.
    pub router_mandatory: bool,
    /// ROUTER, REP: talk raw tcp. Default false. `ROUTER_RAW` 41.
    pub router_raw: bool,
    /// ROUTER, REP: a newcomer takes over a routing id in use. Default false, live.
    /// `ROUTER_HANDOVER` 56.
    pub router_handover: bool,
    /// DEALER, REQ, ROUTER, REP: greet new peers with an empty message. Default false, live for
    /// later pipes. `PROBE_ROUTER` 51.
    pub probe_router: bool,
    /// REQ: number requests and match replies. Default false, live. `REQ_CORRELATE` 52.
    pub req_correlate: bool,
    /// REQ: allow a new request before the reply. Default false, live. `REQ_RELAXED` 53.
    pub req_relaxed: bool,
    /// XPUB, PUB: deliver every subscription, not only the first of a topic. Default false, live.
    /// Set by `XPUB_VERBOSE` 40 and `XPUB_VERBOSER` 78.
    pub xpub_verbose_subscribe: bool,
    /// XPUB, PUB: deliver every unsubscription. Default false, live. Set by `XPUB_VERBOSER` 78,
    /// cleared by `XPUB_VERBOSE` 40.
    pub xpub_verbose_unsubscribe: bool,
    /// XPUB, PUB: a full peer makes the send wait or fail. Default false, live. `XPUB_NODROP` 69.
    pub xpub_nodrop: bool,
    /// XPUB, PUB: the application decides on subscriptions. Default false, live. `XPUB_MANUAL` 71.
    pub xpub_manual: bool,
    /// XPUB, PUB: with manual mode, the next message goes to the last subscriber alone. Default
    /// false, live. `XPUB_MANUAL_LAST_VALUE` 98 sets manual mode as well.
    pub xpub_manual_last_value: bool,
    /// XPUB, PUB: first message to each new peer; empty = none, the default. Live for later pipes.
    /// `XPUB_WELCOME_MSG` 72.
    pub xpub_welcome_message: Vec<u8>,
    /// XPUB, PUB, XSUB: only a first part can be a subscription. Default false, live.
    /// `ONLY_FIRST_SUBSCRIBE` 108.
    pub only_first_subscribe: bool,
    /// XSUB: send every unsubscription upstream. Default false, live.
    /// `XSUB_VERBOSE_UNSUBSCRIBE` 115.
    pub xsub_verbose_unsubscribe: bool,
    /// PUB, XPUB, SUB: pass messages that do not match. Default false, live.
    /// `INVERT_MATCHING` 74.
    pub invert_matching: bool,
    /// STREAM: deliver an empty part when a peer comes and goes. Default true. `STREAM_NOTIFY` 73.
    pub stream_notify: bool,

    // -- Zeroring's own -------------------------------------------------------------------------
    /// How blocking calls wait. Default: the context's. Extension 10 000.
    pub wait_policy: WaitPolicy,
    /// Bodies of at least this many bytes are sent by reference, shorter ones and all of up to 255
    /// are copied into the send buffer. Default 4096: below about a page the copy is cheaper than another entry in the
    /// gather list. Extension 10 001.
    pub copy_threshold_bytes: u32,
    /// Most parts of one message from a peer; more close the connection. Default 65 536, which
    /// bounds what an unfinished message can pin. Extension 10 002.
    pub max_message_parts: u32,
    /// Most bytes of one message from a peer over all its parts; more close the connection.
    /// `None` = no limit, the default. Extension 10 003.
    pub max_message_bytes: Option<u64>,
    /// Most distinct topics one peer may subscribe to. Default 1 000 000; the worst case per peer
    /// is this times [`max_topic_bytes`](Self::max_topic_bytes). Extension 10 004.
    pub max_subscriptions_per_peer: u32,
    /// Longest topic a peer may subscribe to. Default 1 MiB: libzmq has no bound and programs are
    /// known to use topics of a megabyte. Extension 10 005.
    pub max_topic_bytes: u32,
    /// Received parts may be slices of the receive buffer. Copied from the context's
    /// `ZERO_COPY_RECV` 10; not an option of its own.
    pub zero_copy_recv: bool,
}

impl SocketOptions {
    /// The settings a new socket of this type starts with in a context.
    ///
    /// SUB and XSUB do not linger, nor does any socket of a context that is not blocky; IPv6,
    /// zero-copy receive and the wait policy come from the context.
    ///
    /// ```
    /// use zeroring_core::SocketType;
    /// use zeroring_core::options::{ContextOptions, SocketOptions};
    /// let context = ContextOptions { blocky: false, ..ContextOptions::default() };
    /// assert_eq!(SocketOptions::new(SocketType::Push, &context).linger_ms, 0);
    /// ```
    #[must_use]
    pub fn new(socket_type: SocketType, context: &ContextOptions) -> Self {
        let lingers = context.blocky && !matches!(socket_type, SocketType::Sub | SocketType::XSub);
        Self {
            linger_ms: if lingers { -1 } else { 0 },
            ipv6: context.ipv6,
            wait_policy: context.wait_policy,
            zero_copy_recv: context.zero_copy_recv,
            ..Self::default()
        }
    }
}

impl Default for SocketOptions {
    /// Defaults that hold for no type and no context in particular.
    fn default() -> Self {
        Self {
            send_hwm_messages: 1000,
            recv_hwm_messages: 1000,
            linger_ms: -1,
            recv_timeout_ms: -1,
            send_timeout_ms: -1,
            immediate: false,
            conflate: false,
            max_frame_bytes: None,
            io_thread_affinity: 0,
            backlog_connections: 100,
            reconnect_interval_ms: 100,
            reconnect_interval_max_ms: 0,
            reconnect_stop_bits: 0,
            connect_timeout_ms: 0,
            handshake_interval_ms: 30_000,
            heartbeat_interval_ms: 0,
            heartbeat_timeout_ms: None,
            heartbeat_ttl_deciseconds: 0,
            adopted_fd: None,
            metadata: Vec::new(),
            ipv6: false,
            send_buffer_bytes: None,
            recv_buffer_bytes: None,
            type_of_service: 0,
            packet_priority: 0,
            busy_poll_us: 0,
            bind_to_device: Vec::new(),
            socks_proxy: Vec::new(),
            socks_username: Vec::new(),
            socks_password: Secret::default(),
            loopback_fastpath: false,
            tcp_keepalive: None,
            tcp_keepalive_probes: None,
            tcp_keepalive_idle_s: None,
            tcp_keepalive_interval_s: None,
            tcp_max_retransmit_ms: 0,
            tcp_accept_filters: Vec::new(),
            ipc_filter_pids: BTreeSet::new(),
            ipc_filter_uids: BTreeSet::new(),
            ipc_filter_gids: BTreeSet::new(),
            zap_domain: Vec::new(),
            zap_enforce_domain: false,
            routing_id: Vec::new(),
            router_mandatory: false,
            router_raw: false,
            router_handover: false,
            probe_router: false,
            req_correlate: false,
            req_relaxed: false,
            xpub_verbose_subscribe: false,
            xpub_verbose_unsubscribe: false,
            xpub_nodrop: false,
            xpub_manual: false,
            xpub_manual_last_value: false,
            xpub_welcome_message: Vec::new(),
            only_first_subscribe: false,
            xsub_verbose_unsubscribe: false,
            invert_matching: false,
            stream_notify: true,
            wait_policy: WaitPolicy::Adaptive,
            copy_threshold_bytes: 4096,
            max_message_parts: 65_536,
            max_message_bytes: None,
            max_subscriptions_per_peer: 1_000_000,
            max_topic_bytes: 1 << 20,
            zero_copy_recv: true,
        }
    }
}
