//! The ring, the slabs and the stream under every pipe, without another thread: what their own instructions cost.
//! Run with `cargo bench -p zeroring-base --bench pipe`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zeroring_base::ring::ring;
use zeroring_base::slab::SlabPool;
use zeroring_base::stream::stream;

const ITEMS: u64 = 1024;
const BODY: [u8; 64] = [7; 64];

fn ring_of_ranges(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring");
    group.throughput(Throughput::Elements(ITEMS));
    let (mut producer, mut consumer) = ring::<[u64; 4]>();
    group.bench_function("push_pop", |b| {
        b.iter(|| {
            (0..ITEMS).for_each(|item| producer.push([item; 4]));
            let mut sum = 0;
            while let Some(item) = consumer.pop() {
                sum += item[0];
            }
            sum
        });
    });
    group.finish();
}

fn slabs(c: &mut Criterion) {
    let mut pool = SlabPool::default();
    let mut group = c.benchmark_group("slab");
    group.bench_function("take_and_give_back", |b| {
        b.iter(|| pool.writer(black_box(64)).expect("memory"));
    });
    let mut writer = pool.writer(64).expect("memory");
    writer.put(&BODY);
    group.bench_function("share_and_drop", |b| b.iter(|| writer.bytes(0, black_box(64))));
    group.finish();
}

fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("stream");
    group.throughput(Throughput::Elements(ITEMS));
    let mut pool = SlabPool::default();
    let (mut writer, mut reader) = stream(0);
    group.bench_function("write_and_read_64B", |b| {
        b.iter(|| {
            for _ in 0..ITEMS {
                writer.append_short(&mut pool, 0x4000, black_box(&BODY)).expect("memory");
                let _ = writer.commit(1);
            }
            let mut total = 0;
            loop {
                let available = reader.available().len();
                if available == 0 {
                    return total;
                }
                reader.advance(available);
                total += available;
            }
        });
    });
    group.finish();
}

criterion_group!(benches, ring_of_ranges, slabs, messages);
criterion_main!(benches);
