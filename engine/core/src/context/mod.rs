//! The context: sockets' common home. Owns the I/O threads, the inproc names and the count of what is alive.
//!
//! # Threads
//! None until the first socket. Then `IO_THREADS` threads start, each with its own driver, mailbox and event loop; a
//! new connection goes to the allowed thread with the fewest descriptors. There is no reaper: closing hands a socket's
//! pipes to the I/O threads, which linger for them.
//!
//! # Ending
//! `shutdown` tells every socket; from then on their calls fail with "terminated". `term` also waits until the
//! application has closed its sockets and the last lingering link is gone, then ends the threads.

pub mod inproc;
mod live;
mod threads;

pub use live::{Live, Stats};
pub use threads::{DriverSeed, Runtime, ThreadSetup};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use zeroring_base::rng::Rng;
use zeroring_base::sync::lock;
use zeroring_base::time::Clock;
use zeroring_zmtp::socket_type::SocketType;

use crate::error::SocketError;
use crate::io::directory::Chosen;
use crate::io::transport::Transport;
use crate::options::ContextOptions;
use crate::socket::{SocketCommand, SocketCore, SocketHandle};
use inproc::Registry;
use threads::IoThreads;

/// What a context is made of.
pub struct ContextConfig {
    /// Its options; those about threads and limits freeze at the first socket.
    pub options: ContextOptions,
    /// The transports it can use, besides inproc.
    pub transports: Vec<Arc<dyn Transport>>,
    /// Where drivers come from and how threads are set up.
    pub runtime: Arc<dyn Runtime>,
    /// Its clock. With a virtual clock no thread is started: whoever moves the clock calls [`Context::turn`].
    pub clock: Clock,
    /// Seed of jitter and generated ids.
    pub seed: u64,
}

/// A context. Clones are the same context.
#[derive(Clone)]
pub struct Context(Arc<Shared>);

/// What sockets and the context share.
pub struct Shared {
    options: Mutex<ContextOptions>,
    transports: Vec<Arc<dyn Transport>>,
    runtime: Arc<dyn Runtime>,
    clock: Clock,
    rng: Mutex<Rng>,
    live: Arc<Live>,
    inproc: Registry,
    threads: Mutex<Option<IoThreads>>,
    sockets: Mutex<Vec<SocketHandle>>,
    /// MAX_SOCKETS as it was with the first socket.
    max_sockets: OnceLock<usize>,
    terminating: AtomicBool,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Context {
    /// A new context; starts no thread yet.
    pub fn new(config: ContextConfig) -> Self {
        Self(Arc::new(Shared {
            options: Mutex::new(config.options),
            transports: config.transports,
            runtime: config.runtime,
            clock: config.clock,
            rng: Mutex::new(Rng::from_seed(config.seed)),
            live: Arc::new(Live::default()),
            inproc: Registry::default(),
            threads: Mutex::new(None),
            sockets: Mutex::new(Vec::new()),
            max_sockets: OnceLock::new(),
            terminating: AtomicBool::new(false),
        }))
    }

    /// A new socket. The first one starts the I/O threads.
    ///
    /// # Errors
    /// [`SocketError::Terminated`] after `shutdown`; [`SocketError::TooManySockets`] at the limit;
    /// [`SocketError::Forked`] in a child of the process that made the context; [`SocketError::Io`] if threads or
    /// descriptors cannot be had.
    pub fn socket(&self, kind: SocketType) -> Result<SocketCore, SocketError> {
        if self.0.is_forked() {
            return Err(SocketError::Forked);
        }
        if self.0.is_terminating() {
            return Err(SocketError::Terminated);
        }
        self.0.start_threads()?;
        let options = lock(&self.0.options).clone();
        let limit = *self.0.max_sockets.get_or_init(|| options.max_sockets as usize);
        let socket = SocketCore::new(self.0.clone(), kind, &options)?;
        {
            let mut sockets = lock(&self.0.sockets);
            if sockets.len() >= limit {
                return Err(SocketError::TooManySockets { limit });
            }
            sockets.push(socket.handle().clone());
        }
        // `shutdown` may have passed between the first look and the registration.
        if self.0.is_terminating() {
            socket.handle().send(SocketCommand::Stop);
        }
        Ok(socket)
    }

    /// Reads and changes the options, under a lock.
    pub fn with_options<R>(&self, f: impl FnOnce(&mut ContextOptions) -> R) -> R {
        f(&mut lock(&self.0.options))
    }

    /// Tells every socket to stop: blocked calls return, later ones fail. Does not wait. Repeatable. In a forked child it
    /// does nothing, like everything that ends the context: it is the parent's.
    pub fn shutdown(&self) {
        if self.0.is_forked() {
            return;
        }
        // Before the list is locked: `socket` registers under that lock and looks at the mark afterwards, so that a new
        // socket either is on the list or sees the mark.
        self.0.terminating.store(true, Ordering::SeqCst);
        for socket in &*lock(&self.0.sockets) {
            socket.send(SocketCommand::Stop);
        }
    }

    /// [`shutdown`](Self::shutdown), then waits until every socket is closed and has lingered, and ends the threads.
    ///
    /// Blocks for ever if a socket is never closed, or lingers for ever with a peer that never comes.
    pub fn term(&self) {
        if self.0.is_forked() {
            return;
        }
        self.shutdown();
        if !self.0.clock.is_virtual() {
            self.0.live.wait_until_none();
        }
        self.0.stop_threads();
    }

    /// Like [`term`](Self::term), but gives up after `timeout`. True if everything ended.
    pub fn term_timeout(&self, timeout: Duration) -> bool {
        if self.0.is_forked() {
            return true;
        }
        self.shutdown();
        let ended = self.0.live.wait_until_none_for(timeout);
        if ended {
            self.0.stop_threads();
        }
        ended
    }

    /// What is alive now.
    pub fn stats(&self) -> Stats {
        self.0.live.stats()
    }

    /// How much each I/O thread has to do: descriptors it serves and what is on its way to it. Empty before the first
    /// socket.
    pub fn io_thread_loads(&self) -> Vec<usize> {
        lock(&self.0.threads).as_ref().map(IoThreads::loads).unwrap_or_default()
    }

    /// Name of the driver the I/O threads run on, once they started.
    pub fn driver_name(&self) -> Option<&'static str> {
        lock(&self.0.threads).as_ref().and_then(IoThreads::driver_name)
    }

