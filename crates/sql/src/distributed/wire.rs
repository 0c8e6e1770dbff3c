//! [pure] A scan as plans have it that go to another process: what is asked of which table. It has
//! nothing of how the API is reached, which each process knows by its own description.

use ciborium::Value;
use serde::{Deserialize, Serialize};
use vantage_api_pool::vantage::{ApiCondition, Operator};

use crate::scan::PageRange;

/// The form of what is sent. A worker takes no other.
const VERSION: u32 = 1;

/// A scan.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ScanMessage {
    /// The schema, which is the name of the API.
    pub(super) schema: String,
    pub(super) table: String,
    /// The columns by their names, each with its type.
    pub(super) columns: Vec<(String, String)>,
    pub(super) conditions: Vec<Condition>,
    /// Columns, and whether they descend.
    pub(super) orders: Vec<(String, bool)>,
    pub(super) fields: Option<String>,
    pub(super) limit: Option<usize>,
    pub(super) partitions: usize,
    pub(super) range: Option<PageRange>,
}

/// A condition that an API is asked by.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Condition {
    Eq(String, Value),
    In(String, Vec<Value>),
    NotIn(String, Vec<Value>),
    Compare(String, Operator, Value),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Search(String),
}

impl ScanMessage {
    /// # Errors
    /// If it cannot be written.
    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), String> {
        ciborium::into_writer(&(VERSION, self), to).map_err(|error| error.to_string())
    }

    /// # Errors
    /// If `bytes` have another form.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = ciborium::from_reader(bytes).map_err(|error| error.to_string())?;
        let form = value.as_array().and_then(|parts| parts.first()).and_then(Value::as_integer);
        if form != Some(VERSION.into()) {
            return Err("it has the form of another release".to_owned());
        }
        let message: (u32, Self) = value.deserialized().map_err(|error| error.to_string())?;
        Ok(message.1)
    }
}

impl Condition {
    /// `None` for one that cannot be sent.
    pub(super) fn of(condition: &ApiCondition) -> Option<Self> {
        let each = |parts: &[ApiCondition]| parts.iter().map(Self::of).collect::<Option<Vec<_>>>();
        Some(match condition.clone() {
            ApiCondition::Eq { field, value } => Self::Eq(field, value),
            ApiCondition::In { field, values } => Self::In(field, values),
            ApiCondition::NotIn { field, values } => Self::NotIn(field, values),
            ApiCondition::Compare { field, operator, value } => {
                Self::Compare(field, operator, value)
            }
            ApiCondition::All(parts) => Self::All(each(&parts)?),
            ApiCondition::Any(parts) => Self::Any(each(&parts)?),
            ApiCondition::Not(inner) => Self::Not(Box::new(Self::of(&inner)?)),
            ApiCondition::Search { text } => Self::Search(text),
            _ => return None,
        })
    }
}

impl From<Condition> for ApiCondition {
    fn from(condition: Condition) -> Self {
        let each = |parts: Vec<Condition>| parts.into_iter().map(Self::from).collect();
        match condition {
            Condition::Eq(field, value) => Self::Eq { field, value },
            Condition::In(field, values) => Self::In { field, values },
            Condition::NotIn(field, values) => Self::NotIn { field, values },
            Condition::Compare(field, operator, value) => Self::Compare { field, operator, value },
            Condition::All(parts) => Self::All(each(parts)),
            Condition::Any(parts) => Self::Any(each(parts)),
            Condition::Not(inner) => Self::Not(Box::new(Self::from(*inner))),
            Condition::Search(text) => Self::Search { text },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_comes_back() {
        let one = ApiCondition::eq("a", 1) & ApiCondition::is_in("b", ["x", "y"]);
        let condition = one & !(ApiCondition::gt("c", 0.5) | ApiCondition::is_null("d"));
        let message = ScanMessage {
            schema: "world".into(),
            table: "items".into(),
            columns: vec![("a".into(), "Int".into())],
            conditions: vec![Condition::of(&condition).unwrap()],
            orders: vec![("a".into(), true)],
            fields: None,
            limit: Some(7),
            partitions: 2,
            range: Some(PageRange { read: Some((1, vec!["{}".into()])), rest: None }),
        };
        let mut bytes = Vec::new();
        message.write(&mut bytes).unwrap();
        let mut back = ScanMessage::read(&bytes).unwrap();
        assert_eq!(format!("{back:?}"), format!("{message:?}"));
        assert_eq!(ApiCondition::from(back.conditions.remove(0)), condition);
    }

    #[test]
    fn another_form_is_named() {
        let mut bytes = Vec::new();
        ciborium::into_writer(&(VERSION + 1, "something else"), &mut bytes).unwrap();
        assert!(ScanMessage::read(&bytes).unwrap_err().contains("another release"));
        assert!(ScanMessage::read(b"").is_err());
    }
}
