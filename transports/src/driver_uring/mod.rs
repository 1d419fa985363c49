//! The io_uring driver: receives by itself, into slabs that are handed on without a copy.
//!
//! Runs on one I/O thread, which must also create and drop it: the ring is set up for a single submitter. A cycle is
//! one system call: wishes noted since the last wait become entries, and the same call submits them and waits.
//!
//! | file | what lives there |
//! | --- | --- |
//! | `ring` | the two queues, set up as well as the kernel can |
//! | `op_slots` | what is under way, and owns all it needs until its last completion |
//! | `buffer_ring` | the slabs the kernel receives into |
//! | `entry` | what is wanted and what runs, per stream or connection attempt |
//! | `listeners` | the listeners, which the ring must not hold |
//! | `submit`, `complete` | one small function per operation, there and back |
//! | `probe` | whether all this works here, and why not |

mod buffer_ring;
mod complete;
mod entry;
mod listeners;
mod op_slots;
mod probe;
mod ring;
mod submit;
#[cfg(test)]
mod tests;

use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use zeroring_base::wake::OsWake;
use zeroring_core::io::driver::{Driver, Event, Token};
use zeroring_core::io::transport::{Connecting, Handle, Listener, Stream};

use crate::token_map::TokenMap;
use crate::waker::EventFd;
use buffer_ring::BufferRing;
use entry::{Entry, Object, Reading};
use listeners::Listeners;
use op_slots::{Hold, OpSlots};
use ring::Ring;

pub use probe::{Unavailable, available};

/// While there is no memory for buffers, the driver looks for some this often.
const REPLENISH_INTERVAL: Duration = Duration::from_millis(10);

/// How long a dropped driver waits for the kernel to let go.
const DROP_PATIENCE: Duration = Duration::from_secs(1);

/// A [`Driver`] on io_uring.
pub struct UringDriver {
    ring: ManuallyDrop<Ring>,
    /// Dropped only after `ring`, and only if no operation is left: see `Drop`.
    buffers: ManuallyDrop<BufferRing>,
    slots: ManuallyDrop<OpSlots>,
    entries: TokenMap<Entry>,
    listeners: Listeners,
    /// Tokens whose wishes are to be compared with what runs.
    dirty: Vec<Token>,
    waker: EventFd,
    wake_armed: bool,
}

impl UringDriver {
    /// A driver for the calling thread, whose wait `waker` ends.
    pub fn new(waker: EventFd) -> io::Result<Self> {
        let ring = Ring::new()?;
        let buffers = BufferRing::register(&ring.uring)?;
        Ok(Self {
            ring: ManuallyDrop::new(ring),
            buffers: ManuallyDrop::new(buffers),
            slots: ManuallyDrop::new(OpSlots::default()),
            entries: TokenMap::default(),
            listeners: Listeners::new()?,
            dirty: Vec::new(),
            waker,
            wake_armed: false,
        })
    }

    fn add(&mut self, token: Token, entry: Entry) -> io::Result<()> {
        if entry.object.fd().is_none() {
            return Err(Errno::INVAL.into());
        }
        if self.entries.contains_key(&token) || self.listeners.contains(token) {
            return Err(Errno::EXIST.into());
        }
        self.entries.insert(token, entry);
        self.look_at(token);
        Ok(())
    }

    /// Notes that the wishes of a token are to be compared with what runs for it.
    fn look_at(&mut self, token: Token) {
        let Some(entry) = self.entries.get_mut(&token) else { return };
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push(token);
        }
    }

    fn arm_waker(&mut self) {
        if !self.wake_armed {
            let (waker, hold) = (self.waker.clone(), Hold::Waker(self.waker.clone()));
            submit::await_wake(&mut self.ring, &mut self.slots, waker.as_fd(), hold);
            self.wake_armed = true;
        }
    }

    fn apply_wishes(&mut self, events: &mut Vec<Event>) {
        self.buffers.replenish();
        let mut dirty = std::mem::take(&mut self.dirty);
        for token in dirty.drain(..) {
            if let Some(entry) = self.entries.get_mut(&token) {
                entry.dirty = false;
                apply_read(&mut self.ring, &mut self.slots, &self.buffers, token, entry, events);
                apply_write(&mut self.ring, &mut self.slots, token, entry);
            }
        }
        self.dirty = dirty;
        if self.buffers.is_exhausted() {
            self.look_at_starved();
        }
    }

    /// Streams that could not be armed for lack of buffers get another look in the next cycle.
    fn look_at_starved(&mut self) {
        let starved = |entry: &Entry| entry.want_read && entry.reading == Reading::Idle;
        for (token, entry) in &mut self.entries {
            if starved(entry) && !entry.dirty {
                entry.dirty = true;
                self.dirty.push(*token);
            }
        }
    }

    /// One cycle: submit, wait, handle. True if there is something to return for.
    fn cycle(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<bool> {
        let before = events.len();
        self.arm_waker();
        self.listeners.arm(&mut self.ring, &mut self.slots, events);
        self.apply_wishes(events);
        let timeout = match timeout {
            _ if events.len() > before => Some(Duration::ZERO),
            _ if !self.dirty.is_empty() => {
                Some(timeout.unwrap_or(REPLENISH_INTERVAL).min(REPLENISH_INTERVAL))
            }
            other => other,
        };
        self.ring.enter(timeout)?;
        let woken = self.reap(events);
        Ok(woken || events.len() > before)
    }

    /// Ends all operations; true if none is left.
    fn shut_down(&mut self) -> bool {
        let deadline = Instant::now() + DROP_PATIENCE;
        let mut unwanted = Vec::new();
        self.entries.clear();
        submit::cancel_all(&mut self.ring);
        while self.slots.running() > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.ring.enter(Some(left)).is_err() {
                return false;
            }
            self.reap(&mut unwanted);
        }
        true
    }
}

