//! [pure] How an API is asked for conditions, searches and orders, in YAML.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use vantage_core::Result;

use super::incorrect;
use crate::vantage::{Filters, Lists, Operator, Ordering};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FiltersBlock {
    style: FilterStyle,
    /// The family of brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<String>,
    /// Forms such as `{field}__gt={value}`; null for an operator that is not taken.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    operators: IndexMap<Operator, Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lists: Option<ListStyle>,
    /// Between the values of joined lists: a comma by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    separator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_in_values: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<Vec<String>>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    parameters: IndexMap<String, String>,
    /// The parameter of the API's own search.
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FilterStyle {
    None,
    #[default]
    Equality,
    Suffixes,
    Brackets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ListStyle {
    Unsent,
    Joined,
    Repeated,
    Requests,
}

impl FiltersBlock {
    /// # Errors
    /// `IncorrectUsage` for a setting that the style does not have, and for a form
    /// that is no parameter.
    pub(super) fn settings(&self) -> Result<Filters> {
        let mut filters = match (self.style, &self.family) {
            (FilterStyle::Brackets, family) => Filters::brackets(family.as_deref().unwrap_or("")),
            (_, Some(_)) => return Err(incorrect("`family` belongs to the style `brackets`")),
            (FilterStyle::None, None) => Filters::none(),
            (FilterStyle::Equality, None) => Filters::equality(),
            (FilterStyle::Suffixes, None) => Filters::suffixes(),
        };
        for (operator, form) in &self.operators {
            filters = match form {
                Some(form) => filters.operator(*operator, form),
                None => filters.without(*operator),
            };
        }
        let separator = || self.separator.clone().unwrap_or_else(|| ",".to_owned());
        filters = match self.lists {
            Some(ListStyle::Joined) => filters.lists(Lists::Joined(separator())),
            _ if self.separator.is_some() => {
                return Err(incorrect("`separator` belongs to `lists: joined`"));
            }
            Some(ListStyle::Unsent) => filters.lists(Lists::Unsent),
            Some(ListStyle::Repeated) => filters.lists(Lists::Repeated),
            Some(ListStyle::Requests) => filters.lists(Lists::Requests),
            None => filters,
        };
        if let Some(values) = self.max_in_values {
            filters = filters.max_in_values(values);
        }
        if let Some(columns) = &self.only {
            filters = filters.only(columns.iter().cloned());
        }
        for (column, name) in &self.parameters {
            filters = filters.parameter(column, name);
        }
        if let Some(search) = &self.search {
            filters = filters.search_param(search);
        }
        filters.check()?;
        Ok(filters)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderBlock {
    style: OrderStyle,
    /// The parameter with the columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    /// The parameter with the direction, in the style `separate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    direction_param: Option<String>,
    /// Between column and direction in the style `suffixed`: a colon by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    between: Option<String>,
    /// The words for ascending and descending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    words: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    only: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    parameters: IndexMap<String, String>,
    #[serde(default)]
    on_rows: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OrderStyle {
    None,
    Prefixed,
    Suffixed,
    Separate,
}

impl OrderBlock {
    /// # Errors
    /// `IncorrectUsage` for a setting that the style lacks or does not have.
    pub(super) fn settings(&self) -> Result<Ordering> {
        let param = || self.param.clone().ok_or_else(|| incorrect("`order` has no `param`"));
        let mut ordering = match self.style {
            OrderStyle::None => Ordering::none(),
            OrderStyle::Prefixed => Ordering::prefixed(param()?),
            OrderStyle::Suffixed => {
                Ordering::suffixed(param()?, self.between.as_deref().unwrap_or(":"))
            }
            OrderStyle::Separate => {
                let direction = self.direction_param.as_deref();
                let direction = direction
                    .ok_or_else(|| incorrect("the order `separate` has no `direction_param`"))?;
                Ordering::separate(param()?, direction)
            }
        };
        let style = self.style;
        self.only_with(style != OrderStyle::None, self.param.is_some(), "param")?;
        self.only_with(style == OrderStyle::Suffixed, self.between.is_some(), "between")?;
        let is_separate = style == OrderStyle::Separate;
        self.only_with(is_separate, self.direction_param.is_some(), "direction_param")?;
        let has_words = is_separate || style == OrderStyle::Suffixed;
        self.only_with(has_words, self.words.is_some(), "words")?;
        if let Some((ascending, descending)) = &self.words {
            ordering = ordering.words(ascending, descending);
        }
        if let Some(columns) = &self.only {
            ordering = ordering.only(columns.iter().cloned());
        }
        for (column, name) in &self.parameters {
            ordering = ordering.parameter(column, name);
        }
        Ok(ordering.on_rows(self.on_rows))
    }

    fn only_with(&self, has_style: bool, is_set: bool, setting: &str) -> Result<()> {
        match is_set && !has_style {
            true => Err(incorrect(&format!("this style of order has no `{setting}`"))),
            false => Ok(()),
        }
    }
}
