//! The rows of a Vista, as many at a time as it gives.

use std::mem;

use ciborium::Value;
use futures::{Stream, stream};
use vantage_dataset::traits::ReadableValueSet;
use vantage_types::Record;
use vantage_vista::{Capability, Vista};

use crate::error::SqlError;

/// How many rows are asked for at a time, by a Vista with cursors. One that has pages asks again for the
/// page in which it has stopped, and begins its read-ahead anew, so that this is many of them.
const ROWS_AT_ONCE: usize = 10_000;

/// Where a reading stands.
enum At {
    Start,
    /// Behind the rows that this cursor is behind.
    Behind(Value),
    End,
}

struct Reading {
    vista: Vista,
    /// How many rows may follow; all of them without a limit.
    left: Option<usize>,
    at: At,
}

/// The rows of a Vista, at most so many: by its cursors if it has them, else in one read.
pub(super) fn rows(
    vista: Vista,
    limit: Option<usize>,
) -> impl Stream<Item = Result<Vec<Record<Value>>, SqlError>> + Send {
    let at = if limit == Some(0) { At::End } else { At::Start };
    stream::try_unfold(Reading { vista, left: limit, at }, Reading::next)
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Vec<Record<Value>>, Self)>, SqlError> {
        let rows = match mem::replace(&mut self.at, At::End) {
            At::End => return Ok(None),
            At::Start if self.vista.capabilities().has(Capability::Cursor) => {
                self.behind(None).await?
            }
            At::Start => self.all().await?,
            At::Behind(cursor) => self.behind(Some(cursor)).await?,
        };
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(rows.len());
            if *left == 0 {
                self.at = At::End;
            }
        }
        Ok(Some((rows, self)))
    }

    async fn all(&self) -> Result<Vec<Record<Value>>, SqlError> {
        match self.left {
            Some(most) => {
                let page = self.vista.fetch_window(0, most).await.map_err(self.failed())?;
                Ok(page.rows.into_iter().take(most).map(|(_, row)| row).collect())
            }
            None => {
                let rows = self.vista.list_values().await.map_err(self.failed())?;
                Ok(rows.into_values().collect())
            }
        }
    }

    async fn behind(&mut self, cursor: Option<Value>) -> Result<Vec<Record<Value>>, SqlError> {
        let most = self.left.unwrap_or(ROWS_AT_ONCE).min(ROWS_AT_ONCE);
        let (page, next) =
            self.vista.fetch_cursor(cursor.clone(), most).await.map_err(self.failed())?;
        if let Some(next) = next {
            if Some(&next) == cursor.as_ref() {
                let what = "its cursor leads to where it was";
                return Err(SqlError::table(self.vista.name(), what));
            }
            self.at = At::Behind(next);
        }
        Ok(page.rows.into_iter().take(most).map(|(_, row)| row).collect())
    }

    fn failed(&self) -> impl FnOnce(vantage_core::VantageError) -> SqlError {
        let name = self.vista.name().to_owned();
        move |error| SqlError::of_vantage(&name, &error)
    }
}
