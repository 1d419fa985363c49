//! Two threads that hand each other nothing but the turn: spinning on a cache line, and sleeping
//! on eventfds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow};
use rustix::event::{EventfdFlags, eventfd as new_eventfd};
use rustix::fd::{AsFd, OwnedFd};

use crate::affinity;
use crate::clock::now_ns;
use crate::histogram::Latencies;
use crate::role::{Setting, Side};
use crate::workload::RoleReport;

/// A jump of the clock this long was not the thread's own doing.
const GAP_NS: u64 = 1000;

/// Looks at the clock again and again on one core: whenever time jumped, something else had the
/// core. The jumps are what no library can be blamed for.
pub fn jitter(setting: &Setting, side: Side) -> Result<RoleReport> {
    affinity::pin(setting.core(side))?;
    let mut gaps = Latencies::new();
    let started_ns = now_ns();
    let mut last_ns = started_ns;
    let mut lost_ns = 0;
    while last_ns - started_ns < setting.duration_ns {
        let looked_ns = now_ns();
        let gap_ns = looked_ns - last_ns;
        if gap_ns >= GAP_NS {
            gaps.record(gap_ns);
            lost_ns += gap_ns;
        }
        last_ns = looked_ns;
    }
    Ok(RoleReport {
        messages: gaps.count(),
        bytes: lost_ns,
        elapsed_ns: last_ns - started_ns,
        latency: Some(gaps.to_samples()),
        ..RoleReport::default()
    })
}

/// Reading the clock takes as long as a few bounces, so each sample is the mean of this many.
const BOUNCES_PER_SAMPLE: u64 = 1000;
const STOP: u64 = u64::MAX;

/// A word alone on its cache line, and on its neighbour that some processors fetch with it.
#[repr(align(128))]
struct Line(AtomicU64);

/// One cache line there and back. Odd values are the other side's turn, even ones ours.
pub fn cache_line(setting: &Setting) -> Result<RoleReport> {
    let line = Line(AtomicU64::new(0));
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let pinned = affinity::pin(setting.core(Side::Binder));
            loop {
                // Pairs with the releases below: seeing the turn means seeing all before it.
                let turn = line.0.load(Ordering::Acquire);
                if turn == STOP {
                    return pinned;
                }
                if turn % 2 == 1 {
                    line.0.store(turn + 1, Ordering::Release);
                }
                std::hint::spin_loop();
            }
        });
        let measured = ping(setting, || {
            for _ in 0..BOUNCES_PER_SAMPLE {
                let turn = line.0.load(Ordering::Relaxed) + 1;
                line.0.store(turn, Ordering::Release);
                while line.0.load(Ordering::Acquire) != turn + 1 {
                    std::hint::spin_loop();
                }
            }
            Ok(BOUNCES_PER_SAMPLE)
        });
        line.0.store(STOP, Ordering::Release);
        other.join().map_err(|_| anyhow!("the other thread panicked"))??;
        measured
    })
}

/// Two sleeping threads: each blocks on its own eventfd and wakes the other through the other's.
pub fn eventfd(setting: &Setting) -> Result<RoleReport> {
    let create = || new_eventfd(0, EventfdFlags::CLOEXEC).context("eventfd");
    let (ours, theirs) = (create()?, create()?);
    thread::scope(|scope| {
        let other = scope.spawn(|| -> Result<()> {
            let pinned = affinity::pin(setting.core(Side::Binder));
            while wait(&theirs)? != STOP - 1 {
                wake(&ours, 1)?;
            }
            pinned
        });
        let measured = ping(setting, || {
            wake(&theirs, 1)?;
            wait(&ours)?;
            Ok(1)
        });
        // The largest value an eventfd holds; it cannot come from adding ones.
        wake(&theirs, STOP - 1)?;
        other.join().map_err(|_| anyhow!("the other thread panicked"))??;
        measured
    })
}

fn wake(fd: &OwnedFd, value: u64) -> Result<()> {
    rustix::io::write(fd.as_fd(), &value.to_ne_bytes()).context("writing an eventfd")?;
    Ok(())
}

fn wait(fd: &OwnedFd) -> Result<u64> {
    let mut value = [0; 8];
    rustix::io::read(fd.as_fd(), &mut value).context("reading an eventfd")?;
    Ok(u64::from_ne_bytes(value))
}

/// Warms up, then records the mean round trip of each call of `round_trips`, which says how many
/// it made.
fn ping(setting: &Setting, mut round_trips: impl FnMut() -> Result<u64>) -> Result<RoleReport> {
    affinity::pin(setting.core(Side::Connector))?;
    let warm_until_ns = now_ns() + setting.warm_up_ns;
    while now_ns() < warm_until_ns {
        round_trips()?;
    }
    let mut latencies = Latencies::new();
    let mut report = RoleReport::default();
    let started_ns = now_ns();
    while report.elapsed_ns < setting.duration_ns {
        let before_ns = now_ns();
        let made = round_trips()?;
        let after_ns = now_ns();
        latencies.record((after_ns - before_ns) / made);
        report.messages += made;
        report.elapsed_ns = after_ns - started_ns;
    }
    report.latency = Some(latencies.to_samples());
    Ok(report)
}
