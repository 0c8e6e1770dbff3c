//! [pure] How an API is asked for conditions, searches and orders, in YAML.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use vantage_core::Result;

use super::incorrect;
use crate::vantage::{Combined, Filters, Lists, Operator, Sorting};

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
    /// How single columns are asked for.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    columns: IndexMap<String, FiltersBlock>,
    /// How conditions are asked for together.
    #[serde(skip_serializing_if = "Option::is_none")]
    combined: Option<CombinedBlock>,
    /// The words for true and false.
    #[serde(skip_serializing_if = "Option::is_none")]
    booleans: Option<(String, String)>,
    /// Whether a parameter without text asks for rows without text.
    #[serde(skip_serializing_if = "Option::is_none")]
    blank_texts: Option<bool>,
    /// Whether white space around texts is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    trims_texts: Option<bool>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CombinedBlock {
    style: CombinedStyle,
    param: String,
    /// The key that the conditions lie under, in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    under: Option<String>,
    /// The keys of the field, the operator and the value, in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keys: Option<(String, String, String)>,
    /// Words, or forms in an expression; null for an operator that is not taken.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    operators: IndexMap<Operator, Option<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CombinedStyle {
    Json,
    JsonList,
    Odata,
}

impl CombinedBlock {
    fn settings(&self) -> Result<Combined> {
        let mut combined = match self.style {
            CombinedStyle::Json => Combined::json(&self.param),
            CombinedStyle::JsonList => Combined::json_list(&self.param),
            CombinedStyle::Odata => Combined::odata(&self.param),
        };
        if let Some(key) = &self.under {
            if self.style == CombinedStyle::Odata {
                return Err(incorrect("`under` belongs to conditions in JSON"));
            }
            combined = combined.under(key);
        }
        if let Some((field, operator, value)) = &self.keys {
            if self.style != CombinedStyle::JsonList {
                return Err(incorrect("`keys` belongs to the style `json_list`"));
            }
            combined = combined.keys(field, operator, value);
        }
        for (operator, word) in &self.operators {
            combined = match word {
                Some(word) => combined.operator(*operator, word),
                None => combined.without(*operator),
            };
        }
        Ok(combined)
    }
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
        for (column, own) in &self.columns {
            filters = filters.column(column, own.settings()?);
        }
        if let Some(combined) = &self.combined {
            filters = filters.combined(combined.settings()?);
        }
        if let Some((yes, no)) = &self.booleans {
            filters = filters.booleans(yes, no);
        }
        if let Some(yes) = self.blank_texts {
            filters = filters.blank_texts(yes);
        }
        if let Some(yes) = self.trims_texts {
            filters = filters.trims_texts(yes);
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
    /// The parameter with a column that descends, in the style `by_direction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    descending_param: Option<String>,
    /// Between several columns in the style `separate`, which takes one without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    joined: Option<String>,
    /// `name=value` with `{columns}`, in the style `template`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    form: Option<String>,
    /// What stands for each column there, with `{column}` and `{direction}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    /// Between column and direction in the style `suffixed`: a colon by default. Between
    /// columns in the style `template`: a comma by default.
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
    ByDirection,
    Template,
}

impl OrderBlock {
    /// # Errors
    /// `IncorrectUsage` for a setting that the style lacks or does not have.
    pub(super) fn settings(&self) -> Result<Sorting> {
        let param = || self.param.clone().ok_or_else(|| incorrect("`order` has no `param`"));
        let mut sorting = match self.style {
            OrderStyle::None => Sorting::none(),
            OrderStyle::Prefixed => Sorting::prefixed(param()?),
            OrderStyle::Suffixed => {
                Sorting::suffixed(param()?, self.between.as_deref().unwrap_or(":"))
            }
            OrderStyle::Separate => {
                let direction = self.direction_param.as_deref();
                let direction = direction
                    .ok_or_else(|| incorrect("the order `separate` has no `direction_param`"))?;
                let sorting = Sorting::separate(param()?, direction);
                match &self.joined {
                    Some(between) => sorting.joined(between),
                    None => sorting,
                }
            }
            OrderStyle::ByDirection => {
                let descending = self.descending_param.as_deref().ok_or_else(|| {
                    incorrect("the order `by_direction` has no `descending_param`")
                })?;
                Sorting::by_direction(param()?, descending)
            }
            OrderStyle::Template => {
                let form = self.form.as_deref().filter(|form| {
                    form.split_once('=').is_some_and(|(_, value)| value.contains("{columns}"))
                });
                let form = form.ok_or_else(|| {
                    incorrect("the order `template` has no `form` such as `sort={columns}`")
                })?;
                let column = self.column.as_deref().filter(|column| column.contains("{column}"));
                let column = column.ok_or_else(|| {
                    incorrect("the order `template` has no `column` with `{column}`")
                })?;
                Sorting::template(form, column, self.between.as_deref().unwrap_or(","))
            }
        };
        let style = self.style;
        let is_template = style == OrderStyle::Template;
        let has_param = style != OrderStyle::None && !is_template;
        self.only_with(has_param, self.param.is_some(), "param")?;
        let has_between = style == OrderStyle::Suffixed || is_template;
        self.only_with(has_between, self.between.is_some(), "between")?;
        let is_separate = style == OrderStyle::Separate;
        self.only_with(is_separate, self.joined.is_some(), "joined")?;
        let is_by_direction = style == OrderStyle::ByDirection;
        self.only_with(is_by_direction, self.descending_param.is_some(), "descending_param")?;
        self.only_with(is_template, self.form.is_some(), "form")?;
        self.only_with(is_template, self.column.is_some(), "column")?;
        self.only_with(is_separate, self.direction_param.is_some(), "direction_param")?;
        let has_words = is_separate || is_template || style == OrderStyle::Suffixed;
        self.only_with(has_words, self.words.is_some(), "words")?;
        if let Some((ascending, descending)) = &self.words {
            sorting = sorting.words(ascending, descending);
        }
        if let Some(columns) = &self.only {
            sorting = sorting.only(columns.iter().cloned());
        }
        for (column, name) in &self.parameters {
            sorting = sorting.parameter(column, name);
        }
        Ok(sorting.on_rows(self.on_rows))
    }

    fn only_with(&self, has_style: bool, is_set: bool, setting: &str) -> Result<()> {
        match is_set && !has_style {
            true => Err(incorrect(&format!("this style of order has no `{setting}`"))),
            false => Ok(()),
        }
    }
}
