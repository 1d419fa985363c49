//! The machine and the build a run happened on, and what about them spoils a measurement, for whom.

mod kernel;

use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::affinity;
use crate::cli::{CORES_FOR_IO_THREADS, Plan};
use crate::clock::utc_text;
use crate::usage;
pub use kernel::Tuning;
use kernel::{Ticks, load_average, unknown, word};

/// Enough to tell whether two results may be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// When the run began.
    pub time_utc: String,
    /// Version of this tool.
    pub tool_version: String,
    /// Commit this tool was built from, with `-dirty` if its sources held changes.
    pub git_commit: String,
    /// Compiler that built this tool.
    pub rustc: String,
    /// `debug` or `release`.
    pub build_profile: String,
    /// Kernel release.
    pub kernel: String,
    /// Processor, as it names itself.
    pub cpu_model: String,
    /// Cores this process may use.
    pub cores: usize,
    /// What the clock is read from.
    pub clocksource: String,
    /// What decides whether cores run at one speed and undisturbed.
    pub tuning: Tuning,
    /// Load average over the minute before the run.
    pub load_average: f64,
    /// The command line.
    pub argv: Vec<String>,
    /// Every option with its value, given or not.
    pub options: serde_json::Value,
    /// Libraries measured, with versions, drivers and loaded files, or why they are absent.
    pub libraries: Vec<String>,
    /// Why system calls are not counted; absent if they are.
    pub system_calls_uncounted: Option<String>,
    /// How undisturbed the measured cores are, once the floor is known.
    #[serde(default)]
    pub jitter: Vec<Jitter>,
}

/// How often a thread that spins on a core was kept from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Jitter {
    /// Which core.
    pub core: usize,
    /// The longest gap.
    pub longest_ns: u64,
    /// The share of the time that all gaps over 1 µs make.
    pub stolen_share: f64,
}

/// What happened while a run went on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conduct {
    /// How long it took.
    pub wall_ms: u64,
    /// Load average at its end.
    pub load_average: f64,
    /// The share of the machine's time that its host took away.
    pub stolen_share: f64,
}

/// A run's beginning.
#[derive(Debug)]
pub struct Watch {
    started: Instant,
    ticks: Ticks,
}

impl Watch {
    /// Begins now.
    pub fn start() -> Self {
        Self { started: Instant::now(), ticks: Ticks::now() }
    }

    /// What happened since.
    pub fn stop(&self) -> Conduct {
        Conduct {
            wall_ms: self.started.elapsed().as_millis() as u64,
            load_average: load_average(),
            stolen_share: Ticks::now().stolen_share_since(self.ticks),
        }
    }
}

impl Conduct {
    /// What spoiled the run while it went on.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.stolen_share > 0.01 {
            warnings.push(format!(
                "the host took {:.1} % of the machine's time during the run: hurts every library's \
                 tail and throughput; repeats show how unevenly",
                100.0 * self.stolen_share
            ));
        }
        warnings
    }
}

