//! Notes about countries: the one writable resource. Each has a version, which is its `ETag`;
//! `If-Match` makes a write conditional on it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ETAG, IF_MATCH, LOCATION},
    web,
};
use serde_json::{Map, Value, json};

use super::{DemoOptions, pages};

type Fields = web::Json<Map<String, Value>>;

/// All notes.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Store>);

#[derive(Default)]
struct Store {
    /// `{id, version, …}`, in the order in which they were stored.
    notes: Vec<Value>,
    made: u64,
}

impl Notes {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.route("/notes", web::get().to(list))
        .route("/notes", web::post().to(insert))
        .route("/notes/{id}", web::get().to(get))
        .route("/notes/{id}", web::put().to(replace))
        .route("/notes/{id}", web::patch().to(patch))
        .route("/notes/{id}", web::delete().to(delete));
}

async fn list(
    notes: web::Data<Notes>,
    options: web::Data<DemoOptions>,
    query: pages::Query,
) -> HttpResponse {
    pages::list(&notes.store().notes, &options, query.into_inner(), None)
}

async fn get(notes: web::Data<Notes>, id: web::Path<String>) -> HttpResponse {
    let store = notes.store();
    store.notes.iter().find(|note| note["id"] == id.as_str()).map_or_else(pages::not_found, found)
}

async fn insert(notes: web::Data<Notes>, fields: Fields) -> HttpResponse {
    let mut store = notes.store();
    store.made += 1;
    let id = fields.get("id").and_then(Value::as_str).map(str::to_owned);
    let id = id.unwrap_or_else(|| format!("note-{}", store.made));
    if store.notes.iter().any(|note| note["id"] == id.as_str()) {
        return HttpResponse::Conflict().json(json!({ "error": "the id is taken" }));
    }
    let note = versioned(&id, 1, fields.into_inner());
    store.notes.push(note.clone());
    HttpResponse::Created().insert_header((LOCATION, format!("/v1/notes/{id}"))).json(note)
}

async fn replace(
    notes: web::Data<Notes>,
    id: web::Path<String>,
    fields: Fields,
    request: HttpRequest,
) -> HttpResponse {
    change(&notes, &id, &request, |_| fields.into_inner())
}

async fn patch(
    notes: web::Data<Notes>,
    id: web::Path<String>,
    fields: Fields,
    request: HttpRequest,
) -> HttpResponse {
    change(&notes, &id, &request, |note| {
        let mut merged = note.as_object().cloned().unwrap_or_default();
        merged.extend(fields.into_inner());
        merged
    })
}

async fn delete(
    notes: web::Data<Notes>,
    id: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    let mut store = notes.store();
    let Some(at) = store.notes.iter().position(|note| note["id"] == id.as_str()) else {
        return pages::not_found();
    };
    if !is_meant(&request, &store.notes[at]) {
        return changed();
    }
    store.notes.remove(at);
    HttpResponse::NoContent().finish()
}

fn change(
    notes: &Notes,
    id: &str,
    request: &HttpRequest,
    new: impl FnOnce(&Value) -> Map<String, Value>,
) -> HttpResponse {
    let mut store = notes.store();
    let Some(note) = store.notes.iter_mut().find(|note| note["id"] == id) else {
        return pages::not_found();
    };
    if !is_meant(request, note) {
        return changed();
    }
    *note = versioned(id, note["version"].as_u64().unwrap_or(0) + 1, new(note));
    found(note)
}

fn versioned(id: &str, version: u64, mut fields: Map<String, Value>) -> Value {
    fields.insert("id".into(), id.into());
    fields.insert("version".into(), version.into());
    fields.into()
}

fn tag(note: &Value) -> String {
    format!("\"{}\"", note["version"])
}

fn is_meant(request: &HttpRequest, note: &Value) -> bool {
    let wanted = request.headers().get(IF_MATCH);
    wanted.is_none_or(|wanted| wanted.as_bytes() == tag(note).as_bytes())
}

fn found(note: &Value) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, tag(note))).json(note)
}

fn changed() -> HttpResponse {
    HttpResponse::PreconditionFailed().json(json!({ "error": "the note has changed" }))
}
