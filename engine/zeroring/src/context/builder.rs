//! Settings of a context, collected before it is made.

use std::sync::Arc;

use zeroring_base::rng::Rng;
use zeroring_base::time::Clock;
use zeroring_core::context::{self as core, ContextConfig};
use zeroring_core::io::transport::Transport;
use zeroring_core::options::{ContextOptions, DriverChoice, WaitPolicy};
use zeroring_transports::{IpcTransport, TcpTransport};

use super::{Context, Owner};
use crate::runtime::System;

/// Settings of a context that is about to be made.
///
/// ```
/// use zeroring::{Context, DriverChoice, WaitPolicy};
/// let context = Context::builder()
///     .io_threads(2)
///     .io_thread_cpus([vec![2], vec![3]])
///     .thread_name_prefix("feed")
///     .driver(DriverChoice::Epoll)
///     .wait_policy(WaitPolicy::Adaptive)
///     .build();
/// assert_eq!(context.options().io_threads, 2);
/// ```
#[derive(Clone, Default)]
pub struct ContextBuilder {
    options: ContextOptions,
    transports: Vec<Arc<dyn Transport>>,
}

impl std::fmt::Debug for ContextBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContextBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

impl ContextBuilder {
    /// Number of I/O threads. Default 1; 0 leaves only inproc. Read with the first socket. Source: `ZMQ_IO_THREADS`.
    ///
    /// One thread carries some gigabytes per second. More help if many connections are busy at once.
    ///
    /// ```
    /// let context = zeroring::Context::builder().io_threads(0).build();
    /// let socket = context.socket::<zeroring::Push>()?;
    /// assert!(socket.connect("tcp://127.0.0.1:5555").is_err()); // no thread could serve it
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn io_threads(mut self, threads: u32) -> Self {
        self.options.io_threads = threads;
        self
    }

