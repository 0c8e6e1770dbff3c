//! [pure] What is asked of a list, read from a JSON body: for filters that are too long for a URL.
//!
//! ```json
//! { "filter": { "country": "DE", "population": { "gte": 1000, "lt": 5000 }, "mayor": null },
//!   "select": ["id", "name"], "order": "population.desc", "page": 1, "per_page": 50 }
//! ```

use ciborium::Value;
use vantage_vista::FilterOp;

use super::{
    filter::{OPERATORS, comparison, contained},
    list::ListQuery,
    reading::Reading,
};
use crate::{
    Limits, Problem,
    json::fit,
    problem::listed,
    table_config::{Kind, Table},
};

/// The members of such a body.
const MEMBERS: [&str; 10] = [
    "filter", "select", "order", "search", "page", "per_page", "offset", "limit", "cursor", "count",
];

impl ListQuery {
    /// Reads a JSON body.
    ///
    /// # Errors
    /// 422 if it is not an object, and 400 that names each member, operator and column that does
    /// not exist, and what does.
    pub(crate) fn from_body(table: &Table, body: &Value, limits: &Limits) -> Result<Self, Problem> {
        let Value::Map(members) = body else {
            return Err(Problem::unprocessable("wrong_form", "the body must be an object"));
        };
        let mut reading = Reading::new(table, limits);
        for (name, value) in members {
            reading.member(name.as_text().unwrap_or_default(), value);
        }
        reading.finish()
    }
}

impl Reading<'_> {
    fn member(&mut self, name: &str, value: &Value) {
        let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
        match (name, value) {
            ("filter", Value::Map(columns)) => {
                for (column, filter) in columns {
                    self.column(column.as_text().unwrap_or_default(), filter);
                }
            }
            ("filter", _) => self.wrong(name, "it must be an object of columns"),
            ("select", Value::Array(names)) => {
                let texts = names.iter().map(|name| name.as_text().map(str::to_owned));
                match texts.collect() {
                    Some(names) => self.set_select(names),
                    None => self.wrong(name, "it must be an array of names"),
                }
            }
            ("select", _) => self.wrong(name, "it must be an array of names"),
            ("order", Value::Text(text)) => self.order(text),
            ("search", Value::Text(text)) => self.search(text),
            ("count", Value::Text(text)) => self.set_count(text),
            ("cursor", Value::Text(text)) => self.given.cursor = Some(text.clone()),
            ("order" | "search" | "count" | "cursor", _) => self.wrong(name, "it must be a text"),
            ("page" | "per_page" | "offset" | "limit", _) if number.is_none() => {
                self.wrong(name, "it must be a whole number, not below 0");
            }
            ("page", _) => self.given.page = number,
            ("per_page", _) => self.given.per_page = number,
            ("offset", _) => self.given.offset = number,
            ("limit", _) => self.given.limit = number,
            _ => {
                let all = listed(MEMBERS);
                self.wrong(name, format!("there is no such member; there are: {all}"));
            }
        }
    }

    fn column(&mut self, name: &str, filter: &Value) {
        let pointer = format!("/filter/{name}");
        let Some(column) = self.filterable(name, &pointer) else { return };
        match filter {
            Value::Map(comparisons) => {
                for (operator, operand) in comparisons {
                    let operator = operator.as_text().unwrap_or_default();
                    let most = self.limits().max_list_values;
                    match compare(operator, operand, column.kind, most) {
                        Ok(filter) => self.add(name, filter),
                        Err(what) => self.wrong(&format!("{pointer}/{operator}"), what),
                    }
                }
            }
            Value::Array(_) => self.wrong(&pointer, "write {\"in\": […]} for one of a list"),
            value => match operand(value, column.kind) {
                Ok(value) => self.add(name, (FilterOp::Eq, value)),
                Err(what) => self.wrong(&pointer, what),
            },
        }
    }
}

fn compare(
    operator: &str,
    value: &Value,
    kind: Kind,
    most: usize,
) -> Result<(FilterOp, Value), String> {
    let list = || match value {
        Value::Array(items) if items.len() <= most => {
            items.iter().map(|item| operand(item, kind)).collect::<Result<Vec<_>, _>>()
        }
        Value::Array(_) => Err(format!("a list has at most {most} values")),
        _ => Err("it must be an array".to_owned()),
    };
    match operator {
        "in" => Ok((FilterOp::InSet, Value::Array(list()?))),
        "nin" => Ok((FilterOp::NotInSet, Value::Array(list()?))),
        "like" | "ilike" => {
            let text = value.as_text().ok_or("it must be a text")?;
            Ok((FilterOp::Like, Value::Text(contained(text)?)))
        }
        "is" if matches!(value, Value::Null | Value::Bool(_)) => Ok((FilterOp::Eq, value.clone())),
        "is" => Err("\"is\" takes null, true or false".to_owned()),
        _ => match comparison(operator) {
            Some(op) => Ok((op, operand(value, kind)?)),
            None => Err(format!("there is no operator {operator:?}; there are: {OPERATORS}")),
        },
    }
}

/// A value to compare a column with: not an array, an object or of another type.
fn operand(value: &Value, kind: Kind) -> Result<Value, String> {
    match value {
        Value::Array(_) | Value::Map(_) => Err("it must be a single value".to_owned()),
        value => fit(value.clone(), kind),
    }
}
