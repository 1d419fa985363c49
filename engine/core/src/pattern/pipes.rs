//! The pipes of one socket, by slot, and what reading and writing one entails.

use std::collections::HashMap;
use std::sync::Arc;

use zeroring_base::slab::SlabWriter;
use zeroring_base::stream::NoMemory;
use zeroring_base::time::Clock;
use zeroring_base::{Message, PartRef, SlabPool, limits};
use zeroring_zmtp::framing::{MAX_HEADER_BYTES, MAX_SHORT_BODY_BYTES};

use super::left_behind;
use super::pace::Pace;
use crate::io::command::EndpointId;
use crate::io::link::{Flushed, RxOwner};
use crate::pipe::{Part, PipeReader, PipeWriter, TakeShort, inproc_high_water_mark};
use crate::socket::{NewPipe, PeerInfo, PipeId, PipePeer, SocketCommand};

/// One peer of a socket. What is touched for each message stands first, on two lines: with a thousand peers those are what a
/// publisher waits for.
#[repr(C, align(64))]
pub struct Pipe {
    /// Who is at the other end.
    pub peer: PipePeer,
    /// The round in which the connection was last noted as one that something was left behind for.
    noted_in: u64,
    is_gone: bool,
    /// Its peer's name was taken: nothing it sends is delivered.
    pub is_ignored: bool,
    /// A newcomer has its name: the pipe goes when the message being read from it is read to the end.
    pub is_replaced: bool,
    /// The pipe stays when its connection is lost.
    pub survives_reconnect: bool,
    /// A full batch: what is queued is written when there is so much. More than usual while the kernel takes nothing.
    batch_bytes: u64,
    writer: PipeWriter,
    pace: Pace,
    reader: PipeReader,
    /// Its name.
    pub id: PipeId,
    /// What is known of the peer.
    pub info: Option<Arc<PeerInfo>>,
    /// The endpoint it came through.
    pub endpoint: EndpointId,
    /// ROUTER, REP, STREAM: the id it is addressed by; empty = not addressable (yet).
    pub routing_id: Vec<u8>,
    /// inproc: the peer's high-water marks (sending, receiving).
    pub peer_marks: Option<(u32, u32)>,
    /// What was left to write when a full queue was last tried to be written.
    blocked_bytes: u64,
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipe")
            .field("id", &self.id)
            .field("peer", &self.peer)
            .field("gone", &self.is_gone)
            .field("unacked_messages", &self.writer.unacked_messages())
            .field("unwritten_bytes", &self.unwritten_bytes())
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

impl Pipe {
    fn new(new: NewPipe) -> Self {
        Self {
            id: new.id,
            peer: new.peer,
            info: new.info,
            endpoint: new.endpoint,
            routing_id: new.assigned_id,
            peer_marks: new.peer_marks,
            survives_reconnect: new.survives_reconnect,
            is_gone: false,
            is_ignored: false,
            is_replaced: false,
            writer: new.writer,
            reader: new.reader,
            pace: Pace::default(),
            noted_in: left_behind::NOT_NOTED,
            batch_bytes: limits::FLUSH_BYTES as u64,
            blocked_bytes: 0,
        }
    }

    /// The other end is closed; the pipe goes when everything it sent was read.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// The other end is closed.
    pub fn set_gone(&mut self) {
        self.is_gone = true;
        self.writer.close_short_way();
    }

    // ---- Receiving ----------------------------------------------------------------------------------------------

    /// Reads the next message part into `part`; commands are skipped. False if there is none.
    #[inline]
    pub fn read(&mut self, part: &mut Message) -> bool {
        match self.reader.next_message(part) {
            None => return false,
            Some(true) => self.return_credit(),
            Some(false) => {}
        }
        true
    }

    /// Gives the body of a short message of one part to `taker` and says what that made of it, see
    /// [`PipeReader::try_next_short`]. `None`: something else is to be done first, and nothing was done. The flag says that
    /// [`return_credit`](Self::return_credit) is to follow.
    #[inline(always)]
    pub fn try_read_short<T: TakeShort>(&mut self, taker: &mut T) -> Option<(T::Taken, bool)> {
        self.reader.try_next_short(taker)
    }

