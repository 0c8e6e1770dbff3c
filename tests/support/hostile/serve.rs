//! Answers one request: route, token, gate, script, and then what was asked for.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode},
    web::{self, Bytes},
};
use serde_json::{Map, Value, json};

use super::{
    dialect,
    gate::Gate,
    knobs::{Collection, Hostile, Style},
    log::{Recorder, query},
    page::{self, Asked},
    script::{Answer, On},
    tokens::Tokens,
};

/// What all requests share.
pub struct Shared {
    pub knobs: Hostile,
    pub recorder: Recorder,
    pub gate: Gate,
    pub tokens: Tokens,
}

type Params = Vec<(String, String)>;

/// What a request is for.
enum Target<'a> {
    Token,
    /// A page of a collection, with the placeholders of its path.
    List(&'a Collection, Params, u64),
    Item(&'a Collection, Params, String),
    Unknown,
}

pub async fn answer(request: HttpRequest, body: Bytes, shared: web::Data<Shared>) -> HttpResponse {
    let mut params = query(&request);
    params.extend(members(&body));
    let target = shared.target(&request, &params);
    let page = match target {
        Target::List(_, _, page) => Some(page),
        _ => None,
    };
    let arrival = shared.recorder.arrived(&request, body, page);
    let response = shared.respond(&request, params, target).await;
    arrival.answered(response.status().as_u16());
    response
}

impl Shared {
    fn target(&self, request: &HttpRequest, params: &Params) -> Target<'_> {
        if request.path() == "/token" && request.method() == Method::POST {
            return Target::Token;
        }
        let is_search = request.method() == Method::POST && self.knobs.takes_searches;
        if request.method() != Method::GET && !is_search {
            return Target::Unknown;
        }
        for collection in &self.knobs.collections {
            if let Some(bound) = bind(&collection.path, request.path()) {
                return Target::List(collection, bound, self.page(params));
            }
            let item_path = format!("{}/{{}}", collection.path);
            if let Some(mut bound) = bind(&item_path, request.path()) {
                let id = bound.pop().map(|(_, id)| id).unwrap_or_default();
                return Target::Item(collection, bound, id);
            }
        }
        Target::Unknown
    }

    /// The number of the page that is asked for.
    fn page(&self, params: &Params) -> u64 {
        let knobs = &self.knobs;
        match knobs.style {
            Style::Numbered => number(params, &knobs.page_param).unwrap_or(knobs.first_page),
            _ => self.start(params) / self.size(params) + knobs.first_page,
        }
    }

    /// The first row that is asked for.
    fn start(&self, params: &Params) -> u64 {
        let knobs = &self.knobs;
        let place = params.iter().find(|(name, _)| *name == knobs.page_param);
        let place = place.map_or("", |(_, place)| place.as_str());
        match knobs.style {
            Style::Numbered => {
                (self.page(params) - knobs.first_page).saturating_mul(self.size(params))
            }
            Style::Offset => place.parse().unwrap_or_default(),
            _ => place.trim_start_matches('c').parse().unwrap_or_default(),
        }
    }

    fn size(&self, params: &Params) -> u64 {
        let knobs = &self.knobs;
        number(params, &knobs.size_param)
            .map_or(knobs.page_size, |size| size.clamp(1, knobs.max_page_size))
    }

    async fn respond(
        &self,
        request: &HttpRequest,
        params: Params,
        target: Target<'_>,
    ) -> HttpResponse {
        let authorization =
            request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let is_token = matches!(target, Target::Token);
        if self.knobs.auth && !is_token && !self.tokens.accept(authorization) {
            return refusal(401);
        }
        if let Target::List(_, _, page) = target {
            if let Some(delay) = &self.knobs.delay {
                actix_web::rt::time::sleep(delay(page)).await;
            }
            if request.path().starts_with(&self.knobs.closed_below) {
                self.gate.pass(page).await;
            }
        }
        let scripted = self.script(&target);
        let no_rows = matches!(scripted, Some(Answer::NoRows));
        match (scripted, target) {
            (Some(answer), _) if !no_rows => give(answer),
            (_, Target::Token) => self.token(),
            (_, Target::List(collection, bound, page)) => {
                self.list(request, collection, bound, params, page, no_rows)
            }
            (_, Target::Item(collection, bound, id)) => item(collection, &bound, &id),
            (_, Target::Unknown) => refusal(404),
        }
    }

    /// The first scripted answer for `target`, counted down.
    fn script(&self, target: &Target<'_>) -> Option<&Answer> {
        let on = match target {
            Target::Token => return None,
            Target::List(_, _, page) => On::Page(*page),
            Target::Item(..) => On::Item,
            Target::Unknown => On::Any,
        };
        self.knobs
            .scripts
            .iter()
            .find(|(wanted, script)| (*wanted == on || *wanted == On::Any) && script.applies())
            .map(|(_, script)| &script.answer)
    }

    fn token(&self) -> HttpResponse {
        let mut body = json!({ "token": self.tokens.issue() });
        if let Some(lifetime) = self.tokens.lifetime() {
            body["expires_in"] = lifetime.as_secs_f64().into();
        }
        HttpResponse::Ok().json(body)
    }

    fn list(
        &self,
        request: &HttpRequest,
        collection: &Collection,
        mut filters: Params,
        params: Params,
        page: u64,
        no_rows: bool,
    ) -> HttpResponse {
        let knobs = &self.knobs;
        let query = params.clone();
        let mut rows = collection.rows();
        let (dialect, sorts) = (knobs.dialect, knobs.sorts);
        let params = dialect::apply(&mut rows, params, dialect, sorts, knobs.search, knobs.filters);
        for (name, value) in params {
            if name == knobs.page_param || name == knobs.size_param {
                continue;
            }
            if rows.iter().any(|row| row.get(&name).is_some()) {
                filters.push((name, value));
                continue;
            }
            self.recorder.unknown_param(&name);
            if knobs.strict {
                return refusal(400);
            }
        }
        if knobs.filters {
            page::filter(&mut rows, &filters);
        }
        if page < knobs.first_page {
            return refusal(400);
        }
        let host = request.headers().get("host").and_then(|host| host.to_str().ok());
        let asked = Asked {
            table: collection.path.rsplit('/').next().unwrap_or_default(),
            host: host.unwrap_or_default(),
            path: request.path(),
            query: &query,
            start: self.start(&query),
            size: self.size(&query),
            no_rows,
        };
        let Some(page) = page::page(knobs, &rows, &asked) else {
            return refusal(404);
        };
        let mut response = HttpResponse::Ok();
        for header in page.headers {
            response.insert_header(header);
        }
        response.json(page.body)
    }
}

