//! Reads a table in pieces, each from where the one before it ended, for APIs whose pages name the
//! next one.

use std::sync::atomic::Ordering;

use ciborium::Value;
use futures::StreamExt;
use vantage_core::{Result, error};
use vantage_table::pagination::Pagination;

use super::{
    error::incorrect, keyed::KeyedRow, keys::Keys, query::Query, reads::Read, row_filter::Filter,
    window::RowWindow,
};
use crate::{
    pager::{ReadIdentity, ResumeToken},
    signer::{Signer, UNSIGNED},
};

/// The version of the token format, which is the first part of a token.
const VERSION: u64 = 1;

/// Where a piece begins: at a resume token, if there is one, and at this row of the set, counted
/// from 0.
type CursorPosition = (Option<ResumeToken>, u64);

/// The position that `value` stands for.
///
/// # Errors
/// `IncorrectUsage` for a value that [`token_of`] did not make, or made for another read than
/// `own`, or with another key.
pub(super) fn position_of(
    value: &Value,
    own: &ReadIdentity,
    signer: &Signer,
) -> Result<CursorPosition> {
    let foreign = || incorrect("the token is not one of this source");
    let number = |value: &Value| u64::try_from(i128::from(value.as_integer()?)).ok();
    let Value::Array(parts) = value else { return Err(foreign()) };
    let version = parts.first().and_then(number).ok_or_else(foreign)?;
    if version != VERSION {
        return Err(incorrect(format!("the token is of version {version}, not of {VERSION}")));
    }
    let [signed @ .., signature] = parts.as_slice() else { return Err(foreign()) };
    let [_, origin, token, row] = signed else { return Err(foreign()) };
    let origin = origin.as_text().and_then(|text| serde_json::from_str::<ReadIdentity>(text).ok());
    if let Some(difference) = origin.ok_or_else(foreign)?.difference(own) {
        return Err(incorrect(format!("the token is of a read with {difference}")));
    }
    let is_own = signature.as_text().is_some_and(|by| signer.has_signed(&bytes(signed), by));
    if !is_own {
        return Err(incorrect(UNSIGNED));
    }
    let row = number(row).ok_or_else(foreign)?;
    let token = match token {
        Value::Null => None,
        token => {
            let token = token.as_text().and_then(|text| text.parse().ok());
            Some(token.ok_or_else(foreign)?)
        }
    };
    Ok((token, row))
}

/// The token of this position in the read `own`.
fn token_of((token, row): &CursorPosition, own: &ReadIdentity, signer: &Signer) -> Value {
    let token = token.as_ref().map_or(Value::Null, |token| token.to_text().into());
    // Numbers and text always serialize.
    let origin = serde_json::to_string(own).unwrap_or_default();
    let mut parts = vec![VERSION.into(), origin.into(), token, (*row).into()];
    parts.push(signer.sign(&bytes(&parts)).into());
    Value::Array(parts)
}

/// The signed bytes of a token.
fn bytes(parts: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Numbers and strings always serialize, and a vector accepts them.
    let _ = ciborium::into_writer(parts, &mut bytes);
    bytes
}

impl Read {
    /// At most `limit` rows from the position of `token` on, or from the start of the set without
    /// one, and the token for the next piece; `None` at the end of the set.
    ///
    /// # Errors
    /// Those of a list, and `IncorrectUsage` for a token that this source did not sign, or
    /// signed for another path, other conditions, another order or other page settings.
    pub(super) async fn piece(
        mut self,
        token: Option<&Value>,
        limit: u64,
    ) -> Result<(Vec<KeyedRow>, Option<Value>)> {
        let planned = self.planned(|mut read| {
            let queries = read.queries().map(|queries| (format!("{queries:?}"), queries));
            (read, queries)
        });
        let (planned, queries) = planned.await?;
        self = planned;
        let (read, mut queries) = queries?;
        let own = ReadIdentity::of(&read, &self.settings.paging, &self.settings.envelope);
        let signer = self.api.pool.signer();
        let (token, row) =
            token.map_or(Ok((None, 0)), |token| position_of(token, &own, &signer))?;
        if limit == 0 {
            return Ok((Vec::new(), Some(token_of(&(token, row), &own, &signer))));
        }
        if !self.settings.paging.is_sequential() {
            queries.clear();
        }
        let only = queries.pop().map(|(_, query)| query).filter(|_| queries.is_empty());
        let only = only.filter(|query| query.order.made_on_rows().is_none());
        let targets = only.as_ref().map(Query::targets).unwrap_or_default();
        let (rows, next) = match (only, targets.as_slice(), token) {
            (Some(query), [target], token) if token.is_some() || row == 0 => {
                self.followed(target, &query.filter, token, row, limit).await
            }
            (_, _, None) => self.counted(row, limit).await,
            (_, _, Some(_)) => {
                Err(error!("the token is of a read under other conditions").mark_incorrect_usage())
            }
        }?;
        Ok((rows, next.map(|next| token_of(&next, &own, &signer))))
    }

