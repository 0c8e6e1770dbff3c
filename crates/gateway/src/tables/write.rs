//! `POST` of rows, and `PUT`, `PATCH` and `DELETE` of one.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use ciborium::Value;

use super::{
    list::json_body,
    store::{Store, Stored},
};
use crate::{
    Problem,
    auth::Principal,
    etag::Conditions,
    gateway::State,
    json::record_of,
    path::encode,
    prefer::{PREFERENCE_APPLIED, Prefer, Return},
    request_context::RequestContext,
    serve::within,
    table_config::Table,
};

/// Inserts a row, or an array of rows.
pub(crate) async fn insert(
    mut context: RequestContext,
    table: &Table,
) -> Result<HttpResponse, Problem> {
    refuse_query(&context)?;
    let prefer = Prefer::of(context.headers())?;
    let body = json_body(&mut context).await?;
    let state = context.state.clone();
    let store = store(&state, table, &context.principal)?;
    match body {
        Value::Array(rows) => {
            let most = state.limits.max_insert_rows;
            if rows.len() > most {
                return Err(Problem::unprocessable("too_many_rows", "there are too many rows")
                    .with_detail(format!("an insert has at most {most}")));
            }
            // All of them are checked before the first is stored.
            let records: Result<Vec<_>, Problem> = rows
                .into_iter()
                .enumerate()
                .map(|(nth, row)| record_of(table, row, true, &format!("/{nth}")))
                .collect();
            let (records, time) = (records?, state.limits.request_timeout);
            let mut all = Vec::with_capacity(records.len());
            let inserting = async {
                for (nth, record) in records.into_iter().enumerate() {
                    let stored = store.insert(record, prefer.resolution).await;
                    all.push(stored.map_err(|problem| {
                        problem
                            .with_error(format!("/{nth}"), "the rows before this one are stored")
                            .with_member("stored", nth)
                    })?);
                }
                Ok(())
            };
            written_within(time, inserting).await?;
            Ok(many(&prefer, &all))
        }
        row => {
            let record = record_of(table, row, true, "")?;
            let inserting = store.insert(record, prefer.resolution);
            let stored = written_within(state.limits.request_timeout, inserting).await?;
            let mut response = HttpResponse::build(status(&stored));
            let location = location(&state, table, &stored.id);
            response.insert_header((header::LOCATION, location));
            Ok(one(response, &prefer, stored))
        }
    }
}

/// Replaces one row, or creates it.
pub(crate) async fn replace(
    mut context: RequestContext,
    table: &Table,
    id: &str,
) -> Result<HttpResponse, Problem> {
    let (prefer, conditions) = terms(&context)?;
    let record = record_of(table, json_body(&mut context).await?, true, "")?;
    let store = store(&context.state, table, &context.principal)?;
    let replacing = store.replace(id, record, &conditions);
    let stored = written_within(context.limits().request_timeout, replacing).await?;
    Ok(one(HttpResponse::build(status(&stored)), &prefer, stored))
}

/// Sets some columns of one row.
pub(crate) async fn patch(
    mut context: RequestContext,
    table: &Table,
    id: &str,
) -> Result<HttpResponse, Problem> {
    let (prefer, conditions) = terms(&context)?;
    let record = record_of(table, json_body(&mut context).await?, false, "")?;
    let store = store(&context.state, table, &context.principal)?;
    let patching = store.patch(id, record, &conditions);
    let stored = written_within(context.limits().request_timeout, patching).await?;
    Ok(one(HttpResponse::Ok(), &prefer, stored))
}

/// Deletes one row. If it is not there, that is done already.
pub(crate) async fn delete(
    context: RequestContext,
    table: &Table,
    id: &str,
) -> Result<HttpResponse, Problem> {
    let (prefer, conditions) = terms(&context)?;
    let store = store(&context.state, table, &context.principal)?;
    written_within(context.limits().request_timeout, store.delete(id, &conditions)).await?;
    let mut response = HttpResponse::NoContent();
    applied(&mut response, &prefer);
    Ok(response.finish())
}

/// Writes to a table for a principal.
pub(super) fn store<'a>(
    state: &'a State,
    table: &'a Table,
    principal: &Principal,
) -> Result<Store<'a>, Problem> {
    Ok(Store::new(state, table, table.vista_for(principal)?, table.ops_of(principal)))
}

/// What a write answers within its time.
///
/// # Errors
/// 504 if it takes longer, which leaves open whether it took effect.
pub(super) async fn written_within<T>(
    time: std::time::Duration,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    within(time, work).await.map_err(|problem| match problem.kind() {
        "timeout" | "upstream_timeout" => problem.with_detail("the write may have taken effect"),
        _ => problem,
    })
}

/// Where a row is.
pub(super) fn location(state: &State, table: &Table, id: &str) -> String {
    format!("{}/tables/{}/{}", state.prefix, table.name, encode(id))
}

/// How a row is to be written, and on which conditions.
fn terms(context: &RequestContext) -> Result<(Prefer, Conditions), Problem> {
    refuse_query(context)?;
    Ok((Prefer::of(context.headers())?, Conditions::of(context.headers())?))
}

fn refuse_query(context: &RequestContext) -> Result<(), Problem> {
    if context.raw_query().is_empty() {
        return Ok(());
    }
    Err(Problem::bad_request("unknown_parameter", "this request takes no parameters"))
}

fn status(stored: &Stored) -> StatusCode {
    if stored.is_new { StatusCode::CREATED } else { StatusCode::OK }
}

pub(super) fn applied(response: &mut HttpResponseBuilder, prefer: &Prefer) {
    if let Some(applied) = prefer.applied() {
        response.insert_header((PREFERENCE_APPLIED.clone(), applied));
    }
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
}

/// The answer with the row that was written.
fn one(mut response: HttpResponseBuilder, prefer: &Prefer, stored: Stored) -> HttpResponse {
    applied(&mut response, prefer);
    response.insert_header((header::ETAG, stored.tag.header()));
    match prefer.returns {
        Some(Return::Minimal) => response.finish(),
        _ => response.content_type("application/json").body(stored.row),
    }
}

/// The answer with all rows that were written.
fn many(prefer: &Prefer, all: &[Stored]) -> HttpResponse {
    let is_new = all.iter().any(|stored| stored.is_new);
    let mut response =
        HttpResponse::build(if is_new { StatusCode::CREATED } else { StatusCode::OK });
    applied(&mut response, prefer);
    if prefer.returns == Some(Return::Minimal) {
        return response.finish();
    }
    response.content_type("application/json").body(rows(all))
}

/// `{"data": [rows]}`.
pub(super) fn rows(all: &[Stored]) -> Vec<u8> {
    let mut out = b"{\"data\":[".to_vec();
    for (nth, stored) in all.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&stored.row);
    }
    out.extend_from_slice(b"]}");
    out
}
