//! Reads a table piece by piece, each from where the one before it ended, for APIs
//! whose pages name the next one.

use std::sync::atomic::Ordering;

use ciborium::Value;
use futures::StreamExt;
use vantage_core::{Result, error};
use vantage_table::pagination::Pagination;

use super::{filter::Filter, keyed::Keyed, keys::Keys, query::Query, reads::Read, window::Window};
use crate::pager::{PaginatedStream, ReadMode, ResumeToken};

/// Where a piece begins.
enum Place {
    /// At this row of the set, counted from 0.
    Row(u64),
    /// Where the API said, which is at this row.
    Token(ResumeToken, u64),
}

impl Place {
    /// # Errors
    /// `IncorrectUsage` for a value that [`value`](Self::value) did not make.
    fn of(value: &Value) -> Result<Self> {
        let row = |value: &Value| u64::try_from(i128::from(value.as_integer()?)).ok();
        let place = match value {
            Value::Array(parts) => match parts.as_slice() {
                [token, at] => {
                    let token = token.as_text().and_then(|text| text.parse().ok());
                    token.zip(row(at)).map(|(token, at)| Self::Token(token, at))
                }
                _ => None,
            },
            value => row(value).map(Self::Row),
        };
        place.ok_or_else(|| error!("the token is not one of this source").mark_incorrect_usage())
    }

    fn value(&self) -> Value {
        match self {
            Self::Row(row) => Value::from(*row),
            Self::Token(token, row) => Value::Array(vec![token.to_text().into(), (*row).into()]),
        }
    }
}

impl Read {
    /// At most `limit` rows from where `token` says, the start of the set without one, and
    /// the token for the next ones; without one at the end of the set.
    ///
    /// # Errors
    /// Those of a list, and `IncorrectUsage` for a token that this source did not make.
    pub(super) async fn piece(
        mut self,
        token: Option<&Value>,
        limit: u64,
    ) -> Result<(Vec<Keyed>, Option<Value>)> {
        let place = token.map_or(Ok(Place::Row(0)), Place::of)?;
        if limit == 0 {
            return Ok((Vec::new(), Some(place.value())));
        }
        let is_chained = self.settings.paging.is_chained();
        let mut queries = if is_chained { self.queries()? } else { Vec::new() };
        let only = queries.pop().map(|(_, query)| query).filter(|_| queries.is_empty());
        let only = only.filter(|query| query.order.made_on_rows().is_none());
        let targets = only.as_ref().map(Query::targets).unwrap_or_default();
        match (only, targets.as_slice(), place) {
            (Some(query), [target], Place::Row(0)) => {
                self.followed(target, &query.filter, None, limit).await
            }
            (Some(query), [target], Place::Token(token, row)) => {
                self.followed(target, &query.filter, Some((token, row)), limit).await
            }
            (_, _, Place::Row(row)) => self.counted(row, limit).await,
            (_, _, Place::Token(..)) => {
                Err(error!("the token is of a read under other conditions").mark_incorrect_usage())
            }
        }
    }

    /// The rows from where the API said on.
    async fn followed(
        self,
        target: &str,
        filter: &Filter,
        place: Option<(ResumeToken, u64)>,
        limit: u64,
    ) -> Result<(Vec<Keyed>, Option<Value>)> {
        let mut stream = PaginatedStream::decoded_by(&self.api.pool, target, self.decoder.clone())
            .paging(self.settings.paging.clone())
            .envelope(self.settings.envelope.clone())
            .mode(ReadMode::Sequential);
        let mut position = 0;
        if let Some((token, row)) = place {
            stream = stream.resume_from(token);
            position = row;
        }
        let (mut keys, mut rows, mut page) = (Keys::exact(), Vec::new(), None);
        while (rows.len() as u64) < limit {
            let Some(row) = stream.next().await else { return Ok((rows, None)) };
            let row = row.map_err(|error| self.failed(error))?;
            if page != stream.page_at_hand() {
                page = stream.page_at_hand();
                keys.begin_page();
            }
            if filter.keeps(&row.record) {
                let row = keys.row(position, row)?;
                self.api.repeated.fetch_add(keys.take_repeated(), Ordering::Relaxed);
                rows.extend(row.map(|(key, row)| (key, self.finished(row.record))));
                position += 1;
            }
        }
        let token = stream.resume_token();
        let next = (!token.is_end()).then(|| Place::Token(token, position).value());
        Ok((rows, next))
    }

    /// The rows from this one on, by their number.
    async fn counted(mut self, row: u64, limit: u64) -> Result<(Vec<Keyed>, Option<Value>)> {
        let signed = |number| i64::try_from(number).unwrap_or(i64::MAX);
        self.window = Some(Window::of(&Pagination::window(signed(row), signed(limit))));
        let (mut rows, mut pages) = (Vec::new(), self.keyed(Keys::exact())?);
        while let Some(page) = pages.next().await {
            rows.extend(page?);
        }
        // A row that was left out has its place in the set all the same.
        let is_full = rows.len() as u64 + pages.left_out() >= limit;
        let next = is_full.then(|| Place::Row(row.saturating_add(limit)).value());
        Ok((rows, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_of_this_source_is_a_place() {
        let kept = Place::of(&Place::Row(7).value()).map(|place| place.value());
        assert_eq!(kept.ok(), Some(Value::from(7)));
        for foreign in [
            Value::Null,
            Value::from(-1),
            Value::from("7"),
            Value::Array(vec![]),
            Value::Array(vec!["no token".into(), 7.into()]),
        ] {
            assert!(Place::of(&foreign).err().is_some_and(|error| error.is_incorrect_usage()));
        }
    }
}
