//! [pure] Filters, orders and searches as APIs take them, applied to rows.

use std::cmp::Ordering;

use serde_json::Value;

/// How the server takes filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `field=value`, and one of several when the parameter is repeated
    Equality,
    /// `field=value`, `field[]=1&field[]=2`
    Plural,
    /// `field=value`, `field__gt=value`, `field__in=1,2`, `field__isnull=true`
    Suffixes,
    /// `filter[field]=1,2`, `filter[field][gt]=value`
    Brackets,
}

/// How the server takes orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sorts {
    /// Not at all
    Never,
    /// `sort=a,-b`
    Prefixed,
    /// `sort=a:asc,b:desc`
    Suffixed,
    /// `order_by=a&order=desc`
    Separate,
}

type Params = Vec<(String, String)>;

/// Applies what it knows of `params` to `rows` and returns the rest.
pub fn apply(
    rows: &mut Vec<Value>,
    params: Params,
    dialect: Dialect,
    sorts: Sorts,
    search: Option<&str>,
    filters: bool,
) -> Params {
    let mut rest = Params::new();
    let mut orders: Vec<(String, bool)> = Vec::new();
    for (name, value) in params {
        let comparison = match dialect {
            Dialect::Equality | Dialect::Plural => None,
            Dialect::Suffixes => name.split_once("__"),
            Dialect::Brackets => bracketed(&name),
        };
        match (comparison, sorts) {
            (Some(_), _) if !filters => {}
            (Some((field, operator)), _) => keep(rows, field, operator, &value),
            (None, Sorts::Prefixed) if name == "sort" => {
                orders.extend(value.split(',').map(|column| match column.strip_prefix('-') {
                    Some(column) => (column.to_owned(), true),
                    None => (column.to_owned(), false),
                }));
            }
            (None, Sorts::Suffixed) if name == "sort" => {
                orders.extend(value.split(',').filter_map(|column| {
                    let (column, direction) = column.split_once(':')?;
                    Some((column.to_owned(), direction == "desc"))
                }));
            }
            (None, Sorts::Separate) if name == "order_by" => orders.insert(0, (value, false)),
            (None, Sorts::Separate) if name == "order" => {
                if let Some((_, descending)) = orders.first_mut() {
                    *descending = value == "desc";
                }
            }
            _ if search == Some(name.as_str()) => {
                let holds = |row: &Value| row["name"].as_str().is_some_and(|n| n.contains(&value));
                rows.retain(holds);
            }
            _ if dialect == Dialect::Plural => {
                rest.push((name.trim_end_matches("[]").to_owned(), value));
            }
            _ => rest.push((name, value)),
        }
    }
    rows.sort_by(|one, other| {
        let by = orders.iter().map(|(column, descending)| {
            match (one[column].is_null(), other[column].is_null()) {
                (false, false) if *descending => compare(&other[column], &one[column]),
                (false, false) => compare(&one[column], &other[column]),
                (one, other) => one.cmp(&other),
            }
        });
        by.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    rest
}

fn bracketed(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix("filter[")?.strip_suffix(']')?;
    Some(rest.split_once("][").unwrap_or((rest, "in")))
}

fn keep(rows: &mut Vec<Value>, field: &str, operator: &str, value: &str) {
    rows.retain(|row| {
        let cell = &row[field];
        let order = || match cell {
            Value::Null => None,
            Value::Number(number) => number.as_f64()?.partial_cmp(&value.parse::<f64>().ok()?),
            cell => Some(text(cell).as_str().cmp(value)),
        };
        match operator {
            "isnull" => cell.is_null() == (value == "true"),
            _ if cell.is_null() => false,
            "in" => value.split(',').any(|one| text(cell) == one),
            "not_in" => !value.split(',').any(|one| text(cell) == one),
            "ne" => text(cell) != value,
            "gt" => order() == Some(Ordering::Greater),
            "gte" => order().is_some_and(Ordering::is_ge),
            "lt" => order() == Some(Ordering::Less),
            "lte" => order().is_some_and(Ordering::is_le),
            "icontains" => text(cell).to_lowercase().contains(&value.to_lowercase()),
            "istartswith" => text(cell).to_lowercase().starts_with(&value.to_lowercase()),
            _ => true,
        }
    });
}

fn compare(one: &Value, other: &Value) -> Ordering {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        _ => text(one).cmp(&text(other)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
