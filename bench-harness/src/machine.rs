//! The machine and the build a run happened on, and what about them spoils a measurement.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::affinity;
use crate::cli::{CORES_FOR_IO_THREADS, Plan};
use crate::clock::utc_text;

/// Enough to tell whether two results may be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// When the run began.
    pub time_utc: String,
    /// Version of this tool.
    pub tool_version: String,
    /// Commit of the working directory, with `-dirty` if it holds changes.
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
    /// Load average over the minute before the run.
    pub load_average: f64,
    /// The command line.
    pub argv: Vec<String>,
    /// Every option with its value, given or not.
    pub options: serde_json::Value,
    /// Libraries measured, with their versions or why they are absent.
    pub libraries: Vec<String>,
}

impl Manifest {
    /// Looks around. What cannot be found out is "unknown", never an error.
    pub fn collect(plan: &Plan, libraries: Vec<String>) -> Self {
        Self {
            time_utc: utc_text(SystemTime::now()),
            tool_version: env!("CARGO_PKG_VERSION").into(),
            git_commit: git_commit().unwrap_or_else(unknown),
            rustc: option_env!("BENCH_RUSTC_VERSION").unwrap_or("unknown").into(),
            build_profile: option_env!("BENCH_PROFILE").unwrap_or("unknown").into(),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            cpu_model: read("/proc/cpuinfo")
                .and_then(|text| parse_cpu_model(&text))
                .unwrap_or_else(unknown),
            cores: affinity::allowed().len(),
            clocksource: read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
                .unwrap_or_else(unknown),
            load_average: read("/proc/loadavg")
                .and_then(|text| parse_load_average(&text))
                .unwrap_or(0.0),
            argv: std::env::args().collect(),
            options: serde_json::to_value(plan).unwrap_or_default(),
            libraries,
        }
    }

    /// What spoils a measurement here. Warnings, not failures: a number with a caveat is better
    /// than none.
    pub fn warnings(&self, plan: &Plan) -> Vec<String> {
        let (tx, rx) = (plan.cpu_tx, plan.cpu_rx);
        let mut warnings = Vec::new();
        if self.build_profile == "debug" {
            warnings.push("this is a debug build; run it with cargo run --release".into());
        }
        for core in if tx == rx { vec![tx] } else { vec![tx, rx] } {
            let path = format!("/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor");
            if let Some(governor) = read(&path).filter(|governor| governor != "performance") {
                warnings.push(format!(
                    "core {core}: scaling governor is {governor}, so its clock changes while \
                     measuring; set it to performance"
                ));
            }
        }
        if tx == rx {
            warnings.push(format!("sender and receiver share core {tx}: they take turns"));
        } else if affinity::are_smt_siblings(tx, rx) {
            warnings.push(format!(
                "cores {tx} and {rx} are SMT siblings of one physical core; choose others with \
                 --cpu-tx and --cpu-rx"
            ));
        }
        warnings.extend(self.general_warnings());
        warnings
    }

    fn general_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.cores < CORES_FOR_IO_THREADS {
            warnings.push(format!("{} cores: I/O threads share the measured cores", self.cores));
        }
        if self.load_average > 0.5 * self.cores as f64 {
            warnings.push(format!(
                "load average {:.2} on {} cores: other work disturbs the measurement",
                self.load_average, self.cores
            ));
        }
        if !["tsc", "arch_sys_counter", "unknown"].contains(&self.clocksource.as_str()) {
            warnings.push(format!(
                "clocksource is {}: reading the clock may cost a system call per message",
                self.clocksource
            ));
        }
        warnings
    }
}

fn unknown() -> String {
    "unknown".into()
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn git_commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { commit } else { format!("{commit}-dirty") })
}

fn parse_cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn parse_load_average(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
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
    fn kernel_texts_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\n";
        assert_eq!(parse_cpu_model(cpuinfo).as_deref(), Some("Fast CPU @ 3 GHz"));
        assert_eq!(parse_cpu_model("nothing"), None);
        assert_eq!(parse_load_average("1.25 0.50 0.10 1/100 42"), Some(1.25));
    }

    #[test]
    fn what_disturbs_is_warned_about() {
        let (plan, mut manifest) = manifest();
        (manifest.cores, manifest.load_average) = (2, 1.5);
        manifest.clocksource = "hpet".into();
        let warnings = manifest.warnings(&plan).join("\n");
        for expected in ["I/O threads share", "load average 1.50 on 2 cores", "hpet"] {
            assert!(warnings.contains(expected), "{warnings}");
        }
        (manifest.cores, manifest.load_average) = (8, 1.5);
        manifest.clocksource = "tsc".into();
        assert_eq!(manifest.general_warnings(), [] as [String; 0]);
    }

    #[test]
    fn one_core_for_both_sides_is_warned_about() {
        let (mut plan, manifest) = manifest();
        plan.cpu_rx = plan.cpu_tx;
        assert!(manifest.warnings(&plan).iter().any(|warning| warning.contains("share core")));
    }
}
