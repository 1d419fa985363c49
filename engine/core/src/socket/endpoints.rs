//! bind, connect, unbind, disconnect: endpoints by text (libzmq-surface §8).

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use zeroring_base::mailbox::Sender;
use zeroring_zmtp::SocketType;

use super::{NewPipe, PipeId, PipePeer, SocketCommand, SocketCore};
use crate::context::inproc::{Bound, Pending};
use crate::endpoint::Endpoint;
use crate::error::EndpointFault;
use crate::io::command::{ConnectSpec, EndpointId, IoCommand, ListenSpec};
use crate::io::directory::{Chosen, Entry};
use crate::io::event_loop::{conflates_incoming, conflates_outgoing};
use crate::io::link::{Link, LinkRx, LinkTx};
use crate::io::transport::{Listener, Transport};
use crate::monitor::{EventKind, MonitorEvent, event};
use crate::options::SocketOptions;
use crate::pipe::{Gather, PipeReader, PipeWriter, inproc_high_water_mark, one_way};

const INPROC: &str = "inproc";

/// What a socket is bound and connected to.
#[derive(Default)]
pub(super) struct Endpoints {
    by_text: BTreeMap<String, Vec<Registered>>,
    last: String,
}

#[derive(Clone)]
struct Registered {
    id: EndpointId,
    is_bind: bool,
    /// The thread that serves it; `None` for inproc.
    thread: Option<Sender<IoCommand>>,
    /// A bound endpoint's listener and its mark of being stopped.
    listener: Option<(Arc<dyn Listener>, Arc<AtomicBool>)>,
}

impl Endpoints {
    fn add(&mut self, text: &str, registered: Registered) {
        self.by_text.entry(text.to_owned()).or_default().push(registered);
        text.clone_into(&mut self.last);
    }
}

impl SocketCore {
    /// The endpoint of the last successful bind (resolved) or connect (as given); empty if there was none.
    pub fn last_endpoint(&self) -> &str {
        &self.endpoints.last
    }

    /// Listens on an endpoint. Returns its resolved text.
    ///
    /// # Errors
    /// See [`EndpointFault`].
    pub fn bind(&mut self, text: &str) -> Result<String, EndpointFault> {
        self.check_running()?;
        let endpoint = Endpoint::parse(text)?;
        if endpoint.scheme() == INPROC {
            return self.bind_inproc(text);
        }
        let transport = self.transport_for(&endpoint, text)?;
        let Chosen { thread: Entry { mailbox: thread, .. }, share } = self.io_thread(text)?;
        let listener = transport.bind(endpoint.address(), &self.options).map_err(|source| {
            self.tell_of_failed_bind(&endpoint, text, &source);
            EndpointFault::Io { endpoint: text.to_owned(), source }
        })?;
        let resolved = listener.endpoint().to_owned();
        let number = listener.handle().number() as u32;
        self.emit_on_listener(EventKind::Listening, number, &resolved, "");
        let id = EndpointId(self.handle.next_link());
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stopping = Some((listener.clone(), is_stopped.clone()));
        let spec = ListenSpec {
            id,
            listener,
            is_stopped,
            socket: self.handle.clone(),
            options: Arc::new(self.options.clone()),
        };
        thread.send(IoCommand::Listen(Box::new(spec), share));
        self.endpoints.add(
            &resolved,
            Registered { id, is_bind: true, thread: Some(thread), listener: stopping },
        );
        Ok(resolved)
    }

    /// libzmq-surface §9.3: a descriptor that could not be bound is closed first, and tcp's has no address yet. An address
    /// that means nothing here does not come that far.
    fn tell_of_failed_bind(&self, endpoint: &Endpoint, text: &str, source: &io::Error) {
        const NO_DESCRIPTOR: u32 = u32::MAX; // -1: it is closed already
        let detail = source.to_string();
        let errno = Errno::from_io_error(source);
        if !matches!(errno, None | Some(Errno::NODEV | Errno::INVAL | Errno::NAMETOOLONG)) {
            let address = if endpoint.scheme() == "tcp" { "" } else { text };
            self.emit_on_listener(EventKind::Closed, NO_DESCRIPTOR, address, &detail);
        }
        let number = source.raw_os_error().unwrap_or(0) as u32;
        self.emit_on_listener(EventKind::BindFailed, number, endpoint.address(), &detail);
    }

    fn emit_on_listener(&self, kind: EventKind, value: u32, address: &str, detail: &str) {
        self.handle.monitor().emit(MonitorEvent {
            local_endpoint: address.to_owned(),
            on_listener: true,
            detail: detail.to_owned(),
            ..event(kind, value)
        });
    }

