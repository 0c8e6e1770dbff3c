//! Descriptions of well-known REST APIs, by name. Each is a whole description of
//! [`vantage-api-ingest`]: how the API pages, signs in, limits and fails, its tables, and a job that
//! copies them into SQLite. It needs a token and what else the address of the API has in it, as
//! variables of the environment.
//!
//! The descriptions follow what the APIs document, as their README says for each, and were tested
//! against replicas of that: not against the APIs themselves.
//!
//! ```
//! let github = vantage_api_connectors::find("github").ok_or("it is there")?;
//! assert_eq!(github.about, "GitHub's REST API, version 2022-11-28: https://docs.github.com/rest");
//! assert_eq!(github.variables(), ["GITHUB_DB", "GITHUB_TOKEN", "GITHUB_URL"]);
//! # Ok::<(), &str>(())
//! ```
//!
//! [`vantage-api-ingest`]: https://docs.rs/vantage-api-ingest

use std::collections::BTreeSet;

/// A description of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connector {
    /// Its name, such as `github`.
    pub name: &'static str,
    /// The API, its version, and where it is documented.
    pub about: &'static str,
    /// The description, in YAML.
    pub yaml: &'static str,
}

macro_rules! connectors {
    ($($name:literal),* $(,)?) => {
        &[$(Connector::of($name, include_str!(concat!("../yaml/", $name, ".yaml")))),*]
    };
}

/// All descriptions, by name.
pub const ALL: &[Connector] = connectors![
    "airtable",
    "datasette",
    "django-rest-framework",
    "elasticsearch",
    "elasticsearch-scroll",
    "github",
    "gitlab",
    "google-calendar",
    "hubspot",
    "intercom",
    "jira",
    "microsoft-graph",
    "notion",
    "pagerduty",
    "salesforce",
    "sentry",
    "shopify",
    "slack",
    "stripe",
    "twilio",
    "zendesk",
];

/// The description of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Connector> {
    ALL.iter().find(|connector| connector.name == name)
}

impl Connector {
    /// The first line of a description is a comment that says what it is of.
    const fn of(name: &'static str, yaml: &'static str) -> Self {
        let line = yaml.as_bytes();
        let mut end = 0;
        while end < line.len() && line[end] != b'\n' {
            end += 1;
        }
        let (about, _) = yaml.split_at(end);
        let (_, about) = about.split_at(2);
        Self { name, about, yaml }
    }

    /// The names of the variables that it has, in order. Those without a value of their own must be
    /// given one.
    #[must_use]
    pub fn variables(&self) -> Vec<&'static str> {
        let lines = self.yaml.lines().filter(|line| !line.trim_start().starts_with('#'));
        let parts = lines.flat_map(|line| line.split("${").skip(1));
        let names = parts.filter_map(|part| part.split([':', '}']).next());
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The names of those variables that have no value of their own.
    #[must_use]
    pub fn required(&self) -> Vec<&'static str> {
        let has_own = |name: &&str| {
            let (default, among_vars) = (format!("${{{name}:-"), format!("\n  {name}: "));
            self.yaml.contains(&default) || self.yaml.contains(&among_vars)
        };
        self.variables().into_iter().filter(|name| !has_own(name)).collect()
    }
}

impl Connector {
    /// The ways to authenticate, one of which must be given: the names of the variables of each, in
    /// the order in which they are tried. None if there is only one, whose variables are
    /// [`required`](Self::required).
    #[must_use]
    pub fn ways_to_sign_in(&self) -> Vec<Vec<&'static str>> {
        let lines = self.yaml.lines().skip_while(|line| *line != "  auth:").skip(1);
        let mut ways: Vec<Vec<&str>> = Vec::new();
        for line in lines.take_while(|line| line.starts_with("    ")) {
            if line.starts_with("    - ") {
                ways.push(Vec::new());
            }
            let names = line.split("${").skip(1).filter_map(|part| part.split_once(":-}"));
            let names = names.map(|(name, _)| name);
            ways.last_mut().into_iter().for_each(|way| way.extend(names.clone()));
        }
        ways.retain(|way| !way.is_empty());
        ways
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_ways_to_sign_in_is_needed() {
        let ways = find("google-calendar").map(Connector::ways_to_sign_in);
        let client = vec!["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "GOOGLE_REFRESH_TOKEN"];
        assert_eq!(ways, Some(vec![vec!["GOOGLE_TOKEN"], client]));
        for connector in ALL {
            let ways = connector.ways_to_sign_in();
            let is_open = connector.required().is_empty() && ways.is_empty();
            assert!(!is_open || !connector.yaml.contains("auth:"), "{}", connector.name);
        }
    }

    #[test]
    fn each_is_found_by_its_name_and_says_what_it_is_of() {
        for connector in ALL {
            assert_eq!(find(connector.name), Some(connector));
            assert!(connector.about.contains(": https://"), "{}", connector.about);
            assert!(connector.yaml.starts_with(&format!("# {}\n", connector.about)));
        }
        assert!(ALL.is_sorted_by_key(|connector| connector.name));
        assert_eq!(find("nothing"), None);
    }

    #[test]
    fn variables_are_those_without_which_it_cannot_be_run() {
        let shopify = find("shopify").map(Connector::required);
        assert_eq!(shopify, Some(vec!["SHOPIFY_SHOP", "SHOPIFY_TOKEN"]));
    }
}
