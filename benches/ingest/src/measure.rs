//! What a command takes. It is the only child of a process of its own, so that the usage of children
//! there is its own, with that of whatever it has started and waited for.

use std::{
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::Context;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};
use serde::{Deserialize, Serialize};

/// What a command took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// By the clock, from its start to its end.
    pub seconds: f64,
    /// Of the processor, user and system.
    pub cpu_seconds: f64,
    /// The most memory that one of its processes had.
    pub peak_kib: i64,
}

/// The command, to be run and measured. What it took is in the file `to` then.
pub fn wrapped(command: &Command, to: &Path) -> anyhow::Result<Command> {
    let mut wrapped = Command::new(std::env::current_exe()?);
    wrapped.args(["measure", "--to"]).arg(to).arg("--");
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    Ok(wrapped)
}

/// Runs a command and writes what it took.
pub fn run(command: &[OsString], to: &Path) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("there is no command")?;
    let began = Instant::now();
    let status = Command::new(program).args(arguments).status()?;
    let seconds = began.elapsed().as_secs_f64();
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu_seconds = in_seconds(used.user_time()) + in_seconds(used.system_time());
    let usage = Usage { seconds, cpu_seconds, peak_kib: used.max_rss() };
    fs::write(to, serde_json::to_vec(&usage)?)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}
