//! [pure] A query as it is read: what was understood of it, and what was not.

use vantage_vista::{Condition, SortDirection, VistaQuery};

use super::{
    filter::{self, Filter},
    list::{Count, ListQuery, PARAMETERS, check_columns, columns},
    window::Given,
};
use crate::{
    Limits, Problem,
    problem::listed,
    table_config::{Table, TableColumn},
};

/// A query that is being read: what was understood, and what was not.
pub(super) struct Reading<'a> {
    table: &'a Table,
    limits: &'a Limits,
    /// Whether it is of a part of the table, which needs no more filters.
    pub(super) is_part: bool,
    pub(super) given: Given,
    select: Option<Vec<String>>,
    count: Option<Count>,
    order: Option<(String, SortDirection)>,
    search: Option<String>,
    conditions: Vec<Condition>,
    errors: Vec<(String, String)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(table: &'a Table, limits: &'a Limits) -> Self {
        Self {
            table,
            limits,
            is_part: false,
            given: Given::default(),
            select: None,
            count: None,
            order: None,
            search: None,
            conditions: Vec::new(),
            errors: Vec::new(),
        }
    }

    pub(super) fn limits(&self) -> &'a Limits {
        self.limits
    }

    pub(super) fn wrong(&mut self, pointer: &str, what: impl Into<String>) {
        // A client needs no list of a thousand slips.
        if self.errors.len() < 20 {
            self.errors.push((pointer.to_owned(), what.into()));
        }
    }

    pub(super) fn parameter(&mut self, name: &str, value: &str) {
        let number = || value.parse::<usize>().ok();
        let is_taken = match name {
            "page" => set(&mut self.given.page, number()),
            "per_page" => set(&mut self.given.per_page, number()),
            "offset" => set(&mut self.given.offset, number()),
            "limit" => set(&mut self.given.limit, number()),
            "cursor" => set(&mut self.given.cursor, Some(value.to_owned())),
            "count" => set(&mut self.count, Count::parse(value)),
            "search" => return self.search(value),
            "select" => {
                match columns(self.table, value) {
                    Ok(_) if self.select.is_some() => self.wrong(name, "it occurs twice"),
                    Ok(columns) => self.select = Some(columns),
                    Err(what) => self.wrong(name, what),
                }
                return;
            }
            "order" => return self.order(value),
            _ => return self.filter(name, value),
        };
        match is_taken {
            Taken::Yes => {}
            Taken::Twice => self.wrong(name, "it occurs twice"),
            Taken::No if name == "count" => self.wrong(name, "it is one of: known, exact, none"),
            Taken::No => self.wrong(name, "it must be a whole number, not below 0"),
        }
    }

    pub(super) fn set_count(&mut self, value: &str) {
        match Count::parse(value) {
            Some(count) => self.count = Some(count),
            None => self.wrong("count", "it is one of: known, exact, none"),
        }
    }

    pub(super) fn set_select(&mut self, names: Vec<String>) {
        match check_columns(self.table, &names) {
            Ok(()) => self.select = Some(names),
            Err(what) => self.wrong("select", what),
        }
    }

    pub(super) fn search(&mut self, text: &str) {
        if !self.table.searches {
            self.wrong("search", "this table cannot be searched");
        } else if self.search.is_some() {
            self.wrong("search", "it occurs twice");
        } else if text.is_empty() {
            self.wrong("search", "it needs a text to find");
        } else {
            self.search = Some(text.to_owned());
        }
    }

    pub(super) fn order(&mut self, text: &str) {
        let (column, direction) = match text.rsplit_once('.') {
            Some((column, "asc")) => (column, SortDirection::Ascending),
            Some((column, "desc")) => (column, SortDirection::Descending),
            _ => (text, SortDirection::Ascending),
        };
        let can = |column: &TableColumn| column.orderable && column.readable;
        if text.contains(',') {
            self.wrong("order", "rows come in the order of one column");
        } else if self.order.is_some() {
            self.wrong("order", "it occurs twice");
        } else if self.table.column(column).is_some_and(can) {
            self.order = Some((column.to_owned(), direction));
        } else {
            let all = listed(self.table.names(can));
            self.wrong("order", format!("write column or column.desc, with one of: {all}"));
        }
    }

    fn filter(&mut self, name: &str, value: &str) {
        let Some(column) = self.filterable(name, name) else { return };
        match filter::parse(value, column.kind, self.limits.max_list_values) {
            Ok(filter) => self.add(name, filter),
            Err(what) => self.wrong(name, what),
        }
    }

    /// The column of this name, if it may be filtered by.
    pub(super) fn filterable(&mut self, name: &str, pointer: &str) -> Option<&'a TableColumn> {
        let column = self.table.column(name).filter(|column| column.filterable);
        if column.is_some() {
            return column;
        }
        let all = listed(self.table.names(|column| column.filterable));
        match name {
            "or" | "and" => self.wrong(pointer, "filters are not joined: all of them must be met"),
            _ => {
                let parameters = listed(PARAMETERS);
                self.wrong(
                    pointer,
                    format!(
                        "there is no such parameter or column; parameters are: {parameters}; \
                         columns to filter by are: {all}"
                    ),
                );
            }
        }
        None
    }

    pub(super) fn add(&mut self, column: &str, (op, value): Filter) {
        if self.conditions.len() == self.limits.max_filters {
            let most = self.limits.max_filters;
            return self.wrong(column, format!("a query has at most {most} filters"));
        }
        self.conditions.push(Condition::new(column, op, value));
    }

    /// # Errors
    /// 400 with all that was not understood.
    pub(super) fn finish(mut self) -> Result<ListQuery, Problem> {
        for name in self.table.required_filters.iter().filter(|_| !self.is_part) {
            if !self.conditions.iter().any(|condition| condition.column == *name) {
                self.errors.push((name.clone(), "this table is read with this filter".to_owned()));
            }
        }
        let has_window = !self.given.is_empty();
        let window = match std::mem::take(&mut self.given).window(self.table) {
            Ok(window) => Some(window),
            Err((name, what)) => {
                self.wrong(name, what);
                None
            }
        };
        match window {
            Some(window) if self.errors.is_empty() => {
                let mut what = VistaQuery::new();
                (what.conditions, what.search) = (self.conditions, self.search);
                what.order = self.order;
                let (select, count) = (self.select, self.count.unwrap_or_default());
                Ok(ListQuery { what, select, window, has_window, count })
            }
            _ => {
                let problem =
                    Problem::bad_request("invalid_query", "the query is not one of this table");
                let add = |problem: Problem, (name, what)| problem.with_error(name, what);
                Err(self.errors.into_iter().fold(problem, add))
            }
        }
    }
}

/// What became of a parameter.
enum Taken {
    Yes,
    Twice,
    No,
}

fn set<T>(place: &mut Option<T>, value: Option<T>) -> Taken {
    match (place.is_some(), value) {
        (_, None) => Taken::No,
        (true, _) => Taken::Twice,
        (false, value) => {
            *place = value;
            Taken::Yes
        }
    }
}
