//! Draws the requests of each second, one line for each strategy.

use std::path::Path;

use plotters::prelude::*;

use super::rate_limit::simulation::Record;

type Failure = Box<dyn std::error::Error>;

/// The value drawn for a second without a request, on a logarithmic scale.
const LEAST: f64 = 0.4;
/// The colors of the strategies, in order: they differ in brightness too.
const COLORS: [RGBColor; 3] = [RGBColor(214, 96, 77), RGBColor(67, 120, 200), RGBColor(0, 90, 50)];
/// The color of the limit.
const GREY: RGBColor = RGBColor(150, 150, 150);

/// Draws what each strategy sent, and what was allowed.
pub(super) fn draw(
    file: &Path,
    limit: &str,
    records: &[(&'static str, Record)],
) -> Result<(), Failure> {
    let Some((_, first)) = records.first() else { return Ok(()) };
    let mut lines = vec![("allowed", GREY.stroke_width(4), first.allowed.clone())];
    for ((name, record), color) in records.iter().zip(COLORS) {
        lines.push((name, color.stroke_width(1), sent(record)));
    }
    let all = || lines.iter().flat_map(|(_, _, rates)| rates.iter().copied());
    let (lowest, highest) = (all().fold(f64::MAX, f64::min), all().fold(LEAST, f64::max));

    let area = SVGBackend::new(file, (960, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("Limit: {limit}"), ("sans-serif", 20))
        .margin(12)
        .margin_right(116)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(
            0..first.allowed.len(),
            (lowest.max(LEAST) / 1.5..highest * 1.5).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(BLACK.mix(0.04))
        .x_desc("time in seconds")
        .y_desc("requests per second (logarithmic)")
        .y_label_formatter(&f64::to_string)
        .draw()?;
    for (row, (name, style, rates)) in (0..).zip(&lines) {
        let line = rates.iter().map(|rate| rate.max(LEAST)).enumerate();
        chart.draw_series(LineSeries::new(line, *style))?;
        // Beside the chart, where it covers nothing.
        let at = (856, 60 + 22 * row);
        let name = Text::new(*name, (30, -7), ("sans-serif", 14));
        let key = PathElement::new([(0, 0), (24, 0)], style.stroke_width(3));
        area.draw(&(EmptyElement::at(at) + key + name))?;
    }
    area.present()?;
    Ok(())
}

/// The requests of all clients in each second.
fn sent(record: &Record) -> Vec<f64> {
    let of_all = |second: usize| {
        let clients = record.clients.iter().map(|client| client[second]);
        clients.map(|second| f64::from(second.served + second.refused)).sum()
    };
    (0..record.allowed.len()).map(of_all).collect()
}
