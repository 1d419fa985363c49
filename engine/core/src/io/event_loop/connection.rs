//! One stream from its first byte to its last: handshake, traffic, end.

use std::io::{self, IoSlice};
use std::sync::Arc;

use zeroring_base::Bytes;
use zeroring_base::time::NS_PER_MS;
use zeroring_zmtp::SocketType;
use zeroring_zmtp::greeting::Version;
use zeroring_zmtp::handshake::{
    Established, Handshake, HandshakeConfig, HandshakeError, MonitorCode,
};

use super::heartbeat::Pulse;
use super::timers::TimerId;
use super::{EventLoop, Object, Timer};
use crate::io::command::EndpointId;
use crate::io::driver::Token;
use crate::io::link::{Link, LinkRx, LinkTx, RxEnd, RxOwner};
use crate::io::transport::Stream;
use crate::monitor::{EventKind, MonitorEvent, event};
use crate::options::{ReconnectStop, SocketOptions};
use crate::pipe::{Gather, one_way};
use crate::socket::{NewPipe, PeerInfo, PipePeer, SocketCommand, SocketHandle};

/// Who began a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Listener(EndpointId),
    Connector(EndpointId),
}

/// A stream being served.
pub(super) struct Connection {
    pub origin: Origin,
    pub stream: Arc<dyn Stream>,
    pub socket: SocketHandle,
    options: Arc<SocketOptions>,
    pub phase: Phase,
    /// Ends the handshake when it takes too long; then looks at the heartbeat.
    pub timer: Option<TimerId>,
    /// The driver is asked to read.
    reads: bool,
    /// A pause was asked for and not answered: bytes that the driver read may still come.
    is_pausing: bool,
}

/// How far a stream has come.
pub(super) enum Phase {
    Handshake {
        handshake: Box<Handshake>,
        /// Output the kernel has not taken yet.
        unsent: Vec<u8>,
        /// The connector's pipe, if it exists already.
        link: Option<Arc<Link>>,
    },
    Traffic {
        link: Arc<Link>,
        /// `None` for peers that know no PING.
        pulse: Option<Pulse>,
    },
}

impl Connection {
    /// The link, once the handshake is over.
    pub fn link(&self) -> Option<&Arc<Link>> {
        match &self.phase {
            Phase::Traffic { link, .. } => Some(link),
            Phase::Handshake { .. } => None,
        }
    }

    /// The link the stream is for, also during the handshake.
    fn owner_link(&self) -> Option<&Arc<Link>> {
        match &self.phase {
            Phase::Traffic { link, .. } => Some(link),
            Phase::Handshake { link, .. } => link.as_ref(),
        }
    }

    fn event(&self, kind: EventKind, value: u32, detail: &str) -> MonitorEvent {
        let info = self.stream.info();
        MonitorEvent {
            local_endpoint: info.local_endpoint.clone(),
            remote_endpoint: info.remote_endpoint.clone(),
            on_listener: matches!(self.origin, Origin::Listener(_)),
            detail: detail.to_owned(),
            ..event(kind, value)
        }
    }
}

/// Why a connection ended.
pub(super) enum End {
    /// The stream is over or broken.
    Stream(RxEnd),
    /// The handshake failed.
    Handshake(HandshakeError),
    /// The peer was silent for too long.
    Silent,
    /// We close it ourselves; nobody is told.
    Ours,
}

impl EventLoop {
    /// Serves a new stream.
    pub(super) fn begin_connection(
        &mut self,
        origin: Origin,
        stream: Arc<dyn Stream>,
        socket: SocketHandle,
        options: Arc<SocketOptions>,
        link: Option<Arc<Link>>,
    ) {
        let token = self.new_token();
        if let Err(error) = self.driver.add_stream(token, &stream, true) {
            tracing::error!(%error, "the driver cannot watch a new connection");
            return self.stream_lost(origin, false, &error.to_string());
        }
        let is_raw = socket.kind() == SocketType::Stream || options.router_raw;
        let handshake = match handshake_for(&socket, &options, is_raw) {
            Ok(handshake) => handshake,
            Err(error) => {
                tracing::error!(%error, "an option cannot be put on the wire");
                self.driver.deregister(token);
                return self.stream_lost(origin, true, &error);
            }
        };
        let phase = Phase::Handshake { handshake: Box::new(handshake), unsent: Vec::new(), link };
        let interval_ms = options.handshake_interval_ms;
        let connection = Connection {
            origin,
            stream,
            socket,
            options,
            phase,
            timer: None,
            reads: true,
            is_pausing: false,
        };
        self.insert(token, Object::Connection(Box::new(connection)));
        if let Origin::Connector(id) = origin {
            self.connector_has_stream(id, token); // before the first write, which may be its end
        }
        if is_raw {
            return self.established(token, raw_established());
        }
        if interval_ms > 0 {
            let deadline_ns = self.clock.now_ns() + u64::from(interval_ms) * NS_PER_MS;
            let timer = self.timers.set(deadline_ns, Timer::Handshake(token));
            if let Some(connection) = self.connection_mut(token) {
                connection.timer = Some(timer);
            }
        }
        if let Some(Connection { phase: Phase::Handshake { handshake, .. }, .. }) =
            self.connection_mut(token)
        {
            handshake.start();
        }
        self.send_handshake_output(token);
    }

