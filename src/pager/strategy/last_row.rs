//! [pure] The last row of a read, after which it goes on if the place of the next page has expired.

use serde::{Deserialize, Serialize};

use super::{
    Paging, PagingFault,
    end_settings::RestartAfter,
    known_rows::{KnownRows, MOST_SHARED, hash, text_of},
};
use crate::{
    error::{Error, ErrorKind},
    path::{Gaps, Path},
};

/// The last row that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pager) struct LastRow {
    /// The value after which the read went on, if it did.
    after: Option<String>,
    /// Rows before that which may come again.
    known: KnownRows,
    /// The value of the last row, and the rows that have it.
    value: Option<String>,
    tied: KnownRows,
}

impl Paging {
    /// The parameter and the value with which a read goes on after its last row, and what that
    /// is for the rest of the read. `None` if it cannot.
    pub(in crate::pager) fn after_the_last(
        &self,
        last: &LastRow,
    ) -> Option<((&str, String), LastRow)> {
        let RestartAfter { param, .. } = self.ends.after.as_ref()?;
        let value = last.value.clone()?;
        let rest = LastRow { after: last.value.clone(), known: last.tied.clone(), ..last.clone() };
        Some(((param, value), rest))
    }

    /// The parameter and the value after which the read has gone on, if it has.
    pub(in crate::pager) fn gone_on(&self, last: &LastRow) -> Option<(&str, String)> {
        Some((&self.ends.after.as_ref()?.param, last.after.clone()?))
    }

    /// Whether a read keeps its last row, and the field by which it goes on.
    pub(in crate::pager) fn restart_field(&self) -> Option<&Path> {
        self.ends.after.as_ref().map(|after| &after.field)
    }

    /// Takes the rows of a page: those that came before, by their index.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] for a row without a value.
    pub(in crate::pager) fn take_last(
        &self,
        last: &mut LastRow,
        rows: &[&str],
    ) -> Result<Vec<usize>, PagingFault> {
        let Some(RestartAfter { field, .. }) = &self.ends.after else { return Ok(Vec::new()) };
        let mut known = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let found = field.find(row, Gaps::PassedOver).ok().flatten();
            let value = found.and_then(|found| text_of(found.first()?));
            let value = value.ok_or_else(|| PagingFault {
                kind: ErrorKind::Decode,
                what: format!("row {} has neither a text nor a number at `{field}`", index + 1),
            })?;
            let hash = hash(row);
            let is_known = last.known.leave_out(hash);
            if is_known {
                known.push(index);
            }
            if last.value.as_ref() != Some(&value) {
                (last.value, last.tied) = (Some(value), KnownRows::default());
            }
            if !is_known {
                last.tied.add(hash);
            }
            if last.tied.len() > MOST_SHARED {
                let what = format!("more than {MOST_SHARED} rows have the same `{field}`");
                return Err(PagingFault { kind: ErrorKind::Incomplete, what });
            }
        }
        Ok(known)
    }

    pub(super) fn check_restart(&self) -> Result<(), Error> {
        let Some(RestartAfter { param, field }) = &self.ends.after else { return Ok(()) };
        if self.ends.restarts == 0 {
            return Err(Error::config(
                "restart_after: needs `restart_when_expired`, how often a read may go on",
            ));
        }
        if param.is_empty() || self.parameters().contains(&param.as_str()) {
            return Err(Error::config(
                "restart_after: `param` is the name of a parameter of its own",
            ));
        }
        if field.is_root() || field.is_spread() {
            return Err(Error::config("restart_after: `field` is the path of one value in a row"));
        }
        Ok(())
    }
}
