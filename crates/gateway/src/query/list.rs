//! [pure] What is asked of a list or of one row, read from the parameters of a URL.

use std::fmt::Write as _;

use vantage_vista::{FilterOp, VistaQuery};

use super::{reading::Reading, window::Window};
use crate::{Limits, Problem, problem::listed, table_config::Table};

/// The names of parameters that are not columns.
pub(crate) const PARAMETERS: [&str; 9] =
    ["select", "order", "search", "page", "per_page", "offset", "limit", "cursor", "count"];

/// How the number of all rows is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Count {
    /// If the source says it with the rows.
    #[default]
    Known,
    /// Asked for, if the source did not say it.
    Exact,
    /// Not at all.
    None,
}

impl Count {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "known" => Self::Known,
            "exact" => Self::Exact,
            "none" => Self::None,
            _ => return None,
        })
    }
}

/// What is asked of a list.
#[derive(Clone, Debug)]
pub(crate) struct ListQuery {
    /// The filters, the search and the order.
    pub(crate) what: VistaQuery,
    /// The columns to show; `None` for all that may be seen.
    pub(crate) select: Option<Vec<String>>,
    pub(crate) window: Window,
    /// Whether the window was said, and not left to the defaults.
    pub(crate) has_window: bool,
    pub(crate) count: Count,
}

impl ListQuery {
    /// Reads the parameters of a URL.
    ///
    /// # Errors
    /// 400 that names each parameter, operator and column that does not exist, and what does.
    pub(crate) fn parse(
        table: &Table,
        pairs: &[(String, String)],
        limits: &Limits,
    ) -> Result<Self, Problem> {
        let mut reading = Reading::new(table, limits);
        for (name, value) in pairs {
            reading.parameter(name, value);
        }
        reading.finish()
    }

    /// As [`parse`](Self::parse), for a part of the table: no filter is required of it.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn parse_part(
        table: &Table,
        pairs: &[(String, String)],
        limits: &Limits,
    ) -> Result<Self, Problem> {
        let mut reading = Reading::new(table, limits);
        reading.is_part = true;
        for (name, value) in pairs {
            reading.parameter(name, value);
        }
        reading.finish()
    }

    /// Reads filters alone, for a write of many rows.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and if there is no filter or something else.
    pub(crate) fn parse_filters(
        table: &Table,
        pairs: &[(String, String)],
        limits: &Limits,
    ) -> Result<VistaQuery, Problem> {
        let query = Self::parse(table, pairs, limits)?;
        if let Some((name, _)) = pairs.iter().find(|(name, _)| PARAMETERS.contains(&name.as_str()))
        {
            return Err(Problem::bad_request("unknown_parameter", "a write takes filters alone")
                .with_error(name, "it is not a filter"));
        }
        if query.what.conditions.is_empty() {
            return Err(Problem::bad_request(
                "filter_required",
                "a write of many rows needs a filter",
            ));
        }
        Ok(query.what)
    }

    /// Appends what is the same for equal filters, searches and orders, and different for others.
    pub(crate) fn write_what(&self, key: &mut String) {
        if self.narrows() {
            key.push_str(&self.what.key());
        }
    }

    /// Whether it asks for some rows, or for an order of them.
    pub(crate) fn narrows(&self) -> bool {
        let what = &self.what;
        !what.conditions.is_empty() || what.search.is_some() || what.order.is_some()
    }

    /// Appends what is the same for equal queries with equal filters, search and order, and
    /// different for others.
    pub(crate) fn write_part(&self, key: &mut String) {
        let count = self.count;
        // A `String` takes everything.
        let _ = match &self.window {
            Window::Page { page, per_page } => write!(key, "p{page}.{per_page}"),
            Window::Offset { offset, limit } => write!(key, "o{offset}.{limit}"),
            Window::Cursor { cursor, limit } => write!(key, "c{}:{cursor}.{limit}", cursor.len()),
        };
        let _ = write!(key, ";{count:?};");
        match &self.select {
            None => key.push('*'),
            Some(columns) => {
                for column in columns {
                    let _ = write!(key, "{}:{column}", column.len());
                }
            }
        }
    }
}

/// What is asked of one row.
#[derive(Clone, Debug)]
pub(crate) struct RowQuery {
    /// The columns to show; `None` for all that may be seen.
    pub(crate) select: Option<Vec<String>>,
}

impl RowQuery {
    /// # Errors
    /// 400 for anything but a `select` of columns that exist.
    pub(crate) fn parse(table: &Table, pairs: &[(String, String)]) -> Result<Self, Problem> {
        let mut select = None;
        let mut errors = Vec::new();
        for (name, value) in pairs {
            match name.as_str() {
                "select" if select.is_some() => errors.push((name, "it occurs twice".to_owned())),
                "select" => match columns(table, value) {
                    Ok(columns) => select = Some(columns),
                    Err(what) => errors.push((name, what)),
                },
                _ => errors.push((name, "there is no such parameter; there is: select".to_owned())),
            }
        }
        if errors.is_empty() {
            return Ok(Self { select });
        }
        let problem = Problem::bad_request("invalid_query", "the query is not one of this row");
        Err(errors
            .into_iter()
            .fold(problem, |problem, (name, what)| problem.with_error(name, what)))
    }
}

/// The columns of a `select`.
///
/// # Errors
/// The first that cannot be seen, and those that can.
pub(super) fn columns(table: &Table, text: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    check_columns(table, &names)?;
    Ok(names)
}

pub(super) fn check_columns(table: &Table, names: &[String]) -> Result<(), String> {
    if names.is_empty() {
        return Err("it names no column".to_owned());
    }
    for (nth, name) in names.iter().enumerate() {
        if !table.column(name).is_some_and(|column| column.readable) {
            let seen = table.names(|column| column.readable);
            return Err(format!("there is no column {name:?}; there are: {}", listed(seen)));
        }
        if names.iter().take(nth).any(|other| other == name) {
            return Err(format!("the column {name:?} is named twice"));
        }
    }
    Ok(())
}

/// The name of an operator for a message.
pub(crate) fn operator_name(op: FilterOp) -> &'static str {
    match op {
        FilterOp::Eq => "eq",
        FilterOp::Ne => "neq",
        FilterOp::Gt => "gt",
        FilterOp::Gte => "gte",
        FilterOp::Lt => "lt",
        FilterOp::Lte => "lte",
        FilterOp::InSet => "in",
        FilterOp::NotInSet => "nin",
        FilterOp::Like => "like",
        _ => "?",
    }
}