    // ---- Events -------------------------------------------------------------------------------------------------

    pub(super) fn readable(&mut self, token: Token) {
        let Some(connection) = self.connection_mut(token) else {
            return self.read_departing(token);
        };
        match &connection.phase {
            Phase::Handshake { .. } => self.read_handshake(token),
            Phase::Traffic { link, .. } => {
                let link = link.clone();
                self.read_traffic(token, &link);
            }
        }
    }

    fn read_traffic(&mut self, token: Token, link: &Arc<Link>) {
        let (driven, stalled) = {
            let mut rx = link.rx();
            let driven = rx.drive(&mut self.pool, link);
            (driven, rx.is_stalled())
        };
        if stalled {
            self.set_reading(token, false); // go on when the application has read
        }
        if let Some(end) = driven.end {
            self.end_connection(token, End::Stream(end));
        }
    }

    pub(super) fn received(&mut self, token: Token, bytes: &Bytes) {
        let Some(connection) = self.connection_mut(token) else { return };
        match &connection.phase {
            Phase::Handshake { .. } => self.feed_handshake(token, bytes),
            Phase::Traffic { link, .. } => {
                let link = link.clone();
                self.feed_traffic(token, &link, bytes);
            }
        }
    }

    fn feed_traffic(&mut self, token: Token, link: &Arc<Link>, bytes: &Bytes) {
        let (driven, stalled) = {
            let mut rx = link.rx();
            let driven = rx.feed(&mut self.pool, link, bytes);
            (driven, rx.is_stalled())
        };
        if stalled {
            self.set_reading(token, false);
        }
        if let Some(end) = driven.end {
            self.end_connection(token, End::Stream(end));
        }
    }

    pub(super) fn end_of_stream(&mut self, token: Token) {
        self.nothing_more_comes(token, RxEnd::PeerClosed);
    }

    pub(super) fn read_failed(&mut self, token: Token, error: &io::Error) {
        self.nothing_more_comes(token, RxEnd::from_io(error));
    }

    /// The driver found the end. What it brought before may still wait for the application to read.
    fn nothing_more_comes(&mut self, token: Token, end: RxEnd) {
        let Some(connection) = self.connection_mut(token) else { return self.departed(token) };
        let end = match connection.link() {
            Some(link) => link.rx().end_behind_held(end),
            None => Some(end),
        };
        if let Some(end) = end {
            self.end_connection(token, End::Stream(end));
        }
    }

    pub(super) fn writable(&mut self, token: Token) {
        match self.objects.get(&token) {
            Some(Object::Connecting(id)) => {
                let id = *id;
                self.attempt_decided(token, id);
            }
            Some(Object::Connection(connection)) => match connection.link() {
                Some(link) => {
                    let link = link.clone();
                    self.flush_and_watch(&link);
                }
                None => self.send_handshake_output(token),
            },
            _ => {}
        }
    }

    /// Whoever drove the link reports the end of its stream.
    pub(super) fn stream_ended(&mut self, link: &Arc<Link>, generation: u64, end: RxEnd) {
        if link.generation() == generation
            && let Some(token) = self.token_of(link)
        {
            self.end_connection(token, End::Stream(end));
        }
    }

