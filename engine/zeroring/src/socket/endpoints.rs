//! Binding and connecting.

use super::Socket;
use crate::error::EndpointFault;
use crate::kind::Kind;

impl<K: Kind> Socket<K> {
    /// Accepts peers at `endpoint` and returns the endpoint it really is, wildcards resolved.
    ///
    /// | endpoint | meaning |
    /// | --- | --- |
    /// | `tcp://127.0.0.1:5555` | this address |
    /// | `tcp://*:5555`, `tcp://eth0:5555` | all interfaces; the first address of this one |
    /// | `tcp://127.0.0.1:*` | a port that the system chooses |
    /// | `ipc:///run/feed.sock`, `ipc://@feed` | a Unix socket; one in the abstract namespace |
    /// | `ipc://*` | a Unix socket in a private directory, removed at the end |
    /// | `inproc://feed` | a name within the context |
    ///
    /// May be called several times, also together with [`connect`](Self::connect). Blocks only to look up a host name.
    /// An ipc path that is a socket already is taken over, as in libzmq; any other file is left alone. Source:
    /// `zmq_bind`.
    ///
    /// # Errors
    /// See [`EndpointFault`]; the socket is as before then.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let pull = context.socket::<zeroring::Pull>()?;
    /// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// assert!(endpoint.starts_with("tcp://127.0.0.1:"));
    /// pull.bind("inproc://tasks")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind(&self, endpoint: &str) -> Result<String, EndpointFault> {
        self.core().bind(endpoint)
    }

    /// Connects to `endpoint`, now and again whenever the connection is lost, until [`disconnect`](Self::disconnect).
    ///
    /// Does not wait: success means that the text is a valid endpoint. Whether a peer is there is told by the
    /// [monitor](Self::monitor). Messages may be sent at once (and wait in the queue) unless the socket is
    /// [immediate](Self::set_immediate). `tcp://source:port;host:port` connects from a given address. For inproc the peer
    /// may bind later. DEALER, SUB, PUB and REQ ignore a second connect to the same text. Source: `zmq_connect`.
    ///
    /// # Errors
    /// See [`EndpointFault`]; the socket is as before then.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let push = context.socket::<zeroring::Push>()?;
    /// # push.set_linger(Some(std::time::Duration::ZERO));
    /// push.connect("tcp://127.0.0.1:5555")?; // even if nobody listens there yet
    /// push.send("kept until somebody does")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(&self, endpoint: &str) -> Result<(), EndpointFault> {
        self.core().connect(endpoint)
    }

    /// Stops accepting at `endpoint` and closes the connections accepted there. What they delivered can still be
    /// received; what is queued for them leaves within the [linger](Self::set_linger). For inproc only the name goes.
    /// Source: `zmq_unbind`.
    ///
    /// # Errors
    /// [`EndpointFault::Unknown`] if the socket is not bound there. Use the text that [`bind`](Self::bind) returned.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let pull = context.socket::<zeroring::Pull>()?;
    /// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// pull.unbind(&endpoint)?;
    /// assert!(pull.unbind(&endpoint).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unbind(&self, endpoint: &str) -> Result<(), EndpointFault> {
        self.core().unbind(endpoint)
    }

    /// Ends the connections made by [`connect`](Self::connect) with this text, all of them. What they delivered and was
    /// not received is dropped; what is queued for them leaves within the [linger](Self::set_linger). Source:
    /// `zmq_disconnect`.
    ///
    /// # Errors
    /// [`EndpointFault::Unknown`] if the socket is not connected there.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let push = context.socket::<zeroring::Push>()?;
    /// push.connect("tcp://127.0.0.1:5555")?;
    /// push.disconnect("tcp://127.0.0.1:5555")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn disconnect(&self, endpoint: &str) -> Result<(), EndpointFault> {
        self.core().disconnect(endpoint)
    }

    /// The endpoint of the last successful bind (resolved) or connect (as given); empty before. Source:
    /// `ZMQ_LAST_ENDPOINT`.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let push = context.socket::<zeroring::Push>()?;
    /// push.connect("tcp://localhost:5555")?;
    /// assert_eq!(push.last_endpoint(), "tcp://localhost:5555");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn last_endpoint(&self) -> String {
        self.core().last_endpoint().to_owned()
    }
}
