//! [pure] The keys that the other side of a join has, in the filter that it fills while it runs.

use std::sync::Arc;

use datafusion::{
    common::ScalarValue,
    logical_expr::Operator,
    physical_expr::{
        PhysicalExpr,
        expressions::{
            BinaryExpr, CaseExpr, Column, DynamicFilterPhysicalExpr, InListExpr, Literal,
        },
    },
};

/// The values that a column of the rows must have one of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Keys {
    /// The position of the column in the rows.
    pub(crate) column: usize,
    pub(crate) values: Vec<ScalarValue>,
}

/// What a filter says of the rows.
enum Said {
    /// Nothing that keys tell.
    Nothing,
    /// No row passes.
    None,
    Keys(Keys),
}

/// The keys that a filter lets pass; `None` if it does not list them, at most `most`.
pub(crate) fn keys_of(filter: &Arc<dyn PhysicalExpr>, most: usize) -> Option<Keys> {
    match said(filter) {
        Said::Keys(keys) if keys.values.len() <= most => Some(keys),
        _ => None,
    }
}

fn said(filter: &Arc<dyn PhysicalExpr>) -> Said {
    if let Some(dynamic) = filter.downcast_ref::<DynamicFilterPhysicalExpr>() {
        return dynamic.current().map_or(Said::Nothing, |current| said(&current));
    }
    if let Some(literal) = filter.downcast_ref::<Literal>() {
        return match literal.value() {
            ScalarValue::Boolean(Some(false) | None) => Said::None,
            _ => Said::Nothing,
        };
    }
    if let Some(list) = filter.downcast_ref::<InListExpr>() {
        return listed(list);
    }
    if let Some(case) = filter.downcast_ref::<CaseExpr>() {
        // Each partition of the join has its own keys.
        let otherwise = case.else_expr().map_or(Said::None, said);
        return case
            .when_then_expr()
            .iter()
            .fold(otherwise, |all, (_, then)| either(all, said(then)));
    }
    let Some(binary) = filter.downcast_ref::<BinaryExpr>() else { return Said::Nothing };
    match binary.op() {
        Operator::And => match (said(binary.left()), said(binary.right())) {
            (Said::None, _) | (_, Said::None) => Said::None,
            (Said::Keys(keys), _) | (_, Said::Keys(keys)) => Said::Keys(keys),
            _ => Said::Nothing,
        },
        Operator::Or => either(said(binary.left()), said(binary.right())),
        Operator::Eq => equal(binary.left(), binary.right()),
        _ => Said::Nothing,
    }
}

fn either(one: Said, other: Said) -> Said {
    match (one, other) {
        (Said::None, said) | (said, Said::None) => said,
        (Said::Keys(mut one), Said::Keys(other)) if one.column == other.column => {
            one.values.extend(other.values);
            Said::Keys(distinct(one))
        }
        _ => Said::Nothing,
    }
}

fn listed(list: &InListExpr) -> Said {
    let column = list.expr().downcast_ref::<Column>().filter(|_| !list.negated());
    let values = list.list().iter().map(|value| value.downcast_ref::<Literal>());
    let values: Option<Vec<_>> = values.collect();
    let (Some(column), Some(values)) = (column, values) else { return Said::Nothing };
    let values = values.into_iter().map(|value| value.value().clone());
    let values = values.filter(|value| !value.is_null()).collect();
    Said::Keys(distinct(Keys { column: column.index(), values }))
}

fn equal(left: &Arc<dyn PhysicalExpr>, right: &Arc<dyn PhysicalExpr>) -> Said {
    match (left.downcast_ref::<Column>(), right.downcast_ref::<Literal>()) {
        (Some(column), Some(value)) if !value.value().is_null() => {
            Said::Keys(Keys { column: column.index(), values: vec![value.value().clone()] })
        }
        _ => Said::Nothing,
    }
}

fn distinct(mut keys: Keys) -> Keys {
    let mut known = std::collections::HashSet::new();
    keys.values.retain(|value| known.insert(value.clone()));
    keys
}

#[cfg(test)]
mod tests {
    use datafusion::{
        arrow::datatypes::{DataType, Field, Schema},
        physical_expr::expressions::{binary, case, col, in_list, is_null, lit},
    };

    use super::*;

    fn schema() -> Schema {
        let field = |name| Field::new(name, DataType::Int64, true);
        Schema::new(vec![field("a"), field("b")])
    }

    fn within(column: &str, values: &[i64]) -> Arc<dyn PhysicalExpr> {
        let list = values.iter().map(|value| lit(*value)).collect();
        in_list(col(column, &schema()).unwrap(), list, &false, &schema()).unwrap()
    }

    fn joined(
        one: Arc<dyn PhysicalExpr>,
        operator: Operator,
        other: Arc<dyn PhysicalExpr>,
    ) -> Arc<dyn PhysicalExpr> {
        binary(one, operator, other, &schema()).unwrap()
    }

    fn found(filter: &Arc<dyn PhysicalExpr>) -> Option<(usize, Vec<i64>)> {
        let Keys { column, values } = keys_of(filter, 4)?;
        let values = values.into_iter().map(|value| match value {
            ScalarValue::Int64(Some(value)) => value,
            other => panic!("{other}"),
        });
        Some((column, values.collect()))
    }

    #[test]
    fn keys_are_those_that_every_way_through_a_filter_lists() {
        let least = joined(col("a", &schema()).unwrap(), Operator::GtEq, lit(1_i64));
        let some = || within("b", &[1, 2]);
        let bounded = joined(Arc::clone(&least), Operator::And, some());
        assert_eq!(found(&bounded), Some((1, vec![1, 2])));
        let either = joined(some(), Operator::Or, within("b", &[2, 3]));
        assert_eq!(found(&either), Some((1, vec![1, 2, 3])));
        let parts = vec![(lit(0_u64), some()), (lit(1_u64), lit(false)), (lit(2_u64), bounded)];
        let partition = Some(lit(0_u64));
        let routed = case(partition.clone(), parts.clone(), Some(lit(false))).unwrap();
        assert_eq!(found(&routed), Some((1, vec![1, 2])));
        let open = case(partition, parts, Some(lit(true))).unwrap();
        assert_eq!(found(&open), None);
        let or_null = joined(some(), Operator::Or, is_null(col("b", &schema()).unwrap()).unwrap());
        assert_eq!(found(&or_null), None);
        let of_two = joined(some(), Operator::Or, within("a", &[1, 2]));
        assert_eq!(found(&of_two), None);
        assert_eq!(found(&within("a", &[1, 2, 3, 4, 5])), None);
        assert_eq!(found(&least), None);
        let dynamic = DynamicFilterPhysicalExpr::new(vec![], lit(true));
        let filter: Arc<dyn PhysicalExpr> = Arc::new(dynamic);
        assert_eq!(found(&filter), None);
    }
}
