//! Tables of medians and of ratios, in Markdown.

use crate::{
    copies::{Case, Copies},
    interrupted::Interrupted,
    limited::Limited,
    measure::Usage,
    tools::Tool,
};

/// What the others are divided by.
const REFERENCE: Tool = Tool::Dlt;
/// How many rows a page has.
const PER_PAGE: f64 = crate::api::PER_PAGE as f64;

/// The middle of `values`; not a number if there are none.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}

/// The copies of all cases.
pub fn copies(copies: &Copies) {
    let Copies { rows, rounds } = copies;
    let rows = *rows as f64;
    println!("\n### Copies of {rows} rows\n");
    println!(
        "| into | latency | tool | rows/s | ÷ dlt's | rows per CPU-second | ÷ dlt's | peak MB | ÷ dlt's |"
    );
    println!("|---|--:|---|--:|--:|--:|--:|--:|--:|");
    for ((case, tool), taken) in rounds {
        let Case { latency, sink } = case;
        let reference: &[Option<Usage>] =
            rounds.get(&(*case, REFERENCE)).map_or(&[], Vec::as_slice);
        print!("| {} | {latency} ms | {} |", sink.title(), tool.name());
        if taken.iter().all(Option::is_none) {
            println!(" failed | | | | | |");
            continue;
        }
        let measures: [&dyn Fn(&Usage) -> f64; 3] = [
            &|usage: &Usage| rows / usage.seconds,
            &|usage: &Usage| rows / usage.cpu_seconds,
            &|usage: &Usage| usage.peak_kib as f64 / 1024.0,
        ];
        let texts: [fn(f64) -> String; 3] = [thousands, thousands, |peak| format!("{peak:.0}")];
        for (of, text) in measures.into_iter().zip(texts) {
            let middle = median(taken.iter().flatten().map(of));
            print!(" {} | {} |", text(middle), times(*tool, ratio(taken, reference, of)));
        }
        println!();
    }
}

/// The median over the rounds of what one took divided by what the other took in the same round.
fn ratio(ones: &[Option<Usage>], others: &[Option<Usage>], of: &dyn Fn(&Usage) -> f64) -> f64 {
    let both =
        ones.iter().zip(others).filter_map(|(one, other)| Some((one.as_ref()?, other.as_ref()?)));
    median(both.map(|(one, other)| of(one) / of(other)))
}

fn times(tool: Tool, ratio: f64) -> String {
    match tool == REFERENCE || ratio.is_nan() {
        true => String::from("–"),
        false => format!("{ratio:.2}"),
    }
}

fn thousands(number: f64) -> String {
    format!("{:.1} k", number / 1e3)
}

/// What came of copies that were killed, of a set of so many pages.
pub fn interrupted(all: &[(Tool, Vec<Interrupted>)], pages: u64) {
    println!("\n### Killed with SIGKILL at half of {pages} pages, and run again\n");
    println!("| tool | pages served again | of the set | rows missing | rows doubled |");
    println!("|---|--:|--:|--:|--:|");
    for (tool, rounds) in all {
        if rounds.is_empty() {
            println!("| {} | failed | | | |", tool.name());
            continue;
        }
        let rows = pages as f64 * PER_PAGE;
        let repeated = median(rounds.iter().map(|round| round.repeated as f64));
        let missing = median(rounds.iter().map(|round| rows - round.rows.distinct as f64));
        let doubled = rounds.iter().map(|round| (round.rows.all - round.rows.distinct) as f64);
        println!(
            "| {} | {repeated:.0} | {:.1} % | {missing:.0} | {:.0} |",
            tool.name(),
            100.0 * repeated / pages as f64,
            median(doubled)
        );
    }
}

/// What came of copies from an API that serves so many requests per second.
pub fn limited(all: &[(Tool, Vec<Limited>)], limit: u32) {
    println!("\n### A limit of {limit} requests per second\n");
    println!("| tool | rows/s | of the limit | 429s |");
    println!("|---|--:|--:|--:|");
    for (tool, rounds) in all {
        if rounds.is_empty() {
            println!("| {} | failed | | |", tool.name());
            continue;
        }
        let rate = median(rounds.iter().map(|round| round.rows as f64 / round.usage.seconds));
        let most = f64::from(limit) * PER_PAGE;
        println!(
            "| {} | {rate:.0} | {:.1} % | {:.0} |",
            tool.name(),
            100.0 * rate / most,
            median(rounds.iter().map(|round| round.refusals as f64))
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round() {
        let took = |seconds| Some(Usage { seconds, cpu_seconds: 1.0, peak_kib: 1 });
        let (ones, others) = ([took(1.0), None, took(9.0)], [took(2.0), took(5.0), took(3.0)]);
        assert_eq!(ratio(&ones, &others, &|usage: &Usage| usage.seconds), 1.75);
        assert!(ratio(&ones, &[], &|usage: &Usage| usage.seconds).is_nan());
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
    }
}
