//! Cost of the framing hot path: writing headers and finding message boundaries of 64-byte frames.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zeroring_zmtp::framing::{FrameLimits, MORE, Scanner, append_frame, encode_header};

const FRAMES: u32 = 1024;
const LIMITS: FrameLimits = FrameLimits {
    max_frame_bytes: Some(1 << 20),
    max_message_parts: 1024,
    max_message_bytes: 1 << 24,
    max_command_bytes: 1 << 16,
};

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode_header");
    group.throughput(Throughput::Elements(u64::from(FRAMES)));
    for body_bytes in [64_usize, 1024] {
        group.bench_function(format!("{body_bytes}B"), |b| {
            let mut header = [0; 9];
            b.iter(|| {
                let mut total = 0;
                for _ in 0..FRAMES {
                    total += encode_header(0, black_box(body_bytes), black_box(&mut header));
                }
                total
            });
        });
    }
    group.finish();
}

fn scan(c: &mut Criterion) {
    let mut group = c.benchmark_group("scan");
    group.throughput(Throughput::Elements(u64::from(FRAMES)));
    for (name, flags) in [("64B_single", [0, 0]), ("64B_two_part", [MORE, 0])] {
        let mut bytes = Vec::new();
        for index in 0..FRAMES as usize {
            append_frame(flags[index % 2], &[b'x'; 64], &mut bytes);
        }
        group.bench_function(name, |b| {
            let mut scanner = Scanner::new(LIMITS);
            b.iter(|| {
                let scan = scanner.scan(black_box(&bytes), u32::MAX, |_, _| Ok(()));
                scan.expect("well-formed bytes").messages
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encode, scan);
criterion_main!(benches);
