//! Monitor events: what happens to a socket's connections, told to whoever asked (libzmq-surface §9).
//!
//! Events go into a bounded queue and are never waited for: if the reader is behind by [`limits::MONITOR_EVENTS_MAX`]
//! events the next ones are dropped and counted. (libzmq blocks its I/O thread there.)

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use zeroring_base::counters::Counter;
use zeroring_base::limits;
use zeroring_base::sync::lock;

/// Kinds of events, with libzmq's numbers as bits.
///
/// Source: `ZMQ_EVENT_…`.
///
/// ```
/// use zeroring_core::monitor::EventKind;
/// let wanted = EventKind::Connected.bit() | EventKind::Disconnected.bit();
/// assert_eq!(wanted, 0x0201);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum EventKind {
    /// The connector has an OS connection; the handshake follows.
    Connected = 0x0001,
    /// A connection attempt is under way.
    ConnectDelayed = 0x0002,
    /// The connector waits before its next attempt.
    ConnectRetried = 0x0004,
    /// A bind succeeded.
    Listening = 0x0008,
    /// A bind failed.
    BindFailed = 0x0010,
    /// The listener accepted a connection.
    Accepted = 0x0020,
    /// The listener could not accept, or a filter refused the peer.
    AcceptFailed = 0x0040,
    /// A listener was closed, or a failed attempt's descriptor was.
    Closed = 0x0080,
    /// Closing failed (an ipc file could not be removed).
    CloseFailed = 0x0100,
    /// An established connection ended for a reason other than our own close.
    Disconnected = 0x0200,
    /// The monitor ends.
    MonitorStopped = 0x0400,
    /// The handshake ended without a diagnosable reason.
    HandshakeFailedNoDetail = 0x0800,
    /// The handshake is complete: the peer is usable.
    HandshakeSucceeded = 0x1000,
    /// The peer (or the ZAP handler) violated the protocol.
    HandshakeFailedProtocol = 0x2000,
    /// Authentication was refused.
    HandshakeFailedAuth = 0x4000,
}

impl EventKind {
    /// Mask of all events.
    ///
    /// ```
    /// use zeroring_core::monitor::EventKind;
    /// assert_ne!(EventKind::ALL & EventKind::HandshakeFailedAuth.bit(), 0);
    /// ```
    pub const ALL: u32 = 0xffff;

    /// The event's bit.
    ///
    /// ```
    /// assert_eq!(zeroring_core::monitor::EventKind::Listening.bit(), 8);
    /// ```
    pub const fn bit(self) -> u32 {
        self as u32
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorEvent {
    /// What happened.
    pub kind: EventKind,
    /// Descriptor, errno, wait in ms, protocol code or status, depending on the kind (libzmq-surface §9.2).
    pub value: u32,
    /// Our end of the connection; empty if unknown.
    pub local_endpoint: String,
    /// The peer's end; empty for listeners.
    pub remote_endpoint: String,
    /// The event happened on the listening side: `local_endpoint` is the address libzmq would report.
    pub on_listener: bool,
    /// What went wrong, in words; empty for good news.
    pub detail: String,
}

impl MonitorEvent {
    /// The address that libzmq's first event version carries.
    pub fn address(&self) -> &str {
        if self.on_listener { &self.local_endpoint } else { &self.remote_endpoint }
    }
}

/// Where a socket's events go; shared by the socket and its I/O threads.
#[derive(Debug, Default)]
pub struct MonitorHub {
    /// Bits of the events wanted; 0 = nobody listens. A hint that keeps the common case to one load.
    wanted: AtomicU32,
    sender: Mutex<Option<Sender<MonitorEvent>>>,
    dropped: Counter,
}

impl MonitorHub {
    /// Starts (or replaces) the monitor; events whose bit is in `wanted` are queued.
    pub fn start(&self, wanted: u32) -> Receiver<MonitorEvent> {
        self.stop();
        let (tx, rx) = bounded(limits::MONITOR_EVENTS_MAX);
        *lock(&self.sender) = Some(tx);
        // A hint for `wants`: the sender itself is found under the lock. Release and Acquire only keep the order.
        self.wanted.store(wanted, Ordering::Release);
        rx
    }

    /// Ends the monitor with a last MONITOR_STOPPED event.
    pub fn stop(&self) {
        let stopped = EventKind::MonitorStopped;
        let wanted = self.wanted.swap(0, Ordering::AcqRel); // pairs with the store in `start` and the load in `wants`
        if let Some(sender) = lock(&self.sender).take()
            && wanted & stopped.bit() != 0
        {
            let _ = sender.try_send(event(stopped, 0));
        }
    }

    /// True if somebody wants events of this kind.
    pub fn wants(&self, kind: EventKind) -> bool {
        self.wanted.load(Ordering::Acquire) & kind.bit() != 0 // pairs with `start` and `stop`
    }

    /// Queues an event if it is wanted.
    pub fn emit(&self, event: MonitorEvent) {
        if !self.wants(event.kind) {
            return;
        }
        if let Some(sender) = &*lock(&self.sender)
            && let Err(TrySendError::Full(_)) = sender.try_send(event)
        {
            self.dropped.add(1);
        }
    }

    /// Events dropped because a reader was behind, over all monitors of the socket.
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }
}

/// An event without addresses.
pub fn event(kind: EventKind, value: u32) -> MonitorEvent {
    MonitorEvent {
        kind,
        value,
        local_endpoint: String::new(),
        remote_endpoint: String::new(),
        on_listener: false,
        detail: String::new(),
    }
}

/// Waits up to `timeout` (`None`: for ever) for the next event; `None` on time-out or when the monitor ended.
pub fn next_event(
    receiver: &Receiver<MonitorEvent>,
    timeout: Option<Duration>,
) -> Option<MonitorEvent> {
    match timeout {
        None => receiver.recv().ok(),
        Some(timeout) => receiver.recv_timeout(timeout).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_behind_costs_events_but_never_blocks() {
        let hub = MonitorHub::default();
        let events = hub.start(EventKind::ALL);
        for _ in 0..limits::MONITOR_EVENTS_MAX + 7 {
            hub.emit(event(EventKind::Accepted, 3));
        }
        assert_eq!((events.len(), hub.dropped()), (limits::MONITOR_EVENTS_MAX, 7));
    }

    #[test]
    fn only_wanted_events_arrive_and_the_last_one_says_stopped() {
        let hub = MonitorHub::default();
        let events = hub.start(EventKind::Connected.bit() | EventKind::MonitorStopped.bit());
        hub.emit(event(EventKind::Closed, 1));
        hub.emit(event(EventKind::Connected, 2));
        hub.stop();
        let kinds: Vec<_> = events.iter().map(|e| e.kind).collect();
        assert_eq!(kinds, [EventKind::Connected, EventKind::MonitorStopped]);
    }
}
