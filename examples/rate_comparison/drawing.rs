//! Draws the requests of each second, one line for each way to go about refusals.

use std::path::Path;

use plotters::prelude::*;

use super::rate_limit::simulation::Record;

type Failure = Box<dyn std::error::Error>;

/// Draws what each strategy sent, and what was allowed.
pub(super) fn draw(
    file: &Path,
    title: &str,
    records: &[(&'static str, Record)],
) -> Result<(), Failure> {
    let seconds = records.first().map_or(0, |(_, record)| record.allowed.len());
    let sent = |record: &Record, second: usize| {
        let clients = record.clients.iter().map(|client| client[second]);
        clients.map(|second| f64::from(second.served + second.refused)).sum::<f64>()
    };
    let highest = records
        .iter()
        .flat_map(|(_, record)| (0..seconds).map(|second| sent(record, second)))
        .fold(1.0, f64::max);
    let area = SVGBackend::new(file, (960, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0..seconds, (0.4..highest * 1.2).log_scale())?;
    chart.configure_mesh().x_desc("seconds").y_desc("requests per second").draw()?;
    let colors = [&RED, &BLUE, &GREEN];
    for ((name, record), color) in records.iter().zip(colors) {
        let line = (0..seconds).map(|second| (second, sent(record, second).max(0.4)));
        let series = LineSeries::new(line, color);
        chart
            .draw_series(series)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
    }
    if let Some((_, record)) = records.first() {
        let line = record.allowed.iter().copied().enumerate();
        chart
            .draw_series(LineSeries::new(line, BLACK.stroke_width(2)))?
            .label("allowed")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).draw()?;
    area.present()?;
    Ok(())
}
