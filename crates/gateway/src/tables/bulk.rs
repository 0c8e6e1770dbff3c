//! `PATCH` and `DELETE` of all rows that a filter finds. Never without a filter, and never more
//! rows than the table and the client allow: if there are more, none is written.

use actix_web::HttpResponse;
use vantage_vista::Vista;

use super::{
    list::json_body,
    read::narrowed,
    store::{Store, Stored},
    write::{applied, rows, written_within},
};
use crate::{
    Problem,
    etag::Conditions,
    json::record_of,
    prefer::{Prefer, Return},
    query::{ListQuery, pairs},
    request_context::RequestContext,
    table_config::Table,
};

/// Sets columns of all rows that the filters find.
pub(crate) async fn patch(
    mut context: RequestContext,
    table: &Table,
) -> Result<HttpResponse, Problem> {
    let prefer = Prefer::of(context.headers())?;
    let vista = found(&context, table)?;
    let record = record_of(table, json_body(&mut context).await?, false, "")?;
    if record.contains_key(&table.id_column) {
        return Err(Problem::unprocessable("invalid_row", "many rows cannot have one id"));
    }
    let (store, time) = (store(&context, table, &vista)?, context.limits().request_timeout);
    let mut all = Vec::new();
    let patching = async {
        for id in ids(table, &vista, &prefer).await? {
            let patched = store.patch(&id, record.clone(), &Conditions::default()).await;
            match patched {
                Ok(stored) => all.push(stored),
                // It is no longer among them.
                Err(problem) if problem.status() == 404 => {}
                Err(problem) => return Err(problem.with_member("affected", all.len())),
            }
        }
        Ok(())
    };
    written_within(time, patching).await?;
    Ok(answer(&prefer, all.len(), Some(&all)))
}

/// Deletes all rows that the filters find.
pub(crate) async fn delete(
    context: RequestContext,
    table: &Table,
) -> Result<HttpResponse, Problem> {
    let prefer = Prefer::of(context.headers())?;
    let vista = found(&context, table)?;
    let store = store(&context, table, &vista)?;
    let mut affected = 0_usize;
    let deleting = async {
        for id in ids(table, &vista, &prefer).await? {
            let deleted = store.delete(&id, &Conditions::default()).await;
            deleted.map_err(|problem| problem.with_member("affected", affected))?;
            affected += 1;
        }
        Ok(())
    };
    written_within(context.limits().request_timeout, deleting).await?;
    Ok(answer(&prefer, affected, None))
}

/// The rows that the filters of the query find.
fn found(context: &RequestContext, table: &Table) -> Result<Vista, Problem> {
    let what = ListQuery::parse_filters(table, &pairs(context.raw_query())?, context.limits())?;
    narrowed(table.vista_for(&context.principal)?, &what)
}

/// Writes to rows as long as they are among those that were found: one that changed meanwhile is
/// left alone.
fn store<'a>(
    context: &'a RequestContext,
    table: &'a Table,
    vista: &Vista,
) -> Result<Store<'a>, Problem> {
    let ops = table.ops_of(&context.principal);
    let whole = table.vista_for(&context.principal)?;
    Ok(Store::new(&context.state, table, whole, ops).among(vista.clone()))
}

/// The ids of the rows that were found.
async fn ids(table: &Table, vista: &Vista, prefer: &Prefer) -> Result<Vec<String>, Problem> {
    let most = prefer.max_affected.unwrap_or(table.max_bulk_rows).min(table.max_bulk_rows);
    let page = vista.fetch_window(0, most.saturating_add(1)).await?;
    if page.rows.len() > most {
        return Err(Problem::bad_request("too_many_rows", "the filter finds too many rows")
            .with_detail(format!("at most {most} may be affected; nothing was written")));
    }
    Ok(page.rows.into_iter().map(|(id, _)| id).collect())
}

fn answer(prefer: &Prefer, affected: usize, stored: Option<&[Stored]>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    applied(&mut response, prefer);
    let response = response.content_type("application/json");
    match stored {
        Some(all) if prefer.returns == Some(Return::Representation) => response.body(rows(all)),
        _ => response.body(format!("{{\"affected\":{affected}}}")),
    }
}
