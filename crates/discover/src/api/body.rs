//! [pure] Searches that take their parameters in the JSON body of a POST. Whatever decides here sees
//! such parameters in the query of a URL; this is the way there and back.

use serde_json::{Map, Value};
use url::Url;

use super::{
    http::Request,
    next::{is_page, parameters},
};
use crate::names;

/// How deep parameters are looked for in a body.
const DEPTH: usize = 3;

/// The URL with those parameters of a body that may say which rows are asked for.
pub(super) fn in_query(url: &Url, body: &Value) -> Url {
    let mut found = Vec::new();
    collect(body, "", 1, &mut found);
    let mut url = url.clone();
    if !found.is_empty() {
        url.query_pairs_mut().extend_pairs(found);
    }
    url
}

fn collect(body: &Value, path: &str, depth: usize, found: &mut Vec<(String, String)>) {
    let Value::Object(fields) = body else { return };
    for (key, value) in fields.iter().filter(|(key, _)| !key.contains('.')) {
        let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let counts = is_page(key)
            || [names::OFFSET_PARAM, names::SIZE].iter().any(|of| names::is_one(key, of));
        match value {
            Value::Number(number) if counts => found.push((at, number.to_string())),
            Value::Null if names::is_one(key, names::CURSOR_PARAM) => {
                found.push((at, String::new()));
            }
            Value::Object(_) if depth < DEPTH => collect(value, &at, depth + 1, found),
            _ => {}
        }
    }
}

/// The key of a text in a body that looks like a credential.
pub(super) fn secret(body: &Value) -> Option<String> {
    match body {
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let is_said = value.as_str().is_some_and(|text| !text.is_empty());
            let is_it = is_said && names::is_secret(key);
            if is_it { Some(key.clone()) } else { secret(value) }
        }),
        Value::Array(items) => items.iter().find_map(secret),
        _ => None,
    }
}

/// The request as it is sent: to the URL that was given, with its other parameters in the body.
pub(super) fn posted(request: Request, given: &Url, body: &Value) -> Request {
    let own = parameters(given);
    let mut body = body.clone();
    let others = parameters(&request.url).into_iter().filter(|pair| !own.contains(pair));
    for (name, value) in others.filter(|(_, value)| !value.is_empty()) {
        let is_text = request.text.as_ref() == Some(&name);
        let number = value.parse::<u64>().ok().filter(|_| !is_text);
        put(&mut body, &name, number.map_or_else(|| value.into(), Value::from));
    }
    let mut url = given.clone();
    url.set_path(request.url.path());
    Request { url, post: Some(body), ..request }
}

fn put(body: &mut Value, path: &str, value: Value) {
    if !body.is_object() {
        *body = Value::Object(Map::new());
    }
    let Value::Object(fields) = body else { return };
    match path.split_once('.') {
        Some((key, rest)) if !fields.contains_key(path) => {
            put(fields.entry(key).or_insert(Value::Null), rest, value);
        }
        _ => drop(fields.insert(path.to_owned(), value)),
    }
}

/// The body without the parameters that a paging sets.
pub(super) fn without(body: &Value, names: &[&str]) -> Value {
    let mut body = body.clone();
    names.iter().for_each(|name| take(&mut body, name));
    body
}

fn take(body: &mut Value, path: &str) {
    let Value::Object(fields) = body else { return };
    match path.split_once('.') {
        Some((key, rest)) if !fields.contains_key(path) => {
            if let Some(within) = fields.get_mut(key) {
                take(within, rest);
            }
        }
        _ => drop(fields.remove(path)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_go_into_a_query_and_back() {
        let given = Url::parse("https://h/search?v=2").unwrap();
        let body = json!({
            "filter": { "price": 10 }, "paging": { "limit": 5, "cursor": null }, "page": 1, "q": "1",
        });
        let url = in_query(&given, &body);
        assert_eq!(url.query(), Some("v=2&page=1&paging.cursor=&paging.limit=5"));
        let same = posted(Request::new(url, ""), &given, &body);
        assert_eq!((same.url.query(), same.post), (Some("v=2"), Some(body.clone())));
        let next = Url::parse("https://h/search?v=2&page=2&paging.cursor=17&a.b=x").unwrap();
        let sent = posted(Request::new(next.clone(), ""), &given, &body).post.unwrap();
        assert_eq!(sent["page"], 2);
        assert_eq!(sent["paging"], json!({ "limit": 5, "cursor": 17 }));
        assert_eq!(sent["a"], json!({ "b": "x" }));
        let mut request = Request::new(next, "");
        request.text = Some("paging.cursor".to_owned());
        let text = posted(request, &given, &body).post.unwrap();
        assert_eq!((&text["paging"]["cursor"], &text["page"]), (&json!("17"), &json!(2)));
        let bare = without(&body, &["page", "paging.limit", "none.such"]);
        assert_eq!(bare["paging"], json!({ "cursor": null }));
        assert_eq!(bare.get("page"), None);
    }
}
