//! Heartbeats: when to send PING, when to give a silent peer up (RFC 37 "Heartbeating").
//!
//! Three timers, all against the caller's clock: the interval between our PINGs, the time we wait for any
//! frame after a PING, and the time the peer asked us to wait for its frames (its TTL). Any frame stops the
//! latter two. PINGs are answered by the caller even when our own heartbeats are off.
//!
//! Invariant: [`Heartbeat::poll`] has nothing to do before [`Heartbeat::deadline_ns`].

/// The largest TTL that reaches libzmq unharmed: it keeps TTL × 100 ms in 16 bits.
pub const MAX_TTL_DS: u16 = 655;

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_DS: u64 = 100 * NS_PER_MS;

/// The heartbeat options of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatConfig {
    /// ZMQ_HEARTBEAT_IVL: time between PINGs; 0 (default) sends none.
    pub interval_ms: u64,
    /// ZMQ_HEARTBEAT_TIMEOUT: how long after a PING anything must arrive. `None` (default): as the
    /// interval. `Some(0)`: never give up.
    pub timeout_ms: Option<u64>,
    /// ZMQ_HEARTBEAT_TTL: what we ask the peer to wait for us, in steps of 100 ms, at most 65.5 s on the
    /// wire; 0 (default): as long as it likes.
    pub ttl_ms: u64,
}

/// Which silence was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Nothing came after our PING for ZMQ_HEARTBEAT_TIMEOUT.
    Timeout,
    /// Nothing came for the TTL of the peer's last PING.
    PeerTtl,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum HeartbeatAction {
    /// Send PING with this TTL and no context; ask again.
    SendPing {
        /// Tenths of a second, at most [`MAX_TTL_DS`].
        ttl_ds: u16,
    },
    /// Close the connection; a connecter reconnects.
    Expired(Expiry),
    /// Nothing until [`Heartbeat::deadline_ns`].
    None,
}

/// The timers of one connection, from the end of its handshake on. Only for 3.x peers.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    interval_ns: u64,
    timeout_ns: u64,
    ttl_ds: u16,
    next_ping_ns: Option<u64>,
    timeout_at_ns: Option<u64>,
    peer_ttl_at_ns: Option<u64>,
}

impl Heartbeat {
    /// Starts the interval: the first PING is due one interval after `now_ns`.
    pub fn new(config: HeartbeatConfig, now_ns: u64) -> Self {
        let interval_ns = config.interval_ms.saturating_mul(NS_PER_MS);
        let timeout_ms = config.timeout_ms.unwrap_or(config.interval_ms);
        let ttl_ds = (config.ttl_ms / 100).min(u64::from(MAX_TTL_DS)) as u16;
        Self {
            interval_ns,
            timeout_ns: timeout_ms.saturating_mul(NS_PER_MS),
            ttl_ds,
            next_ping_ns: (interval_ns > 0).then(|| now_ns.saturating_add(interval_ns)),
            timeout_at_ns: None,
            peer_ttl_at_ns: None,
        }
    }

    /// A frame of any kind arrived. Stops the timeout and TTL timers.
    #[inline]
    pub fn on_traffic(&mut self, _now_ns: u64) {
        self.timeout_at_ns = None;
        self.peer_ttl_at_ns = None;
    }

    /// A PING arrived; send PONG with its context. Counts as traffic by itself, and a TTL above zero starts
    /// the TTL timer. The full range of the field is honoured.
    pub fn on_ping(&mut self, ttl_ds: u16, now_ns: u64) {
        self.on_traffic(now_ns);
        if ttl_ds > 0 {
            let ttl_ns = u64::from(ttl_ds) * NS_PER_DS;
            self.peer_ttl_at_ns = Some(now_ns.saturating_add(ttl_ns));
        }
    }

    /// Our PING is only being written now: if its timeout runs, it starts again.
    pub fn restart_timeout(&mut self, now_ns: u64) {
        if let Some(timeout_at_ns) = &mut self.timeout_at_ns {
            *timeout_at_ns = now_ns.saturating_add(self.timeout_ns);
        }
    }

    /// What is due now. Expiry comes before a PING due at the same time. Call until it returns
    /// [`HeartbeatAction::None`] or an expiry.
    pub fn poll(&mut self, now_ns: u64) -> HeartbeatAction {
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now_ns);
        if is_due(self.timeout_at_ns) {
            return HeartbeatAction::Expired(Expiry::Timeout);
        }
        if is_due(self.peer_ttl_at_ns) {
            return HeartbeatAction::Expired(Expiry::PeerTtl);
        }
        if !is_due(self.next_ping_ns) {
            return HeartbeatAction::None;
        }
        self.next_ping_ns = Some(now_ns.saturating_add(self.interval_ns));
        // A running timeout timer is not restarted: it counts from the first unanswered PING.
        if self.timeout_ns > 0 && self.timeout_at_ns.is_none() {
            self.timeout_at_ns = Some(now_ns.saturating_add(self.timeout_ns));
        }
        HeartbeatAction::SendPing { ttl_ds: self.ttl_ds }
    }

    /// When [`Heartbeat::poll`] has something to do next; `None`: not before a PING with a TTL arrives.
    pub fn deadline_ns(&self) -> Option<u64> {
        [self.next_ping_ns, self.timeout_at_ns, self.peer_ttl_at_ns].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
