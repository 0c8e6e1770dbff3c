//! `POST /batch`: several operations in one request, in their order, each with its own status; or,
//! if it is `atomic`, all or none of them in one transaction.
//!
//! ```json
//! { "atomic": false, "operations": [
//!   { "op": "insert", "table": "cities", "row": { "name": "Bonn" } },
//!   { "op": "patch", "table": "cities", "id": "7", "row": { "mayor": null }, "if_match": "\"a1\"" },
//!   { "op": "delete", "table": "cities", "id": "8" } ] }
//! ```

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use ciborium::Value;
use serde_json::{Map, Value as Json};
use vantage_vista::Transaction;

use super::{
    list::json_body,
    store::{Store, Stored},
    write::{location, written_within},
};
use crate::{
    Problem,
    etag::Conditions,
    json::record_of,
    prefer::Resolution,
    problem::listed,
    request_context::RequestContext,
    table_config::{Ops, Table},
};

/// The kind of a batch that is not one.
const INVALID: &str = "invalid_batch";
const MEMBERS: [&str; 6] = ["op", "table", "id", "row", "if_match", "resolution"];
const OPERATIONS: [&str; 5] = ["get", "insert", "replace", "patch", "delete"];

/// One operation that has been checked.
struct Operation<'a> {
    table: &'a Table,
    what: What,
}

enum What {
    Get { id: String },
    Insert { row: vantage_types::Record<Value>, resolution: Resolution },
    Replace { id: String, row: vantage_types::Record<Value>, conditions: Conditions },
    Patch { id: String, row: vantage_types::Record<Value>, conditions: Conditions },
    Delete { id: String, conditions: Conditions },
}

/// Runs the operations of a batch.
pub(crate) async fn batch(mut context: RequestContext) -> Result<HttpResponse, Problem> {
    let body = json_body(&mut context).await?;
    let (operations, is_atomic) = members(body, context.limits().max_batch_operations)?;
    let state = context.state.clone();
    let mut checked = Vec::with_capacity(operations.len());
    for (nth, operation) in operations.into_iter().enumerate() {
        match check(&context, &state, nth, operation) {
            // What is not an operation is refused before any is run.
            Err(problem) if problem.kind() == INVALID => return Err(problem),
            operation => checked.push(operation),
        }
    }
    let time = context.limits().request_timeout;
    let results = if is_atomic {
        let operations: Result<Vec<_>, Problem> = checked.into_iter().collect();
        written_within(time, atomic(&context, operations?)).await?
    } else {
        let running = async {
            let mut results = Vec::with_capacity(checked.len());
            for operation in checked {
                let outcome = match operation {
                    Ok(operation) => each(&context, operation).await,
                    Err(problem) => Err(problem),
                };
                results.push(outcome.unwrap_or_else(|problem| failed(&problem)));
            }
            Ok(results)
        };
        written_within(time, running).await?
    };
    let mut answer = Map::new();
    answer.insert("results".to_owned(), Json::Array(results));
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Json::Object(answer)))
}

/// The operations of a body, and whether they are atomic.
fn members(body: Value, most: usize) -> Result<(Vec<Value>, bool), Problem> {
    let wrong = |pointer: &str, what: String| {
        Problem::unprocessable(INVALID, "the body is not a batch").with_error(pointer, what)
    };
    let Value::Map(members) = body else {
        return Err(wrong("", "it must be an object with operations".to_owned()));
    };
    let (mut operations, mut is_atomic) = (None, false);
    for (name, value) in members {
        match (name.as_text().unwrap_or_default(), value) {
            ("operations", Value::Array(all)) => operations = Some(all),
            ("atomic", Value::Bool(value)) => is_atomic = value,
            ("operations", _) => {
                return Err(wrong("/operations", "it must be an array".to_owned()));
            }
            ("atomic", _) => return Err(wrong("/atomic", "it must be true or false".to_owned())),
            (name, _) => {
                let what = "there is no such member; there are: operations and atomic".to_owned();
                return Err(wrong(&format!("/{name}"), what));
            }
        }
    }
    let Some(operations) = operations.filter(|all| !all.is_empty()) else {
        return Err(wrong("/operations", "there must be at least one".to_owned()));
    };
    if operations.len() > most {
        return Err(wrong("/operations", format!("there may be at most {most}")));
    }
    Ok((operations, is_atomic))
}

