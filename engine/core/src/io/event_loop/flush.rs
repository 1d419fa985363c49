//! Flushing what senders leave behind.
//!
//! A sender that streams writes its own batches; the loop only makes sure that nothing stays behind when it pauses. So
//! a link that was flushed here once is *watched*: looked at every [`WATCH_INTERVAL_NS`], or less often where senders write by
//! themselves or there is much to write, until nothing was written in between or its sender has written everything by itself
//! for a while. While it is watched the sender needs no wake, whatever it sends.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroring_base::barrier;

use super::connection::End;
use super::{EventLoop, Timer};
use crate::io::link::{Flushed, Link, RxEnd};

/// How long a message may wait for its sender's next one before the loop writes it.
const WATCH_INTERVAL_NS: u64 = 100_000;
/// While senders write by themselves the looks grow rarer, up to this, for all links of the thread: each look costs a timer
/// and a wake, which on a virtual machine are several exits from it.
const WATCH_INTERVAL_BUSY_MAX_NS: u64 = 400_000;
/// With many links to be written it may wait for so long for each of them, four times what a write takes: batches grow
/// with their number.
const WATCH_PER_LINK_NS: u64 = 12_000;
/// But never longer than this.
const WATCH_INTERVAL_MAX_NS: u64 = 2_000_000;
/// A sender that wrote everything by itself at so many looks in a row needs no watching.
const BUSY_LOOKS_MAX: u32 = 16;

/// Links that are being streamed into, by their ids.
#[derive(Default)]
pub(super) struct Watched {
    links: BTreeMap<u64, WatchedLink>,
    timer_is_set: bool,
    interval_ns: u64,
    /// How many had something left to write at the last look.
    left: u64,
}

struct WatchedLink {
    link: Arc<Link>,
    /// What had been written after the last look.
    written_bytes: u64,
    /// Its sender has written since the last but one.
    is_streaming: bool,
    /// Looks in a row that found nothing left, but something written.
    busy_looks: u32,
}

/// What a look at a link shows.
enum Look {
    /// Something is left to write.
    Left,
    /// Its sender writes by itself.
    Busy,
    /// Nothing is left, and nothing was written since the last look, or nothing by us for a while.
    Quiet,
}

impl WatchedLink {
    fn new(link: &Arc<Link>) -> Self {
        Self { link: link.clone(), written_bytes: 0, is_streaming: false, busy_looks: 0 }
    }

    fn look(&mut self) -> Look {
        let Some(mut tx) = self.link.try_tx() else {
            self.is_streaming = true;
            return Look::Busy;
        };
        let written_bytes = tx.written_bytes();
        self.is_streaming =
            std::mem::replace(&mut self.written_bytes, written_bytes) != written_bytes;
        if !tx.is_drained() {
            self.busy_looks = 0;
            return Look::Left;
        }
        self.busy_looks += 1;
        if self.is_streaming && self.busy_looks < BUSY_LOOKS_MAX {
            return Look::Busy;
        }
        tx.ask_to_be_told();
        Look::Quiet
    }

    /// What was just written, we wrote.
    fn note_own_write(&mut self) {
        if let Some(tx) = self.link.try_tx() {
            self.written_bytes = tx.written_bytes();
        }
    }
}

impl Watched {
    pub fn forget(&mut self, link: &Arc<Link>) {
        self.links.remove(&link.id);
    }

    fn next_interval_ns(&mut self) -> u64 {
        let is_streaming = self.links.values().any(|watched| watched.is_streaming);
        self.interval_ns = match is_streaming {
            true => (2 * self.interval_ns).clamp(WATCH_INTERVAL_NS, WATCH_INTERVAL_BUSY_MAX_NS),
            false => WATCH_INTERVAL_NS,
        };
        (self.left * WATCH_PER_LINK_NS).clamp(self.interval_ns, WATCH_INTERVAL_MAX_NS)
    }
}

impl EventLoop {
    /// Writes what is queued and keeps an eye on the link.
    pub(super) fn flush_and_watch(&mut self, link: &Arc<Link>) {
        link.flush_begins();
        if self.flush(link) {
            self.watch(link);
        }
    }

