//! [pure] What an API is asked for: which conditions and orders it takes, and by which requests.

use std::collections::HashSet;

use ciborium::Value;
use datafusion::logical_expr::Expr;
use vantage_api_ingest::{description::Collation, schema::ColumnType};
use vantage_api_pool::{
    PoolApi,
    vantage::{ApiCondition, PoolTableExt, Preview},
};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use super::{Wanted, condition_of};
use crate::{
    error::SqlError,
    table::{Source, SourceColumn, Trust},
};

/// What a query asks of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) conditions: Vec<ApiCondition>,
    /// Columns, and whether they descend.
    pub(crate) orders: Vec<(String, bool)>,
    /// The columns that are needed, if the API is told.
    pub(crate) fields: Option<String>,
}

/// A part of the rows that one request and its next pages return.
pub(crate) struct Read {
    pub(crate) table: Table<PoolApi, EmptyEntity>,
    /// The conditions that its rows meet.
    pub(crate) conditions: Vec<ApiCondition>,
    /// The URL of its first page, as a preview shows it.
    pub(crate) url: String,
}

impl Read {
    /// The value that rows were asked for in a column.
    pub(crate) fn asked(&self, column: &str) -> Option<&Value> {
        self.table.conditions().find_map(|condition| match condition {
            ApiCondition::Eq { field, value } if field == column => Some(value),
            _ => None,
        })
    }
}

impl Source {
    /// The condition of each filter that the API takes, together with those of the filters before, and
    /// whether its rows need not be checked.
    pub(crate) fn taken(&self, filters: &[&Expr]) -> Vec<Option<Wanted>> {
        let mut taken: Vec<ApiCondition> = Vec::new();
        let mut each = Vec::with_capacity(filters.len());
        for filter in filters {
            let wanted = condition_of(filter, &self.columns, &self.settings);
            each.push(wanted.and_then(|Wanted { condition, is_exact }| {
                taken.push(condition.clone());
                if !self.takes(&taken, &[]) {
                    taken.pop();
                    return None;
                }
                let is_trusted = self.trust == Trust::Exact || self.is_of_parameter(&condition);
                Some(Wanted { condition, is_exact: is_exact && is_trusted })
            }));
        }
        each
    }

    /// Whether the API takes all of these conditions and orders, by few requests.
    pub(crate) fn takes(&self, conditions: &[ApiCondition], orders: &[(String, bool)]) -> bool {
        let is_open = |name: &&String| {
            !conditions.iter().any(|condition| condition.field() == Some(name.as_str()))
        };
        let mut all = conditions.to_vec();
        let filled = self.placeholders.iter().filter(is_open);
        all.extend(filled.map(|name| ApiCondition::eq(name, self.example(name))));
        let preview = self.narrowed(&all, orders, None).preview();
        let most = if orders.is_empty() { self.settings.max_keys.max(1) } else { 1 };
        preview.on_rows.is_empty()
            && preview.unresolved.is_empty()
            && preview.requests.len() <= most
            && (preview.requests.len() < 2 || self.lists_are_apart(&all))
    }

    /// Whether no row can meet these conditions.
    pub(crate) fn is_empty(&self, conditions: &[ApiCondition]) -> bool {
        let preview = self.narrowed(conditions, &[], None).preview();
        preview.requests.is_empty() && preview.unresolved.is_empty()
    }

    /// The requests for the rows of `request`. None if no row can be among them.
    ///
    /// # Errors
    /// If the path needs a value that the request does not have, or the API does not take it.
    pub(crate) fn reads(&self, request: &Request) -> Result<Vec<Read>, SqlError> {
        let mut open = vec![request.conditions.clone()];
        let mut reads = Vec::new();
        while let Some(conditions) = open.pop() {
            let table = self.narrowed(&conditions, &request.orders, request.fields.as_deref());
            let Preview { mut requests, on_rows, unresolved, .. } = table.preview();
            if let Some(what) = unresolved.into_iter().chain(on_rows).next() {
                return Err(SqlError::table(&self.name, self.refusal(&conditions, &what)));
            }
            match requests.len() {
                0 => {}
                1 if !self.has_many(&conditions) => {
                    let url = self.unmasked(requests.pop().unwrap_or_default(), request);
                    reads.push(Read { table, conditions, url });
                }
                several => open.extend(self.split(&conditions, several)?.into_iter().rev()),
            }
        }
        Ok(reads)
    }

