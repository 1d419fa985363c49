//! PUB and XPUB: fan-out by topic, subscriptions upstream (libzmq-surface §6.6).
//!
//! A message for several peers is encoded once, into a slab of the socket's own; each matching pipe gets a range of it,
//! and ranges that touch are merged (DESIGN 2.4). A peer without room is passed over until it has read to its low-water
//! mark: a slow subscriber costs itself only.

use std::collections::VecDeque;

use zeroring_base::slab::SlabWriter;
use zeroring_base::{Message, PartRef, limits};
use zeroring_zmtp::command::Command;
use zeroring_zmtp::framing::{MORE, encode_header};

use super::topic::{Removed, TopicTable};
use super::{NO_SLOT, Refused, Scope};
use crate::options::SocketOptions;
use crate::pipe::Part;

/// With more matching peers than this the I/O threads write, side by side, instead of the application one by one.
const INLINE_WRITES_MAX: usize = 4;
/// Upstream events an XPUB keeps for its application; beyond them its peers' requests wait in their pipes.
const EVENTS_MAX: usize = 65_536;

/// PUB and XPUB.
#[derive(Debug)]
pub struct FanOut {
    table: TopicTable,
    /// MANUAL: what the peers asked for, whatever the application made of it.
    asked: Box<TopicTable>,
    /// PUB keeps nothing for the application.
    is_pub: bool,
    matching: Vec<usize>,
    inside_message: bool,
    slab: Option<SlabWriter>,
    events: VecDeque<UpstreamEvent>,
    /// Peers with something to read that could not be kept yet.
    unread: Vec<usize>,
    /// Peers whose present upstream message began with data.
    inside_data: Vec<usize>,
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
    slot: Option<usize>,
    is_request: bool,
}

impl FanOut {
    /// A publisher without subscribers.
    pub fn new(is_pub: bool) -> Self {
        Self {
            table: TopicTable::new(),
            asked: Box::default(),
            is_pub,
            matching: Vec::new(),
            inside_message: false,
            slab: None,
            events: VecDeque::new(),
            unread: Vec::new(),
            inside_data: Vec::new(),
            last_requester: None,
            only_last: false,
            offenders: Vec::new(),
        }
    }

    /// True for PUB.
    pub fn is_pub(&self) -> bool {
        self.is_pub
    }

    /// Number of distinct topics.
    pub fn topics_count(&self) -> usize {
        self.table.topics_count()
    }

    /// Peers that broke a limit since last time; the socket closes their pipes.
    pub fn take_offenders(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.offenders)
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
        self.matching.retain(|other| *other != slot);
        self.unread.retain(|other| *other != slot);
        self.inside_data.retain(|other| *other != slot);
        if self.last_requester == Some(slot) {
            self.last_requester = None;
        }
    }

    // ---- Upstream -----------------------------------------------------------------------------------------------

    /// A peer sent something.
    pub fn readable(&mut self, scope: &mut Scope<'_>, slot: usize) {
        loop {
            if self.events.len() >= EVENTS_MAX {
                if !self.unread.contains(&slot) {
                    self.unread.push(slot);
                }
                return;
            }
            let Some(pipe) = scope.pipes.get_mut(slot) else { return };
            match pipe.read_any() {
                Some(Part::Command(body)) => match Command::parse(&body) {
                    Ok(Command::Subscribe(topic)) => self.request(scope, slot, true, topic),
                    Ok(Command::Cancel(topic)) => self.request(scope, slot, false, topic),
                    _ => {}
                },
                Some(Part::Message(part)) => self.upstream_part(scope, slot, part),
                None if pipe.is_readable_or_waits() => {}
                None => return,
            }
        }
    }

    /// Parts that start with 1 or 0 are requests too; anything else is the user's. With ONLY_FIRST_SUBSCRIBE that holds
    /// unless the message began with data.
    fn upstream_part(&mut self, scope: &mut Scope<'_>, slot: usize, part: Message) {
        let is_request = matches!(part.first(), Some(0 | 1));
        let began_with_data = self.inside_data.contains(&slot);
        if !began_with_data && !is_request && part.more() {
            self.inside_data.push(slot);
        }
        if !part.more() {
            self.inside_data.retain(|other| *other != slot);
        }
        if began_with_data && scope.options.only_first_subscribe {
            if !self.is_pub {
                self.push_event(part, Some(slot), false);
            }
            return;
        }
        match part.as_bytes().split_first() {
            Some((1, topic)) => self.request(scope, slot, true, topic),
            Some((0, topic)) => self.request(scope, slot, false, topic),
            _ if self.is_pub => {}
            _ => self.push_event(part, Some(slot), false),
        }
    }

    fn request(&mut self, scope: &mut Scope<'_>, slot: usize, subscribe: bool, topic: &[u8]) {
        let options = scope.options;
        let table = if options.xpub_manual { &mut *self.asked } else { &mut self.table };
        let peer = slot as u32;
        let is_news = if subscribe {
            if table.subscriptions_of(peer) >= options.max_subscriptions_per_peer as usize {
                self.offenders.push(slot);
                return;
            }
            table.subscribe(topic, peer) || options.xpub_verbose_subscribe
        } else {
            table.unsubscribe(topic, peer) != Removed::StillHeld || options.xpub_verbose_unsubscribe
        };
        if (is_news || options.xpub_manual) && !self.is_pub {
            self.push_event(request_part(subscribe, topic), Some(slot), true);
        }
    }

    fn push_event(&mut self, part: Message, slot: Option<usize>, is_request: bool) {
        self.events.push_back(UpstreamEvent { part, slot, is_request });
    }

    /// XPUB: the next request or upstream part.
    pub fn recv(&mut self, scope: &mut Scope<'_>, part: &mut Message) -> Result<usize, Refused> {
        if self.is_pub {
            return Err(Refused::NotSupported);
        }
        let event = self.events.pop_front().ok_or(Refused::WouldBlock)?;
        if event.is_request && scope.options.xpub_manual {
            self.last_requester = event.slot;
            self.only_last = scope.options.xpub_manual_last_value;
        }
        for slot in std::mem::take(&mut self.unread) {
            self.readable(scope, slot);
        }
        *part = event.part;
        Ok(event.slot.unwrap_or(NO_SLOT))
    }

    /// True if an event waits for the application.
    pub fn is_readable(&self) -> bool {
        !self.events.is_empty()
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
            self.find_matching(scope, part.bytes())?;
        }
        self.put_all(scope, part, more)?;
        self.inside_message = more;
        if !more {
            let may_write = self.matching.len() <= INLINE_WRITES_MAX;
            for slot in &self.matching {
                if let Some(pipe) = scope.pipes.get_mut(*slot) {
                    pipe.commit(scope.clock, may_write);
                }
            }
        }
        Ok(())
    }

    fn find_matching(&mut self, scope: &mut Scope<'_>, topic: &[u8]) -> Result<(), Refused> {
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
        let nodrop = scope.options.xpub_nodrop;
        let pipes = &mut *scope.pipes;
        let mut is_full = false;
        matching.retain(|slot| {
            let has_room = pipes.get_mut(*slot).is_some_and(super::Pipe::has_room);
            is_full |= !has_room;
            has_room
        });
        if nodrop && is_full {
            matching.clear();
            return Err(Refused::WouldBlock);
        }
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
        let encode_once = self.matching.len() > 1 && part.len() < threshold as usize;
        if !encode_once {
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

fn request_part(subscribe: bool, topic: &[u8]) -> Message {
    let mut part = Vec::with_capacity(1 + topic.len());
    part.push(u8::from(subscribe));
    part.extend_from_slice(topic);
    Message::from(part)
}
