//! All rows of a list as lines of JSON, a page at a time: as fast as the client reads them.
//!
//! A failure in the middle breaks the connection, so that no client takes a part for the whole.

use std::{io, sync::Arc};

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderValue},
};
use bytes::Bytes;
use ciborium::Value;
use futures::Stream;
use vantage_vista::{Capability, Vista};

use super::read::{at, narrowed};
use crate::{
    Problem,
    cursor::CursorPosition,
    gateway::State,
    in_flight::Permit,
    json::Shape,
    query::ListQuery,
    request_context::RequestContext,
    serve::{is_head, within},
    table_config::Table,
};

const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// The stream of a list.
///
/// # Errors
/// 400 if a part of the list is asked for, or the table cannot be read to its end.
pub(super) fn lines(
    context: RequestContext,
    table: &Table,
    query: &ListQuery,
) -> Result<HttpResponse, Problem> {
    if query.has_window {
        return Err(Problem::bad_request("invalid_query", "a stream has all rows")
            .with_detail("leave out page, per_page, offset, limit and cursor"));
    }
    let vista = narrowed(table.vista_for(&context.principal)?, &query.what)?;
    let is_chained = vista.capabilities().has(Capability::Cursor);
    if !is_chained && !vista.capabilities().has(Capability::Window) {
        return Err(Problem::bad_request(
            "unsupported_query",
            "the table cannot be read to its end in parts",
        ));
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, LINES));
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response.insert_header((header::VARY, "Accept"));
    if is_head(&context) {
        return Ok(response.finish());
    }
    let position =
        if is_chained { CursorPosition::Token(Value::Null) } else { CursorPosition::Offset(0) };
    let select = query.select.clone();
    let reader = Reader { state: context.state, name: table.name.clone(), vista, select, position };
    Ok(response.streaming(reader.read(context.permit)))
}

struct Reader {
    state: Arc<State>,
    name: String,
    vista: Vista,
    select: Option<Vec<String>>,
    position: CursorPosition,
}

impl Reader {
    fn read(mut self, permit: Permit) -> impl Stream<Item = io::Result<Bytes>> {
        async_stream::stream! {
            // Worked on until the last page is read.
            let _permit = permit;
            loop {
                match self.page().await {
                    Ok((lines, is_last)) => {
                        if !lines.is_empty() {
                            yield Ok(Bytes::from(lines));
                        }
                        if is_last {
                            return;
                        }
                    }
                    Err(problem) => {
                        tracing::warn!(kind = problem.kind(), "a stream was broken off");
                        yield Err(io::Error::other("the list could not be read to its end"));
                        return;
                    }
                }
            }
        }
    }

    /// The lines of one page, and whether it is the last.
    async fn page(&mut self) -> Result<(Vec<u8>, bool), Problem> {
        let table = self.state.tables.get(&self.name).ok_or_else(Problem::not_found)?;
        let reading = at(table, &self.vista, &self.position, table.max_page_size);
        let reading = within(self.state.limits.request_timeout, reading);
        let rows = self.state.until_ended(reading).await?;
        let shape = Shape::new(table, self.select.as_deref());
        let mut lines = Vec::with_capacity(rows.rows.len() * 96);
        for (id, record) in &rows.rows {
            shape.write(&mut lines, id, record);
            lines.push(b'\n');
        }
        match rows.next {
            Some(next) if next == self.position => Err(Problem::new(
                actix_web::http::StatusCode::BAD_GATEWAY,
                "upstream_failed",
                "the next page is this page",
            )),
            Some(next) => {
                self.position = next;
                Ok((lines, false))
            }
            None => Ok((lines, true)),
        }
    }
}
