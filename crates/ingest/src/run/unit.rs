//! [pure] The units of a run: the parts of a set that are read by themselves, with the parameters
//! and values that request each, or the pages that they are.

use std::{cmp::Ordering, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use ciborium::Value;
use serde::{Deserialize, Serialize};

use crate::{
    description::{MomentFormat, RowOrder, moment_of, text_of},
    row::{Bound, RowHash, compare},
};

/// A part of a stream that is read from page to page: the whole set, a range of its pages, a window of
/// time, or a partition: the rows with some values, which a row of a parent or the description binds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unit {
    /// What it is called in the state: the same unit has the same key in each run of a process.
    pub(crate) key: String,
    /// What reports call it, unless by its key.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// The partition that it is, or is in; empty if the stream has none.
    #[serde(default)]
    pub(crate) partition: String,
    /// Parameters of each of its requests.
    pub(crate) params: Vec<(String, String)>,
    /// Values of columns of its rows, or of placeholders in the path.
    pub(crate) conditions: Vec<(String, Value)>,
    /// The parameters that a token of the last run takes the place of, if one is among the others.
    #[serde(default)]
    pub(crate) since_token: Option<SinceToken>,
    /// Where it begins, as a resume token; at the start of the set if there is none.
    #[serde(default)]
    pub(crate) start: Option<String>,
    /// How many pages it has; up to the end of the set if it does not say.
    #[serde(default)]
    pub(crate) pages: Option<u64>,
}

/// What a unit does without that asks for what has changed since a token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SinceToken {
    /// The parameter that has the token.
    pub(crate) param: String,
    /// The parameters of a read without one.
    pub(crate) first: Vec<(String, String)>,
}

/// What is new since the last run.
#[derive(Clone, Debug)]
pub(crate) struct Since {
    /// The field of a row that says so.
    pub(crate) field: String,
    /// The order of the rows, if it is not asked for.
    pub(crate) order: Option<RowOrder>,
    pub(crate) param: String,
    pub(crate) start: Option<String>,
    pub(crate) lookback: TimeDelta,
    pub(crate) format: MomentFormat,
    /// How what is new is asked for: as windows are, if there are any.
    pub(crate) asked: MomentFormat,
}

/// The moment that a value of a row means. APIs write it differently than they want to be asked.
fn read(format: MomentFormat, text: &str) -> Option<DateTime<Utc>> {
    let format = (format != MomentFormat::Text).then_some(format)?;
    format.parse(text).or_else(|| moment_of(text))
}

impl Unit {
    /// A window of time, by the parameters that take its bounds.
    pub(crate) fn window(params: Vec<(String, String)>) -> Self {
        let bound = |at: usize| params.get(at).map_or("", |(_, value)| value);
        let key = format!("{}..{}", bound(0), bound(1));
        Self { key, params, ..Self::default() }
    }

    /// What reports call it.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.key)
    }

    /// The partition of this one whose rows have a value as well. Reports do not show it if it is
    /// `concealed`.
    pub(crate) fn with(&self, column: &str, value: &Value, is_concealed: bool) -> Self {
        let text = text_of(value).unwrap_or_default();
        // In quotes, so that no value looks like the rest of a key.
        let shown = format!("{column}={text:?}");
        let concealed = is_concealed.then(|| format!("{column}=#{}", RowHash::of([&*text])));
        let mut unit = self.joined(",", &shown, concealed.as_deref());
        unit.partition.clone_from(&unit.key);
        unit.conditions.push((column.to_owned(), value.clone()));
        unit
    }

    /// The value to which a column is bound.
    pub(crate) fn value_of(&self, column: &str) -> Option<&Value> {
        self.conditions.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }

    /// Whether reports do not show some of its values.
    pub(crate) fn is_concealed(&self) -> bool {
        self.name.is_some()
    }

    /// The part of this unit that is in a window as well.
    pub(crate) fn within(&self, window: &Self) -> Self {
        let mut unit = self.joined(" ", &window.key, None);
        unit.params.extend_from_slice(&window.params);
        unit
    }

    /// The same with more in its key, and in its name if that is to be another one.
    fn joined(&self, joint: &str, key: &str, name: Option<&str>) -> Self {
        let join = |before: &str, more: &str| match before {
            "" => more.to_owned(),
            before => format!("{before}{joint}{more}"),
        };
        let is_named = self.name.is_some() || name.is_some();
        Self {
            name: is_named.then(|| join(self.name(), name.unwrap_or(key))),
            key: join(&self.key, key),
            ..self.clone()
        }
    }

    /// The unit from its start on, without the token of the last run. `None` if it has none.
    pub(crate) fn anew(&self) -> Option<Self> {
        let SinceToken { param, first } = self.since_token.as_ref()?;
        let kept = self.params.iter().filter(|(name, _)| name != param);
        let params = kept.chain(first).cloned().collect();
        Some(Self { params, since_token: None, ..self.clone() })
    }

    /// What all of its rows have.
    pub(crate) fn bound(&self) -> Arc<Bound> {
        let of = |value: &Value| match value {
            Value::Text(text) => Some(serde_json::Value::from(text.as_str()).to_string()),
            value => text_of(value),
        };
        let values = self.conditions.iter();
        let values = values.filter_map(|(name, value)| Some((name.clone(), of(value)?)));
        Arc::new(Bound { partition: self.partition.clone(), values: values.collect() })
    }
}

