//! Writes through tables to the servers that take them, and what the servers have afterwards.

use std::error::Error as _;

use ciborium::Value as Cbor;
use futures::TryStreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, Paging, PoolApi,
    vantage::{ApiCondition, ApiTable, Filtering, Filters, PoolTableExt, Writes},
};
use vantage_dataset::prelude::*;
use vantage_types::Record;

use crate::{
    rows::{self, assert_same},
    servers::{Program, Server},
    source::{Rows, Source, json as as_json, within},
};

/// The notes of Django REST framework, which makes their ids.
fn notes(server: &Server) -> Source {
    let paging = Paging::page_number().page_size("page_size", 100).not_found_ends(true);
    let envelope = Envelope::items_at("results").total_at("count");
    let table = ApiTable::new()
        .item_path("api/notes/{id}/")
        .filters(Filters::suffixes().only(["id", "team"]))
        .writes(Writes::rest().check_then_write(true).server_ids(true));
    Source { table, ..Source::new(server.url(), "api/notes/", paging, envelope) }
}

/// The set of it whose ids the tests bring.
fn coded(server: &Server) -> Source {
    let writes = Writes::rest().check_then_write(true);
    let table = notes(server).table.item_path("api/coded/{id}/").writes(writes);
    Source { path: "api/coded/", table, ..notes(server) }
}

fn json_notes(server: &Server) -> Source {
    let paging = Paging::page_number().page_param("_page").page_size("_limit", 10);
    let envelope = Envelope::bare_array().total_in_header("x-total-count");
    let table = ApiTable::new().item_endpoint(true).writes(Writes::rest().check_then_write(true));
    Source { table, ..Source::new(server.url(), "notes", paging, envelope) }
}

fn eve_notes(server: &Server, writes: Writes) -> Source {
    let paging = Paging::page_number().page_size("max_results", 100);
    let envelope = Envelope::items_at("_items").total_at("_meta.total");
    let table = ApiTable::new().item_endpoint(true).filtering(Filtering::Local).writes(writes);
    Source { table, ..Source::new(server.url(), "notes", paging, envelope) }
}

fn eve_rows(source: &Source) -> Rows {
    Rows::new("rows", source.api_of(source.pool()))
        .with_id_column("_id")
        .with_column_of::<String>("name")
        .with_column_of::<i64>("team")
}

fn record(fields: &Value) -> Record<Cbor> {
    let fields = fields.as_object().unwrap().iter();
    fields.map(|(name, value)| (name.clone(), Cbor::serialized(value).unwrap())).collect()
}

/// What the server has.
async fn stored(source: &Source) -> Vec<Value> {
    within("what is stored", source.stream().try_collect()).await.unwrap()
}

async fn count(source: &Source) -> usize {
    stored(source).await.len()
}

/// Notes with the texts, whole numbers and nested values of the rows, as far as a server
/// `takes` the text.
fn ugly(takes: impl Fn(&str) -> bool) -> Vec<Value> {
    let note = |row: &Value| {
        json!({
            "name": row["name"], "big": row["big"], "team": row["team"], "nested": row["nested"],
        })
    };
    let takes = |row: &&Value| takes(row["name"].as_str().unwrap());
    rows::all()[..100].iter().filter(takes).step_by(2).map(note).collect()
}

/// Inserts, replaces, patches and deletes, each with ugly values.
async fn every_write_is_stored(source: &Source, notes: &[Value]) {
    let table = source.rows();
    let mut ids = Vec::new();
    for note in notes {
        let note = record(note);
        ids.push(within("an insert", table.insert_return_id_value(&note)).await.unwrap());
    }
    assert_same("what is inserted", &stored(source).await, notes);

    let [replaced, patched, deleted] = [0, 1, 2].map(|n| ids[n].clone());
    let new = json!({ "name": "new \u{1f600} \"'", "big": -1, "team": 5, "nested": [null, {}] });
    let row = record(&new);
    let answer = within("a replace", table.replace_value(replaced.as_str(), &row)).await.unwrap();
    assert_same("the answer to a replace", &[as_json(&answer)], std::slice::from_ref(&new));
    let part = json!({ "name": "", "nested": { "a": [1.5] } });
    let row = record(&part);
    let answer = within("a patch", table.patch_value(patched.as_str(), &row)).await.unwrap();
    let mut changed = notes[1].clone();
    changed.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    assert_same("the answer to a patch", &[as_json(&answer)], std::slice::from_ref(&changed));
    within("a delete", table.delete(deleted.as_str())).await.unwrap();
    within("a delete of what is gone", table.delete(deleted.as_str())).await.unwrap();
    let patch = record(&json!({ "name": "x" }));
    let missing = within("no patch", table.patch_value(deleted.as_str(), &patch)).await;
    assert!(missing.unwrap_err().is_not_found());

    let mut expected = vec![new, changed];
    expected.extend(notes[3..].iter().cloned());
    assert_same("what is stored", &stored(source).await, &expected);

    let of_team = table.clone().with_condition(ApiCondition::eq("team", 5));
    within("the deletes", of_team.delete_all()).await.unwrap();
    expected.retain(|note| note["team"] != 5);
    assert_same("what is left", &stored(source).await, &expected);
}

