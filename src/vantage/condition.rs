//! [pure] The conditions by which a table can be narrowed. Knows nothing of URLs: `query` decides
//! how a condition is sent.

use std::fmt;

use ciborium::Value;
use serde::{Deserialize, Serialize};

use super::{parameter::parameter_text, related::Related};

/// A condition of a `Table<PoolApi, E>`.
///
/// [`Filters`](crate::vantage::Filters) says how conditions are sent to the API;
/// [`Filtering`](crate::vantage::Filtering) says whether the rest is evaluated on the rows or
/// refused as `Unsupported`. A condition is never dropped, so a read never returns rows
/// outside the table's set.
///
/// On rows, conditions follow the three-valued logic of SQL: a comparison with a null in the
/// row is unknown, and so is its negation; neither lets the row pass. Numbers compare exactly,
/// whatever their size, and also with numbers that are kept as text; two strings that are both
/// dates of RFC 3339 compare as instants. A comparison with a null value means `IS NULL`.
///
/// ```
/// use vantage_api_pool::vantage::ApiCondition;
/// use vantage_expressions::Expression;
///
/// let germany = ApiCondition::eq("name", "Germany");
/// assert_eq!(germany.to_string(), r#"name = "Germany""#);
/// let large = ApiCondition::gt("population", 7) | ApiCondition::gte("area", 0.5);
/// assert_eq!((!large).to_string(), "NOT (population > 7 OR area >= 0.5)");
///
/// let expression: Expression<ciborium::Value> = Expression::new("population > 7", vec![]);
/// assert!(matches!(expression.into(), ApiCondition::Unsupported { .. }));
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum ApiCondition {
    /// The field holds the value.
    Eq {
        /// The field, by the name of its column.
        field: String,
        /// The value it must hold.
        value: Value,
    },
    /// The field holds one of the values; an empty list matches no row.
    In {
        /// The field, by the name of its column.
        field: String,
        /// The values, one of which it must hold.
        values: Vec<Value>,
    },
    /// The field holds a value, and none of these.
    NotIn {
        /// The field, by the name of its column.
        field: String,
        /// The values, none of which it may hold.
        values: Vec<Value>,
    },
    /// The field compares to the value by an operator that takes one value and is not equality.
    Compare {
        /// The field, by the name of its column.
        field: String,
        /// How it must compare to the value.
        operator: Operator,
        /// The value.
        value: Value,
    },
    /// All of these hold.
    All(Vec<ApiCondition>),
    /// At least one of these holds; if there are none, no row matches.
    Any(Vec<ApiCondition>),
    /// This does not hold.
    Not(Box<ApiCondition>),
    /// The field holds one of the values of a column in the rows of another table. That table is
    /// read when this one is.
    Related(Related),
    /// The API's own search finds the row.
    Search {
        /// The text to search for.
        text: String,
    },
    /// A column alone, for orders. It is not a condition.
    Column {
        /// The name of the column.
        field: String,
    },
    /// A condition that cannot be expressed for the API.
    Unsupported {
        /// Its text, for display.
        what: String,
    },
}

/// How a field compares to the value or values of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// One of several.
    In,
    /// None of several.
    NotIn,
    /// Contains the text, ignoring case.
    Contains,
    /// Starts with the text, ignoring case.
    StartsWith,
    /// Matches the SQL pattern, ignoring case: `%` is any text, `_` any character.
    Like,
    /// Is null.
    IsNull,
    /// Is not null.
    IsNotNull,
}

impl ApiCondition {
    /// `field = value`; with a null, `field IS NULL`.
    pub fn eq(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Eq { field: field.into(), value: value.into() }
    }

    /// `field <> value`; with a null, `field IS NOT NULL`.
    pub fn ne(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::compare(field, Operator::Ne, value)
    }

    /// `field > value`.
    pub fn gt(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::compare(field, Operator::Gt, value)
    }

    /// `field >= value`.
    pub fn gte(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::compare(field, Operator::Gte, value)
    }

