//! Sending, of one part or several.

use std::time::Duration;

use super::{Socket, Timeout};
use crate::error::SendError;
use crate::kind::CanSend;
use crate::message::IntoMessage;

/// Sending. Where a send has to wait because no peer has room (PUSH, DEALER, REQ, PAIR; ROUTER if mandatory), `send`
/// waits up to the [send timeout](Socket::set_send_timeout), by default for ever; sockets that drop never wait (PUB,
/// XPUB, XSUB, REP, ROUTER). A part is queued when the call returns, not delivered.
impl<K: CanSend> Socket<K> {
    /// Sends a message of one part, or the last part of one begun with [`send_more`](Self::send_more).
    ///
    /// # Errors
    /// See [`SendError`]; [`SendError::WouldBlock`] only if a send timeout is set. The part was not sent then; pass a
    /// reference to a [`Message`](crate::Message) to still have it.
    ///
    /// ```
    /// # use zeroring::{Context, Pull, Push};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    /// # pull.bind("inproc://send")?;
    /// # push.connect("inproc://send")?;
    /// push.send("text")?;
    /// push.send(b"bytes")?;
    /// push.send(vec![0; 1_000_000])?; // taken over, not copied
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn send(&self, part: impl IntoMessage) -> Result<(), SendError> {
        self.send_part(part, false, Timeout::Option)
    }

    /// Sends a part that others follow. Nothing leaves before the last part is sent.
    ///
    /// # Errors
    /// As for [`send`](Self::send). Only the first part of a message can have to wait.
    ///
    /// ```
    /// # use zeroring::{Context, Pull, Push};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// # let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    /// # pull.bind("inproc://more")?;
    /// # push.connect("inproc://more")?;
    /// push.send_more("head")?;
    /// push.send("body")?;
    /// assert_eq!(pull.recv_multipart()?, ["head", "body"]);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn send_more(&self, part: impl IntoMessage) -> Result<(), SendError> {
        self.send_part(part, true, Timeout::Option)
    }

    /// Sends a message of one part if that is possible without waiting. Source: `ZMQ_DONTWAIT`.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] if it is not; otherwise as for [`send`](Self::send).
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::{Message, Push, SendError};
    /// let push = context.socket::<Push>()?;
    /// let task = Message::from("task");
    /// assert_eq!(push.try_send(&task), Err(SendError::WouldBlock)); // nobody is connected
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    #[inline]
    pub fn try_send(&self, part: impl IntoMessage) -> Result<(), SendError> {
        self.send_part(part, false, Timeout::Now)
    }

    /// Sends a message of one part, waiting up to `timeout` whatever the socket's own timeout is.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] if the time was not enough; otherwise as for [`send`](Self::send).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let context = zeroring::Context::new();
    /// let push = context.socket::<zeroring::Push>()?;
    /// assert!(push.send_timeout("task", Duration::from_millis(1)).is_err()); // nobody is connected
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn send_timeout(&self, part: impl IntoMessage, timeout: Duration) -> Result<(), SendError> {
        self.send_part(part, false, Timeout::After(timeout))
    }

    /// Sends one part; `more` says whether others follow, `timeout` how long to wait. What the other methods are made of.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::{Pub, Timeout};
    /// let publisher = context.socket::<Pub>()?;
    /// publisher.send_part("topic", true, Timeout::Now)?;
    /// publisher.send_part("body", false, Timeout::Now)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn send_part(
        &self,
        part: impl IntoMessage,
        more: bool,
        timeout: Timeout,
    ) -> Result<(), SendError> {
        part.with_part(|part| self.core().send(part, more, timeout))
    }

    /// Sends a message of several parts: all of them or, on an error at the first, none.
    ///
    /// Takes anything that yields parts: an array, a vector, a [`Multipart`](crate::Multipart) or a reference to one (so
    /// that it is still there after an error).
    ///
    /// # Errors
    /// As for [`send`](Self::send); [`SendError::Invalid`] if there is no part.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::{Multipart, Pub};
    /// let publisher = context.socket::<Pub>()?;
    /// publisher.send_multipart(["topic", "body"])?;
    /// let mut message = Multipart::from(["topic"]);
    /// message.push(vec![0; 4096]);
    /// publisher.send_multipart(&message)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_multipart<I>(&self, parts: I) -> Result<(), SendError>
    where
        I: IntoIterator<Item: IntoMessage>,
    {
        self.send_parts(parts, Timeout::Option)
    }

    /// [`send_multipart`](Self::send_multipart) if that is possible without waiting.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] if it is not; otherwise as for `send_multipart`.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let push = context.socket::<zeroring::Push>()?;
    /// assert!(push.try_send_multipart(["nobody", "there"]).is_err());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn try_send_multipart<I>(&self, parts: I) -> Result<(), SendError>
    where
        I: IntoIterator<Item: IntoMessage>,
    {
        self.send_parts(parts, Timeout::Now)
    }

    /// [`send_multipart`](Self::send_multipart), waiting up to `timeout` whatever the socket's own timeout is.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] if the time was not enough; otherwise as for `send_multipart`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let context = zeroring::Context::new();
    /// let push = context.socket::<zeroring::Push>()?;
    /// assert!(push.send_multipart_timeout(["a", "b"], Duration::from_millis(1)).is_err());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn send_multipart_timeout<I>(&self, parts: I, timeout: Duration) -> Result<(), SendError>
    where
        I: IntoIterator<Item: IntoMessage>,
    {
        self.send_parts(parts, Timeout::After(timeout))
    }

    fn send_parts<I>(&self, parts: I, timeout: Timeout) -> Result<(), SendError>
    where
        I: IntoIterator<Item: IntoMessage>,
    {
        let mut parts = parts.into_iter();
        let empty = SendError::Invalid { what: "a message needs at least one part" };
        let mut part = parts.next().ok_or(empty)?;
        let mut wait = timeout;
        for next in parts {
            self.send_part(part, true, wait)?;
            part = next;
            // The peer has been chosen and room is counted in messages: later parts do not wait.
            wait = Timeout::Forever;
        }
        self.send_part(part, false, wait)
    }
}
