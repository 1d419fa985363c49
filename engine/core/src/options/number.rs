//! Option numbers as in `zmq.h`, without the `ZMQ_` prefix, and Zeroring's own from 10 000 up.

/// Declares option numbers; the name is the documentation, the table holds the rest.
macro_rules! numbers {
    ($($name:ident = $number:literal),* $(,)?) => {
        $(
            #[doc = concat!("`ZMQ_", stringify!($name), "` = ", stringify!($number), ".")]
            pub const $name: i32 = $number;
        )*
    };
}

numbers! {
    AFFINITY = 4,
    ROUTING_ID = 5,
    SUBSCRIBE = 6,
    UNSUBSCRIBE = 7,
    SNDBUF = 11,
    RCVBUF = 12,
    RCVMORE = 13,
    FD = 14,
    EVENTS = 15,
    TYPE = 16,
    LINGER = 17,
    RECONNECT_IVL = 18,
    BACKLOG = 19,
    RECONNECT_IVL_MAX = 21,
    MAXMSGSIZE = 22,
    SNDHWM = 23,
    RCVHWM = 24,
    RCVTIMEO = 27,
    SNDTIMEO = 28,
    IPV4ONLY = 31,
    LAST_ENDPOINT = 32,
    ROUTER_MANDATORY = 33,
    TCP_KEEPALIVE = 34,
    TCP_KEEPALIVE_CNT = 35,
    TCP_KEEPALIVE_IDLE = 36,
    TCP_KEEPALIVE_INTVL = 37,
    TCP_ACCEPT_FILTER = 38,
    IMMEDIATE = 39,
    XPUB_VERBOSE = 40,
    ROUTER_RAW = 41,
    IPV6 = 42,
    MECHANISM = 43,
    PROBE_ROUTER = 51,
    REQ_CORRELATE = 52,
    REQ_RELAXED = 53,
    CONFLATE = 54,
    ZAP_DOMAIN = 55,
    ROUTER_HANDOVER = 56,
    TOS = 57,
    IPC_FILTER_PID = 58,
    IPC_FILTER_UID = 59,
    IPC_FILTER_GID = 60,
    CONNECT_ROUTING_ID = 61,
    HANDSHAKE_IVL = 66,
    SOCKS_PROXY = 68,
    XPUB_NODROP = 69,
    XPUB_MANUAL = 71,
    XPUB_WELCOME_MSG = 72,
    STREAM_NOTIFY = 73,
    INVERT_MATCHING = 74,
    HEARTBEAT_IVL = 75,
    HEARTBEAT_TTL = 76,
    HEARTBEAT_TIMEOUT = 77,
    XPUB_VERBOSER = 78,
    CONNECT_TIMEOUT = 79,
    TCP_MAXRT = 80,
    THREAD_SAFE = 81,
    USE_FD = 89,
    BINDTODEVICE = 92,
    ZAP_ENFORCE_DOMAIN = 93,
    LOOPBACK_FASTPATH = 94,
    METADATA = 95,
    XPUB_MANUAL_LAST_VALUE = 98,
    SOCKS_USERNAME = 99,
    SOCKS_PASSWORD = 100,
    ONLY_FIRST_SUBSCRIBE = 108,
    RECONNECT_STOP = 109,
    PRIORITY = 112,
    BUSY_POLL = 113,
    XSUB_VERBOSE_UNSUBSCRIBE = 115,
    TOPICS_COUNT = 116,
}

/// Extension: how a thread of this socket waits. See [`WaitPolicy`](super::WaitPolicy).
pub const WAIT_POLICY: i32 = 10_000;
/// Extension: bodies of this size and more are sent by reference instead of being copied.
pub const COPY_THRESHOLD_BYTES: i32 = 10_001;
/// Extension: most parts one message from a peer may have.
pub const MAX_MESSAGE_PARTS: i32 = 10_002;
/// Extension: most bytes all parts of one message from a peer may have together.
pub const MAX_MESSAGE_BYTES: i32 = 10_003;
/// Extension: most distinct subscriptions one peer may hold.
pub const MAX_SUBSCRIPTIONS_PER_PEER: i32 = 10_004;
/// Extension: longest topic a peer may subscribe to.
pub const MAX_TOPIC_BYTES: i32 = 10_005;

/// Numbers of context options; they overlap with socket options, hence a module of their own.
pub mod context {
    numbers! {
        IO_THREADS = 1,
        MAX_SOCKETS = 2,
        SOCKET_LIMIT = 3,
        THREAD_PRIORITY = 3,
        THREAD_SCHED_POLICY = 4,
        MAX_MSGSZ = 5,
        MSG_T_SIZE = 6,
        THREAD_AFFINITY_CPU_ADD = 7,
        THREAD_AFFINITY_CPU_REMOVE = 8,
        THREAD_NAME_PREFIX = 9,
        ZERO_COPY_RECV = 10,
        IPV6 = 42,
        BLOCKY = 70,
    }

    /// Extension: which kernel interface the I/O threads use. See
    /// [`DriverChoice`](crate::options::DriverChoice).
    pub const DRIVER: i32 = 10_100;
    /// Extension: the wait policy new sockets and the I/O threads start with.
    pub const WAIT_POLICY: i32 = 10_101;
}
