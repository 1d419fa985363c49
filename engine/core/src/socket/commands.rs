//! What I/O threads and peers tell a socket about its pipes, and what follows from it.

use super::{NewPipe, PeerInfo, PipeId, PipePeer, SocketCommand, SocketCore};
use crate::io::link::RxEnd;
use crate::pattern::{Admission, Pattern};
use std::sync::Arc;

impl SocketCore {
    /// Processes everything that was reported; one load if there is nothing. True if something was: who waits for
    /// progress must learn it from here and not from a look of its own before or after.
    #[inline]
    pub(super) fn process_commands(&mut self) -> bool {
        let reported = !self.inbox.is_empty();
        if reported {
            self.process_queued();
        }
        reported
    }

    #[cold]
    fn process_queued(&mut self) {
        self.inbox.drain_into(&mut self.commands);
        while let Some(command) = self.commands.pop_front() {
            self.process(command);
        }
        self.close_offenders();
        self.read_on_later();
        self.sweep_finished();
    }

    /// Peers that sent more while they were being read are read on at the next call, whichever it is.
    fn read_on_later(&mut self) {
        let mut unread = self.pipes.take_unread();
        if let Pattern::FanOut(fan_out) = &mut self.pattern {
            let id_of = |slot| Some(self.pipes.get(slot)?.id);
            unread.extend(fan_out.take_unread().into_iter().filter_map(id_of));
        }
        for id in unread {
            self.handle.send(SocketCommand::Readable(id));
        }
    }

    fn process(&mut self, command: SocketCommand) {
        match command {
            SocketCommand::Attach(new) => self.attach(*new),
            SocketCommand::Connected(id, info) => self.connected(id, info),
            SocketCommand::Disconnected(id, end_bytes) => {
                if let Some(slot) = self.pipes.slot_of(id) {
                    self.with_pattern(|pattern, scope| {
                        pattern.disconnected(scope, slot, end_bytes)
                    });
                }
            }
            SocketCommand::Readable(id) => {
                if let Some(slot) = self.pipes.slot_of(id) {
                    self.with_pattern(|pattern, scope| pattern.readable(scope, slot));
                }
            }
            SocketCommand::Writable(id) => {
                if let Some(slot) = self.pipes.slot_of(id) {
                    self.pattern.writable(slot);
                }
            }
            SocketCommand::Gone(id) => self.gone(id),
            SocketCommand::Bound(id, peer, peer_pipe, announced) => {
                self.inproc_bound(id, peer, peer_pipe, &announced);
            }
            SocketCommand::EndpointOver(id) => self.forget_endpoint(id),
            SocketCommand::HighWaterMarks(id, send, recv) => {
                self.peer_marks_changed(id, (send, recv))
            }
            SocketCommand::Stop => {
                self.is_stopped = true;
                self.handle.monitor().stop();
            }
        }
    }

    /// Takes a new pipe in. Returns its slot, or `None` if it was turned away.
    pub(super) fn attach(&mut self, mut new: NewPipe) {
        let info = new.info.clone();
        let is_inproc = !matches!(new.peer, PipePeer::Link(_));
        let inproc_id = new.announced.clone();
        let subscribe_all = new.subscribe_all;
        if !self.options.zero_copy_recv && !is_inproc {
            new.reader.copy_parts();
        }
        let slot = self.pipes.insert(new);
        let announced = match (&info, is_inproc) {
            (Some(info), _) => Some(info.routing_id.as_slice()),
            (None, true) => inproc_id.as_deref(),
            (None, false) => None,
        };
        let admission = self
            .with_pattern(|pattern, scope| pattern.attach(scope, slot, announced, subscribe_all));
        self.admit(slot, admission);
        if matches!(&self.pattern, Pattern::Routing(r) if r.is_raw()) {
            if info.is_some() {
                self.with_pattern(|pattern, scope| pattern.connected(scope, slot, false));
            }
            // ROUTING_ID of a STREAM names its newest connection (libzmq-surface §6.11).
            if let Some(pipe) = self.pipes.get(slot) {
                self.options.routing_id.clone_from(&pipe.routing_id);
            }
        }
        self.send_probe(slot);
    }

    fn admit(&mut self, slot: usize, admission: Admission) {
        match admission {
            Admission::Served => {}
            Admission::TurnedAway => self.close_pipe(slot, true),
            Admission::Replaces(other) => self.replaced(other),
        }
    }

    /// A newcomer has the name of this pipe, which ends as soon as the message being read from it is read.
    fn replaced(&mut self, slot: usize) {
        if !self.pattern.is_reading(slot) {
            return self.close_pipe(slot, true);
        }
        if let Some(pipe) = self.pipes.get_mut(slot) {
            pipe.is_replaced = true;
            let id = pipe.id;
            self.pipes.ends(id);
        }
    }

    /// PROBE_ROUTER: an empty message greets the new peer.
    fn send_probe(&mut self, slot: usize) {
        use zeroring_zmtp::SocketType::{Dealer, Rep, Req, Router};
        if !self.options.probe_router || !matches!(self.kind(), Req | Rep | Dealer | Router) {
            return;
        }
        self.with_pattern(|_, scope| {
            if let Some(pipe) = scope.pipes.get_mut(slot)
                && pipe.put(scope.pool, [].as_slice().into(), false, u32::MAX).is_ok()
            {
                pipe.commit(scope.clock, true);
            }
        });
    }

