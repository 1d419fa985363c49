//! The context: where sockets come from and where their I/O threads live.

mod builder;

pub use builder::ContextBuilder;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use zeroring_core::context as core;
pub use zeroring_core::context::Stats;
pub use zeroring_core::options::{ContextOptions, OptionValue};

use crate::error::{OptionError, SocketError};
use crate::kind::{FixedKind, SocketType};
use crate::socket::{AnySocket, Socket};

/// Where sockets come from. Owns their I/O threads and the `inproc://` names.
///
/// Clones are the same context; it may be used from any thread. Making one starts nothing; the first socket starts the
/// I/O threads.
///
/// # Ending
///
/// When the last clone *and* the last socket are gone, the context waits until every message that was sent has left or
/// [lingered](Socket::set_linger) long enough, then ends its threads. With the default linger, which is for ever, a
/// message for a peer that never comes makes it wait for ever, as in libzmq. [`term`](Self::term) does the same at a
/// place of your choice; [`term_timeout`](Self::term_timeout) gives up. A thread that panics does not wait.
///
/// # Fork
///
/// A child process cannot use a context it inherited: calls that wait, bind or connect fail with a `Forked` error, what is
/// sent goes nowhere, and dropping and terminating do nothing. The parent is not disturbed. Make a new context in the child.
///
/// ```
/// use zeroring::{Context, Pair};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = Context::new();
/// let (a, b) = (context.socket::<Pair>()?, context.socket::<Pair>()?);
/// a.bind("inproc://pair")?;
/// b.connect("inproc://pair")?;
/// b.send("hello")?;
/// assert_eq!(a.recv()?, "hello");
/// drop((a, b));
/// context.term();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Context(Arc<Owner>);

/// Terminates the core context when the last handle and the last socket are gone.
#[derive(Debug)]
pub(crate) struct Owner(core::Context);

impl Deref for Owner {
    type Target = core::Context;
    fn deref(&self) -> &core::Context {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // While unwinding, waiting for peers would turn a panic into a hang.
        if std::thread::panicking() {
            self.0.term_timeout(Duration::ZERO);
        } else {
            self.0.term();
        }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Context {
    /// A context with default settings: one I/O thread, io_uring if the kernel offers it, else epoll.
    ///
    /// ```
    /// let context = zeroring::Context::new();
    /// assert_eq!(context.stats().sockets, 0);
    /// ```
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings first, then the context.
    ///
    /// ```
    /// let context = zeroring::Context::builder().io_threads(2).build();
    /// ```
    pub fn builder() -> ContextBuilder {
        ContextBuilder::default()
    }

    /// A new socket of the type `K`. The first socket starts the I/O threads; nothing here waits for peers.
    ///
    /// # Errors
    /// [`SocketError::Terminated`] after [`shutdown`](Self::shutdown); [`SocketError::TooManySockets`] at the
    /// [limit](ContextBuilder::max_sockets); [`SocketError::Forked`] in a child process that inherited the
    /// context; [`SocketError::Io`] if the system refuses a thread, a ring or a descriptor.
    ///
    /// ```
    /// let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn socket<K: FixedKind>(&self) -> Result<Socket<K>, SocketError> {
        Ok(Socket::new(self.0.socket(K::TYPE)?, self.0.clone()))
    }

    /// A new socket of a type known only at run time.
    ///
    /// # Errors
    /// As for [`socket`](Self::socket).
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::SocketType;
    /// let name = "PULL"; // from a configuration file, say
    /// let kind = SocketType::from_name(name.as_bytes()).expect("a known type");
    /// let socket = context.any_socket(kind)?;
    /// assert_eq!(socket.kind(), SocketType::Pull);
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn any_socket(&self, kind: SocketType) -> Result<AnySocket, SocketError> {
        Ok(Socket::new(self.0.socket(kind)?, self.0.clone()))
    }

    /// Tells every socket to stop: blocked calls return with a `Terminated` error, and so do later ones. New sockets are
    /// refused. Does not wait; may be repeated. Source: `zmq_ctx_shutdown`.
    ///
    /// A socket notices at its next call that looks at connections; a message that is there already may still be
    /// received.
    ///
    /// ```
    /// use zeroring::{Context, Pull, RecvError};
    /// let context = Context::new();
    /// let pull = context.socket::<Pull>()?;
    /// let worker = std::thread::spawn(move || pull.recv()); // nobody will send
    /// context.shutdown();
    /// assert_eq!(worker.join().expect("no panic"), Err(RecvError::Terminated));
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn shutdown(&self) {
        self.0.shutdown();
    }

    /// [Shuts down](Self::shutdown), then waits until all sockets are closed and what they sent has left or lingered
    /// long enough. Source: `zmq_ctx_term`.
    ///
    /// Blocks for ever if a socket is never closed: a thread that calls this while it holds a socket of the context waits
    /// for itself. May be repeated; the second time there is nothing to wait for.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Req>()?;
    /// drop(socket);
    /// context.term();
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn term(&self) {
        self.0.term();
    }

    /// Like [`term`](Self::term), but gives up after `timeout`. True if everything has ended.
    ///
    /// After `false` the context is still shut down, and the call can be repeated.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Req>()?;
    /// assert!(!context.term_timeout(Duration::ZERO)); // one socket is open
    /// drop(socket);
    /// assert!(context.term_timeout(Duration::from_secs(10)));
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn term_timeout(&self, timeout: Duration) -> bool {
        self.0.term_timeout(timeout)
    }

    /// How many sockets and connections are alive, lingering ones included.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Req>()?;
    /// assert_eq!(context.stats().sockets, 1);
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// What the I/O threads run on, `"io_uring"` or `"epoll"`; `None` before the first socket, or without I/O threads.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// assert_eq!(context.driver_name(), None);
    /// let socket = context.socket::<zeroring::Req>()?;
    /// assert!(context.driver_name().is_some());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn driver_name(&self) -> Option<&'static str> {
        self.0.driver_name()
    }