    /// Conditions that together ask for the same rows: one list in so many parts.
    fn split(
        &self,
        conditions: &[ApiCondition],
        parts: usize,
    ) -> Result<Vec<Vec<ApiCondition>>, SqlError> {
        let is_list = |condition: &&ApiCondition| matches!(condition, ApiCondition::In { .. });
        let of_parameter = conditions.iter().find(|one| is_list(one) && self.is_of_parameter(one));
        let longest = conditions.iter().filter(is_list).max_by_key(|list| values_in(list).len());
        let Some(list @ ApiCondition::In { field, values }) = of_parameter.or(longest) else {
            return Err(SqlError::table(&self.name, "the API takes several requests for it"));
        };
        let parts = if of_parameter.is_some() { values.len() } else { parts };
        let each = values.len().div_ceil(parts.clamp(1, values.len().max(1))).max(1);
        // A list that is one request by its size and still several is split in the middle.
        let each = if each < values.len() { each } else { values.len().div_ceil(2).max(1) };
        let others = || conditions.iter().filter(|one| *one != list).cloned();
        let split = values.chunks(each).map(|part| {
            others().chain([ApiCondition::is_in(field, part.iter().cloned())]).collect()
        });
        Ok(split.collect())
    }

    /// Whether a column of a parameter has several values, each of which is a request of its own.
    fn has_many(&self, conditions: &[ApiCondition]) -> bool {
        let is_list = |condition: &&ApiCondition| matches!(condition, ApiCondition::In { .. });
        conditions.iter().filter(is_list).any(|list| self.is_of_parameter(list))
    }

    fn is_of_parameter(&self, condition: &ApiCondition) -> bool {
        let column = condition.field().and_then(|field| self.columns.get(field));
        column.is_some_and(|column| column.is_parameter)
    }

    fn lists_are_apart(&self, conditions: &[ApiCondition]) -> bool {
        let of_rows = conditions.iter().filter(|condition| !self.is_of_parameter(condition));
        of_rows.map(values_in).all(|values| self.are_apart(values))
    }

    /// Whether no row can be in the answers to two of these values: texts that differ may be the
    /// same to an API.
    pub(crate) fn are_apart(&self, values: &[Value]) -> bool {
        let folded = values.iter().map(|value| match value {
            Value::Text(text) => text.trim().to_lowercase(),
            value => format!("{value:?}"),
        });
        let mut known = HashSet::new();
        self.settings.collation == Some(Collation::Binary)
            || folded.into_iter().all(|value| known.insert(value))
    }

    /// A value that a placeholder could have.
    pub(crate) fn example(&self, name: &str) -> Value {
        match self.columns.get(name).map(|column| column.kind) {
            Some(ColumnType::Int) => 1.into(),
            Some(ColumnType::Float) => 1.0.into(),
            Some(ColumnType::Bool) => true.into(),
            _ => "x".into(),
        }
    }

    fn refusal(&self, conditions: &[ApiCondition], what: &str) -> String {
        let is_open = |name: &&String| {
            !conditions.iter().any(|condition| condition.field() == Some(name.as_str()))
        };
        match self.placeholders.iter().find(is_open) {
            Some(name) => {
                let or = match self.placeholders.len() {
                    1 => ", or join it",
                    _ => "; of a path with several placeholders none is joined",
                };
                format!("its path needs a value for `{name}`: compare the column with one{or}")
            }
            None => what.to_owned(),
        }
    }

    /// A URL of a preview, which masks what tables have in their paths, with the fields that were
    /// put there.
    fn unmasked(&self, url: String, request: &Request) -> String {
        match &request.fields {
            Some(fields) => {
                let name = fields.split('=').next().unwrap_or_default();
                url.replacen(&format!("{name}=***"), fields, 1)
            }
            None => url,
        }
    }

    /// The parameter with the fields of these columns, if the API takes it.
    pub(crate) fn fields_of<'c>(
        &self,
        columns: impl Iterator<Item = &'c SourceColumn>,
    ) -> Option<String> {
        let param = self.settings.fields.as_deref()?;
        let mut keys: Vec<&str> = Vec::new();
        for key in columns.filter_map(|column| column.path.first()) {
            if !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return None;
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair(param, &keys.join(","));
        Some(query.finish())
    }
}

fn values_in(condition: &ApiCondition) -> &[Value] {
    match condition {
        ApiCondition::In { values, .. } => values,
        _ => &[],
    }
}
