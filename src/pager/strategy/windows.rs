//! [pure] Windows of time in which a set is read, one after the other: their settings. Where they
//! begin and end is in `window`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::moment::{DAY, MomentFormat};
use crate::{data, error::Error, path::Path};

/// Windows of time in which a set is read one after the other, for an API that returns no more than
/// so many rows at a time: see [`Paging::windows`](crate::Paging::windows).
///
/// ```
/// use std::time::Duration;
/// use vantage_api_pool::{Paging, paging::Windows};
///
/// let days = Duration::from_secs(86_400);
/// let windows = Windows::new("since", "until", 30 * days).start("2020-01-01T00:00:00Z");
/// let paging = Paging::offset_limit("offset", "limit", 100)
///     .row_cap(10_000)
///     .windows(windows.field("created_at"));
/// # let _ = paging;
/// ```
///
/// # As data
///
/// ```yaml
/// by: offset
/// param: offset
/// size_param: limit
/// size: 100
/// row_cap: 10000
/// windows: { from: since, to: until, field: created_at, step: 30d, start: 2020-01-01T00:00:00Z }
/// ```
///
/// | key | value |
/// |---|---|
/// | `from`, `to` | the parameters that take the bounds of a window |
/// | `step` | how long a window is at most: a number of seconds, or text such as `30d` |
/// | `field` | where a row has the moment by which the API selects: keys joined by dots |
/// | `start` | where the first window begins, if the endpoint has no parameter `from` |
/// | `end` | where the last one ends, if the endpoint has no parameter `to`; `open` sends none. By default it is the end of the step of `granularity` in which the read begins, so of `date` the end of the day |
/// | `format` | how bounds are written: `rfc3339` (the default), `unix`, `unix_ms` or `date` |
/// | `bounds` | which of its bounds the API includes, as in SQL: `"[)"` (the default), `"[]"`, `"(]"` or `"()"` |
/// | `granularity` | the smallest difference of two moments of the API; by default a second, of `unix_ms` a millisecond, of `date` a day |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    pub(super) from: String,
    pub(super) to: String,
    #[serde(with = "data::duration")]
    pub(super) step: Duration,
    #[serde(default)]
    pub(super) field: Option<Path>,
    #[serde(default, deserialize_with = "data::optional_text")]
    pub(super) start: Option<String>,
    #[serde(default, deserialize_with = "data::optional_text")]
    pub(super) end: Option<String>,
    #[serde(default)]
    pub(super) format: Option<MomentFormat>,
    #[serde(default)]
    pub(super) bounds: WindowBounds,
    #[serde(default, with = "data::optional_duration")]
    pub(super) granularity: Option<Duration>,
}

/// Which of the bounds of a window the API includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WindowBounds {
    /// The start alone, written `[)`: windows adjoin.
    #[default]
    #[serde(rename = "[)")]
    Start,
    /// Both, written `[]`: with a [`field`](Windows::field) windows share their bounds, and a row
    /// that comes twice for that is left out once. Without, each window but the last ends one
    /// [`granularity`](Windows::granularity) before the next one begins, which would miss rows in
    /// between.
    #[serde(rename = "[]")]
    Both,
    /// The end alone, written `(]`: windows adjoin, and what is exactly at the start of the first
    /// one is not read.
    #[serde(rename = "(]")]
    End,
    /// Neither, written `()`: each window begins one [`granularity`](Windows::granularity) before
    /// the end of the one before.
    #[serde(rename = "()")]
    Neither,
}

/// The value of `end` for a last window without one.
pub(super) const OPEN: &str = "open";

impl Windows {
    /// Windows of at most this length, with their bounds in the parameters `from` and `to`.
    #[must_use]
    pub fn new(from: impl Into<String>, to: impl Into<String>, step: Duration) -> Self {
        Self {
            from: from.into(),
            to: to.into(),
            step,
            field: None,
            start: None,
            end: None,
            format: None,
            bounds: WindowBounds::default(),
            granularity: None,
        }
    }

    /// Where a row has the moment by which the API selects (keys joined by dots). A row without
    /// one is an [`ErrorKind::Decode`](crate::ErrorKind::Decode), and a row outside its window an
    /// [`ErrorKind::PaginationMissing`](crate::ErrorKind::PaginationMissing): the parameters have
    /// no effect. A moment without an offset is taken for UTC.
    ///
    /// Bounds that are [days](MomentFormat::Date) may be those of another time zone than the rows'.
    /// A window of them whose rows have a time of day, and that has reached
    /// [`row_cap`](crate::Paging::row_cap) without a total, is an
    /// [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete).
    #[must_use]
    pub fn field(mut self, path: &str) -> Self {
        self.field = Some(Path::parse(path));
        self
    }

