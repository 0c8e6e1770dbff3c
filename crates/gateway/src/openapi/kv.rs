//! [pure] The paths and the schemas of the key-value store.

use serde_json::{Map, Value, json};

use super::paths::{Paths, body, json_of, plain, responses};
use crate::{
    Limits,
    kv::{Key, Kv},
};

/// A key, in a path or in a body.
fn key() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": Key::MAX_BYTES })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// What is told of a value, what a batch may have, and its outcome.
pub(super) fn schemas(schemas: &mut Map<String, Value>) {
    let text = json!({ "type": "string" });
    let time = json!({ "type": "string", "format": "date-time" });
    let entry = json!({
        "key": key(), "size": { "type": "integer", "minimum": 0 },
        "content_type": text, "etag": text, "created": time, "updated": time,
        "expires": { "type": ["string", "null"], "format": "date-time" },
    });
    let mut result = entry.clone();
    result["status"] = json!({ "enum": [200, 201, 204, 404] });
    result["text"] = text.clone();
    result["base64"] = text.clone();
    let operation = |required: &[&str], properties: Value| {
        json!({
            "type": "object", "required": required, "additionalProperties": false,
            "properties": properties,
        })
    };
    let put = |value: &str| {
        let mut properties = json!({
            "put": key(), "content_type": text, "ttl": text,
            "if_match": text, "if_none_match": text,
        });
        properties[value] = match value {
            "base64" => json!({ "type": "string", "contentEncoding": "base64" }),
            _ => text.clone(),
        };
        operation(&["put", value], properties)
    };
    let get = operation(&["get"], json!({ "get": key() }));
    let delete = json!({ "delete": key(), "if_match": text, "if_none_match": text });
    let delete = operation(&["delete"], delete);
    let all = json!({ "oneOf": [put("text"), put("base64"), get, delete] });
    let object = |required: &[&str], properties: Value| json!({ "type": "object", "required": required, "properties": properties });
    let entry_members = ["key", "size", "content_type", "etag", "created", "updated", "expires"];
    for (name, schema) in [
        ("KvEntry", object(&entry_members, entry)),
        ("KvOperation", all),
        ("KvResult", object(&["key", "status"], result)),
    ] {
        schemas.insert(name.to_owned(), schema);
    }
}

/// The routes.
pub(super) fn paths(paths: &mut Paths, limits: &Limits) {
    let bytes = json!({ "description": "The value", "content": { "*/*": { "schema": {} } } });
    let key = json!({ "name": "key", "in": "path", "required": true, "schema": key() });
    let text = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string" } });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": Kv::MAX_PAGE });
    let limit = json!({ "name": "limit", "in": "query", "schema": limit });
    let list = |name: &str, item: &str, others: Value| {
        let mut schema = json!({ "type": "object", "required": [name], "properties": others });
        schema["properties"][name] = json!({ "type": "array", "items": reference(item) });
        schema
    };
    let keys = list("keys", "KvEntry", json!({ "next": { "type": ["string", "null"] } }));
    let operations = json!({
        "type": "object", "required": ["operations"], "additionalProperties": false,
        "properties": { "operations": {
            "type": "array", "minItems": 1, "maxItems": limits.max_batch_operations,
            "items": reference("KvOperation"),
        } },
    });
    let results = list("results", "KvResult", json!({}));
    let of_all = json!({
        "get": {
            "operationId": "kv.list", "tags": ["kv"], "summary": "Keys in order",
            "parameters": [text("prefix"), text("after"), limit],
            "responses": responses(&[("200", json_of("Keys in order", &keys))]),
        },
        "post": {
            "operationId": "kv.batch", "tags": ["kv"], "summary": "Operations in one commit",
            "requestBody": body(&operations),
            "responses": responses(&[("200", json_of("The outcome of each", &results))]),
        },
    });
    let of_one = json!({
        "parameters": [key],
        "get": {
            "operationId": "kv.get", "tags": ["kv"], "summary": "A value",
            "responses": responses(&[
                ("200", bytes.clone()),
                ("206", bytes),
                ("304", plain("Not modified")),
            ]),
        },
        "put": {
            "operationId": "kv.put", "tags": ["kv"], "summary": "Stores a value",
            "parameters": [text("ttl")],
            "requestBody": { "required": true, "content": { "*/*": { "schema": {} } } },
            "responses": responses(&[("201", plain("New")), ("204", plain("Replaced"))]),
        },
        "delete": {
            "operationId": "kv.delete", "tags": ["kv"], "summary": "Deletes a value",
            "responses": responses(&[("204", plain("It is not there any more"))]),
        },
    });
    paths.insert("/kv".to_owned(), of_all);
    paths.insert("/kv/{key}".to_owned(), of_one);
}
