//! Routing by id: ROUTER and STREAM (libzmq-surface §6.10, §6.11), and the names of peers that REP shares.

use std::collections::{HashMap, VecDeque};

use zeroring_base::{Message, PartRef};

use super::fair_queue::FairQueue;
use super::{NO_SLOT, Pipes, Refused, Scope};

/// Names of peers: announced, set for a connection, or generated.
#[derive(Debug)]
pub struct Identities {
    by_id: HashMap<Vec<u8>, usize>,
    next_generated: u32,
}

/// What became of a peer that wants a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// It has one and can be served.
    Yes,
    /// Its name is taken: it stays connected and is ignored.
    Ignored,
    /// It took the name from the pipe in this slot, which is to be closed when the message being read from it is read.
    TookFrom(usize),
}

impl Identities {
    /// No names yet; generated ones start at `first_generated`.
    pub fn new(first_generated: u32) -> Self {
        Self { by_id: HashMap::new(), next_generated: first_generated }
    }

    /// True if somebody has this name.
    pub fn is_taken(&self, id: &[u8]) -> bool {
        self.by_id.contains_key(id)
    }

    /// The slot of a named peer.
    #[inline]
    pub fn slot_of(&self, id: &[u8]) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Names the peer in `slot`: the name set for it, else the one it announced, else a generated one.
    pub fn name(
        &mut self,
        pipes: &mut Pipes,
        slot: usize,
        announced: &[u8],
        handover: bool,
    ) -> Named {
        let Some(pipe) = pipes.get_mut(slot) else { return Named::Ignored };
        if !pipe.routing_id.is_empty() {
            let taken = self.by_id.insert(pipe.routing_id.clone(), slot);
            debug_assert!(taken.is_none_or(|other| other == slot), "checked at connect");
            return Named::Yes;
        }
        let id = if announced.is_empty() { self.generate() } else { announced.to_vec() };
        match self.by_id.get(&id).copied() {
            Some(other) if other != slot && !handover => {
                pipe.is_ignored = true;
                Named::Ignored
            }
            Some(other) if other != slot => {
                pipe.routing_id.clone_from(&id);
                self.by_id.insert(id, slot);
                if let Some(old) = pipes.get_mut(other) {
                    old.routing_id.clear();
                }
                Named::TookFrom(other)
            }
            _ => {
                pipe.routing_id.clone_from(&id);
                self.by_id.insert(id, slot);
                Named::Yes
            }
        }
    }

    /// Five bytes: zero, which announced ids do not start with, and a counter.
    fn generate(&mut self) -> Vec<u8> {
        let mut id = vec![0];
        id.extend_from_slice(&self.next_generated.to_be_bytes());
        self.next_generated = self.next_generated.wrapping_add(1);
        id
    }

    /// True if what the pipe in `slot` brings is for the application. What an ignored one brings is thrown away.
    pub fn is_served(&self, pipes: &mut Pipes, slot: usize) -> bool {
        let Some(pipe) = pipes.get(slot) else { return false };
        let is_served = self.slot_of(&pipe.routing_id) == Some(slot);
        if pipe.is_ignored {
            pipes.discard_received(slot);
        }
        is_served
    }

    /// A peer is gone.
    pub fn forget(&mut self, id: &[u8], slot: usize) {
        if self.by_id.get(id) == Some(&slot) {
            self.by_id.remove(id);
        }
    }
}

/// ROUTER and STREAM.
#[derive(Debug)]
pub struct Routing {
    fair: FairQueue,
    names: Identities,
    is_raw: bool,
    /// The part that follows an id part already given to the application.
    waiting: Option<(Message, usize)>,
    /// `[id, ""]` events of a raw socket.
    notices: VecDeque<Notice>,
    inside_received: bool,
    outgoing: Outgoing,
    dropped_messages: u64,
}

/// A raw connection came or went.
#[derive(Debug)]
struct Notice {
    id: Vec<u8>,
    /// The pipe, and how far it has to be read first: what a connection brought is told before its end.
    after: Option<(usize, u64)>,
}

