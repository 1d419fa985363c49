//! Connectors: attempts, back-off, and giving up when the peer broke the protocol.

use std::io;
use std::sync::Arc;

use zeroring_base::time::NS_PER_MS;

use super::connection::Origin;
use super::{EventLoop, Object, Timer};
use crate::io::command::{ConnectSpec, EndpointId, IoCommand};
use crate::io::driver::Token;
use crate::io::transport::{Connecting, Stream};
use crate::monitor::{EventKind, MonitorEvent, event};
use crate::options::{Backoff, ReconnectStop};
use crate::socket::SocketCommand;

/// Where a connector stands.
pub(super) enum Phase {
    /// Between attempts.
    Waiting,
    /// A name is being resolved.
    Resolving,
    /// The kernel is connecting.
    Connecting(Token, Box<dyn Connecting>),
    /// A stream exists; its connection has this token.
    Streaming(Token),
    /// The first attempt failed and shall not be repeated: the endpoint stays registered (libzmq-surface §5.9), and so
    /// does its pipe.
    Idle,
}

/// An endpoint that is kept connected.
pub(super) struct Connector {
    pub spec: ConnectSpec,
    backoff: Backoff,
    pub phase: Phase,
    /// Counts attempts; a timer of an earlier one is stale.
    attempt: u64,
    /// A resolver thread is at work, maybe still for an earlier attempt: the name is the same.
    is_resolver_running: bool,
    /// A stream was established once: with no back-off interval the endpoint then ends for good.
    was_connected: bool,
    /// The application disconnected it; it only lingers.
    pub is_disconnected: bool,
}

/// How a connector gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// The endpoint stays registered with its socket, dead (libzmq-surface §6.3).
    Dead,
    /// The socket forgets the endpoint.
    Forgotten,
}

impl EventLoop {
    pub(super) fn connect(&mut self, spec: ConnectSpec) {
        let options = &spec.options;
        let max_ms = i32::try_from(options.reconnect_interval_max_ms).unwrap_or(i32::MAX);
        let connector = Connector {
            backoff: Backoff::new(options.reconnect_interval_ms, max_ms),
            phase: Phase::Waiting,
            attempt: 0,
            is_resolver_running: false,
            was_connected: false,
            is_disconnected: false,
            spec,
        };
        let id = connector.spec.id;
        self.connectors.insert(id, connector);
        self.start_attempt(id);
    }

    fn start_attempt(&mut self, id: EndpointId) {
        let Some(connector) = self.connectors.get_mut(&id) else { return };
        connector.attempt += 1;
        connector.phase = Phase::Waiting;
        let (attempt, timeout_ms) = (connector.attempt, connector.spec.options.connect_timeout_ms);
        let transport = connector.spec.transport.clone();
        if timeout_ms > 0 {
            let deadline_ns = self.clock.now_ns() + u64::from(timeout_ms) * NS_PER_MS;
            self.timers.set(deadline_ns, Timer::ConnectTimeout(id, attempt));
        }
        let (address, options) = (connector.spec.address.clone(), connector.spec.options.clone());
        if !transport.must_resolve(&address, &options) {
            let result = transport.connect(&address, &options);
            return self.attempt_started(id, result);
        }
        connector.phase = Phase::Resolving;
        if connector.is_resolver_running {
            return; // one that takes long must not be joined by one more for each attempt
        }
        // Name resolution blocks: it gets a thread of its own, so that no other connection waits for it.
        let mailbox = self.own_mailbox.clone();
        let resolver = std::thread::Builder::new().name("ZRbg/resolve".into()).spawn(move || {
            mailbox.send(IoCommand::Resolved(id, transport.connect(&address, &options)));
        });
        match resolver {
            Ok(_detached) => connector.is_resolver_running = true,
            Err(error) => self.attempt_failed(id, &error, None),
        }
    }

