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
