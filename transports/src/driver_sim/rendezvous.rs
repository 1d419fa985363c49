//! How connections come about: who listens, and what becomes of attempts.

use std::collections::VecDeque;
use std::io;

use rustix::io::Errno;
use zeroring_core::io::transport::StreamInfo;

use super::end::End;
use super::faults::happens;
use super::network::Network;
use super::schedule::Due;

/// First port given out for `*`.
const FIRST_PORT: u64 = 49_152;

#[derive(Debug)]
pub(super) struct Listening {
    pub node: String,
    pub endpoint: String,
    backlog: VecDeque<u64>,
    backlog_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Pending,
    Connected(u64),
    Refused,
}

#[derive(Debug)]
pub(super) struct Attempt {
    pub node: String,
    pub endpoint: String,
    decision: Decision,
}

impl Network {
    /// Listens; a name ending in `:*` or `:0`, or just `*`, is completed with a number.
    pub fn listen(
        &mut self,
        scheme: &str,
        address: &str,
        node: &str,
        backlog: usize,
    ) -> io::Result<u64> {
        let id = self.next_number();
        let address = match address.rsplit_once(':') {
            _ if address == "*" => format!("sim-{id}"),
            Some((host, "*" | "0")) => format!("{host}:{}", FIRST_PORT + id),
            _ => address.to_owned(),
        };
        let endpoint = format!("{scheme}://{address}");
        if self.listeners.values().any(|listening| listening.endpoint == endpoint) {
            return Err(Errno::ADDRINUSE.into());
        }
        let (backlog, backlog_max, node) = (VecDeque::new(), backlog.max(1), node.to_owned());
        self.listeners.insert(id, Listening { node, endpoint, backlog, backlog_max });
        Ok(id)
    }

    pub fn endpoint_of(&self, listener: u64) -> String {
        self.listeners.get(&listener).map(|l| l.endpoint.clone()).unwrap_or_default()
    }

    /// Stops listening; connections nobody accepted are reset.
    pub fn unlisten(&mut self, listener: u64) {
        if let Some(gone) = self.listeners.remove(&listener) {
            for id in gone.backlog {
                self.reset(id);
                self.release(id);
            }
        }
    }

    /// Takes the next established connection.
    pub fn accept(&mut self, listener: u64) -> io::Result<u64> {
        self.catch_up();
        let listening = self.listeners.get_mut(&listener).ok_or(Errno::BADF)?;
        Ok(listening.backlog.pop_front().ok_or(Errno::WOULDBLOCK)?)
    }

    pub fn is_acceptable(&self, listener: u64) -> bool {
        self.listeners.get(&listener).is_some_and(|listening| !listening.backlog.is_empty())
    }

    /// Starts an attempt.
    pub fn connect(&mut self, scheme: &str, address: &str, node: &str) -> u64 {
        let id = self.next_number();
        let endpoint = format!("{scheme}://{address}");
        let attempt = Attempt { node: node.to_owned(), endpoint, decision: Decision::Pending };
        self.attempts.insert(id, attempt);
        let delay_ns = self.faults.delay_ns(&mut self.rng);
        self.schedule.add(self.clock.now_ns() + delay_ns, Due::Decide(id));
        id
    }

    /// The listener that answers to `endpoint`: the very text, or a wildcard with the same port.
    pub(super) fn find_listener(&self, endpoint: &str) -> Option<(u64, &Listening)> {
        let exact = self.listeners.iter().find(|(_, l)| l.endpoint == endpoint);
        let wildcard = || {
            let (scheme, rest) = endpoint.split_once("://")?;
            let (_, port) = rest.rsplit_once(':')?;
            let any = format!("{scheme}://*:{port}");
            self.listeners.iter().find(|(_, l)| l.endpoint == any)
        };
        exact.or_else(wildcard).map(|(id, listening)| (*id, listening))
    }

    pub(super) fn decide(&mut self, id: u64) {
        let refused = happens(self.faults.refuse_per_mille, &mut self.rng);
        let Some(attempt) = self.attempts.get(&id) else { return };
        let open = self
            .find_listener(&attempt.endpoint)
            .filter(|(_, listening)| !refused && listening.backlog.len() < listening.backlog_max)
            .map(|(listener, _)| listener);
        let decision = match open.and_then(|listener| self.establish(id, listener)) {
            Some(near) => Decision::Connected(near),
            None => {
                self.stats.refusals += 1;
                Decision::Refused
            }
        };
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.decision = decision;
        }
    }

    fn establish(&mut self, attempt: u64, listener: u64) -> Option<u64> {
        let (near, far) = (self.next_number(), self.next_number());
        let attempt = self.attempts.get(&attempt)?;
        let listening = self.listeners.get_mut(&listener)?;
        let scheme = listening.endpoint.split("://").next().unwrap_or_default();
        let near_endpoint = format!("{scheme}://{}:{}", attempt.node, FIRST_PORT + near);
        let info = |local: &str, remote: &str, peer: &str| StreamInfo {
            local_endpoint: local.to_owned(),
            remote_endpoint: remote.to_owned(),
            peer_address: peer.to_owned(),
        };
        let near_info = info(&near_endpoint, &listening.endpoint, &listening.node);
        let far_info = info(&listening.endpoint, &near_endpoint, &attempt.node);
        self.ends.insert(near, End::new(attempt.node.clone(), far, near_info));
        self.ends.insert(far, End::new(listening.node.clone(), near, far_info));
        listening.backlog.push_back(far);
        self.stats.connections += 1;
        Some(near)
    }

    pub fn is_decided(&self, attempt: u64) -> bool {
        self.attempts.get(&attempt).is_none_or(|a| a.decision != Decision::Pending)
    }

    /// Takes the outcome of an attempt.
    pub fn finish(&mut self, attempt: u64) -> io::Result<u64> {
        self.catch_up();
        match self.attempts.get(&attempt).map(|attempt| attempt.decision) {
            Some(Decision::Pending) => Err(Errno::NOTCONN.into()),
            Some(Decision::Connected(id)) => {
                self.attempts.remove(&attempt);
                Ok(id)
            }
            Some(Decision::Refused) | None => Err(Errno::CONNREFUSED.into()),
        }
    }

    /// Gives an attempt up.
    pub fn abandon(&mut self, attempt: u64) {
        if let Some(Attempt { decision: Decision::Connected(id), .. }) =
            self.attempts.remove(&attempt)
        {
            self.release(id);
        }
    }
}
