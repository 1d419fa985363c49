//! Sockets for tests that need no connection.

use std::io;
use std::sync::Arc;

use zeroring_base::time::Clock;
use zeroring_zmtp::SocketType;

use super::SocketCore;
use crate::context::{Context, ContextConfig, DriverSeed, Runtime, ThreadSetup};
use crate::options::{ContextOptions, DriverChoice};

struct NoThreads;

impl Runtime for NoThreads {
    fn driver_seed(&self, _: DriverChoice) -> io::Result<Box<dyn DriverSeed>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn prepare_thread(&self, _: &ThreadSetup) -> Vec<String> {
        Vec::new()
    }
}

/// A context without I/O threads or transports: inproc only.
pub fn context_without_threads() -> Context {
    Context::new(ContextConfig {
        options: ContextOptions { io_threads: 0, ..ContextOptions::default() },
        transports: Vec::new(),
        runtime: Arc::new(NoThreads),
        clock: Clock::Real,
        seed: 1,
    })
}

/// A socket of such a context.
pub fn socket_without_threads(kind: SocketType) -> SocketCore {
    context_without_threads().socket(kind).expect("descriptors are there")
}
