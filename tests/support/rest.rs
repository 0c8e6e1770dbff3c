//! A small REST server on wiremock with rows in memory: lists in pages of two, and every write.
//!
//! | request | answer |
//! |---|---|
//! | `GET /rows?page=…&field=…` | two rows of those that have the field, in the standard envelope |
//! | `GET /rows/{id}` | the row, or 404 |
//! | `POST /rows` | 201 and the row; it makes an id if there is none; 409 if it has the id |
//! | `PUT /rows/{id}` | 200 or 201 and the row |
//! | `PATCH /rows/{id}` | the row with the fields merged, or 404 |
//! | `DELETE /rows/{id}` | 204, or 404 |

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use wiremock::{MockServer, Request, Respond, ResponseTemplate};

use super::mock::{self, header, query, refusal};

const PAGE: usize = 2;

/// What differs from the table above.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    /// Rows carry an `ETag`; `If-Match` and `If-None-Match` are honoured.
    pub etags: bool,
    /// The tags are weak.
    pub weak: bool,
    /// Answers to writes have no body.
    pub silent: bool,
    /// Where a made id is told: in the `Location` alone.
    pub locates: bool,
    /// PUT creates nothing.
    pub no_upsert: bool,
    /// Rows lie under `row` in bodies of writes and in single rows.
    pub wrapped: bool,
    /// A row that is gone is 410.
    pub gone: bool,
}

type Between = Box<dyn FnMut(&mut Vec<Value>) + Send>;

struct State {
    rows: Vec<Value>,
    asked: Vec<Request>,
    made: u64,
    after_get: Option<Between>,
}

/// A running server. It stops when it is dropped.
pub struct RestServer {
    pub server: MockServer,
    state: Arc<Mutex<State>>,
}

impl RestServer {
    pub async fn start(habits: Habits, rows: Vec<Value>) -> Self {
        let state = State { rows, asked: Vec::new(), made: 0, after_get: None };
        let state = Arc::new(Mutex::new(state));
        let rest = Rest { habits, state: Arc::clone(&state) };
        Self { server: mock::answering(rest).await, state }
    }

    pub fn url(&self) -> String {
        self.server.uri()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What the server holds.
    pub fn rows(&self) -> Vec<Value> {
        self.state().rows.clone()
    }

    /// The row with this id.
    pub fn row(&self, id: &str) -> Option<Value> {
        self.state().rows.iter().find(|row| row["id"] == id).cloned()
    }

    /// What was asked for since the last call.
    pub fn take_asked(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().asked)
    }

    /// Methods and paths asked for since the last call.
    pub fn take_lines(&self) -> Vec<String> {
        let line = |asked: Request| format!("{} {}", asked.method, asked.url.path());
        self.take_asked().into_iter().map(line).collect()
    }

    /// Changes the rows once, after the next single row was handed out.
    pub fn after_next_get(&self, change: impl FnMut(&mut Vec<Value>) + Send + 'static) {
        self.state().after_get = Some(Box::new(change));
    }
}

struct Rest {
    habits: Habits,
    state: Arc<Mutex<State>>,
}

impl Respond for Rest {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let (mut state, habits) = (self.state.lock().unwrap(), &self.habits);
        state.asked.push(request.clone());
        let id = match request.url.path().strip_prefix("/rows") {
            Some("") => None,
            Some(rest) => {
                let id = percent_encoding::percent_decode_str(rest.trim_matches('/'));
                Some(id.decode_utf8().unwrap().into_owned())
            }
            None => return refusal(404),
        };
        let sent = || {
            let body: Value = request.body_json().ok()?;
            let row = if habits.wrapped { body.get("row")?.clone() } else { body };
            row.is_object().then_some(row)
        };
        let at =
            id.as_ref().and_then(|id| state.rows.iter().position(|row| text_of(&row["id"]) == *id));
        let missing = if habits.gone { 410 } else { 404 };
        if !is_met(request, habits, at.map(|at| &state.rows[at])) {
            return refusal(412);
        }
        match (request.method.as_str(), id, at) {
            ("GET", None, _) => list(request, &state.rows),
            ("GET", Some(_), Some(at)) => {
                let found = found(habits, 200, &state.rows[at], false);
                if let Some(mut change) = state.after_get.take() {
                    change(&mut state.rows);
                }
                found
            }
            ("POST", None, _) => {
                let Some(mut row) = sent() else { return refusal(400) };
                if row.get("id").is_none() {
                    state.made += 1;
                    row["id"] = format!("made/{}", state.made).into();
                }
                if state.rows.iter().any(|other| other["id"] == row["id"]) {
                    return refusal(409);
                }
                state.rows.push(row.clone());
                let id = text_of(&row["id"]).replace('/', "%2F");
                found(habits, 201, &row, habits.silent || habits.locates)
                    .insert_header("location", format!("/rows/{id}"))
            }
            ("PUT", Some(id), at) => {
                let Some(mut row) = sent() else { return refusal(400) };
                if row.get("id").is_none() {
                    row["id"] = id.into();
                }
                let status = match at {
                    Some(at) => {
                        state.rows[at] = row.clone();
                        200
                    }
                    None if habits.no_upsert => return refusal(missing),
                    None => {
                        state.rows.push(row.clone());
                        201
                    }
                };
                found(habits, status, &row, habits.silent)
            }
            ("PATCH", Some(_), Some(at)) => {
                let Some(patch) = sent() else { return refusal(400) };
                merge(&mut state.rows[at], &patch);
                found(habits, 200, &state.rows[at], habits.silent)
            }
            ("DELETE", Some(_), Some(at)) => {
                state.rows.remove(at);
                ResponseTemplate::new(204)
            }
            ("GET" | "PATCH" | "DELETE", Some(_), None) => refusal(missing),
            _ => refusal(405),
        }
    }
}

fn list(request: &Request, rows: &[Value]) -> ResponseTemplate {
    let mut page = 1;
    let mut rows: Vec<&Value> = rows.iter().collect();
    for (name, value) in query(request) {
        match &*name {
            "page" => page = value.parse().unwrap(),
            "per_page" => {}
            _ => rows.retain(|row| {
                let found = name.split('.').fold(*row, |value, key| &value[key]);
                text_of(found) == value
            }),
        }
    }
    let items: Vec<&Value> = rows.iter().skip((page - 1) * PAGE).take(PAGE).copied().collect();
    let pagination = json!({ "page": page, "per_page": PAGE, "total": rows.len() });
    ResponseTemplate::new(200).set_body_json(json!({ "data": items, "pagination": pagination }))
}

fn found(habits: &Habits, status: u16, row: &Value, silent: bool) -> ResponseTemplate {
    let mut response = ResponseTemplate::new(status);
    if habits.etags {
        let weak = if habits.weak { "W/" } else { "" };
        response = response.insert_header("etag", format!("{weak}{}", tag(row)));
    }
    match (silent, habits.wrapped) {
        (true, _) => response,
        (false, true) => response.set_body_json(json!({ "row": row })),
        (false, false) => response.set_body_json(row),
    }
}

/// Whether the preconditions of a request hold.
fn is_met(request: &Request, habits: &Habits, row: Option<&Value>) -> bool {
    let matches =
        header(request, "if-match").is_none_or(|wanted| row.is_some_and(|row| tag(row) == wanted));
    let is_new = header(request, "if-none-match").is_none_or(|_| row.is_none());
    !habits.etags || matches && is_new
}

fn tag(row: &Value) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    row.to_string().hash(&mut hasher);
    format!("\"{:x}\"", hasher.finish())
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
