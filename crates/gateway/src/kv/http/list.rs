//! `GET /kv`: keys, a page at a time.

use actix_web::{HttpResponse, http::header};
use serde_json::{Value as Json, json};

use super::json;
use crate::{
    Problem,
    kv::{Error, Kv},
    query::parameters,
    request_context::RequestContext,
};

const DEFAULT_LIMIT: usize = 100;

pub(super) async fn list(kv: &Kv, context: &RequestContext) -> Result<HttpResponse, Problem> {
    let [prefix, after, limit] = parameters(context.raw_query(), ["prefix", "after", "limit"])?;
    let limit = match limit {
        Some(limit) => limit.parse().map_err(|_| Error::ListLimit { most: Kv::MAX_PAGE })?,
        None => DEFAULT_LIMIT,
    };
    let page = kv.list(prefix.as_deref().unwrap_or_default(), after.as_deref(), limit).await?;
    let keys: Vec<Json> =
        page.keys.iter().map(|(key, entry)| json::entry(key, entry).into()).collect();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "keys": keys, "next": page.next })))
}