#[tokio::test]
async fn django_stores_every_write() {
    let server = Server::start(Program::Django);
    // It strips texts, and refuses zeros.
    let ugly = ugly(|name| name.trim() == name && !name.contains('\0'));
    every_write_is_stored(&notes(&server), &ugly).await;
}

#[tokio::test]
async fn json_server_stores_every_write() {
    let server = Server::start(Program::JsonServer);
    let mut ugly = ugly(|_| true);
    for note in &mut ugly {
        note["big"] = json!(note["big"].as_i64().unwrap() as f64 as i64);
    }
    every_write_is_stored(&json_notes(&server), &ugly).await;
}

#[tokio::test]
async fn django_says_what_is_wrong_with_a_row() {
    let server = Server::start(Program::Django);
    let table = notes(&server).rows();
    let wrong = record(&json!({ "name": "x", "big": "many" }));
    let error = within("no insert", table.insert_return_id_value(&wrong)).await.unwrap_err();
    assert!(error.to_string().contains("400"), "{error}");
    let source = error.source().and_then(|source| source.downcast_ref::<Error>()).unwrap();
    let seen = source.body_start().unwrap();
    assert!(seen.contains("valid biginteger"), "{seen}");
    assert_eq!(count(&notes(&server)).await, 0);
}

#[tokio::test]
async fn ids_that_the_program_brings_are_kept() {
    let server = Server::start(Program::Django);
    let source = coded(&server);
    let table = Rows::new("rows", source.api_of(source.pool()))
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<i64>("team");
    for id in ["a", "ü b", "100%", "a+b&c", "日本"] {
        let row = record(&json!({ "name": id, "team": 1 }));
        let stored = within("an insert", table.insert_value(id, &row)).await.unwrap();
        assert_eq!(as_json(&stored)["id"], id);
        let other = record(&json!({ "name": "other", "team": 1 }));
        let stored = within("an insert of the same", table.insert_value(id, &other)).await.unwrap();
        assert_eq!(as_json(&stored)["name"], id, "the first stays");
    }
    for id in ["a", "new"] {
        let row = record(&json!({ "id": id, "name": "replaced", "team": 2 }));
        within("a replace", table.replace_value(id, &row)).await.unwrap();
    }
    let all = stored(&source).await;
    let replaced: Vec<_> = all.iter().filter(|row| row["team"] == 2).collect();
    assert_eq!((all.len(), replaced.len()), (6, 2));
    let vista = table.data_source().vista_factory().from_table(table.clone()).unwrap();
    within("a delete", vista.delete("ü b")).await.unwrap();
    assert!(within("no row", table.get_value("ü b")).await.unwrap().is_none());
    assert_eq!(within("the count", table.get_count()).await.unwrap(), 5);
}

#[tokio::test]
async fn a_replace_brings_its_id() {
    let server = Server::start(Program::Django);
    let source = coded(&server);
    let table = Rows::new("rows", source.api_of(source.pool())).with_id_column("id");
    let row = record(&json!({ "name": "a", "team": 1 }));
    within("an insert", table.insert_value("a", &row)).await.unwrap();
    for id in ["a", "new"] {
        let row = record(&json!({ "name": "b", "team": 1 }));
        within("a replace", table.replace_value(id, &row)).await.unwrap();
    }
    let all = stored(&source).await;
    let names: Vec<_> = all.iter().map(|row| (&row["id"], &row["name"])).collect();
    assert_eq!(names, [(&json!("a"), &json!("b")), (&json!("new"), &json!("b"))]);
}

