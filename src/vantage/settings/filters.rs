//! [pure] How an API takes conditions: which operators, in which parameters. Knows
//! nothing of tables.

use std::{borrow::Cow, sync::Arc};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use vantage_core::{VantageError, error};

use super::{
    combined::{Combined, alone},
    custom::Custom,
};
use crate::vantage::{
    condition::Operator,
    parameter::{Parameters, encode},
};

/// How an API takes conditions as query parameters.
///
/// The default sends equality alone, as `field=value`. What an API cannot be asked for
/// is refused or evaluated on the rows, as [`Filtering`](crate::Filtering) says.
///
/// ```
/// use vantage_api_pool::{Filters, Lists, Operator};
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
/// In YAML and the like `style` is `none`, `equality`, `suffixes` or `brackets`, with a `family`,
/// and the other settings have the names of their methods. `operators` has a form for each
/// operator that is taken otherwise than in that style, and null for one that is not taken:
///
/// ```yaml
/// { style: suffixes, operators: { starts_with: null }, lists: joined, separator: '|' }
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[must_use]
pub struct Filters {
    style: Style,
    family: Option<String>,
    /// The forms that are not those of the style.
    operators: IndexMap<Operator, Option<String>>,
    lists: Option<Lists>,
    separator: Option<String>,
    max_in_values: Option<usize>,
    max_list_length: Option<usize>,
    only: Option<Vec<String>>,
    /// The names of columns in parameters.
    parameters: IndexMap<String, String>,
    search: Option<String>,
    #[serde(skip)]
    custom: Option<Custom<Form>>,
    pub(super) columns: IndexMap<String, Filters>,
    combined: Option<Combined>,
    /// The words for true and false.
    booleans: Option<(String, String)>,
    pub(super) blank_texts: bool,
    pub(super) trims_texts: Option<bool>,
}

/// The forms that hold where no others are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Style {
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
    /// It takes none.
    Unsent,
    /// In one parameter, with the [separator](Filters::separator) between the values. A value
    /// that holds it or is empty cannot be sent so.
    Joined,
    /// In the same parameter, once for each value.
    Repeated,
    /// It takes none, but each value can be asked for with a request of its own. For
    /// `IN` alone.
    Requests,
}

type Form = dyn Fn(&str, Operator, &[String]) -> Option<Parameters> + Send + Sync;

/// The most characters of one list in a URL, unless set otherwise.
const MAX_LENGTH: usize = 4_000;

impl Filters {
    /// Takes no conditions, to which [`operator`](Self::operator) adds.
    pub fn none() -> Self {
        Self { style: Style::None, ..Self::default() }
    }

    /// `field=value` for equality, and nothing else.
    pub fn equality() -> Self {
        Self::default()
    }

    /// `field__gt=7` and so on, as Django's libraries have it: `gt`, `gte`, `lt`, `lte`,
    /// `in` with commas, `icontains`, `istartswith` and `isnull`. They [trim](Self::trims_texts).
    pub fn suffixes() -> Self {
        Self { style: Style::Suffixes, ..Self::default() }
    }

    /// `family[field]=value`, `family[field]=1,2,3` and `family[field][gt]=7` with `ne`,
    /// `gt`, `gte`, `lt`, `lte`; without the family where that is empty.
    pub fn brackets(family: &str) -> Self {
        Self { style: Style::Brackets, family: Some(family.to_owned()), ..Self::default() }
    }

    /// How the API takes this operator: `name=value`, where `{field}` stands for the
    /// column and `{value}` for the value or the list. Both are encoded for the URL. A
    /// form without a `=` is `IncorrectUsage` when a table is read.
    pub fn operator(mut self, operator: Operator, form: &str) -> Self {
        self.operators.insert(operator, Some(form.to_owned()));
        self
    }

    /// The API does not take this operator.
    pub fn without(mut self, operator: Operator) -> Self {
        self.operators.insert(operator, None);
        self
    }

    /// How the API takes lists: joined in the styles [`suffixes`](Self::suffixes) and
    /// [`brackets`](Self::brackets), and else not at all, by default.
    pub fn lists(mut self, lists: Lists) -> Self {
        self.lists = Some(lists);
        self
    }

    /// What stands between the values of a [joined](Lists::Joined) list: a comma by default.
    pub fn separator(mut self, separator: impl Into<String>) -> Self {
        self.separator = Some(separator.into());
        self
    }

