//! Receiving, of one part or several.

use std::time::Duration;

use super::{Received, Socket, Timeout};
use crate::error::RecvError;
use crate::kind::CanReceive;
use crate::message::{Message, Multipart};

/// Receiving. `recv` waits up to the [receive timeout](Socket::set_recv_timeout), by default for ever. The parts of a
/// message arrive together: when the first is there, so are the others.
impl<K: CanReceive> Socket<K> {
    /// Receives one part; [`Message::more`] tells whether others of the same message follow.
    ///
    /// # Errors
    /// See [`RecvError`]; [`RecvError::WouldBlock`] only if a receive timeout is set.
    ///
    /// ```
    /// # use zeroring::{Context, Pull, Push};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    /// # pull.bind("inproc://recv")?;
    /// # push.connect("inproc://recv")?;
    /// push.send_multipart(["head", "body"])?;
    /// let head = pull.recv()?;
    /// assert!(head.more());
    /// assert_eq!(pull.recv()?, "body");
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn recv(&self) -> Result<Message, RecvError> {
        self.recv_part(Timeout::Option)
    }

    /// Receives one part into `part`, whose old content is released. With a value that is used again and again this is
    /// the fastest way to receive many small parts: no body is moved around. Waits as [`recv`](Self::recv) does.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv); `part` then holds nothing of use.
    ///
    /// ```
    /// # use zeroring::{Context, Message, Pull, Push};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    /// # pull.bind("inproc://recv_into")?;
    /// # push.connect("inproc://recv_into")?;
    /// push.send("tick")?;
    /// let mut part = Message::new();
    /// pull.recv_into(&mut part)?;
    /// assert_eq!(part, "tick");
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn recv_into(&self, part: &mut Message) -> Result<(), RecvError> {
        self.core().recv_into(part, Timeout::Option)
    }

    /// Copies one part into `buffer`, which keeps nothing of the message alive: the fastest way to receive small parts of a
    /// known size. A larger part fills the buffer and the rest of it is lost; [`Received::size_bytes`] is the size of all of
    /// it, so compare. Waits as `timeout` says. Source: `zmq_recv`, of which `ZMQ_DONTWAIT` is [`Timeout::Now`].
    ///
    /// # Errors
    /// [`RecvError::WouldBlock`] if none came in time; otherwise as for [`recv`](Self::recv).
    ///
    /// ```
    /// # use zeroring::{Context, Pull, Push, Timeout};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    /// # pull.bind("inproc://recv_slice")?;
    /// # push.connect("inproc://recv_slice")?;
    /// push.send("tick")?;
    /// let mut buffer = [0; 64];
    /// let received = pull.recv_slice(&mut buffer, Timeout::Option)?;
    /// assert!(!received.more && received.size_bytes <= buffer.len());
    /// assert_eq!(received.bytes_in(&buffer), b"tick");
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn recv_slice(&self, buffer: &mut [u8], timeout: Timeout) -> Result<Received, RecvError> {
        self.core().recv_slice(buffer, timeout)
    }

    /// Receives one part if one is there. Source: `ZMQ_DONTWAIT`.
    ///
    /// # Errors
    /// [`RecvError::WouldBlock`] if none is; otherwise as for [`recv`](Self::recv).
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let pull = context.socket::<zeroring::Pull>()?;
    /// assert_eq!(pull.try_recv(), Err(zeroring::RecvError::WouldBlock));
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    #[inline]
    pub fn try_recv(&self) -> Result<Message, RecvError> {
        self.recv_part(Timeout::Now)
    }

    /// Receives one part, waiting up to `timeout` whatever the socket's own timeout is.
    ///
    /// # Errors
    /// [`RecvError::WouldBlock`] if none came in time; otherwise as for [`recv`](Self::recv).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let context = zeroring::Context::new();
    /// let pull = context.socket::<zeroring::Pull>()?;
    /// assert!(pull.recv_timeout(Duration::from_millis(1)).is_err()); // nobody is connected
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    #[inline]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvError> {
        self.recv_part(Timeout::After(timeout))
    }

    /// Receives one part; `timeout` says how long to wait. What the other methods are made of.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::Timeout;
    /// let pull = context.socket::<zeroring::Pull>()?;
    /// assert!(pull.recv_part(Timeout::Now).is_err());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    #[inline]
    pub fn recv_part(&self, timeout: Timeout) -> Result<Message, RecvError> {
        self.core().recv(timeout)
    }

    /// True if the last received part has others of the same message after it. A failed receive does not change it.
    /// Source: `ZMQ_RCVMORE`.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let pull = context.socket::<zeroring::Pull>()?;
    /// assert!(!pull.recv_more());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn recv_more(&self) -> bool {
        self.core().recv_more()
    }

    /// Receives a whole message, or what is left of one whose first parts were [received](Self::recv) already.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// ```
    /// # use zeroring::{Context, Pull, Push};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    /// # pull.bind("inproc://multi")?;
    /// # push.connect("inproc://multi")?;
    /// push.send_multipart(["a", "b", "c"])?;
    /// assert_eq!(pull.recv_multipart()?, ["a", "b", "c"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_multipart(&self) -> Result<Multipart, RecvError> {
        self.collect(Timeout::Option)
    }

    /// [`recv_multipart`](Self::recv_multipart) if a message is there.
    ///
    /// # Errors
    /// [`RecvError::WouldBlock`] if none is; otherwise as for [`recv`](Self::recv).
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let pull = context.socket::<zeroring::Pull>()?;
    /// assert!(pull.try_recv_multipart().is_err());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn try_recv_multipart(&self) -> Result<Multipart, RecvError> {
        self.collect(Timeout::Now)
    }

    /// [`recv_multipart`](Self::recv_multipart), waiting up to `timeout` whatever the socket's own timeout is.
    ///
    /// # Errors
    /// [`RecvError::WouldBlock`] if none came in time; otherwise as for [`recv`](Self::recv).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let context = zeroring::Context::new();
    /// let pull = context.socket::<zeroring::Pull>()?;
    /// assert!(pull.recv_multipart_timeout(Duration::from_millis(1)).is_err());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn recv_multipart_timeout(&self, timeout: Duration) -> Result<Multipart, RecvError> {
        self.collect(Timeout::After(timeout))
    }

    /// [`recv_multipart`](Self::recv_multipart) into a message whose memory is used again; its old parts go. Waits as
    /// `timeout` says.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv); `message` is empty then.
    ///
    /// ```
    /// # use zeroring::{Context, Multipart, Pull, Push, Timeout};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    /// # pull.bind("inproc://into")?;
    /// # push.connect("inproc://into")?;
    /// # push.send("1")?;
    /// let mut message = Multipart::new();
    /// pull.recv_multipart_into(&mut message, Timeout::Forever)?;
    /// assert_eq!(message, ["1"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_multipart_into(
        &self,
        message: &mut Multipart,
        timeout: Timeout,
    ) -> Result<(), RecvError> {
        message.clear();
        let mut part = self.recv_part(timeout)?;
        while part.more() {
            message.push(part);
            // It is there: a message becomes readable when its last part has arrived.
            part = self.recv_part(Timeout::Forever).inspect_err(|_| message.clear())?;
        }
        message.push(part);
        Ok(())
    }

    fn collect(&self, timeout: Timeout) -> Result<Multipart, RecvError> {
        let mut message = Multipart::new();
        self.recv_multipart_into(&mut message, timeout)?;
        Ok(message)
    }
}
