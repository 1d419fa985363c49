//! What a measurement costs its process: processor time, context switches, system calls, memory.

use std::sync::{Mutex, OnceLock};

use nix::sys::resource::{Usage as ResourceUsage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use perf_event::events::Tracepoint;
use perf_event::{Builder, Counter};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// All threads of one process, over the measured phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time outside the kernel.
    pub user_ns: u64,
    /// Processor time inside the kernel.
    pub system_ns: u64,
    /// How often a thread went to sleep.
    pub voluntary_switches: u64,
    /// How often a thread was moved off its core.
    pub involuntary_switches: u64,
    /// System calls, where the kernel lets us count them.
    pub system_calls: Option<u64>,
}

impl Usage {
    /// The costs of both processes together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            user_ns: self.user_ns + other.user_ns,
            system_ns: self.system_ns + other.system_ns,
            voluntary_switches: self.voluntary_switches + other.voluntary_switches,
            involuntary_switches: self.involuntary_switches + other.involuntary_switches,
            system_calls: self.system_calls.zip(other.system_calls).map(|(one, two)| one + two),
        }
    }

    /// Processor time altogether.
    pub fn cpu_ns(self) -> u64 {
        self.user_ns + self.system_ns
    }

    fn now() -> Option<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        let count = |number: fn(&ResourceUsage) -> i64| number(&usage).max(0) as u64;
        Some(Self {
            user_ns: nanoseconds(usage.user_time()),
            system_ns: nanoseconds(usage.system_time()),
            voluntary_switches: count(|usage| usage.voluntary_context_switches()),
            involuntary_switches: count(|usage| usage.involuntary_context_switches()),
            system_calls: system_calls(),
        })
    }

    fn since(self, before: Self) -> Self {
        let calls = self.system_calls.zip(before.system_calls);
        Self {
            user_ns: self.user_ns.saturating_sub(before.user_ns),
            system_ns: self.system_ns.saturating_sub(before.system_ns),
            voluntary_switches: self.voluntary_switches.saturating_sub(before.voluntary_switches),
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(before.involuntary_switches),
            system_calls: calls.map(|(after, before)| after.saturating_sub(before)),
        }
    }
}

fn nanoseconds(time: TimeVal) -> u64 {
    time.tv_sec().max(0) as u64 * crate::clock::SECOND_NS + time.tv_usec().max(0) as u64 * 1000
}

/// Takes the usage of this process between two moments. Where both sides are threads of one
/// process, only one side has a meter that runs: what the process uses is counted once.
#[derive(Debug)]
pub struct Meter {
    counts: bool,
    begun: Option<Usage>,
}

impl Meter {
    /// A meter that runs, or one that never does.
    pub fn new(counts: bool) -> Self {
        Self { counts, begun: None }
    }

    /// The measured phase begins.
    pub fn begin(&mut self) {
        self.begun = if self.counts { Usage::now() } else { None };
    }

    /// What was used since then; none if the meter does not run or was never begun.
    pub fn end(&self) -> Option<Usage> {
        Some(Usage::now()?.since(self.begun?))
    }
}

static SYSTEM_CALLS: OnceLock<Mutex<Counter>> = OnceLock::new();

/// Starts to count the system calls of this thread and of all it will start. To be called before
/// any other thread exists.
///
/// # Errors
/// The kernel's reason, in words: the tracepoint `raw_syscalls:sys_enter` needs a mounted tracefs
/// and the right to use it (`kernel.perf_event_paranoid` of -1, or CAP_PERFMON).
pub fn count_system_calls() -> Result<(), String> {
    let counter = system_call_counter()?;
    // A second call finds the first one's counter, which goes on.
    let _ = SYSTEM_CALLS.set(Mutex::new(counter));
    Ok(())
}

/// Whether [`count_system_calls`] would work; counts nothing.
///
/// # Errors
/// As for that.
pub fn can_count_system_calls() -> Result<(), String> {
    system_call_counter().map(drop)
}

