//! `apipool preview`.

use std::path::Path;

use serde::Deserialize;
use vantage_api_pool::{tokens::is_credential_name, vantage::PoolTableExt};

use super::{connectors, describe, pool};
use crate::{
    arguments::Preview,
    failure::{Failure, unknown},
    output,
};

pub(crate) fn run(preview: &Preview) -> Result<(), Failure> {
    let description = describe(&preview.file)?;
    let source = description.source(pool(&description)?);
    if let Some(name) = &preview.table
        && description.table_named(name).is_none()
    {
        let names = description.tables.iter().map(|table| &table.name);
        return Err(unknown("the description has no table", name, names));
    }
    let named = |name: &str| preview.table.as_ref().is_none_or(|wanted| wanted == name);
    let written = Written::of(&preview.file.file);
    for (index, table) in description.tables.iter().enumerate() {
        if named(&table.name) {
            let mut shown = table.table(&source).preview();
            let endpoint = written.endpoint(index);
            for url in &mut shown.requests {
                *url = unmasked(url, endpoint);
            }
            output::line(format_args!("{}\n{shown}", table.name));
        }
    }
    Ok(())
}

/// The paths of tables as the file spells them: with the names of variables, and none of their
/// values.
#[derive(Default, Deserialize)]
struct Written {
    #[serde(default)]
    tables: Vec<Table>,
}

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    api: Option<Api>,
}

#[derive(Deserialize)]
struct Api {
    #[serde(default)]
    endpoint: Option<String>,
}

impl Written {
    /// Nothing of a file that cannot be read like this, of which all stays masked.
    fn of(file: &Path) -> Self {
        let text = match connectors::named(file) {
            Some(connector) => connector.yaml.to_owned(),
            None => std::fs::read_to_string(file).unwrap_or_default(),
        };
        serde_saphyr::from_str(&text).unwrap_or_default()
    }

    fn endpoint(&self, table: usize) -> &str {
        let api = self.tables.get(table).and_then(|table| table.api.as_ref());
        api.and_then(|api| api.endpoint.as_deref()).unwrap_or_default()
    }
}

const MASK: &str = "***";

/// `url`, in which all that the path of the table brings along is masked, with those parameters
/// that the file has without a variable, unless their names suggest a credential. What is shown is
/// the file's own text, so no value of a variable is.
fn unmasked(url: &str, endpoint: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let (_, fixed) = endpoint.split_once('?').unwrap_or_default();
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, MASK)) if only(query, name).is_some() => {
            only(fixed, name).filter(|own| is_plain(own)).unwrap_or(pair)
        }
        _ => pair,
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// The parameter of this name, if there is just one.
fn only<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut named = query.split('&').filter(|pair| name_of(pair) == name);
    let pair = named.next()?;
    named.next().is_none().then_some(pair)
}

/// Whether a parameter is sent as it is spelled, and is not a credential as far as its name tells.
fn is_plain(pair: &str) -> bool {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || "$()*+,-./:;=@_~".contains(c);
    pair.chars().all(is_kept) && !pair.contains("$$") && !is_credential_name(name_of(pair))
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_says_itself_is_shown_and_no_secret() {
        for (endpoint, url, shown) in [
            ("rows?_shape=a", "http://h/rows?_shape=***&page=1", "http://h/rows?_shape=a&page=1"),
            ("rows?$top=5", "http://h/rows?$top=***", "http://h/rows?$top=5"),
            ("rows", "http://h/rows", "http://h/rows"),
            ("rows", "http://h/rows?a=***", "http://h/rows?a=***"),
            ("rows?a=1&b=${B}", "http://h/rows?a=***&b=***", "http://h/rows?a=1&b=***"),
            ("rows?a=x${A}y", "http://h/rows?a=***", "http://h/rows?a=***"),
            ("rows?a={a}", "http://h/rows?a=***", "http://h/rows?a=***"),
            ("rows?a=$$1", "http://h/rows?a=***", "http://h/rows?a=***"),
            ("rows?a=1&a=2", "http://h/rows?a=***&a=***", "http://h/rows?a=***&a=***"),
            ("rows?a=1", "http://h/rows?a=***&a=***", "http://h/rows?a=***&a=***"),
            ("rows?apiKey=1", "http://h/rows?apiKey=***", "http://h/rows?apiKey=***"),
            ("rows?%6bey=1", "http://h/rows?%6bey=***", "http://h/rows?%6bey=***"),
        ] {
            assert_eq!(unmasked(url, endpoint), shown);
        }
    }

    #[test]
    fn the_paths_are_those_of_the_file() {
        let yaml = "api: { base_url: \"${HOST}\" }
tables:
- name: a
- name: b
  api: { endpoint: \"b?c=${D}\", paging: { by: page, size: 5 } }
jobs: { x: { sink: { csv: out }, streams: [{ table: a }] } }
";
        let written: Written = serde_saphyr::from_str(yaml).unwrap();
        assert_eq!((written.endpoint(0), written.endpoint(1)), ("", "b?c=${D}"));
        assert_eq!(written.endpoint(2), "");
    }
}