    pub(super) fn resolver_answered(
        &mut self,
        id: EndpointId,
        result: io::Result<Box<dyn Connecting>>,
    ) {
        let Some(connector) = self.connectors.get_mut(&id) else { return };
        connector.is_resolver_running = false;
        if matches!(connector.phase, Phase::Resolving) {
            self.attempt_started(id, result);
        }
    }

    fn attempt_started(&mut self, id: EndpointId, result: io::Result<Box<dyn Connecting>>) {
        let Some(connector) = self.connectors.get_mut(&id) else { return };
        // Without a name to resolve there was a descriptor, which the transport closed again before it told us.
        let spec = &connector.spec;
        let closed = (!spec.transport.must_resolve(&spec.address, &spec.options)).then_some(-1);
        match result {
            Err(error) => self.attempt_failed(id, &error, closed),
            Ok(mut connecting) if connecting.is_immediate() => {
                let number = connecting.handle().number();
                let finished = connecting.finish();
                self.attempt_finished(id, number, finished);
            }
            Ok(connecting) => self.watch_attempt(id, connecting),
        }
    }

    fn watch_attempt(&mut self, id: EndpointId, connecting: Box<dyn Connecting>) {
        let token = self.new_token();
        if let Err(error) = self.driver.add_connecting(token, &*connecting) {
            return self.attempt_failed(id, &error, Some(connecting.handle().number()));
        }
        self.insert(token, Object::Connecting(id));
        let Some(connector) = self.connectors.get_mut(&id) else { return };
        const EINPROGRESS: u32 = 115;
        emit_remote(&connector.spec, EventKind::ConnectDelayed, EINPROGRESS, "");
        connector.phase = Phase::Connecting(token, connecting);
    }

    /// The kernel decided about an attempt.
    pub(super) fn attempt_decided(&mut self, token: Token, id: EndpointId) {
        let Some(connector) = self.connectors.get_mut(&id) else { return };
        match std::mem::replace(&mut connector.phase, Phase::Waiting) {
            Phase::Connecting(own, mut connecting) if own == token => {
                let number = connecting.handle().number();
                let finished = connecting.finish();
                self.remove(token);
                self.attempt_finished(id, number, finished);
            }
            other => connector.phase = other,
        }
    }

    fn attempt_finished(
        &mut self,
        id: EndpointId,
        number: i32,
        finished: io::Result<Arc<dyn Stream>>,
    ) {
        match finished {
            Err(error) => self.attempt_failed(id, &error, Some(number)),
            Ok(stream) => {
                let Some(connector) = self.connectors.get_mut(&id) else { return };
                connector.was_connected = true;
                connector.backoff.reset();
                let spec = &connector.spec;
                spec.socket.monitor().emit(MonitorEvent {
                    local_endpoint: stream.info().local_endpoint.clone(),
                    remote_endpoint: spec.endpoint.clone(),
                    ..event(EventKind::Connected, stream.handle().number() as u32)
                });
                let (socket, options) = (spec.socket.clone(), spec.options.clone());
                let link = spec.link.clone();
                self.begin_connection(Origin::Connector(id), stream, socket, options, link);
            }
        }
    }

    fn attempt_failed(&mut self, id: EndpointId, error: &io::Error, number: Option<i32>) {
        let Some(connector) = self.connectors.get_mut(&id) else { return };
        if let Some(number) = number {
            emit_remote(&connector.spec, EventKind::Closed, number as u32, &error.to_string());
        }
        let stop_bits = connector.spec.options.reconnect_stop_bits;
        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
        let is_tcp = connector.spec.transport.scheme() == "tcp";
        if refused && is_tcp && stop_bits & ReconnectStop::CONN_REFUSED != 0 {
            return self.give_up(id, GivenUp::Forgotten, &error.to_string());
        }
        let is_ipc = connector.spec.transport.scheme() == "ipc";
        let stops = is_ipc && stop_bits & ReconnectStop::AFTER_DISCONNECT != 0;
        if connector.is_disconnected && stops {
            return self.give_up(id, GivenUp::Forgotten, &error.to_string());
        }
        self.schedule_reconnect(id, &error.to_string());
    }

