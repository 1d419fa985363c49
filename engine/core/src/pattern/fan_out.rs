//! PUB and XPUB: fan-out by topic, subscriptions upstream (libzmq-surface §6.6).
//!
//! A message for several peers is encoded once, into a slab of the socket's own; each matching pipe gets a range of it,
//! and ranges that touch are merged (DESIGN 2.4). A peer without room is passed over until it has read to its low-water
//! mark: a slow subscriber costs itself only.

use std::collections::VecDeque;

use zeroring_base::copy::SMALL_BYTES_MAX;
use zeroring_base::slab::SlabWriter;
use zeroring_base::{Message, PartRef, limits};
use zeroring_zmtp::command::Command;
use zeroring_zmtp::framing::{MORE, encode_header};

use super::topic::{Removed, TopicTable};
use super::{NO_SLOT, Refused, Scope};
use crate::options::SocketOptions;
use crate::pipe::Part;
use crate::socket::PipeId;

/// To more matching peers than this nothing is written at once: the I/O threads write, side by side, and the application
/// when it waits.
const INLINE_WRITES_MAX: usize = 4;
/// Upstream events an XPUB keeps for its application. Beyond them requests are served and not told, data is dropped; in
/// manual mode, where the application decides, its peers' requests wait in their pipes.
const EVENTS_MAX: usize = 65_536;

/// PUB and XPUB.
#[derive(Debug)]
pub struct FanOut {
    table: TopicTable,
    /// MANUAL: what the peers asked for, whatever the application made of it.
    asked: Box<TopicTable>,
    /// PUB keeps nothing for the application.
    is_pub: bool,
    /// Slots of the peers that the present message is for.
    matching: Vec<usize>,
    /// The state of the table in which `matching` holds for every topic.
    matching_always: Option<u64>,
    dropped_messages: u64,
    inside_message: bool,
    slab: Option<SlabWriter>,
    events: VecDeque<UpstreamEvent>,
    /// Events that found no place.
    lost_events: u64,
    /// Peers that sent more while they were being read: they are read on at the next call.
    unread: Vec<usize>,
    /// MANUAL: peers whose requests wait until the application receives.
    stalled: Vec<usize>,
    /// MANUAL: the peer of the last request the application received.
    last_requester: Option<usize>,
    /// MANUAL_LAST_VALUE: the next message goes to that peer only.
    only_last: bool,
    /// Peers that asked for more than they may.
    offenders: Vec<usize>,
}

#[derive(Debug)]
struct UpstreamEvent {
    part: Message,
    /// Who sent it. A slot may be another peer's by the time the application receives, a name may not.
    from: Option<(usize, PipeId)>,
    is_request: bool,
}

/// The upstream message being read from a peer.
#[derive(Default)]
struct Upstream {
    is_inside: bool,
    began_with_data: bool,
    /// There was no place for its first part of data.
    is_dropped: bool,
}

impl FanOut {
    /// A publisher without subscribers.
    pub fn new(is_pub: bool) -> Self {
        Self {
            table: TopicTable::new(),
            asked: Box::default(),
            is_pub,
            matching: Vec::new(),
            matching_always: None,
            dropped_messages: 0,
            inside_message: false,
            slab: None,
            events: VecDeque::new(),
            lost_events: 0,
            unread: Vec::new(),
            stalled: Vec::new(),
            last_requester: None,
            only_last: false,
            offenders: Vec::new(),
        }
    }

    /// True for PUB.
    pub fn is_pub(&self) -> bool {
        self.is_pub
    }

    /// Messages that subscribers without room did not get, counted for each of them.
    pub fn dropped_messages(&self) -> u64 {
        self.dropped_messages
    }

    /// Number of distinct topics.
    pub fn topics_count(&self) -> usize {
        self.table.topics_count()
    }