impl Since {
    /// The moment from which is asked on after `mark`.
    pub(crate) fn moment(&self, mark: &str) -> Option<DateTime<Utc>> {
        read(self.format, mark)?.checked_sub_signed(self.lookback)
    }

    /// The mark, or the moment `until` if it is after that: rows that are changed while a run reads, or
    /// claim to be of the future, do not hide those that are changed on pages which it has read by then.
    pub(crate) fn until(&self, mark: String, until: DateTime<Utc>) -> String {
        let is_after = read(self.format, &mark).is_some_and(|own| own > until);
        // In the layout of the value, with which it is compared.
        let format = match self.format.parse(&mark) {
            Some(_) => self.format,
            None => MomentFormat::Rfc3339,
        };
        let until = if is_after { format.write(until) } else { None };
        until.unwrap_or(mark)
    }

    /// The parameter that asks for what is new since `mark`; `None` for everything.
    pub(crate) fn param(&self, mark: Option<&str>) -> Option<(String, String)> {
        if self.order.is_some() {
            return None;
        }
        let Some(mark) = mark else {
            return self.start.clone().map(|start| (self.param.clone(), start));
        };
        let moment = self.moment(mark).and_then(|moment| self.format.write(moment));
        Some((self.param.clone(), moment.unwrap_or_else(|| mark.to_owned())))
    }

    /// Whether the run after `mark` reads rows with a value again: those from where it asks on,
    /// which is earlier than the mark by the lookback, and up to a day if it asks for days; all, if
    /// there is no mark. No value at all is an empty one, which is always read again.
    pub(crate) fn again(&self, mark: Option<&str>) -> impl Fn(&str) -> bool {
        let asked = |moment| self.asked.parse(&self.asked.write(moment)?);
        let from = mark.and_then(|mark| self.moment(mark)).and_then(asked);
        move |value: &str| {
            let Some(mark) = mark.filter(|_| !value.is_empty()) else { return true };
            match (from, read(self.format, value)) {
                (Some(from), Some(moment)) => moment >= from,
                _ => compare(value, mark).is_ge(),
            }
        }
    }
}

impl Since {
    /// Whether a value is one by which rows can be told apart: a moment, if they are moments.
    pub(crate) fn is_known(&self, value: &str) -> bool {
        match self.format {
            MomentFormat::Text => !value.is_empty(),
            format => read(format, value).is_some(),
        }
    }

