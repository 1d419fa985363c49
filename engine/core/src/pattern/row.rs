//! The table of socket types: which policies a type is made of, and the calls passed on to them.

use zeroring_base::{Message, PartRef};
use zeroring_zmtp::socket_type::SocketType;

use super::fair_queue::FairQueue;
use super::fan_out::FanOut;
use super::load_balancer::LoadBalancer;
use super::reply::Reply;
use super::request::Request;
use super::routing::{Named, Routing};
use super::subscriber::Subscriber;
use super::{Pipes, Refused, Scope};

/// What a socket type is made of. See the table in the module above.
#[derive(Debug)]
pub enum Pattern {
    /// PAIR, PUSH, PULL, DEALER.
    Distribute {
        /// How it sends; `None` = it does not.
        balancer: Option<LoadBalancer>,
        /// How it receives; `None` = it does not.
        fair: Option<FairQueue>,
        /// PAIR: further peers are turned away.
        only_one: bool,
    },
    /// REQ.
    Request(Request),
    /// REP.
    Reply(Reply),
    /// ROUTER, STREAM.
    Routing(Routing),
    /// PUB, XPUB.
    FanOut(FanOut),
    /// SUB, XSUB.
    Subscriber(Subscriber),
}

/// What becomes of a new pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is served.
    Served,
    /// It is to be closed at once.
    TurnedAway,
    /// It is served, and this other pipe is to be closed; the message being read from it is read to its end before.
    Replaces(usize),
}

impl Pattern {
    /// The row of a socket type; generated ids and request numbers start at `random`.
    pub fn new(kind: SocketType, random: u32) -> Self {
        let distribute = |sends: bool, receives: bool, only_one: bool| Pattern::Distribute {
            balancer: sends.then(LoadBalancer::default),
            fair: receives.then(FairQueue::default),
            only_one,
        };
        match kind {
            SocketType::Pair => distribute(true, true, true),
            SocketType::Push => distribute(true, false, false),
            SocketType::Pull => distribute(false, true, false),
            SocketType::Dealer => distribute(true, true, false),
            SocketType::Req => Pattern::Request(Request::new(random)),
            SocketType::Rep => Pattern::Reply(Reply::new(random)),
            SocketType::Router => Pattern::Routing(Routing::new(false, random)),
            SocketType::Stream => Pattern::Routing(Routing::new(true, random)),
            SocketType::Pub => Pattern::FanOut(FanOut::new(true)),
            SocketType::XPub => Pattern::FanOut(FanOut::new(false)),
            SocketType::Sub => Pattern::Subscriber(Subscriber::new(true)),
            SocketType::XSub => Pattern::Subscriber(Subscriber::new(false)),
        }
    }

    /// A pipe was added. `announced`: the peer's routing id, `None` while the handshake is pending.
    pub fn attach(
        &mut self,
        scope: &mut Scope<'_>,
        slot: usize,
        announced: Option<&[u8]>,
        subscribe_all: bool,
    ) -> Admission {
        match self {
            Pattern::Distribute { balancer, fair, only_one } => {
                if *only_one && scope.pipes.len() > 1 {
                    return Admission::TurnedAway;
                }
                balancer.iter_mut().for_each(|b| b.activate(slot));
                fair.iter_mut().for_each(|f| f.activate(slot));
            }
            Pattern::Request(request) => {
                request.writable(slot);
                request.readable(slot);
            }
            Pattern::Subscriber(subscriber) => {
                subscriber.send_all(scope, slot);
                subscriber.readable(slot);
            }
            Pattern::FanOut(fan_out) => {
                // A welcome that finds no memory is a message lost to a peer that is just coming.
                let _ = fan_out.attach(scope, slot, subscribe_all);
            }
            Pattern::Reply(_) | Pattern::Routing(_) => {
                return self.identify(scope, slot, announced);
            }
        }
        Admission::Served
    }

    /// ROUTER, REP, STREAM: serves a peer once its name is known.
    fn identify(
        &mut self,
        scope: &mut Scope<'_>,
        slot: usize,
        announced: Option<&[u8]>,
    ) -> Admission {
        let has_name = scope.pipes.get(slot).is_some_and(|pipe| !pipe.routing_id.is_empty());
        let is_raw = scope.options.router_raw
            || matches!(self, Pattern::Routing(routing) if routing.is_raw());
        let announced = match announced {
            Some(announced) => announced,
            None if has_name || is_raw => &[],
            None => return Admission::Served, // invisible until the handshake tells
        };
        let named = match self {
            Pattern::Routing(routing) => routing.identify(scope, slot, announced),
            Pattern::Reply(reply) => reply.identify(scope, slot, announced),
            _ => Named::Yes,
        };
        match named {
            Named::TookFrom(other) => Admission::Replaces(other),
            Named::Yes | Named::Ignored => Admission::Served,
        }
    }