    /// The most values of a list in one request, at least 1. A longer list is asked for
    /// with several requests. There is no such limit by default.
    pub fn max_in_values(mut self, values: usize) -> Self {
        self.max_in_values = Some(values.max(1));
        self
    }

    /// The most characters of a list in the URL of one request: 4,000 by default. A
    /// longer list is asked for with several requests.
    pub fn max_list_length(mut self, characters: usize) -> Self {
        self.max_list_length = Some(characters);
        self
    }

    /// Only these columns can be asked for. By default all can.
    pub fn only<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.only = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// What `{field}` stands for when a condition is on `column`: by default the path of
    /// its [alias](crate::ApiTable::alias), or else its name.
    pub fn parameter(mut self, column: impl Into<String>, name: impl Into<String>) -> Self {
        self.parameters.insert(column.into(), name.into());
        self
    }

    /// The parameter of the API's own search, which a table's search is sent in. Without
    /// it a search is `Unsupported` when the table is read.
    pub fn search_param(mut self, name: impl Into<String>) -> Self {
        self.search = Some(name.into());
        self
    }

    /// Asks `form` first for the parameters of a comparison: what the API calls the column,
    /// the operator, and the texts of the values. `None` leaves it to the other forms; no
    /// parameters at all mean that the API cannot be asked.
    pub fn custom(
        mut self,
        form: impl Fn(&str, Operator, &[String]) -> Option<Vec<(String, String)>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.custom = Some(Custom(Arc::new(form)));
        self
    }

    /// The API takes conditions on `column` in ways of its own: the operators and lists of
    /// `filters` and their limits. What else they say, as of searches, has no effect.
    pub fn column(mut self, column: impl Into<String>, filters: Filters) -> Self {
        self.columns.insert(column.into(), filters);
        self
    }

    /// The API takes conditions together, in one parameter. What has no form there is asked for
    /// by the other forms, if it has one. Values are those of the type that the column is
    /// declared as. A list that is longer than [`max_in_values`](Self::max_in_values) and
    /// [`max_list_length`](Self::max_list_length) say takes several requests.
    pub fn combined(mut self, combined: Combined) -> Self {
        self.combined = Some(combined);
        self
    }

    /// The words for true and false, such as `1` and `0`, outside of what is combined.
    pub fn booleans(mut self, yes: impl Into<String>, no: impl Into<String>) -> Self {
        self.booleans = Some((yes.into(), no.into()));
        self
    }