    /// `field < value`.
    pub fn lt(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::compare(field, Operator::Lt, value)
    }

    /// `field <= value`.
    pub fn lte(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::compare(field, Operator::Lte, value)
    }

    /// The field contains `text`, ignoring case.
    pub fn contains(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self::compare(field, Operator::Contains, text.into())
    }

    /// The field starts with `text`, ignoring case.
    pub fn starts_with(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self::compare(field, Operator::StartsWith, text.into())
    }

    /// `field LIKE pattern`, ignoring case.
    pub fn like(field: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self::compare(field, Operator::Like, pattern.into())
    }

    /// `field IS NULL`.
    pub fn is_null(field: impl Into<String>) -> Self {
        Self::eq(field, Value::Null)
    }

    /// `field IS NOT NULL`.
    pub fn is_not_null(field: impl Into<String>) -> Self {
        Self::ne(field, Value::Null)
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

    /// `field NOT IN (values)`.
    pub fn is_not_in<V: Into<Value>>(
        field: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self::NotIn { field: field.into(), values: values.into_iter().map(Into::into).collect() }
    }

    /// A column alone, to order by.
    pub fn column(field: impl Into<String>) -> Self {
        Self::Column { field: field.into() }
    }

    pub(super) fn compare(
        field: impl Into<String>,
        operator: Operator,
        value: impl Into<Value>,
    ) -> Self {
        Self::Compare { field: field.into(), operator, value: value.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    /// The field that the condition is about, if it is only one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Eq { field, .. }
            | Self::In { field, .. }
            | Self::NotIn { field, .. }
            | Self::Compare { field, .. }
            | Self::Column { field } => Some(field),
            Self::Related(related) => Some(related.field()),
            Self::All(_)
            | Self::Any(_)
            | Self::Not(_)
            | Self::Search { .. }
            | Self::Unsupported { .. } => None,
        }
    }

    /// Whether it needs the values of another table.
    pub(super) fn is_related(&self) -> bool {
        match self {
            Self::Related(_) => true,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::is_related),
            Self::Not(part) => part.is_related(),
            _ => false,
        }
    }

    /// The field that the condition restricts to given values, rather than excluding values.
    pub(super) fn narrowed_field(&self) -> Option<&str> {
        match self {
            Self::NotIn { .. }
            | Self::Column { .. }
            | Self::Compare { operator: Operator::Ne, .. } => None,
            condition => condition.field(),
        }
    }
}

impl Operator {
    /// The operator as it is written between a field and a value.
    fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Gt => ">",
            Self::Gte => ">=",
            Self::Lt => "<",
            Self::Lte => "<=",
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::Contains => "CONTAINS",
            Self::StartsWith => "STARTS WITH",
            Self::Like => "LIKE",
            Self::IsNull => "IS NULL",
            Self::IsNotNull => "IS NOT NULL",
        }
    }
}

/// For display: `name = "Germany"`, `id IN (1, 2)`.
impl fmt::Display for ApiCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |field: &str, operator: Operator, values: &[Value]| {
            let values: Vec<String> = values.iter().map(shown).collect();
            format!("{field} {} ({})", operator.symbol(), values.join(", "))
        };
        let group = |word: &str, of: &[Self]| {
            let of: Vec<String> = of.iter().map(Self::to_string).collect();
            format!("({})", of.join(word))
        };
        match self {
            Self::Eq { field, value: Value::Null } => write!(f, "{field} IS NULL"),
            Self::Eq { field, value } => write!(f, "{field} = {}", shown(value)),
            Self::Compare { field, operator: Operator::Ne, value: Value::Null } => {
                write!(f, "{field} IS NOT NULL")
            }
            Self::Compare { field, operator, value } => {
                write!(f, "{field} {} {}", operator.symbol(), shown(value))
            }
            Self::In { field, values } => f.write_str(&list(field, Operator::In, values)),
            Self::NotIn { field, values } => f.write_str(&list(field, Operator::NotIn, values)),
            Self::All(all) => f.write_str(&group(" AND ", all)),
            Self::Any(any) => f.write_str(&group(" OR ", any)),
            Self::Not(condition) => write!(f, "NOT {condition}"),
            Self::Related(related) => related.fmt(f),
            Self::Search { text } => write!(f, "SEARCH {text:?}"),
            Self::Column { field } => f.write_str(field),
            Self::Unsupported { what } => f.write_str(what),
        }
    }
}

