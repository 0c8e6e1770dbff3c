//! [pure] One window of a read in [`Windows`]: where it begins and ends, which rows it shares with
//! the one before, and which window comes next.

use serde::{Deserialize, Serialize};

use super::{
    PagingFault,
    known_rows::{KnownRows, MOST_SHARED, hash},
    moment::{DAY, MomentFormat},
    windows::{OPEN, WindowBounds, Windows},
};
use crate::{
    error::{Error, ErrorKind},
    path::Gaps,
};

/// A window, and how far it was read. Moments are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pager) struct Window {
    from: i64,
    /// `None` if it has no end.
    to: Option<i64>,
    /// Where the last window ends.
    end: Option<i64>,
    /// When the read began.
    now: i64,
    /// How long windows are at present.
    length: i64,
    /// Rows of the windows before that may come again in this one.
    known: KnownRows,
    /// Rows of this one that may come again in the next one.
    shared: KnownRows,
    /// The latest moment of a row so far, in steps of the granularity, unless rows are in another
    /// order.
    latest: Option<i64>,
    is_in_order: bool,
    /// The rows of that moment, and those of the step before it.
    tied: KnownRows,
    before: KnownRows,
    /// Whether rows have a time of day.
    #[serde(default)]
    has_times: bool,
}

impl Windows {
    /// The first window of a read at `now`, where the endpoint has these bounds itself.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if nothing says where it begins, or a bound is not a moment.
    pub(in crate::pager) fn first(
        &self,
        own: (Option<&str>, Option<&str>),
        now: i64,
    ) -> Result<Window, Error> {
        let read = |name: &str, text: &str| {
            self.own_format().bound(text).ok_or_else(|| {
                Error::config(format!(
                    "windows: what `{name}` says is not a moment in their format"
                ))
            })
        };
        let start = own.0.or(self.start.as_deref()).ok_or_else(|| {
            let from = &self.from;
            Error::config(format!(
                "windows: nothing says where the first one begins; set `start`, or the parameter \
                 `{from}` of the endpoint"
            ))
        })?;
        let smallest = self.smallest();
        let start = read(&self.from, start)?;
        let end = match own.1.or(self.end.as_deref()) {
            Some(OPEN) => None,
            Some(end) => Some(read(&self.to, end)?),
            None => Some(self.next_step(now)),
        };
        if end.is_some_and(|end| end < start) {
            return Err(Error::config("windows: the last one ends before the first one begins"));
        }
        // The endpoint's own bound is sent as it is.
        let is_excluded = own.0.is_some() && self.bounds == WindowBounds::Neither;
        let from = if is_excluded { start.saturating_add(smallest) } else { start };
        Ok(self.begin(from, end, now))
    }

    /// The first window from one moment to another, of a read at `now`.
    pub(super) fn begin(&self, from: i64, end: Option<i64>, now: i64) -> Window {
        let length = self.longest();
        let mut window = Window {
            from,
            to: None,
            end,
            now: self.next_step(now),
            length,
            known: KnownRows::default(),
            shared: KnownRows::default(),
            latest: None,
            is_in_order: true,
            tied: KnownRows::default(),
            before: KnownRows::default(),
            has_times: false,
        };
        window.to = window.end_after(length);
        window
    }

    /// The end of the step of the granularity that a moment is in.
    pub(super) fn next_step(&self, moment: i64) -> i64 {
        let smallest = self.smallest();
        moment.div_euclid(smallest).saturating_add(1).saturating_mul(smallest)
    }

    /// The parameters that request it.
    pub(in crate::pager) fn params(&self, window: &Window) -> Vec<(&str, String)> {
        let smallest = self.smallest();
        let from = match self.bounds {
            WindowBounds::Neither => window.from.saturating_sub(smallest),
            _ => window.from,
        };
        let to = window.to.map(|to| match self.bounds {
            WindowBounds::Both if self.field.is_none() && window.to != window.end => {
                to.saturating_sub(smallest).max(window.from)
            }
            _ => to,
        });
        let to = to.map(|to| (self.to.as_str(), self.own_format().written(to)));
        [(self.from.as_str(), self.own_format().written(from))].into_iter().chain(to).collect()
    }

    /// The one after it, if there is one.
    pub(in crate::pager) fn after(&self, window: &Window) -> Option<Window> {
        let from = window.to.filter(|to| Some(*to) != window.end)?;
        let length = window.length.saturating_mul(2).min(self.longest());
        Some(window.next(from, length, window.shared.clone()))
    }

    /// Its first half, where it has more rows than the API returns.
    ///
    /// # Errors
    /// [`ErrorKind::Incomplete`] if it is the smallest window.
    pub(in crate::pager) fn half(&self, window: &Window) -> Result<Window, Error> {
        let smallest = self.smallest();
        let to = match window.to {
            Some(to) => window.from + (to - window.from) / 2 / smallest * smallest,
            None => window.now,
        };
        if to <= window.from {
            let what = "more rows than `row_cap` are in the smallest window, so the rest \
                        cannot be reached: ";
            return Err(incomplete(what, self, window));
        }
        let mut half = window.next(window.from, to - window.from, window.known.clone());
        half.to = Some(to);
        Ok(half)
    }