    fn may_ask(&self, column: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|name| name == column))
    }

    /// How an operator is asked for.
    fn form(&self, operator: Operator) -> Option<Cow<'_, str>> {
        match self.operators.get(&operator) {
            Some(own) => own.as_deref().map(Cow::Borrowed),
            None => self.style.form(operator, self.family.as_deref().unwrap_or_default()),
        }
    }

    fn list_form(&self) -> Lists {
        self.lists.unwrap_or(match self.style {
            Style::None | Style::Equality => Lists::Unsent,
            Style::Suffixes | Style::Brackets => Lists::Joined,
        })
    }

    fn between(&self) -> &str {
        self.separator.as_deref().unwrap_or(",")
    }

    pub(super) fn is_trimmed(&self) -> bool {
        self.trims_texts.unwrap_or(self.style == Style::Suffixes)
    }

    /// The same, with lists sent as several requests if there is no other way.
    pub(in crate::vantage) fn with_some_lists(mut self) -> Self {
        let columns = std::mem::take(&mut self.columns).into_iter();
        self.columns = columns.map(|(column, own)| (column, own.with_some_lists())).collect();
        if self.list_form() == Lists::Unsent { self.lists(Lists::Requests) } else { self }
    }

    /// # Errors
    /// `IncorrectUsage` for a form that is no parameter, and for a setting that the style does
    /// not have.
    pub(in crate::vantage) fn check(&self) -> Result<(), VantageError> {
        let mut forms = self.operators.values().flatten();
        if let Some(form) = forms.find(|form| !form.contains('=')) {
            let what = "the form of a filter is no `name=value`";
            return Err(error!(what, form = form.as_str()).mark_incorrect_usage());
        }
        if self.family.is_some() && self.style != Style::Brackets {
            return Err(incorrect("`family` belongs to the style `brackets` of filters"));
        }
        if self.separator.is_some() && self.list_form() != Lists::Joined {
            return Err(incorrect("`separator` belongs to `lists: joined` of filters"));
        }
        self.combined.as_ref().map_or(Ok(()), Combined::check)?;
        self.columns.values().try_for_each(Self::check)
    }

    /// The word for a boolean, where it has one of its own.
    pub(in crate::vantage) fn word_for(&self, flag: bool) -> Option<&str> {
        let (yes, no) = self.booleans.as_ref()?;
        Some(if flag { yes } else { no })
    }

    /// How conditions are taken together.
    pub(in crate::vantage) fn all_together(&self) -> Option<&Combined> {
        self.combined.as_ref()
    }

    /// The same for a column, and what it is called there.
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

    /// The parameters that ask for a comparison of a column that the API knows as `name`:
    /// one set for each request. A null among the values is `None`.
    ///
    /// # Errors
    /// Why the API cannot be asked for it.
    pub(in crate::vantage) fn parameters(
        &self,
        column: &str,
        name: &str,
        operator: Operator,
        values: &[Option<String>],
    ) -> Result<Vec<Parameters>, &'static str> {
        if !self.may_ask(column) {
            return Err("the API cannot be asked for the column");
        }
        let name = self.parameters.get(column).map_or(name, String::as_str);
        if let Some(own) = self.columns.get(column) {
            return own.parameters(column, name, operator, values);
        }
        let is_null = matches!(values, [None]);
        let operator = match alone(operator, values.len(), is_null) {
            Operator::Ne if operator == Operator::NotIn && self.form(Operator::Ne).is_none() => {
                Operator::NotIn
            }
            operator => operator,
        };
        let texts: Option<Vec<String>> = match operator {
            Operator::IsNull | Operator::IsNotNull => Some(Vec::new()),
            _ => values.iter().cloned().collect(),
        };
        let texts = texts.ok_or("null has no form as a query parameter")?;
        if let Some(Custom(form)) = &self.custom
            && let Some(parameters) = form(name, operator, &texts)
        {
            return Ok(vec![parameters]);
        }
        let no_form = match operator {
            Operator::IsNull | Operator::IsNotNull => "null has no form as a query parameter",
            _ => "the API does not take the operator",
        };
        let one_each = self.list_form() == Lists::Requests && operator == Operator::In;
        let form = self.form(if one_each { Operator::Eq } else { operator });
        let form = form.as_deref().and_then(|form| form.split_once('=')).ok_or(no_form)?;
        if !matches!(operator, Operator::In | Operator::NotIn) {
            let value = texts.into_iter().next().unwrap_or_default();
            if operator == Operator::Eq && self.reads_as_list(&value) {
                return Err("the API would take the value for a list");
            }
            self.check_text(form.1, &value)?;
            return Ok(vec![vec![fill(form, name, &value)]]);
        }
        texts.iter().try_for_each(|text| self.check_text(form.1, text))?;
        let groups = self.groups(form, name, &texts)?;
        if operator == Operator::NotIn && groups.len() > 1 {
            return Err("the list is too long for one request");
        }
        Ok(groups)
    }

    /// Whether the API takes a list in the same parameter as one value, and would take
    /// this one for a list.
    fn reads_as_list(&self, value: &str) -> bool {
        let is_same_form = self.form(Operator::Eq) == self.form(Operator::In);
        self.list_form() == Lists::Joined && is_same_form && value.contains(self.between())
    }

    fn groups(
        &self,
        form: (&str, &str),
        name: &str,
        values: &[String],
    ) -> Result<Vec<Parameters>, &'static str> {
        let each = |value: &String| fill(form, name, value);
        match self.list_form() {
            Lists::Unsent => Err("a query parameter takes one value"),
            Lists::Requests => Ok(values.iter().map(|value| vec![each(value)]).collect()),
            Lists::Repeated => {
                let size = |value: &String| encode(name).len() + encode(value).len() + 2;
                let groups = self.split(values, size);
                Ok(groups.into_iter().map(|group| group.iter().map(each).collect()).collect())
            }
            Lists::Joined => {
                let separator = self.between();
                let is_ambiguous = |value: &String| value.is_empty() || value.contains(separator);
                if separator.is_empty() || values.iter().any(is_ambiguous) {
                    return Err("a value cannot be told apart in a list");
                }
                let size = |value: &String| encode(value).len() + encode(separator).len();
                let join = |group: &[String]| vec![fill(form, name, &group.join(separator))];
                Ok(self.split(values, size).into_iter().map(join).collect())
            }
        }
    }

    /// How many values, of so many characters each in a URL, one request takes of a list.
    pub(in crate::vantage) fn list_groups<'a>(&self, values: &'a [String]) -> Vec<&'a [String]> {
        self.split(values, |value| encode(value).len() + 3)
    }

    /// Groups of values that are as long as they may be, in order.
    fn split<'a>(
        &self,
        values: &'a [String],
        size: impl Fn(&String) -> usize,
    ) -> Vec<&'a [String]> {
        let most = self.max_in_values.unwrap_or(usize::MAX);
        let longest = self.max_list_length.unwrap_or(MAX_LENGTH);
        let mut groups = Vec::new();
        let (mut start, mut length) = (0, 0);
        for (at, value) in values.iter().enumerate() {
            let size = size(value);
            if at > start && (at - start >= most || length + size > longest) {
                groups.push(&values[start..at]);
                (start, length) = (at, 0);
            }
            length += size;
        }
        groups.push(&values[start..]);
        groups
    }
}

