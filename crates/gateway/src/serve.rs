//! Serves a route: by its method, within its time, and only what the principal may see.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use actix_web::{
    HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
};

use crate::{
    Problem,
    gateway::State,
    openapi, operate,
    query::parameters,
    request_context::RequestContext,
    route::Route,
    status,
    table_config::{Ops, Table},
    tables::{batch, bulk, index, list, relation, row, write},
};

/// Answers without credentials: whether it lives, whether requests should be sent here, and the
/// pages.
pub(crate) async fn public(
    state: &State,
    route: &Route,
    headers: &HeaderMap,
) -> Result<HttpResponse, Problem> {
    match route {
        Route::Docs => Box::pin(state.pages.docs(headers)).await,
        Route::Status => Box::pin(state.pages.status(headers)).await,
        Route::Ready => operate::ready(state).await,
        _ => Ok(operate::health()),
    }
}

/// Answers a request that was let in. What is not asked for most is boxed, so that the future of a
/// read is small: it is moved with every request.
pub(crate) async fn route(context: RequestContext, route: Route) -> Result<HttpResponse, Problem> {
    let time = context.limits().request_timeout;
    match route {
        Route::Tables => {
            only_get(&context, &route)?.map_or_else(|| Ok(index::tables(&context)), Ok)
        }
        Route::OpenApi => {
            only_get(&context, &route)?.map_or_else(|| openapi::document(&context), Ok)
        }
        Route::Stats | Route::Metrics => {
            let is_stats = route == Route::Stats;
            match only_get(&context, &route)? {
                Some(options) => Ok(options),
                None if is_stats => within(time, Box::pin(operate::stats(&context))).await,
                None => within(time, Box::pin(operate::metrics(&context))).await,
            }
        }
        Route::StatusEvents => match only_get(&context, &route)? {
            Some(options) => Ok(options),
            None => Box::pin(status::events(context)).await,
        },
        Route::Table { table } => of_table(context, &table).await,
        Route::Query { table } => match method(&context) {
            "POST" | "QUERY" => Box::pin(list::by_body(context, &table)).await,
            _ => Ok(options("OPTIONS, POST, QUERY")),
        },
        Route::Row { table, id } => of_row(context, &table, &id).await,
        Route::Relation { table, id, relation } => match method(&context) {
            "GET" | "HEAD" => {
                let time = context.limits().request_timeout;
                within(time, Box::pin(relation::related(context, &table, &id, &relation))).await
            }
            "OPTIONS" => Ok(options("GET, HEAD, OPTIONS")),
            _ => Err(no_method("GET, HEAD, OPTIONS")),
        },
        Route::Batch => match method(&context) {
            "POST" => Box::pin(batch::batch(context)).await,
            "OPTIONS" => Ok(options("OPTIONS, POST")),
            _ => Err(no_method("OPTIONS, POST")),
        },
        Route::Kv => Box::pin(kv(context, None)).await,
        Route::KvKey { raw } => Box::pin(kv(context, Some(raw))).await,
        Route::Health | Route::Ready | Route::Docs | Route::Status => {
            public(&context.state, &route, context.headers()).await
        }
    }
}

#[cfg(feature = "kv")]
async fn kv(context: RequestContext, key: Option<String>) -> Result<HttpResponse, Problem> {
    let Some(kv) = context.state.kv.clone() else { return Err(Problem::not_found()) };
    crate::kv::http::serve(&kv, key.as_deref(), context).await
}

#[cfg(not(feature = "kv"))]
async fn kv(_: RequestContext, _: Option<String>) -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}

async fn of_table(context: RequestContext, name: &str) -> Result<HttpResponse, Problem> {
    let state = context.state.clone();
    let table = seen(&context, &state, name)?;
    let ops = table.ops_of(&context.principal);
    let is_bulk = |op: Ops| table.max_bulk_rows > 0 && ops.has(op);
    match method(&context) {
        "GET" | "HEAD" => list::by_url(context, table).await,
        "POST" if ops.has(Ops::INSERT) => Box::pin(write::insert(context, table)).await,
        "PATCH" if is_bulk(Ops::PATCH) => Box::pin(bulk::patch(context, table)).await,
        "DELETE" if is_bulk(Ops::DELETE) => Box::pin(bulk::delete(context, table)).await,
        method => {
            let mut allowed = vec!["GET", "HEAD", "OPTIONS"];
            allowed.extend(ops.has(Ops::INSERT).then_some("POST"));
            allowed.extend(is_bulk(Ops::PATCH).then_some("PATCH"));
            allowed.extend(is_bulk(Ops::DELETE).then_some("DELETE"));
            otherwise(method, table, &allowed.join(", "))
        }
    }
}

