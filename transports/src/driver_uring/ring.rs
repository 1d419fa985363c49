//! The submission and completion queues: set-up step by step, one system call per cycle.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, squeue};
use rustix::io::Errno;

/// Entries written per system call before a second call is needed.
const SUBMISSIONS: u32 = 256;
/// Completions the kernel can post before it has to keep some in a list of its own.
const COMPLETIONS: u32 = 4096;

/// How soon a kernel that took no entries is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// How eagerly the kernel may interrupt us with completions, best first; older kernels know fewer.
#[derive(Clone, Copy, Debug)]
enum TaskRun {
    /// Only when we ask for them, and only this thread submits (Linux 6.1).
    Deferred,
    /// Whenever this thread enters the kernel anyway (Linux 5.19).
    Cooperative,
    /// By interrupt.
    Forced,
}

/// An io_uring with a queue for entries that do not fit at once.
pub(super) struct Ring {
    pub uring: IoUring,
    /// Entries that found the submission queue full. Bounded like the slots they belong to.
    backlog: VecDeque<squeue::Entry>,
}

impl Ring {
    /// Creates a ring for the calling thread, with the best set-up this kernel has.
    pub fn new() -> io::Result<Self> {
        let uring = build(TaskRun::Deferred)
            .or_else(|error| if_unknown(error, TaskRun::Cooperative))
            .or_else(|error| if_unknown(error, TaskRun::Forced))?;
        Ok(Self { uring, backlog: VecDeque::new() })
    }

    /// Queues an entry for the next [`enter`](Self::enter).
    ///
    /// # Safety
    /// Everything the entry names stays valid until its last completion: see the slots.
    pub unsafe fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: the caller's contract.
        if !self.backlog.is_empty() || unsafe { self.uring.submission().push(&entry) }.is_err() {
            self.backlog.push_back(entry);
        }
    }

    /// Submits what is queued, and waits for a completion up to `timeout` (`None`: for ever) if there is none yet.
    pub fn enter(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        while !self.backlog.is_empty() {
            let before = self.backlog.len();
            self.call(Some(Duration::ZERO))?;
            self.refill();
            let stuck = self.backlog.len() == before;
            if stuck || !self.uring.completion().is_empty() {
                // The caller handles what came, or waits a little for a kernel short of memory; then comes again.
                let timeout = timeout.unwrap_or(RETRY_INTERVAL).min(RETRY_INTERVAL);
                return self.call(Some(timeout));
            }
        }
        self.call(timeout)
    }

    fn refill(&mut self) {
        let mut queue = self.uring.submission();
        while let Some(entry) = self.backlog.pop_front() {
            // SAFETY: the contract of `push`, where the entry came from.
            if unsafe { queue.push(&entry) }.is_err() {
                self.backlog.push_front(entry);
                return;
            }
        }
    }

    fn call(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let ready = !self.uring.completion().is_empty();
        let outcome = match timeout {
            _ if ready => self.submit_if_needed(),
            Some(Duration::ZERO) => self.submit_if_needed(),
            None => self.uring.submit_and_wait(1).map(drop),
            Some(timeout) => {
                let timespec = Timespec::from(timeout);
                let args = SubmitArgs::new().timespec(&timespec);
                self.uring.submitter().submit_with_args(1, &args).map(drop)
            }
        };
        match outcome {
            Err(error) if is_no_failure(&error) => Ok(()),
            other => other,
        }
    }

    /// Enters the kernel only if there is something to submit or something it holds back for us.
    fn submit_if_needed(&mut self) -> io::Result<()> {
        let queue = self.uring.submission();
        let needed = !queue.is_empty() || queue.taskrun() || queue.cq_overflow();
        drop(queue);
        if needed { self.uring.submit().map(drop) } else { Ok(()) }
    }

    /// The next completion, if there is one.
    pub fn next_completion(&mut self) -> Option<cqueue::Entry> {
        self.uring.completion().next()
    }
}

/// Timeouts, signals and a full completion queue only mean: look at what came, and come again.
fn is_no_failure(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::TIME | Errno::INTR | Errno::BUSY | Errno::AGAIN))
}

fn if_unknown(error: io::Error, next: TaskRun) -> io::Result<IoUring> {
    // An unknown set-up flag is EINVAL; anything else would happen again.
    if Errno::from_io_error(&error) == Some(Errno::INVAL) { build(next) } else { Err(error) }
}

fn build(task_run: TaskRun) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.setup_clamp().setup_cqsize(COMPLETIONS).dontfork();
    match task_run {
        TaskRun::Deferred => {
            builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag();
            builder.setup_submit_all();
        }
        TaskRun::Cooperative => {
            builder.setup_coop_taskrun().setup_taskrun_flag().setup_submit_all();
        }
        TaskRun::Forced => {}
    }
    builder.build(SUBMISSIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_entries_than_the_queue_holds_are_all_submitted() {
        let Ok(mut ring) = Ring::new() else { return };
        let total = SUBMISSIONS as usize * 3 + 5;
        for _ in 0..total {
            // SAFETY: a no-op names nothing.
            unsafe { ring.push(io_uring::opcode::Nop::new().build()) };
        }
        let mut completed = 0;
        while completed < total {
            ring.enter(Some(Duration::from_secs(5))).expect("enter");
            let before = completed;
            while ring.next_completion().is_some() {
                completed += 1;
            }
            assert!(completed > before, "stuck at {completed}");
        }
    }

    #[test]
    fn every_degree_of_degradation_works() {
        if Ring::new().is_err() {
            return;
        }
        for task_run in [TaskRun::Cooperative, TaskRun::Forced] {
            let mut ring =
                Ring { uring: build(task_run).expect("build"), backlog: VecDeque::new() };
            // SAFETY: a no-op names nothing.
            unsafe { ring.push(io_uring::opcode::Nop::new().build()) };
            ring.enter(Some(Duration::from_secs(5))).expect("enter");
            assert!(ring.next_completion().is_some(), "{task_run:?}");
        }
    }
}
