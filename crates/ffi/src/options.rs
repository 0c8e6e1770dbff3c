//! [pure] Settings that come as texts in YAML or JSON.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::Value;
use vantage_api_pool::{
    AwwPool, Envelope, Paging, Priority,
    paging::{ReadMode, ResumeToken},
};

use crate::error::Failure;

/// Reads settings, of which there are none in an empty text.
pub(crate) fn read<T: DeserializeOwned + Default>(
    name: &str,
    text: Option<&str>,
) -> Result<T, Failure> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Ok(T::default());
    };
    let value: Value = serde_saphyr::from_str(text)
        .map_err(|_| Failure::config(format!("{name}: is neither YAML nor JSON")))?;
    if !value.is_object() {
        return Err(Failure::config(format!("{name}: must be a map")));
    }
    serde_json::from_value(value).map_err(|error| Failure::config(format!("{name}: {error}")))
}

/// Reads the values of variables. They may be secrets, so no error quotes one.
pub(crate) fn variables(text: Option<&str>) -> Result<BTreeMap<String, String>, Failure> {
    let values: BTreeMap<String, Value> = read("variables", text)?;
    let texts = values.into_iter().map(|(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(number) => Ok((name, number.to_string())),
        Value::Bool(is_true) => Ok((name, is_true.to_string())),
        _ => Err(Failure::config(format!("variables: {name}: must be a text"))),
    });
    texts.collect()
}

/// The bearer tokens that the settings of a pool have by value.
pub(crate) fn bearer_tokens(config: &str) -> Option<Vec<String>> {
    let config: Value = serde_saphyr::from_str(config).ok()?;
    match config.get("auth")?.get("bearer")? {
        Value::String(token) => Some(vec![token.clone()]),
        Value::Array(tokens) => {
            tokens.iter().map(|token| token.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}

/// The settings of a stream.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StreamOptions {
    prefetch: Option<usize>,
    byte_budget: Option<usize>,
    paging: Option<Paging>,
    envelope: Option<Envelope>,
    priority: Option<PriorityOption>,
    mode: Option<ModeOption>,
    max_rows: Option<u64>,
    max_pages: Option<u64>,
    max_page_items: Option<u64>,
    #[serde(deserialize_with = "duration")]
    deadline: Option<Duration>,
    resume: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum PriorityOption {
    Low,
    Normal,
    High,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModeOption {
    Parallel,
    Overlap,
    Sequential,
    DedicatedThread,
}

impl StreamOptions {
    /// A stream with these settings.
    pub(crate) fn stream(
        self,
        pool: &AwwPool,
        path: &str,
    ) -> Result<vantage_api_pool::PaginatedStream, Failure> {
        let mut stream = pool.stream(path);
        if let Some(pages) = self.prefetch {
            stream = stream.prefetch(pages);
        }
        if let Some(bytes) = self.byte_budget {
            stream = stream.byte_budget(bytes);
        }
        if let Some(paging) = self.paging {
            stream = stream.paging(paging);
        }
        if let Some(envelope) = self.envelope {
            stream = stream.envelope(envelope);
        }
        if let Some(priority) = self.priority {
            stream = stream.priority(match priority {
                PriorityOption::Low => Priority::Low,
                PriorityOption::Normal => Priority::Normal,
                PriorityOption::High => Priority::High,
            });
        }
        if let Some(mode) = self.mode {
            stream = stream.mode(match mode {
                ModeOption::Parallel => ReadMode::Parallel,
                ModeOption::Overlap => ReadMode::Overlap,
                ModeOption::Sequential => ReadMode::Sequential,
                ModeOption::DedicatedThread => ReadMode::DedicatedThread,
            });
        }
        if let Some(rows) = self.max_rows {
            stream = stream.max_rows(rows);
        }
        if let Some(pages) = self.max_pages {
            stream = stream.max_pages(pages);
        }
        if let Some(items) = self.max_page_items {
            stream = stream.max_page_items(items);
        }
        if let Some(time) = self.deadline {
            stream = stream.deadline(time);
        }
        if let Some(token) = self.resume {
            let token: Result<ResumeToken, _> = token.parse();
            stream = stream.resume_from(token?);
        }
        Ok(stream)
    }
}

/// A number of seconds, or a text such as `250ms`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Seconds(f64),
        Text(String),
    }
    let form = Option::<Form>::deserialize(deserializer)?;
    let invalid = || D::Error::custom("a duration is a number of seconds, or a text such as 250ms");
    let duration = form.map(|form| match form {
        Form::Seconds(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| invalid()),
        Form::Text(text) => humantime::parse_duration(&text).map_err(|_| invalid()),
    });
    duration.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_texts_and_are_not_quoted() {
        let read = variables(Some("{ A: x, B: 7, C: true }")).unwrap();
        let read: Vec<_> = read.iter().map(|(name, text)| (&**name, &**text)).collect();
        assert_eq!(read, [("A", "x"), ("B", "7"), ("C", "true")]);
        let failure = format!("{:?}", variables(Some("{ A: [secret] }")).unwrap_err());
        assert!(failure.contains("A: must be a text") && !failure.contains("secret"), "{failure}");
    }

    #[test]
    fn settings_are_read_and_what_is_none_is_named() {
        let text = "{ prefetch: 8, deadline: 1m, paging: { by: offset, param: skip } }";
        let options: StreamOptions = read("options", Some(text)).unwrap();
        assert_eq!((options.prefetch, options.deadline), (Some(8), Some(Duration::from_secs(60))));
        assert!(read::<StreamOptions>("options", None).unwrap().paging.is_none());
        for (text, named) in [
            ("{ prefech: 8 }", "prefech"),
            ("[1]", "must be a map"),
            ("{ deadline: soon }", "duration"),
            ("{ deadline: -1 }", "duration"),
            ("{ paging: { by: magic } }", "magic"),
            ("{ priority: urgent }", "urgent"),
            ("{ a: ", "neither YAML nor JSON"),
        ] {
            let failure = read::<StreamOptions>("options", Some(text)).err().unwrap();
            assert!(format!("{failure:?}").contains(named), "{text}: {failure:?}");
        }
    }
}