/// Starts or ends the multishot receive of an object, as wished; answers pauses that need no waiting.
fn apply_read(
    ring: &mut Ring,
    slots: &mut OpSlots,
    buffers: &BufferRing,
    token: Token,
    entry: &mut Entry,
    events: &mut Vec<Event>,
) {
    match (entry.want_read, entry.reading) {
        (true, Reading::Idle) => {
            if buffers.is_exhausted() {
                return;
            }
            let (Some(fd), hold) = (entry.object.fd(), entry.object.hold()) else { return };
            entry.reading = Reading::Running(submit::receive(ring, slots, token, fd, hold));
        }
        (false, Reading::Running(id)) => {
            submit::cancel(ring, id);
            entry.reading = Reading::Ending(id);
            return;
        }
        // The answer, and a new start if that is wished by then, come with the operation's last completion.
        (_, Reading::Ending(_)) => return,
        _ => {}
    }
    complete::answer_pauses(token, entry, events);
}

fn apply_write(ring: &mut Ring, slots: &mut OpSlots, token: Token, entry: &mut Entry) {
    if let (true, None, Some(fd)) = (entry.want_write, entry.writing, entry.object.fd()) {
        let hold = entry.object.hold();
        entry.writing = Some(submit::await_writable(ring, slots, token, fd, hold));
    }
}

impl Driver for UringDriver {
    fn name(&self) -> &'static str {
        "io_uring"
    }

    fn add_stream(&mut self, token: Token, stream: &Arc<dyn Stream>, read: bool) -> io::Result<()> {
        self.add(token, Entry::new(Object::Stream(stream.clone()), read, false))
    }

    fn add_listener(&mut self, token: Token, listener: &Arc<dyn Listener>) -> io::Result<()> {
        if self.entries.contains_key(&token) {
            return Err(Errno::EXIST.into());
        }
        self.listeners.add(token, listener)
    }

    fn add_connecting(&mut self, token: Token, connecting: &dyn Connecting) -> io::Result<()> {
        let Handle::Fd(fd) = connecting.handle() else { return Err(Errno::INVAL.into()) };
        // A duplicate of our own: the attempt may be dropped before it is deregistered, and its number reused.
        let fd = Arc::new(fd.try_clone_to_owned()?);
        self.add(token, Entry::new(Object::Connecting(fd), false, true))
    }

    fn set_read(&mut self, token: Token, read: bool) {
        let Some(entry) = self.entries.get_mut(&token) else { return };
        entry.set_read(read);
        entry.pauses_owed += u32::from(!read);
        self.look_at(token);
    }

    fn want_write(&mut self, token: Token) {
        let Some(entry) = self.entries.get_mut(&token) else { return };
        entry.want_write = true;
        self.look_at(token);
    }

    fn pause_listener(&mut self, token: Token, pause: bool) {
        self.listeners.pause(token, pause);
    }

    fn deregister(&mut self, token: Token) {
        self.listeners.remove(token);
        let Some(entry) = self.entries.remove(&token) else { return };
        if let Reading::Running(id) = entry.reading {
            submit::cancel(&mut self.ring, id);
        }
        if let Some(id) = entry.writing {
            submit::cancel(&mut self.ring, id);
        }
    }

    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        if self.cycle(timeout, events)? || timeout == Some(Duration::ZERO) {
            return Ok(());
        }
        // Completions that mean nothing to the caller (a cancelled operation's last) must not end the wait.
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) || self.cycle(left, events)? {
                return Ok(());
            }
        }
    }

    fn os_wake(&self) -> Box<dyn OsWake> {
        Box::new(self.waker.clone())
    }
}

impl Drop for UringDriver {
    fn drop(&mut self) {
        let quiet = self.shut_down();
        // SAFETY: must hold: none of the three is used after this. They are dropped here, at the end of the value's
        // life, and nowhere else. The ring goes first: closing it unregisters the buffer ring.
        unsafe { ManuallyDrop::drop(&mut self.ring) };
        if quiet {
            // SAFETY: as above; and no operation is left that could write to a buffer or use a descriptor.
            unsafe {
                ManuallyDrop::drop(&mut self.slots);
                ManuallyDrop::drop(&mut self.buffers);
            }
        } else {
            // Rather leak than let the kernel write to memory that belongs to somebody else by then.
            tracing::warn!(
                operations = self.slots.running(),
                "io_uring operations did not end; leaking their buffers (was the driver dropped on another thread?)"
            );
        }
    }
}

impl std::fmt::Debug for UringDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (objects, running) = (self.entries.len(), self.slots.running());
        write!(f, "UringDriver({objects} objects, {running} operations)")
    }
}
