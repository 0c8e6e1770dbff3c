//! [pure] How an API takes orders, and which ones.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use vantage_core::VantageError;
use vantage_table::sorting::SortDirection;

use super::custom::CustomForm;
use crate::vantage::{
    condition::ApiCondition,
    error::{incorrect, refused},
    order::{OrderPlan, SortBy},
    parameter::Parameters,
};

/// How an API takes orders, and which ones.
///
/// By default it takes none, and a table with an order is `Unsupported` when it is read.
///
/// ```
/// use vantage_api_pool::vantage::Sorting;
///
/// let prefixed = Sorting::prefixed("sort"); // `sort=name,-population`
/// let suffixed = Sorting::suffixed("sort", ":"); // `sort=name:asc,population:desc`
/// let separate = Sorting::separate("order_by", "order"); // `order_by=name&order=desc`
/// let some = prefixed.only(["name"]).on_rows(true);
/// let lists = Sorting::separate("_sort", "_order").joined(","); // `_sort=a,b&_order=asc,desc`
/// let one = Sorting::by_direction("_sort", "_sort_desc"); // `_sort_desc=name`
/// // `sort=[["name","asc"],["population","desc"]]`
/// let json = Sorting::template("sort=[{columns}]", r#"["{column}","{direction}"]"#, ",");
/// # let _ = (suffixed, separate, some, lists, one, json);
/// ```
///
/// # As data
///
/// In YAML and other formats `style` is `none`, `prefixed`, `suffixed`, `separate`, `by_direction`
/// or `template`. Next to it are the fields of that style, named as in the examples, and the other
/// settings by the names of their methods:
///
/// ```yaml
/// { style: prefixed, param: sort, only: [name], on_rows: true }
/// { style: suffixed, param: sort, between: ' ', words: [up, down] }
/// { style: separate, param: _sort, direction_param: _order, joined: ',' }
/// { style: by_direction, param: _sort, descending_param: _sort_desc }
/// { style: template, form: 'sort=[{columns}]', column: '["{column}","{direction}"]' }
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[must_use]
pub struct Sorting {
    #[serde(default)]
    words: Option<(String, String)>,
    #[serde(default)]
    only: Option<Vec<String>>,
    /// The API's names for columns in an order.
    #[serde(default)]
    parameters: IndexMap<String, String>,
    #[serde(default)]
    on_rows: bool,
    /// Deserialized last: it refuses every key that is left.
    #[serde(flatten)]
    style: SortStyle,
}

// Serde ignores extra keys beside a unit variant, so `None` has braces.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "style", rename_all = "snake_case", deny_unknown_fields)]
enum SortStyle {
    None {},
    Prefixed {
        param: String,
    },
    Suffixed {
        param: String,
        /// Between a column and its direction.
        #[serde(default = "colon")]
        between: String,
    },
    Separate {
        param: String,
        direction_param: String,
        /// Between columns, and between directions.
        #[serde(default)]
        joined: Option<String>,
    },
    ByDirection {
        param: String,
        descending_param: String,
    },
    Template {
        form: String,
        column: String,
        /// Between columns.
        #[serde(default = "comma")]
        between: String,
    },
    #[serde(skip)]
    Custom(CustomForm<SortForm>),
}

fn colon() -> String {
    ":".to_owned()
}

fn comma() -> String {
    ",".to_owned()
}

impl Default for Sorting {
    fn default() -> Self {
        Self::of(SortStyle::None {})
    }
}

type SortForm = dyn Fn(&[(String, SortDirection)]) -> Option<Parameters> + Send + Sync;

impl Sorting {
    fn of(style: SortStyle) -> Self {
        let (words, only, parameters) = (None, None, IndexMap::new());
        Self { words, only, parameters, on_rows: false, style }
    }

    /// The API takes no orders.
    pub fn none() -> Self {
        Self::default()
    }

    /// One parameter with the columns, with `-` before descending ones: `sort=name,-population`.
    pub fn prefixed(param: impl Into<String>) -> Self {
        Self::of(SortStyle::Prefixed { param: param.into() })
    }

    /// One parameter with the columns and their directions, with `between` between the two:
    /// `sort=name:asc,population:desc`.
    pub fn suffixed(param: impl Into<String>, between: impl Into<String>) -> Self {
        Self::of(SortStyle::Suffixed { param: param.into(), between: between.into() })
    }

