//! Who is at the other end of a Unix socket.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

/// Credentials of a peer, as the kernel noted them when it connected (or listened).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Process id; 0 if the peer is in a PID namespace that ours does not see.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// The credentials of the peer of a connected Unix socket. (rustix has them with a process id that must not be 0.)
///
/// # Errors
/// What `getsockopt` says.
pub fn peer_credentials(fd: impl AsFd) -> io::Result<PeerCredentials> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut found_bytes = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: must hold: the descriptor is open (it is borrowed), and `found` has room for the `found_bytes` that the
    // kernel is told. Every bit pattern is a valid `ucred`.
    let status = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &mut found_bytes,
        )
    };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(PeerCredentials { pid: found.pid, uid: found.uid, gid: found.gid })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn our_own_peer_is_us() {
        let (a, _b) = UnixStream::pair().expect("a pair");
        let found = peer_credentials(&a).expect("connected");
        assert_eq!(found.pid, std::process::id() as i32);
        assert_eq!(found.uid, rustix::process::getuid().as_raw());
        assert_eq!(found.gid, rustix::process::getgid().as_raw());
    }

    #[test]
    fn what_is_no_socket_is_an_error() {
        let file = std::fs::File::open("/dev/null").expect("there");
        let error = peer_credentials(&file).expect_err("no socket");
        assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
    }
}