impl Manifest {
    /// Looks around. What cannot be found out is "unknown", never an error.
    pub fn collect(plan: &Plan, libraries: Vec<String>) -> Self {
        Self {
            time_utc: utc_text(SystemTime::now()),
            tool_version: env!("CARGO_PKG_VERSION").into(),
            git_commit: option_env!("BENCH_GIT_COMMIT").unwrap_or("unknown").into(),
            rustc: option_env!("BENCH_RUSTC_VERSION").unwrap_or("unknown").into(),
            build_profile: option_env!("BENCH_PROFILE").unwrap_or("unknown").into(),
            kernel: word("/proc/sys/kernel/osrelease"),
            cpu_model: kernel::cpu_model(),
            cores: affinity::allowed().len(),
            clocksource: word("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            tuning: Tuning::collect(plan.cpu_tx),
            load_average: load_average(),
            argv: std::env::args().collect(),
            options: serde_json::to_value(plan).unwrap_or_default(),
            libraries,
            system_calls_uncounted: usage::can_count_system_calls().err(),
            jitter: Vec::new(),
        }
    }

    /// What spoils a measurement here, and whom it hurts. Warnings, not failures: a number with a
    /// caveat is better than none.
    pub fn warnings(&self, plan: &Plan) -> Vec<String> {
        let (tx, rx) = (plan.cpu_tx, plan.cpu_rx);
        let mut warnings = Vec::new();
        if self.build_profile == "debug" {
            warnings.push(
                "this is a debug build, which hurts only the libraries built with it, not libzmq; \
                 run it with cargo run --release"
                    .into(),
            );
        }
        let governor = &self.tuning.governor;
        if !["performance", &unknown()].contains(&governor.as_str()) {
            warnings.push(format!(
                "core {tx}: scaling governor is {governor}, so its clock changes while measuring: \
                 hurts who sleeps most (stock libraries, floor by blocking reads); set it to \
                 performance"
            ));
        }
        if tx == rx {
            warnings.push(format!(
                "sender and receiver share core {tx}: they take turns, which hurts who spins most"
            ));
        } else if affinity::are_smt_siblings(tx, rx) {
            warnings.push(format!(
                "cores {tx} and {rx} are SMT siblings of one physical core, which hurts who spins \
                 most; choose others with --cpu-tx and --cpu-rx"
            ));
        }
        warnings.extend(self.general_warnings());
        warnings
    }

    fn general_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.cores < CORES_FOR_IO_THREADS {
            warnings.push(format!(
                "{} cores: I/O threads share the measured cores, which hurts libraries that hand \
                 every message to an I/O thread (libzmq) more than those whose callers do the I/O",
                self.cores
            ));
        }
        if self.load_average > 0.5 * self.cores as f64 {
            warnings.push(format!(
                "load average {:.2} on {} cores: other work disturbs the measurement, most of all \
                 whoever spins and every tail",
                self.load_average, self.cores
            ));
        }
        if !["tsc", "arch_sys_counter", "kvm-clock", "unknown"].contains(&self.clocksource.as_str())
        {
            warnings.push(format!(
                "clocksource is {}: reading the clock may cost a system call, which hurts the \
                 fastest cells most",
                self.clocksource
            ));
        }
        if self.tuning.cgroup_quota.ends_with("cores") {
            warnings.push(format!(
                "the control group may use {}: at its limit everything stops for milliseconds, \
                 which hurts who uses most processor time",
                self.tuning.cgroup_quota
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;

    fn manifest() -> (Plan, Manifest) {
        let plan = Cli::parse_from(["bench-harness", "--quick"]).run.plan().unwrap();
        let manifest = Manifest::collect(&plan, vec!["raw".into()]);
        (plan, manifest)
    }

    #[test]
    fn a_saved_manifest_reads_back_the_same() {
        let (_, manifest) = manifest();
        let text = serde_json::to_string_pretty(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
        assert!(manifest.options["warm_up_ns"].is_u64(), "options carry their units");
    }

    #[test]
    fn what_disturbs_is_warned_about_and_whom_it_hurts() {
        let (plan, mut manifest) = manifest();
        (manifest.cores, manifest.load_average) = (2, 1.5);
        manifest.clocksource = "hpet".into();
        manifest.tuning.cgroup_quota = "1.50 cores".into();
        let warnings = manifest.warnings(&plan).join("\n");
        for expected in ["I/O threads share", "load average 1.50 on 2 cores", "hpet", "1.50 cores"]
        {
            assert!(warnings.contains(expected), "{warnings}");
        }
        for warning in manifest.general_warnings() {
            assert!(warning.contains("hurts") || warning.contains("most of all"), "{warning}");
        }
        (manifest.cores, manifest.load_average) = (8, 1.5);
        manifest.clocksource = "tsc".into();
        manifest.tuning.cgroup_quota = "no limit".into();
        assert_eq!(manifest.general_warnings(), [] as [String; 0]);
    }

    #[test]
    fn one_core_for_both_sides_is_warned_about() {
        let (mut plan, manifest) = manifest();
        plan.cpu_rx = plan.cpu_tx;
        assert!(manifest.warnings(&plan).iter().any(|warning| warning.contains("share core")));
    }

    #[test]
    fn stolen_time_is_warned_about_after_the_run() {
        let mut conduct = Watch::start().stop();
        conduct.stolen_share = 0.005;
        assert!(conduct.warnings().is_empty());
        conduct.stolen_share = 0.025;
        assert!(conduct.warnings()[0].contains("2.5 %"));
    }
}
