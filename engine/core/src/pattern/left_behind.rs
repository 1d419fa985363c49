//! What the calling thread left behind for a batch, in whatever socket: written before the thread waits in any of them.
//!
//! A thread that takes a message from one socket, sends another through a second one and waits in the first again would
//! otherwise leave its answer to the I/O thread, which has to be woken for it.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use zeroring_base::time::Clock;

use super::pace;
use crate::io::link::{Flushed, Link};

/// At every power of two from here on, the list is cleared of connections that are gone: a thread may never wait.
const CLEARED_FROM: usize = 64;

thread_local! {
    static NOTED: RefCell<Vec<Weak<Link>>> = const { RefCell::new(Vec::new()) };
}

/// Something was queued for this connection and not written. Under a virtual clock one thread plays all parts: there
/// nothing is noted, and each socket looks after its own.
#[inline]
pub(super) fn note(link: &Arc<Link>, clock: &Clock) {
    if !link.is_left_behind() && !clock.is_virtual() {
        add(link);
    }
}

#[cold]
fn add(link: &Arc<Link>) {
    // Fails when the thread is about to end: then the I/O thread writes.
    let _ = NOTED.try_with(|noted| {
        let mut noted = noted.borrow_mut();
        link.set_left_behind(true);
        noted.push(Arc::downgrade(link));
        if noted.len() >= CLEARED_FROM && noted.len().is_power_of_two() {
            noted.retain(|link| link.strong_count() > 0);
        }
    });
}

/// Writes what this thread left behind, as far as the kernel takes it. What it does not take is tried again next time.
pub(crate) fn write(clock: &Clock) {
    let links = NOTED.try_with(|noted| std::mem::take(&mut *noted.borrow_mut()));
    let Some(mut links) = links.ok().filter(|links| !links.is_empty()) else { return };
    links.retain(|link| link.upgrade().is_some_and(|link| !is_written(&link)));
    pace::thread_wrote(clock);
    let _ = NOTED.try_with(|noted| {
        let mut noted = noted.borrow_mut();
        links.append(&mut noted); // nothing else is noted meanwhile
        *noted = links;
    });
}

/// Writes what is queued. False if something may be left.
fn is_written(link: &Arc<Link>) -> bool {
    let is_done = match link.drive_tx(false) {
        Flushed::Blocked | Flushed::Busy | Flushed::More => !link.is_connected(),
        _ => true,
    };
    if is_done {
        link.set_left_behind(false);
    }
    is_done
}