    /// The connection behind a pipe that existed before is ready, for the first time or again.
    pub fn connected(&mut self, scope: &mut Scope<'_>, slot: usize, again: bool) -> Admission {
        let info = scope.pipes.get(slot).and_then(|pipe| pipe.info.clone());
        let announced = info.as_ref().map(|info| info.routing_id.as_slice());
        match self {
            Pattern::Subscriber(subscriber) if again => subscriber.reconnected(scope, slot),
            Pattern::Routing(routing) if routing.is_raw() => routing.notify_begin(scope, slot),
            Pattern::Routing(_) | Pattern::Reply(_) if !again => {
                return self.identify(scope, slot, announced);
            }
            _ => {}
        }
        Admission::Served
    }

    /// The connection behind a pipe that stays is lost. It brought what stands before `end_bytes`.
    pub fn disconnected(&mut self, scope: &mut Scope<'_>, slot: usize, end_bytes: u64) {
        if let Pattern::Routing(routing) = self {
            routing.notify_end(scope, slot, end_bytes);
        }
    }

    /// The inproc endpoint that a pipe was waiting for is bound, by a socket that announces this id.
    pub fn introduced(
        &mut self,
        scope: &mut Scope<'_>,
        slot: usize,
        announced: &[u8],
    ) -> Admission {
        match self {
            Pattern::Routing(_) | Pattern::Reply(_) => self.identify(scope, slot, Some(announced)),
            _ => Admission::Served,
        }
    }

    /// A pipe has something to read.
    pub fn readable(&mut self, scope: &mut Scope<'_>, slot: usize) {
        match self {
            Pattern::Distribute { fair: Some(fair), .. } => fair.activate(slot),
            Pattern::Distribute { fair: None, .. } => scope.pipes.discard_received(slot),
            Pattern::Request(request) => request.readable(slot),
            Pattern::Reply(reply) => reply.readable(scope.pipes, slot),
            Pattern::Routing(routing) => routing.readable(scope.pipes, slot),
            Pattern::FanOut(fan_out) => fan_out.readable(scope, slot),
            Pattern::Subscriber(subscriber) => subscriber.readable(slot),
        }
    }

    /// A pipe has room again.
    pub fn writable(&mut self, slot: usize) {
        match self {
            Pattern::Distribute { balancer, .. } => {
                balancer.iter_mut().for_each(|b| b.activate(slot))
            }
            Pattern::Request(request) => request.writable(slot),
            _ => {} // the others look at a pipe's room when they need it
        }
    }

    /// A pipe is about to be removed.
    pub fn remove(&mut self, scope: &mut Scope<'_>, slot: usize) {
        match self {
            Pattern::Distribute { balancer, fair, .. } => {
                balancer.iter_mut().for_each(|b| b.remove(slot));
                if let Some(fair) = fair {
                    fair.remove(slot);
                }
            }
            Pattern::Request(request) => request.remove(slot),
            Pattern::Reply(reply) => reply.remove(scope.pipes, slot),
            Pattern::Routing(routing) => routing.remove(scope, slot),
            Pattern::FanOut(fan_out) => fan_out.remove(scope.options, slot),
            Pattern::Subscriber(subscriber) => subscriber.remove(slot),
        }
    }

    /// Sends one part.
    #[inline]
    pub fn send(
        &mut self,
        scope: &mut Scope<'_>,
        part: PartRef<'_>,
        more: bool,
    ) -> Result<(), Refused> {
        match self {
            Pattern::Distribute { balancer: Some(balancer), .. } => {
                balancer.send(scope, part, more).map(drop)
            }
            Pattern::Distribute { balancer: None, .. } => Err(Refused::NotSupported),
            Pattern::Request(request) => request.send(scope, part, more),
            Pattern::Reply(reply) => reply.send(scope, part, more),
            Pattern::Routing(routing) => routing.send(scope, part, more),
            Pattern::FanOut(fan_out) => fan_out.send(scope, part, more),
            Pattern::Subscriber(subscriber) => subscriber.send(scope, part, more),
        }
    }

    /// Receives one part into `part`; returns the slot of the pipe it came from, or [`NO_SLOT`](super::NO_SLOT).
    #[inline]
    pub fn recv(&mut self, scope: &mut Scope<'_>, part: &mut Message) -> Result<usize, Refused> {
        match self {
            Pattern::Distribute { fair: Some(fair), .. } => {
                fair.recv(scope.pipes, part).ok_or(Refused::WouldBlock)
            }
            Pattern::Distribute { fair: None, .. } => Err(Refused::NotSupported),
            Pattern::Request(request) => request.recv(scope, part),
            Pattern::Reply(reply) => reply.recv(scope, part),
            Pattern::Routing(routing) => routing.recv(scope, part).ok_or(Refused::WouldBlock),
            Pattern::FanOut(fan_out) => fan_out.recv(scope, part),
            Pattern::Subscriber(subscriber) => {
                subscriber.recv(scope, part).ok_or(Refused::WouldBlock)
            }
        }
    }

