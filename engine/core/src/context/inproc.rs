//! The inproc names of a context: who is bound, and who waits for a name to be bound (libzmq-surface §6.4).
//!
//! Only names and introductions pass here. The pipe between two sockets is an SPSC ring; no I/O thread and no lock is on
//! its path.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use zeroring_base::sync::lock;

use crate::io::command::EndpointId;
use crate::options::SocketOptions;
use crate::pipe::{PipeReader, PipeWriter};
use crate::socket::{PipeId, SocketHandle};

/// A bound name: the binder and its options as they were at `bind`.
#[derive(Clone)]
pub struct Bound {
    /// The socket.
    pub socket: SocketHandle,
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// The snapshot that connecting peers see.
    pub options: Arc<SocketOptions>,
}

/// A connector that came before its binder: the binder's ends of the pipe wait here.
pub struct Pending {
    /// The connecting socket.
    pub connector: SocketHandle,
    /// The pipe's name over there.
    pub pipe: PipeId,
    /// The connector's options as they were at `connect`.
    pub options: Arc<SocketOptions>,
    /// The binder's sending end.
    pub writer: PipeWriter,
    /// The binder's receiving end.
    pub reader: PipeReader,
}

/// See the module.
#[derive(Default)]
pub struct Registry(Mutex<Names>);

#[derive(Default)]
struct Names {
    bound: BTreeMap<String, Bound>,
    pending: BTreeMap<String, Vec<Pending>>,
}

impl Registry {
    /// Binds a name. The connectors that waited for it, or `None` if it is taken.
    pub fn bind(&self, name: &str, bound: Bound) -> Option<Vec<Pending>> {
        let mut names = lock(&self.0);
        if names.bound.contains_key(name) {
            return None;
        }
        names.bound.insert(name.to_owned(), bound);
        Some(names.pending.remove(name).unwrap_or_default())
    }

    /// The binder of a name; otherwise what `pending` makes waits for one. Both under one lock, so that no binder slips
    /// in between.
    pub fn connect(&self, name: &str, pending: impl FnOnce() -> Pending) -> Option<Bound> {
        let mut names = lock(&self.0);
        let bound = names.bound.get(name).cloned();
        if bound.is_none() {
            names.pending.entry(name.to_owned()).or_default().push(pending());
        }
        bound
    }

    /// Frees a name that `socket` bound. False if it did not.
    pub fn unbind(&self, name: &str, socket: &SocketHandle) -> bool {
        let mut names = lock(&self.0);
        let own = names.bound.get(name).is_some_and(|bound| bound.socket.is(socket));
        if own {
            names.bound.remove(name);
        }
        own
    }

    /// A pipe that waits for a binder is closed by its connector.
    pub fn cancel(&self, socket: &SocketHandle, pipe: PipeId) {
        self.forget_pending(|pending| pending.connector.is(socket) && pending.pipe == pipe);
    }

    /// Forgets everything of a closed socket.
    pub fn forget(&self, socket: &SocketHandle) {
        lock(&self.0).bound.retain(|_, bound| !bound.socket.is(socket));
        self.forget_pending(|pending| pending.connector.is(socket));
    }

    fn forget_pending(&self, is_meant: impl Fn(&Pending) -> bool) {
        let mut names = lock(&self.0);
        for waiting in names.pending.values_mut() {
            waiting.retain(|pending| !is_meant(pending));
        }
        names.pending.retain(|_, waiting| !waiting.is_empty());
    }
}
