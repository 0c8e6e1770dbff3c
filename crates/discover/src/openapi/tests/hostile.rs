//! Specifications that are made to do harm, or that never end.

use std::{fmt::Write, sync::mpsc, thread, time::Duration};

use super::*;

/// The variables in the values of a draft, as a description reads it: `$$` is a `$`, from the left.
fn variables(draft: &str) -> Vec<String> {
    fn of(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => {
                let text = text.replace("$$", "");
                let names = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
                found.extend(names.map(|(name, _)| name.to_owned()));
            }
            Value::Array(list) => list.iter().for_each(|value| of(value, found)),
            Value::Object(fields) => fields.values().for_each(|value| of(value, found)),
            _ => {}
        }
    }
    let read: Value =
        serde_saphyr::from_str(draft).unwrap_or_else(|error| panic!("{error}\n{draft}"));
    let mut found = Vec::new();
    of(&read, &mut found);
    found
}

fn paged(path: &str) -> Value {
    one_path(path, &json!([parameter("page", "integer")]), &list())
}

// Dorthu/openapi3#112, IBM/openapi-to-graphql#284, getkin/kin-openapi#623,
// APIDevTools/json-schema-ref-parser#271, microsoft/OpenAPI.NET#182: schemas that contain themselves.
#[test]
fn schemas_that_contain_themselves_are_read() {
    let mut specification = one_path("/rows", &json!([parameter("page", "integer")]), &list());
    let schemas = &mut specification["components"]["schemas"];
    schemas["Row"]["properties"]["child"] = json!({ "$ref": "#/components/schemas/Row" });
    schemas["Row"]["properties"]["loop"] = json!({ "$ref": "#/components/schemas/Loop" });
    schemas["Loop"] = json!({ "$ref": "#/components/schemas/Loop", "description": "itself" });
    schemas["A"] = json!({ "$ref": "#/components/schemas/B" });
    schemas["B"] = json!({ "allOf": [{ "$ref": "#/components/schemas/A" }, { "$ref": "#/components/schemas/B" }] });
    schemas["Row"]["properties"]["deep"] = json!({ "$ref": "#/components/schemas/A" });
    schemas["Row"]["properties"]["gone"] = json!({ "$ref": "#/components/schemas/None" });
    schemas["Row"]["properties"]["far"] = json!({ "$ref": "other.yaml#/Row" });
    let draft = drafted(&specification);
    has(&draft, &["child: json", "loop: json", "deep: json", "gone: json", "far: json"]);
    // The answer itself.
    let mut specification =
        one_path("/rows", &json!([]), &json!({ "$ref": "#/components/schemas/Loop" }));
    specification["components"]["schemas"]["Loop"] =
        json!({ "allOf": [{ "$ref": "#/components/schemas/Loop" }] });
    assert_eq!(draft_error(&specification), OpenApiError::NoLists);
}

#[test]
fn work_is_bounded_whatever_the_specification() {
    // Each schema has the next one twice: 2^60 ways.
    let mut schemas = serde_json::Map::new();
    for at in 0..60 {
        let next = json!({ "$ref": format!("#/components/schemas/S{}", at + 1) });
        let properties = json!({ "a": next, "b": next });
        schemas
            .insert(format!("S{at}"), json!({ "properties": properties, "allOf": [next, next] }));
    }
    let mut specification =
        one_path("/rows", &json!([]), &json!({ "$ref": "#/components/schemas/S0" }));
    for path in 0..9 {
        specification["paths"][format!("/p{path}")] = specification["paths"]["/rows"].clone();
    }
    specification["components"]["schemas"] = schemas.into();
    assert_eq!(draft_error(&specification), OpenApiError::NoLists);
    // Anchors of YAML that multiply.
    let mut yaml = "openapi: 3.0.0\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for at in 1..12 {
        let before = format!("*a{}, ", at - 1).repeat(9);
        let _ = writeln!(yaml, "a{at}: &a{at} [{}]", before.trim_end_matches(", "));
    }
    yaml.push_str("paths: { /x: *a11 }\n");
    assert!(from_openapi(&yaml, "a", &Settings::default()).is_err());
    // Brackets without an end.
    for text in ["[".repeat(1_000_000), "{\"a\":".repeat(200_000), "{a: ".repeat(200_000)] {
        assert!(from_openapi(&text, "a", &Settings::default()).is_err());
    }
}