    /// Credit came back to a pipe whose connection had stopped reading. What is here already is published; the driver
    /// reads the rest, so that bytes it holds and bytes still in the kernel keep their order.
    pub(super) fn resume_reading(&mut self, link: &Arc<Link>) {
        link.resume_begins();
        let Some(token) = self.token_of(link) else { return };
        let (driven, stalled) = {
            let mut rx = link.rx();
            (rx.publish_waiting(&mut self.pool, link), rx.is_stalled())
        };
        if let Some(end) = driven.end {
            return self.end_connection(token, End::Stream(end));
        }
        if link.rx_owner() == RxOwner::Io && !stalled {
            self.set_reading(token, true);
        }
    }

    /// Has the driver read, or not. While a pause is not answered the driver is left alone: the answer settles what is
    /// wanted by then.
    pub(super) fn set_reading(&mut self, token: Token, read: bool) {
        let Some(connection) = self.connection_mut(token) else { return };
        if connection.reads == read {
            return;
        }
        connection.reads = read;
        if !connection.is_pausing {
            connection.is_pausing = !read;
            self.driver.set_read(token, read);
        }
    }

    /// The driver answered a pause. True if it has let go of the stream and is not wanted back.
    pub(super) fn pause_answered(&mut self, token: Token) -> bool {
        let Some(connection) = self.connection_mut(token) else { return false };
        connection.is_pausing = false;
        let wanted_back = connection.reads;
        if wanted_back {
            self.driver.set_read(token, true);
        }
        !wanted_back
    }

    /// True if the driver has let go of the stream already.
    pub(super) fn is_paused(&mut self, token: Token) -> bool {
        self.connection_mut(token).is_some_and(|c| !c.is_pausing && !c.reads)
    }

    // ---- Handshake ----------------------------------------------------------------------------------------------

