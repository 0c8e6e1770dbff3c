//! Runs tools as processes of their own, and looks at what they have copied.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, ensure};

use crate::{
    api::Book,
    measure::{self, Usage},
    place::Place,
    postgres::Postgres,
    tools::{Task, Tool, Tools},
};

/// How much is copied, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rows: u64,
    pub rounds: usize,
}

/// What a comparison needs.
pub struct Bench {
    pub tools: Tools,
    pub postgres: Postgres,
    pub book: Arc<Book>,
    pub rounds: usize,
}

/// The rows in a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    pub all: u64,
    /// Different ids.
    pub distinct: u64,
}

impl Bench {
    pub fn new(tools: Tools, effort: Effort) -> anyhow::Result<Self> {
        let book = Arc::new(Book::new(effort.rows));
        Ok(Self { tools, postgres: Postgres::start()?, book, rounds: effort.rounds })
    }

    /// Makes the table that a tool wants to be there.
    pub fn prepare(&self, tool: Tool, place: &Place<'_>) -> anyhow::Result<()> {
        if tool.wants_table(place.sink) {
            answer_of(&mut self.tools.create(place))?;
        }
        Ok(())
    }

    /// Makes a copy, and says what it took.
    pub fn copy(&self, task: &Task<'_>) -> anyhow::Result<Usage> {
        let to = task.place.folder.join("usage.json");
        let mut command = measure::wrapped(&self.tools.command(task)?, &to)?;
        let status = logged(&mut command, task.place)?.status()?;
        ensure!(status.success(), "{status}\n{}", said(task.place));
        Ok(serde_json::from_slice(&fs::read(to)?)?)
    }

    /// Begins to make a copy.
    pub fn start(&self, task: &Task<'_>) -> anyhow::Result<Child> {
        Ok(logged(&mut self.tools.command(task)?, task.place)?.spawn()?)
    }

    /// What a tool has copied.
    pub fn count(&self, tool: Tool, place: &Place<'_>) -> anyhow::Result<Rows> {
        let answer = answer_of(&mut self.tools.count(tool, place))?;
        let (all, distinct) = answer.trim().split_once(' ').context("no two numbers")?;
        Ok(Rows { all: all.parse()?, distinct: distinct.parse()? })
    }

    /// Whether a tool has copied every row once.
    pub fn check(&self, tool: Tool, place: &Place<'_>, book: &Book) -> anyhow::Result<()> {
        let (found, rows) = (self.count(tool, place)?, book.rows());
        let is_whole = found == Rows { all: rows, distinct: rows };
        ensure!(is_whole, "{found:?} of {rows}\n{}", said(place));
        Ok(())
    }
}

/// Writes what a command says into a file.
fn logged<'a>(command: &'a mut Command, place: &Place<'_>) -> anyhow::Result<&'a mut Command> {
    let log = File::create(place.folder.join("log"))?;
    Ok(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log))
}

/// The end of what the last command has said.
fn said(place: &Place<'_>) -> String {
    let log = fs::read(place.folder.join("log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn answer_of(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    let failure = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {failure}");
    Ok(String::from_utf8(output.stdout)?)
}
