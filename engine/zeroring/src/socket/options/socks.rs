//! Connecting through a SOCKS5 proxy.

use zeroring_core::options::number;

use crate::Socket;
use crate::error::OptionFault;
use crate::kind::Kind;

/// SOCKS5 proxies (RFC 1928).
impl<K: Kind> Socket<K> {
    /// Connects over tcp through the SOCKS5 proxy at `host:port`; `None`: directly, the default. Next connect. Source:
    /// `ZMQ_SOCKS_PROXY`.
    ///
    /// The proxy gets the target's name unresolved. A proxy that is not there, or refuses, makes connect try again; each
    /// attempt takes at most the [connect timeout](Self::set_connect_timeout), or else the
    /// [handshake interval](Self::set_handshake_interval).
    ///
    /// # Errors
    /// [`OptionFault::Option`] for an empty text; [`OptionFault::Terminated`]. Whether the text is an address is checked
    /// by connect.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// socket.set_socks_proxy(Some("proxy.example:1080"))?;
    /// assert_eq!(socket.socks_proxy(), b"proxy.example:1080");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_socks_proxy(&self, proxy: Option<&str>) -> Result<(), OptionFault> {
        self.core().set_option(number::SOCKS_PROXY, proxy.map(str::as_bytes))
    }

    /// What [`set_socks_proxy`](Self::set_socks_proxy) set; empty by default.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// assert!(socket.socks_proxy().is_empty());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn socks_proxy(&self) -> Vec<u8> {
        self.core().options().socks_proxy.clone()
    }

    /// User name and password for the proxy (RFC 1929), which travel unencrypted. An empty name, the default, means no
    /// authentication. Next connect. Source: `ZMQ_SOCKS_USERNAME`, `ZMQ_SOCKS_PASSWORD`.
    ///
    /// # Errors
    /// [`OptionFault::Option`] if one of them is longer than 255 bytes; [`OptionFault::Terminated`].
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// socket.set_socks_credentials("ann", "secret")?;
    /// assert_eq!(socket.socks_username(), b"ann");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_socks_credentials(&self, username: &str, password: &str) -> Result<(), OptionFault> {
        let mut core = self.core();
        core.set_option(number::SOCKS_PASSWORD, Some(password.as_bytes()))?;
        core.set_option(number::SOCKS_USERNAME, Some(username.as_bytes()))
    }

    /// The user name that [`set_socks_credentials`](Self::set_socks_credentials) set; empty by default.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// assert!(socket.socks_username().is_empty());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn socks_username(&self) -> Vec<u8> {
        self.core().options().socks_username.clone()
    }
}
