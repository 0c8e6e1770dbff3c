//! [pure] Filters of a query as conditions that an API may take, and whether its rows would be
//! exactly those of the filter.

use ciborium::Value;
use datafusion::{
    common::ScalarValue,
    logical_expr::{Between, BinaryExpr, Expr, Like, Operator as SqlOperator, expr::InList},
};
use vantage_api_ingest::{
    description::{Collation, SqlSettings},
    schema::ColumnType,
};
use vantage_api_pool::vantage::{ApiCondition, Operator};

use super::value::{text, value_of};
use crate::table::{Columns, SourceColumn};

/// A condition that an API is asked by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) condition: ApiCondition,
    /// Whether the rows that meet it are those of the filter. If not, there may be more.
    pub(crate) is_exact: bool,
}

impl Wanted {
    fn new(condition: ApiCondition, is_exact: bool) -> Self {
        Self { condition, is_exact }
    }
}

/// A filter as a condition; `None` if an API could leave out rows of the filter, or if there is no
/// such condition.
pub(crate) fn condition_of(
    filter: &Expr,
    columns: &Columns,
    settings: &SqlSettings,
) -> Option<Wanted> {
    Rules { columns, is_binary: settings.collation == Some(Collation::Binary) }.condition(filter)
}

struct Rules<'a> {
    columns: &'a Columns,
    /// Whether the API compares texts as a query does.
    is_binary: bool,
}