    /// Notes the user should see: a driver that fell back, a thread setting that was refused.
    pub fn notes(&self) -> Vec<String> {
        lock(&self.0.threads).as_ref().map(IoThreads::notes).unwrap_or_default()
    }

    /// With a virtual clock: one turn of every I/O loop. Returns how many things were done.
    pub fn turn(&self) -> usize {
        lock(&self.0.threads).as_mut().map_or(0, IoThreads::turn)
    }

    /// With a virtual clock: when the next deadline of any I/O loop is due.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        lock(&self.0.threads).as_ref().and_then(IoThreads::next_deadline_ns)
    }
}

impl Shared {
    /// True once `shutdown` began.
    pub fn is_terminating(&self) -> bool {
        self.terminating.load(Ordering::SeqCst) // pairs with the store in `shutdown`
    }

    /// See [`Live::is_forked`].
    pub fn is_forked(&self) -> bool {
        self.live.is_forked()
    }

    /// The context's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A random number from the context's seed.
    pub fn random(&self) -> u64 {
        lock(&self.rng).next_u64()
    }

    /// Counts of what is alive.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// The inproc names.
    pub fn inproc(&self) -> &Registry {
        &self.inproc
    }

    /// The transport for a scheme.
    pub fn transport(&self, scheme: &str) -> Option<&Arc<dyn Transport>> {
        self.transports.iter().find(|transport| transport.scheme() == scheme)
    }

    /// The least loaded I/O thread that `affinity` (bit i = thread i, 0 = all) allows.
    pub fn choose_io_thread(&self, affinity: u64) -> Option<Chosen> {
        lock(&self.threads).as_ref()?.choose(affinity)
    }

    /// A socket is closed.
    pub fn forget_socket(&self, handle: &SocketHandle) {
        lock(&self.sockets).retain(|socket| !socket.is(handle));
        self.inproc.forget(handle);
        self.live.socket_ends();
    }

    fn start_threads(&self) -> Result<(), SocketError> {
        let mut threads = lock(&self.threads);
        if threads.is_none() {
            let options = lock(&self.options).clone();
            let random = || self.random();
            *threads = Some(IoThreads::start(&options, &self.runtime, &self.clock, random)?);
        }
        Ok(())
    }

    fn stop_threads(&self) {
        let threads = lock(&self.threads).take();
        if let Some(threads) = threads {
            threads.stop();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.is_forked() {
            // The threads are the parent's: there is nobody to join. What is in the registry may be locked for ever.
            std::mem::forget(self.threads.get_mut().map(Option::take));
            std::mem::forget(std::mem::take(&mut self.inproc));
            return;
        }
        // The last socket and the last handle are gone without `term`: nobody waits for what still lingers.
        if let Some(threads) = lock(&self.threads).take() {
            threads.stop();
        }
    }
}