/// Checks one operation before any is run.
fn check<'a>(
    context: &RequestContext,
    state: &'a crate::gateway::State,
    nth: usize,
    operation: Value,
) -> Result<Operation<'a>, Problem> {
    let at = format!("/operations/{nth}");
    let wrong = |member: &str, what: String| {
        Problem::unprocessable(INVALID, "the operation is not one")
            .with_error(format!("{at}/{member}"), what)
    };
    let Value::Map(members) = operation else {
        return Err(wrong("", "it must be an object".to_owned()));
    };
    let (mut row, mut texts) = (None, Map::new());
    for (name, value) in members {
        match (name.as_text().unwrap_or_default(), value) {
            ("row", value) => row = Some(value),
            ("id", Value::Integer(id)) => {
                texts.insert("id".to_owned(), i128::from(id).to_string().into());
            }
            (name, Value::Text(text)) if MEMBERS.contains(&name) => {
                texts.insert(name.to_owned(), text.into());
            }
            (name, _) if MEMBERS.contains(&name) => {
                return Err(wrong(name, "it must be a text".to_owned()));
            }
            (name, _) => {
                let all = listed(MEMBERS);
                return Err(wrong(name, format!("there is no such member; there are: {all}")));
            }
        }
    }
    let text = |name: &str| texts.get(name).and_then(Json::as_str).map(str::to_owned);
    let needed = |name: &str| text(name).ok_or_else(|| wrong(name, "it is needed".to_owned()));
    let op = needed("op")?;
    let needs = match op.as_str() {
        "get" => Ops::NONE,
        "insert" => Ops::INSERT,
        "replace" => Ops::REPLACE,
        "patch" => Ops::PATCH,
        "delete" => Ops::DELETE,
        _ => {
            let all = listed(OPERATIONS);
            return Err(wrong("op", format!("there is no such operation; there are: {all}")));
        }
    };
    let table = crate::serve::seen(context, state, &needed("table")?)?;
    let ops = table.ops_of(&context.principal);
    if !ops.has(needs) {
        let all = listed(ops.names().chain(["get"]));
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Problem::new(status, "method_not_allowed", "the table has no such operation")
            .with_error(format!("{at}/op"), format!("the table has: {all}")));
    }
    let takes: &[&str] = match op.as_str() {
        "get" => &["op", "table", "id"],
        "insert" => &["op", "table", "row", "resolution"],
        "delete" => &["op", "table", "id", "if_match"],
        _ => &["op", "table", "id", "row", "if_match"],
    };
    let given = texts.keys().map(String::as_str).chain(row.is_some().then_some("row"));
    if let Some(name) = given.into_iter().find(|name| !takes.contains(name)) {
        return Err(wrong(name, format!("{op} takes: {}", listed(takes))));
    }
    let conditions = match text("if_match") {
        Some(tags) => Conditions::if_match(&tags)?,
        None => Conditions::default(),
    };
    let record = |is_whole| {
        let row = row.clone().ok_or_else(|| wrong("row", "it is needed".to_owned()))?;
        record_of(table, row, is_whole, &format!("{at}/row"))
    };
    let what = match op.as_str() {
        "get" => What::Get { id: needed("id")? },
        "insert" => {
            let resolution = match text("resolution").as_deref() {
                None => Resolution::Refuse,
                Some("merge-duplicates") => Resolution::Merge,
                Some("ignore-duplicates") => Resolution::Ignore,
                Some(_) => {
                    let all = "merge-duplicates or ignore-duplicates".to_owned();
                    return Err(wrong("resolution", all));
                }
            };
            What::Insert { row: record(true)?, resolution }
        }
        "replace" => What::Replace { id: needed("id")?, row: record(true)?, conditions },
        "patch" => What::Patch { id: needed("id")?, row: record(false)?, conditions },
        _ => What::Delete { id: needed("id")?, conditions },
    };
    Ok(Operation { table, what })
}

