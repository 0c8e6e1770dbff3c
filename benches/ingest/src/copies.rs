//! Whole copies: each tool into each sink, in turns.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    api::{Api, Behaviour},
    measure::Usage,
    place::{Place, Sink},
    runner::Bench,
    tools::{Task, Tool},
};

/// The waits before each answer, in milliseconds.
const LATENCIES: [u64; 2] = [0, 50];

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    pub latency: u64,
    pub sink: Sink,
}

/// What each tool took in each round, with the rows of a copy.
pub struct Copies {
    pub rows: u64,
    /// `None` for a round that failed.
    pub rounds: BTreeMap<(Case, Tool), Vec<Option<Usage>>>,
}

/// Runs all of them.
pub fn compare(bench: &Bench) -> Copies {
    let mut rounds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for round in 1..=bench.rounds {
        for latency in LATENCIES {
            for sink in Sink::ALL {
                let case = Case { latency, sink };
                for tool in tools(bench, latency) {
                    let taken = copy(bench, case, tool);
                    let (sink, name) = (sink.title(), tool.name());
                    match &taken {
                        Ok(Usage { seconds, .. }) => {
                            eprintln!(
                                "round {round}, {sink}, {latency} ms, {name}: {seconds:.1} s"
                            );
                        }
                        Err(error) => {
                            eprintln!(
                                "round {round}, {sink}, {latency} ms, {name} failed: {error:#}"
                            );
                        }
                    }
                    rounds.entry((case, tool)).or_default().push(taken.ok());
                }
            }
        }
    }
    Copies { rows: bench.book.rows(), rounds }
}

fn tools(bench: &Bench, latency: u64) -> Vec<Tool> {
    let mut tools = vec![Tool::Apipool, Tool::Dlt];
    // Threads hide a latency; where there is none they have nothing to do.
    tools.extend((latency > 0).then_some(Tool::DltThreads));
    tools.extend(bench.tools.faucet.is_some().then_some(Tool::Faucet));
    tools
}

fn copy(bench: &Bench, Case { latency, sink }: Case, tool: Tool) -> anyhow::Result<Usage> {
    let place = Place::new(sink, &bench.postgres)?;
    bench.prepare(tool, &place)?;
    if sink == Sink::Merge {
        run(bench, tool, &place, 0)?;
    }
    let usage = run(bench, tool, &place, latency)?;
    bench.check(tool, &place, &bench.book)?;
    Ok(usage)
}

fn run(bench: &Bench, tool: Tool, place: &Place<'_>, latency: u64) -> anyhow::Result<Usage> {
    let latency = Duration::from_millis(latency);
    let api = Api::start(&bench.book, Behaviour { latency, limit: None })?;
    bench.copy(&Task { tool, base_url: &api.base_url(), place, rate: None })
}
