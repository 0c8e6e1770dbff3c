//! The routes of a store. Each value is some client's bytes, served from the origin of an API: see
//! `value.rs` for what keeps them from being a page of it.

mod batch;
mod body;
mod conditions;
mod failure;
mod json;
mod list;
mod range;
mod ttl;
mod value;

use actix_web::HttpResponse;

use super::{Error, Key, KeyError, Kv};
use crate::{
    Problem,
    path::decode,
    request_context::RequestContext,
    serve::{no_method, options},
};

/// Serves `/kv`, and `/kv/{key}` if there is a `raw_key`: what comes after that slash, as it was
/// sent.
///
/// # Errors
/// The problem that the client is told.
pub(crate) async fn serve(
    kv: &Kv,
    raw_key: Option<&str>,
    context: RequestContext,
) -> Result<HttpResponse, Problem> {
    let Some(raw_key) = raw_key else {
        return match context.method().as_str() {
            "GET" | "HEAD" => list::list(kv, &context).await,
            "POST" => batch::batch(kv, context).await,
            method => otherwise(method, "GET, HEAD, OPTIONS, POST"),
        };
    };
    match context.method().as_str() {
        "GET" | "HEAD" => value::get(kv, &context, key(raw_key)?).await,
        "PUT" => value::put(kv, context, key(raw_key)?).await,
        "DELETE" => value::delete(kv, &context, key(raw_key)?).await,
        method => otherwise(method, "DELETE, GET, HEAD, OPTIONS, PUT"),
    }
}

/// The key of a path, decoded once.
fn key(raw: &str) -> Result<Key, Problem> {
    let key = decode(raw, false).ok_or(KeyError::NotText).and_then(Key::new);
    Ok(key.map_err(Error::Key)?)
}

fn otherwise(method: &str, methods: &str) -> Result<HttpResponse, Problem> {
    if method == "OPTIONS" { Ok(options(methods)) } else { Err(no_method(methods)) }
}
