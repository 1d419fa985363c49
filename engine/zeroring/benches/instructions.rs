//! The paths whose instructions `scripts/instructions` counts, each run a given number of times on one thread.
//!
//!     instructions PATH COUNT     runs one path
//!     instructions --list         their names
//!     instructions                runs each a few times, to see that it works (what `cargo bench` does)
//!
//! No I/O thread runs: what is counted is the same every time.

use std::hint::black_box;

use zeroring::{Context, Dealer, Message, Pub, Pull, Push, Router, Sub, Timeout};
use zeroring_base::ring::ring;
use zeroring_base::slab::SlabPool;
use zeroring_core::pattern::topic::{SubscriptionSet, TopicTable};
use zeroring_core::pipe::one_way;
use zeroring_zmtp::framing::{FrameLimits, Scanner, append_frame};

const BODY: &[u8] = &[7; 64];
/// Messages that are on the way at once.
const BATCH: u64 = 100;

type Path = (&'static str, fn(u64));

const PATHS: &[Path] = &[
    ("push-pull-64B", push_pull),
    ("pub-sub-64B", pub_sub),
    ("router-dealer-64B", router_dealer),
    ("pipe-64B", pipe),
    ("scan-64B", scan),
    ("ring", ring_items),
    ("slab", slabs),
    ("topic-to-10-peers", publish_topic),
    ("filter-among-100", filter),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => PATHS.iter().for_each(|(name, _)| println!("{name}")),
        [name, count] if !name.starts_with('-') => {
            let (_, run) = PATHS.iter().find(|path| path.0 == name).expect("a path of --list");
            run(count.parse().expect("a number"));
        }
        _ => PATHS.iter().for_each(|(_, run)| run(2 * BATCH)),
    }
}

/// A context without I/O threads.
fn context() -> Context {
    Context::builder().io_threads(0).build()
}

fn push_pull(count: u64) {
    let context = context();
    let (push, pull) = (context.socket::<Push>().unwrap(), context.socket::<Pull>().unwrap());
    pull.bind("inproc://path").unwrap();
    push.connect("inproc://path").unwrap();
    let mut message = Message::new();
    for _ in 0..count / BATCH {
        (0..BATCH).for_each(|_| push.send(black_box(BODY)).unwrap());
        (0..BATCH).for_each(|_| pull.recv_into(&mut message).unwrap());
    }
    assert_eq!(message, BODY);
}

fn pub_sub(count: u64) {
    let context = context();
    let (publisher, sub) = (context.socket::<Pub>().unwrap(), context.socket::<Sub>().unwrap());
    publisher.bind("inproc://path").unwrap();
    sub.subscribe("").unwrap();
    sub.connect("inproc://path").unwrap();
    let mut message = Message::new();
    for _ in 0..count / BATCH {
        (0..BATCH).for_each(|_| publisher.send(black_box(BODY)).unwrap());
        (0..BATCH).for_each(|_| sub.recv_into(&mut message).unwrap());
    }
    assert_eq!(message, BODY);
}

/// A request and its reply count as one.
fn router_dealer(count: u64) {
    let context = context();
    let (router, dealer) =
        (context.socket::<Router>().unwrap(), context.socket::<Dealer>().unwrap());
    dealer.set_routing_id("dealer").unwrap();
    router.bind("inproc://path").unwrap();
    dealer.connect("inproc://path").unwrap();
    let (mut peer, mut message) = (Message::new(), Message::new());
    for _ in 0..count / BATCH {
        (0..BATCH).for_each(|_| dealer.send(BODY).unwrap());
        for _ in 0..BATCH {
            router.recv_into(&mut peer).unwrap();
            router.recv_into(&mut message).unwrap();
            router.send_part(&peer, true, Timeout::Option).unwrap();
            router.send(&message).unwrap();
        }
        (0..BATCH).for_each(|_| dealer.recv_into(&mut message).unwrap());
    }
    assert_eq!(message, BODY);
}

fn pipe(count: u64) {
    let mut pool = SlabPool::default();
    let (mut writer, mut reader) = one_way(0, false);
    let mut message = Message::new();
    for _ in 0..count / BATCH {
        for _ in 0..BATCH {
            writer.put_part(&mut pool, black_box(BODY).into(), false, 256).unwrap();
            let _ = writer.commit(1);
        }
        (0..BATCH).for_each(|_| assert!(reader.next_message(&mut message).is_some()));
    }
    assert_eq!(message, BODY);
}

fn scan(count: u64) {
    let limits = FrameLimits {
        max_frame_bytes: None,
        max_message_parts: 1024,
        max_message_bytes: 1 << 24,
        max_command_bytes: 1 << 16,
    };
    let mut scanner = Scanner::new(limits);
    let mut bytes = Vec::new();
    (0..BATCH).for_each(|_| append_frame(0, BODY, &mut bytes));
    for _ in 0..count / BATCH {
        let scan = scanner.scan(black_box(&bytes), u32::MAX, |_, _| Ok(())).unwrap();
        assert_eq!(u64::from(scan.messages), BATCH);
    }
}

fn ring_items(count: u64) {
    let (mut producer, mut consumer) = ring::<[u64; 4]>();
    for _ in 0..count / BATCH {
        (0..BATCH).for_each(|item| producer.push([item; 4]));
        (0..BATCH).for_each(|_| assert!(black_box(consumer.pop()).is_some()));
    }
}

fn slabs(count: u64) {
    let mut pool = SlabPool::default();
    (0..count).for_each(|_| drop(black_box(pool.writer(64))));
}

fn publish_topic(count: u64) {
    let mut table = TopicTable::new();
    (0..10).for_each(|peer| _ = table.subscribe(b"market.", peer));
    (0..1000).for_each(|n| _ = table.subscribe(format!("other.{n:03}").as_bytes(), n));
    for _ in 0..count {
        let mut peers = 0;
        table.for_each_match(black_box(b"market.eurusd.tick"), |_| peers += 1);
        assert_eq!(peers, 10);
    }
}

fn filter(count: u64) {
    let mut set = SubscriptionSet::new();
    (0..100).for_each(|n| _ = set.add(format!("market.{n:02}.tick").as_bytes()));
    (0..count).for_each(|_| assert!(set.matches(black_box(b"market.47.tick 1.0842"))));
}