    /// The next message part or subscription (publishers). Subscriptions count against the credit like messages.
    pub fn read_any(&mut self) -> Option<Part> {
        let (part, tell) = self.reader.next_part()?;
        if tell {
            self.return_credit();
        }
        Some(part)
    }

    /// Throws away what was received so far, for a pipe that nobody reads. True if more came meanwhile; otherwise the
    /// other side will tell.
    pub fn discard_received(&mut self) -> bool {
        let end = self.received_bytes();
        let mut discarded = Message::new();
        while self.read_bytes() < end && self.read(&mut discarded) {}
        self.is_readable_or_waits()
    }

    /// Where that which was received so far ends, to be compared with [`read_bytes`](Self::read_bytes): a message
    /// boundary.
    pub fn received_bytes(&self) -> u64 {
        self.reader.published_bytes()
    }

    /// How far reading has come.
    pub fn read_bytes(&self) -> u64 {
        self.reader.read_bytes()
    }

    /// Reads from the connection, if that is on loan. True if something came.
    pub fn drive_rx(&mut self, pool: &mut SlabPool) -> bool {
        match &self.peer {
            PipePeer::Link(link) if link.rx_owner() == RxOwner::App => {
                link.drive_rx(pool, &mut self.reader)
            }
            _ => false,
        }
    }

    /// The writer waits for the credit that reading gave back.
    #[cold]
    #[inline(never)]
    pub fn return_credit(&self) {
        match &self.peer {
            PipePeer::Link(link) if link.rx_owner() == RxOwner::App => {} // we drive it ourselves when we wait
            PipePeer::Link(link) => link.ask_resume(),
            PipePeer::Inproc(peer, pipe) => peer.send(SocketCommand::Writable(*pipe)),
            PipePeer::NotBound => {}
        }
    }

    /// True if something can be read now; otherwise the other side will tell.
    pub fn is_readable_or_waits(&mut self) -> bool {
        self.reader.is_readable() || self.reader.wait_or_ready()
    }

    /// Asks the other side to tell; a barrier and [`has_more`](Self::has_more) follow.
    pub fn ask_to_be_told(&mut self) {
        self.reader.ask_to_be_told();
    }

    /// True if something was sent that was not read.
    pub fn has_more(&self) -> bool {
        self.reader.has_more()
    }

    /// True if something can be read now.
    pub fn is_readable(&mut self) -> bool {
        self.reader.is_readable()
    }

    /// True if the other end is gone and everything it sent was read.
    pub fn is_finished(&mut self) -> bool {
        self.is_gone && !self.reader.is_readable()
    }

    // ---- Sending ------------------------------------------------------------------------------------------------

    /// True if a message fits; otherwise the other side will tell when one does. A queue that is full only of what this
    /// thread left behind is written first: nothing is refused or dropped for that.
    #[inline]
    pub fn has_room(&mut self, clock: &Clock) -> bool {
        !self.is_gone && (self.writer.has_credit_or_waits() || self.has_room_once_written(clock))
    }

    #[cold]
    fn has_room_once_written(&mut self, clock: &Clock) -> bool {
        let unwritten_bytes = self.unwritten_bytes();
        if unwritten_bytes == 0 || unwritten_bytes == self.blocked_bytes {
            return false; // nothing has moved since the last try in vain
        }
        if let PipePeer::Link(link) = &self.peer
            && link.is_connected()
        {
            link.make_room();
        }
        self.blocked_bytes = self.unwritten_bytes();
        if self.blocked_bytes < unwritten_bytes {
            self.pace.wrote(clock); // a sender that filled its queue goes on batching
        }
        self.writer.credit() > 0
    }

    /// True if a message fits now.
    pub fn has_credit(&mut self) -> bool {
        !self.is_gone && self.writer.credit() > 0
    }

    /// Puts one part of a message; nothing is visible before [`commit`](Self::commit).
    #[inline]
    pub fn put(
        &mut self,
        pool: &mut SlabPool,
        part: PartRef<'_>,
        more: bool,
        copy_threshold_bytes: u32,
    ) -> Result<(), NoMemory> {
        self.writer.put_part(pool, part, more, copy_threshold_bytes as usize)
    }

    /// Puts a frame that is encoded in `slab` already.
    #[inline]
    pub fn put_encoded(&mut self, slab: &SlabWriter, start: usize, end: usize) {
        self.writer.put_encoded(slab, start, end);
    }

