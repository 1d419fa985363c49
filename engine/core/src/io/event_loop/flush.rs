//! Flushing what senders leave behind.
//!
//! A sender that streams writes its own batches; the loop only makes sure that nothing stays behind when it pauses. So
//! a link that was flushed here once is *watched*: looked at every [`WATCH_INTERVAL_NS`] until it is found with nothing
//! left to write. While it is watched the sender needs no wake, whatever it sends.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroring_base::barrier;

use super::connection::End;
use super::{EventLoop, Timer};
use crate::io::link::{Flushed, Link, RxEnd};

/// How long a message may wait for its sender's next one before the loop writes it.
const WATCH_INTERVAL_NS: u64 = 100_000;

/// Links that are being streamed into, by their ids.
#[derive(Default)]
pub(super) struct Watched {
    links: BTreeMap<u64, Arc<Link>>,
    timer_is_set: bool,
}

impl Watched {
    pub fn forget(&mut self, link: &Arc<Link>) {
        self.links.remove(&link.id);
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
        let flushed = link.tx().flush(link);
        match flushed {
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
            Flushed::NotConnected | Flushed::Busy => self.watched.forget(link),
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
        self.watched.links.entry(link.id).or_insert_with(|| link.clone());
        self.set_watch_timer();
    }

    fn set_watch_timer(&mut self) {
        if !self.watched.timer_is_set && !self.watched.links.is_empty() {
            self.watched.timer_is_set = true;
            self.timers.set(self.clock.now_ns() + WATCH_INTERVAL_NS, Timer::Stream);
        }
    }

    /// Flushes watched links; lets go of those that have nothing left to write.
    pub(super) fn look_at_watched(&mut self) {
        self.watched.timer_is_set = false;
        let mut links = std::mem::take(&mut self.watched.links);
        let mut quiet = Vec::new();
        for link in links.values() {
            let mut tx = link.tx();
            if tx.is_drained() {
                tx.ask_to_be_told();
                quiet.push(link.id);
            }
        }
        if !quiet.is_empty() {
            barrier::heavy(); // one for all of them: it stops every core that runs a thread of ours
        }
        // What was asked and has nothing more now is told of its next message.
        quiet.retain(|id| links.get(id).is_some_and(|link| !link.tx().has_more()));
        for id in quiet {
            links.remove(&id);
        }
        for (id, link) in links {
            if self.flush(&link) {
                self.watched.links.insert(id, link);
            }
        }
        self.set_watch_timer();
    }
}
