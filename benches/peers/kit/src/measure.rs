//! What this process has used, and which cores it may use.

use std::{fs, time::Duration};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeVal,
    },
    unistd::Pid,
};

/// The processor time of this process so far, user and system, of all its threads.
pub fn cpu() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

fn duration(time: TimeVal) -> Duration {
    Duration::new(time.tv_sec().unsigned_abs(), 1000 * time.tv_usec().unsigned_abs() as u32)
}

/// The most memory that this process has had, in KiB.
pub fn peak_kib() -> u64 {
    status("VmHWM:")
}

/// The memory that this process has, in KiB.
pub fn resident_kib() -> u64 {
    status("VmRSS:")
}

/// 0 where the system does not say.
fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Keeps this process, which has one thread so far, on `cores`; with none given, on any.
pub fn pin(cores: &[usize]) -> anyhow::Result<()> {
    // A program of one thread has cheaper allocations in glibc than any program has that
    // does something besides reading. With a second thread, idle, all clients pay the same.
    std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    });
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// How many cores this process could use when it started.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