    /// True for a pipe that keeps only the newest part.
    pub fn is_conflating(&self) -> bool {
        self.writer.is_conflating()
    }

    /// Sends a command, if there is room.
    pub fn send_command(&mut self, pool: &mut SlabPool, body: &[u8], clock: &Clock) {
        // A command that does not fit is lost, as in libzmq; the whole set is sent again on reconnect.
        if self.has_room(clock) {
            self.send_command_anyway(pool, body, clock);
        }
    }

    /// Sends a command beyond the high-water mark if need be.
    pub fn send_command_anyway(&mut self, pool: &mut SlabPool, body: &[u8], clock: &Clock) {
        if self.writer.put_command(pool, body).is_ok() {
            self.commit(clock, true);
        }
    }

    /// Ends the message and sees to it that it gets on its way. `may_write` allows a write on this thread.
    #[inline]
    pub fn commit(&mut self, clock: &Clock, may_write: bool) {
        let before = self.writer.published_bytes();
        let told = self.writer.commit(1);
        let own_bytes = self.writer.published_bytes() - before;
        self.committed(told, own_bytes, clock, may_write);
    }

    /// A message of `own_bytes` was committed; `told` says that its reader waits.
    #[inline]
    fn committed(&mut self, told: bool, own_bytes: u64, clock: &Clock, may_write: bool) {
        match &self.peer {
            PipePeer::Link(_) => self.start_on_its_way(told, own_bytes, clock, may_write),
            PipePeer::Inproc(peer, pipe) => {
                if told {
                    peer.send(SocketCommand::Readable(*pipe));
                }
                self.open_short_way(u64::MAX);
            }
            PipePeer::NotBound => {}
        }
    }

    /// Puts a message of one part and at most [`SMALL_BYTES_MAX`](zeroring_base::copy::SMALL_BYTES_MAX) bytes and publishes it,
    /// if nothing stands in its way. `None`: something does, and nothing was done. Otherwise whether its reader waits, for [`sent_short`](Self::sent_short), which
    /// must follow. Calls nothing.
    #[inline(always)]
    pub fn try_put_small(&mut self, body: &[u8]) -> Option<bool> {
        self.writer.try_send_small(body)
    }

    /// As [`try_put_small`](Self::try_put_small), for any length.
    #[inline]
    pub fn try_put_short(&mut self, body: &[u8]) -> Option<bool> {
        self.writer.try_send_short(body)
    }

    /// Sees to it that a message that was put the short way gets on its way.
    #[inline(always)]
    pub fn sent_short(&mut self, told: bool, body_bytes: usize, clock: &Clock) -> bool {
        let header_bytes = if body_bytes <= MAX_SHORT_BODY_BYTES { 2 } else { MAX_HEADER_BYTES };
        let own_bytes = (header_bytes + body_bytes) as u64;
        !told && self.follows_others(own_bytes, true) || self.see_to_short(told, own_bytes, clock)
    }

    #[cold]
    #[inline(never)]
    fn see_to_short(&mut self, told: bool, own_bytes: u64, clock: &Clock) -> bool {
        self.committed(told, own_bytes, clock, true);
        true
    }

    /// As [`try_put_small`](Self::try_put_small) and [`sent_short`](Self::sent_short), for a message that is encoded in `slab`
    /// already. False: nothing was done. `may_write` as for [`commit`](Self::commit).
    #[inline(always)]
    pub fn try_send_encoded(
        &mut self,
        slab: &SlabWriter,
        (start, end): (usize, usize),
        clock: &Clock,
        may_write: bool,
    ) -> bool {
        let Some(told) = self.writer.try_send_encoded(slab, start, end) else { return false };
        let own_bytes = (end - start) as u64;
        if told || !self.follows_others(own_bytes, may_write) {
            self.committed(told, own_bytes, clock, may_write);
        }
        true
    }

    /// True if a message of `own_bytes` that was committed needs nothing else: it waits to be read, or to be written with
    /// what this thread left behind before it.
    #[inline(always)]
    fn follows_others(&self, own_bytes: u64, may_write: bool) -> bool {
        if !matches!(self.peer, PipePeer::Link(_)) {
            return true;
        }
        let is_look_due = may_write && self.pace.is_look_due(self.writer.messages_written());
        !is_look_due
            && self.writer.unread_bytes() > own_bytes
            && left_behind::is_noted_in(self.noted_in)
    }

