//! [pure] A specification as a tree, whose references are followed one at a time.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::error::OpenApiError;
use crate::yaml::{comment, line};

/// How many references may follow each other.
const LONGEST_CHAIN: usize = 32;

/// How many schemas and references are looked at in all, and for one path. That is enough for the
/// 700 paths of GitHub.
const MOST_STEPS: usize = 500_000;
const MOST_STEPS_OF_PATH: usize = 10_000;

/// The longest reference that is followed, in bytes.
const LONGEST_REFERENCE: usize = 4_096;

/// A specification.
#[derive(Debug)]
pub(super) struct Document {
    root: Value,
    steps: Cell<usize>,
    /// How many steps there may be before the next path.
    limit: Cell<usize>,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, OpenApiError> {
        let text = text.trim_start_matches('\u{feff}');
        let root: Result<Value, String> = match text.trim_start().starts_with('{') {
            // YAML may begin like that as well.
            true => serde_json::from_str(text)
                .or_else(|error| of_yaml(text).map_err(|_| error.to_string())),
            false => of_yaml(text),
        };
        let root = root.map_err(OpenApiError::Syntax)?;
        let version = |key: &str| match root.get(key) {
            Some(Value::String(version)) => Some(version.clone()),
            Some(Value::Number(version)) => Some(version.to_string()),
            _ => None,
        };
        let version = version("openapi").or_else(|| version("swagger"));
        let version = version.ok_or(OpenApiError::NoSpecification)?;
        if !["2", "3.0", "3.1"].iter().any(|known| version.starts_with(known)) {
            return Err(OpenApiError::Version(line(&version, 20)));
        }
        if !root.get("paths").is_some_and(Value::is_object) {
            return Err(OpenApiError::NoPaths);
        }
        Ok(Self { root, steps: Cell::new(0), limit: Cell::new(MOST_STEPS_OF_PATH) })
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.root.get(key)
    }

    /// The object at these keys of the root.
    pub(super) fn object(&self, keys: &[&str]) -> Option<&Map<String, Value>> {
        let found = keys.iter().try_fold(&self.root, |value, key| value.get(*key));
        found.and_then(Value::as_object)
    }

    /// What a value is, or what its reference leads to. `None` if that is not in this document, or
    /// leads round in circles.
    pub(super) fn resolve<'d>(&'d self, value: &'d Value) -> Option<&'d Value> {
        let mut value = value;
        for _ in 0..LONGEST_CHAIN {
            if !self.may_step() {
                return None;
            }
            let Some(reference) = value.get("$ref") else { return Some(value) };
            let reference = reference.as_str().filter(|text| text.len() <= LONGEST_REFERENCE)?;
            let pointer = reference.strip_prefix('#')?;
            value = match self.root.pointer(pointer) {
                Some(found) => found,
                None => self.root.pointer(&percent_decoded(pointer))?,
            };
        }
        None
    }

    /// Counts a step. Not, if there were too many.
    pub(super) fn may_step(&self) -> bool {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        steps <= self.limit.get().min(MOST_STEPS)
    }

    /// Begins with another path.
    pub(super) fn begin(&self) {
        let steps = self.steps.get().min(self.limit.get());
        self.steps.set(steps);
        self.limit.set(steps + MOST_STEPS_OF_PATH);
    }

    /// Whether something of this path was left out because the specification is too large, or made
    /// to be.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps.get() > self.limit.get().min(MOST_STEPS)
    }
}

/// The largest specifications have some millions of nodes, more than YAML that is read elsewhere.
fn of_yaml(text: &str) -> Result<Value, String> {
    let mut budget = serde_saphyr::Budget::default();
    (budget.max_nodes, budget.max_events) = (5_000_000, 10_000_000);
    let options = serde_saphyr::options! { with_snippet: false, budget: Some(budget) };
    let read = serde_saphyr::from_str_with_options(text, options);
    read.map_err(|error| first_line(&error.to_string()))
}

/// `#/paths/~1a~1%7Bid%7D` has its braces escaped.
fn percent_decoded(pointer: &str) -> String {
    let decoded = url::form_urlencoded::parse(pointer.as_bytes()).next();
    decoded.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn first_line(error: &str) -> String {
    comment(error.lines().next().unwrap_or_default())
}
