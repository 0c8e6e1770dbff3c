//! [pure] What a table can be narrowed by. Knows nothing of URLs: how a
//! condition travels is decided in `query`.

use std::fmt;

use ciborium::Value;
use vantage_expressions::Expression;
use vantage_table::{
    column::core::{Column, ColumnType},
    conditions::literal_equality,
};

use super::{kind::uuid_text, relations::Related};

/// A condition of a `Table<PoolApi, E>`.
///
/// An equality with a boolean, a number or a text becomes one query parameter
/// (or fills a `{placeholder}` of the table's path). What the API cannot be
/// asked for is kept and refused as `Unsupported` when the table is read, so
/// that a read never returns more rows than the table stands for.
///
/// ```
/// use vantage_api_pool::ApiCondition;
/// use vantage_expressions::Expression;
///
/// let germany = ApiCondition::eq("name", "Germany");
/// assert_eq!(germany.to_string(), r#"name = "Germany""#);
///
/// let expression: Expression<ciborium::Value> = Expression::new("population > 7", vec![]);
/// assert!(matches!(expression.into(), ApiCondition::Unsupported { .. }));
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum ApiCondition {
    /// The field holds the value.
    Eq {
        /// The field, by the name that the API uses.
        field: String,
        /// The value it must hold.
        value: Value,
    },
    /// The field holds one of the values; an empty list matches no row.
    In {
        /// The field, by the name that the API uses.
        field: String,
        /// The values of which it must hold one.
        values: Vec<Value>,
    },
    /// The field holds one of the values that a column has in the rows of
    /// another table. They are read when this table is.
    Related(Related),
    /// A condition that the API cannot be asked for.
    Unsupported {
        /// What it is, for people.
        what: String,
    },
}

impl ApiCondition {
    /// `field = value`.
    pub fn eq(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Eq { field: field.into(), value: value.into() }
    }

    /// `field IN (values)`. One value is the same as [`eq`](Self::eq).
    pub fn is_in<V: Into<Value>>(
        field: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let field = field.into();
        let mut values: Vec<Value> = values.into_iter().map(Into::into).collect();
        match values.pop() {
            Some(value) if values.is_empty() => Self::Eq { field, value },
            last => {
                values.extend(last);
                Self::In { field, values }
            }
        }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    /// The field that the condition narrows, when it names one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Eq { field, .. } | Self::In { field, .. } => Some(field),
            Self::Related(related) => Some(related.field()),
            Self::Unsupported { .. } => None,
        }
    }
}

/// A literal `column = value` becomes [`ApiCondition::Eq`]; every other
/// expression becomes [`ApiCondition::Unsupported`].
impl From<Expression<Value>> for ApiCondition {
    fn from(expression: Expression<Value>) -> Self {
        match literal_equality(&expression) {
            Some((field, value)) => Self::Eq { field, value },
            None => Self::unsupported(format!("the expression `{}`", expression.template)),
        }
    }
}

/// For people: `name = "Germany"`, `id IN (1, 2)`.
impl fmt::Display for ApiCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eq { field, value } => write!(f, "{field} = {}", Shown(value)),
            Self::In { field, values } => {
                write!(f, "{field} IN (")?;
                for (index, value) in values.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{}", Shown(value))?;
                }
                f.write_str(")")
            }
            Self::Related(related) => related.fmt(f),
            Self::Unsupported { what } => f.write_str(what),
        }
    }
}

/// Names the field and not the value, which may be a credential that the API
/// takes as a parameter.
impl fmt::Debug for ApiCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eq { field, .. } => {
                f.debug_struct("Eq").field("field", field).finish_non_exhaustive()
            }
            Self::In { field, values } => f
                .debug_struct("In")
                .field("field", field)
                .field("values", &values.len())
                .finish_non_exhaustive(),
            Self::Related(related) => fmt::Debug::fmt(related, f),
            Self::Unsupported { what } => {
                f.debug_struct("Unsupported").field("what", what).finish()
            }
        }
    }
}

struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Null => f.write_str("null"),
            value => match parameter_text(value) {
                Some(text) => f.write_str(&text),
                None => f.write_str("<value>"),
            },
        }
    }
}

/// The text of a value in a query parameter: booleans as `true` and `false`,
/// integers by their digits, finite floats in their shortest form, texts as
/// they are, the 16 bytes of a UUID as its text. Nothing else has one.
pub(crate) fn parameter_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Integer(number) => Some(i128::from(*number).to_string()),
        Value::Float(number) if number.is_finite() => Some(number.to_string()),
        Value::Text(text) => Some(text.clone()),
        value => uuid_text(value),
    }
}

/// Conditions from a column, such as `table["name"].eq("Germany")`.
///
/// ```
/// use vantage_api_pool::{ApiCondition, ColumnConditions};
/// use vantage_table::column::core::Column;
///
/// let name = Column::<String>::new("name");
/// assert_eq!(name.eq("Germany"), ApiCondition::eq("name", "Germany"));
/// ```
pub trait ColumnConditions {
    /// The column holds `value`.
    fn eq(&self, value: impl Into<Value>) -> ApiCondition;

    /// The column holds one of `values`.
    fn in_list<V: Into<Value>>(&self, values: impl IntoIterator<Item = V>) -> ApiCondition;
}

impl<T: ColumnType> ColumnConditions for Column<T> {
    fn eq(&self, value: impl Into<Value>) -> ApiCondition {
        ApiCondition::eq(self.name(), value)
    }

    fn in_list<V: Into<Value>>(&self, values: impl IntoIterator<Item = V>) -> ApiCondition {
        ApiCondition::is_in(self.name(), values)
    }
}

#[cfg(test)]
mod tests {
    use vantage_expressions::ExpressiveEnum;

    use super::*;

    fn comparison(operator: &str) -> Expression<Value> {
        let field = ExpressiveEnum::Nested(Expression::new("population", vec![]));
        Expression::new(
            format!("{{}} {operator} {{}}"),
            vec![field, ExpressiveEnum::Scalar(Value::from(7))],
        )
    }

    #[test]
    fn a_literal_equality_is_carried_over_and_other_expressions_are_kept_as_unsupported() {
        assert_eq!(ApiCondition::from(comparison("=")), ApiCondition::eq("population", 7));
        for operator in [">", "!=", "LIKE"] {
            let condition = ApiCondition::from(comparison(operator));
            assert!(condition.to_string().contains(operator), "{condition}");
            assert_eq!(condition.field(), None);
        }
    }

    #[test]
    fn a_list_of_one_value_is_an_equality() {
        assert_eq!(ApiCondition::is_in("id", ["a"]), ApiCondition::eq("id", "a"));
        let two = ApiCondition::is_in("id", [1, 2]);
        assert_eq!(two.to_string(), "id IN (1, 2)");
        assert_eq!(ApiCondition::is_in("id", [""; 0]).to_string(), "id IN ()");
    }

    #[test]
    fn debug_shows_no_value() {
        let conditions =
            [ApiCondition::eq("api_key", "canary"), ApiCondition::is_in("k", ["canary", "b"])];
        assert!(!format!("{conditions:?}").contains("canary"));
    }

    #[test]
    fn scalars_have_a_text_and_nothing_else_has() {
        let texts = [
            (Value::from(true), Some("true")),
            (Value::from(u64::MAX), Some("18446744073709551615")),
            (Value::from(-7), Some("-7")),
            (Value::from(7.0), Some("7")),
            (Value::from(0.25), Some("0.25")),
            (Value::from("a&b"), Some("a&b")),
            (Value::from(f64::NAN), None),
            (Value::Null, None),
            (Value::Array(vec![]), None),
            (Value::Map(vec![]), None),
            (Value::Bytes(vec![1]), None),
            (Value::Bytes(vec![0; 16]), Some("00000000-0000-0000-0000-000000000000")),
            (Value::Tag(0, Box::new(Value::from("2024-01-01T00:00:00Z"))), None),
        ];
        for (value, text) in texts {
            assert_eq!(parameter_text(&value).as_deref(), text, "{value:?}");
        }
    }
}
