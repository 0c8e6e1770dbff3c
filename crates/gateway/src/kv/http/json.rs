//! [pure] What is told of values in JSON.

use std::{fmt::Write as _, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value as Json};

use crate::kv::{Entry, Key, Value};

/// What is known of a value, as members of an object.
pub(super) fn entry(key: &Key, entry: &Entry) -> Map<String, Json> {
    let mut members = Map::new();
    let mut add = |name: &str, value: Json| members.insert(name.to_owned(), value);
    add("key", key.as_str().into());
    add("size", entry.size.into());
    add("content_type", entry.content_type.as_str().into());
    add("etag", entry.etag.to_string().into());
    add("created", time(entry.created));
    add("updated", time(entry.updated));
    add("expires", entry.expires.map_or(Json::Null, time));
    members
}

/// The bytes of a value as one member: `text` if they are readable text, else `base64`.
pub(super) fn bytes(value: Value) -> (&'static str, Json) {
    let bytes = value.into_bytes();
    // Other control characters take up to six times their room in JSON.
    let is_readable = |text: &&str| !text.contains(|c: char| c < ' ' && !"\t\n\r".contains(c));
    match std::str::from_utf8(&bytes).ok().filter(is_readable) {
        Some(text) => ("text", text.into()),
        None => ("base64", STANDARD.encode(&bytes).into()),
    }
}

/// A time as in RFC 3339, in milliseconds.
fn time(time: SystemTime) -> Json {
    let mut text = String::new();
    match write!(text, "{}", humantime::format_rfc3339_millis(time)) {
        Ok(()) => text.into(),
        Err(_) => Json::Null,
    }
}
