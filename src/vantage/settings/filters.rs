//! [pure] How an API takes conditions: which operators, in which parameters. Knows
//! nothing of tables.

use std::{fmt, sync::Arc};

use indexmap::IndexMap;
use vantage_core::{VantageError, error};

use super::{
    blank::Blank,
    combined::{Combined, alone},
    condition::Operator,
    path::encode,
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
///     .lists(Lists::Joined(",".into()));
/// # let _ = (django, json_api, repeated, postgrest);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Filters {
    forms: IndexMap<Operator, String>,
    lists: Lists,
    max_values: usize,
    max_length: usize,
    only: Option<Vec<String>>,
    pub(super) names: IndexMap<String, String>,
    search: Option<String>,
    custom: Option<Custom>,
    pub(super) columns: IndexMap<String, Filters>,
    pub(super) combined: Option<Combined>,
    pub(super) booleans: Option<[String; 2]>,
    pub(super) blank: Blank,
}

/// How an API takes a list of values, for `IN` and `NOT IN`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lists {
    /// It takes none.
    Unsent,
    /// In one parameter, with this text between the values. A value that holds the text
    /// or is empty cannot be sent so.
    Joined(String),
    /// In the same parameter, once for each value.
    Repeated,
    /// It takes none, but each value can be asked for with a request of its own. For
    /// `IN` alone.
    Requests,
}

/// Query parameters before they are encoded.
pub(super) type Parameters = Vec<(String, String)>;

type CustomForm = dyn Fn(&str, Operator, &[String]) -> Option<Parameters> + Send + Sync;

#[derive(Clone)]
struct Custom(Arc<CustomForm>);

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("custom")
    }
}

/// The most characters of one list in a URL, unless set otherwise.
const MAX_LENGTH: usize = 4_000;

impl Default for Filters {
    fn default() -> Self {
        Self::equality()
    }
}

impl Filters {
    /// Takes no conditions, to which [`operator`](Self::operator) adds.
    pub fn none() -> Self {
        Self {
            forms: IndexMap::new(),
            lists: Lists::Unsent,
            max_values: usize::MAX,
            max_length: MAX_LENGTH,
            only: None,
            names: IndexMap::new(),
            search: None,
            custom: None,
            columns: IndexMap::new(),
            combined: None,
            booleans: None,
            blank: Blank::default(),
        }
    }

    /// `field=value` for equality, and nothing else.
    pub fn equality() -> Self {
        Self::none()
            .operator(Operator::Eq, "{field}={value}")
            .operator(Operator::In, "{field}={value}")
    }

    /// `field__gt=7` and so on, as Django's libraries have it: `gt`, `gte`, `lt`, `lte`,
    /// `in` with commas, `icontains`, `istartswith` and `isnull`. They [trim](Self::trims_texts).
    pub fn suffixes() -> Self {
        Self::equality()
            .trims_texts(true)
            .operator(Operator::Gt, "{field}__gt={value}")
            .operator(Operator::Gte, "{field}__gte={value}")
            .operator(Operator::Lt, "{field}__lt={value}")
            .operator(Operator::Lte, "{field}__lte={value}")
            .operator(Operator::In, "{field}__in={value}")
            .operator(Operator::Contains, "{field}__icontains={value}")
            .operator(Operator::StartsWith, "{field}__istartswith={value}")
            .operator(Operator::IsNull, "{field}__isnull=true")
            .operator(Operator::IsNotNull, "{field}__isnull=false")
            .lists(Lists::Joined(",".into()))
    }

    /// `family[field]=value`, `family[field]=1,2,3` and `family[field][gt]=7` with `ne`,
    /// `gt`, `gte`, `lt`, `lte`; without the family where that is empty.
    pub fn brackets(family: &str) -> Self {
        let field =
            if family.is_empty() { "{field}".to_owned() } else { format!("{family}[{{field}}]") };
        let mut filters = Self::none().lists(Lists::Joined(",".into()));
        for (operator, word) in [
            (Operator::Eq, ""),
            (Operator::In, ""),
            (Operator::Ne, "[ne]"),
            (Operator::Gt, "[gt]"),
            (Operator::Gte, "[gte]"),
            (Operator::Lt, "[lt]"),
            (Operator::Lte, "[lte]"),
        ] {
            filters = filters.operator(operator, &format!("{field}{word}={{value}}"));
        }
        filters
    }

    /// How the API takes this operator: `name=value`, where `{field}` stands for the
    /// column and `{value}` for the value or the list. Both are encoded for the URL. A
    /// form without a `=` is `IncorrectUsage` when a table is read.
    pub fn operator(mut self, operator: Operator, form: &str) -> Self {
        self.forms.insert(operator, form.to_owned());
        self
    }

    /// The API does not take this operator.
    pub fn without(mut self, operator: Operator) -> Self {
        self.forms.shift_remove(&operator);
        self
    }

    /// How the API takes lists.
    pub fn lists(mut self, lists: Lists) -> Self {
        self.lists = lists;
        self
    }

    /// The most values of a list in one request, at least 1. A longer list is asked for
    /// with several requests. There is no such limit by default.
    pub fn max_in_values(mut self, values: usize) -> Self {
        self.max_values = values.max(1);
        self
    }

