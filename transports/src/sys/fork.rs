//! Noticing forks, and forking for tests of what a child may do with what it inherited.

use std::sync::Once;

use zeroring_base::process::{entered_child, watched};

/// Sees to it that children of this process know that they are. Cheap to repeat.
///
/// Children made without the C library's `fork` (a bare `clone` system call) go unnoticed.
pub fn watch_forks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: must hold: the handler does nothing but what a child of a process with threads may do. It adds to one
        // atomic. Otherwise: the child could hang in its first step.
        let status = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        if status == 0 {
            watched(); // without memory for the handler the process id is asked each time
        }
    });
}

extern "C" fn in_child() {
    entered_child();
}

/// Forks; the child calls `child` and ends with what it returns as its exit status, 101 if it panics. Returns the child's
/// id in the parent. Only the calling thread exists in the child.
///
/// # Errors
/// What the system says when it has no process or memory left.
#[cfg(feature = "fork-for-tests")]
pub fn fork_for_tests(child: impl FnOnce() -> i32) -> std::io::Result<rustix::process::Pid> {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    // SAFETY: must hold: the child does nothing that depends on locks of threads that it does not have. glibc sees to its
    // allocator; the rest is what the tests that call this are about. Otherwise: the child hangs, and its test fails.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let status = catch_unwind(AssertUnwindSafe(child)).unwrap_or(101);
        // SAFETY: ends the process without destructors or exit handlers, which belong to the parent's threads.
        unsafe { libc::_exit(status) }
    }
    rustix::process::Pid::from_raw(pid)
        .filter(|_| pid > 0)
        .ok_or_else(std::io::Error::last_os_error)
}
