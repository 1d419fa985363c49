//! A simulated network for deterministic tests: the shipped engine on a fake kernel.
//!
//! One [`SimNet`] joins all simulated contexts of a test, in one thread, on one virtual clock. Each context gets a
//! [`SimTransport`] for its node and a [`SimDriver`] for its I/O loop. Nothing waits: the test steps the contexts until
//! nobody has anything to do, moves the clock to [`SimNet::next_event_ns`] (or to an engine's earlier deadline), and
//! goes on. All chance comes from the seed, so a failing test replays from the seed it prints.
//!
//! | file | what lives there |
//! | --- | --- |
//! | `faults` | what goes wrong, and how often |
//! | `schedule` | what happens when |
//! | `end` | one end of a connection |
//! | `network` | the rules: what is under way, and how connections end |
//! | `rendezvous` | how they come about: listeners and attempts |
//! | `transport`, `driver` | the engine's traits over it |
//!
//! Bounds: at most [`Faults::capacity_bytes`] per direction of a connection, at most the listener's backlog of
//! connections nobody accepted.
//!
//! ```
//! use zeroring_base::time::VirtualClock;
//! use zeroring_transports::driver_sim::{Faults, SimNet};
//!
//! let clock = VirtualClock::new(0);
//! let net = SimNet::new(42, clock.clone());
//! net.set_faults(Faults::rough());
//! let transport = net.transport("tcp", "node-a");
//! let driver = net.driver();
//! # let _ = (transport, driver);
//! assert_eq!(net.next_event_ns(), None); // nothing is under way yet
//! ```

mod driver;
mod end;
mod faults;
mod network;
mod rendezvous;
mod schedule;
#[cfg(test)]
mod tests;
mod transport;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroring_base::time::VirtualClock;

use driver::Manner;
pub use driver::SimDriver;
pub use faults::{Faults, Kill};
use network::Network;
pub use network::SimStats;
pub use transport::{SimConnecting, SimListener, SimStream, SimTransport};

/// The network of one simulation. Cloning shares it.
#[derive(Clone, Debug)]
pub struct SimNet(Arc<Mutex<Network>>);

impl SimNet {
    /// A quiet network (see [`Faults::none`]) on `clock`, whose chances replay from `seed`.
    pub fn new(seed: u64, clock: VirtualClock) -> Self {
        Self(Arc::new(Mutex::new(Network::new(seed, clock))))
    }

    /// The transport of `scheme` on a node. Nodes are just names; faults are told by them.
    pub fn transport(&self, scheme: &'static str, node: &str) -> SimTransport {
        SimTransport { net: self.clone(), scheme, node: node.to_owned() }
    }

    /// A driver that reports readiness, as epoll does.
    pub fn driver(&self) -> SimDriver {
        SimDriver::new(self.clone(), Manner::Readiness)
    }

    /// A driver that reads by itself, as io_uring does; accepting is left to the loop.
    pub fn receiving_driver(&self) -> SimDriver {
        SimDriver::new(self.clone(), Manner::Receiving)
    }

    /// The virtual time of the next thing to happen in the network; `None` if nothing is under way.
    pub fn next_event_ns(&self) -> Option<u64> {
        self.lock().next_event_ns()
    }

    /// From now on, draws these faults.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Cuts the link between two nodes: nothing passes, in either direction, and attempts hang.
    pub fn partition(&self, a: &str, b: &str) {
        self.lock().partition(a, b);
    }

    /// Joins two nodes again; what was held back arrives now.
    pub fn heal(&self, a: &str, b: &str) {
        self.lock().heal(a, b);
    }

    /// Kills all connections of a node; returns how many.
    pub fn kill_node(&self, node: &str, how: Kill) -> usize {
        self.kill_all(node, None, how)
    }

    /// Kills all connections between two nodes; returns how many.
    pub fn kill_between(&self, a: &str, b: &str, how: Kill) -> usize {
        self.kill_all(a, Some(b), how)
    }

    /// Kills one connection, drawn by `pick` from all of a node's, oldest first; false if it has none.
    pub fn kill_one(&self, node: &str, pick: usize, how: Kill) -> bool {
        let mut network = self.lock();
        let all = network.connections_of(node, None);
        let Some(id) = all.get(pick % all.len().max(1)).copied() else { return false };
        network.kill(id, how);
        true
    }

    /// What happened so far.
    pub fn stats(&self) -> SimStats {
        self.lock().stats
    }

    fn kill_all(&self, node: &str, other: Option<&str>, how: Kill) -> usize {
        let mut network = self.lock();
        let all = network.connections_of(node, other);
        for id in &all {
            network.kill(*id, how);
        }
        all.len()
    }

    fn lock(&self) -> MutexGuard<'_, Network> {
        // A test that panicked while holding it fails anyway; the others' tear-down should not add noise.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
