//! [pure] The conditions and orders of a Vista: translated to those of this source, and checked
//! against the settings of a table.

use std::borrow::Cow;

use ciborium::Value;
use vantage_core::Result;
use vantage_table::{
    sorting::{OrderBy, SortDirection as Direction},
    table::Table,
};
use vantage_types::EmptyEntity;
use vantage_vista::{Capability, Condition, FilterOp, SortDirection, operand_text};

use crate::vantage::{
    ApiCondition, PoolApi, branches::branches, order::OrderPlan, path::placeholders,
    query::to_query, settings::TableSettings, where_clause::Declared,
};

/// The condition of a Vista as one of this source, if there is an equivalent.
pub(super) fn condition(Condition { column, op, value, .. }: &Condition) -> Option<ApiCondition> {
    let (field, value) = (column.as_str(), value.clone());
    Some(match (op, value) {
        (FilterOp::Eq, value) => ApiCondition::eq(field, value),
        (FilterOp::Ne, value) => ApiCondition::ne(field, value),
        (FilterOp::Gt, value) => ApiCondition::gt(field, value),
        (FilterOp::Gte, value) => ApiCondition::gte(field, value),
        (FilterOp::Lt, value) => ApiCondition::lt(field, value),
        (FilterOp::Lte, value) => ApiCondition::lte(field, value),
        (FilterOp::InSet, Value::Array(values)) => ApiCondition::is_in(field, values),
        (FilterOp::NotInSet, Value::Array(values)) => ApiCondition::is_not_in(field, values),
        (FilterOp::Like, value) => ApiCondition::contains(field, operand_text(&value)),
        _ => return None,
    })
}

pub(super) fn order(column: &str, direction: SortDirection) -> OrderBy<ApiCondition> {
    let direction = match direction {
        SortDirection::Ascending => Direction::Ascending,
        SortDirection::Descending => Direction::Descending,
    };
    OrderBy { expression: ApiCondition::column(column), direction }
}

/// Checks whether `condition` can be sent to the API or evaluated on the rows.
///
/// # Errors
/// `Unsupported` if neither is possible.
pub(super) fn takes(table: &Table<PoolApi, EmptyEntity>, condition: &ApiCondition) -> Result<()> {
    let mut settings = settings(table);
    let field = condition.field().unwrap_or_default();
    let fills_path = placeholders(&settings.path).any(|name| name == field);
    settings.path = if fills_path { format!("{{{field}}}") } else { String::new() };
    if let ApiCondition::Related(_) = condition {
        return Ok(());
    }
    let (declared, order) = (Declared::of(table), OrderPlan::default());
    let one = std::slice::from_ref(condition);
    let sets = branches(&settings.path, one).map_or_else(|| vec![one.to_vec()], |(sets, _)| sets);
    for conditions in &sets {
        to_query(&settings, &declared, conditions.iter().map(Cow::Borrowed), &order)?;
    }
    Ok(())
}

/// Whether `column` supports comparisons other than equality.
pub(super) fn compares(table: &Table<PoolApi, EmptyEntity>, column: &str) -> bool {
    let number = || Value::from(0);
    let conditions = [
        ApiCondition::gt(column, number()),
        ApiCondition::gte(column, number()),
        ApiCondition::lt(column, number()),
        ApiCondition::lte(column, number()),
        ApiCondition::ne(column, number()),
        ApiCondition::contains(column, "x"),
        ApiCondition::is_in(column, [1, 2]),
        ApiCondition::is_not_in(column, [1, 2]),
    ];
    conditions.iter().any(|condition| takes(table, condition).is_ok())
}

/// Whether every write stays within the set: the API guards writes, or the conditions of the table
/// are part of its path.
pub(super) fn confines(table: &Table<PoolApi, EmptyEntity>) -> bool {
    let settings = settings(table);
    if settings.writes.is_none() || settings.writes.guards() {
        return settings.writes.guards();
    }
    let path = settings.write_path();
    let is_in_path = |condition: &ApiCondition| match condition {
        ApiCondition::Eq { field, .. } => placeholders(&path).any(|name| name == field),
        _ => false,
    };
    table.conditions().next().is_some() && table.conditions().all(is_in_path)
}

/// The API's capabilities besides reading.
pub(super) fn writes(table: &Table<PoolApi, EmptyEntity>) -> Vec<Capability> {
    let writes = settings(table).writes;
    if writes.is_none() {
        return Vec::new();
    }
    let all = [
        (writes.inserts().is_some(), Capability::Insert),
        (writes.replaces().is_some() && writes.patches().is_some(), Capability::Update),
        (writes.deletes(), Capability::Delete),
        (true, Capability::WritesReachHooks),
        (confines(table), Capability::ConfineWrites),
    ];
    all.into_iter().filter_map(|(does, what)| does.then_some(what)).collect()
}

/// Checks whether rows can come in this order, from the API or by sorting them here.
///
/// # Errors
/// `Unsupported` if they cannot.
pub(super) fn orders_by(
    table: &Table<PoolApi, EmptyEntity>,
    order: &OrderBy<ApiCondition>,
) -> Result<()> {
    let settings = settings(table);
    let declared = Declared::of(table);
    let orders = [(&order.expression, order.direction)];
    let name_of = |column: &str| settings.field_of(column).into_owned();
    settings.sorting.to_plan(orders, name_of, |column| declared.numeric.contains(column)).map(drop)
}

pub(super) fn settings(table: &Table<PoolApi, EmptyEntity>) -> TableSettings {
    table.data_source().settings.settings_of(table.table_name())
}