#[test]
fn names_of_others_do_no_harm() {
    let mut specification =
        one_path("/rows: {x}# /${HOME}/a b", &json!([parameter("page", "integer")]), &list());
    specification["components"]["schemas"]["Row"]["properties"]["a: b #\n${HOME}"] =
        json!({ "type": "string" });
    specification["servers"] = json!([{ "url": "https://h/\n${HOME}: x # y" }]);
    specification["components"]["securitySchemes"] =
        json!({ "a\nb: c": { "type": "apiKey", "in": "header", "name": "X\n# y: ${HOME}" } });
    let draft = drafted(&specification);
    let read: Value =
        serde_saphyr::from_str(&draft).unwrap_or_else(|error| panic!("{error}\n{draft}"));
    assert_eq!(read["tables"].as_array().unwrap().len(), 1, "{draft}");
    let keys: Vec<_> = read.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["api", "tables"], "{draft}");
    assert_eq!(variables(&draft), ["API_KEY"], "{draft}");
}

// OpenAPITools/openapi-generator#9809, ferdikoomen/openapi-typescript-codegen#2809: what a
// specification says became a part of the program.
#[test]
fn no_variable_of_the_environment_is_sent_to_where_a_specification_says() {
    for url in
        ["https://h/${HOME}", "https://h/$${HOME}", "https://h/$$${HOME}", "https://${HOME}.h"]
    {
        let mut specification = paged("/rows");
        specification["servers"] = json!([{ "url": url }]);
        let draft = drafted(&specification);
        assert!(variables(&draft).is_empty(), "{draft}");
        assert!(!draft.contains("vars:"), "{draft}");
    }
    for path in ["/a/${HOME}/rows", "/a/$${HOME}/rows", "/a$/$$${HOME}/rows"] {
        let draft = drafted(&paged(path));
        assert!(variables(&draft).is_empty(), "{draft}");
    }
    // The host is not told, so `ORIGIN` is.
    for url in ["/${HOME}", "/$${HOME}", "${HOME}", "$${HOME}/{HOME}", ""] {
        let mut specification = paged("/rows");
        specification["servers"] = json!([{ "url": url }]);
        let draft = drafted(&specification);
        assert_eq!(variables(&draft), ["ORIGIN"], "{draft}");
        let mut specification = paged("/rows");
        specification.as_object_mut().unwrap().remove("servers");
        specification["basePath"] = url.into();
        let draft = drafted(&specification);
        assert_eq!(variables(&draft), ["ORIGIN"], "{draft}");
        specification["host"] = "${HOME}.evil".into();
        let draft = drafted(&specification);
        assert!(variables(&draft).is_empty(), "{draft}");
    }
    let mut specification = paged("/rows");
    specification["components"]["securitySchemes"] = json!({ "a": { "type": "oauth2", "flows": {
        "clientCredentials": { "tokenUrl": "https://evil/$${HOME}" },
    } } });
    let draft = drafted(&specification);
    assert_eq!(variables(&draft), ["CLIENT_ID", "CLIENT_SECRET"], "{draft}");
}