    /// Writes what is queued. True if everything went and more may come.
    fn flush(&mut self, link: &Arc<Link>) -> bool {
        let is_closing = self.closing.contains_key(&link.id);
        let flushed = match link.try_tx() {
            Some(mut tx) => tx.flush(link),
            // The application is writing, and is looked at again soon. The end of what a closed socket left is seen here
            // only.
            None if is_closing => link.tx().flush(link),
            None => Flushed::Busy,
        };
        match flushed {
            // Unbinding closes links whose sockets go on sending: what came during the flush goes, too.
            Flushed::Drained if is_closing && !link.tx().is_drained() => link.ask_flush(),
            Flushed::Drained => {
                self.closing_link_drained(link);
                return self.token_of(link).is_some(); // not if that was its end
            }
            Flushed::Blocked => {
                self.watched.forget(link);
                if let Some(token) = self.token_of(link) {
                    self.driver.want_write(token);
                }
            }
            Flushed::More => {
                self.watched.forget(link);
                link.ask_flush(); // the others get their turn first
            }
            Flushed::Busy => return self.token_of(link).is_some(),
            // Its sender met the error before us. Nobody reads for a closed socket, so nobody else would find the end.
            Flushed::NotConnected if is_closing => self.end_link_stream(link, RxEnd::PeerClosed),
            Flushed::NotConnected => self.watched.forget(link),
            Flushed::Failed(error) => self.write_failed(link, RxEnd::from_io(&error)),
            Flushed::CloseRequested => self.end_link_stream(link, RxEnd::ByApplication),
        }
        false
    }

    /// What the peer sent before may still be there to read, and reading it finds the end of the stream. Nobody reads for
    /// a closed socket.
    fn write_failed(&mut self, link: &Arc<Link>, end: RxEnd) {
        if self.closing.contains_key(&link.id) {
            return self.end_link_stream(link, end);
        }
        self.watched.forget(link);
        link.tx().stop_writing();
    }

    pub(super) fn end_link_stream(&mut self, link: &Arc<Link>, end: RxEnd) {
        self.watched.forget(link);
        if let Some(token) = self.token_of(link) {
            self.end_connection(token, End::Stream(end));
        }
    }

    fn watch(&mut self, link: &Arc<Link>) {
        self.watched
            .links
            .entry(link.id)
            .or_insert_with(|| WatchedLink::new(link))
            .note_own_write();
        self.set_watch_timer();
    }

    fn set_watch_timer(&mut self) {
        if !self.watched.timer_is_set && !self.watched.links.is_empty() {
            self.watched.timer_is_set = true;
            let interval_ns = self.watched.next_interval_ns();
            self.timers.set(self.clock.now_ns() + interval_ns, Timer::Stream);
        }
    }

    /// Flushes watched links; lets go of those whose senders have fallen silent.
    pub(super) fn look_at_watched(&mut self) {
        self.watched.timer_is_set = false;
        let mut links = std::mem::take(&mut self.watched.links);
        let (mut quiet, mut left) = (Vec::new(), Vec::new());
        for (id, watched) in &mut links {
            match watched.look() {
                Look::Left => left.push(*id),
                Look::Quiet => quiet.push(*id),
                Look::Busy => {}
            }
        }
        if !quiet.is_empty() {
            barrier::heavy(); // one for all of them: it stops every core that runs a thread of ours
        }
        for id in quiet {
            // What was asked and has nothing more now is told of its next message.
            if links.get(&id).is_some_and(|watched| watched.link.tx().has_more()) {
                left.push(id);
            } else {
                links.remove(&id);
            }
        }
        self.watched.left = left.len() as u64;
        for id in left {
            let Some(mut watched) = links.remove(&id) else { continue };
            if self.flush(&watched.link) {
                watched.note_own_write();
                links.insert(id, watched);
            }
        }
        self.watched.links.append(&mut links);
        self.set_watch_timer();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::link::tests::link_without_threads;

    #[test]
    fn looks_at_a_stream_grow_rarer_until_its_sender_falls_silent() {
        let link = link_without_threads();
        let mut watched = Watched::default();
        watched.links.insert(link.id, WatchedLink::new(&link));
        let mut intervals_us = |is_streaming: bool, left: u64, looks: usize| {
            watched.left = left;
            watched.links.values_mut().for_each(|link| link.is_streaming = is_streaming);
            (0..looks).map(|_| watched.next_interval_ns() / 1000).collect::<Vec<_>>()
        };
        assert_eq!(intervals_us(false, 0, 2), [100, 100]);
        assert_eq!(intervals_us(true, 0, 4), [200, 400, 400, 400]);
        assert_eq!(intervals_us(true, 100, 1), [1200], "more to write than an interval lasts");
        assert_eq!(intervals_us(false, 1, 1), [100]);
        assert_eq!(intervals_us(false, 1000, 1), [2000], "but never longer");
    }

    #[test]
    fn what_we_wrote_ourselves_does_not_make_a_stream() {
        let link = link_without_threads();
        let mut watched = WatchedLink::new(&link);
        watched.note_own_write();
        assert!(matches!(watched.look(), Look::Quiet) && !watched.is_streaming);
        let writing = link.tx();
        assert!(matches!(watched.look(), Look::Busy) && watched.is_streaming);
        drop(writing);
    }
}
