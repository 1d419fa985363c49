//! Opening and tuning tcp sockets by the socket options. What the kernel refuses is the caller's error; nothing aborts.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use zeroring_core::options::SocketOptions;

use super::resolve::without_ipv6;

/// A socket that listens on `address`, or on its IPv4 counterpart if the machine has no IPv6.
pub(super) fn listening(address: SocketAddr, options: &SocketOptions) -> io::Result<Socket> {
    let (socket, address) = unconnected(address, options)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog_connections).unwrap_or(i32::MAX))?;
    Ok(socket)
}

/// A fresh non-blocking socket of the family of `address`, with everything set that must be set early, and the
/// address in the family that the machine has.
pub(super) fn unconnected(
    address: SocketAddr,
    options: &SocketOptions,
) -> io::Result<(Socket, SocketAddr)> {
    let (socket, address) = open(address)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    tune_early(&socket, address.is_ipv6(), options)?;
    Ok((socket, address))
}

fn open(address: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    let new = |domain| Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP));
    match new(Domain::for_address(address)) {
        Err(error) if is_family_missing(&error) && address.is_ipv6() => {
            let fallback = without_ipv6(&address).ok_or(error)?;
            Ok((new(Domain::IPV4)?, fallback))
        }
        opened => Ok((opened?, address)),
    }
}

fn is_family_missing(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT)
}

/// What must be set before bind or connect: buffers decide the window scale of the handshake.
fn tune_early(socket: &Socket, ipv6: bool, options: &SocketOptions) -> io::Result<()> {
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes as usize)?;
    }
    if let Some(bytes) = options.recv_buffer_bytes {
        socket.set_recv_buffer_size(bytes as usize)?;
    }
    if !options.bind_to_device.is_empty() {
        let name = options.bind_to_device.strip_suffix(b"\0").unwrap_or(&options.bind_to_device);
        socket.bind_device(Some(name))?;
    }
    tune_packets(socket, ipv6, options)
}

/// How packets are marked and polled for.
fn tune_packets(socket: &Socket, ipv6: bool, options: &SocketOptions) -> io::Result<()> {
    if options.type_of_service != 0 {
        socket.set_tos_v4(options.type_of_service)?;
        if ipv6 {
            socket.set_tclass_v6(options.type_of_service)?;
        }
    }
    if options.packet_priority != 0 {
        socket.set_priority(options.packet_priority)?;
    }
    if let Ok(us @ 1..) = u32::try_from(options.busy_poll_us) {
        socket.set_busy_poll(us)?;
    }
    Ok(())
}

/// What an accepted connection gets.
pub(super) fn tune_accepted(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
    let marks =
        options.type_of_service != 0 || options.packet_priority != 0 || options.busy_poll_us > 0;
    if marks {
        // An accepted socket is of its listener's family, which need not be what the option says (USE_FD).
        tune_packets(socket, local_address(socket)?.is_ipv6(), options)?;
    }
    tune_stream(socket, options)
}

/// What every connection gets once it exists.
pub(super) fn tune_stream(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if options.tcp_max_retransmit_ms != 0 {
        let timeout = Duration::from_millis(u64::from(options.tcp_max_retransmit_ms));
        socket.set_tcp_user_timeout(Some(timeout))?;
    }
    match options.tcp_keepalive {
        None => Ok(()),
        Some(false) => socket.set_keepalive(false),
        Some(true) => socket.set_tcp_keepalive(&keepalive(options)),
    }
}

fn keepalive(options: &SocketOptions) -> TcpKeepalive {
    let seconds = |s: u32| Duration::from_secs(u64::from(s));
    let mut keepalive = TcpKeepalive::new();
    if let Some(probes) = options.tcp_keepalive_probes {
        keepalive = keepalive.with_retries(probes);
    }
    if let Some(idle_s) = options.tcp_keepalive_idle_s {
        keepalive = keepalive.with_time(seconds(idle_s));
    }
    if let Some(interval_s) = options.tcp_keepalive_interval_s {
        keepalive = keepalive.with_interval(seconds(interval_s));
    }
    keepalive
}

/// Our own end.
pub(super) fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| Errno::INVAL.into())
}

/// The other end; `ENOTCONN` if the peer was gone before anyone looked.
pub(super) fn peer_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.peer_addr()?.as_socket().ok_or_else(|| Errno::INVAL.into())
}
