//! Whether anybody can make progress while this thread spins.

use std::sync::OnceLock;

const ONLINE: &str = "/sys/devices/system/cpu/online";

/// True if the machine has more than one CPU online. What the calling thread may use does not matter: a thread that is
/// pinned to one CPU waits for others that are not.
pub(super) fn has_other_cpus() -> bool {
    // Read once; a machine that gains or loses CPUs keeps the first answer.
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| match std::fs::read_to_string(ONLINE).ok().and_then(|s| count(&s)) {
        Some(online) => online > 1,
        None => std::thread::available_parallelism().is_ok_and(|n| n.get() > 1),
    })
}

/// Number of CPUs in the kernel's list format: `0-3,8`.
fn count(list: &str) -> Option<usize> {
    let count_range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(last.checked_sub(first)? + 1)
    };
    list.trim().split(',').map(count_range).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    #[test]
    fn lists_are_counted() {
        assert_eq!(count("0\n"), Some(1));
        assert_eq!(count("0-3\n"), Some(4));
        assert_eq!(count("0-1,4,6-7\n"), Some(5));
        assert_eq!(count("3-1"), None);
        assert_eq!(count(""), None);
    }

    #[test]
    fn a_pinned_thread_sees_the_whole_machine() {
        let online = std::fs::read_to_string(ONLINE).expect("Linux");
        let all = sched_getaffinity(None).expect("our own");
        let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).expect("we run somewhere");
        let mut one = CpuSet::new();
        one.set(first);
        // In a test of its own process nobody asked before; under `cargo test` either order must give the same answer.
        std::thread::spawn(move || {
            sched_setaffinity(None, &one).expect("one of ours");
            assert_eq!(has_other_cpus(), online.trim() != "0");
        })
        .join()
        .expect("the same answer");
    }
}
