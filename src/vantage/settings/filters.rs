//! [pure] How an API takes conditions: which operators, in which parameters. Knows
//! nothing of tables.

use std::{borrow::Cow, sync::Arc};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use vantage_core::{VantageError, error};

use super::{combined::Combined, custom::CustomForm};
use crate::vantage::{condition::Operator, error::incorrect, parameter::Parameters};

/// How an API takes conditions as query parameters.
///
/// The default sends only equality, as `field=value`. Conditions that an API does not support
/// are refused or evaluated on the rows, as [`Filtering`](crate::vantage::Filtering) says.
///
/// ```
/// use vantage_api_pool::vantage::{Filters, Lists, Operator};
///
/// // `n__gt=7`, `n__in=1,2,3`, `n__isnull=true`, but no `n__startswith`.
/// let django = Filters::suffixes().without(Operator::StartsWith);
/// // `filter[n][gt]=7`, `filter[n]=1,2,3`
/// let json_api = Filters::brackets("filter");
/// // `id=1&id=2`, at most 50 in one request
/// let repeated = Filters::equality().lists(Lists::Repeated).max_in_values(50);
/// // `n=gt.7`
/// let postgrest = Filters::none()
///     .operator(Operator::Eq, "{field}=eq.{value}")
///     .operator(Operator::Gt, "{field}=gt.{value}")
///     .operator(Operator::In, "{field}=in.({value})")
///     .lists(Lists::Joined);
/// # let _ = (django, json_api, repeated, postgrest);
/// ```
///
/// # As data
///
/// In YAML and other formats `style` is `none`, `equality`, `suffixes` or `brackets`, with a
/// `family`, and the other settings have the names of their methods. `operators` has a form for
/// each operator that differs from the style, and null for one that is not supported:
///
/// ```yaml
/// { style: suffixes, operators: { starts_with: null }, lists: joined, separator: '|' }
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[must_use]
pub struct Filters {
    style: FilterStyle,
    family: Option<String>,
    /// The forms that differ from those of the style.
    operators: IndexMap<Operator, Option<String>>,
    lists: Option<Lists>,
    separator: Option<String>,
    pub(super) max_in_values: Option<usize>,
    pub(super) max_list_length: Option<usize>,
    only: Option<Vec<String>>,
    /// The names of columns in parameters.
    pub(super) parameters: IndexMap<String, String>,
    search: Option<String>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(super) custom: Option<CustomForm<FilterForm>>,
    pub(super) columns: IndexMap<String, Filters>,
    combined: Option<Combined>,
    /// The words for true and false.
    booleans: Option<(String, String)>,
    pub(super) blank_texts: bool,
    pub(super) trims_texts: Option<bool>,
}

/// The default forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FilterStyle {
    None,
    #[default]
    Equality,
    Suffixes,
    Brackets,
}

/// How an API takes a list of values, for `IN` and `NOT IN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lists {
    /// Not at all.
    Unsent,
    /// In one parameter, with the [separator](Filters::separator) between the values. A value
    /// that contains it or is empty cannot be sent this way.
    Joined,
    /// In the same parameter, once for each value.
    Repeated,
    /// Not at all, but each value can be sent in a request of its own. For `IN` only.
    Requests,
}

type FilterForm = dyn Fn(&str, Operator, &[String]) -> Option<Parameters> + Send + Sync;

impl Filters {
    /// No conditions, except those added by [`operator`](Self::operator).
    pub fn none() -> Self {
        Self { style: FilterStyle::None, ..Self::default() }
    }

    /// `field=value` for equality, and nothing else.
    pub fn equality() -> Self {
        Self::default()
    }

    /// `field__gt=7` and so on, like Django's libraries: `gt`, `gte`, `lt`, `lte`,
    /// `in` with commas, `icontains`, `istartswith` and `isnull`. They [trim](Self::trims_texts).
    pub fn suffixes() -> Self {
        Self { style: FilterStyle::Suffixes, ..Self::default() }
    }

    /// `family[field]=value`, `family[field]=1,2,3` and `family[field][gt]=7` with `ne`,
    /// `gt`, `gte`, `lt`, `lte`; without the family if that is empty.
    pub fn brackets(family: &str) -> Self {
        Self { style: FilterStyle::Brackets, family: Some(family.to_owned()), ..Self::default() }
    }

    /// How the API takes this operator: `name=value`, where `{field}` stands for the
    /// column and `{value}` for the value or the list. Both are encoded for the URL. A
    /// form without a `=` is `IncorrectUsage` when a table is read.
    pub fn operator(mut self, operator: Operator, form: &str) -> Self {
        self.operators.insert(operator, Some(form.to_owned()));
        self
    }

    /// The API does not support this operator.
    pub fn without(mut self, operator: Operator) -> Self {
        self.operators.insert(operator, None);
        self
    }

    /// Only conditions on these columns can be sent. By default all can.
    pub fn only<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.only = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// The name that `{field}` stands for in conditions on `column`: by default the path of
    /// its [alias](crate::vantage::ApiTable::alias), or else its name.
    pub fn parameter(mut self, column: impl Into<String>, name: impl Into<String>) -> Self {
        self.parameters.insert(column.into(), name.into());
        self
    }