    pub(super) fn connect_timed_out(&mut self, id: EndpointId, attempt: u64) {
        let Some(connector) = self.connectors.get_mut(&id) else { return };
        if connector.attempt != attempt {
            return;
        }
        let number = match &connector.phase {
            Phase::Connecting(token, connecting) => {
                let (token, number) = (*token, connecting.handle().number());
                connector.phase = Phase::Waiting;
                self.remove(token);
                Some(number)
            }
            Phase::Resolving => None, // an answer that comes between attempts counts for nothing
            Phase::Waiting | Phase::Streaming(_) | Phase::Idle => return,
        };
        self.attempt_failed(id, &io::Error::from(io::ErrorKind::TimedOut), number);
    }

    /// Waits before the next attempt, if there shall be one.
    fn schedule_reconnect(&mut self, id: EndpointId, why: &str) {
        let random = self.rng.next_u64();
        let Some(connector) = self.connectors.get_mut(&id) else { return };
        connector.attempt += 1; // what is still under way is stale
        connector.phase = Phase::Waiting;
        let Some(wait_ms) = connector.backoff.next_wait_ms(random) else {
            if connector.was_connected {
                return self.give_up(id, GivenUp::Forgotten, why);
            }
            connector.phase = Phase::Idle;
            if let Some(link) = connector.spec.link.clone() {
                self.closing_link_is_idle(&link);
            }
            return;
        };
        emit_remote(&connector.spec, EventKind::ConnectRetried, wait_ms, why);
        let (attempt, due_ns) =
            (connector.attempt, self.clock.now_ns() + u64::from(wait_ms) * NS_PER_MS);
        self.timers.set(due_ns, Timer::Reconnect(id, attempt));
    }

    pub(super) fn reconnect_due(&mut self, id: EndpointId, attempt: u64) {
        let waits = self
            .connectors
            .get(&id)
            .is_some_and(|c| c.attempt == attempt && matches!(c.phase, Phase::Waiting));
        if waits {
            self.start_attempt(id);
        }
    }

    /// A connector's stream is being served.
    pub(super) fn connector_has_stream(&mut self, id: EndpointId, token: Token) {
        if let Some(connector) = self.connectors.get_mut(&id) {
            connector.phase = Phase::Streaming(token);
        }
    }

    /// A connector's stream is over. `fatal`: the peer broke the protocol, do not come back.
    pub(super) fn connector_lost_stream(&mut self, id: EndpointId, fatal: bool, why: &str) {
        if fatal {
            self.give_up(id, GivenUp::Dead, why);
        } else {
            self.schedule_reconnect(id, why);
        }
    }

    /// Never connects again: the pipe ends, so that nothing is queued for nobody.
    fn give_up(&mut self, id: EndpointId, how: GivenUp, why: &str) {
        let Some(connector) = self.connectors.remove(&id) else { return };
        let spec = connector.spec;
        tracing::warn!(endpoint = spec.endpoint, why, "not connecting again");
        // Told first: who sees that the pipe is gone may connect again at once.
        if how == GivenUp::Forgotten {
            spec.socket.send(SocketCommand::EndpointOver(id));
        }
        if let Some(link) = &spec.link {
            self.finish_link(link);
        }
    }

    /// Forgets a connector and whatever attempt it has under way.
    pub(super) fn remove_connector(&mut self, id: EndpointId) {
        let Some(connector) = self.connectors.remove(&id) else { return };
        if let Phase::Connecting(token, connecting) = connector.phase {
            self.remove(token);
            emit_remote(
                &connector.spec,
                EventKind::Closed,
                connecting.handle().number() as u32,
                "",
            );
        }
    }
}

fn emit_remote(spec: &ConnectSpec, kind: EventKind, value: u32, detail: &str) {
    spec.socket.monitor().emit(MonitorEvent {
        remote_endpoint: spec.endpoint.clone(),
        detail: detail.to_owned(),
        ..event(kind, value)
    });
}