    /// Connects to an endpoint and stays connected. Success does not mean that the peer is there.
    ///
    /// # Errors
    /// See [`EndpointFault`].
    pub fn connect(&mut self, text: &str) -> Result<(), EndpointFault> {
        self.check_running()?;
        let endpoint = Endpoint::parse(text)?;
        self.check_connect_routing_id(text)?;
        if endpoint.scheme() == INPROC {
            self.connect_inproc(text);
            return Ok(());
        }
        let transport = self.transport_for(&endpoint, text)?;
        transport
            .check_connect(endpoint.address(), &self.options)
            .map_err(|source| EndpointFault::Io { endpoint: text.to_owned(), source })?;
        if self.ignores_second_connect(text) {
            return Ok(());
        }
        let Chosen { thread: Entry { mailbox: thread, .. }, share } = self.io_thread(text)?;
        let id = EndpointId(self.handle.next_link());
        let options = Arc::new(self.options.clone());
        let link = (!options.immediate).then(|| self.attach_connecting(id, &options, &thread));
        let spec = ConnectSpec {
            id,
            transport,
            address: endpoint.address().to_owned(),
            endpoint: text.to_owned(),
            socket: self.handle.clone(),
            options,
            link,
        };
        thread.send(IoCommand::Connect(Box::new(spec), share));
        self.endpoints
            .add(text, Registered { id, is_bind: false, thread: Some(thread), listener: None });
        Ok(())
    }

    /// The pipe of a connecting socket exists from the start: it queues before there is a connection.
    fn attach_connecting(
        &mut self,
        endpoint: EndpointId,
        options: &Arc<SocketOptions>,
        thread: &Sender<IoCommand>,
    ) -> Arc<Link> {
        let kind = self.kind();
        let (writer, out) =
            one_way(options.send_hwm_messages, options.conflate && conflates_outgoing(kind));
        let (incoming, reader) =
            one_way(options.recv_hwm_messages, options.conflate && conflates_incoming(kind));
        let halves = (LinkRx::new(incoming, options, kind), LinkTx::new(Gather::new(out)));
        let pipe = self.handle.next_pipe();
        let assigned_id = self.connect_routing_id.take().unwrap_or_default();
        let link_id = self.handle.next_link();
        let link = Link::new(link_id, pipe, self.handle.clone(), thread.clone(), halves);
        self.attach(NewPipe {
            id: pipe,
            writer,
            reader,
            peer: PipePeer::Link(link.clone()),
            info: None,
            announced: None,
            peer_marks: None,
            assigned_id,
            endpoint,
            subscribe_all: false,
            survives_reconnect: true,
        });
        link
    }

    /// Unbinds an endpoint: the listener and the connections accepted through it are closed. For inproc only the name
    /// goes.
    ///
    /// # Errors
    /// [`EndpointFault::Unknown`] if it is not an endpoint of this socket.
    pub fn unbind(&mut self, text: &str) -> Result<(), EndpointFault> {
        self.remove_endpoint(text)
    }

    /// Disconnects from an endpoint, from all connections made under that text. What was sent lingers; what was
    /// received and not read is dropped.
    ///
    /// # Errors
    /// [`EndpointFault::Unknown`] if it is not an endpoint of this socket.
    pub fn disconnect(&mut self, text: &str) -> Result<(), EndpointFault> {
        self.remove_endpoint(text)
    }

    fn remove_endpoint(&mut self, text: &str) -> Result<(), EndpointFault> {
        self.check_running()?;
        self.process_commands();
        let endpoint = Endpoint::parse(text)?;
        let unknown = || EndpointFault::Unknown { endpoint: text.to_owned() };
        if endpoint.scheme() != INPROC {
            self.transport_for(&endpoint, text)?;
        }
        let key = self.registered_text(&endpoint, text).ok_or_else(unknown)?;
        let registered = self.endpoints.by_text.remove(&key).ok_or_else(unknown)?;
        for one in registered {
            self.close_endpoint(&key, &one, true);
        }
        Ok(())
    }

    /// The text an endpoint is registered under: as given, or as the transport spells it otherwise.
    fn registered_text(&self, endpoint: &Endpoint, text: &str) -> Option<String> {
        if self.endpoints.by_text.contains_key(text) {
            return Some(text.to_owned());
        }
        let transport = self.context.transport(endpoint.scheme())?;
        transport
            .aliases(endpoint.address(), &self.options)
            .into_iter()
            .find(|alias| self.endpoints.by_text.contains_key(alias))
    }