impl Rules<'_> {
    fn condition(&self, filter: &Expr) -> Option<Wanted> {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: SqlOperator::And, right }) => {
                self.both(self.condition(left)?, self.condition(right)?)
            }
            Expr::BinaryExpr(BinaryExpr { op: SqlOperator::Or, .. }) => {
                let (mut column, mut values) = (None, Vec::new());
                self.alternatives(filter, &mut column, &mut values)?;
                self.compare(column?, Operator::In, values)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => self.comparison(left, *op, right),
            Expr::InList(InList { expr, list, negated }) => self.list(expr, list, *negated),
            Expr::Between(Between { expr, negated: false, low, high }) => self.both(
                self.comparison(expr, SqlOperator::GtEq, low)?,
                self.comparison(expr, SqlOperator::LtEq, high)?,
            ),
            Expr::IsNull(of) => self.compare(self.column(of)?, Operator::IsNull, vec![]),
            Expr::IsNotNull(of) => self.compare(self.column(of)?, Operator::IsNotNull, vec![]),
            Expr::Like(like) => self.like(like),
            Expr::Not(of) => self.flag(of, false),
            of => self.flag(of, true),
        }
    }

    fn both(&self, one: Wanted, other: Wanted) -> Option<Wanted> {
        let is_exact = one.is_exact && other.is_exact;
        Some(Wanted::new(one.condition & other.condition, is_exact))
    }

    /// The values of equalities and lists of one column that are joined by `OR`.
    fn alternatives<'a>(
        &'a self,
        filter: &Expr,
        column: &mut Option<&'a SourceColumn>,
        values: &mut Vec<Value>,
    ) -> Option<()> {
        if let Expr::BinaryExpr(BinaryExpr { left, op: SqlOperator::Or, right }) = filter {
            self.alternatives(left, column, values)?;
            return self.alternatives(right, column, values);
        }
        let (of, found) = match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: SqlOperator::Eq, right }) => {
                let (of, constant, _) = self.sides(left, right)?;
                (of, vec![value_of(constant, of.kind)?])
            }
            Expr::InList(InList { expr, list, negated: false }) => {
                let of = self.column(expr)?;
                (of, values_of(list, of.kind)?)
            }
            _ => return None,
        };
        if column.get_or_insert(of).name != of.name {
            return None;
        }
        values.extend(found);
        Some(())
    }

    fn comparison(&self, left: &Expr, op: SqlOperator, right: &Expr) -> Option<Wanted> {
        let (column, constant, is_swapped) = self.sides(left, right)?;
        let operator = match (op, is_swapped) {
            (SqlOperator::Eq, _) => Operator::Eq,
            (SqlOperator::NotEq, _) => Operator::Ne,
            (SqlOperator::Gt, false) | (SqlOperator::Lt, true) => Operator::Gt,
            (SqlOperator::GtEq, false) | (SqlOperator::LtEq, true) => Operator::Gte,
            (SqlOperator::Lt, false) | (SqlOperator::Gt, true) => Operator::Lt,
            (SqlOperator::LtEq, false) | (SqlOperator::GtEq, true) => Operator::Lte,
            _ => return None,
        };
        self.compare(column, operator, vec![value_of(constant, column.kind)?])
    }

    /// A column that is compared to a constant, and whether it is on the right.
    fn sides<'e>(
        &self,
        left: &'e Expr,
        right: &'e Expr,
    ) -> Option<(&SourceColumn, &'e ScalarValue, bool)> {
        match (left, right) {
            (column, Expr::Literal(constant, _)) => Some((self.column(column)?, constant, false)),
            (Expr::Literal(constant, _), column) => Some((self.column(column)?, constant, true)),
            _ => None,
        }
    }

    fn list(&self, of: &Expr, list: &[Expr], is_negated: bool) -> Option<Wanted> {
        let column = self.column(of)?;
        let has_null =
            list.iter().any(|value| matches!(value, Expr::Literal(of, _) if of.is_null()));
        match is_negated {
            // With a null in the list no row is wanted.
            true if has_null => None,
            true => self.compare(column, Operator::NotIn, values_of(list, column.kind)?),
            false => self.compare(column, Operator::In, values_of(list, column.kind)?),
        }
    }

    fn like(&self, like: &Like) -> Option<Wanted> {
        let Like { negated, expr, pattern, escape_char, case_insensitive: _ } = like;
        let column = self.column(expr)?;
        let Expr::Literal(pattern, _) = pattern.as_ref() else { return None };
        let pattern = text(pattern)?;
        let is_plain = !pattern.contains('\\') && escape_char.is_none();
        if *negated || !is_plain || column.kind != ColumnType::Text || column.is_parameter {
            return None;
        }
        let inner = pattern.trim_matches('%');
        let starts = pattern.strip_suffix('%').filter(|start| *start == inner);
        let contains = starts.is_none() && pattern.len() == inner.len() + 2;
        let condition = match inner.contains(['%', '_']) || inner.is_empty() {
            false if starts.is_some() => ApiCondition::starts_with(&column.name, inner),
            false if contains => ApiCondition::contains(&column.name, inner),
            _ => ApiCondition::like(&column.name, pattern),
        };
        // An API does not mind the case here.
        Some(Wanted::new(condition, false))
    }

    fn flag(&self, of: &Expr, value: bool) -> Option<Wanted> {
        let column = self.column(of).filter(|column| column.kind == ColumnType::Bool)?;
        self.compare(column, Operator::Eq, vec![value.into()])
    }

    fn column(&self, of: &Expr) -> Option<&SourceColumn> {
        match of {
            Expr::Column(column) => self.columns.get(&column.name),
            _ => None,
        }
    }

    fn compare(
        &self,
        column: &SourceColumn,
        operator: Operator,
        mut values: Vec<Value>,
    ) -> Option<Wanted> {
        let mut known = Vec::new();
        values.retain(|value| {
            !known.contains(value) && {
                known.push(value.clone());
                true
            }
        });
        let is_exact = is_exact(column, operator, self.is_binary)?;
        let field = column.name.as_str();
        let condition = match operator {
            Operator::In => ApiCondition::is_in(field, values),
            Operator::NotIn => ApiCondition::is_not_in(field, values),
            Operator::IsNull => ApiCondition::is_null(field),
            Operator::IsNotNull => ApiCondition::is_not_null(field),
            operator => {
                let value = values.pop()?;
                match operator {
                    Operator::Eq => ApiCondition::eq(field, value),
                    Operator::Ne => ApiCondition::ne(field, value),
                    Operator::Gt => ApiCondition::gt(field, value),
                    Operator::Gte => ApiCondition::gte(field, value),
                    Operator::Lt => ApiCondition::lt(field, value),
                    Operator::Lte => ApiCondition::lte(field, value),
                    _ => return None,
                }
            }
        };
        Some(Wanted::new(condition, is_exact))
    }
}

/// The values of a list without its nulls, which no value equals.
fn values_of(list: &[Expr], kind: ColumnType) -> Option<Vec<Value>> {
    let constants = list.iter().map(|value| match value {
        Expr::Literal(constant, _) => Some(constant),
        _ => None,
    });
    let constants: Vec<_> = constants.collect::<Option<_>>()?;
    let constants = constants.into_iter().filter(|constant| !constant.is_null());
    constants.map(|constant| value_of(constant, kind)).collect()
}