impl Style {
    /// How an operator is asked for, with this family of brackets.
    fn form(self, operator: Operator, family: &str) -> Option<Cow<'static, str>> {
        let form = match (self, operator) {
            (Self::None, _) => return None,
            (Self::Brackets, operator) => return in_brackets(operator, family).map(Cow::Owned),
            (_, Operator::Eq) | (Self::Equality, Operator::In) => "{field}={value}",
            (Self::Equality, _) => return None,
            (Self::Suffixes, Operator::Gt) => "{field}__gt={value}",
            (Self::Suffixes, Operator::Gte) => "{field}__gte={value}",
            (Self::Suffixes, Operator::Lt) => "{field}__lt={value}",
            (Self::Suffixes, Operator::Lte) => "{field}__lte={value}",
            (Self::Suffixes, Operator::In) => "{field}__in={value}",
            (Self::Suffixes, Operator::Contains) => "{field}__icontains={value}",
            (Self::Suffixes, Operator::StartsWith) => "{field}__istartswith={value}",
            (Self::Suffixes, Operator::IsNull) => "{field}__isnull=true",
            (Self::Suffixes, Operator::IsNotNull) => "{field}__isnull=false",
            (Self::Suffixes, Operator::Ne | Operator::NotIn | Operator::Like) => return None,
        };
        Some(form.into())
    }
}

fn in_brackets(operator: Operator, family: &str) -> Option<String> {
    let word = match operator {
        Operator::Eq | Operator::In => "",
        Operator::Ne => "[ne]",
        Operator::Gt => "[gt]",
        Operator::Gte => "[gte]",
        Operator::Lt => "[lt]",
        Operator::Lte => "[lte]",
        _ => return None,
    };
    Some(match family {
        "" => format!("{{field}}{word}={{value}}"),
        family => format!("{family}[{{field}}]{word}={{value}}"),
    })
}

pub(super) fn incorrect(what: &str) -> VantageError {
    error!(what).mark_incorrect_usage()
}

