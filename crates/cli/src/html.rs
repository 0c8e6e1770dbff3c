//! The report as one page of HTML with drawn curves, which needs nothing else.

use std::fmt::Write;

use vantage_api_ingest::report::{Outcome, Report};

use crate::history::Moment;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 140.0;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:760px;\
    padding:0 1em;color:#222}table{border-collapse:collapse;width:100%}\
    th,td{text-align:left;padding:.3em .8em .3em 0;border-bottom:1px solid #ddd}\
    td.n{text-align:right;font-variant-numeric:tabular-nums}svg{width:100%;background:#f7f7f7}\
    .failed{color:#b00020}figure{margin:1.5em 0}figcaption{color:#555}";

/// The page.
pub(crate) fn page(reports: &[Report], history: &[Moment]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>apipool</title>\
         <style>{STYLE}</style><h1>Report</h1>"
    );
    for report in reports {
        table(&mut page, report);
    }
    type Curve = (&'static str, fn(&Moment) -> u64);
    let curves: [Curve; 4] = [
        ("rows committed", |moment| moment.rows),
        ("requests", |moment| moment.requests),
        ("answers that said to slow down", |moment| moment.limited),
        ("retries", |moment| moment.retries),
    ];
    for (name, of) in curves {
        curve(&mut page, name, history, of);
    }
    page.push_str("</html>\n");
    page
}

// Writing into a text does not fail.
fn table(page: &mut String, report: &Report) {
    let _ = write!(
        page,
        "<h2>{}</h2><table><tr><th>stream<th>result<th>pages<th>read<th>written<th>rejected\
         <th>seconds</tr>",
        escaped(&report.job)
    );
    for stream in &report.streams {
        let (class, result) = match &stream.outcome {
            Outcome::Complete => ("", "complete".to_owned()),
            Outcome::Stopped => ("", "stopped".to_owned()),
            Outcome::Failed(error) => (" class=\"failed\"", error.clone()),
            _ => ("", String::new()),
        };
        let counts = &stream.counts;
        let _ = write!(page, "<tr><td>{}<td{class}>{}", escaped(&stream.stream), escaped(&result));
        for number in [counts.pages, counts.read, counts.written, counts.rejected] {
            let _ = write!(page, "<td class=\"n\">{number}");
        }
        let _ = write!(page, "<td class=\"n\">{:.1}</tr>", stream.took.as_secs_f64());
        for remark in &stream.remarks {
            let _ = write!(page, "<tr><td><td colspan=\"6\">{}</tr>", escaped(remark));
        }
    }
    page.push_str("</table>");
}

fn curve(page: &mut String, name: &str, history: &[Moment], of: fn(&Moment) -> u64) {
    let most = history.iter().map(of).max().unwrap_or(0);
    let end = history.last().map_or(0.0, |moment| moment.at);
    if most == 0 || end <= 0.0 {
        return;
    }
    let points = history.iter().map(|moment| {
        let x = moment.at / end * WIDTH;
        let y = HEIGHT - of(moment) as f64 / most as f64 * (HEIGHT - 10.0);
        format!("{x:.1},{y:.1}")
    });
    let points = points.collect::<Vec<_>>().join(" ");
    let _ = write!(
        page,
        "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{name}\">\
         <polyline fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"2\" points=\"{points}\"/></svg>\
         <figcaption>{name}: {most} in {end:.1} s</figcaption></figure>"
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_drawn_of_what_was_seen() {
        let history = [
            Moment::default(),
            Moment { at: 1.0, rows: 50, requests: 1, ..Moment::default() },
            Moment { at: 2.0, rows: 100, requests: 2, ..Moment::default() },
        ];
        let page = page(&[], &history);
        assert!(page.contains("points=\"0.0,140.0 360.0,75.0 720.0,10.0\""), "{page}");
        assert!(page.contains("rows committed: 100 in 2.0 s"));
        assert!(!page.contains("retries:"), "a curve of nothing is left out");
    }

    #[test]
    fn what_an_api_says_is_no_markup() {
        assert_eq!(escaped("<b>\"&\"</b>"), "&lt;b&gt;&quot;&amp;&quot;&lt;/b&gt;");
    }
}
