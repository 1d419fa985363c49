//! Lending descriptors to application threads that wait for them (DESIGN 2.1).
//!
//! An application thread that waits asks for its links once and then polls their descriptors itself. The loop looks now
//! and then whether that thread still comes back; one that has been away for a look is relieved of its descriptors.

use std::sync::Arc;

use zeroring_base::time::NS_PER_MS;

use super::{EventLoop, Object, Timer};
use crate::io::driver::Token;
use crate::io::link::{Link, RxOwner};

/// How long an application may be away at first before the loop reads for it again.
const LOOK_INTERVAL_NS: u64 = 5 * NS_PER_MS;
/// Where applications keep coming back, looks are rarer and rarer: each takes the core from one that spins. One that goes
/// away right after a look is relieved at the second look from there.
const LOOK_INTERVAL_MAX_BUSY_NS: u64 = 40 * NS_PER_MS;
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
    timer_is_set: bool,
}

impl Leased {
    pub fn forget(&mut self, link: &Arc<Link>) {
        self.links.retain(|(leased, _)| !Arc::ptr_eq(leased, link));
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

    fn set_lease_timer(&mut self) {
        if !self.leased.timer_is_set && !self.leased.links.is_empty() {
            self.leased.timer_is_set = true;
            self.timers.set(self.clock.now_ns() + self.leased.interval_ns, Timer::Lease);
        }
    }

    /// Takes links back from applications that have not come back since the last look.
    pub(super) fn look_at_leased(&mut self) {
        self.leased.timer_is_set = false;
        let mut all_came_back = true;
        let mut interval_max_ns = LOOK_INTERVAL_MAX_NS;
        for (link, seen) in std::mem::take(&mut self.leased.links) {
            let presence = link.socket.presence();
            let visits = presence.visits();
            let is_parked = presence.is_parked();
            if !is_parked {
                interval_max_ns = interval_max_ns.min(LOOK_INTERVAL_MAX_BUSY_NS);
            }
            if link.has_heartbeat() {
                let pinged_max_ns =
                    if is_parked { LOOK_INTERVAL_MAX_PINGED_NS } else { LOOK_INTERVAL_NS };
                interval_max_ns = interval_max_ns.min(pinged_max_ns);
            }
            if is_parked || visits != seen {
                self.leased.links.push((link, visits));
            } else {
                all_came_back = false;
                self.take_back(&link);
            }
        }
        let doubled = (self.leased.interval_ns * 2).min(interval_max_ns);
        self.leased.interval_ns = if all_came_back { doubled } else { LOOK_INTERVAL_NS };
        self.set_lease_timer();
    }

    fn take_back(&mut self, link: &Arc<Link>) {
        {
            let nobody_reads = link.rx();
            link.set_rx_owner(&nobody_reads, RxOwner::Io);
        }
        self.resume_reading(link); // also publishes what waited for credit
    }
}
