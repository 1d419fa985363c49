//! What publishing costs per subscriber. Run with `cargo bench -p zeroring-core --bench topic`.
//!
//! Divide a time by the number of peers in its name. "one prefix" is the common case: all peers
//! hold the same prefix. "two prefixes" pays for telling peers apart that hold both.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use zeroring_core::pattern::topic::{SubscriptionSet, TopicTable};

const TOPIC: &[u8] = b"market.eurusd.tick";

fn table_with(peers: u32, prefixes: &[&[u8]]) -> TopicTable {
    let mut table = TopicTable::new();
    for prefix in prefixes {
        for peer in 0..peers {
            table.subscribe(prefix, peer);
        }
    }
    table
}

fn publish(c: &mut Criterion) {
    let cases: [(&str, &[&[u8]]); 3] =
        [("all", &[b""]), ("one prefix", &[b"market."]), ("two prefixes", &[b"", b"market."])];
    let mut group = c.benchmark_group("publish");
    for (name, prefixes) in cases {
        for peers in [1_u32, 10, 100, 1000] {
            let mut table = table_with(peers, prefixes);
            group.throughput(Throughput::Elements(peers.into()));
            group.bench_function(BenchmarkId::new(name, peers), |b| {
                b.iter(|| {
                    let mut sum = 0_u32;
                    table.for_each_match(black_box(TOPIC), |peer| sum = sum.wrapping_add(peer));
                    sum
                });
            });
        }
    }
    group.finish();
}

fn publish_among_many_topics(c: &mut Criterion) {
    let mut table = TopicTable::new();
    for number in 0..10_000_u32 {
        table.subscribe(format!("market.{number:05}.tick").as_bytes(), number % 100);
    }
    c.bench_function("publish/one of 10000 topics", |b| {
        b.iter(|| {
            let mut sum = 0_u32;
            table.for_each_match(black_box(b"market.04711.tick"), |peer| sum += peer);
            sum
        });
    });
}

fn filter(c: &mut Criterion) {
    let mut group = c.benchmark_group("filter");
    let mut set = SubscriptionSet::new();
    for number in 0..100 {
        set.add(format!("market.{number}").as_bytes());
    }
    group.bench_function("hit", |b| b.iter(|| set.matches(black_box(b"market.42.tick"))));
    group.bench_function("miss", |b| b.iter(|| set.matches(black_box(b"weather.42"))));
    let mut all = SubscriptionSet::new();
    all.add(b"");
    group.bench_function("all", |b| b.iter(|| all.matches(black_box(TOPIC))));
    group.finish();
}

fn churn(c: &mut Criterion) {
    let mut table = table_with(100, &[b"market."]);
    c.bench_function("subscribe and unsubscribe", |b| {
        b.iter(|| {
            table.subscribe(black_box(TOPIC), 7);
            table.unsubscribe(black_box(TOPIC), 7)
        });
    });
}

criterion_group!(benches, publish, publish_among_many_topics, filter, churn);
criterion_main!(benches);
