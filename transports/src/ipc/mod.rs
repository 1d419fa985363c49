//! ipc: Unix stream sockets. Addresses in, sockets out; the bytes are moved by [`crate::stream`].
//!
//! Behaviour is libzmq's, with one deliberate difference: before `bind`, libzmq removes *whatever* stands at the path.
//! This removes a socket (so that a second bind takes the name over, as programs rely on), but refuses with
//! `EADDRINUSE` to delete anything else: a mistyped path should not cost a user a file.

mod private_dir;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, accept_with, listen,
    socket_with,
};
use zeroring_core::endpoint::{EndpointError, IpcAddress};
use zeroring_core::io::transport::{Connecting, Handle, Listener, Stream, StreamInfo, Transport};
use zeroring_core::options::SocketOptions;

use crate::stream::{FdConnecting, FdStream, retry_interrupted};
use crate::sys::{PeerCredentials, peer_credentials};
use private_dir::PrivateDir;

const SOCKET_FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// The `ipc://` scheme.
#[derive(Clone, Copy, Debug, Default)]
pub struct IpcTransport;

impl Transport for IpcTransport {
    fn scheme(&self) -> &'static str {
        "ipc"
    }

    fn bind(&self, address: &str, options: &SocketOptions) -> io::Result<Arc<dyn Listener>> {
        if let Some(number) = options.adopted_fd {
            let fd = crate::sys::adopt_descriptor(number)?;
            rustix::io::ioctl_fionbio(&fd, true)?;
            return Ok(Arc::new(IpcListener::new(fd, address, None, options)));
        }
        let (name, dir) = match parse(IpcAddress::parse_bind(address))? {
            IpcAddress::Wildcard => {
                let dir = PrivateDir::create()?;
                (parse(IpcAddress::parse_connect(&dir.socket_path()))?, Some(dir))
            }
            name => (name, None),
        };
        let fd = listening(&name, options)?;
        Ok(Arc::new(IpcListener::new(fd, &name.to_string(), dir, options)))
    }

    fn check_connect(&self, address: &str, _options: &SocketOptions) -> io::Result<()> {
        parse(IpcAddress::parse_connect(address)).map(drop)
    }

    fn must_resolve(&self, _address: &str, _options: &SocketOptions) -> bool {
        false
    }

    fn connect(&self, address: &str, _options: &SocketOptions) -> io::Result<Box<dyn Connecting>> {
        let name = system_name(&parse(IpcAddress::parse_connect(address))?)?;
        let fd = open()?;
        // A full backlog is EAGAIN here, not a connection under way: the attempt failed and is tried again later.
        let started = rustix::net::connect(&fd, &name);
        let endpoint = format!("ipc://{address}");
        Ok(Box::new(FdConnecting::new(fd, started, move |fd| connected(fd, &endpoint))?))
    }
}

fn open() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, SOCKET_FLAGS, None)?)
}

fn parse(parsed: Result<IpcAddress, EndpointError>) -> io::Result<IpcAddress> {
    parsed.map_err(|error| io::Error::from_raw_os_error(error.errno()))
}

fn system_name(address: &IpcAddress) -> io::Result<SocketAddrUnix> {
    Ok(match address {
        IpcAddress::Path(path) => SocketAddrUnix::new(path.as_str())?,
        IpcAddress::Abstract(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())?,
        // Completed by `bind` before it comes here.
        IpcAddress::Wildcard => return Err(Errno::INVAL.into()),
    })
}

fn listening(address: &IpcAddress, options: &SocketOptions) -> io::Result<OwnedFd> {
    if let IpcAddress::Path(path) = address {
        make_way(Path::new(path))?;
    }
    let fd = open()?;
    rustix::net::bind(&fd, &system_name(address)?)?;
    listen(&fd, i32::try_from(options.backlog_connections).unwrap_or(i32::MAX))?;
    Ok(fd)
}

/// Removes the socket of an earlier bind; see the module for what is not removed.
fn make_way(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(Errno::ADDRINUSE.into()),
        // Nothing there, or something that bind itself reports better (a missing directory, no permission).
        Err(_) => Ok(()),
    }
}

/// A listening Unix socket.
#[derive(Debug)]
struct IpcListener {
    fd: OwnedFd,
    endpoint: String,
    /// As they were when `bind` ran.
    options: SocketOptions,
    /// Of a wildcard bind; removed with the listener.
    _dir: Option<PrivateDir>,
}

impl IpcListener {
    fn new(fd: OwnedFd, address: &str, dir: Option<PrivateDir>, options: &SocketOptions) -> Self {
        let endpoint = format!("ipc://{address}");
        Self { fd, endpoint, options: options.clone(), _dir: dir }
    }

    /// True without filters, or if the peer matches an entry of any of the three sets.
    fn is_welcome(&self, peer: &PeerCredentials) -> bool {
        let SocketOptions {
            ipc_filter_pids: pids,
            ipc_filter_uids: uids,
            ipc_filter_gids: gids,
            ..
        } = &self.options;
        let PeerCredentials { pid, uid, gid } = *peer;
        (pids.is_empty() && uids.is_empty() && gids.is_empty())
            || pids.contains(&pid)
            || uids.contains(&uid)
            || gids.contains(&gid)
            || gids.iter().any(|gid| crate::sys::user_is_in_group(uid, *gid))
    }
}

impl Listener for IpcListener {
    fn accept(&self) -> io::Result<Arc<dyn Stream>> {
        let fd = retry_interrupted(|| accept_with(&self.fd, SOCKET_FLAGS))?;
        let peer = peer_credentials(&fd)?;
        if !self.is_welcome(&peer) {
            return Err(refused_by_filter(&peer));
        }
        let info = StreamInfo {
            local_endpoint: self.endpoint.clone(),
            // The connecting side has no name of its own.
            remote_endpoint: String::new(),
            peer_address: credentials_text(&peer),
        };
        Ok(Arc::new(FdStream::new(fd, info)))
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

fn connected(fd: OwnedFd, endpoint: &str) -> io::Result<Arc<dyn Stream>> {
    let peer = peer_credentials(&fd)?;
    let info = StreamInfo {
        local_endpoint: String::new(),
        remote_endpoint: endpoint.to_owned(),
        peer_address: credentials_text(&peer),
    };
    Ok(Arc::new(FdStream::new(fd, info)))
}

fn credentials_text(peer: &PeerCredentials) -> String {
    let PeerCredentials { pid, uid, gid } = *peer;
    format!("localhost:{uid}:{gid}:{pid}")
}

fn refused_by_filter(peer: &PeerCredentials) -> io::Error {
    let text = format!("peer {} matches no IPC_FILTER", credentials_text(peer));
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}
