//! `GET` of what is related to one row: a list or one row, by the rules of the table where the
//! relation leads.

use std::time::Duration;

use actix_web::HttpResponse;
use vantage_vista::Vista;

use super::{
    list,
    read::narrowed,
    row::{answer, no_row, record, written},
};
use crate::{
    Problem,
    cached_response::CachedResponse,
    gateway::State,
    json::Shape,
    problem::listed,
    query::{ListQuery, RowQuery, pairs},
    request_context::RequestContext,
    serve::seen,
    table_config::{Relation, RelationTarget, Table},
};

/// What a row is related to.
pub(crate) async fn related(
    context: RequestContext,
    name: &str,
    id: &str,
    relation: &str,
) -> Result<HttpResponse, Problem> {
    let state = context.state.clone();
    let table = seen(&context, &state, name)?;
    let relation = relation_of(&context, &state, table, relation)?;
    let target = match &relation.target {
        RelationTarget::Table(name) => seen(&context, &state, name)?,
        RelationTarget::Contained(target) => target,
    };
    let pairs = pairs(context.raw_query())?;
    let parent = record(&table.vista_for(&context.principal)?, id).await?.ok_or_else(no_row)?;
    let vista = table.vista.get_ref(&relation.name, Some(&parent))?;
    let vista = target.scoped(vista, &context.principal)?;
    if relation.is_many {
        many(&context, &state, target, vista, &pairs, &format!("{name}\n{id}\n{}", relation.name))
            .await
    } else {
        one(&context, target, vista, &pairs).await
    }
}

/// The relation of this name, if where it leads can be seen.
fn relation_of<'a>(
    context: &RequestContext,
    state: &State,
    table: &'a Table,
    name: &str,
) -> Result<&'a Relation, Problem> {
    let can_see = |relation: &&Relation| match &relation.target {
        RelationTarget::Table(target) => seen(context, state, target).is_ok(),
        RelationTarget::Contained(_) => true,
    };
    let all = || table.relations.iter().filter(can_see);
    all().find(|relation| relation.name == name).ok_or_else(|| {
        let names = listed(all().map(|relation| relation.name.as_str()));
        Problem::not_found().with_detail(format!("the relations of a row here are: {names}"))
    })
}

async fn many(
    context: &RequestContext,
    state: &State,
    target: &Table,
    vista: Vista,
    pairs: &[(String, String)],
    from: &str,
) -> Result<HttpResponse, Problem> {
    let query = ListQuery::parse_part(target, pairs, context.limits())?;
    let vista = narrowed(vista, &query.what)?;
    let list = format!("{from}\n{}", list::list_name(target, &context.principal, &query));
    let body = list::body(state, target, &vista, &query, &list).await?;
    CachedResponse::new(body, Duration::ZERO).respond(context.headers(), None).await
}

async fn one(
    context: &RequestContext,
    target: &Table,
    vista: Vista,
    pairs: &[(String, String)],
) -> Result<HttpResponse, Problem> {
    let query = RowQuery::parse(target, pairs)?;
    let page = vista.fetch_window(0, 1).await?;
    let (id, record) = page.rows.into_iter().next().ok_or_else(no_row)?;
    let (whole, tag) = written(target, &id, &record);
    let body = match query.select {
        None => whole,
        Some(select) => {
            let mut out = Vec::with_capacity(256);
            Shape::new(target, Some(&select)).write(&mut out, &id, &record);
            out
        }
    };
    answer(body, tag).respond(context.headers(), None).await
}