    /// Where the first window begins. A parameter `from` of the endpoint, be it written there or
    /// made by a condition of a table, takes its place.
    #[must_use]
    pub fn start(mut self, moment: impl Into<String>) -> Self {
        self.start = Some(moment.into());
        self
    }

    /// Where the last window ends, or `open`, which sends no end with the last window. By default
    /// it is the end of the step of the granularity in which the read begins. A parameter `to` of the endpoint takes its place.
    #[must_use]
    pub fn end(mut self, moment: impl Into<String>) -> Self {
        self.end = Some(moment.into());
        self
    }

    /// How bounds are written: as in RFC 3339, unless set otherwise.
    #[must_use]
    pub fn format(mut self, format: MomentFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Which bounds the API includes: the start alone, unless set otherwise.
    #[must_use]
    pub fn bounds(mut self, bounds: WindowBounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// The smallest difference of two moments of the API, which is also the length of the smallest
    /// window: a second, with [`UnixMs`](MomentFormat::UnixMs) a millisecond and with
    /// [`Date`](MomentFormat::Date) a day, unless set otherwise.
    #[must_use]
    pub fn granularity(mut self, smallest: Duration) -> Self {
        self.granularity = Some(smallest);
        self
    }

    /// Takes the format of other moments if none is set, and their start if they are written alike.
    #[doc(hidden)]
    pub fn complete(&mut self, format: MomentFormat, start: Option<&str>) {
        if format != MomentFormat::Text {
            self.format.get_or_insert(format);
        }
        if self.start.is_none() && self.own_format() == format {
            self.start = start.map(str::to_owned);
        }
    }

    /// How bounds are written.
    #[doc(hidden)]
    #[must_use]
    pub fn own_format(&self) -> MomentFormat {
        self.format.unwrap_or_default()
    }

    /// The parameters that take the bounds.
    #[doc(hidden)]
    #[must_use]
    pub fn own_params(&self) -> [&str; 2] {
        [&self.from, &self.to]
    }

    pub(super) fn smallest(&self) -> i64 {
        self.granularity.map_or_else(|| self.own_format().granularity(), millis)
    }

    pub(super) fn longest(&self) -> i64 {
        millis(self.step)
    }

    /// Checks the settings, and against the other parameters of the paging.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the setting.
    pub(super) fn check(&self, others: &[&str]) -> Result<(), Error> {
        if let Some((key, what)) = self.fault() {
            return Err(Error::config(format!("windows: `{key}` {what}")));
        }
        match others.iter().any(|other| self.own_params().contains(other)) {
            false => Ok(()),
            true => {
                let what = "windows: one parameter cannot be both the place of a page and a bound";
                Err(Error::config(what))
            }
        }
    }

    /// A setting that is wrong, and why.
    pub(super) fn fault(&self) -> Option<(&'static str, &'static str)> {
        let (own, step, format) = (self.smallest(), self.longest(), self.own_format());
        let read = |text: &String| format.bound(text);
        let start = self.start.as_ref().map(read);
        let end = self.end.as_ref().filter(|end| *end != OPEN).map(read);
        let days = |length: i64| format != MomentFormat::Date || length % DAY == 0;
        let is_field = |path: &Path| !path.is_root() && !path.is_spread();
        let layout = "is not a moment in the `format` of the bounds";
        let faults = [
            (self.from.is_empty(), "from", "is the name of a parameter"),
            (self.to.is_empty(), "to", "is the name of a parameter"),
            (self.from == self.to, "to", "is another parameter than `from`"),
            (format == MomentFormat::Text, "format", "is one of times"),
            (own < format.granularity(), "granularity", "is finer than the `format` can write"),
            (!days(own), "granularity", "is whole days with the `format` of dates"),
            (step < own, "step", "is below the `granularity`"),
            (!days(step), "step", "is whole days with the `format` of dates"),
            (
                !self.field.as_ref().is_none_or(is_field),
                "field",
                "is the path of one value in a row",
            ),
            (start == Some(None), "start", layout),
            (end == Some(None), "end", layout),
            (end.is_some_and(|end| end < start.flatten()), "end", "is before `start`"),
        ];
        faults.into_iter().find_map(|(is_wrong, key, what)| is_wrong.then_some((key, what)))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
