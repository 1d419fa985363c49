//! Connections that have said everything: the peer shall get all of it, and a clean end of stream.
//!
//! A kernel that closes a tcp connection resets it if bytes of the peer lie unread or come later (a subscription, a PING),
//! and a reset takes with it what the peer has not been given yet. So a link that lingered says its end first
//! ([`Stream::finish_writing`]), and the loop reads and throws away what the peer sends until the peer closes too, which
//! it does at once if it reads.
//!
//! # Bounds
//! Whoever waits for the context to end waits until the peer's system has every byte, at most until the linger time is
//! over or the peer took nothing for [`limits::DELIVERY_STALL_NS_MAX`]. The connection itself is kept until the peer
//! closes, at most until the linger time is over or for [`limits::PEER_END_WAIT_NS_MAX`] after the last byte was
//! delivered, or until the context ends. Of more than [`limits::DEPARTING_MAX`] the oldest go.

use std::io;
use std::sync::Arc;

use zeroring_base::limits;
use zeroring_base::time::NS_PER_MS;

use super::timers::TimerId;
use super::{EventLoop, Object, Timer};
use crate::io::driver::Token;
use crate::io::link::Link;
use crate::io::transport::Stream;

/// First pause between two looks at what the peer has got, and the longest one: nothing tells when it changes.
const LOOK_INTERVAL_NS_MIN: u64 = NS_PER_MS;
const LOOK_INTERVAL_NS_MAX: u64 = 64 * NS_PER_MS;

/// A connection that waits for its peer's end.
pub(super) struct Departing {
    stream: Arc<dyn Stream>,
    /// Keeps the context from ending while bytes are undelivered.
    link: Option<Arc<Link>>,
    linger_until_ns: Option<u64>,
    undelivered_bytes: usize,
    /// When `undelivered_bytes` changed last.
    changed_ns: u64,
    look_interval_ns: u64,
    timer: Option<TimerId>,
}

impl Departing {
    /// Takes down how many bytes the peer has not got. Returns when to look again; `None`: not any more.
    fn look(&mut self, now_ns: u64) -> Option<u64> {
        let undelivered_bytes = self.stream.undelivered_bytes().ok()?;
        if undelivered_bytes != self.undelivered_bytes {
            self.undelivered_bytes = undelivered_bytes;
            self.changed_ns = now_ns;
        }
        let is_stalled = now_ns >= self.changed_ns + limits::DELIVERY_STALL_NS_MAX;
        if is_stalled && undelivered_bytes > 0 {
            return None; // the peer's system takes no more: the kernel goes on trying for a while without us
        }
        if undelivered_bytes == 0 {
            self.link = None;
        }
        let look_again_ns = now_ns + self.look_interval_ns;
        self.look_interval_ns = (2 * self.look_interval_ns).min(LOOK_INTERVAL_NS_MAX);
        let next_ns = match undelivered_bytes {
            0 => self.changed_ns + limits::PEER_END_WAIT_NS_MAX,
            _ => look_again_ns,
        };
        let next_ns = next_ns.min(self.linger_until_ns.unwrap_or(u64::MAX));
        (next_ns > now_ns).then_some(next_ns)
    }
}

impl EventLoop {
    /// The last byte of a link whose socket closed it is with the kernel: its stream goes on without it.
    pub(super) fn depart(&mut self, link: &Arc<Link>, linger_until_ns: Option<u64>) {
        let Some(token) = self.token_of(link) else { return };
        let Some(Object::Connection(connection)) = self.remove(token) else { return };
        if let Some(timer) = connection.timer {
            self.timers.cancel(timer);
        }
        self.separate(link);
        let stream = connection.stream;
        if stream.finish_writing().is_err() {
            return; // broken: there is nobody to wait for
        }
        // Anew, so that it does not matter how far the driver was with reading: nobody wants the bytes.
        let token = self.new_token();
        if let Err(error) = self.driver.add_stream(token, &stream, true) {
            tracing::error!(%error, "the driver cannot watch a connection that ends");
            return;
        }
        let departing = Departing {
            stream,
            link: Some(link.clone()),
            linger_until_ns,
            undelivered_bytes: 0,
            changed_ns: self.clock.now_ns(),
            look_interval_ns: LOOK_INTERVAL_NS_MIN,
            timer: None,
        };
        self.insert(token, Object::Departing(departing));
        self.departing.insert(token);
        if self.departing.len() > limits::DEPARTING_MAX
            && let Some(oldest) = self.departing.first().copied()
        {
            self.departed(oldest);
        }
        self.look_at_departing(token);
    }

    pub(super) fn look_at_departing(&mut self, token: Token) {
        let now_ns = self.clock.now_ns();
        let Some(Object::Departing(departing)) = self.objects.get_mut(&token) else { return };
        departing.timer = None;
        match departing.look(now_ns) {
            Some(next_ns) => {
                departing.timer = Some(self.timers.set(next_ns, Timer::Departing(token)));
            }
            None => self.departed(token),
        }
    }

    /// Throws away what the peer sends.
    pub(super) fn read_departing(&mut self, token: Token) {
        let Some(Object::Departing(departing)) = self.objects.get(&token) else { return };
        let mut chunk = [0; 16 * 1024];
        let mut budget = limits::FAIRNESS_BYTES;
        while budget > 0 {
            match departing.stream.try_recv(&mut chunk) {
                Ok(n) if n > 0 => budget = budget.saturating_sub(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return self.departed(token),
            }
        }
    }

    /// The peer closed too, or was waited for long enough. Does nothing about any other object.
    pub(super) fn departed(&mut self, token: Token) {
        let Some(Object::Departing(departing)) = self.objects.get_mut(&token) else { return };
        if let Some(timer) = departing.timer.take() {
            self.timers.cancel(timer);
        }
        self.departing.remove(&token);
        self.remove(token);
    }
}
