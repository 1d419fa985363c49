//! Options of the operating system's sockets, for tcp unless said otherwise.

use std::os::fd::{IntoRawFd, OwnedFd};
use std::time::Duration;

pub use zeroring_core::options::AddressFilter;
use zeroring_core::options::number;

use super::{millis_u32, off_at_zero, options};
use crate::Socket;
use crate::error::OptionFault;
use crate::kind::Kind;

options! {
/// Kernel sockets. These take effect with the next bind or connect.
impl Kind, example "Dealer" {
    /// Use IPv6, and IPv4 through it. Default: the [context's](crate::ContextBuilder::ipv6). Source: `ZMQ_IPV6`.
    ipv6, set_ipv6(on: bool) = "true",
        |options| options.ipv6, |options| options.ipv6 = on;
    /// Size of the kernel's send buffer in bytes. `None`: the system's choice, the default. Source: `ZMQ_SNDBUF`.
    send_buffer, set_send_buffer(bytes: Option<u32>) = "Some(1 << 20)",
        |options| options.send_buffer_bytes, |options| options.send_buffer_bytes = bytes;
    /// Size of the kernel's receive buffer in bytes. `None`: the system's choice, the default. Source: `ZMQ_RCVBUF`.
    recv_buffer, set_recv_buffer(bytes: Option<u32>) = "Some(1 << 20)",
        |options| options.recv_buffer_bytes, |options| options.recv_buffer_bytes = bytes;
    /// Type-of-service byte of outgoing packets; 0 leaves it, the default. Source: `ZMQ_TOS`.
    type_of_service, set_type_of_service(tos: u32) = "0x10",
        |options| options.type_of_service, |options| options.type_of_service = tos;
    /// `SO_PRIORITY` of outgoing packets; 0 leaves it, the default. Above 6 needs privileges. Source: `ZMQ_PRIORITY`.
    packet_priority, set_packet_priority(priority: u32) = "4",
        |options| options.packet_priority, |options| options.packet_priority = priority;
    /// `SO_BUSY_POLL` in µs: the kernel polls the network card this long before it sleeps. 0 leaves it, the default.
    /// Source: `ZMQ_BUSY_POLL`.
    busy_poll, set_busy_poll(microseconds: u32) = "50",
        |options| u32::try_from(options.busy_poll_us).unwrap_or(0),
        |options| options.busy_poll_us = i32::try_from(microseconds).unwrap_or(i32::MAX);
    /// Let tcp probe idle connections. `None`: the system's choice, the default; then the three settings below are not
    /// applied either. Source: `ZMQ_TCP_KEEPALIVE`.
    tcp_keepalive, set_tcp_keepalive(on: Option<bool>) = "Some(true)",
        |options| options.tcp_keepalive, |options| options.tcp_keepalive = on;
    /// Unanswered probes after which the connection is lost. `None`: the system's choice, the default. Source:
    /// `ZMQ_TCP_KEEPALIVE_CNT`.
    tcp_keepalive_probes, set_tcp_keepalive_probes(probes: Option<u32>) = "Some(3)",
        |options| options.tcp_keepalive_probes, |options| options.tcp_keepalive_probes = probes;
    /// Idle seconds before the first probe. `None`: the system's choice, the default. Source: `ZMQ_TCP_KEEPALIVE_IDLE`.
    tcp_keepalive_idle_s, set_tcp_keepalive_idle_s(seconds: Option<u32>) = "Some(60)",
        |options| options.tcp_keepalive_idle_s, |options| options.tcp_keepalive_idle_s = seconds;
    /// Seconds between probes. `None`: the system's choice, the default. Source: `ZMQ_TCP_KEEPALIVE_INTVL`.
    tcp_keepalive_interval_s, set_tcp_keepalive_interval_s(seconds: Option<u32>) = "Some(10)",
        |options| options.tcp_keepalive_interval_s,
        |options| options.tcp_keepalive_interval_s = seconds;
    /// How long sent data may stay unacknowledged before tcp gives up. `None` or zero: the system's choice, the default.
    /// Source: `ZMQ_TCP_MAXRT`.
    tcp_max_retransmit, set_tcp_max_retransmit(time: Option<Duration>) = "Some(Duration::from_secs(10))",
        |options| off_at_zero(options.tcp_max_retransmit_ms),
        |options| options.tcp_max_retransmit_ms = time.map_or(0, millis_u32);
}
}

