//! Ends asked for by the application: closed pipes that linger, removed endpoints.

use std::sync::Arc;

use super::connect::Phase;
use super::connection::{End, Origin};
use super::{EventLoop, Object, Timer};
use crate::io::command::{EndpointId, IoCommand};
use crate::io::driver::Token;
use crate::io::link::{Link, RxEnd};
use crate::socket::SocketCommand;

/// A pipe whose application end is closed and that still has something to send.
pub(super) struct Closing {
    link: Arc<Link>,
    /// When the linger time is over.
    deadline_ns: Option<u64>,
}

impl EventLoop {
    /// The application closed its end: flush for up to `linger_ns` (`None`: for ever), then end the connection.
    pub(super) fn close_link(&mut self, link: &Arc<Link>, linger_ns: Option<u64>) {
        if linger_ns == Some(0) {
            return self.finish_link(link);
        }
        let deadline_ns = linger_ns.map(|linger_ns| self.clock.now_ns().saturating_add(linger_ns));
        if let Some(deadline_ns) = deadline_ns {
            self.timers.set(deadline_ns, Timer::Linger(link.id));
        }
        self.closing.insert(link.id, Closing { link: link.clone(), deadline_ns });
        let drained = link.tx().is_drained();
        if drained {
            self.closing_link_drained(link); // an empty queue never lingers (libzmq-surface §7.2)
        } else if self.is_idle_for_good(link) {
            self.finish_link(link); // nor does a hopeless one
        } else if self.token_of(link).is_some() && link.tx().stream().is_none() {
            // A write failed. What came before is not read any more, so reading it would not find the end.
            self.end_link_stream(link, RxEnd::PeerClosed);
        } else {
            self.flush_and_watch(link);
        }
    }

    /// Everything queued on a link was handed to the kernel.
    pub(super) fn closing_link_drained(&mut self, link: &Arc<Link>) {
        if let Some(closing) = self.closing.get(&link.id) {
            self.depart(link, closing.deadline_ns);
            self.finish_link(link);
        }
    }

    /// A lingering link lost its stream; what was half sent is gone, and maybe that was all there was.
    pub(super) fn closing_link_lost_stream(&mut self, link: &Arc<Link>) {
        if self.closing.contains_key(&link.id) && link.tx().is_drained() {
            self.finish_link(link);
        }
    }

    /// A lingering link's connector does not try again.
    pub(super) fn closing_link_is_idle(&mut self, link: &Arc<Link>) {
        if self.closing.contains_key(&link.id) {
            self.finish_link(link);
        }
    }

    pub(super) fn linger_over(&mut self, link_id: u64) {
        if let Some(closing) = self.closing.get(&link_id) {
            let link = closing.link.clone();
            self.finish_link(&link);
        }
    }

    /// Ends a link for good: its stream, its connector, its pipe.
    pub(super) fn finish_link(&mut self, link: &Arc<Link>) {
        self.closing.remove(&link.id);
        self.watched.forget(link);
        self.leased.forget(link);
        if let Some(token) = self.token_of(link) {
            self.end_connection(token, End::Ours);
        }
        if let Some(id) = self.connector_of(link) {
            self.end_handshake_of(id);
            self.remove_connector(id);
        }
        link.rx().close();
        link.tx().close();
        link.socket.send(SocketCommand::Gone(link.pipe));
    }

    fn connector_of(&self, link: &Arc<Link>) -> Option<EndpointId> {
        self.connectors
            .iter()
            .find(|(_, c)| c.spec.link.as_ref().is_some_and(|own| Arc::ptr_eq(own, link)))
            .map(|(id, _)| *id)
    }

    /// The link's connector never tries again.
    fn is_idle_for_good(&self, link: &Arc<Link>) -> bool {
        self.connector_of(link)
            .and_then(|id| self.connectors.get(&id))
            .is_some_and(|connector| matches!(connector.phase, Phase::Idle))
    }

    /// A connector that is still shaking hands has a connection that no link names yet.
    fn end_handshake_of(&mut self, id: EndpointId) {
        if let Some(connector) = self.connectors.get(&id)
            && let Phase::Streaming(token) = connector.phase
        {
            self.end_connection(token, End::Ours);
        }
    }

    /// Closes a listener with the connections accepted through it, or a connector.
    pub(super) fn close_endpoint(
        &mut self,
        id: EndpointId,
        linger_ns: Option<u64>,
        is_disconnect: bool,
    ) {
        let is_spread = self.close_listener(id);
        if is_spread {
            for thread in self.directory.others(&self.load) {
                thread.mailbox.send(IoCommand::CloseAccepted(id, linger_ns));
            }
        }
        if is_disconnect && let Some(connector) = self.connectors.get_mut(&id) {
            connector.is_disconnected = true;
        }
        let pending = self.connectors.get(&id).and_then(|connector| connector.spec.link.clone());
        if let Some(link) = pending
            && linger_ns != Some(0)
            && !link.tx().is_drained()
        {
            return; // goes with its pipe, whether it is connected already or not
        }
        self.close_accepted(id, linger_ns);
        self.end_handshake_of(id);
        self.remove_connector(id);
    }

    /// Closes the connections of an endpoint that this thread serves.
    pub(super) fn close_accepted(&mut self, id: EndpointId, linger_ns: Option<u64>) {
        for token in self.connections_of(id) {
            let link = match self.objects.get(&token) {
                Some(Object::Connection(connection)) => connection.link().cloned(),
                _ => None,
            };
            match link {
                // The socket's pipe is told by `Gone`; what it already received stays readable.
                Some(link) => self.close_link(&link, linger_ns),
                None => self.end_connection(token, End::Ours),
            }
        }
    }

    fn connections_of(&self, id: EndpointId) -> Vec<Token> {
        let mut tokens: Vec<_> = self
            .objects
            .iter()
            .filter(|(_, object)| match object {
                Object::Connection(c) => {
                    c.origin == Origin::Listener(id) || c.origin == Origin::Connector(id)
                }
                _ => false,
            })
            .map(|(token, _)| *token)
            .collect();
        tokens.sort_unstable(); // hash order must not decide anything
        tokens
    }
}
