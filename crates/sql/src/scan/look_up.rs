//! Looks up the keys of a join's other side, instead of reading the whole table.

use std::sync::Arc;

use ciborium::Value;
use datafusion::physical_expr::PhysicalExpr;
use vantage_api_pool::vantage::ApiCondition;

use crate::{
    pushdown::{Keys, Read, Request, condition_value, keys_of},
    table::{Source, SourceColumn},
};

/// The requests for the rows with the keys of one of these filters, of which those of a join are
/// filled by now. None if no filter lists keys, if they are too many, or if the API does not take
/// them; then the table is read.
pub(super) fn look_up(
    source: &Source,
    request: &Request,
    columns: &[SourceColumn],
    filters: &[Arc<dyn PhysicalExpr>],
) -> Option<Vec<Read>> {
    let most = source.settings.max_keys;
    filters.iter().filter_map(|filter| keys_of(filter, most)).find_map(|keys| {
        let (column, values) = values_of(columns, &keys)?;
        let reads = in_lists(source, request, column, &values)
            .or_else(|| one_by_one(source, request, column, &values))?;
        (reads.len() <= most && !is_worse(source, request, reads.len())).then_some(reads)
    })
}

/// The column and the values that the API is asked for.
fn values_of<'c>(
    columns: &'c [SourceColumn],
    keys: &Keys,
) -> Option<(&'c SourceColumn, Vec<Value>)> {
    let column = columns.get(keys.column)?;
    let values = keys.values.iter().map(|key| condition_value(key, column.kind));
    Some((column, values.collect::<Option<_>>()?))
}

fn in_lists(
    source: &Source,
    request: &Request,
    column: &SourceColumn,
    values: &[Value],
) -> Option<Vec<Read>> {
    let list = ApiCondition::is_in(&column.name, values.iter().cloned());
    reads(source, request, list)
}

fn one_by_one(
    source: &Source,
    request: &Request,
    column: &SourceColumn,
    values: &[Value],
) -> Option<Vec<Read>> {
    if !request.orders.is_empty() || !source.are_apart(values) {
        return None;
    }
    let each = values
        .iter()
        .map(|value| reads(source, request, ApiCondition::eq(&column.name, value.clone())));
    let each: Vec<Vec<Read>> = each.collect::<Option<_>>()?;
    Some(each.into_iter().flatten().collect())
}

/// The requests with one more condition, if the API takes it.
fn reads(source: &Source, request: &Request, condition: ApiCondition) -> Option<Vec<Read>> {
    let mut narrowed = request.clone();
    narrowed.conditions.push(condition);
    let is_taken = source.takes(&narrowed.conditions, &narrowed.orders);
    is_taken.then(|| source.reads(&narrowed).ok())?
}

/// Whether to read the table takes fewer requests, as far as that is known.
fn is_worse(source: &Source, request: &Request, requests: usize) -> bool {
    let total = source.total_of(&request.conditions).map(|(total, _)| total);
    let pages = total.zip(source.page_size).map(|(total, size)| total.div_ceil(size.max(1)));
    source.placeholders.is_empty() && pages.is_some_and(|pages| requests as u64 > pages.max(1))
}
