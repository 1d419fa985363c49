//! The state of the simulated network and its rules. Everything is looked up by number in ordered maps, so that no
//! iteration order depends on anything but the seed and the calls made.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};

use rustix::io::Errno;
use zeroring_base::rng::Rng;
use zeroring_base::time::VirtualClock;
use zeroring_core::io::transport::StreamInfo;

use super::end::End;
use super::faults::{Faults, Kill, happens};
use super::rendezvous::{Attempt, Listening};
use super::schedule::{Due, Schedule};

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimStats {
    /// Bytes accepted from senders.
    pub sent_bytes: u64,
    /// Bytes that reached the other side.
    pub delivered_bytes: u64,
    /// Bytes lost by resets.
    pub lost_bytes: u64,
    /// Connections established.
    pub connections: u64,
    /// Attempts refused.
    pub refusals: u64,
    /// Connections reset.
    pub resets: u64,
}

/// Two nodes, in alphabetical order.
type Pair = (String, String);

fn pair_of(a: &str, b: &str) -> Pair {
    if a <= b { (a.into(), b.into()) } else { (b.into(), a.into()) }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Network {
    pub clock: VirtualClock,
    pub faults: Faults,
    pub stats: SimStats,
    pub(super) rng: Rng,
    pub(super) schedule: Schedule,
    /// What is held back, by partitioned pair. A pair is partitioned while it stands here.
    partitions: BTreeMap<Pair, Vec<Due>>,
    pub(super) listeners: BTreeMap<u64, Listening>,
    pub(super) attempts: BTreeMap<u64, Attempt>,
    pub(super) ends: BTreeMap<u64, End>,
    last_number: u64,
}

impl Network {
    pub fn new(seed: u64, clock: VirtualClock) -> Self {
        Self {
            clock,
            faults: Faults::none(),
            stats: SimStats::default(),
            rng: Rng::from_seed(seed),
            schedule: Schedule::default(),
            partitions: BTreeMap::new(),
            listeners: BTreeMap::new(),
            attempts: BTreeMap::new(),
            ends: BTreeMap::new(),
            last_number: 0,
        }
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    // -- Time -----------------------------------------------------------------------------------

    /// Lets everything happen that is due by now.
    pub fn catch_up(&mut self) {
        let now_ns = self.clock.now_ns();
        while let Some(due) = self.schedule.pop_due(now_ns) {
            self.happen(due);
        }
    }

    /// When the next thing happens, if anything is under way.
    pub fn next_event_ns(&mut self) -> Option<u64> {
        self.catch_up();
        self.schedule.next_ns()
    }

    fn happen(&mut self, due: Due) {
        if let Some(held) = self.route_of(due).and_then(|pair| self.partitions.get_mut(&pair)) {
            held.push(due);
            return;
        }
        match due {
            Due::Arrive(id) => {
                let arrived = self.ends.get_mut(&id).map_or(0, End::arrive);
                self.stats.delivered_bytes += arrived as u64;
            }
            Due::End(id) => {
                if let Some(end) = self.ends.get_mut(&id) {
                    end.ended = true;
                }
            }
            Due::Decide(id) => self.decide(id),
            Due::ReadAgain => {}
        }
    }

    /// The two nodes that an event travels between.
    fn route_of(&self, due: Due) -> Option<Pair> {
        match due {
            Due::Arrive(id) | Due::End(id) => {
                let end = self.ends.get(&id)?;
                Some(pair_of(&end.node, &self.ends.get(&end.peer)?.node))
            }
            Due::Decide(id) => {
                let attempt = self.attempts.get(&id)?;
                let (_, listening) = self.find_listener(&attempt.endpoint)?;
                Some(pair_of(&attempt.node, &listening.node))
            }
            Due::ReadAgain => None,
        }
    }

    fn schedule_to(&mut self, id: u64, due: Due) {
        let delay_ns = self.faults.delay_ns(&mut self.rng);
        let Some(end) = self.ends.get_mut(&id) else { return };
        let due_ns = (self.clock.now_ns() + delay_ns).max(end.last_due_ns);
        end.last_due_ns = due_ns;
        self.schedule.add(due_ns, due);
    }

    // -- Bytes ----------------------------------------------------------------------------------

    pub fn info_of(&self, id: u64) -> StreamInfo {
        self.ends.get(&id).map(|end| end.info.clone()).unwrap_or_default()
    }

    pub fn is_readable(&self, id: u64) -> bool {
        let now_ns = self.clock.now_ns();
        self.ends.get(&id).is_none_or(|end| end.is_readable(now_ns))
    }

    /// True if a write would take bytes or fail.
    pub fn is_writable(&self, id: u64) -> bool {
        self.far_end(id).is_none_or(|far| {
            far.reset || far.closing || far.buffered_bytes < self.faults.capacity_bytes
        })
    }

    fn far_end(&self, id: u64) -> Option<&End> {
        self.ends.get(&self.ends.get(&id)?.peer)
    }

    pub fn recv(&mut self, id: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.catch_up();
        let now_ns = self.clock.now_ns();
        let end = self.ends.get_mut(&id).ok_or(Errno::CONNRESET)?;
        if now_ns < end.readable_from_ns {
            return Err(Errno::WOULDBLOCK.into());
        }
        let available = end.arrived_bytes().min(buf.len());
        if available == 0 {
            return if buf.is_empty() { Ok(0) } else { end.read_nothing() };
        }
        let len = Faults::shorten(self.faults.short_read_per_mille, available, &mut self.rng);
        end.read(&mut buf[..len]);
        let pause_ns = self.faults.read_pause_ns(&mut self.rng);
        if pause_ns > 0 {
            end.readable_from_ns = now_ns + pause_ns;
            self.schedule.add(now_ns + pause_ns, Due::ReadAgain);
        }
        Ok(len)
    }

    pub fn send(&mut self, id: u64, ranges: &[IoSlice<'_>]) -> io::Result<usize> {
        self.catch_up();
        let near = self.ends.get(&id).ok_or(Errno::CONNRESET)?;
        if near.reset {
            return Err(Errno::CONNRESET.into());
        }
        let (far_id, peer_left) = (near.peer, near.ended);
        let far = self.ends.get(&far_id).ok_or(Errno::CONNRESET)?;
        if far.closing || (!far.held && peer_left) {
            return Err(Errno::PIPE.into());
        }
        let wanted: usize = ranges.iter().map(|range| range.len()).sum();
        let room = self.faults.capacity_bytes.max(1).saturating_sub(far.buffered_bytes);
        if wanted == 0 || room == 0 {
            return if wanted == 0 { Ok(0) } else { Err(Errno::WOULDBLOCK.into()) };
        }
        let len =
            Faults::shorten(self.faults.short_write_per_mille, wanted.min(room), &mut self.rng);
        self.launch(far_id, gather(ranges, len));
        if happens(self.faults.reset_per_mille, &mut self.rng) {
            self.reset(id);
        } else if happens(self.faults.close_per_mille, &mut self.rng) {
            self.close(id);
        }
        Ok(len)
    }

    fn launch(&mut self, to: u64, chunk: Vec<u8>) {
        self.stats.sent_bytes += chunk.len() as u64;
        if let Some(end) = self.ends.get_mut(&to) {
            end.launch(chunk);
            self.schedule_to(to, Due::Arrive(to));
        }
    }

    // -- Endings --------------------------------------------------------------------------------

    /// The holder of an end sends nothing more.
    pub fn finish_writing(&mut self, id: u64) {
        self.catch_up();
        if let Some(peer) = self.ends.get(&id).map(|end| end.peer) {
            self.say_last(peer);
        }
    }

    /// Sent by the holder of an end, and not arrived yet.
    pub fn under_way_bytes_from(&mut self, id: u64) -> usize {
        self.catch_up();
        self.far_end(id).map_or(0, End::under_way_bytes)
    }

    /// The holder of an end let go of it.
    pub fn release(&mut self, id: u64) {
        let Some(end) = self.ends.get_mut(&id) else { return };
        end.held = false;
        let peer = end.peer;
        if self.ends.get(&peer).is_some_and(|far| far.held) {
            self.say_last(peer);
        } else {
            self.ends.remove(&id);
            self.ends.remove(&peer);
        }
    }

    /// Lets the end of the stream travel to `to`, once, behind the bytes under way.
    fn say_last(&mut self, to: u64) {
        let Some(end) = self.ends.get_mut(&to) else { return };
        if !std::mem::replace(&mut end.closing, true) && !end.reset {
            self.schedule_to(to, Due::End(to));
        }
    }

    fn close(&mut self, id: u64) {
        if let Some(peer) = self.ends.get(&id).map(|end| end.peer) {
            self.say_last(id);
            self.say_last(peer);
        }
    }

    pub(super) fn reset(&mut self, id: u64) {
        let Some(peer) = self.ends.get(&id).filter(|end| !end.reset).map(|end| end.peer) else {
            return;
        };
        self.stats.resets += 1;
        for id in [id, peer] {
            if let Some(end) = self.ends.get_mut(&id) {
                end.reset = true;
                self.stats.lost_bytes += end.lose_under_way() as u64;
            }
        }
    }

    pub fn kill(&mut self, id: u64, how: Kill) {
        self.catch_up();
        match how {
            Kill::Reset => self.reset(id),
            Kill::Close => self.close(id),
        }
    }

    /// One end of every connection of `node`, and with `other` only of those between the two, oldest first.
    pub fn connections_of(&self, node: &str, other: Option<&str>) -> Vec<u64> {
        let matches = |end: &End| {
            let peer = self.ends.get(&end.peer).map_or("", |peer| &peer.node);
            let touches = |a: &str, b: &str| a == node && other.is_none_or(|other| b == other);
            touches(&end.node, peer) || touches(peer, &end.node)
        };
        // The connecting end has the lower number: count each connection once.
        self.ends.iter().filter(|(id, e)| **id < e.peer && matches(e)).map(|(id, _)| *id).collect()
    }

    pub fn partition(&mut self, a: &str, b: &str) {
        self.catch_up();
        self.partitions.entry(pair_of(a, b)).or_default();
    }

    /// Lets what was held back happen now, in its order.
    pub fn heal(&mut self, a: &str, b: &str) {
        let now_ns = self.clock.now_ns();
        for due in self.partitions.remove(&pair_of(a, b)).unwrap_or_default() {
            self.schedule.add(now_ns, due);
        }
        self.catch_up();
    }
}

fn gather(ranges: &[IoSlice<'_>], len: usize) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(len);
    for range in ranges {
        let take = range.len().min(len - chunk.len());
        chunk.extend_from_slice(&range[..take]);
    }
    chunk
}
