//! [pure] From a table's path and conditions to the target of a request and the
//! filter on its rows. Knows nothing of pages or transport.

use std::borrow::Cow;

use indexmap::IndexMap;
use vantage_core::{VantageError, error};

use super::{
    condition::{ApiCondition, parameter_text},
    filter::{Filter, Scalar},
    path::{self, Filled, ItemPath, encode, refused},
    settings::TableSettings,
};

/// Where equality conditions that fill no placeholder are applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filtering {
    /// The API applies each as a query parameter. One that cannot be sent is refused.
    #[default]
    Server,
    /// The API is sent what can be sent, and every condition is evaluated on
    /// the rows as well: for an API that may ignore a parameter.
    Checked,
    /// Nothing is sent; every condition is evaluated on the rows: for an API
    /// that refuses parameters it does not know.
    Local,
}

/// A request target in its parts.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    /// The path below the base URL, encoded.
    path: String,
    /// What the table's path brought after its `?`, as it was written.
    fixed: String,
    /// Parameters from conditions, encoded.
    params: Vec<String>,
    /// The conditions that filled no placeholder.
    remaining: Filter,
}

impl Query {
    /// The target of a list.
    pub(super) fn list(&self) -> String {
        let params: Vec<&str> = self.params.iter().map(String::as_str).collect();
        self.target(&self.path, &params)
    }

    fn target(&self, path: &str, params: &[&str]) -> String {
        let fixed = self.fixed.trim_matches('&');
        let query: Vec<&str> = (!fixed.is_empty())
            .then_some(fixed)
            .into_iter()
            .chain(params.iter().copied())
            .collect();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
    }

    /// The conditions that filled no placeholder, sent or not.
    pub(super) fn remaining(&self) -> &Filter {
        &self.remaining
    }
}

/// Turns a table's conditions into a query; `None` when no row can match, so
/// that nothing needs to be asked.
///
/// # Errors
/// `Unsupported` for a condition that can be neither sent nor evaluated,
/// `IncorrectUsage` for a path whose placeholders cannot be filled.
pub(super) fn lower<'a>(
    table: &TableSettings,
    conditions: impl IntoIterator<Item = Cow<'a, ApiCondition>>,
) -> Result<Option<Query>, VantageError> {
    let (filtering, taken) = (table.filtering, table.paging.parameters());
    let wanted = Wanted::of(conditions)?;
    let matches_nothing = wanted.matches_nothing();
    let Filled { path, fixed, used } = path::fill(&table.path, &wanted.0)?;
    let remaining = wanted.without(&used);

    let mut params = Vec::new();
    if filtering != Filtering::Local {
        for (field, values) in &remaining {
            match parameter(table.field_of(field), values, &taken) {
                Ok(parameter) => params.push(parameter),
                Err(_) if filtering == Filtering::Checked || matches_nothing => {}
                Err(why) => return Err(refused(why, field)),
            }
        }
    }
    let query = Query { path, fixed, params, remaining: Filter::new(remaining) };
    Ok((!matches_nothing).then_some(query))
}

/// Where one item is, and what it must hold to be in the set.
#[derive(Debug, PartialEq)]
pub(super) struct ItemQuery {
    pub(super) path: ItemPath,
    pub(super) filter: Filter,
}

/// The query for one item of a table that has an item path; `None` when no row can match.
///
/// # Errors
/// Those of [`lower`].
pub(super) fn lower_item<'a>(
    item_path: &str,
    conditions: impl IntoIterator<Item = Cow<'a, ApiCondition>>,
) -> Result<Option<ItemQuery>, VantageError> {
    let wanted = Wanted::of(conditions)?;
    let (path, used) = path::fill_item(item_path, &wanted.0)?;
    let matches_nothing = wanted.matches_nothing();
    let query = ItemQuery { path, filter: Filter::new(wanted.without(&used)) };
    Ok((!matches_nothing).then_some(query))
}

/// Where the table itself is, and what a row must hold to be in the set.
#[derive(Debug, PartialEq)]
pub(super) struct Place {
    pub(super) target: String,
    pub(super) filter: Filter,
}

/// The place of a table whose conditions are not sent; `None` when no row can match.
///
/// # Errors
/// Those of [`lower`].
pub(super) fn lower_path<'a>(
    template: &str,
    conditions: impl IntoIterator<Item = Cow<'a, ApiCondition>>,
) -> Result<Option<Place>, VantageError> {
    let wanted = Wanted::of(conditions)?;
    let matches_nothing = wanted.matches_nothing();
    let Filled { path, fixed, used } = path::fill(template, &wanted.0)?;
    let target = if fixed.is_empty() { path } else { format!("{path}?{fixed}") };
    let place = Place { target, filter: Filter::new(wanted.without(&used)) };
    Ok((!matches_nothing).then_some(place))
}