#[tokio::test]
async fn an_insert_with_an_id_leaves_nothing_where_the_api_makes_ids() {
    let server = Server::start(Program::Django);
    let source = notes(&server);
    let row = record(&json!({ "name": "x" }));
    let table = source.rows();
    let error = within("no insert", table.insert_value("77", &row)).await.unwrap_err();
    assert!(error.is_incorrect_usage(), "{error}");
    let error = within("no replace", table.replace_value("78", &row)).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(count(&source).await, 0);
}

#[tokio::test]
async fn eve_stores_writes_through_a_narrowed_table_that_reads_them_back() {
    let server = Server::start(Program::Eve);
    let source = eve_notes(&server, Writes::rest().etags(true).read_back(true));
    let table = eve_rows(&source).with_condition(ApiCondition::eq("team", 5));
    let row = record(&json!({ "name": "one \u{1f600}" }));
    let id = within("an insert", table.insert_return_id_value(&row)).await.unwrap();
    let patch = record(&json!({ "name": "two" }));
    let patched = within("a patch", table.patch_value(id.as_str(), &patch)).await.unwrap();
    assert_eq!(as_json(&patched)["name"], "two");
    let all = stored(&source).await;
    assert_eq!((all.len(), &all[0]["name"], &all[0]["team"]), (1, &json!("two"), &json!(5)));
    within("a delete", table.delete(id.as_str())).await.unwrap();
    assert_eq!(count(&source).await, 0);
}

#[tokio::test]
async fn eve_s_answers_without_the_row_are_not_taken_for_it() {
    let server = Server::start(Program::Eve);
    let source = eve_notes(&server, Writes::rest().etags(true));
    let table = eve_rows(&source).with_condition(ApiCondition::eq("team", 5));
    let row = record(&json!({ "name": "one" }));
    let id = within("an insert", table.insert_return_id_value(&row)).await.unwrap();
    let patch = record(&json!({ "name": "two" }));
    let patched = within("a patch", table.patch_value(id.as_str(), &patch)).await.unwrap();
    assert_eq!(as_json(&patched)["name"], "two");
}

#[tokio::test]
async fn eve_s_428_is_met_by_the_tag_of_the_row() {
    let server = Server::start(Program::Eve);
    let source = eve_notes(&server, Writes::rest().etags(true).read_back(true));
    let table = eve_rows(&source);
    let row = record(&json!({ "name": "one", "team": 1 }));
    let id = within("an insert", table.insert_return_id_value(&row)).await.unwrap();
    let patch = record(&json!({ "name": "two" }));
    within("a patch", table.patch_value(id.as_str(), &patch)).await.unwrap();
    within("a replace", table.replace_value(id.as_str(), &row)).await.unwrap();
    within("a delete", table.delete(id.as_str())).await.unwrap();
    assert_eq!(count(&source).await, 0);
}

/// Every write of `writes`, with rows read and deleted by their ids.
async fn eve_takes(writes: Writes) {
    let server = Server::start(Program::Eve);
    let source = eve_notes(&server, writes);
    let table = eve_rows(&source);
    let row = record(&json!({ "name": "one", "team": 1 }));
    assert!(within("no insert", table.insert_value("77", &row)).await.is_err());
    assert_eq!(count(&source).await, 0);
    let id = within("an insert", table.insert_return_id_value(&row)).await.unwrap();
    let patch = record(&json!({ "name": "two" }));
    let patched = within("a patch", table.patch_value(id.as_str(), &patch)).await.unwrap();
    assert_eq!(
        (&as_json(&patched)["name"], &as_json(&patched)["team"]),
        (&json!("two"), &json!(1))
    );
    let row = record(&json!({ "name": "three", "team": 2 }));
    let replaced = within("a replace", table.replace_value(id.as_str(), &row)).await.unwrap();
    assert_eq!(as_json(&replaced)["name"], "three");
    within("a delete", table.delete(id.as_str())).await.unwrap();
    within("a delete of what is gone", table.delete(id.as_str())).await.unwrap();
    assert_eq!(count(&source).await, 0);
}

#[tokio::test]
async fn eve_takes_writes_with_the_tag_that_it_demands() {
    let writes = Writes::rest().server_ids(true).etags_required(true);
    eve_takes(writes.clone()).await;
    eve_takes(writes.etag_at("_etag")).await;
}

