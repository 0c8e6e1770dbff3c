//! Copies from an API with a rate limit.

use std::{sync::Arc, time::Duration};

use crate::{
    api::{Api, Behaviour, Book},
    measure::Usage,
    place::{Place, Sink},
    runner::Bench,
    tools::{Task, Tool},
};

/// Requests per second that the API serves.
pub const LIMIT: u32 = 50;
/// What part of it a tool that can be told keeps to.
const SHARE: f64 = 0.95;
/// More would take minutes.
const MOST_ROWS: u64 = 60_000;

/// What came of a copy.
pub struct Limited {
    pub rows: u64,
    pub usage: Usage,
    /// Answers 429.
    pub refusals: u64,
}

/// Each tool with what came of its copies.
pub fn compare(bench: &Bench) -> Vec<(Tool, Vec<Limited>)> {
    let book = Arc::new(Book::new(bench.book.rows().min(MOST_ROWS)));
    let mut tools = vec![Tool::Apipool, Tool::Dlt];
    tools.extend(bench.tools.faucet.is_some().then_some(Tool::Faucet));
    let mut all: Vec<(Tool, Vec<Limited>)> =
        tools.into_iter().map(|tool| (tool, Vec::new())).collect();
    for round in 1..=bench.rounds {
        for (tool, rounds) in &mut all {
            let name = tool.name();
            match copy(bench, &book, *tool) {
                Ok(limited) => {
                    eprintln!("round {round}, {name}, limited: {} answers 429", limited.refusals);
                    rounds.push(limited);
                }
                Err(error) => eprintln!("round {round}, {name}, limited, failed: {error:#}"),
            }
        }
    }
    all
}

fn copy(bench: &Bench, book: &Arc<Book>, tool: Tool) -> anyhow::Result<Limited> {
    let behaviour = Behaviour { latency: Duration::ZERO, limit: Some(LIMIT) };
    let api = Api::start(book, behaviour)?;
    let place = Place::new(Sink::Sqlite, &bench.postgres)?;
    bench.prepare(tool, &place)?;
    let rate = Some(f64::from(LIMIT) * SHARE);
    let usage = bench.copy(&Task { tool, base_url: &api.base_url(), place: &place, rate })?;
    bench.check(tool, &place, book)?;
    Ok(Limited { rows: book.rows(), usage, refusals: api.counts().refusals() })
}