    /// The most characters of a list in the URL of one request: 4,000 by default. A
    /// longer list is asked for with several requests.
    pub fn max_list_length(mut self, characters: usize) -> Self {
        self.max_length = characters;
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
        self.names.insert(column.into(), name.into());
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
        self.booleans = Some([no.into(), yes.into()]);
        self
    }

    pub(super) fn may_ask(&self, column: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|name| name == column))
    }

    /// The same, with lists sent as several requests if there is no other way.
    pub(super) fn with_some_lists(mut self) -> Self {
        let columns = std::mem::take(&mut self.columns).into_iter();
        self.columns = columns.map(|(column, own)| (column, own.with_some_lists())).collect();
        if self.lists == Lists::Unsent { self.lists(Lists::Requests) } else { self }
    }

    /// # Errors
    /// `IncorrectUsage` for a form that is no parameter.
    pub(super) fn check(&self) -> Result<(), VantageError> {
        self.columns.values().try_for_each(Self::check)?;
        match self.forms.values().find(|form| !form.contains('=')) {
            Some(form) => {
                let what = "the form of a filter is no `name=value`";
                Err(error!(what, form = form.as_str()).mark_incorrect_usage())
            }
            None => Ok(()),
        }
    }

    /// The parameters of a search.
    pub(super) fn search(&self, text: &str) -> Option<(String, String)> {
        Some((self.search.clone()?, text.to_owned()))
    }

    /// The parameters that ask for a comparison of a column that the API knows as `name`:
    /// one set for each request. A null among the values is `None`.
    ///
    /// # Errors
    /// Why the API cannot be asked for it.
    pub(super) fn parameters(
        &self,
        column: &str,
        name: &str,
        operator: Operator,
        values: &[Option<String>],
    ) -> Result<Vec<Parameters>, &'static str> {
        if !self.may_ask(column) {
            return Err("the API cannot be asked for the column");
        }
        let name = self.names.get(column).map_or(name, String::as_str);
        if let Some(own) = self.columns.get(column) {
            return own.parameters(column, name, operator, values);
        }
        let is_null = matches!(values, [None]);
        let operator = match alone(operator, values.len(), is_null) {
            Operator::Ne
                if operator == Operator::NotIn && !self.forms.contains_key(&Operator::Ne) =>
            {
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
        let form = |operator| self.forms.get(&operator).and_then(|form| form.split_once('='));
        let no_form = match operator {
            Operator::IsNull | Operator::IsNotNull => "null has no form as a query parameter",
            _ => "the API does not take the operator",
        };
        let is_list = matches!(operator, Operator::In | Operator::NotIn);
        if !is_list {
            let value = texts.into_iter().next().unwrap_or_default();
            if operator == Operator::Eq && self.reads_as_list(&value) {
                return Err("the API would take the value for a list");
            }
            let form = form(operator).ok_or(no_form)?;
            self.blank.check(form.1, &value)?;
            return Ok(vec![vec![fill(form, name, &value)]]);
        }
        let one_each = self.lists == Lists::Requests && operator == Operator::In;
        let form = form(if one_each { Operator::Eq } else { operator }).ok_or(no_form)?;
        texts.iter().try_for_each(|text| self.blank.check(form.1, text))?;
        let groups = self.groups(form, name, &texts)?;
        if operator == Operator::NotIn && groups.len() > 1 {
            return Err("the list is too long for one request");
        }
        Ok(groups)
    }

    /// Whether the API takes a list in the same parameter as one value, and would take
    /// this one for a list.
    fn reads_as_list(&self, value: &str) -> bool {
        let is_same_form = self.forms.get(&Operator::Eq) == self.forms.get(&Operator::In);
        matches!(&self.lists, Lists::Joined(between) if is_same_form && value.contains(between))
    }

    fn groups(
        &self,
        form: (&str, &str),
        name: &str,
        values: &[String],
    ) -> Result<Vec<Parameters>, &'static str> {
        let each = |value: &String| fill(form, name, value);
        match &self.lists {
            Lists::Unsent => Err("a query parameter takes one value"),
            Lists::Requests => Ok(values.iter().map(|value| vec![each(value)]).collect()),
            Lists::Repeated => {
                let size = |value: &String| encode(name).len() + encode(value).len() + 2;
                let groups = self.split(values, size);
                Ok(groups.into_iter().map(|group| group.iter().map(each).collect()).collect())
            }
            Lists::Joined(separator) => {
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

    /// Groups of values that are as long as they may be, in order.
    pub(super) fn split<'a>(
        &self,
        values: &'a [String],
        size: impl Fn(&String) -> usize,
    ) -> Vec<&'a [String]> {
        let mut groups = Vec::new();
        let (mut start, mut length) = (0, 0);
        for (at, value) in values.iter().enumerate() {
            let size = size(value);
            if at > start && (at - start >= self.max_values || length + size > self.max_length) {
                groups.push(&values[start..at]);
                (start, length) = (at, 0);
            }
            length += size;
        }
        groups.push(&values[start..]);
        groups
    }
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
        let short = lists(Lists::Joined(",".into())).max_list_length(9);
        let groups = asked(&short, Operator::In, &["1", "2", "345678901", "4"]);
        assert_eq!(groups, [["n=1,2"], ["n=345678901"], ["n=4"]]);
        assert!(refused(&lists(Lists::Unsent), Operator::In, &[Some("1"), Some("2")]));
    }

    #[test]
    fn values_that_would_run_together_are_not_sent() {
        let joined = Filters::equality().lists(Lists::Joined(",".into()));
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