async fn each(context: &RequestContext, operation: Operation<'_>) -> Result<Json, Problem> {
    let store = super::write::store(&context.state, operation.table, &context.principal)?;
    run(context, &store, operation).await
}

async fn run(
    context: &RequestContext,
    store: &Store<'_>,
    operation: Operation<'_>,
) -> Result<Json, Problem> {
    let Operation { table, what } = operation;
    let stored = match what {
        What::Get { id } => store.get(&id).await?,
        What::Insert { row, resolution } => store.insert(row, resolution).await?,
        What::Replace { id, row, conditions } => store.replace(&id, row, &conditions).await?,
        What::Patch { id, row, conditions } => store.patch(&id, row, &conditions).await?,
        What::Delete { id, conditions } => {
            store.delete(&id, &conditions).await?;
            return Ok(Json::Object(Map::from_iter([("status".to_owned(), 204.into())])));
        }
    };
    Ok(done(context, table, &stored))
}

/// Runs all operations in one transaction.
///
/// # Errors
/// 422 if the tables do not share one, and the problem of the first operation that failed: then
/// none has taken effect.
async fn atomic(
    context: &RequestContext,
    operations: Vec<Operation<'_>>,
) -> Result<Vec<Json>, Problem> {
    let groups = operations.iter().map(|operation| operation.table.transaction.as_deref());
    let mut groups: Vec<Option<&str>> = groups.collect();
    groups.dedup();
    if !matches!(groups.as_slice(), [Some(_)]) {
        return Err(Problem::unprocessable(
            "not_atomic",
            "these tables do not share a transaction",
        ));
    }
    let transaction = Transaction::new();
    let mut guard = RollBack(Some(transaction.clone()));
    let mut results = Vec::with_capacity(operations.len());
    for (nth, operation) in operations.into_iter().enumerate() {
        let table = operation.table;
        let vista = transaction.wrap(&table.vista_for(&context.principal)?);
        let ops = table.ops_of(&context.principal);
        let store = Store::new(&context.state, table, vista, ops).in_transaction();
        let outcome = run(context, &store, operation).await;
        let outcome = match outcome {
            _ if !transaction.unprotected().is_empty() => Err(Problem::unprocessable(
                "not_atomic",
                "the table has no transactions, so what was written until now stays",
            )),
            Err(problem) if problem.kind() == "unsupported" => {
                Err(Problem::unprocessable("not_atomic", "the table has no such transactions"))
            }
            outcome => outcome,
        };
        match outcome {
            Ok(result) => results.push(result),
            Err(problem) => {
                guard.0 = None;
                transaction.rollback().await?;
                return Err(problem.with_error(format!("/operations/{nth}"), "it failed"));
            }
        }
    }
    guard.0 = None;
    transaction.commit().await?;
    Ok(results)
}

/// Rolls a transaction back if the request ends before it does.
struct RollBack(Option<Transaction>);

impl Drop for RollBack {
    fn drop(&mut self) {
        if let Some(transaction) = self.0.take() {
            actix_web::rt::spawn(async move { transaction.rollback().await });
        }
    }
}

fn done(context: &RequestContext, table: &Table, stored: &Stored) -> Json {
    let mut result = Map::new();
    let status = if stored.is_new { 201 } else { 200 };
    result.insert("status".to_owned(), status.into());
    result.insert("id".to_owned(), stored.id.as_str().into());
    result.insert("location".to_owned(), location(&context.state, table, &stored.id).into());
    let etag = stored.tag.header();
    result.insert("etag".to_owned(), etag.to_str().unwrap_or_default().into());
    let row = serde_json::from_slice(&stored.row).unwrap_or(Json::Null);
    result.insert("row".to_owned(), row);
    Json::Object(result)
}

fn failed(problem: &Problem) -> Json {
    let mut result = Map::new();
    result.insert("status".to_owned(), problem.status().as_u16().into());
    result.insert("problem".to_owned(), problem.to_json(None));
    Json::Object(result)
}
