//! [pure] What a stream is read once for: the rows of another table, fixed values, or each of both, as
//! data.

use std::fmt;

use ciborium::Value;
use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Unexpected, Visitor},
};

use super::{condition::Scalar, day_of, moment_of};
use crate::schema::ColumnType;

/// What a stream is read once for: each row of another table, each of some fixed values, or each
/// combination of both.
///
/// | key | value |
/// |---|---|
/// | `table` | the other table, all rows of which are read first |
/// | `bind` | what its rows fill: a map of names to columns of the other table |
/// | `values` | fixed values: a map of names to lists of at least one value. Instead of a list, a text has its values between commas, as a variable may give them |
///
/// A name is a placeholder of the endpoint or of a body, or a column of the stream's table, by which
/// the API is asked for the rows that have the value.
///
/// ```yaml
/// for_each: { table: countries, bind: { country: name } }            # once for each country
/// for_each: { values: { status: [open, closed], region: [eu, us] } } # 4 times: each with each
/// for_each: { values: { repository: "${REPOSITORIES}" } }            # REPOSITORIES=api,web,docs
/// for_each:                                                          # twice for each country
///   table: countries
///   bind: { country: name }
///   values: { kind: [town, village] }
/// ```
///
/// The first one reads the cities of each country from `countries/{country}/cities`. Such a read is called
/// a **partition**:
///
/// - *Columns.* If the table of the stream declares a column `country`, rows that do not have one
///   themselves get the value by which they were read. Where rows of several partitions may have the
///   same `id`, the column belongs to the `id` as well.
/// - *Order.* Up to four partitions are read at a time: in the order of the rows of the other table, and
///   then in that of the values, of which those of the last name change first. Two rows that bind the
///   same are one partition. There are at most 100,000 combinations of fixed values.
/// - *Parents that are partitioned themselves.* If all streams of the job that read the other table do so
///   `for_each` of something, its rows are read in the partitions of the first of them. `bind` can use
///   what these bind, as a column that the rows do not have.
/// - *What is new.* With `incremental` each partition goes on from the greatest value of its own rows. One
///   that is new is read from the `start` on. One that is not there any more is remembered, and goes on
///   from where it was if it comes back; its rows stay, unless `write: replace` or `write: sync` deletes
///   them at the end of the run.
/// - *Reports* name a partition by its values, such as `country="se"`; for the value of a variable there
///   is a hash.
///
/// A row of the other table that lacks a value fails the stream, once it has read those of all others;
/// before it reads any, if `write: replace` or `write: sync` would delete what is not read.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ForEach {
    /// The other table; empty if there are fixed values alone.
    #[serde(default)]
    pub table: String,
    /// What its rows fill, by the columns of the other table.
    #[serde(default)]
    pub bind: IndexMap<String, String>,
    /// What fixed values fill: texts, whole numbers, floats, true or false.
    #[serde(default, deserialize_with = "lists")]
    pub values: IndexMap<String, Vec<Value>>,
    /// The names whose values are those of variables, which are not to be seen.
    #[serde(skip)]
    pub(crate) concealed: Vec<String>,
}

impl ForEach {
    /// For each row of a table, whose column `from` fills `to`.
    #[must_use]
    pub fn new(table: impl Into<String>, to: impl Into<String>, from: impl Into<String>) -> Self {
        let bind = IndexMap::from([(to.into(), from.into())]);
        Self { table: table.into(), bind, ..Self::default() }
    }

    /// For each of these values of `to`; see [`values`](Self::values) for more.
    ///
    /// ```
    /// use vantage_api_ingest::description::ForEach;
    ///
    /// let four = ForEach::of("status", ["open", "closed"]).values("region", ["eu", "us"]);
    /// # assert_eq!(four.values.len(), 2);
    /// ```
    #[must_use]
    pub fn of<V: Into<Value>>(to: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        Self::default().values(to, values)
    }

    /// And for each of these values of `to`.
    #[must_use]
    pub fn values<V: Into<Value>>(
        mut self,
        to: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.values.insert(to.into(), values.into_iter().map(Into::into).collect());
        self
    }

    /// Whether it gives a value to a placeholder or a column.
    pub(crate) fn binds(&self, name: &str) -> bool {
        self.bind.contains_key(name) || self.values.contains_key(name)
    }
}

/// Without the values, which may come of variables.
impl fmt::Debug for ForEach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForEach")
            .field("table", &self.table)
            .field("bind", &self.bind)
            .field("values", &self.values.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A fixed value as one of a column of this type; `None` if it is not one. A text may be the value of any
/// type: those of variables are all texts.
pub(crate) fn typed(value: &Value, kind: ColumnType) -> Option<Value> {
    use ColumnType::{Bool, Date, Decimal, Float, Int, Json, Text, Timestamp};
    let same = || value.clone();
    match (value, kind) {
        (Value::Text(text), Int) => text.parse::<i64>().ok().map(Value::from),
        (Value::Text(text), Float) => number(text).map(Value::from),
        (Value::Text(text), Bool) => text.parse::<bool>().ok().map(Value::from),
        (Value::Text(text), Decimal { .. }) => number(text).map(|_| same()),
        (Value::Text(text), Date) => day_of(text).map(|_| same()),
        (Value::Text(text), Timestamp) => moment_of(text).map(|_| same()),
        (Value::Integer(whole), Int) => i64::try_from(*whole).is_ok().then(same),
        (Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Bool(_), Text | Json)
        | (Value::Integer(_) | Value::Float(_), Float | Decimal { .. } | Timestamp)
        | (Value::Bool(_), Bool) => Some(same()),
        _ => None,
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A value as it is sent, by which it is told apart from others; `None` if it is not a single value.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(whole) => Some(i128::from(*whole).to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn lists<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<IndexMap<String, Vec<Value>>, D::Error> {
    let lists = IndexMap::<String, List>::deserialize(deserializer)?;
    Ok(lists.into_iter().map(|(name, List(values))| (name, values)).collect())
}

/// A list of values, or a text that has them between commas.
struct List(Vec<Value>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values, or a text with values between commas")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<List, E> {
        let values: Vec<_> = text.split(',').map(str::trim).collect();
        match values.iter().any(|value| value.is_empty()) {
            true if values.len() == 1 => Ok(List(Vec::new())),
            true => Err(E::custom("there is nothing between two commas")),
            false => Ok(List(values.into_iter().map(Value::from).collect())),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List, A::Error> {
        let mut values = Vec::new();
        while let Some(NotNull(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(List(values))
    }
}

/// A single value that is there.
struct NotNull(Value);

impl<'de> Deserialize<'de> for NotNull {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar(Value::Null) => {
                Err(D::Error::invalid_type(Unexpected::Unit, &"a text, a number, true or false"))
            }
            Scalar(value) => Ok(Self(value)),
        }
    }
}
