//! REP: the envelope is kept and put in front of the reply (libzmq-surface §6.8).

use zeroring_base::{Message, PartRef};

use super::fair_queue::FairQueue;
use super::routing::{Identities, Named};
use super::{Pipes, Refused, Scope};

/// REP.
#[derive(Debug)]
pub struct Reply {
    fair: FairQueue,
    names: Identities,
    state: State,
    /// Everything up to the empty delimiter of the present request, and where it came from.
    envelope: Vec<Message>,
    requester: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next part received starts a request.
    Idle,
    /// Body parts of the request follow.
    Receiving,
    /// The request is read: a reply is owed.
    MustReply,
    /// Parts of the reply follow.
    Sending,
}

impl Reply {
    /// A server without clients.
    pub fn new(first_generated: u32) -> Self {
        Self {
            fair: FairQueue::default(),
            names: Identities::new(first_generated),
            state: State::Idle,
            envelope: Vec::new(),
            requester: None,
        }
    }

    /// The queue of received messages, while a request is awaited.
    pub fn fair(&mut self) -> Option<&mut FairQueue> {
        matches!(self.state, State::Idle | State::Receiving).then_some(&mut self.fair)
    }

    /// The peers' names.
    pub fn names(&self) -> &Identities {
        &self.names
    }

    /// A peer can be served.
    pub fn identify(&mut self, scope: &mut Scope<'_>, slot: usize, announced: &[u8]) -> Named {
        let named = self.names.name(scope.pipes, slot, announced, scope.options.router_handover);
        if named != Named::Ignored {
            self.fair.activate(slot);
        }
        if let Named::TookFrom(other) = named {
            self.fair.retire(other);
        }
        named
    }

    /// A pipe has something to read; ignored ones stay invisible.
    pub fn readable(&mut self, pipes: &mut Pipes, slot: usize) {
        if self.names.is_served(pipes, slot) {
            self.fair.activate(slot);
        }
    }

    /// The pipe whose request is not read to its end.
    pub fn reading(&self) -> Option<usize> {
        self.fair.reading()
    }

    /// A pipe is about to be removed.
    pub fn remove(&mut self, pipes: &Pipes, slot: usize) {
        if let Some(pipe) = pipes.get(slot) {
            self.names.forget(&pipe.routing_id, slot);
        }
        self.fair.remove(slot);
        if self.requester == Some(slot) {
            self.requester = None; // the reply will be dropped
            if self.state == State::Receiving {
                self.state = State::Idle;
            }
        }
    }

    /// Reads the next body part of a request into `part`.
    pub fn recv(&mut self, scope: &mut Scope<'_>, part: &mut Message) -> Result<usize, Refused> {
        match self.state {
            State::MustReply | State::Sending => {
                return Err(Refused::State("send the reply before receiving the next request"));
            }
            State::Receiving => {}
            State::Idle => self.open_request(scope.pipes)?,
        }
        let slot = self.fair.recv(scope.pipes, part).ok_or(Refused::WouldBlock)?;
        self.state = if part.more() { State::Receiving } else { State::MustReply };
        Ok(slot)
    }

    /// Reads envelopes until a request with a delimiter is found; others are discarded.
    fn open_request(&mut self, pipes: &mut Pipes) -> Result<(), Refused> {
        loop {
            self.envelope.clear();
            loop {
                let mut part = Message::new();
                let slot = self.fair.recv(pipes, &mut part).ok_or(Refused::WouldBlock)?;
                let (more, is_delimiter) = (part.more(), part.is_empty());
                self.envelope.push(part);
                if !more {
                    break; // no delimiter, or nothing behind it
                }
                if is_delimiter {
                    self.requester = Some(slot);
                    self.state = State::Receiving;
                    return Ok(());
                }
            }
        }
    }

    /// Sends one part of the reply.
    pub fn send(
        &mut self,
        scope: &mut Scope<'_>,
        part: PartRef<'_>,
        more: bool,
    ) -> Result<(), Refused> {
        match self.state {
            State::Idle | State::Receiving => {
                return Err(Refused::State("receive the whole request before sending a reply"));
            }
            State::MustReply => self.open_reply(scope)?,
            State::Sending => {}
        }
        if let Some(pipe) = self.requester.and_then(|slot| scope.pipes.get_mut(slot)) {
            pipe.put(scope.pool, part, more, scope.options.copy_threshold_bytes)?;
            if !more {
                pipe.commit(scope.clock, true);
            }
        }
        self.state = if more { State::Sending } else { State::Idle };
        Ok(())
    }

    /// Puts the envelope; a requester that is gone or full gets no reply.
    fn open_reply(&mut self, scope: &mut Scope<'_>) -> Result<(), Refused> {
        let Some(slot) = self.requester else { return Ok(()) };
        let room = scope.pipes.get_mut(slot).is_some_and(|pipe| pipe.has_room(scope.clock));
        if !room {
            self.requester = None;
            return Ok(());
        }
        if let Some(pipe) = scope.pipes.get_mut(slot) {
            for part in self.envelope.drain(..) {
                pipe.put(scope.pool, (&part).into(), true, scope.options.copy_threshold_bytes)?;
            }
        }
        Ok(())
    }

    /// True if a request (or its next part) can be received.
    pub fn is_readable(&self, pipes: &mut Pipes) -> bool {
        match self.state {
            State::Receiving => true,
            State::Idle => self.fair.has_data(pipes),
            State::MustReply | State::Sending => false,
        }
    }

    /// True if a reply is owed.
    pub fn is_writable(&self) -> bool {
        matches!(self.state, State::MustReply | State::Sending)
    }
}
