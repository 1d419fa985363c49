//! SUB and XSUB: subscriptions upstream to every peer, messages down by fair queue (libzmq-surface §6.6).

use zeroring_base::{Message, PartRef};

use super::fair_queue::{FairQueue, ShortReceived};
use super::topic::{Removed, SubscriptionSet};
use super::{NO_SLOT, Pipes, Refused, Scope};
use crate::pipe::TakeShort;

const SUBSCRIBE: &[u8] = b"\x09SUBSCRIBE";
const CANCEL: &[u8] = b"\x06CANCEL";

/// SUB and XSUB.
#[derive(Debug)]
pub struct Subscriber {
    fair: FairQueue,
    set: SubscriptionSet,
    /// SUB filters what it receives, and sends nothing of the application's.
    is_sub: bool,
    inside_received: bool,
    /// The rest of the message being read does not match.
    skipping: bool,
    /// A matching part that was read ahead to tell whether there is one.
    ahead: Option<Ahead>,
    /// Slots that the parts of the user's present upstream message go to.
    upstream: Option<Vec<usize>>,
}

/// Takes what matches, and makes nothing of the rest.
struct TakeMatching<'a, T> {
    /// XSUB has none.
    filter: Option<&'a SubscriptionSet>,
    inverted: bool,
    taker: &'a mut T,
}

impl<T: TakeShort> TakeShort for TakeMatching<'_, T> {
    type Taken = Option<T::Taken>;

    #[inline(always)]
    fn take(&mut self, body: &[u8]) -> Option<Self::Taken> {
        match self.filter.is_none_or(|set| set.matches(body) != self.inverted) {
            true => self.taker.take(body).map(Some),
            false => Some(None),
        }
    }
}

#[derive(Debug)]
struct Ahead {
    part: Message,
    slot: usize,
    is_first: bool,
}

impl Subscriber {
    /// A subscriber without subscriptions.
    pub fn new(is_sub: bool) -> Self {
        Self {
            fair: FairQueue::default(),
            set: SubscriptionSet::new(),
            is_sub,
            inside_received: false,
            skipping: false,
            ahead: None,
            upstream: None,
        }
    }

    /// The queue of received messages.
    pub fn fair(&mut self) -> &mut FairQueue {
        &mut self.fair
    }

    /// True for SUB.
    pub fn is_sub(&self) -> bool {
        self.is_sub
    }

    /// A publisher came (or came back): it gets every topic once, also beyond the high-water mark, for what is lost here
    /// would be so until it comes again. The set, which we hold anyway, bounds it.
    pub fn send_all(&mut self, scope: &mut Scope<'_>, slot: usize) {
        let Some(pipe) = scope.pipes.get_mut(slot) else { return };
        for topic in self.set.iter() {
            pipe.send_command_anyway(scope.pool, &[SUBSCRIBE, &topic].concat(), scope.clock);
        }
    }

    /// A publisher came back. An upstream message of which the application has sent a part is not for it: the topics go
    /// first, and would stand in the middle of it.
    pub fn reconnected(&mut self, scope: &mut Scope<'_>, slot: usize) {
        if let Some(pipe) = scope.pipes.get_mut(slot) {
            pipe.rollback();
        }
        self.leave_out(slot);
        self.send_all(scope, slot);
    }

    /// The present upstream message goes on without this publisher.
    fn leave_out(&mut self, slot: usize) {
        if let Some(upstream) = &mut self.upstream {
            upstream.retain(|other| *other != slot);
        }
    }

    /// Adds a subscription and tells every publisher.
    pub fn subscribe(&mut self, scope: &mut Scope<'_>, topic: &[u8]) {
        self.set.add(topic);
        tell_all(scope, &[SUBSCRIBE, topic].concat());
    }

    /// Takes a subscription back; publishers are told when nobody here holds it any more.
    pub fn unsubscribe(&mut self, scope: &mut Scope<'_>, topic: &[u8]) {
        let removed = self.set.remove(topic);
        let verbose = scope.options.xsub_verbose_unsubscribe && removed != Removed::NotPresent;
        if removed == Removed::Last || verbose {
            tell_all(scope, &[CANCEL, topic].concat());
        }
    }

    /// Number of distinct topics.
    pub fn topics_count(&self) -> usize {
        self.set.topics_count()
    }

    /// A pipe has something to read.
    pub fn readable(&mut self, slot: usize) {
        self.fair.activate(slot);
    }

    /// A pipe is about to be removed.
    pub fn remove(&mut self, slot: usize) {
        if self.fair.remove(slot) {
            self.inside_received = false;
            self.skipping = false;
            // Of a message cut off before the application saw any of it, it sees nothing.
            self.ahead = self.ahead.take().filter(|ahead| !ahead.is_first);
            if let Some(ahead) = &mut self.ahead {
                ahead.part.set_more(false);
            }
        }
        if let Some(ahead) = &mut self.ahead
            && ahead.slot == slot
        {
            ahead.slot = NO_SLOT;
        }
        self.leave_out(slot);
    }

