//! [pure] Turns a comparison into query parameters.

use std::borrow::Cow;

use super::{
    combined::alone,
    custom::CustomForm,
    filters::{FilterStyle, Filters, Lists},
};
use crate::vantage::{
    condition::Operator,
    parameter::{Parameters, encode},
};

/// The most characters of one list in a URL, unless set otherwise.
const MAX_LENGTH: usize = 4_000;

impl Filters {
    /// The parameters for a comparison of a column that the API knows as `name`:
    /// one set for each request. A null among the values is `None`.
    ///
    /// # Errors
    /// Why the API does not support it.
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
        if let Some(CustomForm(form)) = &self.custom
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

    /// Whether the API takes a list in the same parameter as one value, and would read
    /// this value as a list.
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

    /// Splits a list into the parts for each request.
    pub(in crate::vantage) fn list_groups<'a>(&self, values: &'a [String]) -> Vec<&'a [String]> {
        self.split(values, |value| encode(value).len() + 3)
    }

    /// Groups of values, each as long as allowed, in order.
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

impl FilterStyle {
    /// The form of an operator, with this family of brackets.
    pub(super) fn form(self, operator: Operator, family: &str) -> Option<Cow<'static, str>> {
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
