//! [pure] The schemas of rows, of what may be written, and of problems.

use serde_json::{Map, Value, json};

use crate::table_config::{Kind, Table, TableColumn};

/// The schemas of a table: its rows, and what an insert and a patch may have.
pub(super) fn of_table(schemas: &mut Map<String, Value>, table: &Table) {
    let name = &table.name;
    let rows = object(table, |column| column.readable, |_, _| true);
    schemas.insert(format!("{name}.Row"), rows);
    let is_mandatory = |_: &str, column: &TableColumn| column.mandatory;
    let mut whole = object(table, |column| column.writable, is_mandatory);
    let mut part = object(table, |column| column.writable, |_, _| false);
    for schema in [&mut whole, &mut part] {
        schema["additionalProperties"] = false.into();
        schema["minProperties"] = 1.into();
    }
    schemas.insert(format!("{name}.NewRow"), whole);
    schemas.insert(format!("{name}.Patch"), part);
}

fn object(
    table: &Table,
    has: impl Fn(&TableColumn) -> bool,
    needs: impl Fn(&str, &TableColumn) -> bool,
) -> Value {
    let chosen = || table.columns.iter().filter(|(_, column)| has(column));
    let properties: Map<String, Value> =
        chosen().map(|(name, column)| (name.clone(), value(column))).collect();
    let required: Vec<&String> =
        chosen().filter(|(name, column)| needs(name, column)).map(|(name, _)| name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The values of a column: nulls are among them unless a row must have one.
fn value(column: &TableColumn) -> Value {
    match column.kind.schema_type() {
        None => json!({}),
        Some(name) if column.mandatory => bounded(json!({ "type": name }), column.kind),
        Some(name) => bounded(json!({ "type": [name, "null"] }), column.kind),
    }
}

fn bounded(mut schema: Value, kind: Kind) -> Value {
    if let Kind::Integer(bounds) = kind {
        schema["minimum"] = bounds.least.into();
        schema["maximum"] = bounds.most.into();
    }
    schema
}

pub(super) fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "kind"],
        "properties": {
            "type": { "type": "string", "format": "uri" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "kind": { "type": "string" },
            "detail": { "type": "string" },
            "instance": { "type": "string" },
            "errors": { "type": "array", "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": { "pointer": { "type": "string" }, "detail": { "type": "string" } },
            } },
        },
    })
}

pub(super) fn pagination() -> Value {
    let number = json!({ "type": ["integer", "null"], "minimum": 0 });
    json!({
        "type": "object",
        "required": ["total", "has_next"],
        "properties": {
            "page": { "type": "integer", "minimum": 1 },
            "per_page": { "type": "integer", "minimum": 1 },
            "offset": { "type": "integer", "minimum": 0 },
            "limit": { "type": "integer", "minimum": 1 },
            "total": number,
            "total_pages": number,
            "has_next": { "type": "boolean" },
            "has_prev": { "type": "boolean" },
            "next_cursor": { "type": ["string", "null"] },
        },
    })
}