    /// What a user should know about the I/O threads, in sentences: that io_uring is not available and why, that the
    /// system refused a scheduling policy. Empty before the first socket, and if all is as asked for.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// # let socket = context.socket::<zeroring::Req>()?;
    /// for note in context.notes() {
    ///     eprintln!("note: {note}");
    /// }
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn notes(&self) -> Vec<String> {
        self.0.notes()
    }

    /// A copy of the settings.
    ///
    /// ```
    /// assert_eq!(zeroring::Context::new().options().max_sockets, 1023);
    /// ```
    pub fn options(&self) -> ContextOptions {
        self.0.with_options(|options| options.clone())
    }

    /// Sets an option by libzmq's number. Those about threads and limits are read with the first socket, others are
    /// copied into sockets made from now on. Source: `zmq_ctx_set`, and `zmq_ctx_set_ext` for bytes.
    ///
    /// # Errors
    /// See [`OptionError`]; nothing has changed then.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// const ZMQ_MAX_SOCKETS: i32 = 2;
    /// context.set_option(ZMQ_MAX_SOCKETS, &10_i32.to_ne_bytes())?;
    /// assert_eq!(context.options().max_sockets, 10);
    /// # Ok::<(), zeroring::OptionError>(())
    /// ```
    pub fn set_option(&self, number: i32, value: &[u8]) -> Result<(), OptionError> {
        self.0.with_options(|options| options.set_bytes(number, value))
    }

    /// Reads an option by libzmq's number, as for a buffer of `buffer_bytes` bytes. Source: `zmq_ctx_get`, and
    /// `zmq_ctx_get_ext` for lengths other than 4.
    ///
    /// # Errors
    /// See [`OptionError`].
    ///
    /// ```
    /// use zeroring::context::OptionValue;
    /// const ZMQ_IO_THREADS: i32 = 1;
    /// let context = zeroring::Context::new();
    /// assert_eq!(context.get_option(ZMQ_IO_THREADS, 4)?, OptionValue::Int(1));
    /// # Ok::<(), zeroring::OptionError>(())
    /// ```
    pub fn get_option(&self, number: i32, buffer_bytes: usize) -> Result<OptionValue, OptionError> {
        self.0.with_options(|options| options.get_bytes(number, buffer_bytes))
    }
}
