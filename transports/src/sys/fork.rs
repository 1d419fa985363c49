//! Forking, for tests of what a child may do with what it inherited.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::Pid;

/// Forks; the child calls `child` and ends with what it returns as its exit status, 101 if it panics. Returns the child's
/// id in the parent. Only the calling thread exists in the child.
///
/// # Errors
/// What the system says when it has no process or memory left.
pub fn fork_for_tests(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: must hold: the child does nothing that depends on locks of threads that it does not have. glibc sees to its
    // allocator; the rest is what the tests that call this are about. Otherwise: the child hangs, and its test fails.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let status = catch_unwind(AssertUnwindSafe(child)).unwrap_or(101);
        // SAFETY: ends the process without destructors or exit handlers, which belong to the parent's threads.
        unsafe { libc::_exit(status) }
    }
    Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(io::Error::last_os_error)
}