    /// The order of two values.
    pub(crate) fn compare(&self, one: &str, other: &str) -> Ordering {
        match (read(self.format, one), read(self.format, other)) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => compare(one, other),
        }
    }

    /// Whether a row with a value is older than what a run after `mark` is to read: the mark less the
    /// lookback, or the start if there is no mark.
    pub(crate) fn is_older(&self, value: &str, mark: Option<&str>) -> bool {
        let Some(from) = mark.or(self.start.as_deref()) else { return false };
        if self.format == MomentFormat::Text {
            return compare(value, from).is_lt();
        }
        let from = match mark {
            Some(mark) => self.moment(mark),
            None => read(self.format, from),
        };
        // A lookback beyond all time reads everything.
        from.zip(read(self.format, value)).is_some_and(|(from, value)| value < from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        moment_of(text).unwrap()
    }

    #[test]
    fn what_is_new_is_asked_for_from_the_mark_less_the_lookback() {
        let since = |format, lookback| Since {
            field: "at".into(),
            order: None,
            param: "since".into(),
            start: Some("2020".into()),
            lookback,
            format,
            asked: format,
        };
        let hour = TimeDelta::hours(1);
        for (format, lookback, mark, expected) in [
            (MomentFormat::Rfc3339, hour, None, "2020"),
            (
                MomentFormat::Rfc3339,
                hour,
                Some("2024-03-01T00:30:00+01:00"),
                "2024-02-29T22:30:00Z",
            ),
            (
                MomentFormat::Rfc3339,
                hour,
                Some("2024-03-01T00:30:00.000+0100"),
                "2024-02-29T22:30:00Z",
            ),
            (MomentFormat::Rfc3339, TimeDelta::MAX, Some("2024-03-01"), "2024-03-01"),
            (MomentFormat::Unix, hour, Some("7200"), "3600"),
            (MomentFormat::UnixMs, TimeDelta::zero(), Some("7200"), "7200"),
            (MomentFormat::Text, hour, Some("abc"), "abc"),
        ] {
            let (_, value) = since(format, lookback).param(mark).unwrap();
            assert_eq!(value, expected);
        }
    }

    #[test]
    fn a_mark_of_the_future_is_the_moment_at_which_its_run_began() {
        let since = |format| Since {
            field: "at".into(),
            order: None,
            param: "since".into(),
            start: None,
            lookback: TimeDelta::zero(),
            format,
            asked: format,
        };
        for (format, mark, expected) in [
            (MomentFormat::Rfc3339, "9999-12-31T00:00:00Z", "2024-03-01T12:00:00Z"),
            (MomentFormat::Rfc3339, "2024-03-01 11:59:59", "2024-03-01 11:59:59"),
            (MomentFormat::Unix, "99999999999", "1709294400"),
            (MomentFormat::Text, "9999", "9999"),
        ] {
            let until = moment("2024-03-01T12:00:00Z");
            assert_eq!(since(format).until(mark.to_owned(), until), expected);
        }
    }

    #[test]
    fn what_is_read_again_is_what_is_asked_for() {
        use MomentFormat::{Date, Rfc3339, Text, Unix};
        let mark = "2024-03-01T12:00:00Z";
        for (format, asked, seconds, mark, value, expected) in [
            (Rfc3339, Rfc3339, 0, mark, mark, true),
            (Rfc3339, Rfc3339, 0, mark, "2024-03-01T13:00:00+01:00", true),
            (Rfc3339, Rfc3339, 0, mark, "2024-03-01T11:59:59.999Z", false),
            (Rfc3339, Rfc3339, 3600, mark, "2024-03-01T11:00:00Z", true),
            (Rfc3339, Rfc3339, 3600, mark, "2024-03-01T10:59:59Z", false),
            (Rfc3339, Rfc3339, 0, mark, "2024-03-01T13:00:00.000+0100", true),
            (Rfc3339, Rfc3339, 0, mark, "2024-03-01 11:59:59", false),
            (Rfc3339, Date, 0, mark, "2024-03-01T00:00:00Z", true),
            (Rfc3339, Date, 0, mark, "2024-02-29T23:59:59Z", false),
            (Unix, Unix, 10, "100", "90", true),
            (Unix, Unix, 10, "100", "89", false),
            (Text, Text, 0, "10", "9", false),
            (Text, Text, 0, "10", "10", true),
            (Text, Text, 0, "b", "a", false),
        ] {
            let since = Since {
                field: "at".into(),
                order: None,
                param: "since".into(),
                start: None,
                lookback: TimeDelta::seconds(seconds),
                format,
                asked,
            };
            assert_eq!(since.again(Some(mark))(value), expected, "{value} after {mark}");
            assert!(since.again(None)(value));
        }
    }
}