/// The notes of the JSON:API.
fn resources(server: &Server) -> Source {
    let paging = Paging::page_number().page_param("page[number]").page_size("page[size]", 100);
    let envelope = Envelope::items_at("data").total_at("meta.pagination.count");
    let writes = Writes::none()
        .insert_by_post()
        .replace_by_patch()
        .patch_by_patch()
        .delete_by_delete()
        .server_ids(true)
        .content_type("application/vnd.api+json")
        .wrapped_in("data")
        .id_at("data.id")
        .member("data.type", "notes");
    let table = ["name", "big", "team", "nested"]
        .into_iter()
        .fold(ApiTable::new(), |table, column| table.alias(column, format!("attributes.{column}")))
        .item_endpoint(true)
        .filters(Filters::brackets("filter").only(["team"]).parameter("team", "team"))
        .writes(writes.check_then_write(true));
    Source { table, ..Source::new(server.url(), "jsonapi/notes", paging, envelope) }
}

fn notes_of(source: &Source) -> Rows {
    Rows::new("notes", source.api_of(source.pool()).table("notes", source.settings()))
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<i64>("big")
        .with_column_of::<i64>("team")
        .with_column_of::<Cbor>("nested")
}

#[tokio::test]
async fn a_json_api_stores_every_write() {
    let server = Server::start(Program::Django);
    let source = resources(&server);
    let table = notes_of(&source);
    let all: Vec<Value> = ugly(|name| name.trim() == name && !name.contains('\0'));
    let mut ids = Vec::new();
    for note in &all {
        let note = record(note);
        ids.push(within("an insert", table.insert_return_id_value(&note)).await.unwrap());
    }
    let listed = within("the list", table.list_values()).await.unwrap();
    let listed: Vec<_> = listed.values().map(as_json).collect();
    assert_same("what is inserted", &listed, &all);

    assert!(within("no insert", table.insert_value("777", &record(&all[0]))).await.is_err());
    let new = json!({ "name": "new \u{1f600}", "big": -1, "team": 77, "nested": { "a": [null] } });
    let row = record(&new);
    let answer = within("a replace", table.replace_value(ids[0].as_str(), &row)).await.unwrap();
    assert_same("the answer to a replace", &[as_json(&answer)], std::slice::from_ref(&new));
    let part = record(&json!({ "name": "", "team": 78 }));
    let answer = within("a patch", table.patch_value(ids[1].as_str(), &part)).await.unwrap();
    let mut changed = all[1].clone();
    (changed["name"], changed["team"]) = (json!(""), json!(78));
    assert_same("the answer to a patch", &[as_json(&answer)], &[changed]);
    within("a delete", table.delete(ids[2].as_str())).await.unwrap();
    assert!(within("no row", table.get_value(ids[2].as_str())).await.unwrap().is_none());
    let narrowed = table.clone().with_condition(ApiCondition::eq("team", 77));
    within("the deletes", narrowed.delete_all()).await.unwrap();
    assert_eq!(within("the count", table.get_count()).await.unwrap() as usize, all.len() - 2);
}

#[tokio::test]
async fn a_json_api_is_written_in_its_content_type() {
    let server = Server::start(Program::Django);
    let envelope = Envelope::items_at("data").total_at("meta.pagination.count");
    let paging = Paging::page_number().page_param("page[number]");
    let table = ApiTable::new()
        .path("jsonapi/notes")
        .item_endpoint(true)
        .paging(paging)
        .envelope(envelope)
        .alias("name", "attributes.name")
        .writes(Writes::rest().wrapped_in("data"));
    let pool = AwwPool::builder(server.url())
        .default_header("content-type", "application/vnd.api+json")
        .build()
        .unwrap();
    let table = Rows::new("notes", PoolApi::new(pool).table("notes", table))
        .with_id_column("id")
        .with_column_of::<String>("type")
        .with_column_of::<String>("name");
    let row = record(&json!({ "type": "notes", "name": "one" }));
    let id = within("an insert", table.insert_return_id_value(&row)).await.unwrap();
    let patch = record(&json!({ "type": "notes", "id": id, "name": "two" }));
    let patched = within("a patch", table.patch_value(id.as_str(), &patch)).await.unwrap();
    assert_eq!(as_json(&patched)["name"], "two");
    within("a delete", table.delete(id.as_str())).await.unwrap();
}
