//! [pure] The paths: those that are always there, and those of each table with the operations that
//! the principal may use.

use serde_json::{Map, Value, json};

use crate::{
    Limits,
    auth::Principal,
    gateway::State,
    query::OPERATORS,
    table_config::{Ops, RelationTarget, Table},
    tables::index::relations,
};

pub(super) type Paths = Map<String, Value>;

/// A response with a JSON body of this schema.
pub(super) fn json_of(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn reference(table: &Table, what: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}.{what}", table.name) })
}

/// What every operation may answer.
pub(super) fn responses(own: &[(&str, Value)]) -> Value {
    let mut all = json!({ "default": { "$ref": "#/components/responses/Problem" } });
    for (status, response) in own {
        all[*status] = response.clone();
    }
    all
}

pub(super) fn plain(description: &str) -> Value {
    json!({ "description": description })
}

/// The routes that have no table.
pub(super) fn fixed(paths: &mut Paths, limits: &Limits) {
    let anything = json!({ "type": "object" });
    for (path, id, what, is_public) in [
        ("/health", "health", "Whether the gateway answers", true),
        ("/ready", "ready", "Whether requests should be sent here", true),
        ("/stats", "stats", "What the gateway, its pools and jobs have done", false),
        ("/tables", "tables", "The tables, with their columns and operations", false),
        ("/openapi.json", "openapi", "This document, in OpenAPI 3.1 or 3.2", false),
    ] {
        let mut get = json!({
            "operationId": id,
            "summary": what,
            "responses": responses(&[("200", json_of(what, &anything))]),
        });
        if is_public {
            get["security"] = json!([]);
        }
        if id == "openapi" {
            let schema = json!({ "enum": ["3.1", "3.2"], "default": "3.1" });
            get["parameters"] = json!([{ "name": "version", "in": "query", "schema": schema }]);
        }
        paths.insert(path.to_owned(), json!({ "get": get }));
    }
    let text = json!({ "text/plain": { "schema": { "type": "string" } } });
    let metrics = json!({
        "operationId": "metrics",
        "summary": "The same for Prometheus",
        "responses": responses(&[("200", json!({ "description": "Text", "content": text }))]),
    });
    paths.insert("/metrics".to_owned(), json!({ "get": metrics }));
    paths.insert("/batch".to_owned(), json!({ "post": batch(limits.max_batch_operations) }));
}

fn batch(most: usize) -> Value {
    let operation = json!({
        "type": "object",
        "required": ["op", "table"],
        "additionalProperties": false,
        "properties": {
            "op": { "enum": ["get", "insert", "replace", "patch", "delete"] },
            "table": { "type": "string" },
            "id": { "type": ["string", "integer"] },
            "row": { "type": "object" },
            "if_match": { "type": "string" },
            "resolution": { "enum": ["merge-duplicates", "ignore-duplicates"] },
        },
    });
    let body = json!({
        "type": "object",
        "required": ["operations"],
        "additionalProperties": false,
        "properties": {
            "atomic": { "type": "boolean", "default": false },
            "operations": { "type": "array", "minItems": 1, "maxItems": most, "items": operation },
        },
    });
    let results = json!({
        "type": "object",
        "required": ["results"],
        "properties": { "results": { "type": "array", "items": { "type": "object" } } },
    });
    json!({
        "operationId": "batch",
        "summary": "Several operations",
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
        "responses": responses(&[("200", json_of("The outcome of each", &results))]),
    })
}

