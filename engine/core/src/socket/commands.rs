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
        self.handle.presence().visit();
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
    }

    fn process(&mut self, command: SocketCommand) {
        match command {
            SocketCommand::Attach(new) => self.attach(*new),
            SocketCommand::Connected(id, info) => self.connected(id, info),
            SocketCommand::Disconnected(id) => {
                if let Some(slot) = self.pipes.slot_of(id) {
                    self.with_pattern(|pattern, scope| pattern.disconnected(scope, slot));
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
            SocketCommand::EndpointOver(id) => self.forget_endpoint(id),
            SocketCommand::Bound(id, peer, peer_pipe) => self.inproc_bound(id, peer, peer_pipe),
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
    pub(super) fn attach(&mut self, new: NewPipe) {
        let info = new.info.clone();
        let is_inproc = !matches!(new.peer, PipePeer::Link(_));
        let inproc_id = new.announced.clone();
        let subscribe_all = new.subscribe_all;
        let slot = self.pipes.insert(new);
        let announced = match (&info, is_inproc) {
            (Some(info), _) => Some(info.routing_id.as_slice()),
            (None, true) => inproc_id.as_deref(),
            (None, false) => None,
        };
        let admission = self
            .with_pattern(|pattern, scope| pattern.attach(scope, slot, announced, subscribe_all));
        self.admit(slot, admission);
        if info.is_some() && matches!(&self.pattern, Pattern::Routing(r) if r.is_raw()) {
            self.with_pattern(|pattern, scope| pattern.connected(scope, slot, false));
        }
        self.send_probe(slot);
    }

    fn admit(&mut self, slot: usize, admission: Admission) {
        match admission {
            Admission::Served => {}
            Admission::TurnedAway => self.close_pipe(slot, true),
            Admission::Replaces(other) => self.close_pipe(other, true),
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
        let Some(pipe) = self.pipes.get_mut(slot) else { return };
        let again = pipe.info.replace(info).is_some();
        let admission = self.with_pattern(|pattern, scope| pattern.connected(scope, slot, again));
        self.admit(slot, admission);
    }

    /// The other end is closed: the pipe goes as soon as everything it sent was read.
    fn gone(&mut self, id: PipeId) {
        let Some(slot) = self.pipes.slot_of(id) else { return };
        if let Some(pipe) = self.pipes.get_mut(slot) {
            pipe.is_gone = true;
        }
        self.has_gone_pipes = true;
        self.with_pattern(|pattern, scope| pattern.readable(scope, slot));
        self.sweep_finished();
    }

    /// Removes pipes whose other end is gone and that are read to the end.
    pub(super) fn sweep_finished(&mut self) {
        if !self.has_gone_pipes {
            return;
        }
        self.has_gone_pipes = false;
        for slot in self.pipes.slots() {
            let Some(pipe) = self.pipes.get_mut(slot) else { continue };
            if pipe.is_finished() {
                self.with_pattern(|pattern, scope| pattern.remove(scope, slot));
                self.pipes.remove(slot);
            } else {
                self.has_gone_pipes |= pipe.is_gone;
            }
        }
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
        let (id, peer, is_gone) = (pipe.id, pipe.peer.clone(), pipe.is_gone);
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
                "the peer asked for more than the {} subscriptions that max_subscriptions_per_peer allows it; raise \
                 that limit if it may have them",
                self.options.max_subscriptions_per_peer
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
    fn inproc_bound(&mut self, id: PipeId, peer: super::SocketHandle, peer_pipe: PipeId) {
        let Some(slot) = self.pipes.slot_of(id) else {
            peer.send(SocketCommand::Gone(peer_pipe));
            return;
        };
        if let Some(pipe) = self.pipes.get_mut(slot) {
            pipe.peer = PipePeer::Inproc(peer.clone(), peer_pipe);
        }
        // What was sent before is told now: nobody was there to hear it.
        peer.send(SocketCommand::Readable(peer_pipe));
        self.pattern.writable(slot);
    }
}
