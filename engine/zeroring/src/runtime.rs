//! Where the engine meets the system: drivers and thread set-up come from the transports crate.

use std::io;

use zeroring_base::wake::OsWake;
use zeroring_core::context::{DriverSeed, Runtime, ThreadSetup};
use zeroring_core::io::driver::Driver;
use zeroring_core::options::DriverChoice;
use zeroring_transports::sys;

/// The runtime of contexts on a real system.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct System;

impl Runtime for System {
    fn driver_seed(&self, choice: DriverChoice) -> io::Result<Box<dyn DriverSeed>> {
        Ok(Box::new(Seed(zeroring_transports::driver_seed(choice)?)))
    }

    fn prepare_thread(&self, setup: &ThreadSetup) -> Vec<String> {
        sys::apply_thread_setup(&sys::ThreadSetup {
            name: setup.name.clone(),
            cpus: setup.cpus.clone(),
            sched_policy: setup.sched_policy,
            priority: setup.priority,
            // The I/O thread's timers are milliseconds apart, but its waits are what latency is made of.
            fine_timers: true,
        })
    }
}

struct Seed(zeroring_transports::DriverSeed);

impl DriverSeed for Seed {
    fn os_wake(&self) -> Box<dyn OsWake> {
        self.0.os_wake()
    }

    fn start(self: Box<Self>) -> io::Result<(Box<dyn Driver>, Option<String>)> {
        self.0.start()
    }
}
