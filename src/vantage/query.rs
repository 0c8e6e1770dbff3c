//! [pure] Turns a table's path, conditions and order into request targets and a filter for their
//! rows. Knows nothing of pages or transport.

use std::{borrow::Cow, collections::HashSet};

use vantage_core::VantageError;

use super::{
    condition::{ApiCondition, Operator},
    order::OrderPlan,
    path::{self, ItemPath},
    pushdown::{Pushdown, encoded},
    row_filter::{FieldTest, Filter, Predicate},
    settings::TableSettings,
    where_clause::{Declared, WhereClause, is_equality},
};

/// A request target in its parts.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    /// The path below the base URL, encoded.
    path: String,
    /// The query in the table's path, as it was written.
    pub(super) fixed: String,
    /// Parameters of every request, encoded.
    params: Vec<String>,
    /// Parameters of each single request, if there are several.
    split: Vec<Vec<String>>,
    /// The conditions that are evaluated on the rows of a list.
    pub(super) filter: Filter,
    pub(super) order: OrderPlan,
}

impl Query {
    /// The targets of a list: one, unless a list of values takes several requests.
    pub(super) fn targets(&self) -> Vec<String> {
        let fixed = Some(self.fixed.trim_matches('&')).filter(|fixed| !fixed.is_empty());
        let ordered: Vec<String> = self.order.parameters.iter().map(encoded).collect();
        let target = |own: &[String]| {
            let params = self.params.iter().chain(own).chain(&ordered).map(String::as_str);
            let query: Vec<&str> = fixed.into_iter().chain(params).collect();
            match query.is_empty() {
                true => self.path.clone(),
                false => format!("{}?{}", self.path, query.join("&")),
            }
        };
        match self.split.as_slice() {
            [] => vec![target(&[])],
            split => split.iter().map(|own| target(own)).collect(),
        }
    }

    /// The target of a list if one request returns exactly that list.
    pub(super) fn only_target(&self) -> Option<String> {
        let is_whole = self.filter.is_empty() && self.split.is_empty();
        is_whole.then(|| self.targets().pop())?
    }
}

/// Turns a table's conditions and order into a query; `None` if no row can match, so
/// that nothing has to be requested.
///
/// # Errors
/// `Unsupported` for a condition that can be neither sent nor evaluated,
/// `IncorrectUsage` for a path whose placeholders cannot be filled.
pub(super) fn to_query<'a>(
    table: &TableSettings,
    declared: &Declared,
    conditions: impl IntoIterator<Item = Cow<'a, ApiCondition>>,
    order: &OrderPlan,
) -> Result<Option<Query>, VantageError> {
    table.filters.check()?;
    let clauses = WhereClause::of(conditions, declared)?;
    let wanted = clauses.wanted();
    let matches_nothing = clauses.match_nothing();
    let (path, fixed, used) = path::fill(&table.path, &wanted)?;
    let mut pushdown = Pushdown::new(table, declared, &fixed, order);
    pushdown.may_refuse = !matches_nothing;
    pushdown.search(&clauses.searches)?;

    let mut sent = HashSet::new();
    for (field, values) in wanted.iter().filter(|(field, _)| !used.contains(&field.as_str())) {
        if pushdown.send(field, Operator::In, values)? {
            sent.insert(field.clone());
        }
    }
    let mut predicates = Vec::new();
    for test in clauses.predicates {
        let (was_sent, test) = match test {
            Predicate::Field(comparison)
                if is_equality(&comparison) && used.contains(&comparison.field.as_str()) =>
            {
                continue;
            }
            Predicate::Field(mut comparison) => {
                let was_sent = if is_equality(&comparison) {
                    sent.contains(&comparison.field)
                } else {
                    pushdown.send(&comparison.field, comparison.operator, comparison.values())?
                };
                comparison.passes_absent = was_sent && !declared.fields.contains(&comparison.field);
                (was_sent, Predicate::Field(comparison))
            }
            test => {
                pushdown.cannot("the API takes no such combination", &first_field(&test))?;
                (false, test)
            }
        };
        if !was_sent || table.filtering.evaluates_all() {
            predicates.push(test);
        }
    }
    let (params, split) = pushdown.finish()?;
    let order = match split.is_empty() {
        true => order.clone(),
        false => order.clone().of_several_requests()?,
    };
    let query = Query { path, fixed, params, split, filter: Filter::new(predicates), order };
    Ok((!matches_nothing).then_some(query))
}

/// The first field of a test, to name it.
fn first_field(test: &Predicate) -> String {
    match test {
        Predicate::Field(FieldTest { field, .. }) => field.clone(),
        Predicate::All(predicates) | Predicate::Any(predicates) => {
            predicates.first().map(first_field).unwrap_or_default()
        }
        Predicate::Not(test) => first_field(test),
        Predicate::Opaque => String::new(),
    }
}

