//! `GET /openapi.json`: OpenAPI of what the principal may see and do, made from the tables: 3.1, or
//! 3.2 for who asks for it, which alone can declare `QUERY`.

#[cfg(feature = "kv")]
mod kv;
mod paths;
mod schemas;

use actix_web::{HttpResponse, http::header};
use serde_json::{Map, Value, json};

use crate::{
    Problem, auth::Principal, gateway::State, query::parameters, request_context::RequestContext,
    tables::index::visible,
};

/// A version of OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V3_1,
    V3_2,
}

/// The document for a principal.
///
/// # Errors
/// 400 for another parameter than a `version` that there is.
pub(crate) fn document(context: &RequestContext) -> Result<HttpResponse, Problem> {
    let [version] = parameters(context.raw_query(), ["version"])?;
    let version = match version.as_deref() {
        None | Some("3.1") => Version::V3_1,
        Some("3.2") => Version::V3_2,
        Some(_) => {
            return Err(Problem::bad_request("unknown_version", "there is no such description")
                .with_error("version", "it is 3.1 or 3.2"));
        }
    };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-cache")).json(of(
        &context.state,
        &context.principal,
        version,
    )))
}

fn of(state: &State, principal: &Principal, version: Version) -> Value {
    let mut paths = Map::new();
    paths::fixed(&mut paths, &state.limits);
    let mut schemas = Map::new();
    schemas.insert("Problem".to_owned(), schemas::problem());
    schemas.insert("Pagination".to_owned(), schemas::pagination());
    for table in visible(state, principal) {
        schemas::of_table(&mut schemas, table);
        paths::of_table(&mut paths, state, table, principal);
        if version == Version::V3_2 {
            paths::declare_query(&mut paths, table);
        }
    }
    #[cfg(feature = "kv")]
    if state.kv.is_some() {
        kv::schemas(&mut schemas);
        kv::paths(&mut paths, &state.limits);
    }
    let number = if version == Version::V3_2 { "3.2.0" } else { "3.1.0" };
    let mut document = json!({
        "openapi": number,
        "info": { "title": "Gateway", "version": env!("CARGO_PKG_VERSION") },
        "servers": [{ "url": state.prefix }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": { "Problem": {
                "description": "The request failed (RFC 9457)",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" }
                } }
            } },
        },
    });
    if state.authenticator.is_some() {
        document["components"]["securitySchemes"] = json!({
            "bearer": { "type": "http", "scheme": "bearer" },
            "key": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
        });
        document["security"] = json!([{ "bearer": [] }, { "key": [] }]);
    }
    document
}
