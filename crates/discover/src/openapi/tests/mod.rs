//! Drafts of specifications.

mod hostile;

use serde_json::{Value, json};

use super::*;

fn draft(specification: &Value) -> Result<String, OpenApiError> {
    let text = specification.to_string();
    from_openapi(&text, "api.json", &Settings::default()).map(|draft| draft.to_yaml())
}

fn drafted(specification: &Value) -> String {
    draft(specification).unwrap_or_else(|error| panic!("{error}"))
}

/// Asserts that a draft has these lines, whatever their indentation and comments.
#[track_caller]
fn has(draft: &str, lines: &[&str]) {
    let held: Vec<&str> =
        draft.lines().map(|line| line.split(" # ").next().unwrap_or(line).trim()).collect();
    for line in lines {
        assert!(held.contains(line), "`{line}` is not in\n{draft}");
    }
}

/// A specification of one path.
fn one_path(path: &str, parameters: &Value, schema: &Value) -> Value {
    let content = json!({ "application/json": { "schema": schema } });
    json!({
        "openapi": "3.0.3",
        "servers": [{ "url": "https://api.example.com/v1/" }],
        "paths": { path: { "get": {
            "parameters": parameters,
            "responses": { "200": { "description": "", "content": content } },
        } } },
        "components": { "schemas": { "Row": { "type": "object", "properties": {
            "name": { "type": "string" },
            "id": { "type": "integer" },
            "updated_at": { "type": "string", "format": "date-time" },
            "tags": { "type": "array", "items": { "type": "string" } },
        } } } },
    })
}

fn parameter(name: &str, kind: &str) -> Value {
    json!({ "name": name, "in": "query", "schema": { "type": kind } })
}

fn list() -> Value {
    json!({ "type": "array", "items": { "$ref": "#/components/schemas/Row" } })
}