    /// Forgets the unfinished message.
    pub fn rollback(&mut self) {
        self.writer.rollback();
    }

    /// Decides who writes, see [`Pace`]: this thread, or the I/O thread, which is told once and then watches.
    #[inline]
    fn start_on_its_way(&mut self, told: bool, own_bytes: u64, clock: &Clock, may_write: bool) {
        let unwritten_bytes = self.writer.unread_bytes();
        let sent = self.writer.messages_written();
        if told || unwritten_bytes <= own_bytes {
            self.nothing_else_is_queued(told, clock, may_write);
        } else if unwritten_bytes >= self.batch_bytes
            || may_write && self.pace.writes_batch(sent, clock)
        {
            self.write_batch(clock);
        } else {
            self.note_left_behind(clock);
        }
        // The message that makes the batch full goes the long way, and writes it.
        let room_bytes = self.batch_bytes.saturating_sub(self.writer.unread_bytes());
        self.open_short_way(room_bytes.saturating_sub(1));
    }

    #[inline]
    fn open_short_way(&mut self, bytes_max: u64) {
        if !self.is_gone {
            self.writer.open_short_way(bytes_max);
        }
    }

    #[inline]
    fn note_left_behind(&mut self, clock: &Clock) {
        if let PipePeer::Link(link) = &self.peer {
            self.noted_in = left_behind::note(link, clock);
        }
    }

    #[cold]
    fn nothing_else_is_queued(&mut self, told: bool, clock: &Clock, may_write: bool) {
        let PipePeer::Link(link) = &self.peer else { return };
        let sent = self.writer.messages_written();
        if may_write && link.is_connected() && self.pace.writes_single(sent, clock) {
            let drained = matches!(link.drive_tx(told), Flushed::Drained);
            self.pace.wrote(clock);
            if drained {
                return;
            }
        }
        if told {
            link.ask_flush(); // nobody looks after the pipe yet
        }
        self.note_left_behind(clock);
    }

    #[cold]
    fn write_batch(&mut self, clock: &Clock) {
        let PipePeer::Link(link) = &self.peer else { return };
        // The I/O thread watches this pipe: whatever does not go now, it will write.
        let is_blocked = matches!(link.drive_tx(false), Flushed::Blocked);
        self.batch_bytes = limits::FLUSH_BYTES as u64;
        if is_blocked {
            self.batch_bytes += self.writer.unread_bytes(); // another try for each message would be in vain
        }
        self.pace.wrote(clock);
    }

    /// Writes what is queued, whether it is noted or not: under a virtual clock, and where room was waited for.
    pub fn flush(&mut self, clock: &Clock) {
        if self.writer.unread_bytes() > 0
            && let PipePeer::Link(link) = &self.peer
            && link.is_connected()
        {
            drop(link.drive_tx(false));
            self.pace.wrote(clock);
        }
    }

    /// Bytes sent and not yet written to the connection.
    pub fn unwritten_bytes(&self) -> u64 {
        match &self.peer {
            PipePeer::Link(_) => self.writer.unread_bytes(),
            _ => 0,
        }
    }

