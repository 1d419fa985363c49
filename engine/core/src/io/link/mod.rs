//! A pipe joined to a connection.
//!
//! A link has two halves, each behind its own lock: [`LinkRx`] moves bytes from the stream into the incoming pipe,
//! [`LinkTx`] moves the outgoing pipe into the stream. Whoever holds the lock drives: an I/O thread by default, or the
//! application thread that is waiting for just these bytes (DESIGN 2.1). Nobody blocks on these locks for longer than
//! one batch.
//!
//! A connecting socket's link lives from `connect` to the end of the pipe and sees many streams; an accepted link lives
//! as long as its stream.
//!
//! # Who reads
//!
//! [`RxOwner`] says who reads. It changes under the receiving half's lock: a driver that reads by itself (io_uring) and an
//! application that reads the descriptor must never do so at the same time, or bytes would overtake each other.

mod publish;
mod rx;
mod tx;

pub use rx::{LinkRx, RxEnd};
pub use tx::{Flushed, LinkTx};

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use zeroring_base::SlabPool;
use zeroring_base::mailbox::Sender;
use zeroring_base::sync::{lock, try_lock};

use super::command::IoCommand;
use crate::pipe::PipeReader;
use crate::socket::{PipeId, SocketCommand, SocketHandle};

/// Who polls a link's descriptor for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RxOwner {
    /// The I/O thread's driver.
    Io = 0,
    /// The I/O thread's driver, asked to let go.
    Requested = 1,
    /// The application thread, whenever it waits in its socket.
    App = 2,
}

/// A pipe joined to a connection. See the module.
pub struct Link {
    /// Names the link to its I/O thread.
    pub id: u64,
    /// Names the pipe to its socket.
    pub pipe: PipeId,
    /// The socket the pipe belongs to.
    pub socket: SocketHandle,
    io: Sender<IoCommand>,
    rx: Mutex<LinkRx>,
    tx: Mutex<LinkTx>,
    rx_owner: AtomicU8,
    /// A stream is attached and its handshake is over.
    connected: AtomicBool,
    /// Streams attached so far: a report about an earlier one is stale.
    generation: AtomicU64,
    /// Reads that brought something; heartbeats look at it.
    activity: AtomicU64,
    /// Either side sends PINGs, which are to be answered soon, whoever reads.
    has_heartbeat: AtomicBool,
    /// Time-to-live of the peer's last PING (tenths of a second) until the I/O thread takes it, and by that the mark that
    /// it was told; 0: there is none.
    peer_ttl_ds: AtomicU32,
    /// The I/O thread was told to flush and has not begun.
    flush_queued: AtomicBool,
    /// The I/O thread was told to go on reading and has not begun.
    resume_queued: AtomicBool,
    /// A failure of the present stream was reported.
    failure_queued: AtomicBool,
    /// Which thread has noted that it left something behind here, by its mark; 0: none.
    left_behind_by: AtomicUsize,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("id", &self.id)
            .field("connected", &self.is_connected())
            .field("read_by", &self.rx_owner())
            .field("stalled", &self.try_rx().map(|rx| rx.is_stalled()))
            .field("drained", &self.try_tx().map(|mut tx| tx.is_drained()))
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Joins the engine's ends of a pipe; a stream comes later.
    pub fn new(
        id: u64,
        pipe: PipeId,
        socket: SocketHandle,
        io: Sender<IoCommand>,
        halves: (LinkRx, LinkTx),
    ) -> Arc<Self> {
        socket.live_links().inc();
        Arc::new(Self {
            id,
            pipe,
            socket,
            io,
            rx: Mutex::new(halves.0),
            tx: Mutex::new(halves.1),
            rx_owner: AtomicU8::new(RxOwner::Io as u8),
            connected: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            activity: AtomicU64::new(0),
            has_heartbeat: AtomicBool::new(false),
            peer_ttl_ds: AtomicU32::new(0),
            flush_queued: AtomicBool::new(false),
            resume_queued: AtomicBool::new(false),
            failure_queued: AtomicBool::new(false),
            left_behind_by: AtomicUsize::new(0),
        })
    }

