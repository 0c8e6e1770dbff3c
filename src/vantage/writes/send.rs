//! Builds and sends the requests of writes, each with an idempotency key where one is configured.

use ciborium::Value;
use http::{Method, header};
use vantage_core::Result;
use vantage_types::Record;

use super::{etag::Precondition, item::WriteTarget, refusal::outside, write::Write};
use crate::{
    request::Request,
    response::Response,
    vantage::{error::unsupported, query::to_target},
};

impl Write {
    /// An insert of `row`, under `id` if one is given.
    pub(super) fn post(&self, row: &Record<Value>, id: Option<&str>) -> Result<Request> {
        let conditions = self.read.conditions();
        let place = to_target(&self.read.settings.path, &self.read.declared, conditions)?;
        let (target, filter) = place.ok_or_else(outside)?;
        if filter.is_opaque() {
            return Err(unsupported("writes under a search"));
        }
        self.require_fit(&filter, row)?;
        self.with_body(Method::POST, &target, row, id)
    }

    /// Sends a row, or a part of it, to its path.
    pub(super) async fn send(
        &self,
        method: Method,
        item: &WriteTarget,
        row: &Record<Value>,
        precondition: Precondition,
    ) -> Result<Response> {
        let mut request = self.with_body(method, &item.target, row, Some(&item.id))?;
        request.headers_mut().extend(precondition);
        self.call(request).await
    }

    /// The row with null in each declared column that it lacks.
    pub(super) fn complete(&self, row: &Record<Value>) -> Record<Value> {
        let mut row = row.clone();
        let id = self.read.columns.id();
        let mut lacking: Vec<&String> = self.read.declared.fields.iter().collect();
        lacking.retain(|column| !row.contains_key(*column) && Some(column.as_str()) != id);
        lacking.sort_unstable();
        row.extend(lacking.into_iter().map(|column| (column.clone(), Value::Null)));
        row
    }

    /// A request with the columns of `row`, which is the row `id` if that is known.
    pub(super) fn with_body(
        &self,
        method: Method,
        target: &str,
        row: &Record<Value>,
        id: Option<&str>,
    ) -> Result<Request> {
        let patch = self.writes.patches().filter(|_| method == Method::PATCH);
        let mut item = row.clone();
        item.retain(|column, _| self.is_sent(column));
        let columns = &self.read.columns;
        let id = id.map(|id| columns.id_value(id));
        let own = columns.id().filter(|_| self.layout.has_id());
        let own = own.and_then(|column| item.shift_remove(column)).filter(|id| !id.is_null());
        columns.lower(&mut item);
        let body = self.layout.body(&item, id.or(own).as_ref())?;
        let mut request = self.request(method, target)?.json(&body)?;
        match self.writes.type_of_body(patch)? {
            Some(of) => {
                request.headers_mut().insert(header::CONTENT_TYPE, of);
            }
            // The pool has a default for all requests.
            None if self.read.api.pool.has_default_header("content-type") => {
                request.headers_mut().remove(header::CONTENT_TYPE);
            }
            None => {}
        }
        Ok(request)
    }

    pub(super) fn request(&self, method: Method, target: &str) -> Result<Request> {
        let key_header = self.writes.key_header(&method)?;
        let request = self.read.settings.with_headers(Request::new(method, target))?;
        let Some(name) = key_header else { return Ok(request) };
        let key = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes());
        let request = request.header(name.as_str(), &key.into_uuid().to_string())?;
        Ok(request.idempotent(true))
    }

    pub(super) async fn call(&self, request: Request) -> Result<Response> {
        self.read.api.pool.request(request).await.map_err(|error| self.read.failed(error))
    }
}
