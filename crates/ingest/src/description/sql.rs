//! [pure] What queries in SQL may count on, as data.

use std::time::Duration;

use serde::Deserialize;

use super::forms;

/// What a query engine may count on when it reads a table, and how it reads it. Nothing of this
/// matters to a job.
///
/// | key | value |
/// |---|---|
/// | `trust_total` | for how long a total that a page told counts as the number of rows, such as `10m`: a count is answered from it, or from the first page. For APIs whose pages tell totals; by default never, as some estimate them |
/// | `fields` | the parameter that says which fields rows have, such as `fields`: it is sent with the first keys of the columns that a query needs, separated by commas. By default none is sent |
/// | `max_keys` | the most keys that are looked up for a join, and the most values of a list that takes several requests: 100 by default, 0 for none. For more, the table is read |
/// | `prefetch` | how many pages are in flight or in memory at most: 8 by default |
/// | `collation` | `binary` if the API compares and orders texts by their characters' numbers, as SQL does here. By default it is not known, and the API is asked neither for ranges nor for orders of texts |
/// | `nulls` | where the API has the rows without a value if it orders: `first`, `last`, `lowest` or `highest`. By default it is not known, and it is asked for orders only by columns that are mandatory or name a row |
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SqlSettings {
    /// For how long a total counts as the number of rows.
    #[serde(deserialize_with = "forms::optional_above_zero")]
    pub trust_total: Option<Duration>,
    /// The parameter that says which fields rows have.
    pub fields: Option<String>,
    /// The most keys that are looked up.
    pub max_keys: usize,
    /// How many pages are in flight or in memory at most.
    #[serde(deserialize_with = "forms::at_least_one")]
    pub prefetch: u64,
    /// How the API compares texts, if that is known.
    pub collation: Option<Collation>,
    /// Where the API has nulls if it orders, if that is known.
    pub nulls: Option<Nulls>,
}

impl Default for SqlSettings {
    fn default() -> Self {
        let (trust_total, fields, collation, nulls) = (None, None, None, None);
        Self { trust_total, fields, max_keys: 100, prefetch: 8, collation, nulls }
    }
}

/// How an API compares texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Collation {
    /// By the numbers of their characters.
    Binary,
}

/// Where an API has the rows without a value when it orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Nulls {
    /// Before all others, in both directions.
    First,
    /// Behind all others, in both directions.
    Last,
    /// As if they were less than any value.
    Lowest,
    /// As if they were greater than any value.
    Highest,
}

impl Nulls {
    /// Whether they come before the others in an order of this direction.
    #[must_use]
    pub fn are_first(self, is_descending: bool) -> bool {
        match self {
            Self::First => true,
            Self::Last => false,
            Self::Lowest => !is_descending,
            Self::Highest => is_descending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::Reader;

    fn read(sql: &str) -> Result<SqlSettings, String> {
        let yaml = format!("api: {{ base_url: http://h }}\ntables: [{{ name: t, sql: {sql} }}]");
        let read = Reader::new().environment([("N", "7")]).read_yaml(&yaml);
        read.map(|mut read| read.tables.remove(0).sql).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_as_by_default_and_what_means_nothing_is_named() {
        assert_eq!(read("{}"), Ok(SqlSettings::default()));
        let all = "{ trust_total: 1m, fields: f, max_keys: 7, prefetch: 3, collation: binary, \
                   nulls: highest }";
        let expected = SqlSettings {
            trust_total: Some(Duration::from_secs(60)),
            fields: Some("f".into()),
            max_keys: 7,
            prefetch: 3,
            collation: Some(Collation::Binary),
            nulls: Some(Nulls::Highest),
        };
        assert_eq!(read(all), Ok(expected));
        assert_eq!(read("{ max_keys: \"${N}\" }").map(|sql| sql.max_keys), Ok(7));
        for (wrong, named) in [
            ("{ trust: 1m }", "trust"),
            ("{ trust_total: 0 }", "above zero"),
            ("{ prefetch: 0 }", "above zero"),
            ("{ collation: german }", "german"),
            ("{ nulls: middle }", "middle"),
        ] {
            let refused = read(wrong).unwrap_err();
            assert!(refused.contains(named), "{wrong}: {refused}");
        }
    }

    #[test]
    fn nulls_that_are_values_turn_round_with_the_order() {
        let first = |nulls: Nulls| [false, true].map(|descends| nulls.are_first(descends));
        assert_eq!(first(Nulls::First), [true, true]);
        assert_eq!(first(Nulls::Last), [false, false]);
        assert_eq!(first(Nulls::Lowest), [true, false]);
        assert_eq!(first(Nulls::Highest), [false, true]);
    }
}