    /// XSUB: a subscription, a cancellation, or data for the publishers.
    pub fn send(
        &mut self,
        scope: &mut Scope<'_>,
        part: PartRef<'_>,
        more: bool,
    ) -> Result<(), Refused> {
        if self.is_sub {
            return Err(Refused::NotSupported);
        }
        let is_first = self.upstream.is_none();
        if is_first || !scope.options.only_first_subscribe {
            match part.bytes().split_first() {
                Some((1, topic)) if is_first && !more => {
                    self.subscribe(scope, topic);
                    return Ok(());
                }
                Some((0, topic)) if is_first && !more => {
                    self.unsubscribe(scope, topic);
                    return Ok(());
                }
                // Inside a longer message a request travels as the part it is; the publisher reads it there.
                Some((1, topic)) => _ = self.set.add(topic),
                Some((0, topic)) => _ = self.set.remove(topic),
                _ => {}
            }
        }
        self.send_upstream(scope, part, more)
    }

    fn send_upstream(
        &mut self,
        scope: &mut Scope<'_>,
        part: PartRef<'_>,
        more: bool,
    ) -> Result<(), Refused> {
        let slots = self.upstream.take().unwrap_or_else(|| {
            scope
                .pipes
                .iter_mut()
                .filter_map(|(slot, p)| p.has_room(scope.clock).then_some(slot))
                .collect()
        });
        for slot in &slots {
            if let Some(pipe) = scope.pipes.get_mut(*slot) {
                pipe.put(scope.pool, part, more, scope.options.copy_threshold_bytes)?;
                if !more {
                    pipe.commit(scope.clock, true);
                }
            }
        }
        self.upstream = more.then_some(slots);
        Ok(())
    }

    /// Reads the next part of a message that matches into `part`.
    #[inline]
    pub fn recv(&mut self, scope: &mut Scope<'_>, part: &mut Message) -> Option<usize> {
        match self.ahead.take() {
            None => self.next_matching(scope, part),
            Some(ahead) => {
                *part = ahead.part;
                Some(ahead.slot)
            }
        }
    }

    /// True if what comes from the [queue](Self::fair) next is a message that matches, whatever it is.
    #[inline(always)]
    pub fn matches_next(&self, inverted: bool) -> bool {
        let is_between_messages = self.ahead.is_none() && !self.inside_received;
        is_between_messages && (!self.is_sub || self.set.matches_all() && !inverted)
    }

    /// Gives the body of a matching message of one part to `taker`, if it is short and its bytes are at hand. `None`: something
    /// else is to be done first, or the taker did not want it. Messages that do not match are passed over.
    #[inline(never)]
    pub fn try_recv_short<T: TakeShort>(
        &mut self,
        pipes: &mut Pipes,
        inverted: bool,
        taker: &mut T,
    ) -> Option<ShortReceived<T::Taken>> {
        if self.ahead.is_some() || self.inside_received {
            return None;
        }
        let filter = self.is_sub.then_some(&self.set);
        let mut matching = TakeMatching { filter, inverted, taker };
        loop {
            let ShortReceived { slot, taken, returns_credit } =
                self.fair.try_recv_short(pipes, &mut matching)?;
            if let Some(taken) = taken {
                return Some(ShortReceived { slot, taken, returns_credit });
            }
            if returns_credit {
                pipes.return_credit(slot);
            }
        }
    }

    #[inline]
    fn next_matching(&mut self, scope: &mut Scope<'_>, part: &mut Message) -> Option<usize> {
        loop {
            let slot = self.fair.recv(scope.pipes, part)?;
            let is_first = !self.inside_received;
            self.inside_received = part.more();
            if is_first {
                self.skipping =
                    self.is_sub && self.set.matches(part) == scope.options.invert_matching;
            }
            if !self.skipping {
                return Some(slot);
            }
        }
    }

    /// True if a matching part is there; it is read ahead, so that the answer holds.
    pub fn is_readable(&mut self, scope: &mut Scope<'_>) -> bool {
        if self.ahead.is_none() {
            let mut part = Message::new();
            let is_first = !self.inside_received || self.skipping;
            self.ahead =
                self.next_matching(scope, &mut part).map(|slot| Ahead { part, slot, is_first });
        }
        self.ahead.is_some()
    }

    /// True if a part that was read ahead is there.
    pub fn has_ahead(&self) -> bool {
        self.ahead.is_some()
    }
}

fn tell_all(scope: &mut Scope<'_>, command: &[u8]) {
    for slot in Pipes::slots(scope.pipes) {
        if let Some(pipe) = scope.pipes.get_mut(slot) {
            pipe.send_command(scope.pool, command, scope.clock);
        }
    }
}