fn system_call_counter() -> Result<Counter, String> {
    let tracepoint = Tracepoint::with_id(sys_enter_id(&TRACEFS)?);
    // The tracepoint fires inside the kernel, which a counter leaves out unless told otherwise.
    let counter = Builder::new(tracepoint).include_kernel().inherit(true).enabled(true).build();
    counter.map_err(|error| format!("perf may not count system calls here ({error})"))
}

/// Where tracefs is mounted: by itself, or by debugfs.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

fn sys_enter_id(mounts: &[&str]) -> Result<u64, String> {
    let mut reasons = Vec::new();
    for mount in mounts {
        let path = format!("{mount}/events/raw_syscalls/sys_enter/id");
        match std::fs::read_to_string(&path) {
            Ok(id) => return id.trim().parse().map_err(|error| format!("{path}: {error}")),
            Err(error) => reasons.push(format!("{path}: {error}")),
        }
    }
    Err(format!(
        "not counted, {}; `mount -t tracefs nodev /sys/kernel/tracing` helps",
        reasons.join(", ")
    ))
}

fn system_calls() -> Option<u64> {
    SYSTEM_CALLS.get()?.lock().ok()?.read().ok()
}

/// The memory of this process that is in use and not shared with files, in bytes.
pub fn private_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    parse_anonymous_bytes(&status)
}

fn parse_anonymous_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Lets this process open as many descriptors as it is allowed to: thousands of connections need
/// more than the usual first limit.
pub fn allow_many_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // What is refused shows later as an error that names the limit.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_phase_costs_processor_time_and_a_meter_that_is_off_says_nothing() {
        let (mut on, mut off) = (Meter::new(true), Meter::new(false));
        assert!(on.end().is_none(), "never begun");
        on.begin();
        off.begin();
        let until_ns = crate::clock::now_ns() + 20 * crate::clock::MILLISECOND_NS;
        while crate::clock::now_ns() < until_ns {}
        let usage = on.end().unwrap();
        assert!(usage.cpu_ns() > 0, "{usage:?}");
        assert!(off.end().is_none());
    }

    #[test]
    fn both_sides_add_up_and_unknown_calls_stay_unknown() {
        let one = Usage { user_ns: 1, system_ns: 2, system_calls: Some(3), ..Usage::default() };
        let both = one.and(Usage { system_calls: Some(4), voluntary_switches: 5, ..one });
        assert_eq!((both.cpu_ns(), both.system_calls), (6, Some(7)));
        assert_eq!(both.voluntary_switches, 5);
        assert_eq!(one.and(Usage::default()).system_calls, None);
    }

    #[test]
    fn the_tracepoint_is_found_wherever_it_is_mounted() {
        let directory = tempfile::TempDir::new().unwrap();
        let mount = directory.path().to_str().unwrap();
        let error = sys_enter_id(&["/nowhere", mount]).unwrap_err();
        assert!(error.contains("/nowhere") && error.contains(mount), "{error}");
        let event = directory.path().join("events/raw_syscalls/sys_enter");
        std::fs::create_dir_all(&event).unwrap();
        std::fs::write(event.join("id"), "353\n").unwrap();
        assert_eq!(sys_enter_id(&["/nowhere", mount]), Ok(353));
        std::fs::write(event.join("id"), "many\n").unwrap();
        assert!(sys_enter_id(&[mount]).unwrap_err().contains("sys_enter/id"));
    }

    #[test]
    fn the_kernel_says_how_much_memory_is_used() {
        assert_eq!(parse_anonymous_bytes("VmRSS:\t 9 kB\nRssAnon:\t   12 kB\n"), Some(12 * 1024));
        assert_eq!(parse_anonymous_bytes("VmRSS:\t 9 kB\n"), None);
        assert!(private_memory_bytes().unwrap() > 0);
    }
}