    /// First calls `form` for the parameters of a comparison, with the API's name for the column,
    /// the operator, and the texts of the values. `None` leaves it to the other forms; an empty
    /// list means that the API does not support it.
    pub fn custom(
        mut self,
        form: impl Fn(&str, Operator, &[String]) -> Option<Vec<(String, String)>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.custom = Some(CustomForm(Arc::new(form)));
        self
    }

    /// Other operators, lists and limits for conditions on `column`: those of `filters`. Its other
    /// settings, such as searches, have no effect.
    pub fn column(mut self, column: impl Into<String>, filters: Filters) -> Self {
        self.columns.insert(column.into(), filters);
        self
    }

    pub(super) fn may_ask(&self, column: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|name| name == column))
    }

    /// The form of an operator.
    pub(super) fn form(&self, operator: Operator) -> Option<Cow<'_, str>> {
        match self.operators.get(&operator) {
            Some(own) => own.as_deref().map(Cow::Borrowed),
            None => self.style.form(operator, self.family.as_deref().unwrap_or_default()),
        }
    }

    pub(super) fn list_form(&self) -> Lists {
        self.lists.unwrap_or(match self.style {
            FilterStyle::None | FilterStyle::Equality => Lists::Unsent,
            FilterStyle::Suffixes | FilterStyle::Brackets => Lists::Joined,
        })
    }

    pub(super) fn between(&self) -> &str {
        self.separator.as_deref().unwrap_or(",")
    }

    pub(super) fn is_trimmed(&self) -> bool {
        self.trims_texts.unwrap_or(self.style == FilterStyle::Suffixes)
    }

    /// The same, with lists sent as several requests if there is no other way.
    pub(in crate::vantage) fn with_some_lists(mut self) -> Self {
        let columns = std::mem::take(&mut self.columns).into_iter();
        self.columns = columns.map(|(column, own)| (column, own.with_some_lists())).collect();
        if self.list_form() == Lists::Unsent { self.lists(Lists::Requests) } else { self }
    }

    /// # Errors
    /// `IncorrectUsage` for a form that is not a parameter, and for a setting that the style does
    /// not have.
    pub(in crate::vantage) fn check(&self) -> Result<(), VantageError> {
        let mut forms = self.operators.values().flatten();
        if let Some(form) = forms.find(|form| !form.contains('=')) {
            let what = "the form of a filter is not a `name=value`";
            return Err(error!(what, form = form.as_str()).mark_incorrect_usage());
        }
        if self.family.is_some() && self.style != FilterStyle::Brackets {
            return Err(incorrect("`family` belongs to the style `brackets` of filters"));
        }
        if self.separator.is_some() && self.list_form() != Lists::Joined {
            return Err(incorrect("`separator` belongs to `lists: joined` of filters"));
        }
        self.combined.as_ref().map_or(Ok(()), Combined::check)?;
        self.columns.values().try_for_each(Self::check)
    }

    /// The word for a boolean, if one is set.
    pub(in crate::vantage) fn word_for(&self, flag: bool) -> Option<&str> {
        let (yes, no) = self.booleans.as_ref()?;
        Some(if flag { yes } else { no })
    }

    /// How conditions are sent together.
    pub(in crate::vantage) fn all_together(&self) -> Option<&Combined> {
        self.combined.as_ref()
    }

    /// The same for a column, with its name there.
    pub(in crate::vantage) fn together<'a>(
        &'a self,
        column: &str,
        name: &'a str,
    ) -> Option<(&'a Combined, &'a str)> {
        let is_own = self.columns.contains_key(column);
        let combined = self.combined.as_ref().filter(|_| !is_own && self.may_ask(column))?;
        Some((combined, self.parameters.get(column).map_or(name, String::as_str)))
    }

    /// The parameters of a search.
    pub(in crate::vantage) fn search(&self, text: &str) -> Option<(String, String)> {
        Some((self.search.clone()?, text.to_owned()))
    }
}

setters! { Filters {
    /// How the API takes lists: by default joined in the styles [`suffixes`](Self::suffixes) and
    /// [`brackets`](Self::brackets), and otherwise not at all.
    lists(lists: Lists): lists = Some(lists);
    /// The separator between the values of a [joined](Lists::Joined) list: a comma by default.
    separator(separator: impl Into<String>): separator = Some(separator.into());
    /// The most values of a list in one request, at least 1. A longer list takes several
    /// requests. Unlimited by default.
    max_in_values(values: usize): max_in_values = Some(values.max(1));
    /// The most characters of a list in the URL of one request: 4,000 by default. A
    /// longer list takes several requests.
    max_list_length(characters: usize): max_list_length = Some(characters);
    /// The parameter of the API's own search, in which a table's search is sent. Without
    /// it a search is `Unsupported` when the table is read.
    search_param(name: impl Into<String>): search = Some(name.into());
    /// The API takes conditions together, in one parameter. Conditions without a form there are
    /// sent in the other forms, if they have one. Values have the declared type of their column.
    /// A list longer than [`max_in_values`](Self::max_in_values) and
    /// [`max_list_length`](Self::max_list_length) allow takes several requests.
    combined(combined: Combined): combined = Some(combined);
    /// The words for true and false, such as `1` and `0`, outside of combined conditions.
    booleans(yes: impl Into<String>, no: impl Into<String>):
        booleans = Some((yes.into(), no.into()));
} }
