//! What schedules once found, each as a case of its own.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use zeroring_base::sync::lock;
use zeroring_core::io::transport::{Connecting, Listener, Transport};
use zeroring_core::options::{ContextOptions, SocketOptions};
use zeroring_core::socket::Timeout;
use zeroring_transports::driver_sim::{Faults, Kill, SimTransport};
use zeroring_zmtp::SocketType::{Pull, Push, Stream};

use super::stranger::Stranger;
use super::world::{World, recv};

const MS: u64 = 1_000_000;

/// The first write of a new connection failed, and the connector waited for ever for the end of a stream that was over.
#[test]
fn a_connection_that_dies_at_its_first_write_is_tried_again() {
    let mut world = World::new(1, false);
    // The binder's node takes its turns first: its greeting resets the connection before the connector's first write.
    let nodes = (world.add_node(), world.add_node());
    let (mut pull, mut push) = (world.socket(nodes.0, Pull), world.socket(nodes.1, Push));
    pull.bind("tcp://n0:1").expect("a fresh endpoint");
    world.net.set_faults(Faults { reset_per_mille: 1000, ..Faults::none() });
    push.connect("tcp://n0:1").expect("valid");
    world.advance(20_000_000);
    push.send(&b"at last"[..], false, Timeout::Now).expect("a queue");
    let mut received = None;
    world.rest(|world| {
        received = received.take().or_else(|| recv(world, &mut pull));
        false
    });
    assert_eq!(received, Some(vec![b"at last".to_vec()]));
    drop((push, pull));
    world.finish();
}

/// The application's own thread found the request to close a raw connection among what it wrote, and told nobody.
#[test]
fn a_raw_connection_is_closed_whoever_writes() {
    for seed in 1..=4 {
        for pause_ns in [0, 50_000, 150_000, MS] {
            let mut world = World::new(seed, false);
            world.net.set_faults(Faults::none());
            let node = world.add_node();
            let mut server = world.socket(node, Stream);
            server.bind("tcp://n0:1").expect("a fresh endpoint");
            let peer = Stranger::connect(&mut world, "n0:1");
            world.advance(MS);
            let id = recv(&mut world, &mut server).expect("a notice")[0].clone();
            let mut send = |body: &[u8]| {
                server.send(id.as_slice(), true, Timeout::Now).expect("it is there");
                server.send(body, false, Timeout::Now).expect("room");
            };
            send(b"good");
            send(b"bye"); // so soon that the I/O thread is asked to write it, and looks for more for a while
            world.advance(pause_ns);
            send(b"");
            let _ = server.recv(Timeout::Forever); // writes what is left, as any call that blocks
            world.advance(10 * MS);
            assert_eq!(peer.recv(100).as_deref(), Some(&b"goodbye"[..]));
            assert_eq!(peer.recv(100), None, "seed {seed}, pause {pause_ns}");
            drop((server, peer));
            world.finish();
        }
    }
}

/// A connecting STREAM that looked late was told of an end and of the next beginning behind what that next connection had
/// brought.
#[test]
fn a_raw_connection_ends_before_what_the_next_one_brings() {
    let mut world = World::new(1, false);
    world.net.set_faults(Faults::none());
    let nodes = (world.add_node(), world.add_node());
    let (mut server, mut client) = (world.socket(nodes.0, Stream), world.socket(nodes.1, Stream));
    server.bind("tcp://n0:1").expect("a fresh endpoint");
    client.connect("tcp://n0:1").expect("valid");
    for text in ["one", "two", "three"] {
        world.advance(20 * MS);
        let mut newest = None;
        while let Some(parts) = recv(&mut world, &mut server) {
            newest = newest.max(parts.into_iter().next()); // ids count up
        }
        server.send(&newest.expect("a notice")[..], true, Timeout::Now).expect("it is there");
        server.send(text.as_bytes(), false, Timeout::Now).expect("room");
        world.advance(MS);
        world.net.kill_between("n0", "n1", Kill::Close);
    }
    world.advance(MS);
    let told: Vec<_> = std::iter::from_fn(|| recv(&mut world, &mut client))
        .map(|parts| String::from_utf8_lossy(&parts[1]).into_owned())
        .collect();
    assert_eq!(told, ["", "one", "", "", "two", "", "", "three", ""]);
    drop((server, client));
    world.finish();
}

