//! Topics: PUB and XPUB to SUB and XSUB, with subscriptions that change and connections that come back.

use std::collections::BTreeSet;

use zeroring_core::socket::{SocketCore, Timeout};
use zeroring_zmtp::SocketType::{self, Pub, Sub, XPub, XSub};

use super::ledger::Ledger;
use super::parcel::Parcel;
use super::world::{World, connection, recv};

const PREFIXES: [&str; 6] = ["", "a", "ab", "abc", "b", "ba"];
const TOPICS: [&str; 6] = ["a", "ab", "abx", "b", "bb", "c"];
/// Far below the high-water mark: nothing may be dropped for want of room.
const BURST_MAX: u64 = 30;

struct Publisher {
    socket: SocketCore,
    id: u32,
    /// XPUB: what its events say is subscribed.
    told: BTreeSet<Vec<u8>>,
}

struct Subscriber {
    socket: SocketCore,
    id: u32,
    prefixes: BTreeSet<&'static str>,
    /// What it must receive in the present burst, in order for each publisher.
    due: Vec<Parcel>,
}

struct Publish {
    kinds: (SocketType, SocketType),
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    ledger: Ledger,
}

pub fn run(world: &mut World) {
    let mut publish = Publish::new(world);
    for _ in 0..4 {
        publish.change_subscriptions(world);
        world.rest(|world| publish.drain(world));
        publish.expect_told();
        let is_deadly = world.is_deadly && world.rng.chance(1, 2);
        publish.burst(world, is_deadly);
        world.rest(|world| publish.drain(world));
        if is_deadly {
            publish.subscribers.iter_mut().for_each(|subscriber| subscriber.due.clear());
        } else {
            publish.expect_all();
        }
    }
}

impl Publish {
    fn new(world: &mut World) -> Self {
        let kinds =
            ([Pub, XPub][world.rng.below(2) as usize], [Sub, XSub][world.rng.below(2) as usize]);
        let many = 1 + world.rng.below(4);
        let hub_publishes = world.rng.chance(2, 3);
        let counts = if hub_publishes { (1, many) } else { (many, 1) };
        world.log(|| format!("publish {kinds:?} {counts:?}"));
        let endpoint = "tcp://n0:1";
        let mut publish = Self {
            kinds,
            publishers: Vec::new(),
            subscribers: Vec::new(),
            ledger: Ledger::default(),
        };
        let sides = if hub_publishes { [true, false] } else { [false, true] };
        for publishes in sides {
            for number in 0..(if publishes { counts.0 } else { counts.1 }) as u32 {
                let node = world.add_node();
                let mut socket = world.socket(node, if publishes { kinds.0 } else { kinds.1 });
                match publishes == hub_publishes {
                    true => drop(socket.bind(endpoint).expect("a fresh endpoint")),
                    false => socket.connect(endpoint).expect("valid"),
                }
                match publishes {
                    true => publish.publishers.push(Publisher {
                        socket,
                        id: number,
                        told: BTreeSet::new(),
                    }),
                    false => {
                        let (id, prefixes) = (100 + number, BTreeSet::new());
                        publish.subscribers.push(Subscriber {
                            socket,
                            id,
                            prefixes,
                            due: Vec::new(),
                        });
                    }
                }
            }
        }
        publish
    }

    fn change_subscriptions(&mut self, world: &mut World) {
        for subscriber in &mut self.subscribers {
            for prefix in PREFIXES {
                if world.rng.chance(1, 4) {
                    subscriber.toggle(prefix);
                    world.log(|| format!("{} toggled {prefix:?}", subscriber.id));
                }
            }
        }
    }

    fn burst(&mut self, world: &mut World, is_deadly: bool) {
        for _ in 0..world.rng.below(BURST_MAX) {
            let at = world.rng.below(self.publishers.len() as u64) as usize;
            let topic = TOPICS[world.rng.below(TOPICS.len() as u64) as usize];
            self.publish(world, at, topic);
            if world.rng.chance(1, 3) {
                world.pass();
                self.drain(world);
            }
            if is_deadly && world.rng.chance(1, 5) {
                world.mishap();
            }
        }
    }