/// Kernel sockets, settings with a grammar. These take effect with the next bind or connect.
impl<K: Kind> Socket<K> {
    /// Network device that connections go through. `None`: any, the default. Source: `ZMQ_BINDTODEVICE`.
    ///
    /// # Errors
    /// [`OptionFault::Option`] unless the name has 1 to 16 bytes; [`OptionFault::Terminated`]. A device that does not
    /// exist makes bind fail and connect try again.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// socket.set_bind_to_device(Some("eth0"))?;
    /// assert_eq!(socket.bind_to_device(), b"eth0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_bind_to_device(&self, device: Option<&str>) -> Result<(), OptionFault> {
        self.core().set_option(number::BINDTODEVICE, device.map(str::as_bytes))
    }

    /// What [`set_bind_to_device`](Self::set_bind_to_device) set; empty by default.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// assert!(socket.bind_to_device().is_empty());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn bind_to_device(&self) -> Vec<u8> {
        self.core().options().bind_to_device.clone()
    }

    /// Accepts tcp peers only from this range, or one of those added before: `10.1.0.0/16`, `10.1.2.3`. Literal
    /// addresses of the family that [`ipv6`](Self::set_ipv6) selects now. Default: everybody. Next bind. Source:
    /// `ZMQ_TCP_ACCEPT_FILTER`.
    ///
    /// # Errors
    /// [`OptionFault::Option`] if it is no such text; [`OptionFault::Terminated`].
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// socket.add_tcp_accept_filter("127.0.0.0/8")?;
    /// assert_eq!(socket.tcp_accept_filters().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_tcp_accept_filter(&self, range: &str) -> Result<(), OptionFault> {
        self.core().set_option(number::TCP_ACCEPT_FILTER, Some(range.as_bytes()))
    }

    /// Accepts tcp peers from everywhere again. Next bind.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// # let socket = context.socket::<zeroring::Dealer>()?;
    /// socket.add_tcp_accept_filter("127.0.0.1")?;
    /// socket.clear_tcp_accept_filters();
    /// assert!(socket.tcp_accept_filters().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_tcp_accept_filters(&self) {
        self.core().update_options(|options| options.tcp_accept_filters.clear());
    }

    /// Ranges added by [`add_tcp_accept_filter`](Self::add_tcp_accept_filter).
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// assert!(socket.tcp_accept_filters().is_empty());
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn tcp_accept_filters(&self) -> Vec<AddressFilter> {
        self.core().options().tcp_accept_filters.clone()
    }

    /// Accepts ipc peers of these processes, users and groups only: a peer must be in one of the three sets, if any has
    /// an entry. Replaces earlier sets. Default: all empty, which means everybody. Next bind. Source:
    /// `ZMQ_IPC_FILTER_PID`, `ZMQ_IPC_FILTER_UID`, `ZMQ_IPC_FILTER_GID`.
    ///
    /// ```
    /// # let context = zeroring::Context::new();
    /// let socket = context.socket::<zeroring::Dealer>()?;
    /// socket.set_ipc_filters([], [1000], []); // one user
    /// # Ok::<(), zeroring::SocketError>(())
    /// ```
    pub fn set_ipc_filters(
        &self,
        pids: impl IntoIterator<Item = i32>,
        uids: impl IntoIterator<Item = u32>,
        gids: impl IntoIterator<Item = u32>,
    ) {
        self.core().update_options(|options| {
            options.ipc_filter_pids = pids.into_iter().collect();
            options.ipc_filter_uids = uids.into_iter().collect();
            options.ipc_filter_gids = gids.into_iter().collect();
        });
    }

    /// Makes the next bind adopt `listener`, a descriptor that is bound and listening already (from a service manager,
    /// say), instead of opening its own; the address of that bind only names it. The socket closes it. Source:
    /// `ZMQ_USE_FD`.
    ///
    /// The descriptor stays open for ever if no bind follows.
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use zeroring::{Context, Pull};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = Context::new();
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let pull = context.socket::<Pull>()?;
    /// pull.adopt_listener(listener.into());
    /// assert_eq!(pull.bind("tcp://127.0.0.1:*")?, format!("tcp://{address}"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn adopt_listener(&self, listener: OwnedFd) {
        let fd = listener.into_raw_fd();
        self.core().update_options(|options| options.adopted_fd = Some(fd));
    }
}
