//! What the calling thread left behind for a batch, in whatever socket: written before the thread waits in any of them.
//!
//! A thread that takes a message from one socket, sends another through a second one and waits in the first again would
//! otherwise leave its answer to the I/O thread, which has to be woken for it. The I/O thread still looks after
//! everything that is noted here: a thread that never waits, or ends, loses nothing.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use zeroring_base::sync::thread_mark;
use zeroring_base::time::Clock;

use super::pace;
use crate::io::link::{Flushed, Link};

/// At every power of two from here on, the list is cleared of connections that are gone: a thread may never wait.
const CLEARED_FROM: usize = 64;
/// Connections written by one call. The others have their turn at the next look, or with the I/O thread.
const WRITES_MAX: usize = 32;

/// Numbers rounds, over all threads.
static NEXT_ROUND: AtomicU64 = AtomicU64::new(1);

/// The list of one thread.
struct Noted(Vec<Weak<Link>>);

impl Drop for Noted {
    /// The thread ends. Another one may have its mark later.
    fn drop(&mut self) {
        self.0.iter().filter_map(Weak::upgrade).for_each(|link| forget(&link));
    }
}

thread_local! {
    static NOTED: RefCell<Noted> = const { RefCell::new(Noted(Vec::new())) };
    /// The present round of this thread, which ends when it writes; 0 before the first note of a round.
    static ROUND: Cell<u64> = const { Cell::new(0) };
}

/// No round.
pub(super) const NOT_NOTED: u64 = u64::MAX;

/// Something was queued for this connection and not written. Returns the round, in which it
/// [needs not be noted again](is_noted_in), or [`NOT_NOTED`].
///
/// Under a virtual clock one thread plays all parts: there nothing needs to be noted, and each socket looks after its own.
#[inline]
pub(super) fn note(link: &Arc<Link>, clock: &Clock) -> u64 {
    let is_noted = clock.is_virtual() || link.left_behind_by() == thread_mark() || add(link);
    if is_noted { round() } else { NOT_NOTED }
}

/// True if this thread will look after what it leaves behind for a connection that was noted in this round.
#[inline(always)]
pub(super) fn is_noted_in(round: u64) -> bool {
    round == ROUND.get()
}

fn round() -> u64 {
    if ROUND.get() == 0 {
        // Relaxed: it only makes numbers that no other thread has.
        ROUND.set(NEXT_ROUND.fetch_add(1, Ordering::Relaxed));
    }
    ROUND.get()
}

/// False if the thread is about to end: then the I/O thread writes.
#[cold]
fn add(link: &Arc<Link>) -> bool {
    let added = NOTED.try_with(|noted| {
        let noted = &mut noted.borrow_mut().0;
        link.set_left_behind_by(thread_mark());
        noted.push(Arc::downgrade(link));
        if noted.len() >= CLEARED_FROM && noted.len().is_power_of_two() {
            noted.retain(|link| link.strong_count() > 0);
        }
    });
    added.is_ok()
}

/// Writes what this thread left behind, to a number of connections. What the kernel does not take the I/O thread writes.
pub(crate) fn write(clock: &Clock) {
    let taken = NOTED.try_with(|noted| {
        let noted = &mut noted.borrow_mut().0;
        let first = noted.len().saturating_sub(WRITES_MAX);
        if noted.is_empty() { Vec::new() } else { noted.split_off(first) }
    });
    ROUND.set(0);
    let mut has_written = false;
    for link in taken.unwrap_or_default().iter().filter_map(Weak::upgrade) {
        forget(&link);
        has_written |= matches!(link.drive_tx(false), Flushed::Drained | Flushed::More);
    }
    if has_written {
        pace::thread_wrote(clock);
    }
}

/// Takes back our mark; a socket that was moved to another thread may have that thread's.
fn forget(link: &Link) {
    if link.left_behind_by() == thread_mark() {
        link.set_left_behind_by(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::link::tests::link_without_threads;

    fn is_ours(link: &Link) -> bool {
        link.left_behind_by() == thread_mark()
    }

    #[test]
    fn a_connection_is_noted_once_until_it_is_written() {
        let link = link_without_threads();
        note(&link, &Clock::Real);
        note(&link, &Clock::Real);
        assert_eq!((is_ours(&link), NOTED.with_borrow(|noted| noted.0.len())), (true, 1));
        write(&Clock::Real);
        assert_eq!((is_ours(&link), NOTED.with_borrow(|noted| noted.0.len())), (false, 0));
    }

    #[test]
    fn a_round_ends_when_the_thread_writes_and_is_no_other_threads() {
        let link = link_without_threads();
        let rounds: Vec<u64> = (0..3)
            .map(|_| {
                let round = note(&link, &Clock::Real);
                assert_eq!(note(&link, &Clock::Real), round, "once in a round");
                assert!(is_noted_in(round) && !is_noted_in(NOT_NOTED));
                let there = std::thread::spawn(move || is_noted_in(round));
                assert!(!there.join().expect("no panic"));
                write(&Clock::Real);
                assert!(!is_noted_in(round) && !is_noted_in(NOT_NOTED));
                round
            })
            .collect();
        assert!(rounds[0] < rounds[1] && rounds[1] < rounds[2]);
    }

    #[test]
    fn connections_beyond_those_written_stay_noted_and_join_the_next_round() {
        let links: Vec<_> = (0..WRITES_MAX + 8).map(|_| link_without_threads()).collect();
        let round = note(&links[0], &Clock::Real);
        links[1..].iter().for_each(|link| assert_eq!(note(link, &Clock::Real), round));
        write(&Clock::Real);
        assert_eq!(links.iter().filter(|link| is_ours(link)).count(), 8);
        let next = note(&links[0], &Clock::Real);
        assert!(!is_noted_in(round) && is_noted_in(next), "each is noted again, once");
        assert_eq!(NOTED.with_borrow(|noted| noted.0.len()), 8);
        write(&Clock::Real);
        assert!(links.iter().all(|link| !is_ours(link)));
    }

    #[test]
    fn a_socket_that_moved_is_noted_by_its_new_thread() {
        let link = link_without_threads();
        note(&link, &Clock::Real);
        let there = link.clone();
        let noted_there = std::thread::spawn(move || {
            note(&there, &Clock::Real);
            is_ours(&there)
        });
        assert!(noted_there.join().expect("no panic"));
        assert_eq!(link.left_behind_by(), 0, "the thread that noted it has ended");
        write(&Clock::Real);
    }

    #[test]
    fn connections_that_are_gone_leave_the_list() {
        for _ in 0..10 * CLEARED_FROM {
            note(&link_without_threads(), &Clock::Real);
        }
        assert!(NOTED.with_borrow(|noted| noted.0.len()) <= CLEARED_FROM);
        while NOTED.with_borrow(|noted| !noted.0.is_empty()) {
            write(&Clock::Real);
        }
    }
}