    fn publish(&mut self, world: &mut World, at: usize, topic: &str) {
        let publisher = &mut self.publishers[at];
        let parcel = self.ledger.next(publisher.id);
        let parts = parcel.parts();
        publisher
            .socket
            .send(topic.as_bytes(), true, Timeout::Now)
            .expect("a publisher never waits");
        for (index, part) in parts.iter().enumerate() {
            let more = index + 1 < parts.len();
            publisher.socket.send(&part[..], more, Timeout::Now).expect("a publisher never waits");
        }
        self.ledger.sent(parcel);
        world.log(|| format!("published {parcel:?} {topic}"));
        for subscriber in &mut self.subscribers {
            if subscriber.wants(topic.as_bytes()) {
                subscriber.due.push(parcel);
            }
        }
    }

    fn drain(&mut self, world: &mut World) -> bool {
        let mut progress = false;
        for publisher in &mut self.publishers {
            progress |= publisher.hear(world, self.kinds.0);
        }
        for at in 0..self.subscribers.len() {
            while self.receive(world, at) {
                progress = true;
            }
        }
        progress
    }

    fn receive(&mut self, world: &mut World, at: usize) -> bool {
        let subscriber = &mut self.subscribers[at];
        let Some(mut parts) = recv(world, &mut subscriber.socket) else { return false };
        let topic = parts.remove(0);
        assert!(subscriber.wants(&topic), "{} did not subscribe to {topic:?}", subscriber.id);
        let parcel = Parcel::of(&parts).unwrap_or_else(|what| panic!("received: {what}"));
        let over = connection(&subscriber.socket);
        let booked = self.ledger.received((subscriber.id, subscriber.id), over, parcel);
        assert_eq!(booked, Ok(()), "received by {}", subscriber.id);
        subscriber.due.retain(|due| *due != parcel);
        world.log(|| format!("{} received {parcel:?}", subscriber.id));
        true
    }

    fn expect_all(&self) {
        for subscriber in &self.subscribers {
            let due = &subscriber.due;
            assert!(due.is_empty(), "{} never received {due:?}", subscriber.id);
        }
    }

    /// What each XPUB was told is what its subscribers want, no more and no less.
    fn expect_told(&mut self) {
        let wanted: BTreeSet<Vec<u8>> = self
            .subscribers
            .iter()
            .flat_map(|subscriber| {
                subscriber.prefixes.iter().map(|prefix| prefix.as_bytes().to_vec())
            })
            .collect();
        for publisher in &mut self.publishers {
            if self.kinds.0 == XPub {
                assert_eq!(publisher.told, wanted, "what XPUB {} was told", publisher.id);
            }
            assert_eq!(
                publisher.socket.topics_count(),
                Some(wanted.len()),
                "topics of {}",
                publisher.id
            );
        }
    }
}

impl Publisher {
    /// Takes in what subscribers asked for.
    fn hear(&mut self, world: &mut World, kind: SocketType) -> bool {
        let _ = self.socket.readiness();
        let mut progress = false;
        while kind == XPub
            && let Some(parts) = recv(world, &mut self.socket)
        {
            let (asks, prefix) = parts[0].split_first().expect("an event has a first byte");
            match asks {
                1 => self.told.insert(prefix.to_vec()),
                _ => self.told.remove(prefix),
            };
            world.log(|| format!("{} told {asks} {prefix:?}", self.id));
            progress = true;
        }
        progress
    }
}

impl Subscriber {
    fn wants(&self, topic: &[u8]) -> bool {
        self.prefixes.iter().any(|prefix| topic.starts_with(prefix.as_bytes()))
    }

    fn toggle(&mut self, prefix: &'static str) {
        let subscribes = self.prefixes.insert(prefix);
        if !subscribes {
            self.prefixes.remove(prefix);
        }
        if self.socket.kind() == XSub {
            let message = [&[u8::from(subscribes)], prefix.as_bytes()].concat();
            return self
                .socket
                .send(&message[..], false, Timeout::Now)
                .expect("a XSUB never waits");
        }
        match subscribes {
            true => self.socket.subscribe(prefix.as_bytes()),
            false => self.socket.unsubscribe(prefix.as_bytes()),
        }
    }
}