impl Notice {
    fn after_of(&self, slot: usize) -> Option<(usize, u64)> {
        self.after.filter(|(own, _)| *own == slot)
    }

    fn is_due(&self, pipes: &Pipes) -> bool {
        self.after.is_none_or(|(slot, end)| pipes.get(slot).is_none_or(|p| p.read_bytes() >= end))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outgoing {
    /// The next part is an id.
    ExpectId,
    /// The parts of this message go to this slot.
    To(usize),
    /// The parts of this message are swallowed.
    Dropping,
}

impl Routing {
    /// A router without peers.
    pub fn new(is_raw: bool, first_generated: u32) -> Self {
        Self {
            fair: FairQueue::default(),
            names: Identities::new(first_generated),
            is_raw,
            waiting: None,
            notices: VecDeque::new(),
            inside_received: false,
            outgoing: Outgoing::ExpectId,
            dropped_messages: 0,
        }
    }

    /// Messages for peers that are not there or have no room.
    pub fn dropped_messages(&self) -> u64 {
        self.dropped_messages
    }

    /// The queue of received messages.
    pub fn fair(&mut self) -> &mut FairQueue {
        &mut self.fair
    }

    /// The pipe whose message is not read to its end.
    pub fn reading(&self) -> Option<usize> {
        self.fair.reading()
    }

    /// The peers' names.
    pub fn names(&self) -> &Identities {
        &self.names
    }

    /// True for STREAM.
    pub fn is_raw(&self) -> bool {
        self.is_raw
    }

    /// A peer can be served: its name is known.
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

    /// A raw connection came.
    pub fn notify_begin(&mut self, scope: &Scope<'_>, slot: usize) {
        // Behind the end of the connection before it, ahead of what it brings itself.
        let after = self.notices.iter().rev().find_map(|notice| notice.after_of(slot));
        self.notify(scope, slot, after);
    }

    /// A raw connection is lost. It brought what stands before `end_bytes`.
    pub fn notify_end(&mut self, scope: &Scope<'_>, slot: usize, end_bytes: u64) {
        self.notify(scope, slot, Some((slot, end_bytes)));
    }

    fn notify(&mut self, scope: &Scope<'_>, slot: usize, after: Option<(usize, u64)>) {
        if self.is_raw
            && scope.options.stream_notify
            && let Some(pipe) = scope.pipes.get(slot)
        {
            self.notices.push_back(Notice { id: pipe.routing_id.clone(), after });
        }
    }

    fn next_notice(&mut self, pipes: &Pipes) -> Option<Vec<u8>> {
        let index = self.notices.iter().position(|notice| notice.is_due(pipes))?;
        Some(self.notices.remove(index)?.id)
    }

    /// A pipe has something to read; unnamed ones stay invisible.
    pub fn readable(&mut self, pipes: &mut Pipes, slot: usize) {
        if self.names.is_served(pipes, slot) {
            self.fair.activate(slot);
        }
    }

    /// A pipe is about to be removed.
    pub fn remove(&mut self, scope: &Scope<'_>, slot: usize) {
        for notice in &mut self.notices {
            notice.after = notice.after.filter(|(other, _)| *other != slot);
        }
        self.notify(scope, slot, None);
        if let Some(pipe) = scope.pipes.get(slot) {
            self.names.forget(&pipe.routing_id, slot);
        }
        let is_cut = self.fair.remove(slot);
        if is_cut {
            self.inside_received = false;
        }
        if let Some((part, from)) = &mut self.waiting
            && *from == slot
        {
            *from = NO_SLOT;
            if is_cut {
                part.set_more(false); // its id is out already, and nothing follows
            }
        }
        if self.outgoing == Outgoing::To(slot) {
            self.outgoing = Outgoing::Dropping;
        }
    }

    /// Reads the next part into `part`: an id, then the parts of that peer's message.
    pub fn recv(&mut self, scope: &mut Scope<'_>, part: &mut Message) -> Option<usize> {
        if let Some((waiting, slot)) = self.waiting.take() {
            *part = waiting;
            return Some(slot);
        }
        if !self.inside_received
            && !self.notices.is_empty()
            && let Some(id) = self.next_notice(scope.pipes)
        {
            self.waiting = Some((Message::new(), NO_SLOT));
            part.set_copy(&id, true);
            return Some(NO_SLOT);
        }
        let slot = self.fair.recv(scope.pipes, part)?;
        let is_first = !std::mem::replace(&mut self.inside_received, part.more());
        if is_first {
            self.waiting = Some((std::mem::take(part), slot));
            let id = scope.pipes.get(slot).map_or(&[][..], |pipe| pipe.routing_id.as_slice());
            part.set_copy(id, true);
        }
        Some(slot)
    }

    /// True if a part can be received now.
    pub fn is_readable(&self, pipes: &mut Pipes) -> bool {
        self.has_more_than_data(pipes) || self.fair.has_data(pipes)
    }

    /// True if something can be received without looking into a pipe.
    pub fn has_more_than_data(&self, pipes: &Pipes) -> bool {
        let has_notice = || self.notices.iter().any(|notice| notice.is_due(pipes));
        self.waiting.is_some() || (!self.inside_received && has_notice())
    }

    /// Raw connections carry bytes: a message is exactly an id and one part.
    fn takes_one_part(&self, scope: &Scope<'_>) -> bool {
        self.is_raw || scope.options.router_raw
    }

    /// Sends one part; the first of a message is the id of the peer.
    pub fn send(
        &mut self,
        scope: &mut Scope<'_>,
        part: PartRef<'_>,
        more: bool,
    ) -> Result<(), Refused> {
        match self.outgoing {
            Outgoing::ExpectId => self.send_id(scope, part, more),
            Outgoing::Dropping => {
                if !more || self.takes_one_part(scope) {
                    self.outgoing = Outgoing::ExpectId;
                }
                Ok(())
            }
            Outgoing::To(slot) => self.send_part(scope, slot, part, more),
        }
    }

    fn send_id(
        &mut self,
        scope: &mut Scope<'_>,
        id: PartRef<'_>,
        more: bool,
    ) -> Result<(), Refused> {
        if !more {
            // Nothing follows: dropped. STREAM swallows the part that the application sends next as well.
            self.outgoing = if self.is_raw { Outgoing::Dropping } else { Outgoing::ExpectId };
            return Ok(());
        }
        let mandatory = self.is_raw || scope.options.router_mandatory;
        let slot = self.names.slot_of(id.bytes());
        let pipe = slot.and_then(|slot| scope.pipes.get_mut(slot));
        let refused = match pipe {
            None => Some(Refused::HostUnreachable),
            Some(pipe) if pipe.is_gone() => Some(Refused::HostUnreachable),
            Some(pipe) => (!pipe.has_room(scope.clock)).then_some(Refused::WouldBlock),
        };
        match (refused, slot) {
            (Some(refused), _) if mandatory => return Err(refused),
            (None, Some(slot)) => self.outgoing = Outgoing::To(slot),
            _ => {
                self.outgoing = Outgoing::Dropping;
                self.dropped_messages += 1;
            }
        }
        Ok(())
    }

    fn send_part(
        &mut self,
        scope: &mut Scope<'_>,
        slot: usize,
        part: PartRef<'_>,
        more: bool,
    ) -> Result<(), Refused> {
        let more = more && !self.takes_one_part(scope);
        if let Some(pipe) = scope.pipes.get_mut(slot) {
            pipe.put(scope.pool, part, more, scope.options.copy_threshold_bytes)?;
            if !more {
                pipe.commit(scope.clock, true);
            }
        }
        if !more {
            self.outgoing = Outgoing::ExpectId;
        }
        Ok(())
    }

    /// True if a message can be sent: always, or with MANDATORY if some peer has room.
    pub fn is_writable(&mut self, scope: &mut Scope<'_>) -> bool {
        if self.is_raw || !scope.options.router_mandatory || self.outgoing != Outgoing::ExpectId {
            return true;
        }
        scope
            .pipes
            .iter_mut()
            .any(|(_, pipe)| !pipe.routing_id.is_empty() && pipe.has_room(scope.clock))
    }
}