    /// One parameter with the column, and one with the direction:
    /// `order_by=name&order=desc`. Only one column is supported.
    pub fn separate(param: impl Into<String>, direction_param: impl Into<String>) -> Self {
        let (param, direction_param) = (param.into(), direction_param.into());
        Self::of(SortStyle::Separate { param, direction_param, joined: None })
    }

    /// In the style [`separate`](Self::separate), allows several columns and directions, joined by
    /// `between`: `_sort=a,b&_order=asc,desc`. Other styles take several anyway.
    pub fn joined(mut self, between: impl Into<String>) -> Self {
        if let SortStyle::Separate { joined, .. } = &mut self.style {
            *joined = Some(between.into());
        }
        self
    }

    /// The column in one of two parameters, by the direction: `_sort=name` or
    /// `_sort_desc=name`. Only one column is supported.
    pub fn by_direction(param: impl Into<String>, descending_param: impl Into<String>) -> Self {
        let (param, descending_param) = (param.into(), descending_param.into());
        Self::of(SortStyle::ByDirection { param, descending_param })
    }

    /// One parameter by a template: `form` is `name=value` with `{columns}` in the value. That is
    /// replaced by `column` for each column, with its name for `{column}` and the word for its
    /// direction for `{direction}`, joined by `between`. A form without `=` or `{columns}` is
    /// refused, and a column name with a quotation mark or a backslash cannot be sent.
    pub fn template(
        form: impl Into<String>,
        column: impl Into<String>,
        between: impl Into<String>,
    ) -> Self {
        let (form, column, between) = (form.into(), column.into(), between.into());
        Self::of(SortStyle::Template { form, column, between })
    }

    /// The parameters that `form` makes of the columns, given by the API's names; `None` for an
    /// order that the API does not support.
    pub fn custom(
        form: impl Fn(&[(String, SortDirection)]) -> Option<Vec<(String, String)>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self::of(SortStyle::Custom(CustomForm(Arc::new(form))))
    }

    /// The API can order by these columns only. By default it can by all.
    pub fn only<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.only = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// The API's name for `column` in an order: by default the path of its
    /// [alias](crate::vantage::ApiTable::alias), or else its name.
    pub fn parameter(mut self, column: impl Into<String>, name: impl Into<String>) -> Self {
        self.parameters.insert(column.into(), name.into());
        self
    }

    /// # Errors
    /// `IncorrectUsage` for words that the style does not have, and for a template without
    /// its placeholders.
    pub(in crate::vantage) fn check(&self) -> Result<(), VantageError> {
        let has_words = matches!(
            self.style,
            SortStyle::Suffixed { .. } | SortStyle::Separate { .. } | SortStyle::Template { .. }
        );
        if self.words.is_some() && !has_words {
            return Err(incorrect("this style of sorting has no `words`"));
        }
        let SortStyle::Template { form, column, .. } = &self.style else { return Ok(()) };
        if !form.split_once('=').is_some_and(|(_, value)| value.contains("{columns}")) {
            return Err(incorrect("a template has a `form` such as `sort={columns}`"));
        }
        match column.contains("{column}") {
            true => Ok(()),
            false => Err(incorrect("a template has a `column` with `{column}`")),
        }
    }

    /// How `orders` are made; `name_of` returns the API's name for a column.
    ///
    /// # Errors
    /// `Unsupported` if an order is not by a column, or if the API does not support it
    /// and rows may not be sorted here.
    pub(in crate::vantage) fn to_plan<'a>(
        &self,
        orders: impl IntoIterator<Item = (&'a ApiCondition, SortDirection)>,
        name_of: impl Fn(&str) -> String,
        is_numeric: impl Fn(&str) -> bool,
    ) -> Result<OrderPlan, VantageError> {
        let mut by = Vec::new();
        for (condition, direction) in orders {
            let ApiCondition::Column { field } = condition else {
                return Err(refused("an order is by a column", &condition.to_string()));
            };
            by.push(SortBy {
                column: field.clone(),
                is_descending: direction == SortDirection::Descending,
                is_numeric: is_numeric(field),
            });
        }
        let Some(first) = by.first() else { return Ok(OrderPlan::default()) };
        let what = &first.column;
        match self.asked(&by, name_of) {
            Ok(parameters) => {
                Ok(OrderPlan { parameters, by, on_rows: self.on_rows, is_sent: true })
            }
            Err(_) if self.on_rows => Ok(OrderPlan { by, on_rows: true, ..OrderPlan::default() }),
            Err(why) => Err(refused(why, what)),
        }
    }

