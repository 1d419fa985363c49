//! What the kernel says about itself in its text files.

use std::fs;

use serde::{Deserialize, Serialize};

/// What decides whether a core runs at one speed and undisturbed. Every field is the kernel's own
/// word, or "unknown".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// What sets the clock of the sender's core.
    pub governor: String,
    /// Whether cores may run above their nominal clock: "on" or "off".
    pub turbo: String,
    /// Whether memory comes in huge pages by itself: "always", "madvise" or "never".
    pub transparent_hugepages: String,
    /// Cores that the scheduler leaves alone.
    pub isolated_cores: String,
    /// Cores without a timer tick while one thread runs.
    pub nohz_full_cores: String,
    /// Processor flaws that the kernel works around, with their names.
    pub mitigations: Vec<String>,
    /// How much of the machine this control group may use: in cores, or "no limit".
    pub cgroup_quota: String,
    /// The deepest idle state of the sender's core, by its name.
    pub deepest_idle_state: String,
}

impl Tuning {
    /// Looks around; `core` stands for all measured ones.
    pub fn collect(core: usize) -> Self {
        let cpu = format!("/sys/devices/system/cpu/cpu{core}");
        Self {
            governor: word(&format!("{cpu}/cpufreq/scaling_governor")),
            turbo: turbo(),
            transparent_hugepages: read("/sys/kernel/mm/transparent_hugepage/enabled")
                .and_then(|text| parse_chosen(&text))
                .unwrap_or_else(unknown),
            isolated_cores: none_if_empty(word("/sys/devices/system/cpu/isolated")),
            nohz_full_cores: none_if_empty(word("/sys/devices/system/cpu/nohz_full")),
            mitigations: mitigations(),
            cgroup_quota: cgroup_quota(),
            deepest_idle_state: deepest_idle_state(&cpu),
        }
    }
}

/// What a file holds, without the white space around it.
pub fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The same, or "unknown".
pub fn word(path: &str) -> String {
    read(path).unwrap_or_else(unknown)
}

/// Stands for what could not be found out.
pub fn unknown() -> String {
    "unknown".into()
}

fn none_if_empty(text: String) -> String {
    if text.is_empty() || text == "(null)" { "none".into() } else { text }
}

/// The word in brackets: `always [madvise] never`.
fn parse_chosen(text: &str) -> Option<String> {
    text.split_whitespace().find_map(|word| Some(word.strip_prefix('[')?.strip_suffix(']')?.into()))
}

fn turbo() -> String {
    let says = |path, on: &str| {
        let value = read(path)?;
        Some(if value == on { "on" } else { "off" }.to_owned())
    };
    says("/sys/devices/system/cpu/intel_pstate/no_turbo", "0")
        .or_else(|| says("/sys/devices/system/cpu/cpufreq/boost", "1"))
        .unwrap_or_else(unknown)
}

fn mitigations() -> Vec<String> {
    let Ok(flaws) = fs::read_dir("/sys/devices/system/cpu/vulnerabilities") else {
        return Vec::new();
    };
    let mut mitigations: Vec<_> = flaws
        .flatten()
        .filter(|flaw| {
            fs::read_to_string(flaw.path()).is_ok_and(|text| text.starts_with("Mitigation"))
        })
        .map(|flaw| flaw.file_name().to_string_lossy().into_owned())
        .collect();
    mitigations.sort();
    mitigations
}

fn deepest_idle_state(cpu: &str) -> String {
    let names = (0..16).map_while(|state| read(&format!("{cpu}/cpuidle/state{state}/name")));
    names.last().unwrap_or_else(unknown)
}

/// The limit of the control group this process is in, of either version of control groups.
fn cgroup_quota() -> String {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        // A container often sees its own group as the root of the tree.
        for path in [path, ""] {
            let limit = if controllers.is_empty() {
                read(&format!("/sys/fs/cgroup{path}/cpu.max"))
                    .and_then(|text| parse_limit(text.split_whitespace()))
            } else if controllers.split(',').any(|controller| controller == "cpu") {
                let file = |name| word(&format!("/sys/fs/cgroup/cpu{path}/cpu.cfs_{name}_us"));
                parse_limit([file("quota"), file("period")].iter().map(String::as_str))
            } else {
                None
            };
            if let Some(limit) = limit {
                return limit;
            }
        }
    }
    unknown()
}

/// Quota and period in microseconds, as the share of a core they make.
fn parse_limit<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<String> {
    let (quota, period) = (words.next()?, words.next()?);
    if ["max", "-1"].contains(&quota) {
        return Some("no limit".into());
    }
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    Some(format!("{:.2} cores", quota / period))
}

/// Processor time of the whole machine since it started, in the kernel's own unit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    /// Now; zero if the kernel does not say.
    pub fn now() -> Self {
        read("/proc/stat").and_then(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find(|line| line.starts_with("cpu "))?;
        let ticks: Vec<u64> =
            line.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; guest time is inside user time.
        Some(Self { all: ticks.iter().take(8).sum(), stolen: *ticks.get(7)? })
    }

    /// The share of the time since `before` in which the host ran something else instead of us.
    pub fn stolen_share_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        self.stolen.saturating_sub(before.stolen) as f64 / all.max(1) as f64
    }
}

/// Load average over the last minute; 0 if unknown.
pub fn load_average() -> f64 {
    read("/proc/loadavg").and_then(|text| parse_load_average(&text)).unwrap_or(0.0)
}

fn parse_load_average(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

/// The processor, as it names itself.
pub fn cpu_model() -> String {
    read("/proc/cpuinfo").and_then(|text| parse_cpu_model(&text)).unwrap_or_else(unknown)
}

fn parse_cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_texts_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\n";
        assert_eq!(parse_cpu_model(cpuinfo).as_deref(), Some("Fast CPU @ 3 GHz"));
        assert_eq!(parse_cpu_model("nothing"), None);
        assert_eq!(parse_load_average("1.25 0.50 0.10 1/100 42"), Some(1.25));
        assert_eq!(parse_chosen("always [madvise] never").as_deref(), Some("madvise"));
    }

    #[test]
    fn quotas_are_told_in_cores() {
        let limit = |text: &str| parse_limit(text.split_whitespace());
        assert_eq!(limit("150000 100000").as_deref(), Some("1.50 cores"));
        assert_eq!(limit("max 100000").as_deref(), Some("no limit"));
        assert_eq!(limit("-1 100000").as_deref(), Some("no limit"));
        assert_eq!(limit("unknown unknown"), None);
    }

    #[test]
    fn stolen_time_is_a_share_of_all_time() {
        let at = |stat| Ticks::parse(stat).unwrap();
        let before = at("cpu  10 0 10 80 0 0 0 0 5 0\ncpu0 1 2 3\n");
        let after = at("cpu  60 0 10 120 0 0 0 10 50 0\n");
        assert!((after.stolen_share_since(before) - 0.1).abs() < 1e-9);
        assert_eq!(before.stolen_share_since(before), 0.0);
        assert_eq!(Ticks::parse("nothing"), None);
    }
}
