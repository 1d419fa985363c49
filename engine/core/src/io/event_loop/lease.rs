//! Lending descriptors to application threads that wait for them (DESIGN 2.1).
//!
//! An application thread that waits asks for its links once and then polls their descriptors itself. The loop looks now
//! and then whether that thread still comes back; one that has been away for a look is relieved of its descriptors.

use std::sync::Arc;

use zeroring_base::time::NS_PER_MS;

use super::timers::TimerId;
use super::{EventLoop, Object, Timer};
use crate::io::driver::Token;
use crate::io::link::{Link, RxOwner};

/// How long an application may be away at first before the loop reads for it again.
const LOOK_INTERVAL_NS: u64 = 5 * NS_PER_MS;
/// Where applications keep coming back, looks are rarer and rarer: each takes the core from one that spins. One that goes
/// away right after a look is relieved at the second look from there.
const LOOK_INTERVAL_MAX_BUSY_NS: u64 = 20 * NS_PER_MS;
/// While every application sleeps in the kernel on its descriptors there is no hurry to look.
const LOOK_INTERVAL_MAX_NS: u64 = 160 * NS_PER_MS;
/// But a peer that sends PINGs, or answers ours, must not be unread for long once an application is busy.
const LOOK_INTERVAL_MAX_PINGED_NS: u64 = 20 * NS_PER_MS;

/// Links lent out.
#[derive(Default)]
pub(super) struct Leased {
    /// Link and its socket's visit count at the last look.
    links: Vec<(Arc<Link>, u64)>,
    interval_ns: u64,
    timer: Option<TimerId>,
}

impl Leased {
    pub fn forget(&mut self, link: &Arc<Link>) {
        self.links.retain(|(leased, _)| !Arc::ptr_eq(leased, link));
    }
}

/// What a look found out about one link.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// The application sleeps on its descriptors.
    is_parked: bool,
    /// It looked after its socket since the last look.
    was_here: bool,
    has_heartbeat: bool,
}

impl Look {
    fn is_served(self) -> bool {
        self.is_parked || self.was_here
    }

    /// How rarely the loop may look if all links are as this one.
    fn interval_max_ns(self) -> u64 {
        match self {
            Self { is_parked: false, was_here: false, .. } => LOOK_INTERVAL_NS,
            Self { is_parked: true, has_heartbeat: false, .. } => LOOK_INTERVAL_MAX_NS,
            Self { is_parked: true, has_heartbeat: true, .. } => LOOK_INTERVAL_MAX_PINGED_NS,
            Self { has_heartbeat: false, .. } => LOOK_INTERVAL_MAX_BUSY_NS,
            Self { has_heartbeat: true, .. } => LOOK_INTERVAL_NS,
        }
    }
}

impl EventLoop {
    /// The application asks for a link: the driver lets go first. A link that is out of credit is lent too: whoever
    /// owns it is the one that goes on when credit comes back.
    pub(super) fn lease(&mut self, link: &Arc<Link>) {
        if link.rx_owner() != RxOwner::Requested {
            return; // lent already, by a pause that was under way
        }
        match self.token_of(link) {
            Some(token) if self.is_paused(token) => self.lend(link),
            Some(token) => self.set_reading(token, false),
            None => link.set_rx_owner(&link.rx(), RxOwner::Io),
        }
    }

    /// The driver answered a pause. Only once it holds nothing of the stream any more may the application read: bytes must
    /// not overtake each other.
    pub(super) fn reading_paused(&mut self, token: Token) {
        if !self.pause_answered(token) {
            return;
        }
        let Some(Object::Connection(connection)) = self.objects.get(&token) else { return };
        let Some(link) = connection.link().cloned() else { return };
        if link.rx_owner() == RxOwner::Requested {
            self.lend(&link); // otherwise paused for want of credit
        }
    }

    fn lend(&mut self, link: &Arc<Link>) {
        link.set_rx_owner(&link.rx(), RxOwner::App);
        let visits = link.socket.presence().visits();
        self.leased.forget(link);
        self.leased.links.push((link.clone(), visits));
        self.leased.interval_ns = LOOK_INTERVAL_NS;
        self.set_lease_timer();
        link.socket.poke();
    }

    /// The next look is due after the interval; one that is due earlier stays.
    fn set_lease_timer(&mut self) {
        let due_ns = self.clock.now_ns() + self.leased.interval_ns;
        if self.leased.timer.is_some_and(|timer| timer.deadline_ns <= due_ns) {
            return;
        }
        if let Some(later) = self.leased.timer.take() {
            self.timers.cancel(later);
        }
        self.leased.timer = Some(self.timers.set(due_ns, Timer::Lease));
    }

    /// Takes links back from applications that have not come back since the last look.
    pub(super) fn look_at_leased(&mut self) {
        self.leased.timer = None;
        let mut interval_ns = self.leased.interval_ns * 2;
        for (link, seen) in std::mem::take(&mut self.leased.links) {
            let presence = link.socket.presence();
            let visits = presence.visits();
            let look = Look {
                is_parked: presence.is_parked(),
                was_here: visits != seen,
                has_heartbeat: link.has_heartbeat(),
            };
            interval_ns = interval_ns.min(look.interval_max_ns());
            if look.is_served() {
                self.leased.links.push((link, visits));
            } else {
                self.take_back(&link);
            }
        }
        self.leased.interval_ns = interval_ns;
        if !self.leased.links.is_empty() {
            self.set_lease_timer();
        }
    }

    fn take_back(&mut self, link: &Arc<Link>) {
        {
            let nobody_reads = link.rx();
            link.set_rx_owner(&nobody_reads, RxOwner::Io);
        }
        self.resume_reading(link); // also publishes what waited for credit
    }
}

#[cfg(test)]
mod tests;
