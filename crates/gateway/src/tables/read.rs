//! Reads rows of a table: narrowed as the client asks, and a window of them.

use ciborium::Value;
use vantage_core::VantageError;
use vantage_types::Record;
use vantage_vista::{Capability, Vista, VistaQuery};

use crate::{
    Problem,
    cursor::{CursorPosition, Cursors},
    problem::listed,
    query::{Count, ListQuery, Window, operator_name},
    table_config::Table,
};

/// The most characters of a client's value that are shown to it.
const MAX_SHOWN_CHARS: usize = 60;

/// A row with its id.
pub(super) type Row = (String, Record<Value>);

/// Rows of a window, and what is known of the rest.
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    pub(super) total: Option<u64>,
    pub(super) has_next: bool,
    /// Where the list goes on, if it was asked for by a cursor.
    pub(super) next: Option<CursorPosition>,
}

/// `vista` with the filters, the search and the order of a query.
///
/// # Errors
/// 400 that names what the table cannot do.
pub(super) fn narrowed(mut vista: Vista, what: &VistaQuery) -> Result<Vista, Problem> {
    for condition in &what.conditions {
        let (column, op) = (condition.column.as_str(), condition.op);
        vista.add_condition(column, op, condition.value.clone()).map_err(|error| {
            let wanted = error.context.get("wanted").filter(|_| error.is_incorrect_usage());
            let wanted = wanted.map(|wanted| wanted.trim_matches('"'));
            let what = match (wanted, &condition.value) {
                (Some(wanted), Value::Text(text)) => {
                    let text: String = text.chars().take(MAX_SHOWN_CHARS).collect();
                    format!("{text:?} is not of the type {wanted}")
                }
                (Some(wanted), _) => format!("the value is not of the type {wanted}"),
                (None, _) => {
                    format!("this column cannot be filtered by {}", operator_name(op))
                }
            };
            refused(&error, column, what)
        })?;
    }
    if let Some(text) = &what.search {
        let wrong = |error| refused(&error, "search", "it cannot be searched for".to_owned());
        vista.set_search(Some(text)).map_err(wrong)?;
    }
    if let Some((column, direction)) = &what.order {
        let wrong = |error| refused(&error, "order", format!("rows have no order by {column:?}"));
        vista.set_order(Some((column, *direction))).map_err(wrong)?;
    }
    Ok(vista)
}

fn refused(error: &VantageError, name: &str, what: String) -> Problem {
    tracing::debug!(kind = ?error.kind(), name, "a table refused a part of a query");
    Problem::bad_request("unsupported_query", "the table cannot be asked this")
        .with_error(name, what)
}

/// The window of a query. `list` names the list and who reads it, for cursors.
///
/// # Errors
/// 400 if the table cannot be read from there, and those of the source.
pub(super) async fn window(
    table: &Table,
    vista: &Vista,
    query: &ListQuery,
    cursors: &Cursors,
    list: &str,
) -> Result<Rows, Problem> {
    let (offset, limit) = query.window.range();
    let mut rows = match &query.window {
        Window::Page { .. } | Window::Offset { .. } => {
            at(table, vista, &CursorPosition::Offset(offset), limit).await?
        }
        Window::Cursor { cursor, .. } => {
            let position = match cursor.as_str() {
                "" if table.can(Capability::Cursor) => CursorPosition::Token(Value::Null),
                "" => CursorPosition::Offset(0),
                cursor => cursors.open(cursor, list)?,
            };
            at(table, vista, &position, limit).await?
        }
    };
    match query.count {
        Count::None => rows.total = None,
        Count::Exact if rows.total.is_none() => {
            rows.total = u64::try_from(vista.count().await?).ok();
        }
        Count::Exact | Count::Known => {}
    }
    Ok(rows)
}

/// At most `limit` rows from a position on.
///
/// # Errors
/// 400 if the table cannot be read from there, and those of the source.
pub(super) async fn at(
    table: &Table,
    vista: &Vista,
    position: &CursorPosition,
    limit: usize,
) -> Result<Rows, Problem> {
    match position {
        CursorPosition::Token(token) => {
            let token = (!token.is_null()).then(|| token.clone());
            let (page, next) = vista.fetch_cursor(token, limit).await?;
            let total = page.total.and_then(|total| u64::try_from(total).ok());
            let has_next = next.is_some();
            Ok(Rows { rows: page.rows, total, has_next, next: next.map(CursorPosition::Token) })
        }
        CursorPosition::Offset(offset) => from(table, vista, *offset, limit).await,
    }
}

async fn from(table: &Table, vista: &Vista, offset: usize, limit: usize) -> Result<Rows, Problem> {
    if offset > 0 && !vista.capabilities().has(Capability::Window) {
        let ways = if table.can(Capability::Cursor) { vec!["cursor"] } else { Vec::new() };
        return Err(Problem::bad_request(
            "unsupported_query",
            "the table cannot be read from the middle",
        )
        .with_detail(format!("beyond its first rows it is read by: {}", listed(ways))));
    }
    // One more row says whether there are more. Of a remote table it may cost a request, and the
    // page that holds it is not the one that was asked for.
    let asked = if table.is_remote { limit } else { limit.saturating_add(1) };
    let page = vista.fetch_window(offset, asked).await?;
    let mut rows = page.rows;
    let total = page.total.and_then(|total| u64::try_from(total).ok());
    let end = u64::try_from(offset.saturating_add(rows.len().min(limit))).unwrap_or(u64::MAX);
    let has_next = match total {
        Some(total) => end < total && !rows.is_empty(),
        None if table.is_remote => rows.len() >= limit,
        None => rows.len() > limit,
    };
    rows.truncate(limit);
    let next = has_next.then(|| CursorPosition::Offset(offset.saturating_add(rows.len())));
    Ok(Rows { rows, total, has_next, next })
}
