//! [pure] A page as HTML, XML, CSV and text, for extractors.

use std::fmt::Write;

use actix_web::{HttpResponse, http::header::LINK};
use serde_json::Value;

use super::pages::Page;

/// The formats besides JSON, by the ending of the path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Xml,
    Csv,
    Text,
}

impl Format {
    pub(crate) fn of(ending: &str) -> Option<Self> {
        Some(match ending {
            "html" => Self::Html,
            "xml" => Self::Xml,
            "csv" => Self::Csv,
            "txt" => Self::Text,
            _ => return None,
        })
    }

    /// The response with a page of rows. `next` is the query of the next page.
    pub(crate) fn respond(self, page: &Page<'_>, next: Option<&str>) -> HttpResponse {
        let (kind, body) = match self {
            Self::Html => ("text/html; charset=utf-8", html(page, next)),
            Self::Xml => ("application/xml", xml(page, next)),
            Self::Csv => ("text/csv; charset=utf-8", csv(page)),
            Self::Text => ("text/plain; charset=utf-8", text(page)),
        };
        let mut response = HttpResponse::Ok();
        if let Some(next) = next {
            response.insert_header((LINK, format!("<?{next}>; rel=\"next\"")));
        }
        response.content_type(kind).body(body)
    }
}

/// The fields of a row as texts, in the order of their names.
fn fields(row: &Value) -> impl Iterator<Item = (&str, String)> {
    let fields = row.as_object().into_iter().flatten();
    let mut fields: Vec<_> = fields.map(|(name, value)| (name.as_str(), text_of(value))).collect();
    fields.sort();
    fields.into_iter()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

// Writing into a text does not fail.

fn html(page: &Page<'_>, next: Option<&str>) -> String {
    let mut html = format!(
        "<!doctype html>\n<title>Rows</title>\n<p class=\"range\">Page {} of <b>{} rows</b></p>\n<table>\n",
        page.number, page.total
    );
    for row in &page.rows {
        html.push_str("<tr class=\"row\">");
        for (name, value) in fields(row) {
            let _ = write!(html, "<td class=\"{name}\">{}</td>", escaped(&value));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>\n");
    if let Some(next) = next {
        let _ = writeln!(html, "<a rel=\"next\" href=\"?{}\">next</a>", escaped(next));
    }
    html
}

fn xml(page: &Page<'_>, next: Option<&str>) -> String {
    let mut xml = format!("<?xml version=\"1.0\"?>\n<rows total=\"{}\"", page.total);
    if let Some(next) = next {
        let _ = write!(xml, " next=\"?{}\"", escaped(next));
    }
    xml.push_str(">\n");
    for row in &page.rows {
        xml.push_str("<row>");
        for (name, value) in fields(row) {
            let _ = write!(xml, "<{name}>{}</{name}>", escaped(&value));
        }
        xml.push_str("</row>\n");
    }
    xml.push_str("</rows>\n");
    xml
}

fn csv(page: &Page<'_>) -> String {
    let quoted = |text: &str| match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let line = |texts: Vec<String>| texts.join(",") + "\r\n";
    let header = page.of.iter().take(1);
    let header = header.map(|row| line(fields(row).map(|(name, _)| quoted(name)).collect()));
    let rows = page.rows.iter();
    header
        .chain(rows.map(|row| line(fields(row).map(|(_, text)| quoted(&text)).collect())))
        .collect()
}

/// `name=value` of each field, with bars between them.
fn text(page: &Page<'_>) -> String {
    let line = |row: &&Value| {
        let fields: Vec<_> = fields(row).map(|(name, text)| format!("{name}={text}")).collect();
        fields.join(" | ") + "\n"
    };
    page.rows.iter().map(line).collect()
}
