//! [pure] Windows that are read each by itself: their parameters.

use chrono::{DateTime, Utc};

use super::windows::{OPEN, WindowBounds, Windows};

/// More are a mistake in their step.
const MAX_WINDOWS: usize = 100_000;

#[doc(hidden)]
impl Windows {
    /// A setting with which they cannot be read each by itself, and why.
    #[must_use]
    pub fn fault_of_split(&self) -> Option<(&'static str, &'static str)> {
        self.fault().or(match (&self.start, &self.field) {
            (None, _) => Some(("start", "is missing")),
            (_, Some(_)) => Some(("field", "has no meaning where windows are read at once")),
            _ => None,
        })
    }

    /// The parameters of each window, from `mark` if that is after the start, up to `until` unless
    /// they end elsewhere. Rows at `mark` are in the first one.
    ///
    /// # Errors
    /// What is wrong with them, or that there are more than anyone wants.
    pub fn split(
        &self,
        mark: Option<DateTime<Utc>>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Vec<(String, String)>>, String> {
        if let Some((key, what)) = self.fault_of_split() {
            return Err(format!("windows: `{key}` {what}"));
        }
        let format = self.own_format();
        let bound = |text: &String| format.bound(text);
        let mark = mark.map(|mark| match self.bounds {
            WindowBounds::End => mark.timestamp_millis().saturating_sub(self.smallest()),
            _ => mark.timestamp_millis(),
        });
        let Some(start) = mark.max(self.start.as_ref().and_then(bound)) else {
            return Err("windows: `start` is missing".to_owned());
        };
        let until = until.timestamp_millis();
        let end = match &self.end {
            Some(end) if end == OPEN => None,
            Some(end) => bound(end),
            None => Some(self.next_step(until)),
        };
        if end.is_some_and(|end| end < start) {
            return Ok(Vec::new());
        }
        let mut next = Some(self.begin(start, end, until));
        let mut all = Vec::new();
        while let Some(window) = next {
            if all.len() == MAX_WINDOWS {
                return Err(format!("there are more than {MAX_WINDOWS} windows"));
            }
            let params = self.params(&window).into_iter();
            all.push(params.map(|(name, value)| (name.to_owned(), value)).collect());
            next = self.after(&window);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::moment::MomentFormat, *};

    const DAY: Duration = Duration::from_secs(86_400);

    fn moment(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    /// The bounds of the windows of a read on the first of March, less what all of them begin with.
    fn bounds(windows: &Windows, mark: Option<&str>) -> String {
        let windows = windows.split(mark.map(moment), moment("2024-03-01T12:00:00Z")).unwrap();
        let shown = windows.iter().map(|params| {
            let values: Vec<_> =
                params.iter().map(|(_, value)| value.replace("2024-", "")).collect();
            values.join("..")
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn windows_cover_the_time_without_a_gap_up_to_the_end_of_the_step_that_it_is() {
        let days = Windows::new("since", "until", DAY).format(MomentFormat::Date);
        let days = days.start("2024-02-28");
        assert_eq!(bounds(&days, None), "02-28..02-29 02-29..03-01 03-01..03-02");
        assert_eq!(bounds(&days, Some("2024-03-01T08:00:00Z")), "03-01..03-02");
        assert_eq!(bounds(&days, Some("2024-03-05T00:00:00Z")), "");
        let open = days.clone().end("open");
        assert_eq!(bounds(&open, None), "02-28..02-29 02-29..03-01 03-01");
        let hours = Windows::new("since", "until", DAY / 2).start("2024-03-01T00:00:00Z");
        assert_eq!(
            bounds(&hours, None),
            "03-01T00:00:00Z..03-01T12:00:00Z 03-01T12:00:00Z..03-01T12:00:01Z"
        );
        let endless = Windows::new("a", "b", Duration::from_secs(1)).start("1970-01-01");
        let refused = endless.split(None, moment("2024-03-01T00:00:00Z")).unwrap_err();
        assert!(refused.contains("100000"), "{refused}");
    }

    #[test]
    fn windows_share_no_moment_whichever_bounds_the_api_includes() {
        let days = |step: u32| {
            let windows = Windows::new("since", "until", DAY * step).format(MomentFormat::Date);
            windows.start("2024-02-26").end("2024-02-29").bounds(WindowBounds::Both)
        };
        for (windows, mark, expected) in [
            (days(1), None, "02-26..02-26 02-27..02-27 02-28..02-29"),
            (days(2), None, "02-26..02-27 02-28..02-29"),
            (days(3), None, "02-26..02-29"),
            (days(2).bounds(WindowBounds::Neither), None, "02-25..02-28 02-27..02-29"),
            (days(2).bounds(WindowBounds::End), None, "02-26..02-28 02-28..02-29"),
            // A row may have come that is as old as the mark.
            (days(2).bounds(WindowBounds::End), Some("2024-02-28T00:00:00Z"), "02-27..02-29"),
            (days(2).bounds(WindowBounds::Neither), Some("2024-02-28T00:00:00Z"), "02-27..02-29"),
        ] {
            assert_eq!(bounds(&windows, mark), expected);
        }
    }

    #[test]
    fn what_needs_the_window_before_is_refused() {
        let good = || Windows::new("since", "until", DAY).start("2024-01-01T00:00:00Z");
        assert_eq!(good().fault_of_split(), None);
        for (windows, key) in [
            (Windows::new("since", "until", DAY), "start"),
            (good().field("at"), "field"),
            (good().start("soon"), "start"),
        ] {
            assert_eq!(windows.fault_of_split().unwrap().0, key);
            let refused = windows.split(None, moment("2024-03-01T00:00:00Z")).unwrap_err();
            assert!(refused.contains(key), "{refused}");
        }
    }
}