/// The path of one item of a table, and the conditions it must meet to be in the set; `None` if no
/// row can match.
///
/// # Errors
/// Those of [`to_query`].
pub(super) fn to_item_path<'a>(
    item_path: &str,
    declared: &Declared,
    conditions: impl IntoIterator<Item = Cow<'a, ApiCondition>>,
) -> Result<Option<(ItemPath, Filter)>, VantageError> {
    let clauses = WhereClause::of(conditions, declared)?;
    let (path, used) = path::fill_item(item_path, &clauses.wanted())?;
    let matches_nothing = clauses.match_nothing();
    let filter = clauses.into_filter(&used);
    Ok((!matches_nothing).then_some((path, filter)))
}

/// The target of a table whose conditions are not sent, and the conditions a row must meet to be in
/// the set; `None` if no row can match.
///
/// # Errors
/// Those of [`to_query`].
pub(super) fn to_target<'a>(
    template: &str,
    declared: &Declared,
    conditions: impl IntoIterator<Item = Cow<'a, ApiCondition>>,
) -> Result<Option<(String, Filter)>, VantageError> {
    let clauses = WhereClause::of(conditions, declared)?;
    let matches_nothing = clauses.match_nothing();
    let (path, fixed, used) = path::fill(template, &clauses.wanted())?;
    let target = if fixed.is_empty() { path } else { format!("{path}?{fixed}") };
    let filter = clauses.into_filter(&used);
    Ok((!matches_nothing).then_some((target, filter)))
}

#[cfg(test)]
mod tests {
    use ciborium::Value;
    use proptest::prelude::*;

    use super::{super::settings::ApiSettings, *};
    use crate::vantage::{ApiTable, Filtering};

    fn table(template: &str, filtering: Filtering) -> TableSettings {
        let paging = crate::pager::Paging::page_number().page_size("per_page", 10);
        let common = ApiTable::new().paging(paging).filtering(filtering);
        ApiSettings { common, ..ApiSettings::default() }.settings_of(template)
    }

    fn queried(
        template: &str,
        conditions: &[ApiCondition],
        filtering: Filtering,
    ) -> Result<Option<Query>, VantageError> {
        let conditions = conditions.iter().map(Cow::Borrowed);
        to_query(
            &table(template, filtering),
            &Declared::default(),
            conditions,
            &OrderPlan::default(),
        )
    }

    fn only(query: Result<Option<Query>, VantageError>) -> String {
        let targets = query.unwrap().unwrap().targets();
        assert_eq!(targets.len(), 1);
        targets.into_iter().next().unwrap()
    }

