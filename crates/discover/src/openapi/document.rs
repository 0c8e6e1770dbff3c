//! [pure] A specification as a tree, whose references are followed one at a time.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::error::SpecificationError;

/// How many references may follow each other.
const LONGEST_CHAIN: usize = 32;

/// How many schemas and references are looked at in all. A specification of 10 MB has some 100,000.
const MOST_STEPS: usize = 2_000_000;

/// A specification.
#[derive(Debug)]
pub(super) struct Document {
    root: Value,
    steps: Cell<usize>,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, SpecificationError> {
        let text = text.trim_start_matches('\u{feff}');
        let root: Value = match text.trim_start().starts_with('{') {
            true => serde_json::from_str(text).or_else(|error| {
                // YAML may begin like that as well.
                serde_saphyr::from_str(text)
                    .map_err(|_| SpecificationError::Syntax(error.to_string()))
            })?,
            false => serde_saphyr::from_str(text)
                .map_err(|error| SpecificationError::Syntax(first_line(&error.to_string())))?,
        };
        let version = |key: &str| match root.get(key) {
            Some(Value::String(version)) => Some(version.clone()),
            Some(Value::Number(version)) => Some(version.to_string()),
            _ => None,
        };
        let version = version("openapi").or_else(|| version("swagger"));
        let version = version.ok_or(SpecificationError::NoSpecification)?;
        if !["2", "3.0", "3.1"].iter().any(|known| version.starts_with(known)) {
            return Err(SpecificationError::Version(version.chars().take(20).collect()));
        }
        if !root.get("paths").is_some_and(Value::is_object) {
            return Err(SpecificationError::NoPaths);
        }
        Ok(Self { root, steps: Cell::new(0) })
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
            let pointer = reference.as_str()?.strip_prefix('#')?;
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
        steps <= MOST_STEPS
    }

    /// Whether something was left out because the specification is too large, or made to be.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps.get() > MOST_STEPS
    }
}

/// `#/paths/~1a~1%7Bid%7D` has its braces escaped.
fn percent_decoded(pointer: &str) -> String {
    let decoded = url::form_urlencoded::parse(pointer.as_bytes()).next();
    decoded.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn first_line(error: &str) -> String {
    error.lines().next().unwrap_or_default().chars().take(200).collect()
}