    /// Most sockets that may be open at a time; 0 counts as 1. Default 1023. Source: `ZMQ_MAX_SOCKETS`.
    ///
    /// ```
    /// let context = zeroring::Context::builder().max_sockets(1).build();
    /// let only = context.socket::<zeroring::Push>()?;
    /// assert!(context.socket::<zeroring::Push>().is_err());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn max_sockets(mut self, sockets: u32) -> Self {
        self.options.max_sockets = sockets.max(1);
        self
    }

    /// Processors of each I/O thread: the first entry is for the first thread, and so on. A thread without an entry, or
    /// with an empty one, uses those of [`thread_cpus`](Self::thread_cpus). Default: none. No libzmq option.
    ///
    /// A processor that does not exist is reported in [`Context::notes`], and the thread runs unpinned.
    ///
    /// ```
    /// let context = zeroring::Context::builder().io_thread_cpus([vec![0]]).build();
    /// # let socket = context.socket::<zeroring::Push>()?;
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn io_thread_cpus(mut self, cpus: impl IntoIterator<Item = Vec<usize>>) -> Self {
        self.options.io_thread_cpus = cpus.into_iter().collect();
        self
    }

    /// Processors that all I/O threads may use; empty means any. Default: any. Source: `ZMQ_THREAD_AFFINITY_CPU_ADD`.
    ///
    /// ```
    /// let context = zeroring::Context::builder().thread_cpus([0, 1]).build();
    /// ```
    pub fn thread_cpus(mut self, cpus: impl IntoIterator<Item = u32>) -> Self {
        self.options.thread_cpus = cpus.into_iter().collect();
        self
    }

    /// Scheduling policy of the I/O threads, as Linux numbers them: 0 other, 1 fifo, 2 round-robin, 3 batch, 5 idle.
    /// Default: the system's. Real-time policies need privileges; a refusal is reported in [`Context::notes`]. Source:
    /// `ZMQ_THREAD_SCHED_POLICY`.
    ///
    /// ```
    /// let context = zeroring::Context::builder().thread_sched_policy(1).thread_priority(10).build();
    /// ```
    pub fn thread_sched_policy(mut self, policy: u32) -> Self {
        self.options.thread_sched_policy = Some(policy);
        self
    }

    /// Priority of the I/O threads: 1 to 99 with a real-time policy, otherwise by how much niceness is lowered. Default:
    /// the system's. A refusal is reported in [`Context::notes`]. Source: `ZMQ_THREAD_PRIORITY`.
    ///
    /// ```
    /// let context = zeroring::Context::builder().thread_priority(5).build();
    /// ```
    pub fn thread_priority(mut self, priority: u32) -> Self {
        self.options.thread_priority = Some(priority);
        self
    }

    /// Start of the I/O threads' names, up to 16 bytes (longer ones are cut; Linux shows 15 of the whole name). Default:
    /// empty. Source: `ZMQ_THREAD_NAME_PREFIX`.
    ///
    /// ```
    /// let context = zeroring::Context::builder().thread_name_prefix("feed").build();
    /// ```
    pub fn thread_name_prefix(mut self, prefix: impl AsRef<[u8]>) -> Self {
        let prefix = prefix.as_ref();
        self.options.thread_name_prefix = prefix[..prefix.len().min(16)].to_vec();
        self
    }

    /// Kernel interface of the I/O threads. Default [`DriverChoice::Auto`]: io_uring where it works, else epoll, with a
    /// [note](Context::notes). [`DriverChoice::Uring`] makes the first socket fail where it does not. No libzmq option.
    ///
    /// ```
    /// use zeroring::{Context, DriverChoice};
    /// let context = Context::builder().driver(DriverChoice::Epoll).build();
    /// let socket = context.socket::<zeroring::Push>()?;
    /// assert_eq!(context.driver_name(), Some("epoll"));
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn driver(mut self, driver: DriverChoice) -> Self {
        self.options.driver = driver;
        self
    }

    /// How I/O threads wait, and how new sockets start out. Default [`WaitPolicy::Adaptive`]. No libzmq option.
    ///
    /// [`WaitPolicy::Spin`] burns a processor per I/O thread even when nothing happens.
    ///
    /// ```
    /// use zeroring::{Context, WaitPolicy};
    /// let context = Context::builder().wait_policy(WaitPolicy::Sleep).build();
    /// ```
    pub fn wait_policy(mut self, policy: WaitPolicy) -> Self {
        self.options.wait_policy = policy;
        self
    }

    /// New sockets use IPv6 (and IPv4 through it). Default false. Source: `ZMQ_IPV6`.
    ///
    /// ```
    /// let context = zeroring::Context::builder().ipv6(true).build();
    /// let socket = context.socket::<zeroring::Push>()?;
    /// assert!(socket.ipv6());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn ipv6(mut self, on: bool) -> Self {
        self.options.ipv6 = on;
        self
    }

    /// False makes new sockets start with a [linger](crate::Socket::set_linger) of zero, so that the context never waits
    /// for messages nobody takes. Default true: for ever. Source: `ZMQ_BLOCKY`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let context = zeroring::Context::builder().blocky(false).build();
    /// let socket = context.socket::<zeroring::Push>()?;
    /// assert_eq!(socket.linger(), Some(Duration::ZERO));
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn blocky(mut self, on: bool) -> Self {
        self.options.blocky = on;
        self
    }

    /// Received parts may be slices of the receive buffer. Default true. False copies each into memory of its own, which
    /// helps programs that keep small parts for long: a slice keeps its whole buffer of 64 KiB alive. Source:
    /// `ZMQ_ZERO_COPY_RECV`.
    ///
    /// ```
    /// let context = zeroring::Context::builder().zero_copy_recv(false).build();
    /// ```
    pub fn zero_copy_recv(mut self, on: bool) -> Self {
        self.options.zero_copy_recv = on;
        self
    }

    /// Adds a transport to tcp, ipc and inproc, which are always there. The first transport of a scheme wins.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use zeroring_transports::TcpTransport;
    /// let context = zeroring::Context::builder().transport(Arc::new(TcpTransport)).build();
    /// ```
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transports.push(transport);
        self
    }

    /// The context. Starts nothing yet.
    ///
    /// ```
    /// let context = zeroring::Context::builder().build();
    /// ```
    pub fn build(self) -> Context {
        zeroring_transports::sys::watch_forks();
        let mut transports = self.transports;
        transports.push(Arc::new(TcpTransport));
        transports.push(Arc::new(IpcTransport));
        Context(Arc::new(Owner(core::Context::new(ContextConfig {
            options: self.options,
            transports,
            runtime: Arc::new(System),
            clock: Clock::Real,
            seed: Rng::from_system().next_u64(),
        }))))
    }
}