    fn list(template: &str, conditions: &[ApiCondition]) -> String {
        only(queried(template, conditions, Filtering::Server))
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
            let error = queried(template, &[eq("id", 7)], Filtering::Server).unwrap_err();
            assert!(error.is_incorrect_usage(), "{template}: {error}");
        }
        for value in [Value::from(""), Value::from("."), Value::from(".."), Value::Null] {
            let error = queried("u/{id}", &[eq("id", value)], Filtering::Server).unwrap_err();
            assert!(error.is_incorrect_usage(), "{error}");
        }
        let error = queried("u/{id}.", &[eq("id", ".")], Filtering::Local).unwrap_err();
        assert!(error.is_incorrect_usage());
    }

    #[test]
    fn what_cannot_be_sent_is_refused_and_no_value_is_echoed() {
        let conditions = [
            eq("f", Value::Null),
            eq("f", Value::Array(vec!["canary".into()])),
            eq("f", Value::Tag(1, Box::new("canary".into()))),
            eq("page", "canary"),
            ApiCondition::is_in("f", ["canary", "b"]),
            ApiCondition::unsupported("a search"),
        ];
        for condition in conditions {
            let error =
                queried("c", std::slice::from_ref(&condition), Filtering::Server).unwrap_err();
            assert!(error.is_unsupported(), "{condition}: {error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_request_parameter_is_sent_or_refused_whatever_is_evaluated_on_the_rows() {
        let declared =
            Declared { parameters: HashSet::from(["lang".to_owned()]), ..Declared::default() };
        for filtering in [Filtering::Server, Filtering::Mixed, Filtering::Checked, Filtering::Local]
        {
            let query = |condition: ApiCondition| {
                let conditions = [Cow::Owned(condition)];
                to_query(&table("c", filtering), &declared, conditions, &OrderPlan::default())
            };
            assert_eq!(only(query(eq("lang", "en"))), "c?lang=en", "{filtering:?}");
            let error = query(ApiCondition::gt("lang", "en")).unwrap_err();
            assert!(error.is_unsupported() && error.to_string().contains("lang"), "{error}");
        }
    }

    #[test]
    fn a_row_without_the_field_passes_only_what_was_sent() {
        let keeps = |filtering| {
            let query = queried("c", &[eq("other", 1)], filtering).unwrap().unwrap();
            query.filter.keeps(&[("n".to_owned(), 1.into())].into_iter().collect())
        };
        assert!(keeps(Filtering::Server) && keeps(Filtering::Checked));
        assert!(!keeps(Filtering::Local));
    }

    #[test]
    fn two_comparisons_in_one_parameter_are_not_both_sent() {
        let two = [ApiCondition::gt("n", 1), ApiCondition::gt("n", 2)];
        let queried = |filtering| {
            let filters = crate::vantage::Filters::suffixes();
            let settings = TableSettings { filters, ..table("c", filtering) };
            let conditions = two.iter().map(Cow::Borrowed);
            to_query(&settings, &Declared::default(), conditions, &OrderPlan::default())
        };
        assert!(queried(Filtering::Server).unwrap_err().is_unsupported());
        let query = queried(Filtering::Mixed).unwrap().unwrap();
        assert_eq!(
            (query.targets(), query.filter.predicates().len()),
            (vec!["c?n__gt=1".into()], 1)
        );
    }

    #[test]
    fn one_list_alone_takes_several_requests() {
        let two = ["a", "b"].map(|field| ApiCondition::is_in(field, [1, 2]));
        let queried = |filtering| {
            let filters =
                crate::vantage::Filters::equality().lists(crate::vantage::Lists::Requests);
            let settings = TableSettings { filters, ..table("c", filtering) };
            let conditions = two.iter().map(Cow::Borrowed);
            to_query(&settings, &Declared::default(), conditions, &OrderPlan::default())
        };
        assert!(queried(Filtering::Server).unwrap_err().is_unsupported());
        let query = queried(Filtering::Mixed).unwrap().unwrap();
        assert_eq!(
            (query.targets(), query.filter.predicates().len()),
            (vec!["c?a=1".into(), "c?a=2".into()], 1)
        );
    }

    #[test]
    fn a_condition_takes_no_parameter_of_the_order() {
        let by = ApiCondition::column("n");
        let order = crate::vantage::Sorting::prefixed("sort").to_plan(
            [(&by, vantage_table::sorting::SortDirection::Ascending)],
            str::to_owned,
            |_| true,
        );
        let conditions = [Cow::Owned(eq("sort", 1))];
        let table = table("c", Filtering::Server);
        let error =
            to_query(&table, &Declared::default(), conditions, &order.unwrap()).unwrap_err();
        assert!(error.is_unsupported(), "{error}");
    }

    #[test]
    fn a_parameter_of_the_path_is_known_however_it_is_written() {
        let error = queried("c?%71=1", &[eq("q", 2)], Filtering::Server).unwrap_err();
        assert!(error.is_unsupported(), "{error}");
        assert_eq!(list("c?a", &[eq("q", 2)]), "c?a&q=2");
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
                assert_eq!(queried(template, conditions, filtering).unwrap(), None);
            }
        }
        assert_eq!(list("c", &[ApiCondition::is_in("a", [1, 2]), eq("a", 2)]), "c?a=2");
    }

    #[test]
    fn filtering_decides_what_is_sent() {
        let conditions = [eq("a", 1), eq("b", Value::Null), ApiCondition::is_in("c", [1, 2])];
        let target = |filtering| only(queried("c", &conditions, filtering));
        assert_eq!(target(Filtering::Checked), "c?a=1");
        assert_eq!(target(Filtering::Local), "c");
    }

    #[test]
    fn an_item_is_where_its_path_says() {
        let item = |template: &str, id: &str| {
            let conditions = [eq("a", 1)].map(Cow::Owned);
            to_item_path(&path::below(template), &Declared::default(), conditions)
                .unwrap()
                .unwrap()
                .0
                .of(id)
        };
        assert_eq!(item("c", "a/b").unwrap(), "c/a%2Fb");
        assert_eq!(item("c/?lang=en", "7").unwrap(), "c/7/?lang=en");
        assert_eq!(item("c", ".."), None);
        assert_eq!(item("/", "7").unwrap(), "/7");
        assert_eq!(item("{a}/c", "7").unwrap(), "1/c/7");
    }

    #[test]
    fn an_item_must_meet_what_did_not_fill_its_path() {
        let conditions = || [eq("user", 1), eq("state", "open")].map(Cow::Owned);
        let item = to_item_path("o/{order}/of?u={user}&x=1", &Declared::default(), conditions());
        assert!(item.is_err(), "the last placeholder is the id");
        let (path, filter) =
            to_item_path("u/{user}/o/{order}?x=1", &Declared::default(), conditions())
                .unwrap()
                .unwrap();
        assert_eq!(path.of("7").unwrap(), "u/1/o/7?x=1");
        let row = |state: &str| [("state".to_owned(), state.into())].into_iter().collect();
        assert_eq!(filter.admits(&row("open")), Some(true));
        assert_eq!(filter.admits(&row("shut")), Some(false));
        for path in ["o", "o/{user", "o?id={id}"] {
            assert!(
                to_item_path(path, &Declared::default(), conditions())
                    .unwrap_err()
                    .is_incorrect_usage(),
                "{path}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_value_survives_the_round_trip(value in "\\PC*[a-z]", field in "[a-z\\[\\].&=?# ]{1,8}") {
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
