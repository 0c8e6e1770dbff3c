//! The tools that are compared, and how each is told to copy.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::place::{Place, Sink};

/// A tool, and how it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    Apipool,
    /// By its rest_api source.
    Dlt,
    /// By a parallelized transformer.
    DltThreads,
    Faucet,
}

impl Tool {
    pub fn name(self) -> &'static str {
        match self {
            Self::Apipool => "apipool",
            Self::Dlt => "dlt",
            Self::DltThreads => "dlt, 32 threads",
            Self::Faucet => "faucet",
        }
    }

    /// The table that it makes of `items`, with its schema.
    pub fn table(self, sink: Sink) -> &'static str {
        match (self, sink.kind()) {
            (Self::Dlt | Self::DltThreads, "postgres") => "bench.items",
            _ => "items",
        }
    }

    /// Whether the table has to be there before.
    pub fn wants_table(self, sink: Sink) -> bool {
        self == Self::Faucet && sink != Sink::Parquet
    }
}

/// A copy to make.
pub struct Task<'a> {
    pub tool: Tool,
    pub base_url: &'a str,
    pub place: &'a Place<'a>,
    /// Requests per second, for tools that can be told.
    pub rate: Option<f64>,
}

/// Where the programs are.
pub struct Tools {
    pub apipool: PathBuf,
    /// The Python that has dlt.
    pub python: PathBuf,
    pub faucet: Option<PathBuf>,
}

impl Tools {
    /// The command that makes a copy.
    pub fn command(&self, task: &Task<'_>) -> anyhow::Result<Command> {
        let mut command = match task.tool {
            Tool::Apipool => self.apipool(task),
            Tool::Dlt => self.dlt(task),
            Tool::DltThreads => {
                let mut command = self.dlt(task);
                command.arg("--threads");
                command.envs([("EXTRACT__WORKERS", "32"), ("EXTRACT__MAX_PARALLEL_ITEMS", "32")]);
                command
            }
            Tool::Faucet => self.faucet(task)?,
        };
        command.current_dir(&task.place.folder);
        Ok(command)
    }

    fn apipool(&self, task: &Task<'_>) -> Command {
        let description = if task.rate.is_some() { "limited.yaml" } else { "copy.yaml" };
        let mut command = Command::new(&self.apipool);
        command.arg("run").arg(here().join("apipool").join(description));
        command.args([task.place.sink.name(), "--json"]);
        command.args(["--var", &format!("BASE_URL={}", task.base_url)]);
        command.args(["--var", &format!("TARGET={}", task.place.target())]);
        if let Some(rate) = task.rate {
            command.args(["--var", &format!("RATE={rate}")]);
        }
        command
    }

    fn dlt(&self, task: &Task<'_>) -> Command {
        let home = task.place.folder.join("dlt");
        let mut command = Command::new(&self.python);
        command.arg(here().join("dlt/pipeline.py"));
        command.args([task.place.sink.name(), task.base_url, task.place.target()]);
        command.arg(home.join("pipelines"));
        // Neither the network nor the user's folder has a part in it.
        command.env("RUNTIME__DLTHUB_TELEMETRY", "false").env("DLT_DATA_DIR", home);
        command
    }

    fn faucet(&self, task: &Task<'_>) -> anyhow::Result<Command> {
        let mut command = Command::new(self.faucet.as_ref().context("faucet is not installed")?);
        command.arg("run").arg(here().join(format!("faucet/{}.yaml", task.place.sink.name())));
        command.env("BASE_URL", task.base_url).env("TARGET", task.place.target());
        Ok(command)
    }

    /// Makes the table, for a tool that wants it to be there.
    pub fn create(&self, place: &Place<'_>) -> Command {
        let mut command = self.sinks("create", place);
        if place.sink == Sink::Merge {
            command.arg("--key");
        }
        command
    }

    /// Counts the rows that a tool has copied, and their ids.
    pub fn count(&self, tool: Tool, place: &Place<'_>) -> Command {
        let mut command = self.sinks("count", place);
        command.arg(tool.table(place.sink));
        command
    }

    fn sinks(&self, verb: &str, place: &Place<'_>) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(here().join("sinks.py")).args([verb, place.sink.kind(), place.target()]);
        command
    }
}

/// The folder with the descriptions.
fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