    /// Peers that broke a limit since last time; the socket closes their pipes.
    pub fn take_offenders(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.offenders)
    }

    /// Peers that are to be read on at the next call.
    pub fn take_unread(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.unread)
    }

    /// A subscriber came.
    pub fn attach(
        &mut self,
        scope: &mut Scope<'_>,
        slot: usize,
        subscribe_all: bool,
    ) -> Result<(), Refused> {
        if subscribe_all {
            self.request(scope, slot, true, &[]);
        }
        let welcome = &scope.options.xpub_welcome_message;
        if !welcome.is_empty()
            && let Some(pipe) = scope.pipes.get_mut(slot)
        {
            pipe.put(scope.pool, welcome.as_slice().into(), false, u32::MAX)?;
            pipe.commit(scope.clock, true);
        }
        self.readable(scope, slot);
        Ok(())
    }

    /// A subscriber is about to be removed. Reported as taken back: in manual mode what it asked for, with
    /// VERBOSE_UNSUBSCRIBE what it held, otherwise what nobody else holds (libzmq-surface §6.6).
    pub fn remove(&mut self, options: &SocketOptions, slot: usize) {
        let (peer, is_manual) = (slot as u32, options.xpub_manual);
        let mut reported = Vec::new();
        self.asked.remove_peer(peer, |topic, _| reported.extend(is_manual.then(|| topic.to_vec())));
        self.table.remove_peer(peer, |topic, how| {
            let is_news = how == Removed::Last || options.xpub_verbose_unsubscribe;
            reported.extend((is_news && !is_manual).then(|| topic.to_vec()));
        });
        if !self.is_pub {
            for topic in reported {
                self.push_event(request_part(false, &topic), None, true);
            }
        }
        for slots in [&mut self.matching, &mut self.unread, &mut self.stalled, &mut self.offenders]
        {
            slots.retain(|other| *other != slot);
        }
        if self.last_requester == Some(slot) {
            self.last_requester = None;
        }
    }

    // ---- Upstream -----------------------------------------------------------------------------------------------

    /// A peer sent something. Reads what is there now and no more, however fast it goes on.
    pub fn readable(&mut self, scope: &mut Scope<'_>, slot: usize) {
        let Some(end) = scope.pipes.get(slot).map(super::Pipe::received_bytes) else { return };
        let mut message = Upstream::default();
        loop {
            if self.offenders.contains(&slot) {
                return; // the socket is about to close it
            }
            if !message.is_inside && scope.options.xpub_manual && self.is_full() {
                return self.stall(scope, slot);
            }
            let Some(pipe) = scope.pipes.get_mut(slot) else { return };
            let part = if pipe.read_bytes() < end { pipe.read_any() } else { None };
            match part {
                Some(Part::Command(body)) => match Command::parse(&body) {
                    Ok(Command::Subscribe(topic)) => self.request(scope, slot, true, topic),
                    Ok(Command::Cancel(topic)) => self.request(scope, slot, false, topic),
                    _ => {}
                },
                Some(Part::Message(part)) => self.upstream_part(scope, slot, part, &mut message),
                None => break,
            }
        }
        if let Some(pipe) = scope.pipes.get_mut(slot)
            && pipe.is_readable_or_waits()
            && !self.unread.contains(&slot)
        {
            self.unread.push(slot);
        }
    }

    /// Leaves a peer's requests in its pipe. Those of a peer that is gone are void.
    fn stall(&mut self, scope: &mut Scope<'_>, slot: usize) {
        if scope.pipes.get(slot).is_some_and(|pipe| pipe.is_gone()) {
            scope.pipes.discard_received(slot);
        } else if !self.stalled.contains(&slot) {
            self.stalled.push(slot);
        }
    }

    /// Reads on where more came than was read.
    fn read_on(&mut self, scope: &mut Scope<'_>) {
        for slot in self.take_unread() {
            self.readable(scope, slot);
        }
    }

    /// Parts that start with 1 or 0 are requests too; anything else is the user's. With ONLY_FIRST_SUBSCRIBE that holds
    /// unless the message began with data.
    fn upstream_part(
        &mut self,
        scope: &mut Scope<'_>,
        slot: usize,
        part: Message,
        message: &mut Upstream,
    ) {
        let is_only_data = message.began_with_data && scope.options.only_first_subscribe;
        message.is_inside = part.more();
        match part.as_bytes().split_first() {
            Some((1, topic)) if !is_only_data => self.request(scope, slot, true, topic),
            Some((0, topic)) if !is_only_data => self.request(scope, slot, false, topic),
            _ => self.upstream_data(scope, slot, part, message),
        }
        if !message.is_inside {
            *message = Upstream::default();
        }
    }

    /// Data is for the application of an XPUB; messages that find no place are dropped whole.
    fn upstream_data(
        &mut self,
        scope: &Scope<'_>,
        slot: usize,
        part: Message,
        message: &mut Upstream,
    ) {
        if self.is_pub {
            message.began_with_data = true;
            return;
        }
        if !std::mem::replace(&mut message.began_with_data, true) && self.is_full() {
            message.is_dropped = true;
            self.count_lost();
        }
        if !message.is_dropped {
            let from = name_of(scope, slot);
            self.events.push_back(UpstreamEvent { part, from, is_request: false });
        }
    }

    fn request(&mut self, scope: &mut Scope<'_>, slot: usize, subscribe: bool, topic: &[u8]) {
        let options = scope.options;
        let table = if options.xpub_manual { &mut *self.asked } else { &mut self.table };
        let peer = slot as u32;
        let is_news = if subscribe {
            // Commands were checked when they came; a message that is a subscription could be of any size.
            if topic.len() > options.max_topic_bytes as usize {
                self.offenders.push(slot);
                return;
            }
            let is_first = table.subscribe(topic, peer);
            if table.subscriptions_of(peer) > options.max_subscriptions_per_peer as usize {
                table.unsubscribe(topic, peer);
                self.offenders.push(slot);
                return;
            }
            is_first || options.xpub_verbose_subscribe
        } else {
            table.unsubscribe(topic, peer) != Removed::StillHeld || options.xpub_verbose_unsubscribe
        };
        if (is_news || options.xpub_manual) && !self.is_pub {
            self.push_event(request_part(subscribe, topic), name_of(scope, slot), true);
        }
    }

    fn is_full(&self) -> bool {
        self.events.len() >= EVENTS_MAX
    }

    /// Keeps an event for the application, if there is a place.
    fn push_event(&mut self, part: Message, from: Option<(usize, PipeId)>, is_request: bool) {
        if self.is_full() {
            return self.count_lost();
        }
        self.events.push_back(UpstreamEvent { part, from, is_request });
    }

    #[cold]
    fn count_lost(&mut self) {
        self.lost_events += 1;
        if self.lost_events.is_power_of_two() {
            tracing::warn!(
                lost = self.lost_events,
                "an XPUB's application does not receive: subscriptions are served and not told any more"
            );
        }
    }

    /// XPUB: the next request or upstream part.
    pub fn recv(&mut self, scope: &mut Scope<'_>, part: &mut Message) -> Result<usize, Refused> {
        if self.is_pub {
            return Err(Refused::NotSupported);
        }
        self.read_on(scope);
        let event = self.events.pop_front().ok_or(Refused::WouldBlock)?;
        let is_still_there =
            |(slot, id): &(usize, PipeId)| scope.pipes.get(*slot).is_some_and(|p| p.id == *id);
        let slot = event.from.filter(is_still_there).map(|(slot, _)| slot);
        if event.is_request && scope.options.xpub_manual {
            self.last_requester = slot;
            self.only_last = scope.options.xpub_manual_last_value;
        }
        for stalled in std::mem::take(&mut self.stalled) {
            self.readable(scope, stalled);
        }
        *part = event.part;
        Ok(slot.unwrap_or(NO_SLOT))
    }

    /// True if an event waits for the application.
    pub fn is_readable(&mut self, scope: &mut Scope<'_>) -> bool {
        self.read_on(scope);
        !self.events.is_empty()
    }

    /// True if an event waits, or there is something to be read on that may bring one.
    pub fn holds_something(&self) -> bool {
        let is_empty = self.events.is_empty() && self.unread.is_empty();
        !is_empty && !self.is_pub
    }

    /// MANUAL: what the application decides about the last request.
    pub fn set_manual(&mut self, subscribe: bool, topic: &[u8]) {
        let Some(slot) = self.last_requester else { return };
        if subscribe {
            self.table.subscribe(topic, slot as u32);
        } else {
            self.table.unsubscribe(topic, slot as u32);
        }
    }

    // ---- Downstream ---------------------------------------------------------------------------------------------

    /// Sends one part to every peer that matches the first part and has room.
    pub fn send(
        &mut self,
        scope: &mut Scope<'_>,
        part: PartRef<'_>,
        more: bool,
    ) -> Result<(), Refused> {
        if !self.inside_message {
            self.read_on(scope); // an XPUB that only sends still serves requests
            self.find_matching(scope, part.bytes());
            let is_small = self.matching.len() == 1 || self.encodes_once(scope, part);
            if !more && is_small && !scope.options.xpub_nodrop {
                return self.send_single(scope, part);
            }
            self.pass_over_the_full(scope)?;
        }
        self.put_all(scope, part, more)?;
        self.inside_message = more;
        if !more {
            let may_write = self.may_write();
            for slot in &self.matching {
                if let Some(pipe) = scope.pipes.get_mut(*slot) {
                    pipe.commit(scope.clock, may_write);
                }
            }
        }
        Ok(())
    }

    /// A message of one part: each peer is looked at once.
    fn send_single(&mut self, scope: &mut Scope<'_>, part: PartRef<'_>) -> Result<(), Refused> {
        if self.try_send_short(scope, part.bytes()) {
            return Ok(());
        }
        let encoded = match self.matching.len() {
            1 => None,
            _ => Some(self.encode(scope, part, false)?),
        };
        let (may_write, threshold) = (self.may_write(), scope.options.copy_threshold_bytes);
        self.only_last = false;
        for slot in &self.matching {
            let Some(pipe) = scope.pipes.get_mut(*slot) else { continue };
            if let (Some(slab), Some(range)) = (&self.slab, encoded)
                && pipe.try_send_encoded(slab, range, scope.clock, may_write)
            {
                continue;
            }
            if !pipe.has_room(scope.clock) {
                self.dropped_messages += 1;
                continue;
            }
            match (&self.slab, encoded) {
                (Some(slab), Some((start, end))) if !pipe.is_conflating() => {
                    pipe.put_encoded(slab, start, end);
                }
                _ if pipe.put(scope.pool, part, false, threshold).is_err() => {
                    // No memory. The others have it, so that it is not the caller's to send again.
                    pipe.rollback();
                    if self.matching.len() == 1 {
                        return Err(Refused::NoMemory);
                    }
                    self.dropped_messages += 1;
                    continue;
                }
                _ => {}
            }
            pipe.commit(scope.clock, may_write);
        }
        Ok(())
    }

    /// To a single peer, if the message is short and nothing stands in its way. False: something does, and nothing was done.
    #[inline]
    fn try_send_short(&mut self, scope: &mut Scope<'_>, body: &[u8]) -> bool {
        let (&[slot], false) = (&self.matching[..], self.only_last) else { return false };
        body.len() < scope.options.copy_threshold_bytes as usize
            && scope.pipes.get_mut(slot).is_some_and(|pipe| {
                let is_small = body.len() <= SMALL_BYTES_MAX;
                let told =
                    if is_small { pipe.try_put_small(body) } else { pipe.try_put_short(body) };
                told.is_some_and(|told| pipe.sent_short(told, body.len(), scope.clock))
            })
    }

    fn may_write(&self) -> bool {
        self.matching.len() <= INLINE_WRITES_MAX
    }

    fn encodes_once(&self, scope: &Scope<'_>, part: PartRef<'_>) -> bool {
        self.matching.len() > 1 && part.len() < scope.options.copy_threshold_bytes as usize
    }

    fn find_matching(&mut self, scope: &mut Scope<'_>, topic: &[u8]) {
        let is_plain = !self.only_last && !scope.options.invert_matching;
        let state = self.table.changes();
        if is_plain && self.matching_always == Some(state) {
            return;
        }
        self.matching_always = (is_plain && self.table.is_flat()).then_some(state);
        let matching = &mut self.matching;
        matching.clear();
        self.table.for_each_match(topic, |peer| matching.push(peer as usize));
        if scope.options.invert_matching {
            let matched = std::mem::take(matching);
            matching.extend(
                scope.pipes.iter().map(|(slot, _)| slot).filter(|slot| !matched.contains(slot)),
            );
        }
        if self.only_last {
            let last = self.last_requester;
            matching.retain(|slot| Some(*slot) == last);
        }
    }

    /// Peers without room do not get the message; with NODROP nobody does.
    fn pass_over_the_full(&mut self, scope: &mut Scope<'_>) -> Result<(), Refused> {
        self.matching_always = None;
        let (matching, pipes) = (&mut self.matching, &mut *scope.pipes);
        let wanted = matching.len();
        matching.retain(|slot| pipes.get_mut(*slot).is_some_and(|pipe| pipe.has_room(scope.clock)));
        let passed_over = wanted - matching.len();
        if scope.options.xpub_nodrop && passed_over > 0 {
            matching.clear();
            return Err(Refused::WouldBlock);
        }
        self.dropped_messages += passed_over as u64;
        self.only_last = false;
        Ok(())
    }

    fn put_all(
        &mut self,
        scope: &mut Scope<'_>,
        part: PartRef<'_>,
        more: bool,
    ) -> Result<(), Refused> {
        let threshold = scope.options.copy_threshold_bytes;
        if !self.encodes_once(scope, part) {
            // A large body is copied once at the most, whatever the number of peers.
            let shared = match self.matching.len() > 1 && !part.is_counted() {
                true => {
                    Some(Message::from(part.to_shared_in(scope.pool).ok_or(Refused::NoMemory)?))
                }
                false => None,
            };
            let part = shared.as_ref().map_or(part, PartRef::from);
            for slot in &self.matching {
                if let Some(pipe) = scope.pipes.get_mut(*slot) {
                    pipe.put(scope.pool, part, more, threshold)?;
                }
            }
            return Ok(());
        }
        let (start, end) = self.encode(scope, part, more)?;
        let Some(slab) = &self.slab else { return Err(Refused::NoMemory) };
        for slot in &self.matching {
            match scope.pipes.get_mut(*slot) {
                Some(pipe) if pipe.is_conflating() => {
                    pipe.put(scope.pool, part, more, threshold)?
                }
                Some(pipe) => pipe.put_encoded(slab, start, end),
                None => {}
            }
        }
        Ok(())
    }

    /// Encodes a part into the socket's own slab.
    fn encode(
        &mut self,
        scope: &mut Scope<'_>,
        part: PartRef<'_>,
        more: bool,
    ) -> Result<(usize, usize), Refused> {
        let mut header = [0; 9];
        let n = encode_header(if more { MORE } else { 0 }, part.len(), &mut header);
        let total = n + part.len();
        if self.slab.as_ref().is_none_or(|slab| slab.room() < total) {
            self.slab = None;
            let capacity = total.max(limits::SLAB_BYTES);
            self.slab = Some(scope.pool.writer(capacity).ok_or(Refused::NoMemory)?);
        }
        let Some(slab) = &mut self.slab else { return Err(Refused::NoMemory) };
        let start = slab.filled();
        slab.put(&header[..n]);
        slab.put(part.bytes());
        Ok((start, start + total))
    }
}

fn name_of(scope: &Scope<'_>, slot: usize) -> Option<(usize, PipeId)> {
    scope.pipes.get(slot).map(|pipe| (slot, pipe.id))
}

fn request_part(subscribe: bool, topic: &[u8]) -> Message {
    let mut part = Vec::with_capacity(1 + topic.len());
    part.push(u8::from(subscribe));
    part.extend_from_slice(topic);
    Message::from(part)
}

#[cfg(test)]
mod tests;
