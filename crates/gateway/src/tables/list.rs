//! `GET` and `QUERY` of a list: a page, kept if the table says so, or all rows as a stream.

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{ACCEPT, CONTENT_TYPE, HeaderMap},
    },
};
use vantage_vista::Vista;

use super::{
    page::envelope,
    read::{narrowed, window},
    stream,
};
use crate::{
    Problem,
    accept::weight,
    auth::Principal,
    cached_response::CachedResponse,
    gateway::State,
    json::{self, Shape},
    query::{ListQuery, Window, pairs},
    request_context::RequestContext,
    serve::{seen, within},
    table_config::Table,
    watch,
};

/// A list as the query of the URL asks for it.
pub(crate) async fn by_url(
    context: RequestContext,
    table: &Table,
) -> Result<HttpResponse, Problem> {
    let query = ListQuery::parse(table, &pairs(context.raw_query())?, context.limits())?;
    answer(context, table, query).await
}

/// A list as a JSON body asks for it.
pub(crate) async fn by_body(
    mut context: RequestContext,
    name: &str,
) -> Result<HttpResponse, Problem> {
    let state = Arc::clone(&context.state);
    let table = seen(&context, &state, name)?;
    if !context.raw_query().is_empty() {
        return Err(Problem::bad_request("unknown_parameter", "the body asks, not the query"));
    }
    let body = json_body(&mut context).await?;
    let query = ListQuery::from_body(table, &body, &state.limits)?;
    answer(context, table, query).await
}

/// The JSON body of a request.
///
/// # Errors
/// 415 if it is of another type, and as reading and parsing fail.
pub(super) async fn json_body(context: &mut RequestContext) -> Result<ciborium::Value, Problem> {
    need_json(context.headers())?;
    let most = context.limits().max_body_bytes;
    let body = context.body(most).await?;
    json::parse(&body, context.limits().max_depth.into())
}

fn need_json(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
    {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(Problem::new(status, "unsupported_type", "the body must be of type application/json"))
}

/// Whether the client wants lines of JSON, at least as gladly as one text of it.
fn wants_lines(headers: &HeaderMap) -> bool {
    let lines = weight(headers, ACCEPT, &["application/x-ndjson", "application/jsonl"]);
    let json = weight(headers, ACCEPT, &["application/json"]);
    lines.is_some_and(|lines| lines > 0.0 && lines >= json.unwrap_or(0.0))
}

async fn answer(
    context: RequestContext,
    table: &Table,
    query: ListQuery,
) -> Result<HttpResponse, Problem> {
    if wants_lines(context.headers()) {
        return stream::lines(context, table, &query);
    }
    let RequestContext { state, request, principal, permit, .. } = context;
    let key = table.cache_ttl.map(|_| {
        watch::follow(table);
        key(table, &principal, &query)
    });
    if let Some(key) = &key
        && let Some((answer, age)) = state.cache.kept(key).await
    {
        let answering = answer.respond(request.headers(), Some(age));
        return within(state.limits.request_timeout, answering).await;
    }
    let time = state.limits.request_timeout;
    // Boxed here, since each caller would hold a future of its size twice.
    let answering = Box::pin(async {
        match key {
            None => {
                let answer = page(&state, table, &principal, &query).await?;
                answer.respond(request.headers(), None).await
            }
            Some(key) => {
                let loader = Loader { state: Arc::clone(&state), name: table.name.clone() };
                let (answer, age) = state.cache.load(key, loader.load(principal, query)).await?;
                answer.respond(request.headers(), age).await
            }
        }
    });
    let response = within(time, answering).await;
    drop(permit);
    response
}

/// What a page is kept by.
fn key(table: &Table, principal: &Principal, query: &ListQuery) -> String {
    let mut key = String::with_capacity(96);
    // A `String` takes everything.
    let _ = writeln!(key, "l{}", table.generation());
    write_name(&mut key, table, principal, query);
    key.push('\n');
    query.write_part(&mut key);
    key
}

/// Loads a page, whoever waits for it.
struct Loader {
    state: Arc<State>,
    name: String,
}

impl Loader {
    async fn load(self, principal: Principal, query: ListQuery) -> Result<CachedResponse, Problem> {
        let table = self.state.tables.get(&self.name).ok_or_else(Problem::not_found)?;
        let loading = page(&self.state, table, &principal, &query);
        within(self.state.limits.request_timeout, loading).await
    }
}

/// Names a list and who reads it: what is kept for one reader is not given to another, and neither
/// is a cursor.
pub(super) fn list_name(table: &Table, principal: &Principal, query: &ListQuery) -> String {
    let mut name = String::new();
    write_name(&mut name, table, principal, query);
    name
}

fn write_name(name: &mut String, table: &Table, principal: &Principal, query: &ListQuery) {
    let scope = table.scope_key(principal);
    // A `String` takes everything.
    let _ = write!(name, "{}\n{}:{scope}\n", table.name, scope.len());
    query.write_what(name);
}

async fn page(
    state: &State,
    table: &Table,
    principal: &Principal,
    query: &ListQuery,
) -> Result<CachedResponse, Problem> {
    let is_whole = table.scope.is_none() && !query.narrows();
    // Of the whole table a handle of its own is not needed.
    let vista = if is_whole {
        Cow::Borrowed(&table.vista)
    } else {
        Cow::Owned(narrowed(table.vista_for(principal)?, &query.what)?)
    };
    let list = match query.window {
        Window::Cursor { .. } => list_name(table, principal, query),
        Window::Page { .. } | Window::Offset { .. } => String::new(),
    };
    let body = body(state, table, &vista, query, &list).await?;
    Ok(CachedResponse::new(body, table.cache_ttl.unwrap_or_default()))
}

/// The body of a page of `vista`. `list` names the list for cursors.
pub(super) async fn body(
    state: &State,
    table: &Table,
    vista: &Vista,
    query: &ListQuery,
    list: &str,
) -> Result<Vec<u8>, Problem> {
    let rows = window(table, vista, query, &state.cursors, list).await?;
    let next = match (&query.window, &rows.next) {
        (Window::Cursor { .. }, Some(position)) => Some(state.cursors.seal(position, list)?),
        _ => None,
    };
    let shape = Shape::new(table, query.select.as_deref());
    envelope(&shape, &rows, &query.window, next.as_deref(), state.limits.max_response_bytes)
}
