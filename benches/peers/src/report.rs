//! Tables of medians and of ratios, in Markdown, and what the targets say to them.

use clap::ValueEnum;
use kit::{data::Shape, job::Outcome};

use crate::{
    clients::Client,
    runner::{Results, Setting},
};

/// The name under which a client is asked for.
pub fn name(client: Client) -> String {
    client.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// The middle of `values`; not a number if there are none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}

pub fn cpu_per_page(outcome: &Outcome) -> f64 {
    outcome.cpu_us / outcome.pages as f64
}

pub fn items_per_second(outcome: &Outcome) -> f64 {
    outcome.items as f64 / outcome.wall_us * 1e6
}

/// The median over the rounds of one outcome divided by the other's of the same round.
pub fn ratio(ones: &[Outcome], others: &[Outcome], of: impl Fn(&Outcome) -> f64) -> f64 {
    median(ones.iter().zip(others).map(|(one, other)| of(one) / of(other)))
}

/// The table of one setting.
pub fn table(results: &Results, setting: Setting, clients: &[Client]) {
    let Setting { shape, in_flight, latency, cores } = setting;
    let items = shape.items_per_page();
    println!(
        "\n### Shape {} ({items} items a page), {in_flight} in flight, {latency} ms, {cores} client core(s)\n",
        shape.name()
    );
    println!(
        "| client | CPU µs a page | items/s | peak MB | wait for a page p50 µs | p99 µs | CPU ÷ pool's |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for client in clients {
        let outcomes = results.of(setting, *client);
        let reference = client.reference();
        let middle = |of: fn(&Outcome) -> f64| median(outcomes.iter().map(of));
        let times = ratio(outcomes, results.of(setting, reference), cpu_per_page);
        let times = match (times.is_nan(), reference == *client) {
            (true, _) | (_, true) => String::from("–"),
            _ => format!("{times:.2} × {}", name(reference)),
        };
        println!(
            "| {} | {:.1} | {:.0} k | {:.1} | {:.0} | {:.0} | {times} |",
            name(*client),
            middle(cpu_per_page),
            middle(items_per_second) / 1e3,
            middle(|outcome| outcome.peak_kib as f64 / 1024.0),
            middle(|outcome| outcome.p50_us),
            middle(|outcome| outcome.p99_us),
        );
    }
}

/// Something that the pool is to reach.
pub struct Target {
    pub what: String,
    pub measured: f64,
    pub bound: Bound,
}

pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn holds(&self) -> bool {
        match self.bound {
            Bound::AtMost(bound) => self.measured <= bound,
            Bound::AtLeast(bound) => self.measured >= bound,
        }
    }
}

/// The targets and whether each holds. Prints nothing if none was measured.
pub fn targets(targets: &[Target]) {
    if targets.is_empty() {
        return;
    }
    println!("\n### Targets\n");
    println!("| target | bound | measured | |");
    println!("|---|--:|--:|---|");
    for target in targets {
        let bound = match target.bound {
            Bound::AtMost(bound) => format!("≤ {bound}"),
            Bound::AtLeast(bound) => format!("≥ {bound}"),
        };
        let verdict = if target.holds() { "holds" } else { "**missed**" };
        println!("| {} | {bound} | {:.2} | {verdict} |", target.what, target.measured);
    }
}

/// The targets for CPU per page, at 32 in flight on one core.
pub fn cpu_targets(results: &Results) -> Vec<Target> {
    use Client::{
        AwcInline, HyperTyped, HyperValues, OldPool, PoolCalls, PoolRecordsStream, PoolTyped,
        PoolValues, Vantage,
    };
    let wanted = [
        (PoolValues, HyperValues, 0.80, 0.85),
        (PoolTyped, HyperTyped, 0.85, 0.85),
        (PoolRecordsStream, Vantage, 0.45, 0.55),
        (PoolValues, OldPool, 0.55, 0.55),
        (PoolCalls, AwcInline, 1.10, 1.20),
    ];
    let mut targets = Vec::new();
    for (one, other, a, b) in wanted {
        for (shape, bound) in [(Shape::A, a), (Shape::B, b)] {
            let setting = Setting { shape, in_flight: 32, latency: 0, cores: 1 };
            let measured =
                ratio(results.of(setting, one), results.of(setting, other), cpu_per_page);
            if !measured.is_nan() {
                let what =
                    format!("CPU a page: {} ÷ {}, shape {}", name(one), name(other), shape.name());
                targets.push(Target { what, measured, bound: Bound::AtMost(bound) });
            }
        }
    }
    targets
}