    fn read_handshake(&mut self, token: Token) {
        let mut chunk = [0; 4096];
        loop {
            let Some(connection) = self.connection_mut(token) else { return };
            if connection.link().is_some() {
                return self.readable(token); // established in the middle: the rest is traffic
            }
            match connection.stream.try_recv(&mut chunk) {
                Ok(0) => {
                    return self.end_connection(token, End::Handshake(HandshakeError::PeerClosed));
                }
                Ok(n) => self.feed_handshake(token, &Bytes::copy_from_slice(&chunk[..n])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.read_failed(token, &error),
            }
        }
    }

    fn feed_handshake(&mut self, token: Token, bytes: &Bytes) {
        let Some(connection) = self.connection_mut(token) else { return };
        let Phase::Handshake { handshake, .. } = &mut connection.phase else { return };
        let fed = handshake.handle_input(bytes);
        let outcome = handshake.outcome();
        self.send_handshake_output(token);
        match fed {
            Err(error) => self.end_connection(token, End::Handshake(error)),
            Ok(consumed) => {
                if let Some(established) = outcome {
                    self.established(token, established);
                    if consumed < bytes.len() {
                        self.received(token, &bytes.slice(consumed, bytes.len()));
                    }
                }
            }
        }
    }

    fn send_handshake_output(&mut self, token: Token) {
        let Some(connection) = self.connection_mut(token) else { return };
        let Phase::Handshake { handshake, unsent, .. } = &mut connection.phase else { return };
        unsent.extend_from_slice(&handshake.take_output());
        while !unsent.is_empty() {
            match connection.stream.try_send(&[IoSlice::new(unsent)]) {
                Ok(n) => drop(unsent.drain(..n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.driver.want_write(token);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.read_failed(token, &error),
            }
        }
    }

    pub(super) fn handshake_timed_out(&mut self, token: Token) {
        let Some(connection) = self.connection_mut(token) else { return };
        let limit_ms = u64::from(connection.options.handshake_interval_ms);
        if let Phase::Handshake { handshake, .. } = &connection.phase
            && handshake.is_timed()
        {
            self.end_connection(token, End::Handshake(HandshakeError::TimedOut { limit_ms }));
        }
    }

    /// The handshake is over: joins the stream to a pipe and tells the socket.
    fn established(&mut self, token: Token, established: Established) {
        let Some(Object::Connection(connection)) = self.objects.get_mut(&token) else { return };
        let Phase::Handshake { link, unsent, .. } = &mut connection.phase else { return };
        let (existing, unsent) = (link.take(), std::mem::take(unsent));
        let is_raw =
            connection.socket.kind() == SocketType::Stream || connection.options.router_raw;
        let succeeded = (!is_raw).then(|| connection.event(EventKind::HandshakeSucceeded, 0, ""));
        let peer = Arc::new(PeerInfo::new(&established, &connection.stream));
        let (socket, options) = (connection.socket.clone(), connection.options.clone());
        let (origin, stream) = (connection.origin, connection.stream.clone());
        let version = established.version;
        let (link, attach) = match existing {
            Some(link) => {
                let command = SocketCommand::Connected(link.pipe, peer.clone());
                (link, command)
            }
            None => self.new_pipe(&socket, &options, origin, peer.clone(), &established),
        };
        {
            let mut rx = link.rx();
            rx.attach(stream.clone(), version == Version::V1_0, is_raw);
            let mut tx = link.tx();
            tx.attach(stream, version, is_raw);
            tx.queue_first(&unsent);
            link.set_rx_owner(&rx, RxOwner::Io); // before anybody may ask for a lease
            link.set_connected(true);
        }
        self.connection_of_link.insert(link.id, token);
        let now_ns = self.clock.now_ns();
        let pulse =
            (version >= Version::V3_0 && !is_raw).then(|| Pulse::new(&options, &link, now_ns));
        if let Some(connection) = self.connection_mut(token) {
            connection.phase = Phase::Traffic { link: link.clone(), pulse };
            if let Some(timer) = connection.timer.take() {
                self.timers.cancel(timer);
            }
        }
        socket.send(attach);
        // Behind the pipe: who hears of it and sends must find the peer there.
        succeeded.into_iter().for_each(|event| socket.monitor().emit(event));
        self.schedule_heartbeat(token);
        self.flush_and_watch(&link);
    }

    fn new_pipe(
        &mut self,
        socket: &SocketHandle,
        options: &Arc<SocketOptions>,
        origin: Origin,
        peer: Arc<PeerInfo>,
        established: &Established,
    ) -> (Arc<Link>, SocketCommand) {
        let kind = socket.kind();
        let conflate = options.conflate;
        let (out_writer, out_reader) =
            one_way(options.send_hwm_messages, conflate && conflates_outgoing(kind));
        let (in_writer, in_reader) =
            one_way(options.recv_hwm_messages, conflate && conflates_incoming(kind));
        let halves = (LinkRx::new(in_writer, options, kind), LinkTx::new(Gather::new(out_reader)));
        let pipe = socket.next_pipe();
        let link_id = socket.next_link();
        let link = Link::new(link_id, pipe, socket.clone(), self.own_mailbox.clone(), halves);
        let endpoint = match origin {
            Origin::Listener(id) | Origin::Connector(id) => id,
        };
        let new = NewPipe {
            id: pipe,
            writer: out_writer,
            reader: in_reader,
            peer: PipePeer::Link(link.clone()),
            info: Some(peer),
            announced: None,
            peer_marks: None,
            assigned_id: Vec::new(),
            endpoint,
            subscribe_all: established.implicit_subscribe_all,
            survives_reconnect: false,
        };
        (link, SocketCommand::Attach(Box::new(new)))
    }

    // ---- End ----------------------------------------------------------------------------------------------------

    /// Ends a connection, tells the monitor and the socket, and has the connector try again if that is right.
    pub(super) fn end_connection(&mut self, token: Token, end: End) {
        let Some(Object::Connection(connection)) = self.remove(token) else { return };
        if let Some(timer) = connection.timer {
            self.timers.cancel(timer);
        }
        let link = connection.owner_link().cloned();
        if let Some(link) = &link {
            self.separate(link);
        }
        let persistent = matches!(connection.origin, Origin::Connector(_))
            && !connection.options.immediate
            && link.is_some();
        if let Some(link) = &link {
            self.let_go_of_stream(link, connection.link().is_some(), persistent);
        }
        // Told only now: who hears of it and sends must not reach the dead stream any more.
        emit_end(&connection, &end);
        if !matches!(end, End::Ours) {
            let stop_bits = connection.options.reconnect_stop_bits;
            let is_shaking_hands = connection.link().is_none();
            let fatal = match &end {
                _ if is_shaking_hands && stop_bits & ReconnectStop::HANDSHAKE_FAILED != 0 => true,
                End::Handshake(error) => error.is_fatal_for_connecter(),
                End::Stream(RxEnd::Protocol(_)) => true,
                _ => false,
            };
            self.stream_lost(connection.origin, fatal, &describe(&end));
        }
    }

    /// Nobody finds the link's stream by it any more.
    pub(super) fn separate(&mut self, link: &Arc<Link>) {
        self.connection_of_link.remove(&link.id);
        self.leased.forget(link);
        link.set_connected(false);
        let rx = link.rx();
        link.set_rx_owner(&rx, RxOwner::Io);
    }

    fn let_go_of_stream(&mut self, link: &Arc<Link>, was_traffic: bool, persistent: bool) {
        if persistent {
            let end_bytes = {
                let mut rx = link.rx();
                rx.detach();
                rx.published_bytes()
            };
            link.tx().detach(link);
            if was_traffic {
                link.socket.send(SocketCommand::Disconnected(link.pipe, end_bytes));
            }
            self.closing_link_lost_stream(link);
        } else {
            link.rx().close();
            link.tx().close();
            self.watched.forget(link);
            self.closing.remove(&link.id);
            link.socket.send(SocketCommand::Gone(link.pipe));
        }
    }

    fn stream_lost(&mut self, origin: Origin, fatal: bool, why: &str) {
        if let Origin::Connector(id) = origin {
            self.connector_lost_stream(id, fatal, why);
        }
    }
}

fn handshake_for(
    socket: &SocketHandle,
    options: &SocketOptions,
    is_raw: bool,
) -> Result<Handshake, String> {
    // A raw stream shakes no hands: its machine is never started.
    let kind = if is_raw { SocketType::Dealer } else { socket.kind() };
    let mut config = HandshakeConfig::new(kind);
    config.routing_id = if is_raw { Vec::new() } else { options.routing_id.clone() };
    config.metadata = options
        .metadata
        .iter()
        .map(|property| {
            (String::from_utf8_lossy(&property.name).into_owned(), property.value.clone())
        })
        .collect();
    config.zap_domain_set = false; // the ZAP client comes with the security mechanisms
    Handshake::new(config).map_err(|error| error.to_string())
}

fn raw_established() -> Established {
    Established {
        version: Version::V3_1,
        peer_socket_type: None,
        peer_routing_id: Vec::new(),
        properties: Vec::new(),
        implicit_subscribe_all: false,
        session: None,
    }
}

/// CONFLATE holds for messages; subscriptions flow the other way and are all kept.
pub(crate) fn conflates_outgoing(kind: SocketType) -> bool {
    matches!(kind, SocketType::Push | SocketType::Pub | SocketType::Dealer)
}

/// See [`conflates_outgoing`].
pub(crate) fn conflates_incoming(kind: SocketType) -> bool {
    matches!(kind, SocketType::Pull | SocketType::Sub | SocketType::Dealer)
}

fn describe(end: &End) -> String {
    match end {
        End::Stream(RxEnd::PeerClosed) => "the peer closed the connection".into(),
        End::Stream(RxEnd::Io(errno)) => io::Error::from_raw_os_error(*errno).to_string(),
        End::Stream(RxEnd::Protocol(text)) => text.clone(),
        End::Stream(RxEnd::NoMemory) => {
            "no memory for a message of the peer; set MAXMSGSIZE".into()
        }
        End::Stream(RxEnd::ByApplication) => "closed by the application".into(),
        End::Handshake(error) => error.to_string(),
        End::Silent => "the peer was silent for longer than its heartbeat allows".into(),
        End::Ours => String::new(),
    }
}

fn emit_end(connection: &Connection, end: &End) {
    if matches!(end, End::Ours) {
        return;
    }
    const EPIPE: u32 = 32;
    let detail = describe(end);
    let monitor = connection.socket.monitor();
    if connection.link().is_none() {
        let failed = match end {
            End::Handshake(error) => match error.monitor_code() {
                MonitorCode::None => None,
                MonitorCode::Protocol(code) => Some((EventKind::HandshakeFailedProtocol, code)),
                MonitorCode::Auth(status) => {
                    Some((EventKind::HandshakeFailedAuth, u32::from(status)))
                }
                MonitorCode::NoDetail => Some((EventKind::HandshakeFailedNoDetail, EPIPE)),
            },
            End::Stream(RxEnd::Io(errno)) => {
                Some((EventKind::HandshakeFailedNoDetail, *errno as u32))
            }
            _ => Some((EventKind::HandshakeFailedNoDetail, EPIPE)),
        };
        if let Some((kind, value)) = failed {
            monitor.emit(connection.event(kind, value, &detail));
        }
    }
    let number = connection.stream.handle().number() as u32;
    monitor.emit(connection.event(EventKind::Disconnected, number, &detail));
}
