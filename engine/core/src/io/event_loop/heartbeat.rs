//! Heartbeats of established connections: sends the PINGs that are due and ends what is silent for too long.
//!
//! Nobody is called silent while it is our own doing: what the driver or the kernel still holds is read first, and a PING
//! that waits behind a large message counts only once it is written, as long as the message moves.

use std::sync::Arc;

use zeroring_zmtp::command::encode_ping;
use zeroring_zmtp::heartbeat::{Heartbeat, HeartbeatAction, HeartbeatConfig};

use super::connection::{End, Phase};
use super::{EventLoop, Timer};
use crate::io::driver::Token;
use crate::io::link::{Link, RxOwner};
use crate::options::SocketOptions;

/// The heartbeat of one connection.
pub(super) struct Pulse {
    heartbeat: Heartbeat,
    /// The link's activity at the last look.
    activity_seen: u64,
    /// Our PING waits to be written; what the link had written at the last look.
    ping_waits_at_bytes: Option<u64>,
    /// Was silent for too long at the last look. The driver may have something that it has not told yet.
    is_suspect: bool,
}

impl Pulse {
    pub fn new(options: &SocketOptions, link: &Link, now_ns: u64) -> Self {
        if options.heartbeat_interval_ms > 0 {
            link.note_heartbeat();
        }
        let config = HeartbeatConfig {
            interval_ms: u64::from(options.heartbeat_interval_ms),
            timeout_ms: options.heartbeat_timeout_ms.map(u64::from),
            ttl_ms: u64::from(options.heartbeat_ttl_deciseconds) * 100,
        };
        Self {
            heartbeat: Heartbeat::new(config, now_ns),
            activity_seen: link.activity(),
            ping_waits_at_bytes: None,
            is_suspect: false,
        }
    }

    /// What happened since the last look counts, whoever read or wrote it.
    fn look(&mut self, link: &Link, now_ns: u64) {
        // An application that does not read stops the reading, and with it the proof of life: then the peer is not to
        // blame.
        let activity = link.activity();
        if activity != self.activity_seen || link.try_rx().is_none_or(|rx| rx.is_stalled()) {
            self.activity_seen = activity;
            self.is_suspect = false;
            self.heartbeat.on_traffic(now_ns);
        }
        if let Some(before_bytes) = self.ping_waits_at_bytes {
            self.look_at_ping(link);
            if self.ping_waits_at_bytes != Some(before_bytes) {
                self.heartbeat.restart_timeout(now_ns);
            }
        }
    }

    fn look_at_ping(&mut self, link: &Link) {
        let tx = link.tx();
        self.ping_waits_at_bytes = tx.has_control().then(|| tx.written_bytes());
    }
}

impl EventLoop {
    fn pulse_mut(&mut self, token: Token) -> Option<(&Arc<Link>, &mut Pulse)> {
        match &mut self.connection_mut(token)?.phase {
            Phase::Traffic { link, pulse: Some(pulse) } => Some((link, pulse)),
            _ => None,
        }
    }

    /// Sees to it that the heartbeat is looked at by its deadline. A connection has one timer for that, however often the
    /// deadline moves: a later one needs nothing, the timer finds out when it fires.
    pub(super) fn schedule_heartbeat(&mut self, token: Token) {
        let Some((_, pulse)) = self.pulse_mut(token) else { return };
        if let Some(deadline_ns) = pulse.heartbeat.deadline_ns() {
            self.look_by(token, deadline_ns);
        }
    }

    fn look_by(&mut self, token: Token, deadline_ns: u64) {
        let Some(connection) = self.connection_mut(token) else { return };
        if connection.timer.is_some_and(|timer| timer.deadline_ns <= deadline_ns) {
            return;
        }
        if let Some(later) = connection.timer.take() {
            self.timers.cancel(later);
        }
        let timer = self.timers.set(deadline_ns, Timer::Heartbeat(token));
        if let Some(connection) = self.connection_mut(token) {
            connection.timer = Some(timer);
        }
    }

    pub(super) fn heartbeat_due(&mut self, token: Token) {
        let now_ns = self.clock.now_ns();
        let Some(connection) = self.connection_mut(token) else { return };
        connection.timer = None;
        let Some((link, pulse)) = self.pulse_mut(token) else { return };
        pulse.look(link, now_ns);
        let (link, due) = (link.clone(), pulse.heartbeat.poll(now_ns));
        match due {
            HeartbeatAction::Expired(_) => return self.found_silent(token, &link),
            HeartbeatAction::SendPing { ttl_ds } => self.send_ping(token, &link, ttl_ds),
            HeartbeatAction::None => {}
        }
        self.schedule_heartbeat(token);
    }

    fn send_ping(&mut self, token: Token, link: &Arc<Link>, ttl_ds: u16) {
        let Some((_, pulse)) = self.pulse_mut(token) else { return };
        if pulse.ping_waits_at_bytes.is_some() {
            return; // the one before is not written yet
        }
        let mut frame = Vec::new();
        encode_ping(ttl_ds, &[], &mut frame);
        link.tx().queue_ping(&frame);
        self.flush_and_watch(link);
        if let Some((_, pulse)) = self.pulse_mut(token) {
            pulse.look_at_ping(link);
        }
    }

    /// Nothing was seen for too long. It may only not have been read: by an application that has the descriptor on loan
    /// and is busy, or by this thread, which was busy itself. So there is a second look, after the driver was asked.
    fn found_silent(&mut self, token: Token, link: &Arc<Link>) {
        self.read_on_loan(token, link);
        let Some((_, pulse)) = self.pulse_mut(token) else { return };
        if link.activity() == pulse.activity_seen {
            if pulse.is_suspect {
                return self.end_connection(token, End::Silent);
            }
            pulse.is_suspect = true;
        }
        let next_turn_ns = self.clock.now_ns() + 1;
        self.look_by(token, next_turn_ns);
    }

    /// Reads for an application that has the descriptor on loan.
    fn read_on_loan(&mut self, token: Token, link: &Arc<Link>) {
        let driven = {
            let mut rx = link.rx();
            if link.rx_owner() != RxOwner::App {
                return; // changes under this lock only
            }
            rx.drive(&mut self.pool, link)
        };
        if let Some(end) = driven.end {
            self.end_connection(token, End::Stream(end));
        }
    }

    /// A PING with a time-to-live came.
    pub(super) fn peer_ping(&mut self, link: &Arc<Link>) {
        let Some(ttl_ds) = link.take_peer_ttl() else { return };
        let now_ns = self.clock.now_ns();
        let Some(token) = self.token_of(link) else { return };
        if let Some((link, pulse)) = self.pulse_mut(token) {
            pulse.activity_seen = link.activity();
            pulse.is_suspect = false;
            pulse.heartbeat.on_ping(ttl_ds, now_ns);
        }
        self.schedule_heartbeat(token);
    }
}