/// Every accepted connection stayed on its listener's thread.
#[test]
fn accepted_connections_spread_over_the_io_threads() {
    for (affinity, expected) in [(0, [10, 10, 11]), (0b101, [15, 0, 16])] {
        let mut world = World::new(1, false);
        world.net.set_faults(Faults::none());
        let options = ContextOptions { io_threads: 3, ..ContextOptions::default() };
        let transport = Arc::new(world.net.transport("tcp", "n0"));
        let node = world.add_node_with(transport, options);
        let mut pull = world.socket(node, Pull);
        pull.update_options(|options| options.io_thread_affinity = affinity);
        pull.bind("tcp://n0:1").expect("a fresh endpoint");
        let mut peers: Vec<_> = (0..15).map(|_| Stranger::connect(&mut world, "n0:1")).collect();
        peers.extend(Stranger::connect_many(&mut world, "n0:1", 15)); // and a burst of them
        let mut loads = world.loads(node);
        loads.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(loads, expected, "30 connections and a listener");
        // Whoever shakes hands is served, on whatever thread; and they all end with their listener.
        let guest = Stranger::join(&mut world, "n0:1", Push);
        guest.send(b"\x00\x05hello");
        world.advance(MS);
        assert_eq!(recv(&mut world, &mut pull), Some(vec![b"hello".to_vec()]));
        peers.push(guest);
        pull.unbind("tcp://n0:1").expect("bound");
        world.advance(MS);
        for peer in &peers {
            assert!(!peer.skip(), "its listener is closed");
        }
        drop(peers); // the guest's connection, which lingers, ends with it
        world.advance(MS);
        assert_eq!(world.loads(node), [0, 0, 0]);
        drop(pull);
        world.finish();
    }
}

/// Names that take for ever to resolve: each attempt left one more thread behind.
#[test]
fn a_dead_name_server_holds_one_thread_per_endpoint() {
    let mut world = World::new(1, false);
    world.net.set_faults(Faults::none());
    let (hang_up, answers) = mpsc::channel::<()>();
    let names = Arc::new(SlowNames {
        inner: world.net.transport("tcp", "n0"),
        answers: std::sync::Mutex::new(answers),
        asked: AtomicUsize::new(0),
    });
    let node = world.add_node_with(names.clone(), ContextOptions::default());
    let mut push = world.socket(node, Push);
    push.update_options(|options| options.connect_timeout_ms = 10);
    push.connect("tcp://n0:1").expect("looked up later");
    world.advance(1000 * MS);
    push.disconnect("tcp://n0:1").expect("connected");
    drop(push);
    drop(hang_up); // every question is answered now, and the threads end
    world.finish();
    let names = wait_for_last(names);
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
}

/// The threads that hold `shared` too are ending.
fn wait_for_last<T>(mut shared: Arc<T>) -> T {
    loop {
        match Arc::try_unwrap(shared) {
            Ok(last) => return last,
            Err(others) => shared = others,
        }
        std::thread::yield_now();
    }
}

struct SlowNames {
    inner: SimTransport,
    answers: std::sync::Mutex<mpsc::Receiver<()>>,
    asked: AtomicUsize,
}

impl Transport for SlowNames {
    fn scheme(&self) -> &'static str {
        self.inner.scheme()
    }

    fn bind(&self, address: &str, options: &SocketOptions) -> io::Result<Arc<dyn Listener>> {
        self.inner.bind(address, options)
    }

    fn check_connect(&self, address: &str, options: &SocketOptions) -> io::Result<()> {
        self.inner.check_connect(address, options)
    }

    fn must_resolve(&self, _address: &str, _options: &SocketOptions) -> bool {
        true
    }

    fn connect(&self, _: &str, _: &SocketOptions) -> io::Result<Box<dyn Connecting>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _ = lock(&self.answers).recv(); // until the test hangs up
        Err(io::ErrorKind::NotFound.into())
    }
}
