//! REQ: one request, one reply, from the peer that was asked (libzmq-surface §6.7).

use zeroring_base::{Message, PartRef};

use super::fair_queue::FairQueue;
use super::load_balancer::LoadBalancer;
use super::{Pipes, Refused, Scope};

/// REQ.
#[derive(Debug)]
pub struct Request {
    balancer: LoadBalancer,
    fair: FairQueue,
    state: State,
    /// The pipe of the present request; `None` if it died (then any pipe may answer).
    asked: Option<usize>,
    next_request_id: u32,
    /// The id that the reply must carry, with CORRELATE.
    expected_id: Option<u32>,
    /// The rest of the message being read is not for us.
    skipping: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Sending,
    Waiting,
    Receiving,
}

impl Request {
    /// A client without servers.
    pub fn new(first_request_id: u32) -> Self {
        Self {
            balancer: LoadBalancer::default(),
            fair: FairQueue::default(),
            state: State::Ready,
            asked: None,
            next_request_id: first_request_id,
            expected_id: None,
            skipping: false,
        }
    }

    /// The queue of received messages, while a reply is awaited.
    pub fn fair(&mut self) -> Option<&mut FairQueue> {
        matches!(self.state, State::Waiting | State::Receiving).then_some(&mut self.fair)
    }

    /// A pipe has room.
    pub fn writable(&mut self, slot: usize) {
        self.balancer.activate(slot);
    }

    /// A pipe has something to read.
    pub fn readable(&mut self, slot: usize) {
        self.fair.activate(slot);
    }

    /// A pipe is about to be removed.
    pub fn remove(&mut self, slot: usize) {
        self.balancer.remove(slot);
        if self.fair.remove(slot) {
            self.skipping = false;
            if self.state == State::Receiving {
                self.state = State::Waiting;
            }
        }
        if self.asked == Some(slot) {
            self.asked = None;
        }
    }

    /// True if whatever a pipe still holds will be skipped: it came unasked, or another peer was asked meanwhile.
    pub fn ignores(&self, slot: usize) -> bool {
        match self.state {
            State::Ready | State::Sending => true,
            State::Waiting => self.asked.is_some_and(|asked| asked != slot),
            State::Receiving => self.fair.reading() != Some(slot),
        }
    }

    /// Sends one part of a request.
    pub fn send(
        &mut self,
        scope: &mut Scope<'_>,
        part: PartRef<'_>,
        more: bool,
    ) -> Result<(), Refused> {
        match self.state {
            State::Ready => self.open_request(scope)?,
            State::Sending => {}
            State::Waiting | State::Receiving if scope.options.req_relaxed => {
                self.open_request(scope)?;
            }
            State::Waiting | State::Receiving => {
                return Err(Refused::State("receive the reply before sending the next request"));
            }
        }
        self.balancer.send(scope, part, more)?;
        self.state = if more { State::Sending } else { State::Waiting };
        Ok(())
    }

    /// Puts the envelope on the pipe whose turn it is.
    fn open_request(&mut self, scope: &mut Scope<'_>) -> Result<(), Refused> {
        if !self.balancer.is_writable(scope) {
            return Err(Refused::WouldBlock);
        }
        self.discard_received(scope.pipes);
        self.expected_id = None;
        if scope.options.req_correlate {
            let id = self.next_request_id;
            self.next_request_id = id.wrapping_add(1);
            self.expected_id = Some(id);
            self.balancer.send(scope, id.to_ne_bytes().as_slice().into(), true)?;
        }
        self.asked = self.balancer.send(scope, [].as_slice().into(), true)?;
        self.state = State::Sending;
        Ok(())
    }

    /// Whatever came before a request cannot be its reply.
    fn discard_received(&mut self, pipes: &mut Pipes) {
        let mut discarded = Message::new();
        while self.fair.recv(pipes, &mut discarded).is_some() {}
        self.skipping = false;
    }

    /// Reads the next part of the reply into `part`.
    pub fn recv(&mut self, scope: &mut Scope<'_>, part: &mut Message) -> Result<usize, Refused> {
        match self.state {
            State::Ready | State::Sending => {
                return Err(Refused::State("send a whole request before receiving a reply"));
            }
            State::Waiting => self.open_reply(scope.pipes)?,
            State::Receiving => {}
        }
        let slot = self.fair.recv(scope.pipes, part).ok_or(Refused::WouldBlock)?;
        self.state = if part.more() { State::Receiving } else { State::Ready };
        Ok(slot)
    }

    /// Reads envelopes until the reply is found; everything else is skipped.
    fn open_reply(&mut self, pipes: &mut Pipes) -> Result<(), Refused> {
        let mut part = Message::new();
        loop {
            while self.skipping {
                self.fair.recv(pipes, &mut part).ok_or(Refused::WouldBlock)?;
                self.skipping = part.more();
            }
            let slot = self.fair.recv(pipes, &mut part).ok_or(Refused::WouldBlock)?;
            self.skipping = part.more();
            if self.asked.is_some_and(|asked| asked != slot) {
                continue;
            }
            if self.is_envelope(&mut part, pipes) {
                self.skipping = false;
                self.state = State::Receiving;
                return Ok(());
            }
        }
    }

    /// Checks the envelope that starts with `part`; body parts follow if it is good.
    fn is_envelope(&mut self, part: &mut Message, pipes: &mut Pipes) -> bool {
        if let Some(id) = self.expected_id {
            if !part.more() || part.as_bytes() != id.to_ne_bytes() {
                return false;
            }
            if self.fair.recv(pipes, part).is_none() {
                return false;
            }
            self.skipping = part.more();
        }
        part.more() && part.is_empty()
    }

    /// True if data is queued where a reply is awaited; it may turn out not to be one.
    pub fn is_readable(&self, pipes: &mut Pipes) -> bool {
        match self.state {
            State::Receiving => true,
            State::Waiting => self.fair.has_data(pipes),
            State::Ready | State::Sending => false,
        }
    }

    /// True if a request can be sent.
    pub fn is_writable(&mut self, scope: &mut Scope<'_>) -> bool {
        match self.state {
            State::Sending => true,
            State::Ready => self.balancer.is_writable(scope),
            State::Waiting | State::Receiving => {
                scope.options.req_relaxed && self.balancer.is_writable(scope)
            }
        }
    }
}
