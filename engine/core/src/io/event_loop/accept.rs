//! Listeners: accepting, handing connections out to the threads, and what to do when accepting fails.

use std::io;
use std::sync::Arc;

use rustix::io::Errno;
use zeroring_base::time::NS_PER_MS;

use super::connection::Origin;
use super::{EventLoop, Object, Timer};
use crate::io::command::{Adopted, EndpointId, IoCommand, ListenSpec};
use crate::io::directory::Chosen;
use crate::io::driver::Token;
use crate::io::transport::{Listener, Stream};
use crate::monitor::{EventKind, MonitorEvent, event};

/// Connections accepted per event, so that a flood of them does not keep others waiting.
const ACCEPT_BATCH: usize = 64;
/// Pause after accept failed for a reason that is not the peer's.
const ACCEPT_PAUSE_NS: u64 = 100 * NS_PER_MS;

/// A listener being served.
pub(super) struct Listening {
    spec: ListenSpec,
    /// What the driver knows it by; `None` while the driver does not watch it.
    token: Option<Token>,
    /// Other threads serve connections that were accepted through it.
    is_spread: bool,
}

impl EventLoop {
    pub(super) fn listen(&mut self, spec: ListenSpec) {
        let id = spec.id;
        self.listeners.insert(id, Listening { spec, token: None, is_spread: false });
        self.watch_listener(id);
    }

    fn watch_listener(&mut self, id: EndpointId) {
        let token = self.new_token();
        let Some(listening) = self.listeners.get_mut(&id) else { return };
        match self.driver.add_listener(token, &listening.spec.listener) {
            Ok(()) => {
                listening.token = Some(token);
                self.insert(token, Object::Listener(id));
            }
            Err(error) => self.cannot_accept(id, &error),
        }
    }

    /// The driver cannot watch the listener any more.
    pub(super) fn listener_failed(&mut self, token: Token, error: &io::Error) {
        let Some(Object::Listener(id)) = self.remove(token) else { return };
        if let Some(listening) = self.listeners.get_mut(&id) {
            listening.token = None;
        }
        self.cannot_accept(id, error);
    }

    /// Tells of it, and tries again in a while.
    fn cannot_accept(&mut self, id: EndpointId, error: &io::Error) {
        let Some(listening) = self.listeners.get(&id) else { return };
        if listening.spec.is_stopped() {
            return; // the command to close it is on its way
        }
        tell_of_failed_accept(&listening.spec, error);
        self.timers.set(self.clock.now_ns() + ACCEPT_PAUSE_NS, Timer::AcceptAgain(id));
    }

    pub(super) fn accept_again(&mut self, id: EndpointId) {
        match self.listeners.get(&id).map(|listening| listening.token) {
            Some(Some(token)) => self.driver.pause_listener(token, false),
            Some(None) => self.watch_listener(id),
            None => {}
        }
    }

    pub(super) fn acceptable(&mut self, token: Token) {
        for _ in 0..ACCEPT_BATCH {
            let Some(listener) = self.listener(token) else { return };
            match listener.accept() {
                Ok(stream) => self.begin_accepted(token, stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if self.accept_failed(token, &error) {
                        return;
                    }
                }
            }
        }
    }

    /// Reports a failed accept. True if the listener was paused.
    fn accept_failed(&mut self, token: Token, error: &io::Error) -> bool {
        let Some(listening) = self.listening(token) else { return true };
        if !listening.spec.is_stopped() && is_peers_affair(error) {
            tell_of_failed_accept(&listening.spec, error);
            return false;
        }
        let id = listening.spec.id;
        self.driver.pause_listener(token, true);
        self.cannot_accept(id, error);
        true
    }

    fn begin_accepted(&mut self, token: Token, stream: Arc<dyn Stream>) {
        let Some(listening) = self.listening_mut(token) else { return };
        let (id, socket, options) =
            (listening.spec.id, listening.spec.socket.clone(), listening.spec.options.clone());
        socket.monitor().emit(MonitorEvent {
            local_endpoint: listening.spec.listener.endpoint().to_owned(),
            remote_endpoint: stream.info().remote_endpoint.clone(),
            on_listener: true,
            ..event(EventKind::Accepted, stream.handle().number() as u32)
        });
        match self.directory.choose(options.io_thread_affinity) {
            Some(Chosen { thread, share }) if !thread.load.is(&self.load) => {
                if let Some(listening) = self.listening_mut(token) {
                    listening.is_spread = true;
                }
                let adopted = Adopted { listener: id, stream, socket, options, share };
                thread.mailbox.send(IoCommand::Adopt(Box::new(adopted)));
            }
            _ => self.begin_connection(Origin::Listener(id), stream, socket, options, None),
        }
    }

    /// Serves a connection that another thread accepted.
    pub(super) fn adopt(&mut self, adopted: Adopted) {
        let Adopted { listener, stream, socket, options, share } = adopted;
        self.begin_connection(Origin::Listener(listener), stream, socket, options, None);
        drop(share); // the connection counts itself now
    }

    fn listening_mut(&mut self, token: Token) -> Option<&mut Listening> {
        match self.objects.get(&token)? {
            Object::Listener(id) => self.listeners.get_mut(id),
            _ => None,
        }
    }

    fn listening(&self, token: Token) -> Option<&Listening> {
        match self.objects.get(&token)? {
            Object::Listener(id) => self.listeners.get(id),
            _ => None,
        }
    }

    fn listener(&self, token: Token) -> Option<Arc<dyn Listener>> {
        Some(self.listening(token)?.spec.listener.clone())
    }

    /// Stops listening. The application's thread told of it already. True if other threads serve connections of it.
    pub(super) fn close_listener(&mut self, id: EndpointId) -> bool {
        let Some(listening) = self.listeners.remove(&id) else { return false };
        if let Some(token) = listening.token {
            self.remove(token);
        }
        listening.is_spread
    }
}

/// A peer that was refused, or gave up before it was accepted. Whoever comes next may be luckier; what else can go wrong
/// goes wrong again at once.
fn is_peers_affair(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    error.kind() == io::ErrorKind::PermissionDenied
        || matches!(errno, Some(Errno::CONNABORTED | Errno::CONNRESET | Errno::NOTCONN))
}

fn tell_of_failed_accept(spec: &ListenSpec, error: &io::Error) {
    let exhausted = matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    );
    let detail = if exhausted {
        format!(
            "{error}: raise the limit on open files (ulimit -n) or close connections; accepting again in 100 ms"
        )
    } else {
        error.to_string()
    };
    tracing::warn!(endpoint = spec.listener.endpoint(), %detail, "accept failed");
    spec.socket.monitor().emit(MonitorEvent {
        local_endpoint: spec.listener.endpoint().to_owned(),
        on_listener: true,
        detail,
        ..event(EventKind::AcceptFailed, error.raw_os_error().unwrap_or(0) as u32)
    });
}
