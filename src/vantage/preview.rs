//! What a read would send, without sending it.

use std::fmt;

use vantage_core::{Result, VantageError};

use super::{
    condition::{ApiCondition, Operator},
    order::SortBy,
    reads::Read,
    row_filter::{FieldTest, Predicate},
};
use crate::tokens::is_credential_name;

/// What a list of a table would send, and what it would do itself.
///
/// Possible credentials in parameters are masked: the values in the query of the table's path, and
/// those of parameters whose name suggests a key, a token, a secret, a password, a signature or a
/// session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// The URLs that are requested first: one for each request that a list of values or a
    /// path with several values takes, each with the parameters of its first page. Empty
    /// if nothing is sent, because no row can match or something is unresolved.
    pub requests: Vec<String>,
    /// The conditions and orders that are applied to the rows.
    pub on_rows: Vec<String>,
    /// What prevents the read from being sent: a placeholder without a value, a condition that
    /// the API does not support, or values of another table, which would be read first.
    pub unresolved: Vec<String>,
}

impl Preview {
    /// The preview of a read that is refused.
    pub(super) fn refused(error: &VantageError) -> Self {
        let context =
            ["placeholder", "field", "form"].iter().find_map(|key| error.context.get(*key));
        let named = context.map(|name| format!(": {}", name.trim_matches('"')));
        let what = format!("{}{}", error.message(), named.unwrap_or_default());
        Self { unresolved: vec![what], ..Self::default() }
    }
}

impl Read {
    pub(super) fn preview(mut self) -> Preview {
        let unresolved: Vec<String> = self.related().map(ToString::to_string).collect();
        if !unresolved.is_empty() {
            return Preview { unresolved, ..Preview::default() };
        }
        self.flatten();
        self.resolved_preview().unwrap_or_else(|error| Preview::refused(&error))
    }

    fn resolved_preview(mut self) -> Result<Preview> {
        let mut preview = Preview::default();
        let queries = self.queries()?;
        let order = queries.first().and_then(|(_, query)| query.order.made_on_rows());
        if order.is_some() {
            self.window = None;
        }
        for (_, query) in &queries {
            for scan in query.targets().into_iter().map(|target| self.scan(target, &query.filter)) {
                preview
                    .requests
                    .extend(scan.first_url()?.map(|url| masked(&url.to_string(), &query.fixed)));
            }
        }
        if let Some((_, query)) = queries.first() {
            preview
                .on_rows
                .extend(query.filter.predicates().iter().map(|test| shown(test).to_string()));
            preview.on_rows.extend(order.into_iter().flatten().map(order_shown));
        }
        Ok(preview)
    }
}

/// For display: the requests, then what is applied to the rows, then what is unresolved.
impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.requests.iter().map(|url| format!("GET {url}"));
        let on_rows = self.on_rows.iter().map(|what| format!("on the rows: {what}"));
        let unresolved = self.unresolved.iter().map(|what| format!("unresolved: {what}"));
        let lines: Vec<String> = requests.chain(on_rows).chain(unresolved).collect();
        f.write_str(&lines.join("\n"))
    }
}

fn order_shown(by: &SortBy) -> String {
    format!("ORDER BY {}{}", by.column, if by.is_descending { " DESC" } else { "" })
}

/// The condition that a test evaluates, with the values of secrets masked.
fn shown(test: &Predicate) -> ApiCondition {
    let several = |predicates: &[Predicate]| predicates.iter().map(shown).collect();
    match test {
        Predicate::All(predicates) => ApiCondition::All(several(predicates)),
        Predicate::Any(predicates) => ApiCondition::Any(several(predicates)),
        Predicate::Not(test) => !shown(test),
        Predicate::Opaque => ApiCondition::unsupported("a search"),
        Predicate::Field(comparison) => {
            let FieldTest { field, operator, .. } = comparison;
            let mask = |value| if is_credential_name(field) { MASK.into() } else { value };
            let mut values = comparison.values().iter().cloned().map(mask);
            match operator {
                Operator::In => ApiCondition::is_in(field.as_str(), values),
                Operator::NotIn => ApiCondition::is_not_in(field.as_str(), values),
                operator => {
                    let value = values.next().unwrap_or(ciborium::Value::Null);
                    match operator {
                        Operator::Eq => ApiCondition::eq(field.as_str(), value),
                        operator => ApiCondition::compare(field.as_str(), *operator, value),
                    }
                }
            }
        }
    }
}

const MASK: &str = "***";

/// `url` with the values of secret parameters and of those in `fixed` masked.
fn masked(url: &str, fixed: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let name_of = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let fixed: Vec<_> = fixed.split('&').map(name_of).collect();
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_credential_name(name) || fixed.iter().any(|fixed| fixed == name) => {
            format!("{name}={MASK}")
        }
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_credentials_are_masked_and_others_are_shown() {
        let url = "http://h/a?api_key=s&page=2&X-Auth-Token=s&sig=s&monkey=1&clientSecret=s";
        let shown =
            "http://h/a?api_key=***&page=2&X-Auth-Token=***&sig=***&monkey=1&clientSecret=***";
        assert_eq!(masked(url, ""), shown);
        assert_eq!(masked("http://h/a", ""), "http://h/a");
        assert_eq!(masked("http://h/a?%61pi%5Fkey=s", ""), "http://h/a?%61pi%5Fkey=***");
    }

    #[test]
    fn security_17_what_a_path_brings_along_is_masked_whatever_its_name() {
        let shown = masked("http://h/a?appid=s&code=s&page=2&n=7", "appid=s&code=s");
        assert_eq!(shown, "http://h/a?appid=***&code=***&page=2&n=7");
    }

    #[test]
    fn a_test_is_shown_as_the_condition_that_it_evaluates() {
        use super::super::value_set::ValueSet;
        let comparison = |field: &str, operator, values: &[&str]| {
            Predicate::Field(FieldTest {
                field: field.into(),
                operator,
                value_set: ValueSet::new(
                    values.iter().map(|value| (*value).into()).collect(),
                    false,
                ),
                passes_absent: false,
            })
        };
        let any = Predicate::Any(vec![
            comparison("a", Operator::Gt, &["1"]),
            Predicate::Not(Box::new(comparison("b", Operator::Like, &["x%"]))),
            comparison("password", Operator::In, &["canary", "other"]),
        ]);
        assert_eq!(
            shown(&any).to_string(),
            r#"(a > "1" OR NOT b LIKE "x%" OR password IN ("***", "***"))"#
        );
    }
}
