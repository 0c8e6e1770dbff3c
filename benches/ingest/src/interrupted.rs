//! Copies that are killed at half of the rows, and made again.

use std::{thread, time::Duration};

use anyhow::bail;

use crate::{
    api::{Api, Behaviour},
    place::{Place, Sink},
    runner::{Bench, Rows},
    tools::{Task, Tool},
};

const LATENCY: Duration = Duration::from_millis(50);

/// What came of a copy.
pub struct Interrupted {
    /// Pages that were served again.
    pub repeated: u64,
    /// What there is after the second run.
    pub rows: Rows,
}

/// Each tool with what came of its copies.
pub fn compare(bench: &Bench) -> Vec<(Tool, Vec<Interrupted>)> {
    let mut all = vec![(Tool::Apipool, Vec::new()), (Tool::Dlt, Vec::new())];
    for round in 1..=bench.rounds {
        for (tool, rounds) in &mut all {
            let name = tool.name();
            match interrupt(bench, *tool) {
                Ok(ended) => {
                    eprintln!("round {round}, {name}, killed: {} pages again", ended.repeated);
                    rounds.push(ended);
                }
                Err(error) => eprintln!("round {round}, {name}, killed, failed: {error:#}"),
            }
        }
    }
    all
}

fn interrupt(bench: &Bench, tool: Tool) -> anyhow::Result<Interrupted> {
    let api = Api::start(&bench.book, Behaviour { latency: LATENCY, limit: None })?;
    let place = Place::new(Sink::Sqlite, &bench.postgres)?;
    let task = Task { tool, base_url: &api.base_url(), place: &place, rate: None };
    let mut process = bench.start(&task)?;
    while api.counts().pages() < bench.book.pages() / 2 {
        if let Some(status) = process.try_wait()? {
            bail!("it ended before it was killed: {status}");
        }
        thread::sleep(Duration::from_millis(1));
    }
    // SIGKILL.
    process.kill()?;
    process.wait()?;
    bench.copy(&task)?;
    Ok(Interrupted { repeated: api.counts().repeats(), rows: bench.count(tool, &place)? })
}