    /// The columns of the order by the API's names, each with whether it descends, or why there are
    /// none.
    fn named(
        &self,
        by: &[SortBy],
        name_of: impl Fn(&str) -> String,
    ) -> Result<Vec<(String, bool)>, &'static str> {
        let named = |SortBy { column, is_descending, .. }: &SortBy| {
            if self.only.as_ref().is_some_and(|only| !only.contains(column)) {
                return Err("the API cannot order by the column");
            }
            let name = self.parameters.get(column).cloned().unwrap_or_else(|| name_of(column));
            if name.is_empty() || name.contains(',') || name.starts_with('-') {
                return Err("the name of the column has no form in an order");
            }
            Ok((name, *is_descending))
        };
        by.iter().map(named).collect()
    }

    /// The API's word for a direction.
    fn word(&self, is_descending: bool) -> &str {
        match &self.words {
            Some((_, descending)) if is_descending => descending,
            Some((ascending, _)) => ascending,
            None if is_descending => "desc",
            None => "asc",
        }
    }

    /// The parameters that request the order, or why there are none.
    fn asked(
        &self,
        by: &[SortBy],
        name_of: impl Fn(&str) -> String,
    ) -> Result<Parameters, &'static str> {
        let columns = self.named(by, name_of)?;
        let word = |is_descending| self.word(is_descending);
        let joined = |between: &str, shown: &dyn Fn(&str, bool) -> String| {
            let columns = columns.iter().map(|(name, is_descending)| shown(name, *is_descending));
            columns.collect::<Vec<_>>().join(between)
        };
        match &self.style {
            SortStyle::None {} => Err("the API cannot be asked for an order"),
            SortStyle::Prefixed { param } => {
                let prefix = |is_descending| if is_descending { "-" } else { "" };
                let value = joined(",", &|name, descends| format!("{}{name}", prefix(descends)));
                Ok(vec![(param.clone(), value)])
            }
            SortStyle::Suffixed { param, between } => {
                let shown = |name: &str, descends| format!("{name}{between}{}", word(descends));
                Ok(vec![(param.clone(), joined(",", &shown))])
            }
            SortStyle::Separate { joined: None, .. } | SortStyle::ByDirection { .. }
                if columns.len() > 1 =>
            {
                Err("the API orders by one column")
            }
            SortStyle::Separate { param, direction_param, joined: between } => {
                let between = between.as_deref().unwrap_or_default();
                let names = joined(between, &|name, _| name.to_owned());
                let words = joined(between, &|_, descends| word(descends).to_owned());
                Ok(vec![(param.clone(), names), (direction_param.clone(), words)])
            }
            SortStyle::ByDirection { param, descending_param } => {
                let is_descending = columns.iter().any(|(_, is_descending)| *is_descending);
                let param = if is_descending { descending_param } else { param };
                Ok(vec![(param.clone(), joined("", &|name, _| name.to_owned()))])
            }
            SortStyle::Template { form, column, between } => {
                let has_form = |(name, _): &(String, bool)| !name.contains(['"', '\'', '\\']);
                let form = form.split_once('=').filter(|(_, value)| value.contains("{columns}"));
                let form =
                    form.filter(|(name, _)| !name.is_empty() && columns.iter().all(has_form));
                let (name, value) = form.ok_or("the name of the column has no form in an order")?;
                let each = joined(between, &|name, descends| {
                    column.replace("{direction}", word(descends)).replace("{column}", name)
                });
                Ok(vec![(name.to_owned(), value.replace("{columns}", &each))])
            }
            SortStyle::Custom(CustomForm(form)) => {
                let directed = |(name, is_descending)| match is_descending {
                    true => (name, SortDirection::Descending),
                    false => (name, SortDirection::Ascending),
                };
                let columns: Vec<_> = columns.into_iter().map(directed).collect();
                form(&columns)
                    .filter(|parameters| !parameters.is_empty())
                    .ok_or("the API does not take the order")
            }
        }
    }
}