/// The routes of a table.
pub(super) fn of_table(paths: &mut Paths, state: &State, table: &Table, principal: &Principal) {
    let name = &table.name;
    let ops = table.ops_of(principal);
    let rows = json!({
        "type": "object",
        "required": ["data", "pagination"],
        "properties": {
            "data": { "type": "array", "items": {} },
            "pagination": { "$ref": "#/components/schemas/Pagination" },
        },
    });
    let page = json!({
        "description": "A page of rows",
        "content": {
            "application/json": { "schema": rows },
            "application/x-ndjson": { "schema": { "type": "string" } },
        },
    });
    let mut of_all = json!({ "get": {
        "operationId": format!("{name}.list"),
        "tags": [name],
        "summary": format!("A page of {name}"),
        "parameters": list_parameters(table),
        "responses": responses(&[("200", page.clone()), ("304", plain("Not modified"))]),
    } });
    if ops.has(Ops::INSERT) {
        of_all["post"] = insert(table);
    }
    let is_bulk = |op: Ops| table.max_bulk_rows > 0 && ops.has(op);
    let affected = json!({ "type": "object" });
    let bulk = |what: &str| {
        json!({
            "operationId": format!("{name}.bulk_{what}"),
            "tags": [name],
            "parameters": filter_parameters(table),
            "responses": responses(&[("200", json_of("How many rows were written", &affected))]),
        })
    };
    if is_bulk(Ops::PATCH) {
        of_all["patch"] = bulk("patch");
        of_all["patch"]["requestBody"] = body(&reference(table, "Patch"));
    }
    if is_bulk(Ops::DELETE) {
        of_all["delete"] = bulk("delete");
    }
    paths.insert(format!("/tables/{name}"), of_all);
    let query = json!({ "post": {
        "operationId": format!("{name}.query"),
        "tags": [name],
        "summary": format!("A page of {name}, asked for by a body"),
        "requestBody": body(&query_body(table)),
        "responses": responses(&[("200", page.clone()), ("304", plain("Not modified"))]),
    } });
    paths.insert(format!("/tables/{name}/query"), query);
    paths.insert(format!("/tables/{name}/{{id}}"), of_row(table, ops));
    for relation in relations(state, table, principal) {
        let schema = match (relation.is_many, &relation.target) {
            (true, _) => rows.clone(),
            (false, RelationTarget::Table(target)) => {
                json!({ "$ref": format!("#/components/schemas/{target}.Row") })
            }
            (false, RelationTarget::Contained(_)) => json!({ "type": "object" }),
        };
        let what = format!("The {} of one of {name}", relation.name);
        let get = json!({
            "operationId": format!("{name}.{}", relation.name),
            "tags": [name],
            "summary": what,
            "parameters": [id_parameter()],
            "responses":
                responses(&[("200", json_of(&what, &schema)), ("304", plain("Not modified"))]),
        });
        let path = format!("/tables/{name}/{{id}}/{}", relation.name);
        paths.insert(path, json!({ "get": get }));
    }
}

/// Declares that a list can be asked for by `QUERY` as well as by `POST`.
pub(super) fn declare_query(paths: &mut Paths, table: &Table) {
    let Some(path) = paths.get_mut(&format!("/tables/{}/query", table.name)) else { return };
    let mut query = path["post"].clone();
    query["operationId"] = format!("{}.list_by_body", table.name).into();
    path["query"] = query;
}

fn insert(table: &Table) -> Value {
    let new = reference(table, "NewRow");
    let one_or_more = json!({ "oneOf": [new, { "type": "array", "items": new }] });
    let stored = json!({ "type": "object" });
    json!({
        "operationId": format!("{}.insert", table.name),
        "tags": [table.name],
        "summary": "Inserts a row, or an array of rows",
        "requestBody": body(&one_or_more),
        "responses": responses(&[
            ("200", json_of("Nothing was new", &stored)),
            ("201", json_of("What is stored", &stored)),
        ]),
    })
}