fn fill((name_form, value_form): (&str, &str), name: &str, value: &str) -> (String, String) {
    (
        name_form.replace("{field}", name),
        value_form.replace("{field}", name).replace("{value}", value),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(filters: &Filters, operator: Operator, values: &[&str]) -> Vec<Vec<String>> {
        let values: Vec<_> = values.iter().map(|value| Some((*value).to_owned())).collect();
        let groups = filters.parameters("n", "n", operator, &values).unwrap();
        let shown = |group: Parameters| {
            group.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        groups.into_iter().map(shown).collect()
    }

    fn refused(filters: &Filters, operator: Operator, values: &[Option<&str>]) -> bool {
        let values: Vec<_> = values.iter().map(|value| value.map(str::to_owned)).collect();
        filters.parameters("n", "n", operator, &values).is_err()
    }

    #[test]
    fn each_dialect_has_its_forms() {
        let suffixes = Filters::suffixes();
        assert_eq!(asked(&suffixes, Operator::Eq, &["7"]), [["n=7"]]);
        assert_eq!(asked(&suffixes, Operator::Gte, &["7"]), [["n__gte=7"]]);
        assert_eq!(asked(&suffixes, Operator::In, &["1", "2"]), [["n__in=1,2"]]);
        let brackets = Filters::brackets("filter");
        assert_eq!(asked(&brackets, Operator::Eq, &["7"]), [["filter[n]=7"]]);
        assert_eq!(asked(&brackets, Operator::Lt, &["7"]), [["filter[n][lt]=7"]]);
        assert_eq!(asked(&brackets, Operator::In, &["1", "2"]), [["filter[n]=1,2"]]);
        assert_eq!(asked(&Filters::brackets(""), Operator::Ne, &["7"]), [["n[ne]=7"]]);
        let values = Filters::none().operator(Operator::Gt, "{field}=gt.{value}");
        assert_eq!(asked(&values, Operator::Gt, &["{field}"]), [["n=gt.{field}"]]);
        assert!(refused(&values, Operator::Eq, &[Some("7")]));
    }

    #[test]
    fn null_has_a_form_where_the_dialect_has_one() {
        let suffixes = Filters::suffixes();
        let null = suffixes.parameters("n", "n", Operator::Eq, &[None]).unwrap();
        assert_eq!(null, [[("n__isnull".to_owned(), "true".to_owned())]]);
        let some = suffixes.parameters("n", "n", Operator::Ne, &[None]).unwrap();
        assert_eq!(some, [[("n__isnull".to_owned(), "false".to_owned())]]);
        assert!(refused(&Filters::default(), Operator::Eq, &[None]));
        assert!(refused(&suffixes, Operator::In, &[None, Some("7")]));
        assert!(refused(&suffixes, Operator::Gt, &[None]));
    }

    #[test]
    fn a_list_is_sent_whole_in_groups_or_one_by_one() {
        let lists = |lists| Filters::equality().lists(lists);
        let repeated = lists(Lists::Repeated);
        assert_eq!(asked(&repeated, Operator::In, &["1", "2"]), [["n=1", "n=2"]]);
        let brackets = repeated.operator(Operator::In, "{field}[]={value}").max_in_values(2);
        let groups = asked(&brackets, Operator::In, &["1", "2", "3"]);
        assert_eq!(groups, [vec!["n[]=1", "n[]=2"], vec!["n[]=3"]]);
        let each = asked(&lists(Lists::Requests), Operator::In, &["1", "2"]);
        assert_eq!(each, [["n=1"], ["n=2"]]);
        let short = lists(Lists::Joined).max_list_length(9);
        let groups = asked(&short, Operator::In, &["1", "2", "345678901", "4"]);
        assert_eq!(groups, [["n=1,2"], ["n=345678901"], ["n=4"]]);
        assert!(refused(&lists(Lists::Unsent), Operator::In, &[Some("1"), Some("2")]));
    }

    #[test]
    fn values_that_would_run_together_are_not_sent() {
        let joined = Filters::equality().lists(Lists::Joined);
        for value in ["a,b", ""] {
            assert!(refused(&joined, Operator::In, &[Some(value), Some("c")]), "{value}");
        }
        assert!(refused(&joined, Operator::Eq, &[Some("a,b")]));
        assert_eq!(asked(&Filters::suffixes(), Operator::Eq, &["a,b"]), [["n=a,b"]]);
    }

    #[test]
    fn a_list_that_is_excluded_is_never_split() {
        let filters = Filters::suffixes().operator(Operator::NotIn, "{field}__not_in={value}");
        assert_eq!(asked(&filters, Operator::NotIn, &["1", "2"]), [["n__not_in=1,2"]]);
        let short = filters.max_in_values(1);
        assert!(refused(&short, Operator::NotIn, &[Some("1"), Some("2")]));
        let requests = short.lists(Lists::Requests);
        assert!(refused(&requests, Operator::NotIn, &[Some("1"), Some("2")]));
    }

    #[test]
    fn columns_may_have_another_name_or_none() {
        let filters = Filters::default().only(["n"]).parameter("n", "number");
        assert_eq!(asked(&filters, Operator::Eq, &["7"]), [["number=7"]]);
        let other = filters.parameters("m", "m", Operator::Eq, &[Some("7".into())]);
        assert!(other.is_err());
    }

    #[test]
    fn a_custom_form_is_asked_first_and_may_leave_it() {
        let filters = Filters::equality().custom(|field, operator, values| {
            let is_range = operator == Operator::Gt;
            is_range.then(|| vec![("q".to_owned(), format!("{field}:>{}", values[0]))])
        });
        assert_eq!(asked(&filters, Operator::Gt, &["7"]), [["q=n:>7"]]);
        assert_eq!(asked(&filters, Operator::Eq, &["7"]), [["n=7"]]);
    }

    #[test]
    fn a_form_that_is_no_parameter_is_incorrect_usage() {
        let filters = Filters::none().operator(Operator::Gt, "{field}>{value}");
        assert!(filters.check().unwrap_err().is_incorrect_usage());
        assert!(Filters::suffixes().check().is_ok());
    }
}