setters! { Sorting {
    /// The words for the two directions: `asc` and `desc` by default. Prefixes have none.
    words(ascending: impl Into<String>, descending: impl Into<String>):
        words = Some((ascending.into(), descending.into()));
    /// Whether rows are sorted here if the API does not support the order. The whole set is
    /// read and held in memory before the first row is returned, also for a window. Numbers,
    /// dates of RFC 3339 and strings are compared as such, null and missing values come last in
    /// both directions, and equal rows keep the order of the API. Off by default.
    on_rows(yes: bool): on_rows = yes;
} }

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(sorting: &Sorting, by: &[(&str, bool)]) -> Result<OrderPlan, VantageError> {
        let conditions: Vec<_> = by
            .iter()
            .map(|(column, is_descending)| {
                let direction = match is_descending {
                    true => SortDirection::Descending,
                    false => SortDirection::Ascending,
                };
                (ApiCondition::column(*column), direction)
            })
            .collect();
        let orders = conditions.iter().map(|(condition, direction)| (condition, *direction));
        sorting.to_plan(orders, str::to_owned, |_| false)
    }

    fn sent(sorting: &Sorting, by: &[(&str, bool)]) -> String {
        let parameters = planned(sorting, by).unwrap().parameters;
        let shown: Vec<_> =
            parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        shown.join("&")
    }

    #[test]
    fn each_form_says_the_columns_and_the_directions() {
        let both = [("a", false), ("b", true)];
        assert_eq!(sent(&Sorting::prefixed("sort"), &both), "sort=a,-b");
        assert_eq!(sent(&Sorting::suffixed("s", ":"), &both), "s=a:asc,b:desc");
        let separate = Sorting::separate("by", "dir").words("up", "down");
        assert_eq!(sent(&separate, &both[1..]), "by=b&dir=down");
        assert!(planned(&separate, &both).unwrap_err().is_unsupported());
        let joined = Sorting::separate("_sort", "_order").joined(",");
        assert_eq!(sent(&joined, &both), "_sort=a,b&_order=asc,desc");
        let either = Sorting::by_direction("_sort", "_sort_desc");
        assert_eq!(sent(&either, &both[..1]), "_sort=a");
        assert_eq!(sent(&either, &both[1..]), "_sort_desc=b");
        assert!(planned(&either, &both).unwrap_err().is_unsupported());
        let json = Sorting::template("sort={{columns}}", r#""{column}":{direction}"#, ",");
        assert_eq!(sent(&json.words("1", "-1"), &both), r#"sort={"a":1,"b":-1}"#);
        let custom = Sorting::custom(|columns| {
            let (name, _) = columns.first().filter(|_| columns.len() == 1)?;
            Some(vec![("by".to_owned(), format!("-{name}"))])
        });
        assert_eq!(sent(&custom, &both[1..]), "by=-b");
        assert!(planned(&custom, &both).unwrap_err().is_unsupported());
        let named = Sorting::prefixed("sort").parameter("a", "x.a");
        assert_eq!(sent(&named, &both), "sort=x.a,-b");
    }

    #[test]
    fn what_the_api_does_not_take_is_refused_or_made_on_the_rows() {
        let some = Sorting::prefixed("sort").only(["a"]);
        assert!(planned(&some, &[("a", false), ("b", false)]).unwrap_err().is_unsupported());
        assert!(planned(&Sorting::none(), &[("a", false)]).unwrap_err().is_unsupported());
        for name in ["", "a,b", "-a"] {
            let named = Sorting::prefixed("sort").parameter("a", name);
            assert!(planned(&named, &[("a", false)]).unwrap_err().is_unsupported(), "{name}");
        }
        let on_rows = planned(&some.on_rows(true), &[("b", true)]).unwrap();
        assert_eq!(on_rows.parameters, []);
        assert_eq!(on_rows.made_on_rows().map(<[_]>::len), Some(1));
        let sent = planned(&Sorting::prefixed("sort").on_rows(true), &[("a", false)]).unwrap();
        assert_eq!(sent.made_on_rows(), None);
        assert!(planned(&Sorting::none(), &[]).unwrap().by.is_empty());
    }

    #[test]
    fn an_order_is_by_a_column() {
        let condition = ApiCondition::eq("a", 1);
        let orders = [(&condition, SortDirection::Ascending)];
        let sorting = Sorting::prefixed("sort").on_rows(true);
        assert!(sorting.to_plan(orders, str::to_owned, |_| false).unwrap_err().is_unsupported());
    }

    #[test]
    fn the_rows_of_several_requests_are_ordered_here_or_not_at_all() {
        let order = |sorting: Sorting| planned(&sorting, &[("a", false)]).unwrap();
        let sent = order(Sorting::prefixed("sort"));
        assert!(sent.of_several_requests().unwrap_err().is_unsupported());
        let here = order(Sorting::prefixed("sort").on_rows(true)).of_several_requests().unwrap();
        assert!(here.parameters.is_empty() && here.made_on_rows().is_some());
        assert_eq!(OrderPlan::default().of_several_requests().unwrap(), OrderPlan::default());
    }
}