    /// The rows after a resume token, of which the first is `position`, or from the start of the
    /// set.
    async fn followed(
        self,
        target: &str,
        filter: &Filter,
        token: Option<ResumeToken>,
        mut position: u64,
        limit: u64,
    ) -> Result<(Vec<KeyedRow>, Option<CursorPosition>)> {
        let mut stream =
            self.scan(target.to_owned(), filter).read(self.settings.paging.clone(), Some(1));
        if let Some(token) = token {
            stream = stream.resume_from(token);
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
                self.api.duplicates.fetch_add(keys.take_duplicates(), Ordering::Relaxed);
                rows.extend(row.map(|(key, row)| (key, self.finished(row.record))));
                position = position.saturating_add(1);
            }
        }
        let token = stream.resume_token();
        let next = (!token.is_end()).then_some((Some(token), position));
        Ok((rows, next))
    }

    /// The rows from a given row number on.
    async fn counted(
        mut self,
        row: u64,
        limit: u64,
    ) -> Result<(Vec<KeyedRow>, Option<CursorPosition>)> {
        let signed = |number| i64::try_from(number).unwrap_or(i64::MAX);
        self.window = Some(RowWindow::of(&Pagination::window(signed(row), signed(limit))));
        let mut pages = self.keyed(Keys::exact()).await?;
        let rows = pages.collect().await?;
        // A row that was left out still counts as a position in the set.
        let is_full = rows.len() as u64 + pages.left_out() >= limit;
        let next = is_full.then_some((None, row.saturating_add(limit)));
        Ok((rows, next))
    }
}

#[cfg(test)]
mod tests {
    use vantage_vista::VistaFactory;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

    use super::*;
    use crate::{
        PoolApi,
        pager::{Envelope, Paging},
        pool::AwwPool,
    };

    #[tokio::test]
    async fn security_19_no_row_is_behind_the_end_of_the_numbers() {
        let server = MockServer::builder().start().await;
        let page = ResponseTemplate::new(200).set_body_string(r#"[{"id":1},{"id":2}]"#);
        Mock::given(method("GET")).respond_with(page).mount(&server).await;
        let paging = Paging::next_url("next");
        let api = PoolApi::new(AwwPool::new(1, None, false, server.uri())).paging(paging);
        let yaml = "name: rows\ncolumns: { id: { type: int, flags: [id] } }";
        let vista = api.vista_factory().from_yaml(yaml).unwrap();
        let (_, start) = vista.fetch_cursor(None, 0).await.unwrap();
        let mut parts = start.unwrap().into_array().unwrap();
        parts.truncate(3);
        parts.push(u64::MAX.into());
        parts.push(Signer::of_this_process().sign(&bytes(&parts)).into());
        for limit in [1, 10, usize::MAX] {
            let last = Value::Array(parts.clone());
            let (page, next) = vista.fetch_cursor(Some(last), limit).await.unwrap();
            assert!(page.rows.is_empty() && next.is_none());
        }
    }

    #[test]
    fn only_a_token_of_this_source_is_a_place() {
        let of = |what: &str| ReadIdentity::of(what, &Paging::page_number(), &Envelope::default());
        let (own, signer) = (of("/rows"), Signer::of_this_process());
        let kept = token_of(&(None, 7), &own, &signer);
        let place = position_of(&kept, &own, &signer);
        assert!(place.is_ok_and(|(token, row)| token.is_none() && row == 7));
        let with = |at: usize, part: Value| {
            let mut parts = kept.as_array().cloned().unwrap();
            parts[at] = part;
            Value::Array(parts)
        };
        let other = Signer::new(&[1; 32]).unwrap();
        for (foreign, what) in [
            (Value::Null, "of this source"),
            (Value::from(7), "of this source"),
            (Value::from("7"), "of this source"),
            (Value::Array(vec![]), "of this source"),
            (Value::Array(vec!["no token".into(), 7.into()]), "of this source"),
            (with(1, "{}".into()), "of this source"),
            (with(2, "x".into()), "not signed"),
            (with(3, (-1).into()), "not signed"),
            (with(3, 8.into()), "not signed"),
            (with(4, Value::Null), "not signed"),
            (Value::Array(kept.as_array().unwrap()[..4].to_vec()), "of this source"),
            (token_of(&(None, 7), &own, &other), "not signed"),
            (with(0, 2.into()), "of version 2"),
            (token_of(&(None, 7), &of("/others"), &signer), "another endpoint"),
        ] {
            let error = position_of(&foreign, &own, &signer).err().unwrap();
            assert!(error.is_incorrect_usage() && error.to_string().contains(what), "{error}");
        }
    }
}