#[test]
fn variables_of_a_server_have_names_of_no_secret() {
    let of = |url: &str, names: &[&str]| {
        let variables = names.iter().map(|name| {
            let default = json!({ "default": format!("d-{}${{HOME}}", name.len()) });
            ((*name).to_owned(), default)
        });
        let mut specification = paged("/rows");
        let variables: serde_json::Map<String, Value> = variables.collect();
        specification["servers"] = json!([{ "url": url, "variables": variables }]);
        drafted(&specification)
    };
    for (url, names, expected) in [
        ("https://{region}.h/{region}", &["region"][..], &["SERVER_region", "SERVER_region"][..]),
        ("https://{GITHUB_TOKEN}.evil.io", &["GITHUB_TOKEN"], &["SERVER_1"]),
        ("https://{SSH_KEY}.evil.io", &["SSH_KEY"], &["SERVER_1"]),
        ("https://{a-b}{ab}", &["a-b", "ab"], &["SERVER_ab", "SERVER_2"]),
        ("https://{1}{}{é}", &["1", "", "é"], &["SERVER_1", "SERVER_2", "SERVER_3"]),
        // What is put in is not looked at again.
        (
            "https://${a}{SERVER_a}{x{a}",
            &["a", "SERVER_a"],
            &["SERVER_a", "SERVER_SERVER_a", "SERVER_a"],
        ),
        ("https://h/{none}/{a", &["a"], &[]),
    ] {
        let draft = of(url, names);
        // Their values have none, besides.
        assert_eq!(variables(&draft), expected, "{draft}");
    }
    let names: Vec<String> = (0..1_000).map(|at| format!("v{at}")).collect();
    let url: String = names.iter().map(|name| format!("{{{name}}}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(variables(&of(&format!("https://h/{url}"), &names)).len(), 50);
}

// curl/curl#6150, resend/resend-cli#240: a terminal obeyed what an API had sent.
#[test]
fn a_terminal_obeys_nothing_of_a_specification() {
    let text = |path: &str| {
        let mut specification = paged("/rows");
        let get = json!({ "get": { "responses": { "200": { "description": "" } } } });
        specification["paths"][path] = get;
        let both = json!({ "type": "object", "properties": { "a\u{1b}[2J": list(), "b": list() } });
        let content = json!({ "application/json": { "schema": both } });
        specification["paths"]["/both\u{1b}]0;x\u{7}\u{202e}"] =
            json!({ "get": { "responses": { "200": { "content": content } } } });
        specification["paths"]["/list\u{9b}2J"] = specification["paths"]["/rows"].clone();
        specification.to_string()
    };
    for path in ["/a\u{1b}[2J\u{9b}31m".to_owned(), format!("/{}", "\u{1b}".repeat(100_000))] {
        let draft = from_openapi(&text(&path), "a\u{1b}[2J", &Settings::default()).unwrap();
        let left_out: Vec<String> = draft.left_out().collect();
        assert!(left_out.iter().any(|said| said.contains("no schema: /")), "{left_out:?}");
        let said = format!("{}{}", left_out.join("\n"), draft.to_yaml());
        let is_obeyed = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!said.contains(is_obeyed), "{said:?}");
        assert!(left_out.iter().all(|said| said.chars().count() <= 201));
    }
    for text in ["openapi: \"\u{1b}[2J\"", "{\"a\u{1b}[2J\": \u{1b}"] {
        let error = from_openapi(text, "a", &Settings::default()).unwrap_err().to_string();
        assert!(!error.contains(char::is_control), "{error:?}");
    }
}

/// Asserts that a specification is read to its end, in minutes where it would take hours.
#[track_caller]
fn ends(specification: &Value) {
    let text = specification.to_string();
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let _ = from_openapi(&text, "a", &Settings::default());
        let _ = done.send(());
    });
    assert!(is_done.recv_timeout(Duration::from_secs(180)).is_ok(), "it has not ended");
}

// What many parts of a specification refer to is looked at again for each of them.
#[test]
fn large_schemas_are_not_looked_through_again_and_again() {
    let many = |part: &Value, count: usize| Value::from(vec![part.clone(); count]);
    let whole = |big: Value, row: Value| {
        let mut specification = paged("/rows");
        let schemas = &mut specification["components"]["schemas"];
        schemas["Big"] = big;
        schemas["Row"] = row;
        for path in 0..30 {
            let path = format!("/p{path}");
            specification["paths"][path] = specification["paths"]["/rows"].clone();
        }
        specification
    };
    let big = json!({ "$ref": "#/components/schemas/Big" });
    let properties: serde_json::Map<String, Value> =
        (0..100_000).map(|at| (format!("p{at}"), json!({}))).collect();
    ends(&whole(json!({ "properties": properties }), json!({ "allOf": many(&big, 9_000) })));
    let null = json!({ "type": "null" });
    ends(&whole(json!({ "oneOf": many(&null, 100_000) }), json!({ "allOf": many(&big, 9_000) })));
    ends(&whole(
        json!({ "type": many(&"null".into(), 100_000) }),
        json!({ "allOf": many(&big, 9_000) }),
    ));
    let far = format!("#/components/schemas/{}", "x".repeat(1_000_000));
    ends(&whole(json!({ "$ref": far }), json!({ "allOf": many(&big, 4_900) })));
}
