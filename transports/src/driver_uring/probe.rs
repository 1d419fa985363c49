//! Whether io_uring works here as the driver needs it, found out by using it.
//!
//! Needed are provided-buffer rings (Linux 5.19) and multishot receive (Linux 6.0). Set-up flags
//! that are merely better are degraded in the ring and not asked for here.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use zeroring_core::io::driver::Token;

use super::buffer_ring::BufferRing;
use super::op_slots::{Hold, OpSlots};
use super::ring::Ring;
use super::submit;

/// Why io_uring cannot be used, and what would change that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The system call does not exist, or a sandbox pretends so.
    #[error(
        "the kernel has no io_uring (ENOSYS); Linux 6.0 or later has it, unless built without or hidden by a sandbox"
    )]
    NoSystemCall,
    /// The sysctl forbids it.
    #[error(
        "kernel.io_uring_disabled is {level}; set it to 0 (or to 1 and join the group of kernel.io_uring_group)"
    )]
    Disabled {
        /// The sysctl's value.
        level: u32,
    },
    /// A sandbox forbids it.
    #[error(
        "io_uring_setup is not permitted (EPERM); a container's seccomp profile must allow io_uring"
    )]
    Forbidden,
    /// Too little lockable memory.
    #[error("not enough lockable memory for a ring (ENOMEM); raise RLIMIT_MEMLOCK (ulimit -l)")]
    NoMemory,
    /// Something the driver relies on is missing.
    #[error("this kernel's io_uring lacks {missing}; Linux 6.0 or later has it")]
    TooOld {
        /// What is missing.
        missing: &'static str,
    },
    /// Anything else.
    #[error("{step} failed with error {errno}")]
    Failed {
        /// What was tried.
        step: &'static str,
        /// The system's error number.
        errno: i32,
    },
}

impl Unavailable {
    /// The matching kind of [`io::Error`].
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::NoSystemCall | Self::TooOld { .. } => io::ErrorKind::Unsupported,
            Self::Disabled { .. } | Self::Forbidden => io::ErrorKind::PermissionDenied,
            Self::NoMemory => io::ErrorKind::OutOfMemory,
            Self::Failed { errno, .. } => io::Error::from_raw_os_error(*errno).kind(),
        }
    }

    fn from_setup(error: &io::Error, disabled_level: Option<u32>) -> Self {
        match (Errno::from_io_error(error), disabled_level) {
            (Some(Errno::NOSYS), _) => Self::NoSystemCall,
            (Some(Errno::PERM), Some(level @ 1..)) => Self::Disabled { level },
            (Some(Errno::PERM | Errno::ACCESS), _) => Self::Forbidden,
            (Some(Errno::NOMEM), _) => Self::NoMemory,
            _ => Self::failed("io_uring_setup", error),
        }
    }

    fn failed(step: &'static str, error: &io::Error) -> Self {
        Self::Failed { step, errno: error.raw_os_error().unwrap_or(libc::EIO) }
    }
}

/// Tries out what the driver needs.
///
/// # Errors
/// The first thing that does not work.
pub fn available() -> Result<(), Unavailable> {
    let mut ring =
        Ring::new().map_err(|error| Unavailable::from_setup(&error, disabled_level()))?;
    let mut buffers = BufferRing::register(&ring.uring)
        .map_err(|_| Unavailable::TooOld { missing: "provided-buffer rings" })?;
    let works = receives_twice(&mut ring, &mut buffers);
    // The ring goes first: closing it ends the kernel's use of the buffers.
    drop(ring);
    drop(buffers);
    works
}

fn disabled_level() -> Option<u32> {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

/// One multishot receive must bring bytes twice, the second time without having been armed again.
fn receives_twice(ring: &mut Ring, buffers: &mut BufferRing) -> Result<(), Unavailable> {
    let io_failed = |error: Errno| Unavailable::failed("the trial socket", &error.into());
    let flags = SocketFlags::CLOEXEC;
    let (near, far) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(io_failed)?;
    let (mut slots, near) = (OpSlots::default(), std::sync::Arc::new(near));
    submit::receive(ring, &mut slots, Token(0), near.as_fd(), Hold::Fd(near.clone()));
    for _ in 0..2 {
        send(&far, b"?", SendFlags::empty()).map_err(io_failed)?;
        if receive_one(ring, buffers)?.as_deref() != Some(&b"?"[..]) {
            return Err(Unavailable::TooOld { missing: "multishot receive" });
        }
    }
    // The end of the stream ends the operation, so that nothing runs when the ring is dropped.
    drop(far);
    ring.enter(Some(PATIENCE)).map_err(|error| Unavailable::failed("io_uring_enter", &error))
}

/// Far more than the trial takes; only a broken kernel meets it.
const PATIENCE: Duration = Duration::from_secs(1);

fn receive_one(
    ring: &mut Ring,
    buffers: &mut BufferRing,
) -> Result<Option<zeroring_base::Bytes>, Unavailable> {
    ring.enter(Some(PATIENCE)).map_err(|error| Unavailable::failed("io_uring_enter", &error))?;
    let Some(entry) = ring.next_completion() else { return Ok(None) };
    let number = io_uring::cqueue::buffer_select(entry.flags());
    let len = usize::try_from(entry.result()).unwrap_or(0);
    Ok(number.filter(|_| io_uring::cqueue::more(entry.flags())).and_then(|n| buffers.take(n, len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(errno: Errno, level: Option<u32>) -> Unavailable {
        Unavailable::from_setup(&errno.into(), level)
    }

    #[test]
    fn each_refusal_is_told_apart_and_gives_advice() {
        assert_eq!(why(Errno::NOSYS, None), Unavailable::NoSystemCall);
        assert_eq!(why(Errno::PERM, Some(2)), Unavailable::Disabled { level: 2 });
        assert_eq!(why(Errno::PERM, Some(0)), Unavailable::Forbidden);
        assert_eq!(why(Errno::PERM, None), Unavailable::Forbidden);
        assert_eq!(why(Errno::NOMEM, Some(0)), Unavailable::NoMemory);
        assert!(why(Errno::PERM, Some(1)).to_string().contains("kernel.io_uring_disabled is 1"));
        assert_eq!(why(Errno::MFILE, None).kind(), io::Error::from(Errno::MFILE).kind());
    }

    #[test]
    fn a_kernel_that_is_new_enough_passes_the_trial() {
        match available() {
            Ok(()) => {}
            // What a sandbox may do to us; anything else is a fault of the trial itself.
            Err(
                Unavailable::NoSystemCall | Unavailable::Forbidden | Unavailable::Disabled { .. },
            ) => {}
            Err(other) => panic!("{other}"),
        }
    }
}