fn item(collection: &Collection, bound: &Params, id: &str) -> HttpResponse {
    let mut wanted = bound.clone();
    wanted.push(("id".into(), id.into()));
    let mut rows = collection.rows();
    page::filter(&mut rows, &wanted);
    rows.first().map_or_else(|| refusal(404), |row| HttpResponse::Ok().json(row))
}

fn give(answer: &Answer) -> HttpResponse {
    match answer {
        Answer::Status(status) => refusal(*status),
        Answer::TooMany(retry_after) => HttpResponse::TooManyRequests()
            .insert_header(("retry-after", retry_after.as_str()))
            .json(json!({ "error": "too many requests" })),
        Answer::Html => HttpResponse::Ok()
            .content_type("text/html")
            .body("<!doctype html><title>Down for maintenance</title>"),
        Answer::ErrorEnvelope => HttpResponse::Ok().json(json!({ "error": "it went wrong" })),
        Answer::Empty => HttpResponse::Ok().finish(),
        Answer::NoContent => HttpResponse::NoContent().finish(),
        Answer::NoRows => HttpResponse::Ok().json(Value::Array(Vec::new())),
        Answer::Body(body) => {
            HttpResponse::Ok().content_type("application/json").body(body.clone())
        }
    }
}

fn refusal(status: u16) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap();
    HttpResponse::build(status).json(json!({ "error": status.canonical_reason() }))
}

/// What the placeholders of `pattern` stand for in `path`, or `None` when it is another path.
fn bind(pattern: &str, path: &str) -> Option<Params> {
    if pattern.split('/').count() != path.split('/').count() {
        return None;
    }
    let mut bound = Params::new();
    for (wanted, found) in pattern.split('/').zip(path.split('/')) {
        let found = percent_encoding::percent_decode_str(found).decode_utf8().ok()?;
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => bound.push((name.into(), found.into())),
            None if wanted == found => {}
            None => return None,
        }
    }
    Some(bound)
}

/// The members of a body in JSON, as the parameters that they are.
fn members(body: &[u8]) -> Params {
    let body: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    body.into_iter().map(|(name, value)| (name, text(value))).collect()
}

fn number(params: &Params, name: &str) -> Option<u64> {
    params.iter().find(|(key, _)| key == name)?.1.parse().ok()
}
