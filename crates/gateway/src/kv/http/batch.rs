//! `POST /kv`: operations in one commit.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{json as told, ttl};
use crate::{
    Problem,
    kv::{Action, Batch, ContentType, Error, Key, Kv, Outcome, Precondition, Put, Tags},
    query::parameters,
    request_context::RequestContext,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    operations: Vec<Operation>,
}

/// An operation as it is written: one of `put`, `get` and `delete`, and what belongs to it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    put: Option<String>,
    get: Option<String>,
    delete: Option<String>,
    text: Option<String>,
    base64: Option<String>,
    content_type: Option<String>,
    ttl: Option<String>,
    if_match: Option<String>,
    if_none_match: Option<String>,
}

pub(super) async fn batch(kv: &Kv, mut context: RequestContext) -> Result<HttpResponse, Problem> {
    parameters(context.raw_query(), [])?;
    let headers = context.headers();
    for condition in [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE] {
        if headers.contains_key(&condition) {
            let title = format!("{condition} is not a condition of a batch");
            return Err(Problem::bad_request("unsupported_condition", title)
                .with_detail("conditions are members of the operations"));
        }
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|text| text.to_str().ok());
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case("application/json") {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::new(status, "unsupported_media_type", "a batch is application/json"));
    }
    let body = context.body(context.limits().max_body_bytes).await?;
    let batch = parse(&body, context.limits().max_batch_operations)?
        .reading_at_most(context.limits().max_response_bytes / 4);
    drop(body);
    let keys: Vec<Key> = batch.operations.iter().map(|(key, _)| key.clone()).collect();
    let outcomes = kv.batch(batch).await.map_err(refused)?;
    let results: Vec<Json> =
        keys.iter().zip(outcomes).map(|(key, done)| result(key, done)).collect();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "results": results })))
}

/// The problem of a batch: with the condition that does not hold, and the version that is there.
fn refused(error: Error) -> Problem {
    let Error::PreconditionFailed { index, condition, current, .. } = &error else {
        return error.into();
    };
    let pointer = format!("/operations/{index}/{condition}");
    let etag = current.map(|tag| tag.to_string());
    Problem::from(error).with_error(pointer, "it does not hold").with_member("etag", etag)
}

fn result(key: &Key, outcome: Outcome) -> Json {
    let without_value = |status: u16| {
        Map::from_iter([
            ("key".to_owned(), key.as_str().into()),
            ("status".to_owned(), status.into()),
        ])
    };
    let members = match outcome {
        Outcome::Put(stored) => {
            let mut members = told::entry(key, &stored.entry);
            members.insert("status".to_owned(), if stored.is_new { 201 } else { 204 }.into());
            members
        }
        Outcome::Deleted(was_there) => without_value(if was_there { 204 } else { 404 }),
        Outcome::Got(None) => without_value(404),
        Outcome::Got(Some(value)) => {
            let mut members = told::entry(key, value.entry());
            members.insert("status".to_owned(), 200.into());
            let (name, bytes) = told::bytes(value);
            members.insert(name.to_owned(), bytes);
            members
        }
    };
    members.into()
}

/// The batch of a body.
fn parse(body: &[u8], most: usize) -> Result<Batch, Problem> {
    let Body { operations } = serde_json::from_slice(body).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Data => {
                Problem::unprocessable("invalid_batch", "the batch cannot be read")
            }
            _ => Problem::bad_request("invalid_json", "the body is not JSON"),
        };
        problem.with_detail(error.to_string())
    })?;
    if operations.is_empty() || operations.len() > most {
        let count = operations.len();
        return Err(Problem::unprocessable("batch_length", "the batch is empty or too long")
            .with_detail(format!("it has 1 to {most} operations, this one has {count}")));
    }
    let mut batch = Batch::new();
    for (index, operation) in operations.into_iter().enumerate() {
        let (key, action) = operation.read().map_err(|(member, what)| {
            let pointer = match member {
                "" => format!("/operations/{index}"),
                member => format!("/operations/{index}/{member}"),
            };
            Problem::unprocessable("invalid_batch", "an operation cannot be read")
                .with_error(pointer, what)
        })?;
        batch = batch.with(key, action);
    }
    Ok(batch)
}

/// The member that is wrong, and what is wrong with it.
type Fault = (&'static str, String);

impl Operation {
    fn read(mut self) -> Result<(Key, Action), Fault> {
        let named = (self.put.take(), self.get.take(), self.delete.take());
        let (member, key) = match named {
            (Some(key), None, None) => ("put", key),
            (None, Some(key), None) => ("get", key),
            (None, None, Some(key)) => ("delete", key),
            _ => return Err(("", "it has one of put, get and delete".to_owned())),
        };
        let key = Key::new(key).map_err(|error| (member, error.to_string()))?;
        let action = match member {
            "put" => self.put()?,
            "get" => {
                self.refuse_value(member)?;
                self.refuse_condition()?;
                Action::Get
            }
            _ => {
                self.refuse_value(member)?;
                Action::Delete(self.condition()?)
            }
        };
        Ok((key, action))
    }

    fn put(self) -> Result<Action, Fault> {
        let condition = self.condition()?;
        let value = match (self.text, self.base64) {
            (Some(text), None) => Bytes::from(text),
            (None, Some(base64)) => STANDARD
                .decode(base64)
                .map_err(|_| ("base64", "it is base64 with padding (RFC 4648)".to_owned()))?
                .into(),
            _ => return Err(("", "a put has one of text and base64".to_owned())),
        };
        let mut put = Put::new(value).when(condition);
        if let Some(content_type) = self.content_type {
            let checked = ContentType::new(&content_type);
            put.content_type = checked.map_err(|error| ("content_type", error.to_string()))?;
        }
        let ttl: Option<Result<Duration, _>> = self.ttl.map(|text| ttl::parse(&text));
        put.ttl = ttl.transpose().map_err(|what| ("ttl", format!("it is {what}")))?;
        Ok(Action::Put(put))
    }

    fn condition(&self) -> Result<Precondition, Fault> {
        let tags = |member: &'static str, text: &Option<String>| -> Result<Option<Tags>, Fault> {
            let tags = text.as_deref().map(str::parse::<Tags>).transpose();
            tags.map_err(|error| (member, error.to_string()))
        };
        Ok(Precondition {
            if_match: tags("if_match", &self.if_match)?,
            if_none_match: tags("if_none_match", &self.if_none_match)?,
        })
    }

    fn refuse_value(&self, operation: &str) -> Result<(), Fault> {
        let members = [
            ("text", &self.text),
            ("base64", &self.base64),
            ("content_type", &self.content_type),
            ("ttl", &self.ttl),
        ];
        match members.into_iter().find(|(_, value)| value.is_some()) {
            Some((member, _)) => Err((member, format!("it does not belong to a {operation}"))),
            None => Ok(()),
        }
    }

    fn refuse_condition(&self) -> Result<(), Fault> {
        let members = [("if_match", &self.if_match), ("if_none_match", &self.if_none_match)];
        match members.into_iter().find(|(_, value)| value.is_some()) {
            Some((member, _)) => Err((member, "it does not belong to a get".to_owned())),
            None => Ok(()),
        }
    }
}
