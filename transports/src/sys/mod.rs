//! What std, rustix and socket2 do not offer safely: interface addresses, credentials, group lookups, scheduling.

mod credentials;
mod fork;
mod interfaces;
mod thread;
mod users;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

pub use credentials::{PeerCredentials, peer_credentials};
#[cfg(feature = "fork-for-tests")]
pub use fork::fork_for_tests;
pub use fork::watch_forks;
pub use interfaces::interface_address;
pub use thread::{ThreadSetup, apply_thread_setup};
pub use users::user_is_in_group;

/// What a tcp socket has sent, or will send, and its peer has not acknowledged.
///
/// # Errors
/// `EINVAL` for a listening socket.
pub fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: must hold: the request writes one int to where the third argument points. TIOCOUTQ (SIOCOUTQ for sockets)
    // does, and `bytes` lives across the call. Otherwise: the kernel would write over a stranger's memory.
    let status = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// Takes over a descriptor that the application named by number (`USE_FD`).
///
/// # Errors
/// `EBADF` if no such descriptor is open.
pub fn adopt_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(rustix::io::Errno::BADF.into());
    }
    // SAFETY: must hold: the number stays open during the call. A number that is not open makes fcntl fail with EBADF,
    // which is what we want to know; a racing close by the application is its own breach of `USE_FD`.
    let open = rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    let _ = open;
    // SAFETY: must hold: nobody else closes it. The application hands ownership over by setting `USE_FD` (documented
    // there). Otherwise: a later close would hit a stranger's descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
