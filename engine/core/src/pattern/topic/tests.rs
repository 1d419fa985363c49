//! Both books against naive models, and the extremes a peer can force.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Removed, SubscriptionSet, TopicTable};

/// Short topics over few letters, so that they nest and share prefixes.
fn topics() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(vec![b'a', b'b', 0, 255]);
    prop::collection::vec(byte, 0..6)
}

#[derive(Debug, Clone)]
enum Step {
    Subscribe(Vec<u8>, u32),
    Unsubscribe(Vec<u8>, u32),
    RemovePeer(u32),
    Publish(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let peers = || prop::sample::select(vec![0, 1, 2, 7, u32::MAX]);
    let step = prop_oneof![
        4 => (topics(), peers()).prop_map(|(topic, peer)| Step::Subscribe(topic, peer)),
        3 => (topics(), peers()).prop_map(|(topic, peer)| Step::Unsubscribe(topic, peer)),
        1 => peers().prop_map(Step::RemovePeer),
        3 => topics().prop_map(Step::Publish),
    ];
    prop::collection::vec(step, 0..80)
}

type Model = BTreeMap<Vec<u8>, BTreeSet<u32>>;

fn matching(model: &Model, topic: &[u8]) -> BTreeSet<u32> {
    let hits = model.iter().filter(|(prefix, _)| topic.starts_with(prefix));
    hits.flat_map(|(_, peers)| peers.iter().copied()).collect()
}

fn model_unsubscribe(model: &mut Model, topic: &[u8], peer: u32) -> Removed {
    let Some(peers) = model.get_mut(topic) else { return Removed::NotPresent };
    if !peers.remove(&peer) {
        return Removed::NotPresent;
    }
    if !peers.is_empty() {
        return Removed::StillHeld;
    }
    model.remove(topic);
    Removed::Last
}

fn visited(table: &mut TopicTable, topic: &[u8]) -> Vec<u32> {
    let mut peers = Vec::new();
    table.for_each_match(topic, |peer| peers.push(peer));
    peers.sort_unstable();
    peers
}

fn apply(table: &mut TopicTable, model: &mut Model, step: Step) {
    match step {
        Step::Subscribe(topic, peer) => {
            let first = !model.contains_key(&topic);
            assert_eq!(table.subscribe(&topic, peer), first);
            model.entry(topic).or_default().insert(peer);
        }
        Step::Unsubscribe(topic, peer) => {
            let expected = model_unsubscribe(model, &topic, peer);
            assert_eq!(table.unsubscribe(&topic, peer), expected);
        }
        Step::RemovePeer(peer) => {
            let topics: Vec<_> = model.keys().cloned().collect();
            let taken_back =
                topics.into_iter().map(|topic| (model_unsubscribe(model, &topic, peer), topic));
            let expected: Vec<_> =
                taken_back.filter(|(how, _)| *how != Removed::NotPresent).collect();
            let mut removed = Vec::new();
            table.remove_peer(peer, |topic, how| removed.push((how, topic.to_vec())));
            assert_eq!(removed, expected);
            assert_eq!(table.subscriptions_of(peer), 0);
        }
        Step::Publish(topic) => {
            let expected: Vec<_> = matching(model, &topic).into_iter().collect();
            assert_eq!(visited(table, &topic), expected);
        }
    }
}

proptest! {
    #[test]
    fn the_table_behaves_like_a_map_of_sets(steps in steps()) {
        let (mut table, mut model) = (TopicTable::new(), Model::new());
        for step in steps {
            apply(&mut table, &mut model, step);
            table.check_invariants();
            prop_assert_eq!(table.topics_count(), model.len());
            let peers: BTreeSet<_> = model.values().flatten().collect();
            prop_assert_eq!(table.peer_count(), peers.len());
        }
    }

    #[test]
    fn the_set_behaves_like_a_map_of_counts(
        steps in prop::collection::vec((any::<bool>(), topics()), 0..80),
        probes in prop::collection::vec(topics(), 10),
    ) {
        let (mut set, mut model) = (SubscriptionSet::new(), BTreeMap::<Vec<u8>, u32>::new());
        for (add, topic) in steps {
            let before = model.get(&topic).copied().unwrap_or(0);
            if add {
                prop_assert_eq!(set.add(&topic), before == 0);
                model.insert(topic, before + 1);
            } else {
                let expected = match before {
                    0 => Removed::NotPresent,
                    1 => Removed::Last,
                    _ => Removed::StillHeld,
                };
                prop_assert_eq!(set.remove(&topic), expected);
                match before {
                    0 => {}
                    1 => _ = model.remove(&topic),
                    _ => _ = model.insert(topic, before - 1),
                }
            }
            set.check_invariants();
            prop_assert_eq!(set.topics_count(), model.len());
            prop_assert_eq!(set.is_empty(), model.is_empty());
        }
        prop_assert!(set.iter().eq(model.keys().cloned()));
        for probe in probes {
            let expected = model.keys().any(|prefix| probe.starts_with(prefix));
            prop_assert_eq!(set.matches(&probe), expected);
        }
    }
}

#[test]
fn the_empty_prefix_matches_everything() {
    let (mut table, mut set) = (TopicTable::new(), SubscriptionSet::new());
    assert!(!set.matches(b""));
    table.subscribe(b"", 3);
    set.add(b"");
    for topic in [&b""[..], b"\0", b"news"] {
        assert_eq!(visited(&mut table, topic), [3]);
        assert!(set.matches(topic));
    }
}

#[test]
fn a_peer_is_visited_once_per_message() {
    let mut table = TopicTable::new();
    for prefix in [&b""[..], b"n", b"ne", b"news"] {
        table.subscribe(prefix, 1);
        table.subscribe(prefix, 1);
    }
    table.subscribe(b"ne", 2);
    assert_eq!(visited(&mut table, b"news"), [1, 2]);
    assert_eq!(visited(&mut table, b"news"), [1, 2]);
    assert_eq!(visited(&mut table, b"x"), [1]);
    assert_eq!(table.subscriptions_of(1), 4);
}

#[test]
fn megabyte_topics_work() {
    let topic: Vec<u8> = (0..1 << 20).map(|i| (i % 251) as u8).collect();
    let mut table = TopicTable::new();
    let mut set = SubscriptionSet::new();
    for len in [topic.len(), topic.len() - 1, topic.len() / 2, 1] {
        assert!(table.subscribe(&topic[..len], 9));
        assert!(set.add(&topic[..len]));
    }
    assert_eq!(visited(&mut table, &topic), [9]);
    assert!(set.matches(&topic));
    assert_eq!(set.iter().map(|t| t.len()).max(), Some(topic.len()));
    assert_eq!(table.unsubscribe(&topic[..topic.len() / 2], 9), Removed::Last);
    assert_eq!(set.remove(&topic), Removed::Last);
    let mut orphans = 0;
    table.remove_peer(9, |_, how| orphans += usize::from(how == Removed::Last));
    assert_eq!((orphans, table.topics_count(), table.peer_count()), (3, 0, 0));
    table.check_invariants();
}

#[test]
fn deep_nesting_does_not_recurse() {
    let topic = vec![b'x'; 20_000];
    let (mut table, mut set) = (TopicTable::new(), SubscriptionSet::new());
    // Longest first, which splits one long edge over and over.
    for len in (0..topic.len()).rev() {
        table.subscribe(&topic[..len], 1);
        set.add(&topic[..len]);
    }
    assert_eq!(visited(&mut table, &topic), [1]);
    assert_eq!(set.iter().count(), topic.len());
    let mut orphans = 0;
    table.remove_peer(1, |_, how| orphans += usize::from(how == Removed::Last));
    assert_eq!(orphans, topic.len());
    table.check_invariants();
}