    fn close_endpoint(&mut self, text: &str, registered: &Registered, is_disconnect: bool) {
        let linger_ns = u64::try_from(self.options.linger_ms).ok().map(|ms| ms * 1_000_000);
        if registered.thread.is_none() && registered.is_bind {
            self.context.inproc().unbind(text, &self.handle);
            return; // the pipes live on (libzmq-surface §6.4)
        }
        if !registered.is_bind {
            let slots: Vec<usize> = self
                .pipes
                .iter()
                .filter(|(_, pipe)| pipe.endpoint == registered.id)
                .map(|(slot, _)| slot)
                .collect();
            for slot in slots {
                self.close_pipe(slot, false);
            }
        }
        if let Some((listener, is_stopped)) = &registered.listener {
            // Release pairs with the Acquire in `ListenSpec::is_stopped`: who sees the listener stopped sees the mark.
            is_stopped.store(true, Ordering::Release);
            listener.stop(); // here, not on the I/O thread: the address is free when this returns
            // Told here too: the monitor of a socket that is closed ends before the I/O thread comes to it.
            let number = listener.handle().number() as u32;
            self.emit_on_listener(EventKind::Closed, number, listener.endpoint(), "");
        }
        if let Some(thread) = &registered.thread {
            thread.send(IoCommand::CloseEndpoint(registered.id, linger_ns, is_disconnect));
        }
    }

    /// The I/O thread gave it up: its text is free for another connect.
    pub(super) fn forget_endpoint(&mut self, id: EndpointId) {
        self.endpoints.by_text.retain(|_, all| {
            all.retain(|registered| registered.id != id);
            !all.is_empty()
        });
    }

    pub(super) fn close_all_endpoints(&mut self) {
        for (text, registered) in std::mem::take(&mut self.endpoints.by_text) {
            for one in registered {
                self.close_endpoint(&text, &one, false);
            }
        }
    }

    // ---- inproc -------------------------------------------------------------------------------------------------

    fn bind_inproc(&mut self, text: &str) -> Result<String, EndpointFault> {
        let id = EndpointId(self.handle.next_link());
        let options = Arc::new(self.options.clone());
        let bound = Bound { socket: self.handle.clone(), endpoint: id, options: options.clone() };
        let waiting = self
            .context
            .inproc()
            .bind(text, bound)
            .ok_or_else(|| EndpointFault::InUse { endpoint: text.to_owned() })?;
        for pending in waiting {
            self.accept_pending(pending, id, &options);
        }
        self.endpoints.add(text, Registered { id, is_bind: true, thread: None, listener: None });
        Ok(text.to_owned())
    }

    /// A connector was there before us: its pipe becomes ours too.
    fn accept_pending(&mut self, mut pending: Pending, endpoint: EndpointId, own: &SocketOptions) {
        let (to_us, to_them) = inproc_marks(&pending.options, own);
        pending.writer.set_high_water_mark(to_them);
        pending.reader.set_high_water_mark(to_us);
        let pipe = self.handle.next_pipe();
        let (send, recv) = (own.send_hwm_messages, own.recv_hwm_messages);
        pending.connector.send(SocketCommand::HighWaterMarks(pending.pipe, send, recv));
        let bound =
            SocketCommand::Bound(pending.pipe, self.handle.clone(), pipe, own.routing_id.clone());
        pending.connector.send(bound);
        self.attach(NewPipe {
            id: pipe,
            writer: pending.writer,
            reader: pending.reader,
            peer: PipePeer::Inproc(pending.connector, pending.pipe),
            info: None,
            announced: Some(pending.options.routing_id.clone()),
            peer_marks: Some(marks_of(&pending.options)),
            assigned_id: Vec::new(),
            endpoint,
            subscribe_all: false,
            survives_reconnect: false,
        });
    }

    fn connect_inproc(&mut self, text: &str) {
        let id = EndpointId(self.handle.next_link());
        let own = Arc::new(self.options.clone());
        let pipe = self.handle.next_pipe();
        let kind = self.kind();
        let conflate_out = own.conflate && conflates_outgoing(kind);
        let conflate_in = own.conflate && conflates_incoming(kind);
        // Without a binder only our own marks are known.
        let (writer, peer_reader) = one_way(own.send_hwm_messages, conflate_out);
        let (peer_writer, reader) = one_way(own.recv_hwm_messages, conflate_in);
        let mut peer_ends = Some((peer_writer, peer_reader));
        let bound = self.context.inproc().connect(text, || {
            let (writer, reader) = take_ends(&mut peer_ends);
            let connector = self.handle.clone();
            Pending { connector, pipe, options: own.clone(), writer, reader }
        });
        let (peer, announced) = match &bound {
            Some(bound) => {
                let (peer_writer, peer_reader) = take_ends(&mut peer_ends);
                let peer_pipe = self.introduce(bound, pipe, &own, peer_writer, peer_reader);
                let announced = bound.options.routing_id.clone();
                (PipePeer::Inproc(bound.socket.clone(), peer_pipe), Some(announced))
            }
            None => (PipePeer::NotBound, None),
        };
        let mut new = NewPipe {
            id: pipe,
            writer,
            reader,
            peer,
            info: None,
            announced,
            peer_marks: bound.as_ref().map(|bound| marks_of(&bound.options)),
            assigned_id: self.connect_routing_id.take().unwrap_or_default(),
            endpoint: id,
            subscribe_all: false,
            survives_reconnect: false,
        };
        if let Some(bound) = &bound {
            let (to_them, to_us) = inproc_marks(&own, &bound.options);
            new.writer.set_high_water_mark(to_them);
            new.reader.set_high_water_mark(to_us);
        }
        self.attach(new);
        self.endpoints.add(text, Registered { id, is_bind: false, thread: None, listener: None });
    }

