//! Loom models of every lock-free piece: small enough to run in each test run, large enough to cross chunks, batches
//! and sleeps. Run with `RUSTFLAGS="--cfg loom" cargo test --release -p zeroring-base --lib`.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use crate::mailbox::mailbox;
use crate::ring::ring;
use crate::slab::SlabPool;
use crate::stream::{StreamReader, stream};
use crate::wake::{OsWake, WakeState, Waker};

#[test]
fn ring_hands_over_every_item_in_order() {
    loom::model(|| {
        let (mut tx, mut rx) = ring();
        let producer = thread::spawn(move || {
            for n in 0..3usize {
                tx.push(Box::new(n)); // boxed: loom sees a leak or a double free
            }
        });
        let mut expected = 0;
        while expected < 3 {
            match rx.pop() {
                Some(n) => {
                    assert_eq!(*n, expected);
                    expected += 1;
                }
                None => thread::yield_now(),
            }
        }
        producer.join().expect("no panic");
    });
}

#[test]
fn ring_frees_what_was_never_popped() {
    loom::model(|| {
        let (mut tx, mut rx) = ring();
        let alive = Arc::new(());
        let item = alive.clone();
        let producer = thread::spawn(move || {
            tx.push(item.clone());
            tx.push(item.clone());
            tx.push(item);
        });
        drop(rx.pop());
        drop(rx);
        producer.join().expect("no panic");
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

#[test]
fn a_slab_returned_by_another_thread_comes_home_once() {
    loom::model(|| {
        let mut pool = SlabPool::new(16);
        let mut writer = pool.writer(4).expect("memory");
        writer.put(b"abcd");
        let bytes = writer.bytes(0, 4);
        let other = writer.bytes(0, 2);
        drop(writer);
        let reader = thread::spawn(move || assert_eq!(&*bytes, b"abcd"));
        assert_eq!(&*other, b"ab");
        drop(other);
        // Whoever was last gave it back, or it is still out: either way the pool hands out one writer per slab.
        let (a, b) = (pool.writer(1).expect("memory"), pool.writer(1).expect("memory"));
        assert_ne!(a.slab().address(), b.slab().address());
        reader.join().expect("no panic");
    });
}

#[test]
fn a_pool_may_go_before_its_slabs() {
    loom::model(|| {
        let mut pool = SlabPool::new(16);
        let slab = pool.writer(4).expect("memory");
        let holder = thread::spawn(move || drop(slab));
        drop(pool);
        holder.join().expect("no panic");
    });
}

/// A reader that sleeps only after `wait_or_ready` said there is nothing is always told.
#[test]
fn stream_reader_is_told_of_what_it_did_not_see() {
    const HEADER: u16 = u16::from_le_bytes(*b"mm");
    loom::model(|| {
        let (mut w, mut r) = stream(0);
        let told = Arc::new(AtomicUsize::new(0));
        let tell = told.clone();
        let writer = thread::spawn(move || {
            let mut pool = SlabPool::new(64);
            for _ in 0..2 {
                // The first by the long way, the second by the short one.
                let told = w.try_commit_short(HEADER, b"").unwrap_or_else(|| {
                    w.append_copy(&mut pool, b"mm", b"").expect("memory");
                    w.commit(1)
                });
                w.open_short_way(u64::MAX);
                if told {
                    tell.fetch_add(1, Ordering::AcqRel);
                }
            }
        });
        let (mut got, mut heard) = (0, 0);
        while got < 4 {
            let n = r.available().len();
            r.advance(n);
            got += n;
            if got < 4 && n == 0 && !r.wait_or_ready() {
                while told.load(Ordering::Acquire) == heard {
                    thread::yield_now(); // asleep: only a notification gets us out
                }
                heard = told.load(Ordering::Acquire);
            }
        }
        writer.join().expect("no panic");
    });
}

/// The mirror image: a writer without credit that asked to be told is told when credit returns.
#[test]
fn stream_writer_is_told_of_credit() {
    loom::model(|| {
        let (mut w, mut r) = stream(1);
        let told = Arc::new(AtomicBool::new(false));
        let tell = told.clone();
        let mut pool = SlabPool::new(64);
        w.append_copy(&mut pool, b"", b"a").expect("memory");
        let _ = w.commit(1);
        let reader = thread::spawn(move || {
            let n = r.available().len();
            r.advance(n);
            if r.count_read(1) {
                tell.store(true, Ordering::SeqCst);
            }
            r
        });
        if !w.has_credit_or_waits() {
            while !told.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
        assert!(w.credit() > 0);
        drop(reader.join().expect("no panic"));
    });
}

#[test]
fn wake_protocol_loses_no_notification() {
    loom::model(|| {
        let state = Arc::new(WakeState::new());
        let work = Arc::new(AtomicUsize::new(0));
        let os_wakes = Arc::new(AtomicUsize::new(0));
        let notifier = {
            let (state, work, os_wakes) = (state.clone(), work.clone(), os_wakes.clone());
            thread::spawn(move || {
                work.store(1, Ordering::Relaxed);
                if state.notify() {
                    os_wakes.store(1, Ordering::Release);
                }
            })
        };
        while work.load(Ordering::Relaxed) == 0 {
            if state.prepare_sleep() {
                if work.load(Ordering::Relaxed) == 0 {
                    while os_wakes.load(Ordering::Acquire) == 0 {
                        thread::yield_now();
                    }
                }
                state.wake_up();
            }
        }
        notifier.join().expect("no panic");
    });
}

struct CountWakes(Arc<AtomicUsize>);

impl OsWake for CountWakes {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

#[test]
fn mailbox_commands_are_never_left_behind_by_a_sleeper() {
    loom::model(|| {
        let wakes = Arc::new(AtomicUsize::new(0));
        let (tx, mut rx) = mailbox(Waker::new(Box::new(CountWakes(wakes.clone()))));
        let sender = thread::spawn(move || tx.send(7));
        let mut got = std::collections::VecDeque::new();
        while got.is_empty() {
            rx.drain_into(&mut got);
            if got.is_empty() && rx.waker().state().prepare_sleep() {
                if rx.is_empty() {
                    while wakes.load(Ordering::Acquire) == 0 {
                        thread::yield_now();
                    }
                }
                rx.waker().state().wake_up();
            }
        }
        assert_eq!(got, [7]);
        sender.join().expect("no panic");
    });
}

/// Two pieces of work, told of by two threads: whichever notification comes between, the sleeper sees both.
#[test]
fn wake_protocol_loses_neither_of_two_notifications() {
    loom::model(|| {
        let state = Arc::new(WakeState::new());
        let work = Arc::new(AtomicUsize::new(0));
        let os_wakes = Arc::new(AtomicUsize::new(0));
        let notifiers: Vec<_> = (0..2)
            .map(|_| {
                let (state, work, os_wakes) = (state.clone(), work.clone(), os_wakes.clone());
                thread::spawn(move || {
                    work.fetch_add(1, Ordering::Relaxed);
                    if state.notify() {
                        os_wakes.fetch_add(1, Ordering::Release);
                    }
                })
            })
            .collect();
        let mut heard = 0;
        while work.load(Ordering::Relaxed) < 2 {
            if state.prepare_sleep() {
                if work.load(Ordering::Relaxed) < 2 {
                    while os_wakes.load(Ordering::Acquire) == heard {
                        thread::yield_now(); // asleep: only a wake gets us out
                    }
                }
                heard = os_wakes.load(Ordering::Acquire);
                state.wake_up();
            }
        }
        notifiers.into_iter().for_each(|notifier| notifier.join().expect("no panic"));
    });
}

#[test]
fn mailbox_commands_of_two_senders_all_arrive() {
    loom::model(|| {
        let wakes = Arc::new(AtomicUsize::new(0));
        let (tx, mut rx) = mailbox(Waker::new(Box::new(CountWakes(wakes.clone()))));
        let senders: Vec<_> = [tx.clone(), tx]
            .into_iter()
            .enumerate()
            .map(|(number, tx)| thread::spawn(move || tx.send(number)))
            .collect();
        let (mut got, mut heard) = (std::collections::VecDeque::new(), 0);
        while got.len() < 2 {
            rx.drain_into(&mut got);
            if got.len() < 2 && rx.waker().state().prepare_sleep() {
                if rx.is_empty() {
                    while wakes.load(Ordering::Acquire) == heard {
                        thread::yield_now(); // asleep: only a wake gets us out
                    }
                }
                heard = wakes.load(Ordering::Acquire);
                rx.waker().state().wake_up();
            }
        }
        got.make_contiguous().sort_unstable();
        assert_eq!(got, [0, 1]);
        senders.into_iter().for_each(|sender| sender.join().expect("no panic"));
    });
}

/// Reads until `len` bytes came.
fn read_bytes(r: &mut StreamReader, len: usize) -> Vec<u8> {
    let mut got = Vec::new();
    while got.len() < len {
        let bytes = r.available();
        let n = bytes.len();
        got.extend_from_slice(bytes);
        r.advance(n);
        if n == 0 {
            thread::yield_now();
        }
    }
    got
}

/// Slabs of four bytes: each message starts a segment of its own, and the slab of the one before goes back meanwhile.
#[test]
fn stream_bytes_are_whole_across_slabs() {
    loom::model(|| {
        let (mut w, mut r) = stream(0);
        let writer = thread::spawn(move || {
            let mut pool = SlabPool::new(4);
            for message in [b"abc", b"def", b"ghi"] {
                w.append_copy(&mut pool, b"", message).expect("memory");
                let _ = w.commit(1);
            }
        });
        assert_eq!(read_bytes(&mut r, 9), b"abcdefghi");
        writer.join().expect("no panic");
    });
}

/// What was rolled back is never seen, not even in part, and what comes after it takes its place.
#[test]
fn stream_readers_never_see_what_was_rolled_back() {
    loom::model(|| {
        let (mut w, mut r) = stream(0);
        let writer = thread::spawn(move || {
            let mut pool = SlabPool::new(4);
            w.append_copy(&mut pool, b"", b"ab").expect("memory");
            let _ = w.commit(1);
            w.append_copy(&mut pool, b"", b"xy").expect("memory");
            w.append_copy(&mut pool, b"", b"xyz").expect("memory"); // in a slab of its own
            w.rollback();
            w.append_copy(&mut pool, b"", b"c").expect("memory");
            let _ = w.commit(1);
        });
        assert_eq!(read_bytes(&mut r, 3), b"abc");
        writer.join().expect("no panic");
        assert!(r.available().is_empty());
    });
}

/// Two threads return a slab each while the owner looks for one: every slab comes home once, or is new.
#[test]
fn slabs_returned_by_two_threads_come_home_once_each() {
    loom::model(|| {
        let mut pool = SlabPool::new(16);
        let slabs = [(); 2].map(|()| pool.writer(4).expect("memory"));
        let threads = slabs.map(|slab| thread::spawn(move || drop(slab)));
        let early = pool.writer(4).expect("memory");
        threads.map(|thread| thread.join().expect("no panic"));
        let late = [(); 2].map(|()| pool.writer(4).expect("memory"));
        let addresses = [&early, &late[0], &late[1]].map(|writer| writer.slab().address());
        assert!(addresses[0] != addresses[1] && addresses[0] != addresses[2]);
        assert_ne!(addresses[1], addresses[2]);
    });
}