#[test]
fn paging_is_found_by_the_names_of_parameters() {
    let text = json!({ "type": "string" });
    let flag = json!({ "type": "boolean" });
    for (parameters, beside, paging) in [
        (
            vec![parameter("page", "integer"), parameter("perPage", "integer")],
            json!({}),
            "by: page, param: page",
        ),
        (
            vec![parameter("page[number]", "integer")],
            json!({}),
            "by: page, param: \"page[number]\"",
        ),
        (
            vec![parameter("startAt", "integer"), parameter("maxResults", "integer")],
            json!({}),
            "by: offset, param: startAt",
        ),
        (
            vec![parameter("skip", "integer"), parameter("limit", "integer")],
            json!({}),
            "by: offset, param: skip",
        ),
        (
            vec![parameter("pageToken", "string")],
            json!({ "nextPageToken": text }),
            "by: cursor, param: pageToken, next: nextPageToken",
        ),
        (
            vec![parameter("cursor", "string")],
            json!({ "meta": { "type": "object", "properties": { "next_cursor": text } } }),
            "by: cursor, param: cursor, next: meta.next_cursor",
        ),
        (
            vec![parameter("starting_after", "string")],
            json!({ "has_more": flag }),
            "by: keyset, param: starting_after, field: id",
        ),
        (
            vec![],
            json!({ "next": { "type": "string", "format": "uri" } }),
            "by: next_url, next: next",
        ),
        (vec![], json!({ "@odata.nextLink": text }), r#"by: next_url, next: "@odata\\.nextLink""#),
        (
            vec![parameter("page", "integer")],
            json!({ "next": { "type": "string", "format": "uri" }, "count": { "type": "integer" } }),
            "by: page, param: page",
        ),
    ] {
        let mut properties = beside;
        properties["data"] = list();
        let schema = json!({ "type": "object", "properties": properties });
        let draft = drafted(&one_path("/rows", &json!(parameters), &schema));
        assert!(draft.contains(paging), "{paging} is not in\n{draft}");
        has(
            &draft,
            &["items: data", "id: id", "- table: rows", "updated_at: timestamp", "tags: json"],
        );
    }
}

/// A specification of a POST at a path with this name, whose body has these properties.
fn posted(path: &str, name: &str, properties: &Value) -> Value {
    let schema = json!({ "type": "object", "properties": {
        "total": { "type": "integer" }, "next_cursor": { "type": "string" }, "data": list(),
    } });
    let mut specification = one_path(path, &json!([]), &schema);
    let mut post = specification["paths"][path]["get"].take();
    post["operationId"] = json!(name);
    let schema = json!({ "type": "object", "properties": properties });
    post["requestBody"] = json!({ "content": { "application/json": { "schema": schema } } });
    specification["paths"][path] = json!({ "post": post });
    specification
}

/// Rows whose columns depend on what is asked for, as in the specification of `apipool serve`.
#[test]
fn a_list_of_anything_is_one_of_rows_if_it_is_called_so() {
    let open = json!({ "type": "array", "items": {} });
    let of = |name: &str| json!({ "type": "object", "properties": { name: open } });
    let specification =
        one_path("/tables/orders", &json!([parameter("page", "integer")]), &of("data"));
    let draft = drafted(&specification);
    has(&draft, &["items: data", "{ by: page, param: page }"]);
    assert!(draft.contains("# the specification does not say what a row has"), "{draft}");
    let other = one_path("/tables/orders", &json!([parameter("page", "integer")]), &of("warnings"));
    assert_eq!(draft_error(&other), OpenApiError::NoLists);
}

#[test]
fn a_post_that_is_a_search_is_a_table() {
    let number = |most: u64| json!({ "type": "integer", "maximum": most });
    let text = json!({ "type": "string" });
    let pages = json!({ "page": { "type": "integer" }, "limit": number(200), "query": text });
    let draft = drafted(&posted("/orders/search", "ordersSearchPost", &pages));
    has(
        &draft,
        &[
            "{ by: page, param: page,",
            "size_param: limit, size: 200,",
            "post: {} }",
            "endpoint: orders/search",
            "- table: search",
        ],
    );
    assert!(draft.contains("a guess: `search` is a search, which only reads"), "{draft}");
    let nested = json!({ "pagination": { "type": "object", "properties": {
        "cursor": text, "limit": number(50),
    } } });
    let draft = drafted(&posted("/rows", "listRows", &nested));
    has(
        &draft,
        &[
            "{ by: cursor, param: pagination.cursor, next: next_cursor,",
            "size_param: pagination.limit, size: 50,",
        ],
    );
    let mut required = posted("/rows/query", "x", &pages);
    let content = &mut required["paths"]["/rows/query"]["post"]["requestBody"]["content"];
    content["application/json"]["schema"]["required"] = json!(["query"]);
    let draft = drafted(&required);
    assert!(draft.contains("not in the job: `query` must be given"), "{draft}");
    for (path, name, properties) in [
        ("/rows", "createRow", &pages),
        ("/rows/search", "deleteBySearch", &pages),
        ("/research", "x", &pages),
        ("/rows/search", "x", &json!({ "query": text })),
    ] {
        let error = super::super::from_openapi(
            &posted(path, name, properties).to_string(),
            "api.json",
            &Settings::default(),
        );
        assert!(error.is_err(), "{path} {name}");
    }
}

#[test]
fn what_does_not_say_how_it_pages_is_not_copied() {
    let draft = drafted(&one_path("/rows", &json!([]), &list()));
    has(&draft, &["{ by: none }", "items: \".\""]);
    assert!(!draft.contains("jobs:") && draft.contains("not in the job"), "{draft}");
}

#[test]
fn sizes_are_the_maxima_of_their_parameters() {
    let size = |schema: Value| {
        let limit = json!({ "name": "limit", "in": "query", "schema": schema });
        let parameters = json!([parameter("offset", "integer"), limit]);
        drafted(&one_path("/rows", &parameters, &list()))
    };
    let integer = |more: Value| {
        let mut schema = json!({ "type": "integer" });
        schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        size(schema)
    };
    has(&integer(json!({ "maximum": 250, "default": 10 })), &["size_param: limit, size: 250 }"]);
    has(&integer(json!({ "maximum": 1_000_000 })), &["size_param: limit, size: 1000 }"]);
    has(&integer(json!({ "default": 20 })), &["size_param: limit, size: 20 }"]);
    assert!(integer(json!({})).contains("no maximum is told"));
    assert!(!integer(json!({ "maximum": 0 })).contains("size:"));
    assert!(!integer(json!({ "maximum": -5 })).contains("size:"));
}

#[test]
fn swagger_is_read_as_well() {
    let draft = drafted(&json!({
        "swagger": "2.0", "host": "api.example.com", "basePath": "/v2", "schemes": ["http", "https"],
        "securityDefinitions": { "key": { "type": "apiKey", "in": "header", "name": "X-Api-Key" } },
        "security": [{ "key": [] }],
        "parameters": { "page": { "name": "page", "in": "query", "type": "integer" } },
        "paths": {
            "/pets": { "get": {
                "parameters": [{ "$ref": "#/parameters/page" }, { "name": "limit", "in": "query", "type": "integer", "maximum": 50 }],
                "responses": { "200": { "schema": { "type": "array", "items": { "$ref": "#/definitions/Pet" } } } },
            } },
            "/pets/{petId}": { "get": { "responses": { "200": { "schema": { "$ref": "#/definitions/Pet" } } } } },
        },
        "definitions": { "Pet": { "properties": { "id": { "type": "integer" }, "born": { "type": "string", "format": "date" } } } },
    }));
    has(
        &draft,
        &[
            "base_url: \"https://api.example.com/v2\"",
            "auth: { header: { name: X-Api-Key, value: \"${API_KEY}\" } }",
            "{ by: page, param: page,",
            "size_param: limit, size: 50 }",
            "item_endpoint: true",
            "born: date",
        ],
    );
}

#[test]
fn versions_differ_in_their_types() {
    let row = json!({
        "allOf": [
            { "$ref": "#/components/schemas/Row" },
            { "type": "object", "properties": {
                "note": { "type": ["string", "null"] },
                "size": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
                "either": { "oneOf": [{ "type": "integer" }, { "type": "string" }] },
                "many": { "type": ["string", "integer"] },
                "free": {},
            } },
        ],
    });
    let list = json!({ "type": "array", "items": row });
    let mut specification = one_path("/rows", &json!([parameter("page", "integer")]), &list);
    specification["openapi"] = "3.1.0".into();
    let draft = drafted(&specification);
    has(
        &draft,
        &[
            "note: text",
            "size: int",
            "either: json",
            "many: json",
            "free: json",
            "name: text",
            "id: id",
        ],
    );
}

#[test]
fn yaml_is_read_with_numbers_as_keys() {
    let text = "
openapi: 3.0.0
servers:
  - url: https://{region}.example.com/v1
    variables: { region: { default: eu } }
paths:
  /rows:
    get:
      parameters: [{ name: page, in: query, schema: { type: integer } }]
      responses:
        200: { content: { application/json: { schema: { type: array, items: { type: object, properties: { id: { type: string } } } } } } }
";
    let draft = from_openapi(text, "a.yaml", &Settings::default()).unwrap().to_yaml();
    let base_url = "base_url: \"https://${SERVER_region}.example.com/v1\"";
    has(&draft, &["SERVER_region: eu", base_url, "- name: rows"]);
}

#[test]
fn children_are_read_for_each_parent() {
    let mut specification = one_path("/users", &json!([parameter("page", "integer")]), &list());
    let users = specification["paths"]["/users"].clone();
    for path in
        ["/users/{userId}/posts", "/users/{userId}/posts/{postId}/likes", "/groups/{id}/posts"]
    {
        specification["paths"][path] = users.clone();
    }
    let draft = drafted(&specification);
    has(
        &draft,
        &[
            "endpoint: \"users/{userId}/posts\"",
            "for_each: { table: users, bind: { userId: id } }",
            "- name: users_posts",
        ],
    );
    assert_eq!(draft.matches("not in the job").count(), 2, "{draft}");
}

#[test]
fn sign_in_is_that_of_the_operations() {
    let auth = |scheme: Value| {
        let mut specification = one_path("/rows", &json!([parameter("page", "integer")]), &list());
        specification["components"]["securitySchemes"] =
            json!({ "used": scheme, "other": { "type": "http", "scheme": "basic" } });
        specification["paths"]["/rows"]["get"]["security"] = json!([{ "used": ["read"] }]);
        drafted(&specification)
    };
    for (scheme, yaml) in [
        (json!({ "type": "http", "scheme": "Bearer" }), "auth: { bearer: \"${API_TOKEN}\" }"),
        (
            json!({ "type": "http", "scheme": "basic" }),
            "auth: { basic: { user: \"${API_USER}\", password: \"${API_PASSWORD}\" } }",
        ),
        (
            json!({ "type": "apiKey", "in": "query", "name": "api_key" }),
            "auth: { query: { name: api_key, value: \"${API_KEY}\" } }",
        ),
        (
            json!({ "type": "apiKey", "in": "cookie", "name": "sid" }),
            "auth: { cookie: { name: sid, value: \"${API_KEY}\" } }",
        ),
        (
            json!({ "type": "oauth2", "flows": { "clientCredentials": { "tokenUrl": "https://h/token", "scopes": {} } } }),
            "auth: { oauth2: { token_url: \"https://h/token\", client_id: \"${CLIENT_ID}\", client_secret: \"${CLIENT_SECRET}\" } }",
        ),
    ] {
        has(&auth(scheme), &[yaml]);
    }
    for scheme in [
        json!({ "type": "oauth2", "flows": { "authorizationCode": { "tokenUrl": "https://h/token" } } }),
        json!({ "type": "openIdConnect" }),
        json!({ "type": "http", "scheme": "digest" }),
        json!({ "type": "x" }),
    ] {
        let draft = auth(scheme);
        assert!(draft.contains("fill in `auth`") && !draft.contains("\n  auth:"), "{draft}");
    }
}

#[test]
fn filters_and_changes_come_from_parameters() {
    let parameters = json!([
        parameter("page", "integer"),
        parameter("name", "string"),
        parameter("updated_since", "string"),
        parameter("sort", "string"),
    ]);
    let draft = drafted(&one_path("/rows", &parameters, &list()));
    has(&draft, &["filters: { style: equality, only: [name] }"]);
    assert!(
        draft.contains("# incremental: { field: updated_at, param: updated_since }"),
        "{draft}"
    );
    assert!(draft.contains("# further parameters: updated_since, sort"), "{draft}");
    let mut needed = parameter("account", "string");
    needed["required"] = true.into();
    let draft =
        drafted(&one_path("/rows", &json!([parameter("page", "integer"), needed]), &list()));
    assert!(draft.contains("not in the job: `account` must be given"), "{draft}");
}

fn draft_error(specification: &Value) -> OpenApiError {
    draft(specification).unwrap_err()
}

#[test]
fn what_is_no_specification_says_why() {
    let error = |text: &str| from_openapi(text, "a", &Settings::default()).unwrap_err().to_string();
    for (text, words) in [
        ("", "neither"),
        ("{", "neither JSON nor YAML"),
        ("a: 1", "`openapi: 3.…`"),
        ("openapi: 4.0.0\npaths: {}", "`4.0.0`"),
        ("swagger: '1.2'\npaths: {}", "`1.2`"),
        ("openapi: 3.0.0", "`paths`"),
        ("openapi: 3.0.0\npaths: {}", "list of objects"),
        ("openapi: 3.0.0\npaths: { /a: { get: 7 } }", "list of objects"),
        (
            "openapi: 3.0.0\npaths: { /a: { get: { responses: { 200: { content: [] } } } } }",
            "list of objects",
        ),
    ] {
        let said = error(text);
        assert!(said.contains(words), "{text}: {said}");
    }
}