    /// Hands the binder its ends of the pipe.
    fn introduce(
        &self,
        bound: &Bound,
        pipe: PipeId,
        own: &SocketOptions,
        mut writer: PipeWriter,
        mut reader: PipeReader,
    ) -> PipeId {
        let (to_them, to_us) = inproc_marks(own, &bound.options);
        writer.set_high_water_mark(to_us);
        reader.set_high_water_mark(to_them);
        let peer_pipe = bound.socket.next_pipe();
        bound.socket.send(SocketCommand::Attach(Box::new(NewPipe {
            id: peer_pipe,
            writer,
            reader,
            peer: PipePeer::Inproc(self.handle.clone(), pipe),
            info: None,
            announced: Some(own.routing_id.clone()),
            peer_marks: Some(marks_of(own)),
            assigned_id: Vec::new(),
            endpoint: bound.endpoint,
            subscribe_all: false,
            survives_reconnect: false,
        })));
        peer_pipe
    }

    // ---- Checks -------------------------------------------------------------------------------------------------

    fn check_running(&mut self) -> Result<(), EndpointFault> {
        if self.context.is_forked() {
            return Err(EndpointFault::Forked);
        }
        self.process_commands();
        if self.is_stopped { Err(EndpointFault::Terminated) } else { Ok(()) }
    }

    fn transport_for(
        &self,
        endpoint: &Endpoint,
        text: &str,
    ) -> Result<Arc<dyn Transport>, EndpointFault> {
        let scheme = endpoint.scheme();
        let transport = self.context.transport(scheme).ok_or_else(|| {
            EndpointFault::UnknownTransport { endpoint: text.to_owned(), scheme: scheme.to_owned() }
        })?;
        if self.kind() == SocketType::Stream && !transport.carries_raw() {
            return Err(EndpointFault::IncompatibleTransport {
                endpoint: text.to_owned(),
                kind: self.kind().name(),
            });
        }
        Ok(transport.clone())
    }

    fn io_thread(&self, text: &str) -> Result<Chosen, EndpointFault> {
        self.context
            .choose_io_thread(self.options.io_thread_affinity)
            .ok_or_else(|| EndpointFault::NoThread { endpoint: text.to_owned() })
    }

    /// libzmq-surface §8.10: these types connect to the same text once.
    fn ignores_second_connect(&self, text: &str) -> bool {
        let once = matches!(
            self.kind(),
            SocketType::Dealer | SocketType::Sub | SocketType::Pub | SocketType::Req
        );
        once && self
            .endpoints
            .by_text
            .get(text)
            .is_some_and(|all| all.iter().any(|registered| !registered.is_bind))
    }

    fn check_connect_routing_id(&self, text: &str) -> Result<(), EndpointFault> {
        match &self.connect_routing_id {
            Some(id) if self.pattern.has_peer(id) => {
                Err(EndpointFault::DuplicateRoutingId { endpoint: text.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// Both queues' marks between two inproc sockets: from `a` to `b`, and back.
fn inproc_marks(a: &SocketOptions, b: &SocketOptions) -> (u32, u32) {
    (
        inproc_high_water_mark(a.send_hwm_messages, b.recv_hwm_messages),
        inproc_high_water_mark(b.send_hwm_messages, a.recv_hwm_messages),
    )
}

fn marks_of(options: &SocketOptions) -> (u32, u32) {
    (options.send_hwm_messages, options.recv_hwm_messages)
}

/// The peer's ends go to exactly one of two places: the binder, or the list of those waiting for one.
fn take_ends(ends: &mut Option<(PipeWriter, PipeReader)>) -> (PipeWriter, PipeReader) {
    ends.take().unwrap_or_else(|| {
        let (writer, _) = one_way(1, false);
        let (_, reader) = one_way(1, false);
        (writer, reader)
    })
}
