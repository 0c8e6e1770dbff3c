//! `GET /tables`: what the principal may see and do.

use actix_web::{HttpResponse, http::header};
use serde_json::{Map, Value, json};

use crate::{
    auth::Principal,
    gateway::State,
    request_context::RequestContext,
    table_config::{Kind, Relation, RelationTarget, Table},
};

/// The tables with their columns and operations.
pub(crate) fn tables(context: &RequestContext) -> HttpResponse {
    let shown: Vec<Value> = visible(&context.state, &context.principal)
        .map(|table| described(context, table))
        .collect();
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "data": shown }))
}

/// The tables that a principal may see.
pub(crate) fn visible<'a>(
    state: &'a State,
    principal: &'a Principal,
) -> impl Iterator<Item = &'a Table> {
    state.tables.values().filter(|table| table.is_readable_by(principal))
}

/// The relations of a table whose targets a principal may see.
pub(crate) fn relations<'a>(
    state: &'a State,
    table: &'a Table,
    principal: &'a Principal,
) -> impl Iterator<Item = &'a Relation> {
    table.relations.iter().filter(|relation| match &relation.target {
        RelationTarget::Table(name) => {
            state.tables.get(name).is_some_and(|target| target.is_readable_by(principal))
        }
        RelationTarget::Contained(_) => true,
    })
}

fn described(context: &RequestContext, table: &Table) -> Value {
    let columns: Vec<Value> = table
        .columns
        .iter()
        .map(|(name, column)| {
            json!({
                "name": name,
                "type": type_name(column.kind),
                "readable": column.readable,
                "writable": column.writable,
                "filterable": column.filterable,
                "orderable": column.orderable,
                "mandatory": column.mandatory,
            })
        })
        .collect();
    let relations: Map<String, Value> = relations(&context.state, table, &context.principal)
        .map(|relation| {
            let kind = if relation.is_many { "many" } else { "one" };
            (relation.name.clone(), kind.into())
        })
        .collect();
    json!({
        "name": table.name,
        "id_column": table.id_column,
        "columns": columns,
        "relations": relations,
        "operations": table.ops_of(&context.principal).names().collect::<Vec<_>>(),
        "searchable": table.searches,
        "required_filters": table.required_filters,
        "page_size": table.page_size,
        "max_page_size": table.max_page_size,
    })
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer(_) => "integer",
        Kind::Float => "float",
        Kind::Decimal => "decimal",
        Kind::Text => "text",
        Kind::Bool => "boolean",
        Kind::Any => "any",
    }
}