    /// Locks the receiving half.
    pub fn rx(&self) -> std::sync::MutexGuard<'_, LinkRx> {
        lock(&self.rx)
    }

    /// Locks the sending half.
    pub fn tx(&self) -> std::sync::MutexGuard<'_, LinkTx> {
        lock(&self.tx)
    }

    /// The receiving half, if nobody drives it now.
    pub fn try_rx(&self) -> Option<std::sync::MutexGuard<'_, LinkRx>> {
        try_lock(&self.rx)
    }

    /// The sending half, if nobody drives it now.
    pub fn try_tx(&self) -> Option<std::sync::MutexGuard<'_, LinkTx>> {
        try_lock(&self.tx)
    }

    /// Who polls the descriptor.
    pub fn rx_owner(&self) -> RxOwner {
        // SeqCst: see `set_rx_owner`.
        match self.rx_owner.load(Ordering::SeqCst) {
            2 => RxOwner::App,
            1 => RxOwner::Requested,
            _ => RxOwner::Io,
        }
    }

    /// Changes who polls the descriptor; only whoever holds the receiving half may.
    pub fn set_rx_owner(&self, _held: &LinkRx, owner: RxOwner) {
        // SeqCst pairs with the load in `rx_owner`: an application that returns credit looks at the owner afterwards, and
        // a loop that takes the link back looks at the credit afterwards, so one of them goes on reading.
        self.rx_owner.store(owner as u8, Ordering::SeqCst);
    }

    /// True while a stream with a finished handshake is attached.
    pub fn is_connected(&self) -> bool {
        // Pairs with the Release in `set_connected`: who sees the link connected finds the stream attached.
        self.connected.load(Ordering::Acquire)
    }

    /// Counts attached streams.
    pub fn generation(&self) -> u64 {
        // Changes under both halves' locks, which order it for who holds one; the I/O thread reads what it wrote itself.
        self.generation.load(Ordering::Relaxed)
    }

    /// A stream was attached to both halves (`true`; the caller still holds them) or is about to be taken from them.
    pub fn set_connected(&self, connected: bool) {
        if connected {
            // Relaxed: the caller holds both halves, and whoever reports an end holds one of them.
            self.generation.fetch_add(1, Ordering::Relaxed);
            self.failure_queued.store(false, Ordering::Relaxed);
            self.peer_ttl_ds.store(0, Ordering::Relaxed); // of a peer before
        }
        // Release pairs with the Acquire in `is_connected`.
        self.connected.store(connected, Ordering::Release);
    }

    /// Reads that brought something so far.
    pub fn activity(&self) -> u64 {
        self.activity.load(Ordering::Relaxed) // a count of `note_activity`; nothing is published with it
    }

    pub(super) fn note_activity(&self) {
        self.activity.fetch_add(1, Ordering::Relaxed); // see `activity`
    }

    /// Tells the socket that its pipe has something to read.
    pub fn tell_readable(&self) {
        self.socket.send(SocketCommand::Readable(self.pipe));
    }

    /// Tells the socket that its pipe takes messages again.
    pub fn tell_writable(&self) {
        self.socket.send(SocketCommand::Writable(self.pipe));
    }

    /// Asks the I/O thread to flush and to watch the pipe until it is idle.
    pub fn ask_flush(self: &Arc<Self>) {
        // Pairs with the swap in `flush_begins`: if the mark stands, that swap is still to come, and after it the I/O thread
        // sees what was queued before this one.
        if !self.flush_queued.swap(true, Ordering::AcqRel) {
            self.io.send(IoCommand::Flush(self.clone()));
        }
    }

    /// Which thread has noted that it left something behind here, by its [mark](zeroring_base::sync::thread_mark).
    #[inline]
    pub fn left_behind_by(&self) -> usize {
        self.left_behind_by.load(Ordering::Relaxed) // each thread asks for its own mark, which it set itself
    }

    /// Notes that `thread` left something behind here; 0: nobody did.
    pub fn set_left_behind_by(&self, thread: usize) {
        self.left_behind_by.store(thread, Ordering::Relaxed); // see `left_behind_by`
    }

    /// The I/O thread begins to flush.
    pub fn flush_begins(&self) {
        // A swap, since a store reads nothing: it acquires what the swap in `ask_flush` released.
        self.flush_queued.swap(false, Ordering::AcqRel);
    }

    /// Asks the I/O thread to go on reading: credit came back.
    pub fn ask_resume(self: &Arc<Self>) {
        // Pairs with the swap in `resume_begins`, as in `ask_flush`: the credit returned before this is seen after that.
        if !self.resume_queued.swap(true, Ordering::AcqRel) {
            self.io.send(IoCommand::Resume(self.clone()));
        }
    }

    /// The I/O thread goes on reading.
    pub fn resume_begins(&self) {
        self.resume_queued.swap(false, Ordering::AcqRel); // pairs with the swap in `ask_resume`
    }

    /// Asks the I/O thread to let the application poll the descriptor.
    pub fn ask_lease(self: &Arc<Self>) {
        // No lock: the I/O thread's side owns the link before and after. It takes part in the order of `set_rx_owner`.
        let asked = self.rx_owner.compare_exchange(
            RxOwner::Io as u8,
            RxOwner::Requested as u8,
            Ordering::SeqCst,
            Ordering::Relaxed,
        );
        if asked.is_ok() {
            self.io.send(IoCommand::Lease(self.clone()));
        }
    }

    /// Reports that the present stream is over. The caller holds one of the halves, so that the next one does not begin
    /// meanwhile, or closes the pipe anyway.
    pub fn report_end(self: &Arc<Self>, end: RxEnd) {
        // Relaxed: reset under both halves' locks, and the mailbox publishes the command.
        if !self.failure_queued.swap(true, Ordering::Relaxed) {
            self.io.send(IoCommand::StreamEnded(self.clone(), self.generation(), end));
        }
    }

    /// Queues a control frame; the I/O thread sends it at the next frame boundary.
    pub fn queue_control(self: &Arc<Self>, frame: &[u8]) {
        self.tx().queue_control(frame);
        self.ask_flush();
    }

    /// Either side sends PINGs.
    pub fn note_heartbeat(&self) {
        self.has_heartbeat.store(true, Ordering::Relaxed); // a hint for `has_heartbeat`
    }

    /// True if either side was seen to send PINGs.
    pub fn has_heartbeat(&self) -> bool {
        self.has_heartbeat.load(Ordering::Relaxed) // a hint, set by `note_heartbeat`
    }

    /// A PING with a time-to-live came. However many come, at most one command is on its way.
    pub fn report_ping(self: &Arc<Self>, ttl_ds: u16) {
        // Pairs with the swap in `take_peer_ttl`: whoever finds 0 here is followed by a look that finds `ttl_ds`.
        if ttl_ds > 0 && self.peer_ttl_ds.swap(u32::from(ttl_ds), Ordering::AcqRel) == 0 {
            self.io.send(IoCommand::PeerPing(self.clone()));
        }
    }

    /// I/O thread: the time-to-live of the last PING, in tenths of a second, if it was not taken yet.
    pub fn take_peer_ttl(&self) -> Option<u16> {
        // Pairs with the swap in `report_ping`: a PING that comes from here on sends a command of its own.
        u16::try_from(self.peer_ttl_ds.swap(0, Ordering::AcqRel)).ok().filter(|ttl_ds| *ttl_ds > 0)
    }

    /// The application lets go of its end of the pipe; what it sent may take up to `linger_ns` (`None`: for ever).
    pub fn ask_close(self: &Arc<Self>, linger_ns: Option<u64>) {
        self.io.send(IoCommand::CloseLink(self.clone(), linger_ns));
    }

    /// Application thread: reads what is there into the pipe that it reads with `reader`. True if something came.
    pub fn drive_rx(self: &Arc<Self>, pool: &mut SlabPool, reader: &mut PipeReader) -> bool {
        let Some(mut rx) = self.try_rx() else { return false };
        if self.rx_owner() != RxOwner::App {
            return false; // taken back meanwhile; changes under this lock, so that only one of us reads
        }
        if reader.let_go() {
            rx.begin_anew(); // still locked: nobody has published anything since
        }
        let driven = rx.drive(pool, self);
        if let Some(end) = driven.end {
            self.report_end(end); // still locked: the next stream must not have begun when its number is read
        }
        driven.progress
    }

    /// Application thread: writes what is queued, unless somebody else is writing. With `then_wait` nobody else looks
    /// after the pipe: once it is drained, its sender is asked to tell of the next message.
    pub fn drive_tx(self: &Arc<Self>, then_wait: bool) -> Flushed {
        if self.socket.is_forked() {
            return Flushed::Busy; // the connection is the parent's
        }
        match self.try_tx() {
            Some(mut tx) => self.write(&mut tx, then_wait),
            None => Flushed::Busy,
        }
    }

    /// Application thread: writes what is queued, for there is no room for more. If somebody else is writing, waits for the
    /// end of that batch.
    pub fn make_room(self: &Arc<Self>) {
        if !self.socket.is_forked() {
            drop(self.write(&mut self.tx(), false));
        }
    }

    fn write(self: &Arc<Self>, tx: &mut LinkTx, then_wait: bool) -> Flushed {
        let flushed = tx.flush(self);
        match &flushed {
            Flushed::Drained if then_wait => tx.wait_own(),
            Flushed::Failed(_) => tx.stop_writing(), // the reader finds the end, behind what came before
            Flushed::CloseRequested => self.report_end(RxEnd::ByApplication),
            _ => {}
        }
        flushed
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.socket.live_links().dec();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::context::Live;
    use crate::options::{ContextOptions, SocketOptions};
    use crate::pipe::{Gather, one_way};
    use zeroring_base::mailbox::mailbox;
    use zeroring_base::wake::{NoSleep, Waker};
    use zeroring_zmtp::SocketType;

    pub use super::tx::tests::Told;

    /// A link that no stream and no thread belongs to.
    pub fn link_without_threads() -> Arc<Link> {
        link_that_writes(one_way(0, false).1)
    }

    /// As [`link_without_threads`], with an outgoing pipe.
    pub fn link_that_writes(out: PipeReader) -> Arc<Link> {
        let options = SocketOptions::new(SocketType::Push, &ContextOptions::default());
        let (commands, _) = mailbox(Waker::new(Box::new(NoSleep)));
        let (io, _) = mailbox(Waker::new(Box::new(NoSleep)));
        let socket = SocketHandle::new(1, SocketType::Push, commands, Arc::new(Live::default()));
        let (incoming, _) = one_way(0, false);
        let rx = LinkRx::new(incoming, &options, SocketType::Push);
        let halves = (rx, LinkTx::new(Gather::new(out)));
        Link::new(1, socket.next_pipe(), socket, io, halves)
    }
}