    /// Our own high-water marks are these now. An inproc queue has room for both ends' marks together.
    pub fn set_high_water_marks(&mut self, send: u32, recv: u32) {
        let (send, recv) = match self.peer_marks {
            None => (send, recv),
            Some((peer_send, peer_recv)) => {
                (inproc_high_water_mark(send, peer_recv), inproc_high_water_mark(peer_send, recv))
            }
        };
        self.writer.set_high_water_mark(send);
        self.reader.set_high_water_mark(recv);
        // Readers acknowledge in steps of the mark. What a larger mark left unacknowledged may be more than a smaller one
        // allows to be: nothing would be sent, nothing read, and so nothing acknowledged any more.
        if let PipePeer::Link(link) = &self.peer {
            link.tx().acknowledge(); // the writer is this thread: nobody needs to be told
        }
        if self.reader.acknowledge() {
            self.return_credit();
        }
    }
}

/// The pipes of one socket. Slots are small and stable for a pipe's life, so policies keep them in plain vectors.
#[derive(Debug, Default)]
pub struct Pipes {
    slots: Vec<Option<Pipe>>,
    free: Vec<usize>,
    by_id: HashMap<PipeId, usize>,
    /// Pipes that go as soon as they are read far enough. May name some that went already.
    ending: Vec<PipeId>,
    /// Pipes that are to be read on at the next call.
    unread: Vec<PipeId>,
    /// The pipe that the last part received came through, and if that is gone or has another connection now, what was
    /// known of the peer.
    last_read: Option<usize>,
    last_sender: Option<Arc<PeerInfo>>,
}

impl Pipes {
    /// Adds a pipe; returns its slot.
    pub fn insert(&mut self, new: NewPipe) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.by_id.insert(new.id, slot);
        self.slots[slot] = Some(Pipe::new(new));
        slot
    }

    /// Takes a pipe out.
    pub fn remove(&mut self, slot: usize) -> Option<Pipe> {
        self.keep_last_sender(slot);
        let pipe = self.slots.get_mut(slot)?.take()?;
        self.by_id.remove(&pipe.id);
        self.free.push(slot);
        Some(pipe)
    }

    /// [`Pipe::return_credit`] to the writer of a pipe.
    pub fn return_credit(&self, slot: usize) {
        if let Some(pipe) = self.get(slot) {
            pipe.return_credit();
        }
    }

    /// The last part received came through this pipe.
    #[inline]
    pub fn received_from(&mut self, slot: usize) {
        self.last_read = Some(slot);
    }

    /// What is known of the peer that sent the last part received.
    pub fn last_sender(&self) -> Option<&Arc<PeerInfo>> {
        match self.last_read {
            Some(slot) => self.get(slot)?.info.as_ref(),
            None => self.last_sender.as_ref(),
        }
    }

    /// The pipe in this slot is about to go or to have another connection.
    fn keep_last_sender(&mut self, slot: usize) {
        if self.last_read == Some(slot) {
            self.last_sender = self.last_sender().cloned();
            self.last_read = None;
        }
    }

    /// The connection behind a pipe is ready. True if it had one before.
    pub fn connected(&mut self, slot: usize, info: Arc<PeerInfo>) -> bool {
        self.keep_last_sender(slot);
        self.get_mut(slot).is_some_and(|pipe| pipe.info.replace(info).is_some())
    }

    /// Throws away what was received for a pipe that nobody reads; if it goes on, so do we, at the next call.
    pub fn discard_received(&mut self, slot: usize) {
        if let Some(pipe) = self.get_mut(slot)
            && pipe.discard_received()
        {
            let id = pipe.id;
            self.unread.push(id);
        }
    }

    /// Takes the names of the pipes that are to be read on at the next call.
    pub fn take_unread(&mut self) -> Vec<PipeId> {
        std::mem::take(&mut self.unread)
    }

    /// A pipe is to go as soon as it is read far enough.
    pub fn ends(&mut self, id: PipeId) {
        self.ending.push(id);
    }

    /// True if some pipe is to go.
    #[inline]
    pub fn has_ending(&self) -> bool {
        !self.ending.is_empty()
    }

    /// Takes the names of the pipes that are to go.
    pub fn take_ending(&mut self) -> Vec<PipeId> {
        std::mem::take(&mut self.ending)
    }

    /// The slot of a named pipe.
    pub fn slot_of(&self, id: PipeId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// The pipe in a slot.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<&Pipe> {
        self.slots.get(slot)?.as_ref()
    }

    /// The pipe in a slot, to read or write.
    #[inline]
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Pipe> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Number of pipes.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All pipes with their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Pipe)> {
        self.slots.iter_mut().enumerate().filter_map(|(slot, pipe)| Some((slot, pipe.as_mut()?)))
    }

    /// All pipes with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Pipe)> {
        self.slots.iter().enumerate().filter_map(|(slot, pipe)| Some((slot, pipe.as_ref()?)))
    }

    /// Slots of all pipes.
    pub fn slots(&self) -> Vec<usize> {
        self.iter().map(|(slot, _)| slot).collect()
    }
}

#[cfg(test)]
pub(super) mod tests;