fn of_row(table: &Table, ops: Ops) -> Value {
    let name = &table.name;
    let row = || json_of("The row", &reference(table, "Row"));
    let operation = |what: &str, own: &[(&str, Value)]| {
        json!({
            "operationId": format!("{name}.{what}"),
            "tags": [name],
            "responses": responses(own),
        })
    };
    let get = operation(
        "get",
        &[
            ("200", json_of("The row", &json!({ "type": "object" }))),
            ("304", plain("Not modified")),
        ],
    );
    let mut all = json!({ "parameters": [id_parameter()], "get": get });
    all["get"]["parameters"] = json!([select_parameter(table)]);
    if ops.has(Ops::REPLACE) {
        all["put"] = operation("replace", &[("200", row()), ("201", row())]);
        all["put"]["requestBody"] = body(&reference(table, "NewRow"));
    }
    if ops.has(Ops::PATCH) {
        all["patch"] = operation("patch", &[("200", row())]);
        all["patch"]["requestBody"] = body(&reference(table, "Patch"));
    }
    if ops.has(Ops::DELETE) {
        all["delete"] = operation("delete", &[("204", plain("It is not there any more"))]);
    }
    all
}

pub(super) fn body(schema: &Value) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

fn id_parameter() -> Value {
    json!({
        "name": "id", "in": "path", "required": true,
        "schema": { "type": "string", "minLength": 1 },
    })
}

fn select_parameter(table: &Table) -> Value {
    json!({
        "name": "select", "in": "query",
        "description": "The columns to show, with commas between",
        "schema": { "type": "array", "minItems": 1, "uniqueItems": true, "items": {
            "enum": table.names(|column| column.readable),
        } },
        "style": "form", "explode": false,
    })
}

fn filter_parameters(table: &Table) -> Vec<Value> {
    let columns = table.names(|column| column.filterable);
    let filter = |name: &&str| {
        json!({
            "name": name, "in": "query",
            "description": format!("operator.value, where the operator is one of {OPERATORS}"),
            "required": table.required_filters.iter().any(|required| required == name),
            "schema": { "type": "string" },
        })
    };
    columns.iter().map(filter).collect()
}

fn list_parameters(table: &Table) -> Vec<Value> {
    let number = |name: &str, least: usize, most: Option<usize>| {
        let mut schema = json!({ "type": "integer", "minimum": least });
        if let Some(most) = most {
            schema["maximum"] = most.into();
        }
        json!({ "name": name, "in": "query", "schema": schema })
    };
    let most = Some(table.max_page_size);
    let mut all = vec![
        number("page", 1, None),
        number("per_page", 1, most),
        number("offset", 0, None),
        number("limit", 1, most),
        json!({ "name": "cursor", "in": "query", "schema": { "type": "string" } }),
        json!({
            "name": "count", "in": "query",
            "schema": { "enum": ["known", "exact", "none"], "default": "known" },
        }),
        select_parameter(table),
    ];
    let orders = table.names(|column| column.orderable && column.readable);
    if !orders.is_empty() {
        let values = orders.iter().flat_map(|name| [(*name).to_owned(), format!("{name}.desc")]);
        let values: Vec<String> = values.collect();
        all.push(json!({ "name": "order", "in": "query", "schema": { "enum": values } }));
    }
    if table.searches {
        let schema = json!({ "type": "string", "minLength": 1 });
        all.push(json!({ "name": "search", "in": "query", "schema": schema }));
    }
    // A column that is called as a parameter can be filtered by in a body alone.
    let is_free = |filter: &Value| !all.iter().any(|other| other["name"] == filter["name"]);
    let filters: Vec<Value> = filter_parameters(table).into_iter().filter(is_free).collect();
    all.extend(filters);
    all
}

fn query_body(table: &Table) -> Value {
    let number = |least: usize| json!({ "type": "integer", "minimum": least });
    let columns: Map<String, Value> = table
        .names(|column| column.filterable)
        .into_iter()
        .map(|name| (name.to_owned(), json!({})))
        .collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "filter": {
                "type": "object", "properties": columns, "additionalProperties": false,
                "required": table.required_filters,
            },
            "select": { "type": "array", "items": { "type": "string" } },
            "order": { "type": "string" },
            "search": { "type": "string" },
            "page": number(1), "per_page": number(1), "offset": number(0), "limit": number(1),
            "cursor": { "type": "string" },
            "count": { "enum": ["known", "exact", "none"] },
        },
    })
}
