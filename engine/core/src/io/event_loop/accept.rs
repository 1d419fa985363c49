//! Listeners: accepting, and what to do when the system has no descriptors left.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use zeroring_base::time::NS_PER_MS;

use super::connection::Origin;
use super::{EventLoop, Object, Timer};
use crate::io::command::{EndpointId, ListenSpec};
use crate::io::driver::Token;
use crate::io::transport::{Listener, Stream};
use crate::monitor::{EventKind, MonitorEvent, event};

/// Connections accepted per event, so that a flood of them does not keep others waiting.
const ACCEPT_BATCH: usize = 64;
/// Pause after accept failed for want of descriptors or memory.
const ACCEPT_PAUSE_NS: u64 = 100 * NS_PER_MS;

/// A listener being served.
pub(super) struct Listening {
    pub spec: ListenSpec,
    pub token: Token,
}

impl EventLoop {
    pub(super) fn listen(&mut self, spec: ListenSpec) {
        let token = self.new_token();
        if let Err(error) = self.driver.add_listener(token, &spec.listener) {
            tracing::error!(endpoint = spec.listener.endpoint(), %error, "cannot watch the listener");
            return;
        }
        self.insert(token, Object::Listener(spec.id));
        self.listeners.insert(spec.id, Listening { spec, token });
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

    pub(super) fn accepted(&mut self, token: Token, fd: OwnedFd) {
        let Some(listener) = self.listener(token) else { return };
        match listener.adopt(fd) {
            Ok(stream) => self.begin_accepted(token, stream),
            Err(error) => {
                self.accept_failed(token, &error);
            }
        }
    }

    /// Reports a failed accept. True if the listener was paused.
    pub(super) fn accept_failed(&mut self, token: Token, error: &io::Error) -> bool {
        let Some(listening) = self.listening(token) else { return true };
        if listening.spec.is_stopped.load(Ordering::Acquire) {
            self.driver.pause_listener(token, true); // until the command to close it comes
            return true;
        }
        let errno = error.raw_os_error().unwrap_or(0);
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
        tracing::warn!(endpoint = listening.spec.listener.endpoint(), %detail, "accept failed");
        listening.spec.socket.monitor().emit(MonitorEvent {
            local_endpoint: listening.spec.listener.endpoint().to_owned(),
            on_listener: true,
            detail,
            ..event(EventKind::AcceptFailed, errno as u32)
        });
        if exhausted {
            self.driver.pause_listener(token, true);
            let again_ns = self.clock.now_ns() + ACCEPT_PAUSE_NS;
            self.timers.set(again_ns, Timer::AcceptAgain(token));
        }
        exhausted
    }

    fn begin_accepted(&mut self, token: Token, stream: Arc<dyn Stream>) {
        let Some(listening) = self.listening(token) else { return };
        let (id, socket, options) =
            (listening.spec.id, listening.spec.socket.clone(), listening.spec.options.clone());
        socket.monitor().emit(MonitorEvent {
            local_endpoint: listening.spec.listener.endpoint().to_owned(),
            remote_endpoint: stream.info().remote_endpoint.clone(),
            on_listener: true,
            ..event(EventKind::Accepted, stream.handle().number() as u32)
        });
        self.begin_connection(Origin::Listener(id), stream, socket, options, None);
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

    /// Stops listening. The application's thread told of it already.
    pub(super) fn close_listener(&mut self, id: EndpointId) {
        let Some(listening) = self.listeners.remove(&id) else { return };
        self.remove(listening.token);
    }
}