    /// The queue of received messages, for types that have one and would read from it now.
    fn fair_queue(&mut self) -> Option<&mut FairQueue> {
        match self {
            Pattern::Distribute { fair, .. } => fair.as_mut(),
            Pattern::Request(request) => request.fair(),
            Pattern::Reply(reply) => reply.fair(),
            Pattern::Routing(routing) => Some(routing.fair()),
            Pattern::Subscriber(subscriber) => Some(subscriber.fair()),
            Pattern::FanOut(_) => None, // takes what peers send as soon as they tell
        }
    }

    /// True if data is queued, by looking only (for a thread that spins).
    #[inline]
    pub fn has_data(&mut self, pipes: &mut Pipes) -> bool {
        self.holds_something(pipes) || self.fair_queue().is_some_and(|fair| fair.has_data(pipes))
    }

    /// The last look before the thread sleeps. False: nothing is queued, and whoever sends from now on tells.
    pub fn has_data_or_told(&mut self, pipes: &mut Pipes) -> bool {
        self.holds_something(pipes)
            || self.fair_queue().is_some_and(|fair| fair.is_readable_or_told(pipes))
    }

    /// True if the pattern itself holds something for the application that left its pipe already or never was in one.
    fn holds_something(&self, pipes: &Pipes) -> bool {
        match self {
            Pattern::Routing(routing) => routing.has_more_than_data(pipes),
            Pattern::Subscriber(subscriber) => subscriber.has_ahead(),
            Pattern::FanOut(fan_out) => fan_out.holds_something(),
            Pattern::Distribute { .. } | Pattern::Request(_) | Pattern::Reply(_) => false,
        }
    }

    /// The pipe in this slot is read on, for it began a message that is not read to its end.
    pub fn is_reading(&self, slot: usize) -> bool {
        match self {
            Pattern::Routing(routing) => routing.reading() == Some(slot),
            Pattern::Reply(reply) => reply.reading() == Some(slot),
            _ => false,
        }
    }

    /// True if nothing that the pipe in this slot still holds will ever be given to the application.
    pub fn ignores(&self, pipes: &Pipes, slot: usize) -> bool {
        match self {
            Pattern::Distribute { fair, .. } => fair.is_none(),
            Pattern::Request(request) => request.ignores(slot),
            _ => pipes.get(slot).is_some_and(|pipe| pipe.is_ignored),
        }
    }

    /// POLLIN.
    pub fn is_readable(&mut self, scope: &mut Scope<'_>) -> bool {
        match self {
            Pattern::Distribute { fair, .. } => {
                fair.as_mut().is_some_and(|fair| fair.has_data(scope.pipes))
            }
            Pattern::Request(request) => request.is_readable(scope.pipes),
            Pattern::Reply(reply) => reply.is_readable(scope.pipes),
            Pattern::Routing(routing) => routing.is_readable(scope.pipes),
            Pattern::FanOut(fan_out) => fan_out.is_readable(scope),
            Pattern::Subscriber(subscriber) => subscriber.is_readable(scope),
        }
    }

    /// POLLOUT.
    pub fn is_writable(&mut self, scope: &mut Scope<'_>) -> bool {
        match self {
            Pattern::Distribute { balancer, .. } => {
                balancer.as_mut().is_some_and(|balancer| balancer.is_writable(scope))
            }
            Pattern::Request(request) => request.is_writable(scope),
            Pattern::Reply(reply) => reply.is_writable(),
            Pattern::Routing(routing) => routing.is_writable(scope),
            Pattern::FanOut(_) => true,
            Pattern::Subscriber(subscriber) => !subscriber.is_sub(),
        }
    }

    /// True if this type ever sends what the application gives it.
    pub fn can_send(&self) -> bool {
        match self {
            Pattern::Distribute { balancer, .. } => balancer.is_some(),
            Pattern::Subscriber(subscriber) => !subscriber.is_sub(),
            _ => true,
        }
    }

    /// True if this type ever receives something for the application.
    pub fn can_recv(&self) -> bool {
        match self {
            Pattern::Distribute { fair, .. } => fair.is_some(),
            Pattern::FanOut(fan_out) => !fan_out.is_pub(),
            _ => true,
        }
    }

    /// True if a peer has this routing id.
    pub fn has_peer(&self, id: &[u8]) -> bool {
        match self {
            Pattern::Routing(routing) => routing.names().is_taken(id),
            Pattern::Reply(reply) => reply.names().is_taken(id),
            _ => false,
        }
    }

    /// Messages that were accepted and not sent, because their peer had no room or was not there.
    pub fn dropped_messages(&self) -> u64 {
        match self {
            Pattern::FanOut(fan_out) => fan_out.dropped_messages(),
            Pattern::Routing(routing) => routing.dropped_messages(),
            _ => 0, // these wait for room, or refuse
        }
    }

    /// Distinct topics stored; `None` for types without subscriptions.
    pub fn topics_count(&self) -> Option<usize> {
        match self {
            Pattern::FanOut(fan_out) => Some(fan_out.topics_count()),
            Pattern::Subscriber(subscriber) => Some(subscriber.topics_count()),
            _ => None,
        }
    }
}
