//! Words through a ring between two spinning threads: one writes, one reads, and a cache line
//! changes hands once per batch instead of once per word.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::{Result, anyhow, ensure};

use crate::affinity;
use crate::clock::now_ns;
use crate::role::{Setting, Side};
use crate::workload::RoleReport;

const WORDS: usize = 8192;
const BATCH_WORDS: u64 = 1024;
/// Counting starts after the warm-up, or after this many if a stalled reader missed it …
const WARM_UP_WORDS_MAX: u64 = 16 * BATCH_WORDS;
/// … and this many are always written, so that something is left to count.
const WRITTEN_WORDS_MIN: u64 = 64 * WARM_UP_WORDS_MAX;

/// A counter alone on its cache line.
#[repr(align(128))]
#[derive(Default)]
struct Counter(AtomicU64);

/// Invariant: `read <= written <= read + WORDS`; words in between belong to the reader, the others
/// to the writer. Each counter is stored by one thread only.
struct Ring {
    written: Counter,
    read: Counter,
    closed: AtomicBool,
    words: Box<[AtomicU64]>,
}

/// Measures at the reader, which also checks that it sees 0, 1, 2, … .
pub fn run(setting: &Setting) -> Result<RoleReport> {
    let words = (0..WORDS).map(|_| AtomicU64::new(u64::MAX)).collect();
    let ring = Ring {
        written: Counter::default(),
        read: Counter::default(),
        closed: AtomicBool::new(false),
        words,
    };
    thread::scope(|scope| {
        let reader = scope.spawn(|| read(&ring, setting));
        let wrote = affinity::pin(setting.core(Side::Connector));
        write(&ring, now_ns() + setting.warm_up_ns + setting.duration_ns);
        wrote?;
        reader.join().map_err(|_| anyhow!("the reading thread panicked"))?
    })
}

fn write(ring: &Ring, ends_ns: u64) {
    let mut written = 0;
    while now_ns() < ends_ns || written < WRITTEN_WORDS_MIN {
        // Meets the reader's release of `read`: its words are ours again.
        while written + BATCH_WORDS - ring.read.0.load(Ordering::Acquire) > WORDS as u64 {
            std::hint::spin_loop();
        }
        let start = written as usize % WORDS;
        let batch = &ring.words[start..start + BATCH_WORDS as usize];
        for (word, value) in batch.iter().zip(written..) {
            word.store(value, Ordering::Relaxed);
        }
        written += BATCH_WORDS;
        // Meets the reader's acquire of `written`: it sees the words of this batch.
        ring.written.0.store(written, Ordering::Release);
    }
    ring.closed.store(true, Ordering::Release);
}

fn read(ring: &Ring, setting: &Setting) -> Result<RoleReport> {
    let pinned = affinity::pin(setting.core(Side::Binder));
    let counts_from_ns = now_ns() + setting.warm_up_ns;
    let (mut read, mut wrong) = (0, 0);
    let mut start = None;
    let mut last_ns = 0;
    loop {
        // Before `written`: if the ring was closed then, `written` is final.
        let closed = ring.closed.load(Ordering::Acquire);
        if ring.written.0.load(Ordering::Acquire) == read {
            if closed {
                break;
            }
            std::hint::spin_loop();
            continue;
        }
        let from = read as usize % WORDS;
        let batch = &ring.words[from..from + BATCH_WORDS as usize];
        for (word, value) in batch.iter().zip(read..) {
            wrong |= word.load(Ordering::Relaxed) ^ value;
        }
        read += BATCH_WORDS;
        ring.read.0.store(read, Ordering::Release);
        last_ns = now_ns();
        if start.is_none() && (last_ns >= counts_from_ns || read >= WARM_UP_WORDS_MAX) {
            start = Some((read, last_ns));
        }
    }
    pinned?;
    ensure!(wrong == 0, "the ring delivered a wrong word: this machine's memory order is broken");
    let (first, started_ns) = start.unwrap_or((0, last_ns));
    let messages = read - first;
    Ok(RoleReport {
        messages,
        bytes: messages * 8,
        elapsed_ns: last_ns - started_ns,
        ..RoleReport::default()
    })
}
