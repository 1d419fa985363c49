//! Between types known when compiling and types known when running.

use super::{AnySocket, Socket};
use crate::kind::{FixedKind, Kind};

impl<K: FixedKind> Socket<K> {
    /// Forgets the type at compile time, so that sockets of several types fit one collection.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::{Pull, Push, SocketType};
    /// let sockets = [context.socket::<Push>()?.into_any(), context.socket::<Pull>()?.into_any()];
    /// assert_eq!(sockets[0].kind(), SocketType::Push);
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn into_any(self) -> AnySocket {
        self.retyped()
    }
}

impl AnySocket {
    /// The socket with its type at compile time, if it is a `K`.
    ///
    /// # Errors
    /// The socket itself if it is of another type.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::{Pull, Push};
    /// let any = context.socket::<Push>()?.into_any();
    /// let any = any.try_into_kind::<Pull>().expect_err("it is a PUSH");
    /// let push = any.try_into_kind::<Push>().expect("it is a PUSH");
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    #[allow(
        clippy::result_large_err,
        reason = "the socket comes back as it was; moving it is rare"
    )]
    pub fn try_into_kind<K: FixedKind>(self) -> Result<Socket<K>, AnySocket> {
        if self.kind() == K::TYPE { Ok(self.retyped()) } else { Err(self) }
    }
}

impl<K: Kind> Socket<K> {
    fn retyped<L: Kind>(self) -> Socket<L> {
        Socket::new(self.core.into_inner(), self.owner)
    }
}