/// Names the field but not the value, which may be a credential that the API takes as a
/// parameter.
impl fmt::Debug for ApiCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, name, field: &String, values: &Vec<Value>| {
            let mut shown = f.debug_struct(name);
            shown.field("field", field).field("values", &values.len()).finish_non_exhaustive()
        };
        match self {
            Self::Eq { field, .. } => {
                f.debug_struct("Eq").field("field", field).finish_non_exhaustive()
            }
            Self::In { field, values } => list(f, "In", field, values),
            Self::NotIn { field, values } => list(f, "NotIn", field, values),
            Self::Compare { field, operator, .. } => f
                .debug_struct("Compare")
                .field("field", field)
                .field("operator", operator)
                .finish_non_exhaustive(),
            Self::All(all) => f.debug_tuple("All").field(all).finish(),
            Self::Any(any) => f.debug_tuple("Any").field(any).finish(),
            Self::Not(condition) => f.debug_tuple("Not").field(condition).finish(),
            Self::Related(related) => fmt::Debug::fmt(related, f),
            Self::Search { .. } => f.debug_struct("Search").finish_non_exhaustive(),
            Self::Column { field } => f.debug_struct("Column").field("field", field).finish(),
            Self::Unsupported { what } => {
                f.debug_struct("Unsupported").field("what", what).finish()
            }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Null => "null".to_owned(),
        value => parameter_text(value).unwrap_or_else(|| "<value>".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_one_value_is_an_equality() {
        assert_eq!(ApiCondition::is_in("id", ["a"]), ApiCondition::eq("id", "a"));
        let two = ApiCondition::is_in("id", [1, 2]);
        assert_eq!(two.to_string(), "id IN (1, 2)");
        assert_eq!(ApiCondition::is_in("id", [""; 0]).to_string(), "id IN ()");
    }

    #[test]
    fn conditions_are_written_like_sql() {
        let (a, b, c) = (
            ApiCondition::lte("a", 1),
            ApiCondition::contains("b", "x"),
            ApiCondition::is_not_null("c"),
        );
        let all = a.clone() & b & c & ApiCondition::is_null("d");
        let text = r#"(a <= 1 AND b CONTAINS "x" AND c IS NOT NULL AND d IS NULL)"#;
        assert_eq!(all.to_string(), text);
        assert_eq!((!a.clone()).to_string(), "NOT a <= 1");
        assert_eq!(!!a.clone(), a);
        assert_eq!(ApiCondition::is_not_in("a", [1, 2]).to_string(), "a NOT IN (1, 2)");
    }

    #[test]
    fn only_what_narrows_to_values_names_its_column() {
        assert_eq!(ApiCondition::gt("n", 1).narrowed_field(), Some("n"));
        for away in [
            ApiCondition::ne("n", 1),
            ApiCondition::is_not_in("n", [1]),
            !ApiCondition::eq("n", 1),
            ApiCondition::eq("n", 1) | ApiCondition::eq("n", 2),
        ] {
            assert_eq!(away.narrowed_field(), None, "{away}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let key = ApiCondition::eq("api_key", "canary");
        let conditions = [
            ApiCondition::is_in("k", ["canary", "b"]),
            ApiCondition::is_not_in("k", ["canary"]),
            ApiCondition::like("k", "canary"),
            ApiCondition::Search { text: "canary".into() },
            !(key.clone() | key.clone()) & key,
        ];
        assert!(!format!("{conditions:?}").contains("canary"));
    }
}
