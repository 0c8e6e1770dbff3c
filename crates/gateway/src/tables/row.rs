//! `GET` of one row. Its validator is that of the whole row as it may be seen, whatever columns are
//! selected, so that it is good for a conditional write.

use std::{sync::Arc, time::Duration};

use actix_web::HttpResponse;
use vantage_dataset::traits::ReadableValueSet as _;
use vantage_vista::Vista;

use crate::{
    Problem,
    auth::Principal,
    cached_response::CachedResponse,
    etag::Tag,
    gateway::State,
    json::Shape,
    query::{RowQuery, pairs},
    request_context::RequestContext,
    serve::within,
    table_config::Table,
    watch,
};

/// One row.
pub(crate) async fn get(
    context: RequestContext,
    table: &Table,
    id: &str,
) -> Result<HttpResponse, Problem> {
    let query = RowQuery::parse(table, &pairs(context.raw_query())?)?;
    let RequestContext { state, request, principal, permit, .. } = context;
    let key = table.cache_ttl.map(|_| {
        watch::follow(table);
        key(table, &principal, id, &query)
    });
    if let Some(key) = &key
        && let Some((answer, age)) = state.cache.kept(key).await
    {
        let answering = answer.respond(request.headers(), Some(age));
        return within(state.limits.request_timeout, answering).await;
    }
    // Boxed here, since each caller would hold a future of its size twice.
    let answering = Box::pin(async {
        let Some(key) = key else {
            let answer = read(table, &principal, id, query).await?;
            return answer.respond(request.headers(), None).await;
        };
        let name = table.name.clone();
        let loading = load(Arc::clone(&state), name, principal, id.to_owned(), query);
        let (answer, age) = state.cache.load(key, loading).await?;
        answer.respond(request.headers(), age).await
    });
    let response = within(state.limits.request_timeout, answering).await;
    drop(permit);
    response
}

/// What a row is kept by.
fn key(table: &Table, principal: &Principal, id: &str, query: &RowQuery) -> String {
    let scope = table.scope_key(principal);
    let (generation, name, length) = (table.generation(), &table.name, scope.len());
    format!("r{generation}\n{name}\n{length}:{scope}\n{:?}\n{id}", query.select)
}

async fn load(
    state: Arc<State>,
    name: String,
    principal: Principal,
    id: String,
    query: RowQuery,
) -> Result<CachedResponse, Problem> {
    let table = state.tables.get(&name).ok_or_else(Problem::not_found)?;
    within(state.limits.request_timeout, read(table, &principal, &id, query)).await
}

async fn read(
    table: &Table,
    principal: &Principal,
    id: &str,
    query: RowQuery,
) -> Result<CachedResponse, Problem> {
    let vista = table.vista_for(principal)?;
    let fresh_for = table.cache_ttl.unwrap_or_default();
    let record = record(&vista, id).await?.ok_or_else(no_row)?;
    let (whole, tag) = written(table, id, &record);
    match query.select {
        None => Ok(CachedResponse::tagged(whole, tag, fresh_for)),
        Some(select) => {
            let mut out = Vec::with_capacity(256);
            Shape::new(table, Some(&select)).write(&mut out, id, &record);
            Ok(CachedResponse::tagged(out, tag, fresh_for))
        }
    }
}

type Record = vantage_types::Record<ciborium::Value>;

/// The row of this id, if it is in the set.
pub(super) async fn record(vista: &Vista, id: &str) -> Result<Option<Record>, Problem> {
    match vista.get_value(id).await {
        Ok(record) => Ok(record),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A row as it may be seen, with its validator.
pub(super) fn written(table: &Table, id: &str, record: &Record) -> (Vec<u8>, Tag) {
    let mut out = Vec::with_capacity(256);
    Shape::new(table, None).write(&mut out, id, record);
    let tag = Tag::of(&out);
    (out, tag)
}

/// How a row of these bytes is answered beside what was written.
pub(super) fn answer(row: Vec<u8>, tag: Tag) -> CachedResponse {
    CachedResponse::tagged(row, tag, Duration::ZERO)
}

pub(super) fn no_row() -> Problem {
    Problem::new(
        actix_web::http::StatusCode::NOT_FOUND,
        "not_found",
        "there is no row of this id that can be seen",
    )
}