    /// What is left of it, once as many rows were read as the API returns.
    ///
    /// # Errors
    /// [`ErrorKind::Incomplete`] if it is not known which rows that are.
    pub(in crate::pager) fn rest(&self, window: &Window) -> Result<Window, Error> {
        let Some(latest) = window.latest.filter(|_| window.is_in_order) else {
            let what = match self.field {
                None => {
                    "as many rows as `row_cap` were read of a window, no total told \
                         before that there are more, and no `field` says where to go on: "
                }
                Some(_) => {
                    "as many rows as `row_cap` were read of a window, no total told \
                            before that there are more, and the rows are not in the order of \
                            their `field`, so the rest cannot be told from them: "
                }
            };
            return Err(incomplete(what, self, window));
        };
        if window.has_times && self.own_format() == MomentFormat::Date {
            let what = "as many rows as `row_cap` were read of a window, no total told \
                        before that there are more, and the rows have a time of day whose zone \
                        in the API's days is not known, so the rest cannot be told from them: ";
            return Err(incomplete(what, self, window));
        }
        let from = match self.bounds {
            WindowBounds::End => latest.saturating_sub(self.smallest()),
            _ => latest,
        };
        if from <= window.from {
            let what = "as many rows as `row_cap` have the same moment, so the rest cannot \
                        be reached: ";
            return Err(incomplete(what, self, window));
        }
        let mut known = window.tied.clone();
        if matches!(self.bounds, WindowBounds::End | WindowBounds::Neither) {
            known.add_all(&window.before);
        }
        let mut rest = window.next(from, window.length, known);
        if let Some(to) = window.to {
            rest.to = Some(to);
        }
        Ok(rest)
    }

    /// Takes a page of it: the rows that windows before had, by their index.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] for a row without a moment, [`ErrorKind::PaginationMissing`] for one
    /// that is outside, [`ErrorKind::Incomplete`] if too many rows share a bound.
    pub(in crate::pager) fn take(
        &self,
        window: &mut Window,
        rows: &[&str],
    ) -> Result<Vec<usize>, PagingFault> {
        let Some(field) = &self.field else { return Ok(Vec::new()) };
        let mut known = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let found = field.find(row, Gaps::PassedOver).ok().flatten();
            let json = found.and_then(|found| found.first().copied()).unwrap_or("null");
            let moment = self.own_format().of_value(json).ok_or_else(|| PagingFault {
                kind: ErrorKind::Decode,
                what: format!("row {} has no moment at `{field}`", index + 1),
            })?;
            self.check_inside(window, moment)?;
            let hash = hash(row);
            if window.known.leave_out(hash) {
                known.push(index);
            }
            // A row with a time of day may belong to the day before or after, by the API's zone.
            let has_time = moment.rem_euclid(DAY) != 0;
            window.has_times |= has_time;
            let is_zoned = has_time && self.own_format() == MomentFormat::Date;
            let zone = if is_zoned { DAY } else { 0 };
            window.remember(moment, self.smallest(), hash, (self.bounds, zone))?;
        }
        Ok(known)
    }

    /// Whether the row may be in the window: days may be those of another time zone.
    fn check_inside(&self, window: &Window, moment: i64) -> Result<(), PagingFault> {
        let zone = if self.own_format() == MomentFormat::Date { DAY } else { 0 };
        let slack = self.smallest().saturating_add(zone);
        let is_late = |to: i64| moment > to.saturating_add(slack);
        if moment >= window.from.saturating_sub(slack) && !window.to.is_some_and(is_late) {
            return Ok(());
        }
        let (from, to) = (&self.from, &self.to);
        Err(PagingFault {
            kind: ErrorKind::PaginationMissing,
            what: format!(
                "a row is outside its window: the parameters `{from}` and `{to}` have no effect, \
                 or `field` names another moment than the one by which the API selects"
            ),
        })
    }
}

impl Window {
    /// Where a window ends that begins here and is so long. The last one may have no end.
    fn end_after(&self, length: i64) -> Option<i64> {
        let to = self.from.saturating_add(length);
        match self.end {
            Some(end) => Some(to.min(end)),
            None => Some(to).filter(|to| *to < self.now),
        }
    }

    fn next(&self, from: i64, length: i64, known: KnownRows) -> Self {
        let mut next = Self {
            from,
            to: None,
            length,
            known,
            shared: KnownRows::default(),
            latest: None,
            is_in_order: true,
            tied: KnownRows::default(),
            before: KnownRows::default(),
            ..*self
        };
        next.to = next.end_after(length);
        next
    }

    fn remember(
        &mut self,
        moment: i64,
        smallest: i64,
        hash: u64,
        (bounds, zone): (WindowBounds, i64),
    ) -> Result<(), PagingFault> {
        let is_shared = self.to.is_some_and(|to| match bounds {
            WindowBounds::Both => moment >= to.saturating_sub(zone),
            WindowBounds::Neither => moment > to.saturating_sub(smallest),
            WindowBounds::Start | WindowBounds::End => false,
        });
        if is_shared {
            self.shared.add(hash);
        }
        let step = moment.div_euclid(smallest).saturating_mul(smallest);
        match self.latest {
            Some(latest) if step < latest => self.is_in_order = false,
            Some(latest) if step == latest => {}
            latest => {
                let tied = std::mem::take(&mut self.tied);
                let adjoins = latest.is_some_and(|latest| step - latest == smallest);
                self.before = if adjoins { tied } else { KnownRows::default() };
                self.latest = Some(step);
            }
        }
        if self.is_in_order && self.latest == Some(step) {
            self.tied.add(hash);
        } else if !self.is_in_order {
            (self.tied, self.before) = (KnownRows::default(), KnownRows::default());
        }
        if self.tied.len().max(self.shared.len()) > MOST_SHARED {
            let what = format!("more than {MOST_SHARED} rows share the bound of a window");
            return Err(PagingFault { kind: ErrorKind::Incomplete, what });
        }
        Ok(())
    }
}

fn incomplete(what: &str, windows: &Windows, window: &Window) -> Error {
    let from = windows.own_format().written(window.from);
    let to = window.to.map_or_else(|| OPEN.to_owned(), |to| windows.own_format().written(to));
    Error::new(ErrorKind::Incomplete, format!("{what}{from} to {to}"))
}