/// Whether the rows that an API finds are exactly those of the comparison; `None` if some might be
/// missing. Texts may be equal to it that are not here, and be in another order; it may count rows
/// without a value among those that differ; and it may know moments less exactly than it tells them.
fn is_exact(column: &SourceColumn, operator: Operator, is_binary: bool) -> Option<bool> {
    use Operator::{Eq, Gt, Gte, In, IsNotNull, IsNull, Lt, Lte, Ne, NotIn};
    if column.is_parameter {
        return matches!(operator, Eq | In).then_some(true);
    }
    match (column.kind, operator) {
        (ColumnType::Json, _) => None,
        (_, IsNull | IsNotNull) => Some(false),
        (ColumnType::Text, Eq | In) => Some(is_binary),
        (ColumnType::Text, Gt | Gte | Lt | Lte) => is_binary.then_some(true),
        (ColumnType::Text, _) => is_binary.then_some(false),
        (ColumnType::Bool, Gt | Gte | Lt | Lte) => None,
        (ColumnType::Timestamp, _) | (_, Ne | NotIn) => Some(false),
        _ => Some(true),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    fn columns() -> Columns {
        let column = |name: &str, kind| SourceColumn {
            name: name.into(),
            kind,
            path: vec![name.into()],
            is_nullable: true,
            is_parameter: name == "lang",
        };
        Columns::new(vec![
            column("n", ColumnType::Int),
            column("t", ColumnType::Text),
            column("b", ColumnType::Bool),
            column("j", ColumnType::Json),
            column("lang", ColumnType::Text),
        ])
    }

    fn shown(filter: &Expr, is_binary: bool) -> String {
        let settings = SqlSettings::default();
        let rules = Rules { columns: &columns(), is_binary };
        assert!(
            is_binary || condition_of(filter, &columns(), &settings) == rules.condition(filter)
        );
        match rules.condition(filter) {
            Some(Wanted { condition, is_exact: true }) => condition.to_string(),
            Some(Wanted { condition, is_exact: false }) => format!("~ {condition}"),
            None => "-".to_owned(),
        }
    }

    #[test]
    fn filters_are_conditions_where_no_row_can_be_missing() {
        let like = |pattern: &str| col("t").like(lit(pattern));
        let null = || lit(ScalarValue::Int64(None));
        for (filter, of_any, of_binary) in [
            (col("n").eq(lit(7_i64)), "n = 7", "n = 7"),
            (lit(7_i64).lt(col("n")), "n > 7", "n > 7"),
            (col("n").not_eq(lit(7_i64)), "~ n <> 7", "~ n <> 7"),
            (
                col("n").between(lit(1_i64), lit(2_i64)),
                "(n >= 1 AND n <= 2)",
                "(n >= 1 AND n <= 2)",
            ),
            (
                col("n").in_list(vec![lit(1_i64), null(), lit(2_i64), lit(1_i64)], false),
                "n IN (1, 2)",
                "n IN (1, 2)",
            ),
            (col("n").in_list(vec![lit(1_i64), null()], true), "-", "-"),
            (col("n").in_list(vec![lit(1_i64)], true), "~ n NOT IN (1)", "~ n NOT IN (1)"),
            (col("n").eq(lit(1_i64)).or(col("n").eq(lit(2_i64))), "n IN (1, 2)", "n IN (1, 2)"),
            (col("n").eq(lit(1_i64)).or(col("b")), "-", "-"),
            (col("n").eq(null()), "-", "-"),
            (col("n").is_null(), "~ n IS NULL", "~ n IS NULL"),
            (col("b"), "b = true", "b = true"),
            (Expr::Not(Box::new(col("b"))), "b = false", "b = false"),
            (col("t").eq(lit("x")), "~ t = \"x\"", "t = \"x\""),
            (col("t").gt(lit("x")), "-", "t > \"x\""),
            (col("t").not_eq(lit("x")), "-", "~ t <> \"x\""),
            (like("x%"), "~ t STARTS WITH \"x\"", "~ t STARTS WITH \"x\""),
            (like("%x%"), "~ t CONTAINS \"x\"", "~ t CONTAINS \"x\""),
            (like("%x"), "~ t LIKE \"%x\"", "~ t LIKE \"%x\""),
            (like("a_b%"), "~ t LIKE \"a_b%\"", "~ t LIKE \"a_b%\""),
            (like("a\\%%"), "-", "-"),
            (col("t").not_like(lit("x%")), "-", "-"),
            (col("j").eq(lit("x")), "-", "-"),
            (col("lang").eq(lit("en")), "lang = \"en\"", "lang = \"en\""),
            (col("lang").gt(lit("en")), "-", "-"),
            (col("unknown").eq(lit(1_i64)), "-", "-"),
            (col("n").eq(col("n")), "-", "-"),
        ] {
            assert_eq!(shown(&filter, false), of_any, "{filter}");
            assert_eq!(shown(&filter, true), of_binary, "{filter}");
        }
    }
}
