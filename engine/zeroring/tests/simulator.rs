//! The shipped engine on a simulated network: random schedules of sending, receiving, slow readers, partitions and deaths,
//! over every pattern, watched from outside.
//!
//! One thread holds a whole system: contexts on a virtual clock, joined by [`SimNet`](zeroring_transports::driver_sim).
//! Everything random comes from one seed, so a seed replays to the byte.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `ZERORING_SIM_SEEDS=N` | how many seeds, from 1 on; default 500 |
//! | `ZERORING_SIM_SEED=X` | only this one, and print what happens |
//!
//! | file | what |
//! | --- | --- |
//! | `world` | nodes, time, faults, the trace |
//! | `parcel` | messages that can be checked whoever holds them |
//! | `ledger` | what was sent, and what may be received |
//! | `found` | what schedules once found |
//! | `heartbeats` | who is called silent, and who is not |
//! | `stranger` | a peer made by hand |
//! | `flow`, `echo`, `publish`, `raw`, `stuck` | the schedules: one-way, questions and answers, topics, raw bytes, a reader that stops |

#[path = "simulator/echo.rs"]
mod echo;
#[path = "simulator/flow.rs"]
mod flow;
#[path = "simulator/found.rs"]
mod found;
#[path = "simulator/heartbeats.rs"]
mod heartbeats;
#[path = "simulator/ledger.rs"]
mod ledger;
#[path = "simulator/parcel.rs"]
mod parcel;
#[path = "simulator/publish.rs"]
mod publish;
#[path = "simulator/raw.rs"]
mod raw;
#[path = "simulator/stranger.rs"]
mod stranger;
#[path = "simulator/stuck.rs"]
mod stuck;
#[path = "simulator/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use world::World;
use zeroring_base::counters::SLABS_IN_USE;

const SEEDS_DEFAULT: u64 = 500;
/// Which of two processes this is: 0 and 1 share the seeds. Slabs are counted in a whole process, so a run must be alone
/// in its own for the time being.
const HALF: &str = "ZERORING_SIM_HALF";

/// Runs one schedule. What is wrong is a panic; otherwise the digest of everything that happened.
fn run(seed: u64, prints: bool) -> u64 {
    let mut world = World::new(seed, prints);
    match world.rng.below(11) {
        0..4 => flow::run(&mut world),
        4..7 => echo::run(&mut world),
        7..9 => publish::run(&mut world),
        9 => raw::run(&mut world),
        _ => stuck::run(&mut world),
    }
    world.finish()
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// Runs a seed, which must give every slab back, and says how to run it again if it fails.
fn check(seed: u64, prints: bool) {
    let before = SLABS_IN_USE.get();
    let checked = catch_unwind(AssertUnwindSafe(|| {
        run(seed, prints);
        assert_eq!(SLABS_IN_USE.get(), before, "slabs in use after everything has ended");
    }));
    if checked.is_err() {
        panic!(
            "seed {seed} fails at commit {}; see what happens with\n    \
             ZERORING_SIM_SEED={seed} cargo test --release --package zeroring --test simulator schedules -- --nocapture",
            commit()
        );
    }
}

/// What the seed is to be replayed on.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "HEAD"]), git(&["status", "--porcelain"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => commit,
        (Some(commit), _) => format!("{commit}, with changes"),
        _ => "unknown (no git here)".to_owned(),
    }
}

/// The seeds that are asked for, or this process's half of them.
#[test]
fn schedules_keep_every_promise() {
    let Some(half) = number(HALF) else { return in_processes_of_their_own() };
    if let Some(seed) = number("ZERORING_SIM_SEED") {
        return check(seed, true);
    }
    let seeds = number("ZERORING_SIM_SEEDS").unwrap_or(SEEDS_DEFAULT);
    (1 + half..=seeds).step_by(2).for_each(|seed| check(seed, false));
    println!("{seeds} seeds, every second one from {}", 1 + half);
}

fn in_processes_of_their_own() {
    let halves = if number("ZERORING_SIM_SEED").is_some() { 0..1 } else { 0..2 };
    let start = |half: u64| {
        Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "schedules_keep_every_promise", "--nocapture", "--test-threads=1"])
            .env(HALF, half.to_string())
            .spawn()
            .expect("it runs")
    };
    let children: Vec<_> = halves.map(start).collect();
    let ends: Vec<_> =
        children.into_iter().map(|mut child| child.wait().expect("it ends").success()).collect();
    assert!(ends.iter().all(|is_well| *is_well), "see above");
}

#[test]
fn a_seed_replays() {
    for seed in 1..=40 {
        assert_eq!(run(seed, false), run(seed, false), "seed {seed}");
    }
    assert_ne!(run(1, false), run(2, false));
}