async fn of_row(context: RequestContext, name: &str, id: &str) -> Result<HttpResponse, Problem> {
    let state = context.state.clone();
    let table = seen(&context, &state, name)?;
    let ops = table.ops_of(&context.principal);
    match method(&context) {
        "GET" | "HEAD" => row::get(context, table, id).await,
        "PUT" if ops.has(Ops::REPLACE) => Box::pin(write::replace(context, table, id)).await,
        "PATCH" if ops.has(Ops::PATCH) => Box::pin(write::patch(context, table, id)).await,
        "DELETE" if ops.has(Ops::DELETE) => Box::pin(write::delete(context, table, id)).await,
        method => {
            let mut allowed = vec!["GET", "HEAD", "OPTIONS"];
            allowed.extend(ops.has(Ops::REPLACE).then_some("PUT"));
            allowed.extend(ops.has(Ops::PATCH).then_some("PATCH"));
            allowed.extend(ops.has(Ops::DELETE).then_some("DELETE"));
            // A row may have this id, whose path is also that of queries.
            allowed.extend((id == "query").then_some("POST, QUERY"));
            otherwise(method, table, &allowed.join(", "))
        }
    }
}

/// The answer to a method that is not served here: what is.
fn otherwise(method: &str, table: &Table, allowed: &str) -> Result<HttpResponse, Problem> {
    match method {
        "OPTIONS" => Ok(options(allowed)),
        _ => {
            Err(no_method(allowed).with_detail(format!("the table {} has: {allowed}", table.name)))
        }
    }
}

fn method(context: &RequestContext) -> &'static str {
    match context.method().as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "QUERY" => "QUERY",
        _ => "",
    }
}

/// A table that the principal may see. For others it is as if there were none.
///
/// # Errors
/// 404 otherwise.
pub(crate) fn seen<'a>(
    context: &RequestContext,
    state: &'a State,
    name: &str,
) -> Result<&'a Table, Problem> {
    let table = state.tables.get(name).filter(|table| table.is_readable_by(&context.principal));
    table.ok_or_else(Problem::not_found)
}

/// The answer to anything but reading a route that is only read, and has no parameters unless it is
/// the description.
fn only_get(context: &RequestContext, route: &Route) -> Result<Option<HttpResponse>, Problem> {
    match method(context) {
        "GET" | "HEAD" if *route == Route::OpenApi => Ok(None),
        "GET" | "HEAD" => parameters(context.raw_query(), []).map(|[]| None),
        "OPTIONS" => Ok(Some(options(route.methods()))),
        _ => Err(no_method(route.methods())),
    }
}

pub(crate) fn options(methods: &str) -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::ALLOW, methods)).finish()
}

pub(crate) fn no_method(methods: &str) -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let problem = Problem::new(status, "method_not_allowed", "this path has no such method");
    match HeaderValue::try_from(methods) {
        Ok(methods) => problem.with_header(header::ALLOW, methods),
        Err(_) => problem,
    }
}

/// What `work` answers within its time.
///
/// # Errors
/// 504 if it takes longer.
pub(crate) async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let mut work = pin!(work);
    // Much is there at once, without a timer.
    if let Poll::Ready(answer) = futures::poll!(work.as_mut()) {
        return answer;
    }
    match tokio::time::timeout(time, work).await {
        Ok(answer) => answer,
        Err(_) => {
            let status = StatusCode::GATEWAY_TIMEOUT;
            Err(Problem::new(status, "timeout", "the answer was not there in time"))
        }
    }
}

/// Whether a method reads.
pub(crate) fn is_head(context: &RequestContext) -> bool {
    *context.method() == Method::HEAD
}
