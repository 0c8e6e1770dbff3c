//! Three strategies for an API that responds with 429, side by side: none, a back-off of each call
//! by itself, and the pool's dampener, which also reads quota headers. It runs the
//! code of the pool on virtual time, six minutes with 64 callers each, prints a table, and
//! draws the rates into `target/rate_comparison/`.
//!
//! ```sh
//! cargo run --release --example rate_comparison
//! ```

#![allow(clippy::print_stdout)]

mod drawing;
mod rate_limit;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use rate_limit::simulation::{Limit, Record, Scene, Strategy, run};

const STRATEGIES: [(&str, Strategy); 3] = [
    ("none", Strategy::Nothing),
    ("back-off", Strategy::BackOff),
    ("dampener", Strategy::Dampener),
];
/// When the limit changes, in seconds.
const STEP: u64 = 180;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from("target/rate_comparison");
    std::fs::create_dir_all(&folder)?;
    let started = Instant::now();
    println!("| hidden limit | refusals lead to | used | 429s | settled after | fairness |");
    println!("|---|---|--:|--:|--:|--:|");
    for (name, scene) in scenes() {
        let records = STRATEGIES.map(|(strategy_name, strategy)| {
            let record = run(&Scene { strategy, ..scene }, started);
            println!("{}", row(name, strategy_name, &scene, &record));
            (strategy_name, record)
        });
        let file: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        drawing::draw(&folder.join(file).with_extension("svg"), name, &records)?;
    }
    println!("\n{:.1?}; the drawings are in {}", started.elapsed(), folder.display());
    Ok(())
}

fn scenes() -> [(&'static str, Scene); 9] {
    let alone = |limit| Scene {
        limit,
        has_headers: false,
        says_unavailable: false,
        strategy: Strategy::Nothing,
        clients: 1,
        callers: 64,
        way: Duration::from_millis(20),
        length: Duration::from_secs(360),
        seed: 1,
    };
    let bucket = |rate| alone(Limit::Bucket(rate));
    let window = Limit::Window { quota: 200, length: Duration::from_secs(10) };
    let at = Duration::from_secs(STEP);
    [
        ("5 per second", bucket(5.0)),
        ("20 per second", bucket(20.0)),
        ("50 per second", bucket(50.0)),
        ("800 per second", bucket(800.0)),
        ("100, then 20 per second", alone(Limit::Step { before: 100.0, at, after: 20.0 })),
        ("20, then 100 per second", alone(Limit::Step { before: 20.0, at, after: 100.0 })),
        ("200 in each 10 s", alone(window)),
        ("200 in each 10 s, told", Scene { has_headers: true, ..alone(window) }),
        ("50 per second, 4 clients", Scene { clients: 4, callers: 16, ..bucket(50.0) }),
    ]
}

/// One row of the table. Used and 429s are for the whole run.
fn row(name: &str, strategy: &str, scene: &Scene, record: &Record) -> String {
    let all = 0..record.allowed.len();
    let from = if matches!(scene.limit, Limit::Step { .. }) { STEP as usize } else { 0 };
    let settled = record.settled_after(from).map_or("never".into(), |after| format!("{after} s"));
    let fairness = match scene.clients {
        1 => "–".into(),
        _ => format!("{:.3}", record.fairness()),
    };
    let (used, refused) = (100.0 * record.utilisation(all.clone()), 100.0 * record.refusals(all));
    format!("| {name} | {strategy} | {used:.1} % | {refused:.1} % | {settled} | {fairness} |")
}