/// The query parameter for a field, or why there is none.
fn parameter(field: &str, values: &[Scalar], taken: &[&str]) -> Result<String, &'static str> {
    match values {
        [Some(_)] if taken.contains(&field) => Err("the parameter belongs to paging"),
        [Some(value)] => Ok(format!("{}={}", encode(field), encode(value))),
        [None] => Err("null has no form as a query parameter"),
        _ => Err("a query parameter takes one value"),
    }
}

/// What each field may hold. Conditions on one field narrow each other.
#[derive(Default)]
struct Wanted(IndexMap<String, Vec<Scalar>>);

impl Wanted {
    fn of<'a>(
        conditions: impl IntoIterator<Item = Cow<'a, ApiCondition>>,
    ) -> Result<Self, VantageError> {
        let mut wanted = Self::default();
        for condition in conditions {
            wanted.narrow(&condition)?;
        }
        Ok(wanted)
    }

    fn matches_nothing(&self) -> bool {
        self.0.values().any(Vec::is_empty)
    }

    /// What is left once the placeholders `used` were filled.
    fn without(mut self, used: &[&str]) -> IndexMap<String, Vec<Scalar>> {
        self.0.retain(|field, _| !used.contains(&field.as_str()));
        self.0
    }

    fn narrow(&mut self, condition: &ApiCondition) -> Result<(), VantageError> {
        let (field, values) = match condition {
            ApiCondition::Eq { field, value } => (field, std::slice::from_ref(value)),
            ApiCondition::In { field, values } => (field, values.as_slice()),
            ApiCondition::Related(_) => {
                return Err(error!("the values of another table are not known yet"));
            }
            ApiCondition::Unsupported { what } => {
                return Err(
                    error!(format!("the API cannot be asked for {what}")).mark_unsupported()
                );
            }
        };
        let mut scalars: Vec<Scalar> = Vec::with_capacity(values.len());
        for value in values {
            let scalar = match value {
                ciborium::Value::Null => None,
                value => Some(parameter_text(value).ok_or_else(|| {
                    refused("only booleans, finite numbers and texts can be compared", field)
                })?),
            };
            if !scalars.contains(&scalar) {
                scalars.push(scalar);
            }
        }
        match self.0.get_mut(field) {
            Some(earlier) => earlier.retain(|value| scalars.contains(value)),
            None => {
                self.0.insert(field.clone(), scalars);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ciborium::Value;
    use proptest::prelude::*;

    use super::{super::settings::Settings, *};

    fn table(template: &str, filtering: Filtering) -> TableSettings {
        let paging = crate::pager::Paging::page_number().page_size("per_page", 10);
        Settings { paging, filtering, ..Settings::default() }.settings_of(template)
    }

    fn lowered(
        template: &str,
        conditions: &[ApiCondition],
        filtering: Filtering,
    ) -> Result<Option<Query>, VantageError> {
        lower(&table(template, filtering), conditions.iter().map(Cow::Borrowed))
    }

    fn list(template: &str, conditions: &[ApiCondition]) -> String {
        lowered(template, conditions, Filtering::Server).unwrap().unwrap().list()
    }

    fn eq(field: &str, value: impl Into<Value>) -> ApiCondition {
        ApiCondition::eq(field, value)
    }

    #[test]
    fn an_equality_becomes_one_encoded_parameter() {
        assert_eq!(list("c", &[]), "c");
        assert_eq!(list("c", &[eq("a", 7), eq("b", true)]), "c?a=7&b=true");
        assert_eq!(
            list("c", &[eq("q[x]", "a&b=c d+e%/é")]),
            "c?q%5Bx%5D=a%26b%3Dc%20d%2Be%25%2F%C3%A9"
        );
        assert_eq!(list("c", &[eq("a", 7), eq("a", "7")]), "c?a=7");
    }

    #[test]
    fn a_path_with_a_query_joins_further_parameters() {
        assert_eq!(list("c?lang=en", &[eq("a", 1)]), "c?lang=en&a=1");
        assert_eq!(list("c?", &[eq("a", 1)]), "c?a=1");
        assert_eq!(list("c?lang=en&", &[eq("a", 1)]), "c?lang=en&a=1");
        assert_eq!(list("c?user={u}", &[eq("u", "a b")]), "c?user=a%20b");
    }

    #[test]
    fn placeholders_are_filled_and_leave_the_query() {
        let conditions = [eq("user", "a/b?c#d%"), eq("state", "open")];
        assert_eq!(
            list("users/{user}/orders", &conditions),
            "users/a%2Fb%3Fc%23d%25/orders?state=open"
        );
        assert_eq!(list("{user}/{user}", &[eq("user", 7)]), "7/7");
    }

    #[test]
    fn a_path_that_cannot_be_filled_is_incorrect_usage() {
        for template in ["u/{id}/{x}", "u/{id", "u/{}", "u/id}", "u/{{id}}", "u/{id}#x", "../{id}"]
        {
            let error = lowered(template, &[eq("id", 7)], Filtering::Server).unwrap_err();
            assert!(error.is_incorrect_usage(), "{template}: {error}");
        }
        for value in [Value::from(""), Value::from("."), Value::from(".."), Value::Null] {
            let error = lowered("u/{id}", &[eq("id", value)], Filtering::Server).unwrap_err();
            assert!(error.is_incorrect_usage(), "{error}");
        }
        let error = lowered("u/{id}.", &[eq("id", ".")], Filtering::Local).unwrap_err();
        assert!(error.is_incorrect_usage());
    }

    #[test]
    fn what_cannot_be_sent_is_refused_and_no_value_is_echoed() {
        let conditions = [
            eq("f", Value::Null),
            eq("f", Value::Array(vec!["canary".into()])),
            eq("f", Value::Tag(0, Box::new("canary".into()))),
            eq("page", "canary"),
            ApiCondition::is_in("f", ["canary", "b"]),
            ApiCondition::unsupported("a search"),
        ];
        for condition in conditions {
            let error =
                lowered("c", std::slice::from_ref(&condition), Filtering::Server).unwrap_err();
            assert!(error.is_unsupported(), "{condition}: {error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn conditions_that_exclude_each_other_match_nothing() {
        let nothing: [&[ApiCondition]; 4] = [
            &[eq("a", 1), eq("a", 2)],
            &[ApiCondition::is_in("a", [1; 0])],
            &[ApiCondition::is_in("a", [1, 2]), eq("a", 3)],
            &[ApiCondition::is_in("id", [1; 0])],
        ];
        for conditions in nothing {
            for filtering in [Filtering::Server, Filtering::Checked, Filtering::Local] {
                let template = if conditions[0].field() == Some("id") { "c/{id}" } else { "c" };
                assert_eq!(lowered(template, conditions, filtering).unwrap(), None);
            }
        }
        assert_eq!(list("c", &[ApiCondition::is_in("a", [1, 2]), eq("a", 2)]), "c?a=2");
    }

    #[test]
    fn filtering_decides_what_is_sent() {
        let conditions = [eq("a", 1), eq("b", Value::Null), ApiCondition::is_in("c", [1, 2])];
        let target = |filtering| lowered("c", &conditions, filtering).unwrap().unwrap().list();
        assert_eq!(target(Filtering::Checked), "c?a=1");
        assert_eq!(target(Filtering::Local), "c");
    }

    #[test]
    fn an_item_is_where_its_path_says() {
        let item = |template: &str, id: &str| {
            let conditions = [eq("a", 1)].map(Cow::Owned);
            lower_item(&path::below(template), conditions).unwrap().unwrap().path.of(id)
        };
        assert_eq!(item("c", "a/b").unwrap(), "c/a%2Fb");
        assert_eq!(item("c/?lang=en", "7").unwrap(), "c/7?lang=en");
        assert_eq!(item("c", ".."), None);
        assert_eq!(item("{a}/c", "7").unwrap(), "1/c/7");
    }

    #[test]
    fn an_item_must_meet_what_did_not_fill_its_path() {
        let conditions = || [eq("user", 1), eq("state", "open")].map(Cow::Owned);
        let item = lower_item("o/{order}/of?u={user}&x=1", conditions());
        assert!(item.is_err(), "the last placeholder is the id");
        let item = lower_item("u/{user}/o/{order}?x=1", conditions()).unwrap().unwrap();
        assert_eq!(item.path.of("7").unwrap(), "u/1/o/7?x=1");
        assert_eq!(
            item.filter,
            Filter::new(IndexMap::from([("state".into(), vec![Some("open".into())])]))
        );
        for path in ["o", "o/x{id}", "o/{id}x", "o/{user", "o?id={id}"] {
            assert!(lower_item(path, conditions()).unwrap_err().is_incorrect_usage(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_value_survives_the_round_trip(value in "\\PC*", field in "[a-z\\[\\].&=?# ]{1,8}") {
            prop_assume!(!["page", "per_page"].contains(&field.as_str()));
            let url = url::Url::parse("http://h/").unwrap().join(&list("c", &[eq(&field, value.as_str())])).unwrap();
            prop_assert_eq!(url.path(), "/c");
            prop_assert_eq!(url.query_pairs().collect::<Vec<_>>(), [(field.into(), value.into())]);
        }

        #[test]
        fn a_placeholder_value_stays_one_segment(value in "\\PC+") {
            prop_assume!(value != "." && value != "..");
            let url = url::Url::parse("http://h/").unwrap().join(&list("a/{id}/b", &[eq("id", value.as_str())])).unwrap();
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            prop_assert_eq!(segments.len(), 3);
            let decoded = percent_encoding::percent_decode_str(segments[1]).decode_utf8().unwrap();
            prop_assert_eq!(decoded, value);
            prop_assert_eq!(url.query(), None);
        }
    }
}
