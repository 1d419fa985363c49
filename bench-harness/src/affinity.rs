//! Which core each side of a measurement runs on.

use std::fs;

use anyhow::{Result, bail};
use core_affinity::CoreId;

/// The cores of the sending and the receiving application thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    /// Core of the sender or requester.
    pub tx: usize,
    /// Core of the receiver or responder.
    pub rx: usize,
}

/// The cores this process may use, in ascending order.
pub fn allowed() -> Vec<usize> {
    let mut cores: Vec<_> =
        core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
    cores.sort_unstable();
    cores
}

/// The cores asked for, or else the first allowed core and the first that is not its SMT sibling.
pub fn choose(tx: Option<usize>, rx: Option<usize>) -> Result<Cores> {
    choose_among(&allowed(), tx, rx, are_smt_siblings)
}

fn choose_among(
    allowed: &[usize],
    tx: Option<usize>,
    rx: Option<usize>,
    siblings: impl Fn(usize, usize) -> bool,
) -> Result<Cores> {
    for (flag, core) in [("--cpu-tx", tx), ("--cpu-rx", rx)] {
        if let Some(core) = core
            && !allowed.contains(&core)
        {
            bail!("{flag} {core}: not a core this process may use; choose one of {allowed:?}");
        }
    }
    let Some(first) = allowed.iter().copied().find(|&core| Some(core) != rx).or(rx) else {
        bail!("the cores this process may use could not be read; name them: --cpu-tx 0 --cpu-rx 1");
    };
    let tx = tx.unwrap_or(first);
    let others = || allowed.iter().copied().filter(|&core| core != tx);
    let apart = others().find(|&core| !siblings(tx, core));
    let rx = rx.or(apart).or_else(|| others().next()).unwrap_or(tx);
    Ok(Cores { tx, rx })
}

/// Pins the calling thread. Threads that it starts later inherit the core.
pub fn pin(core: usize) -> Result<()> {
    if !core_affinity::set_for_current(CoreId { id: core }) {
        bail!("could not pin to core {core}; is it in this container's cpuset?");
    }
    Ok(())
}

/// Whether two logical cores share one physical core.
pub fn are_smt_siblings(one: usize, other: usize) -> bool {
    let path = format!("/sys/devices/system/cpu/cpu{one}/topology/thread_siblings_list");
    one != other && fs::read_to_string(path).is_ok_and(|list| parse_list(&list).contains(&other))
}

/// The kernel's core list format: `0-2,8` is 0, 1, 2 and 8. What it cannot read it leaves out.
fn parse_list(list: &str) -> Vec<usize> {
    let ranges = list.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_core_lists_are_read() {
        assert_eq!(parse_list("0-2,8\n"), [0, 1, 2, 8]);
        assert_eq!(parse_list("5"), [5]);
        assert_eq!(parse_list(""), [] as [usize; 0]);
    }

    #[test]
    fn the_default_cores_are_not_siblings_if_that_can_be_helped() {
        let paired = |one: usize, other: usize| one / 2 == other / 2;
        let pick = |allowed: &[usize], tx, rx| choose_among(allowed, tx, rx, paired).unwrap();
        assert_eq!(pick(&[0, 1, 2, 3], None, None), Cores { tx: 0, rx: 2 });
        assert_eq!(pick(&[0, 1], None, None), Cores { tx: 0, rx: 1 });
        assert_eq!(pick(&[3], None, None), Cores { tx: 3, rx: 3 });
        assert_eq!(pick(&[0, 1, 2, 3], None, Some(0)), Cores { tx: 1, rx: 0 });
        assert_eq!(pick(&[0, 1, 2, 3], Some(3), None), Cores { tx: 3, rx: 0 });
    }

    #[test]
    fn a_core_outside_the_allowed_ones_is_refused_by_flag_and_number() {
        let error = choose_among(&[0, 1], None, Some(9), |_, _| false).unwrap_err().to_string();
        assert!(error.contains("--cpu-rx 9") && error.contains("[0, 1]"), "{error}");
    }
}
