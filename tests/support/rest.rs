//! A small REST server with rows in memory: lists in pages of two, and every write.
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

use actix_web::{
    App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer,
    http::{Method, StatusCode},
    web::{self, Bytes},
};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use demo_api::Embedded;

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

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    /// The first value of the header `name`, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

type Between = Box<dyn FnMut(&mut Vec<Value>) + Send>;

struct State {
    rows: Vec<Value>,
    asked: Vec<Asked>,
    made: u64,
    refusals: Vec<(Method, u16)>,
    after_get: Option<Between>,
    meeting: Option<Arc<Barrier>>,
}

/// A running server. It stops when it is dropped.
pub struct RestServer {
    server: Embedded,
    state: Arc<Mutex<State>>,
}

impl RestServer {
    pub fn start(habits: Habits, rows: Vec<Value>) -> Self {
        let state = State {
            rows,
            asked: Vec::new(),
            made: 0,
            refusals: Vec::new(),
            after_get: None,
            meeting: None,
        };
        let state = Arc::new(Mutex::new(state));
        let data = web::Data::from(Arc::clone(&state));
        let server = Embedded::start(move |listener| {
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(data.clone())
                    .app_data(web::Data::new(habits))
                    .default_service(web::to(answer))
            });
            Ok(server.workers(1).disable_signals().listen(listener)?.run())
        });
        Self { server: server.unwrap(), state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
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
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }

    /// Methods and paths asked for since the last call.
    pub fn take_lines(&self) -> Vec<String> {
        let line = |asked: Asked| format!("{} {}", asked.method, asked.path);
        self.take_asked().into_iter().map(line).collect()
    }

    /// Answers all requests with `method` with `status`, instead of doing what they ask for.
    pub fn refuse(&self, method: Method, status: u16) {
        self.state().refusals.push((method, status));
    }

    /// Keeps each PUT until as many as `writers` have come.
    pub fn puts_meet(&self, writers: usize) {
        self.state().meeting = Some(Arc::new(Barrier::new(writers)));
    }

    /// Changes the rows once, after the next single row was handed out.
    pub fn after_next_get(&self, change: impl FnMut(&mut Vec<Value>) + Send + 'static) {
        self.state().after_get = Some(Box::new(change));
    }
}

async fn answer(
    request: HttpRequest,
    body: Bytes,
    state: web::Data<Mutex<State>>,
    habits: web::Data<Habits>,
) -> HttpResponse {
    let meeting = state.lock().unwrap().meeting.clone();
    if let Some(meeting) = meeting.filter(|_| *request.method() == Method::PUT) {
        meeting.wait().await;
    }
    let mut state = state.lock().unwrap();
    let text = |value: &actix_web::http::header::HeaderValue| value.to_str().unwrap().to_owned();
    state.asked.push(Asked {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let refused = state.refusals.iter().find(|(method, _)| method == request.method());
    if let Some((_, status)) = refused {
        return refusal(*status);
    }
    let id = match request.path().strip_prefix("/rows") {
        Some("") => None,
        Some(rest) => {
            let id = percent_encoding::percent_decode_str(rest.trim_matches('/'));
            Some(id.decode_utf8().unwrap().into_owned())
        }
        None => return refusal(404),
    };
    let sent = || {
        let body: Value = serde_json::from_slice(&body).ok()?;
        let row = if habits.wrapped { body.get("row")?.clone() } else { body };
        row.is_object().then_some(row)
    };
    let at =
        id.as_ref().and_then(|id| state.rows.iter().position(|row| text_of(&row["id"]) == *id));
    let missing = if habits.gone { 410 } else { 404 };
    if !is_met(&request, &habits, at.map(|at| &state.rows[at])) {
        return refusal(412);
    }
    match (request.method(), id, at) {
        (&Method::GET, None, _) => list(&request, &state.rows),
        (&Method::GET, Some(_), Some(at)) => {
            let found = found(&habits, HttpResponse::Ok(), &state.rows[at], false);
            if let Some(mut change) = state.after_get.take() {
                change(&mut state.rows);
            }
            found
        }
        (&Method::POST, None, _) => {
            let Some(mut row) = sent() else { return refusal(400) };
            if row.get("id").is_none() {
                state.made += 1;
                row["id"] = format!("made/{}", state.made).into();
            }
            if state.rows.iter().any(|other| other["id"] == row["id"]) {
                return refusal(409);
            }
            state.rows.push(row.clone());
            let mut response = HttpResponse::Created();
            let id = text_of(&row["id"]).replace('/', "%2F");
            response.insert_header(("location", format!("/rows/{id}")));
            found(&habits, response, &row, habits.silent || habits.locates)
        }
        (&Method::PUT, Some(id), at) => {
            let Some(mut row) = sent() else { return refusal(400) };
            if row.get("id").is_none() {
                row["id"] = id.into();
            }
            let mut response = HttpResponse::Ok();
            match at {
                Some(at) => state.rows[at] = row.clone(),
                None if habits.no_upsert => return refusal(missing),
                None => {
                    state.rows.push(row.clone());
                    response.status(StatusCode::CREATED);
                }
            }
            found(&habits, response, &row, habits.silent)
        }
        (&Method::PATCH, Some(_), Some(at)) => {
            let Some(patch) = sent() else { return refusal(400) };
            merge(&mut state.rows[at], &patch);
            found(&habits, HttpResponse::Ok(), &state.rows[at], habits.silent)
        }
        (&Method::DELETE, Some(_), Some(at)) => {
            state.rows.remove(at);
            HttpResponse::NoContent().finish()
        }
        (&Method::GET | &Method::PATCH | &Method::DELETE, Some(_), None) => refusal(missing),
        _ => refusal(405),
    }
}

fn list(request: &HttpRequest, rows: &[Value]) -> HttpResponse {
    let mut page = 1;
    let mut rows: Vec<&Value> = rows.iter().collect();
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
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
    HttpResponse::Ok().json(json!({ "data": items, "pagination": pagination }))
}

fn found(
    habits: &Habits,
    mut response: HttpResponseBuilder,
    row: &Value,
    silent: bool,
) -> HttpResponse {
    if habits.etags {
        let weak = if habits.weak { "W/" } else { "" };
        response.insert_header(("etag", format!("{weak}{}", tag(row))));
    }
    match (silent, habits.wrapped) {
        (true, _) => response.finish(),
        (false, true) => response.json(json!({ "row": row })),
        (false, false) => response.json(row),
    }
}

/// Whether the preconditions of a request hold.
fn is_met(request: &HttpRequest, habits: &Habits, row: Option<&Value>) -> bool {
    let header = |name: &str| Some(request.headers().get(name)?.to_str().unwrap());
    let matches = header("if-match").is_none_or(|wanted| row.is_some_and(|row| tag(row) == wanted));
    let is_new = header("if-none-match").is_none_or(|_| row.is_none());
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

fn refusal(status: u16) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap();
    HttpResponse::build(status).json(json!({ "error": status.canonical_reason() }))
}
