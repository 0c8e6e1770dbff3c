//! [pure] The conditions of a query that a Vista takes.

use ciborium::Value;
use datafusion::logical_expr::Expr;
use vantage_api_ingest::{
    description::SqlSettings,
    rows::{type_named, type_of_rust},
    schema::ColumnType,
};
use vantage_api_pool::vantage::{ApiCondition, Operator};
use vantage_vista::{Column, FilterOp, Vista};

use crate::{pushdown::condition_of, table::Columns};

/// A Vista narrowed by the filters that it takes; and of each whether its rows are exactly those of the
/// filter, or `None` for one that it does not take.
pub(super) fn narrowed(
    vista: &Vista,
    columns: &Columns,
    filters: &[&Expr],
) -> (Vista, Vec<Option<bool>>) {
    let (mut narrowed, settings) = (vista.clone(), SqlSettings::default());
    let taken = filters.iter().map(|filter| {
        let wanted = condition_of(filter, columns, &settings)?;
        if !filter.column_refs().iter().all(|column| is_compared(vista, &column.name)) {
            return None;
        }
        // One that takes a part has not taken it.
        let mut next = narrowed.clone();
        let is_exact = add(&mut next, &wanted.condition)?;
        narrowed = next;
        Some(wanted.is_exact && is_exact)
    });
    let taken = taken.collect();
    (narrowed, taken)
}

/// The type that a column names, as a description does or as Rust does.
pub(super) fn kind_named(column: &Column) -> Option<ColumnType> {
    let name = column.original_type.as_deref()?;
    type_named(name).or_else(|| type_of_rust(name))
}

/// Whether a Vista has the values of a column as a query does. What it is asked by is a text for
/// decimals, days and moments, and a Vista may have numbers there or the same moment in other digits; a
/// column of which nothing is known may have anything.
fn is_compared(vista: &Vista, name: &str) -> bool {
    matches!(
        vista.columns().get(name).and_then(kind_named),
        Some(ColumnType::Bool | ColumnType::Int | ColumnType::Float | ColumnType::Text)
    )
}

/// Adds a condition, and returns whether its rows are those of the condition. Where a Vista has the rows
/// without a value in an order is not said, nor where it has what is not a number.
fn add(vista: &mut Vista, condition: &ApiCondition) -> Option<bool> {
    let (field, operator, value) = match condition {
        ApiCondition::All(all) => {
            return all.iter().try_fold(true, |are_exact, one| Some(add(vista, one)? && are_exact));
        }
        ApiCondition::Eq { field, value } => (field, FilterOp::Eq, value.clone()),
        ApiCondition::In { field, values } => {
            (field, FilterOp::InSet, Value::Array(values.clone()))
        }
        ApiCondition::NotIn { field, values } => {
            (field, FilterOp::NotInSet, Value::Array(values.clone()))
        }
        ApiCondition::Compare { field, operator, value } => {
            let operator = match operator {
                Operator::Ne => FilterOp::Ne,
                Operator::Gt => FilterOp::Gt,
                Operator::Gte => FilterOp::Gte,
                Operator::Lt => FilterOp::Lt,
                Operator::Lte => FilterOp::Lte,
                _ => return None,
            };
            (field, operator, value.clone())
        }
        _ => return None,
    };
    // What a Vista takes for equal to null is not said.
    if value.is_null() {
        return None;
    }
    let is_exact = matches!(operator, FilterOp::Eq | FilterOp::InSet);
    vista.add_condition(field.as_str(), operator, value).ok()?;
    Some(is_exact)
}
