//! [pure] The conditions of a query that a Vista takes.

use ciborium::Value;
use datafusion::logical_expr::Expr;
use vantage_api_ingest::description::SqlSettings;
use vantage_api_pool::vantage::{ApiCondition, Operator};
use vantage_vista::{FilterOp, Vista};

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
        // One that takes a part has not taken it.
        let mut next = narrowed.clone();
        add(&mut next, &wanted.condition)?;
        narrowed = next;
        Some(wanted.is_exact)
    });
    let taken = taken.collect();
    (narrowed, taken)
}

fn add(vista: &mut Vista, condition: &ApiCondition) -> Option<()> {
    let (field, operator, value) = match condition {
        ApiCondition::All(all) => return all.iter().try_for_each(|one| add(vista, one)),
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
    vista.add_condition(field.as_str(), operator, value).ok()
}
