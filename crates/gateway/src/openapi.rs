//! `GET /openapi.json`: OpenAPI 3.1 of what the principal may see and do, made from the tables.

mod paths;
mod schemas;

use actix_web::{HttpResponse, http::header};
use serde_json::{Map, Value, json};

use crate::{Problem, auth::Principal, call::Call, gateway::State, tables::index::visible};

/// The document for a principal.
pub(crate) fn document(call: &Call) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .json(of(&call.state, &call.principal)))
}

fn of(state: &State, principal: &Principal) -> Value {
    let mut paths = Map::new();
    paths::fixed(&mut paths);
    let mut schemas = Map::new();
    schemas.insert("Problem".to_owned(), schemas::problem());
    schemas.insert("Pagination".to_owned(), schemas::pagination());
    for table in visible(state, principal) {
        schemas::of_table(&mut schemas, table);
        paths::of_table(&mut paths, state, table, principal);
    }
    #[cfg(feature = "kv")]
    if state.kv.is_some() {
        paths::of_kv(&mut paths);
    }
    let mut document = json!({
        "openapi": "3.1.0",
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
