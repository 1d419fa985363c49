//! tcp: addresses in, configured sockets out. The bytes are moved by [`crate::stream`].
//!
//! Behaviour is libzmq's, error numbers included: an address that cannot be parsed is `EINVAL`, one that does not
//! resolve is `ENODEV`, and what the kernel refuses keeps the kernel's number. Names are resolved anew for every
//! connection attempt. Addresses are parsed by `zeroring_core::endpoint`.

mod address;
mod resolve;
mod socket;
mod socks;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags, accept_with};
use socket2::Socket;
use zeroring_core::endpoint::{ConnectHost, TcpBindAddress, TcpConnectAddress};
use zeroring_core::io::transport::{Connecting, Handle, Listener, Stream, StreamInfo, Transport};
use zeroring_core::options::SocketOptions;

use crate::stream::{FdConnecting, FdStream, retry_interrupted};
use address::malformed;

/// The `tcp://` scheme.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpTransport;

impl Transport for TcpTransport {
    fn scheme(&self) -> &'static str {
        "tcp"
    }

    fn bind(&self, address: &str, options: &SocketOptions) -> io::Result<Arc<dyn Listener>> {
        let socket = match options.adopted_fd {
            Some(number) => Socket::from(crate::sys::adopt_descriptor(number)?),
            None => {
                let address = TcpBindAddress::parse(address).map_err(|e| malformed(&e))?;
                socket::listening(resolve::bind_address(&address, options.ipv6)?, options)?
            }
        };
        socket.set_nonblocking(true)?;
        let local = socket::local_address(&socket)?;
        let endpoint = endpoint_text(&local);
        Ok(Arc::new(TcpListener { fd: socket.into(), endpoint, options: options.clone() }))
    }

    fn check_connect(&self, address: &str, options: &SocketOptions) -> io::Result<()> {
        if !options.socks_proxy.is_empty() {
            socks::parse_proxy(options)?;
        }
        parse_connect(address).map(drop)
    }

    fn must_resolve(&self, address: &str, options: &SocketOptions) -> bool {
        !options.socks_proxy.is_empty()
            || parse_connect(address)
                .is_ok_and(|parsed| matches!(parsed.host, ConnectHost::Name(_)))
    }

    fn connect(&self, address: &str, options: &SocketOptions) -> io::Result<Box<dyn Connecting>> {
        let parsed = parse_connect(address)?;
        if !options.socks_proxy.is_empty() {
            let fd = socks::connect(&parsed, options)?;
            let options = options.clone();
            return Ok(Box::new(FdConnecting::new(fd, Ok(()), move |fd| connected(fd, &options))?));
        }
        let target = resolve::target_address(&parsed.host, parsed.port, options.ipv6)?;
        let (socket, target) = socket::unconnected(target, options)?;
        if let Some(source) = &parsed.source {
            socket.set_reuse_address(true)?;
            socket.bind(&resolve::source_address(source, target.is_ipv6())?.into())?;
        }
        let fd = OwnedFd::from(socket);
        let started = rustix::net::connect(&fd, &target);
        let options = options.clone();
        let attempt = FdConnecting::new(fd, started, move |fd| connected(fd, &options))?;
        Ok(Box::new(attempt))
    }

    fn carries_raw(&self) -> bool {
        true
    }

    fn aliases(&self, address: &str, options: &SocketOptions) -> Vec<String> {
        // As in libzmq: a wildcard names no address, and an interface is not looked up; only LAST_ENDPOINT does.
        let Ok(parsed) = parse_connect(address) else { return Vec::new() };
        let resolved = resolve::target_address(&parsed.host, parsed.port, options.ipv6);
        resolved.map(|address| endpoint_text(&address)).into_iter().collect()
    }
}

fn parse_connect(address: &str) -> io::Result<TcpConnectAddress> {
    TcpConnectAddress::parse(address).map_err(|error| malformed(&error))
}

/// A listening tcp socket.
#[derive(Debug)]
struct TcpListener {
    fd: OwnedFd,
    endpoint: String,
    /// As they were when `bind` ran: what accepted connections get.
    options: SocketOptions,
}

impl TcpListener {
    fn is_welcome(&self, peer: IpAddr) -> bool {
        let filters = &self.options.tcp_accept_filters;
        filters.is_empty() || filters.iter().any(|filter| filter.matches(peer))
    }
}

impl Listener for TcpListener {
    fn accept(&self) -> io::Result<Arc<dyn Stream>> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = Socket::from(retry_interrupted(|| accept_with(&self.fd, flags))?);
        let peer = socket::peer_address(&socket)?;
        if !self.is_welcome(peer.ip()) {
            return Err(refused_by_filter(&peer));
        }
        socket::tune_accepted(&socket, &self.options)?;
        into_stream(socket, &peer)
    }

    fn stop(&self) {
        if self.options.adopted_fd.is_none() {
            // It listens, so nothing but a closed descriptor could make this fail.
            let _ = rustix::net::shutdown(&self.fd, Shutdown::Both);
        }
    }

    fn handle(&self) -> Handle<'_> {
        Handle::Fd(self.fd.as_fd())
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

fn refused_by_filter(peer: &SocketAddr) -> io::Error {
    let text = format!("peer {} matches no TCP_ACCEPT_FILTER", peer.ip());
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

/// The last steps of a connection attempt that the kernel calls successful.
fn connected(fd: OwnedFd, options: &SocketOptions) -> io::Result<Arc<dyn Stream>> {
    let socket = Socket::from(fd);
    let peer = socket::peer_address(&socket)?;
    if socket::local_address(&socket)? == peer {
        // The target's port is in the ephemeral range, nobody listens, and the kernel gave us that very port: a
        // simultaneous open with ourselves. It would keep the real listener from ever binding.
        return Err(Errno::CONNREFUSED.into());
    }
    socket::tune_stream(&socket, options)?;
    into_stream(socket, &peer)
}

fn into_stream(socket: Socket, peer: &SocketAddr) -> io::Result<Arc<dyn Stream>> {
    let info = StreamInfo {
        local_endpoint: endpoint_text(&socket::local_address(&socket)?),
        remote_endpoint: endpoint_text(peer),
        peer_address: address::host_text(peer),
    };
    Ok(Arc::new(FdStream::new(socket.into(), info)))
}

/// The text of `LAST_ENDPOINT`: numeric, IPv6 in brackets, scopes by name.
fn endpoint_text(address: &SocketAddr) -> String {
    let host = address::host_text(address);
    match address {
        SocketAddr::V4(_) => format!("tcp://{host}:{}", address.port()),
        SocketAddr::V6(_) => format!("tcp://[{host}]:{}", address.port()),
    }
}
