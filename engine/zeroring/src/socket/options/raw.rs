//! Options by number, for programs that carry libzmq's numbers through, such as language bindings.

pub use zeroring_core::options::{OptionValue, Secret, SocketOptions, number};

use crate::Socket;
use crate::error::OptionFault;
use crate::kind::Kind;

/// Options by number.
impl<K: Kind> Socket<K> {
    /// Sets an option by libzmq's number, its value as libzmq takes it: numbers in native byte order, 4 bytes for an
    /// `int`. `None` is a NULL pointer, which clears some options. Source: `zmq_setsockopt`.
    ///
    /// # Errors
    /// See [`OptionError`](crate::OptionError); nothing has changed then. [`OptionFault::Terminated`].
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::socket::options::raw::number;
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// socket.set_option(number::SNDHWM, Some(&10_i32.to_ne_bytes()))?;
    /// assert_eq!(socket.send_hwm(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_option(&self, number: i32, value: Option<&[u8]>) -> Result<(), OptionFault> {
        self.core().set_option(number, value)
    }

    /// Reads an option by libzmq's number, as for a buffer of `buffer_bytes` bytes. Source: `zmq_getsockopt`.
    ///
    /// # Errors
    /// See [`OptionError`](crate::OptionError); [`OptionFault::Terminated`].
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// use zeroring::socket::options::raw::{OptionValue, number};
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// assert_eq!(socket.get_option(number::TYPE, 4)?, OptionValue::Int(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_option(&self, number: i32, buffer_bytes: usize) -> Result<OptionValue, OptionFault> {
        self.core().get_option(number, buffer_bytes)
    }

    /// A copy of all settings.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// assert_eq!(socket.options().send_hwm_messages, 1000);
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn options(&self) -> SocketOptions {
        self.core().options().clone()
    }
}
