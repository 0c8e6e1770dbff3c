//! [pure] Conditions on the rows that a stream reads, as data.

use std::fmt;

use ciborium::Value;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use vantage_api_pool::vantage::ApiCondition;

/// A condition on the rows that a stream reads. It is sent to the API, as the `filters` of the
/// table say.
///
/// A map from columns to values, or to maps of operators to values:
///
/// ```yaml
/// where: { status: active, region: [eu, us], size: { gte: 5, lt: 9 }, deleted_at: null }
/// ```
///
/// A list means one of its values, and a null that there is none.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Condition {
    /// The column.
    pub column: String,
    /// How its value must compare.
    pub operator: ConditionOperator,
    /// With what; a list for [`In`](ConditionOperator::In).
    pub value: Value,
}

/// How the value of a column must compare to that of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ConditionOperator {
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
    /// One of a list.
    In,
}

impl Condition {
    /// A condition.
    #[must_use]
    pub fn new(
        column: impl Into<String>,
        operator: ConditionOperator,
        value: impl Into<Value>,
    ) -> Self {
        Self { column: column.into(), operator, value: value.into() }
    }

    /// The condition in Vantage.
    #[must_use]
    pub fn to_api(&self) -> ApiCondition {
        let (column, value) = (self.column.as_str(), self.value.clone());
        match self.operator {
            ConditionOperator::Eq => ApiCondition::eq(column, value),
            ConditionOperator::Ne => ApiCondition::ne(column, value),
            ConditionOperator::Gt => ApiCondition::gt(column, value),
            ConditionOperator::Gte => ApiCondition::gte(column, value),
            ConditionOperator::Lt => ApiCondition::lt(column, value),
            ConditionOperator::Lte => ApiCondition::lte(column, value),
            ConditionOperator::In => match value {
                Value::Array(values) => ApiCondition::is_in(column, values),
                value => ApiCondition::eq(column, value),
            },
        }
    }
}

/// Without the value, which may come of a variable.
impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} _", self.column, self.operator)
    }
}

/// The conditions in a map from columns.
pub(super) fn conditions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Condition>, D::Error> {
    deserializer.deserialize_map(ConditionsVisitor)
}

struct ConditionsVisitor;

impl<'de> Visitor<'de> for ConditionsVisitor {
    type Value = Vec<Condition>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of columns to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Condition>, A::Error> {
        let mut conditions = Vec::new();
        while let Some((column, OfColumn(all))) = map.next_entry::<String, OfColumn>()? {
            let of_column = all.into_iter();
            conditions.extend(
                of_column.map(|(operator, value)| Condition::new(&*column, operator, value)),
            );
        }
        Ok(conditions)
    }
}

/// The conditions on one column.
struct OfColumn(Vec<(ConditionOperator, Value)>);

impl<'de> Deserialize<'de> for OfColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfColumnVisitor)
    }
}

struct OfColumnVisitor;

impl OfColumn {
    fn is(value: Value) -> Self {
        Self(vec![(ConditionOperator::Eq, value)])
    }
}

/// Reads scalars as values.
macro_rules! scalars {
    ($made:expr) => {
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($made(Value::Null))
        }

        fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
            Ok($made(flag.into()))
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
            Ok($made(number.into()))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
            Ok($made(number.into()))
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
            Ok($made(number.into()))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok($made(text.into()))
        }
    };
}

impl<'de> Visitor<'de> for OfColumnVisitor {
    type Value = OfColumn;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list of values, or a map of operators to values")
    }

    scalars!(OfColumn::is);

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OfColumn, A::Error> {
        let mut values = Vec::new();
        while let Some(Scalar(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(OfColumn(vec![(ConditionOperator::In, Value::Array(values))]))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OfColumn, A::Error> {
        let mut all = Vec::new();
        while let Some(operator) = map.next_key()? {
            let value = match operator {
                ConditionOperator::In => {
                    let values: Vec<Scalar> = map.next_value()?;
                    Value::Array(values.into_iter().map(|Scalar(value)| value).collect())
                }
                _ => map.next_value::<Scalar>()?.0,
            };
            all.push((operator, value));
        }
        match all.is_empty() {
            true => Err(A::Error::custom("there is no operator")),
            false => Ok(OfColumn(all)),
        }
    }
}

/// A text, a number, true, false or null.
pub(super) struct Scalar(pub(super) Value);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false or null")
    }

    scalars!(Scalar);
}
