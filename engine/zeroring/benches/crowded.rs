//! More busy threads than cores: does spinning take from the others what it gives to one?
//!
//! Two threads per core ask and answer each other over tcp, and work [`WORK`] on each message. [`ON_THE_WAY`] requests are
//! on the way at once: all have something to do nearly always, and a thread that spins takes the core from one that works. Prints how many rounds per second all make together
//! under the adaptive policy and under the sleeping one, in turn, and the median of the ratios.
//!
//! Run with `cargo bench -p zeroring --bench crowded`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use zeroring::{Context, Pair, WaitPolicy};

/// What a thread does with each message.
const WORK: Duration = Duration::from_micros(20);
const ON_THE_WAY: usize = 4;

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (repeats, lasts) = match is_test {
        true => (1, Duration::from_millis(20)),
        false => (7, Duration::from_millis(1000)),
    };
    let pairs = std::thread::available_parallelism().map_or(2, usize::from);
    let mut ratios: Vec<f64> = (0..repeats)
        .map(|_| {
            let adaptive = rounds_per_second(WaitPolicy::Adaptive, pairs, lasts);
            let sleep = rounds_per_second(WaitPolicy::Sleep, pairs, lasts);
            println!("adaptive {adaptive:8.0} /s, sleep {sleep:8.0} /s, {:.3}x", adaptive / sleep);
            adaptive / sleep
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "{} threads on {pairs} cores, adaptive / sleep: median {:.3}x, {:.3}-{:.3}",
        2 * pairs,
        ratios[ratios.len() / 2],
        ratios[0],
        ratios[ratios.len() - 1]
    );
}

fn rounds_per_second(policy: WaitPolicy, pairs: usize, lasts: Duration) -> f64 {
    let context = Context::builder().wait_policy(policy).build();
    let (rounds, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..pairs {
            let (rep, req) = (context.socket::<Pair>().unwrap(), context.socket::<Pair>().unwrap());
            let endpoint = rep.bind("tcp://127.0.0.1:*").unwrap();
            req.connect(&endpoint).unwrap();
            scope.spawn(move || {
                while rep.recv().unwrap() == "more" {
                    work();
                    rep.send("done").unwrap();
                }
                rep.send("over").unwrap();
            });
            let (rounds, is_over) = (&rounds, &is_over);
            scope.spawn(move || {
                (0..ON_THE_WAY).for_each(|_| req.send("more").unwrap());
                while !is_over.load(Ordering::Relaxed) {
                    req.recv().unwrap();
                    work();
                    req.send("more").unwrap();
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
                req.send("stop").unwrap();
                while req.recv().unwrap() != "over" {}
            });
        }
        std::thread::sleep(lasts);
        is_over.store(true, Ordering::Relaxed);
    });
    rounds.into_inner() as f64 / start.elapsed().as_secs_f64()
}

/// Keeps the processor busy.
fn work() {
    let until = Instant::now() + WORK;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}
