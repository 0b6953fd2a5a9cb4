//! Resources of a process, as the kernel counts them.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// Returns the CPU time of all threads that a process has, in user and kernel mode. A thread that ended is not in it;
/// the controller's worker threads do not end.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let mut total = 0_u64;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")? {
        // Between the listing and the reading a thread may end.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
        total += text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or_default();
    }
    Ok(Duration::from_nanos(total))
}

/// Returns the resident memory, in bytes.
pub(crate) fn memory(pid: u32) -> Result<u64> {
    field(pid, "VmRSS:")
}

/// Returns the most memory that was ever resident, in bytes.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    field(pid, "VmHWM:")
}

/// Returns how often its threads went to sleep or were put aside: as often they were woken.
pub(crate) fn switches(pid: u32) -> Result<u64> {
    let mut total = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")? {
        let Ok(text) = std::fs::read_to_string(task?.path().join("status")) else { continue };
        let counts = text.lines().filter(|line| line.contains("voluntary_ctxt_switches:"));
        total += counts.filter_map(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(total)
}

fn field(pid: u32, name: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|l| l.split_whitespace().next()).and_then(|kb| kb.parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("no {name} in /proc/{pid}/status"))? * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_can_be_read() {
        let own = std::process::id();
        assert!(super::memory(own).unwrap() > 100_000);
        assert!(super::peak_memory(own).unwrap() >= super::memory(own).unwrap() / 2);
        assert!(super::cpu(own).is_ok() && super::switches(own).unwrap() > 0);
        assert!(super::cpu(u32::MAX).is_err());
    }
}
