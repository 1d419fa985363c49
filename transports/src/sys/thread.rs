//! What a thread of ours sets up for itself before it starts working: name, processors, scheduling, timer slack.
//!
//! Nothing here is fatal. What the system refuses becomes a warning that says what to do about it, and the thread
//! runs on. Resource limits (`RLIMIT_NOFILE`) are the operator's and are not touched.

use std::ffi::CString;
use std::io;
use std::num::NonZeroU64;

use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack, set_name};

/// Longest thread name Linux keeps, in bytes without the NUL.
const NAME_BYTES_MAX: usize = 15;

/// Wishes of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadSetup {
    /// Name; cut at 15 bytes. Empty: leave.
    pub name: String,
    /// Processors it may run on. Empty: leave.
    pub cpus: Vec<usize>,
    /// Scheduling policy as the system numbers it (0 other, 1 fifo, 2 round-robin …). `None`: leave.
    pub sched_policy: Option<u32>,
    /// Priority: 1 to 99 under a real-time policy; under an ordinary one n lowers niceness by n, as in libzmq.
    /// `None`: leave.
    pub priority: Option<u32>,
    /// Timers and timed waits fire within 1 ns instead of 50 µs.
    pub fine_timers: bool,
}

/// Applies `setup` to the calling thread; returns what did not work, in words for a log.
pub fn apply_thread_setup(setup: &ThreadSetup) -> Vec<String> {
    let steps = [
        ("name", apply_name(&setup.name)),
        ("processors", apply_cpus(&setup.cpus)),
        ("scheduling", apply_scheduling(setup.sched_policy, setup.priority)),
        ("timer slack", apply_timer_slack(setup.fine_timers)),
    ];
    let mut warnings = Vec::new();
    for (what, result) in steps {
        if let Err(error) = result {
            warnings.push(describe(what, setup, &error));
        }
    }
    warnings
}

fn describe(what: &str, setup: &ThreadSetup, error: &io::Error) -> String {
    let advice = match what {
        "processors" => format!("processors {:?} are not available here", setup.cpus),
        "scheduling" => format!(
            "policy {:?} with priority {:?} needs CAP_SYS_NICE or an RLIMIT_RTPRIO, and a priority in the policy's range",
            setup.sched_policy, setup.priority
        ),
        _ => "the thread runs on without it".to_owned(),
    };
    format!("thread {}: could not set its {what}: {error} ({advice})", setup.name)
}

fn apply_name(name: &str) -> io::Result<()> {
    if name.is_empty() {
        return Ok(());
    }
    let mut bytes: Vec<u8> = name.bytes().filter(|byte| *byte != 0).collect();
    bytes.truncate(NAME_BYTES_MAX);
    set_name(&CString::new(bytes)?)?;
    Ok(())
}

fn apply_cpus(cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for cpu in cpus {
        if *cpu >= CpuSet::MAX_CPU {
            return Err(rustix::io::Errno::INVAL.into());
        }
        set.set(*cpu);
    }
    sched_setaffinity(None, &set)?;
    Ok(())
}

fn apply_scheduling(policy: Option<u32>, priority: Option<u32>) -> io::Result<()> {
    let policy = match policy {
        Some(policy) => libc::c_int::try_from(policy).map_err(|_| rustix::io::Errno::INVAL)?,
        None if priority.is_none() => return Ok(()),
        // SAFETY: no pointer is passed; 0 names the calling thread.
        None => unsafe { libc::sched_getscheduler(0) },
    };
    let wanted =
        libc::c_int::try_from(priority.unwrap_or(0)).map_err(|_| rustix::io::Errno::INVAL)?;
    let real_time = matches!(policy, libc::SCHED_FIFO | libc::SCHED_RR);
    let param = libc::sched_param { sched_priority: if real_time { wanted } else { 0 } };
    // SAFETY: `param` lives across the call; 0 names the calling thread.
    if unsafe { libc::sched_setscheduler(0, policy, &param) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if !real_time && wanted > 0 {
        lower_niceness(wanted)?;
    }
    Ok(())
}

fn lower_niceness(by: libc::c_int) -> io::Result<()> {
    // On Linux PRIO_PROCESS with id 0 is the calling thread, not the process.
    // SAFETY: no pointer is passed.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -by) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn apply_timer_slack(fine: bool) -> io::Result<()> {
    if fine {
        set_current_timer_slack(NonZeroU64::new(1))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The set-up stays with the thread, so every test uses a thread of its own.
    fn on_a_thread(setup: ThreadSetup, check: fn(Vec<String>)) {
        std::thread::spawn(move || check(apply_thread_setup(&setup))).join().expect("no panic");
    }

    #[test]
    fn name_processor_and_slack_take_effect() {
        let name = "zr-io-0-with-a-long-name".to_owned();
        let cpu = (0..CpuSet::MAX_CPU)
            .find(|cpu| rustix::thread::sched_getaffinity(None).expect("mine").is_set(*cpu))
            .expect("one processor");
        let setup = ThreadSetup { name, cpus: vec![cpu], fine_timers: true, ..Default::default() };
        on_a_thread(setup, |warnings| {
            assert_eq!(warnings, Vec::<String>::new());
            assert_eq!(rustix::thread::name().expect("named").to_bytes(), b"zr-io-0-with-a-");
            assert_eq!(rustix::thread::sched_getaffinity(None).expect("mine").count(), 1);
            assert_eq!(rustix::thread::current_timer_slack().expect("readable"), 1);
        });
    }

    #[test]
    fn what_is_refused_is_a_warning_that_names_the_values() {
        let setup = ThreadSetup {
            name: "zr-io-1".to_owned(),
            cpus: vec![1023],
            sched_policy: Some(77),
            ..Default::default()
        };
        on_a_thread(setup, |warnings| {
            assert_eq!(warnings.len(), 2, "{warnings:?}");
            assert!(warnings[0].contains("[1023]") && warnings[1].contains("77"), "{warnings:?}");
        });
    }

    #[test]
    fn nothing_wished_is_nothing_done() {
        on_a_thread(ThreadSetup::default(), |warnings| assert!(warnings.is_empty()));
    }
}
