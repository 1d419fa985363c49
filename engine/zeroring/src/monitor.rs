//! Connections as they come and go: typed events of one socket (libzmq-style socket monitor).
//!
//! Events say what happened *to connections*; they are no part of the message stream and not ordered with it. They wait
//! in a bounded queue (4096 events); whoever reads too slowly loses the newest ones, and the engine never waits for a
//! reader. inproc connections have no events, as in libzmq.

use std::time::Duration;

use crossbeam_channel::Receiver;
pub use zeroring_core::monitor::EventKind;
use zeroring_core::monitor::{MonitorEvent, next_event};

/// What happened, with what belongs to it.
///
/// Descriptors are for telling connections apart. They belong to the engine and may be closed already.
///
/// ```
/// use zeroring::What;
/// fn is_trouble(what: &What) -> bool {
///     matches!(what, What::Disconnected { .. } | What::HandshakeFailedAuth { .. })
/// }
/// assert!(is_trouble(&What::Disconnected { fd: 7 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// The connecting side has a connection of the operating system; the handshake follows.
    Connected {
        /// Its descriptor.
        fd: i32,
    },
    /// A connection attempt is under way.
    ConnectDelayed {
        /// The system's error number, normally `EINPROGRESS`.
        errno: i32,
    },
    /// The connecting side waits before its next attempt.
    ConnectRetried {
        /// How long.
        wait: Duration,
    },
    /// A bind succeeded.
    Listening {
        /// Descriptor of the listener.
        fd: i32,
    },
    /// A bind failed.
    BindFailed {
        /// The system's error number.
        errno: i32,
    },
    /// The listener accepted a connection; the handshake follows.
    Accepted {
        /// Its descriptor.
        fd: i32,
    },
    /// The listener could not accept, or a filter refused the peer.
    AcceptFailed {
        /// The system's error number.
        errno: i32,
    },
    /// A listener, or the descriptor of a failed attempt, was closed.
    Closed {
        /// The descriptor.
        fd: i32,
    },
    /// An ipc file could not be removed.
    CloseFailed {
        /// The system's error number.
        errno: i32,
    },
    /// An established connection ended, but not because this side closed it.
    Disconnected {
        /// Its descriptor.
        fd: i32,
    },
    /// The last event of a monitor.
    MonitorStopped,
    /// The handshake ended without a reason that could be told.
    HandshakeFailedNoDetail {
        /// The system's error number, such as `EPIPE` if the peer closed.
        errno: i32,
    },
    /// The handshake is complete: messages flow.
    HandshakeSucceeded,
    /// The peer violated the protocol.
    HandshakeFailedProtocol {
        /// libzmq's number for the violation (`ZMQ_PROTOCOL_ERROR_…`).
        code: u32,
    },
    /// Authentication was refused.
    HandshakeFailedAuth {
        /// Status code of the authentication handler: 300, 400 or 500.
        status: u32,
    },
}

/// One event.
///
/// ```
/// use zeroring::{Context, Pull, What};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let context = Context::new();
/// let pull = context.socket::<Pull>()?;
/// let mut events = pull.monitor();
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
/// let event = events.next().expect("a bind has an event");
/// assert!(matches!(event.what, What::Listening { .. }));
/// assert_eq!(event.local_endpoint, endpoint);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub what: What,
    /// Our end of the connection; empty if unknown.
    pub local_endpoint: String,
    /// The peer's end; empty for listeners.
    pub remote_endpoint: String,
    /// What went wrong, in words; empty for good news.
    pub detail: String,
    kind: EventKind,
}

impl Event {
    /// The kind of event, as libzmq numbers it.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// # let pull = context.socket::<zeroring::Pull>()?;
    /// # let mut events = pull.monitor();
    /// # pull.bind("tcp://127.0.0.1:*").unwrap();
    /// # let event = events.next().unwrap();
    /// assert_eq!(event.kind().bit(), 0x0008); // ZMQ_EVENT_LISTENING
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn kind(&self) -> EventKind {
        self.kind
    }
}

impl From<MonitorEvent> for Event {
    fn from(event: MonitorEvent) -> Self {
        Self {
            what: What::new(event.kind, event.value),
            local_endpoint: event.local_endpoint,
            remote_endpoint: event.remote_endpoint,
            detail: event.detail,
            kind: event.kind,
        }
    }
}

impl What {
    fn new(kind: EventKind, value: u32) -> Self {
        // The value carries a C int: a descriptor or an error number.
        let (fd, errno) = (value as i32, value as i32);
        match kind {
            EventKind::Connected => Self::Connected { fd },
            EventKind::ConnectDelayed => Self::ConnectDelayed { errno },
            EventKind::ConnectRetried => {
                Self::ConnectRetried { wait: Duration::from_millis(value.into()) }
            }
            EventKind::Listening => Self::Listening { fd },
            EventKind::BindFailed => Self::BindFailed { errno },
            EventKind::Accepted => Self::Accepted { fd },
            EventKind::AcceptFailed => Self::AcceptFailed { errno },
            EventKind::Closed => Self::Closed { fd },
            EventKind::CloseFailed => Self::CloseFailed { errno },
            EventKind::Disconnected => Self::Disconnected { fd },
            EventKind::MonitorStopped => Self::MonitorStopped,
            EventKind::HandshakeFailedNoDetail => Self::HandshakeFailedNoDetail { errno },
            EventKind::HandshakeSucceeded => Self::HandshakeSucceeded,
            EventKind::HandshakeFailedProtocol => Self::HandshakeFailedProtocol { code: value },
            EventKind::HandshakeFailedAuth => Self::HandshakeFailedAuth { status: value },
        }
    }
}

/// The events of one socket, from [`Socket::monitor`](crate::Socket::monitor).
///
/// May be read from any thread. As an iterator it blocks for the next event and ends after
/// [`What::MonitorStopped`]: when the socket is closed, monitored anew, or [told to
/// stop](crate::Socket::stop_monitor).
///
/// ```
/// use zeroring::{Context, EventKind, Pull};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let context = Context::new();
/// let pull = context.socket::<Pull>()?;
/// let events = pull.monitor();
/// pull.bind("tcp://127.0.0.1:*")?;
/// pull.stop_monitor();
/// let kinds: Vec<_> = events.map(|event| event.kind()).collect();
/// assert_eq!(kinds, [EventKind::Listening, EventKind::MonitorStopped]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Monitor {
    events: Receiver<MonitorEvent>,
}

impl Monitor {
    pub(crate) fn new(events: Receiver<MonitorEvent>) -> Self {
        Self { events }
    }

    /// Waits up to `timeout` for the next event. `None` if none came, or none will come any more.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let context = zeroring::Context::new();
    /// # let pull = context.socket::<zeroring::Pull>()?;
    /// let mut events = pull.monitor();
    /// assert_eq!(events.next_timeout(Duration::from_millis(1)), None);
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Event> {
        next_event(&self.events, Some(timeout)).map(Event::from)
    }

    /// The next event if it has happened already. Does not block.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// # let pull = context.socket::<zeroring::Pull>()?;
    /// # let mut events = pull.monitor();
    /// while let Some(event) = events.try_next() {
    ///     println!("{event:?}");
    /// }
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.try_recv().ok().map(Event::from)
    }
}

impl Iterator for Monitor {
    type Item = Event;

    /// Blocks for the next event; `None` when the monitor has ended.
    fn next(&mut self) -> Option<Event> {
        next_event(&self.events, None).map(Event::from)
    }
}
