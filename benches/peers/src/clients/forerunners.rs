//! Clients that need serde_json with `preserve_order`, which makes a JSON tree dearer for everyone
//! in the same build. So they are a program of their own, built with its own features.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::Context;
use kit::job::{Job, Outcome};

/// Does the job in that program, which is pinned and measures itself.
pub fn run(client: &str, job: &Job) -> anyhow::Result<Outcome> {
    let output = Command::new(program()?)
        .args(["read", client])
        .args(job.arguments())
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(output.status.success(), "{client} failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Builds the program into the folder of this one, unless it is up to date there.
pub fn program() -> anyhow::Result<&'static Path> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    if let Some(program) = PROGRAM.get() {
        return Ok(program);
    }
    let own = env::current_exe()?;
    let profile = own.parent().context("this program is in no folder")?;
    let target = profile.parent().context("the folder of builds is in no folder")?;
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--package", "forerunners", "--manifest-path"]);
    build.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    build.arg("--target-dir").arg(target);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    // Its output must not get among the tables.
    let status = build.stdout(Stdio::null()).status().context("cargo cannot be run")?;
    anyhow::ensure!(status.success(), "the forerunners cannot be built");
    let name = format!("forerunners{}", env::consts::EXE_SUFFIX);
    Ok(PROGRAM.get_or_init(|| profile.join(name)))
}