    fn connected(&mut self, id: PipeId, info: Arc<PeerInfo>) {
        let Some(slot) = self.pipes.slot_of(id) else { return };
        let again = self.pipes.connected(slot, info);
        let admission = self.with_pattern(|pattern, scope| pattern.connected(scope, slot, again));
        self.admit(slot, admission);
    }

    /// The other end is closed: the pipe goes as soon as everything it sent was read.
    fn gone(&mut self, id: PipeId) {
        let Some(slot) = self.pipes.slot_of(id) else { return };
        if let Some(pipe) = self.pipes.get_mut(slot) {
            pipe.set_gone();
        }
        self.with_pattern(|pattern, scope| pattern.readable(scope, slot));
        if !self.end_if_finished(slot) {
            self.pipes.ends(id);
        }
    }

    /// Removes pipes whose other end is gone and that are read to the end, and those that were replaced. True if one
    /// went: that may be news for the application.
    #[inline]
    pub(super) fn sweep_finished(&mut self) -> bool {
        self.pipes.has_ending() && self.sweep_ending()
    }

    #[cold]
    fn sweep_ending(&mut self) -> bool {
        let mut removed = false;
        for id in self.pipes.take_ending() {
            let Some(slot) = self.pipes.slot_of(id) else { continue };
            if self.end_if_finished(slot) {
                removed = true;
            } else {
                self.pipes.ends(id);
            }
        }
        removed
    }

    fn end_if_finished(&mut self, slot: usize) -> bool {
        let Some(pipe) = self.pipes.get_mut(slot) else { return false };
        let is_replaced = pipe.is_replaced && !self.pattern.is_reading(slot);
        if pipe.is_gone() {
            // What nobody will read keeps nothing alive.
            let is_finished = pipe.is_finished();
            if is_finished || is_replaced || self.pattern.ignores(&self.pipes, slot) {
                self.with_pattern(|pattern, scope| pattern.remove(scope, slot));
                self.pipes.remove(slot);
                return true;
            }
            return false;
        }
        if is_replaced {
            self.close_pipe(slot, true);
        }
        is_replaced
    }

    /// Closes our end of a pipe. What was sent lingers; `at_once` drops it.
    pub(super) fn close_pipe(&mut self, slot: usize, at_once: bool) {
        self.with_pattern(|pattern, scope| pattern.remove(scope, slot));
        let Some(mut pipe) = self.pipes.remove(slot) else { return };
        pipe.rollback();
        let linger_ns = match (at_once, self.options.linger_ms) {
            (true, _) => Some(0),
            (false, ms) => u64::try_from(ms).ok().map(|ms| ms * 1_000_000),
        };
        let (id, peer, is_gone) = (pipe.id, pipe.peer.clone(), pipe.is_gone());
        drop(pipe); // our ends first: then "nothing more comes" is true when the peer is told
        match peer {
            PipePeer::Link(link) if !is_gone => link.ask_close(linger_ns),
            PipePeer::Link(_) => {}
            PipePeer::Inproc(peer, peer_pipe) => peer.send(SocketCommand::Gone(peer_pipe)),
            PipePeer::NotBound => self.context.inproc().cancel(&self.handle, id),
        }
    }

    /// Publishers: closes peers that asked for more than they may.
    fn close_offenders(&mut self) {
        let offenders = match &mut self.pattern {
            Pattern::FanOut(fan_out) => fan_out.take_offenders(),
            _ => return,
        };
        for slot in offenders {
            let why = format!(
                "the peer asked for more than the {} subscriptions that max_subscriptions_per_peer allows it, or for a \
                 topic above max_topic_bytes = {}; raise the limit if it may have them",
                self.options.max_subscriptions_per_peer, self.options.max_topic_bytes
            );
            tracing::warn!("{why}");
            if let Some(PipePeer::Link(link)) = self.pipes.get(slot).map(|pipe| &pipe.peer) {
                link.report_end(RxEnd::Protocol(why)); // for its monitor event
            }
            self.close_pipe(slot, true);
        }
    }

    fn peer_marks_changed(&mut self, id: PipeId, marks: (u32, u32)) {
        let (send, recv) = (self.options.send_hwm_messages, self.options.recv_hwm_messages);
        if let Some(slot) = self.pipes.slot_of(id)
            && let Some(pipe) = self.pipes.get_mut(slot)
        {
            pipe.peer_marks = Some(marks);
            pipe.set_high_water_marks(send, recv);
            self.pattern.writable(slot);
        }
    }

    /// The inproc endpoint that a pipe was waiting for is bound.
    fn inproc_bound(
        &mut self,
        id: PipeId,
        peer: super::SocketHandle,
        peer_pipe: PipeId,
        announced: &[u8],
    ) {
        let Some(slot) = self.pipes.slot_of(id) else {
            peer.send(SocketCommand::Gone(peer_pipe));
            return;
        };
        if let Some(pipe) = self.pipes.get_mut(slot) {
            pipe.peer = PipePeer::Inproc(peer.clone(), peer_pipe);
        }
        let admission =
            self.with_pattern(|pattern, scope| pattern.introduced(scope, slot, announced));
        self.admit(slot, admission);
        // What was sent before is told now: nobody was there to hear it.
        peer.send(SocketCommand::Readable(peer_pipe));
        self.pattern.writable(slot);
    }
}
