//! [pure] What is asked of GraphQL: the schema, then two pages of a connection.

use super::{
    discovery::{Discovery, Stage},
    error::DiscoverError,
    graphql::{Connection, connections, has_errors},
    http::{Request, Response},
    page::Page,
    proof::{Proof, compare},
    rows,
    stages::Seen,
};
use crate::{way::Way, yaml::text};

/// The sizes that are tried, one after the other.
const SIZES: [u64; 2] = [100, 10];

const BY_HAND: &str = "write the table by hand: `paging` with `post: { query: … }`, by: cursor";

impl Discovery {
    /// Chooses a connection of a schema.
    pub(super) fn schema(
        &mut self,
        answer: Response,
        request: &Request,
    ) -> Result<Stage, DiscoverError> {
        let page = Page::parse(answer, &request.url)?;
        let found = connections(&page.body).ok_or_else(|| {
            DiscoverError::new("this may be GraphQL, but it does not tell its schema", BY_HAND)
        })?;
        let names: Vec<_> = found.iter().map(|found| format!("`{}`", found.field)).collect();
        let wanted = |found: &Connection| {
            self.settings.table.as_ref().is_none_or(|table| *table == found.field)
        };
        let mut fitting = found.into_iter().filter(wanted);
        let (first, other) = (fitting.next(), fitting.next());
        let connection = match (first, other) {
            (Some(only), None) => only,
            (Some(_), Some(_)) => {
                let what = format!("the schema has several connections: {}", names.join(", "));
                return Err(DiscoverError::new(what, "say which one: --table NAME"));
            }
            (None, _) if names.is_empty() => {
                let what = "no field of the schema is a connection (`first`, `after`, `pageInfo`) \
                            that can be read without further arguments";
                return Err(DiscoverError::new(what, BY_HAND));
            }
            (None, _) => {
                let what = format!("the schema has no such connection, but {}", names.join(", "));
                return Err(DiscoverError::new(what, "name one of them: --table NAME"));
            }
        };
        self.table.clone_from(&connection.field);
        self.ask_graph(connection, None, SIZES[0], None)
    }

    fn ask_graph(
        &self,
        connection: Connection,
        first: Option<Seen>,
        size: u64,
        after: Option<&str>,
    ) -> Result<Stage, DiscoverError> {
        if !self.may_ask() {
            return Err(DiscoverError::new("there are no requests left for the rows", BY_HAND));
        }
        let purpose = match after {
            None => format!("{size} rows of the connection `{}`", connection.field),
            Some(_) => "the second page, by `after`".to_owned(),
        };
        let request = Request::new(self.url.clone(), purpose).body(connection.body(size, after));
        Ok(Stage::Graph { connection: Box::new(connection), first, size, request })
    }

    /// Takes a page of a connection.
    pub(super) fn graph(
        &mut self,
        answer: Response,
        connection: Connection,
        first: Option<Seen>,
        size: u64,
        request: &Request,
    ) -> Result<Stage, DiscoverError> {
        let page =
            Page::parse(answer, &request.url).and_then(|page| match has_errors(&page.body) {
                true => Err(DiscoverError::new(
                    format!("the answer for `{}` has `errors`", connection.field),
                    BY_HAND,
                )),
                false => {
                    let place = rows::given(&page.body, &connection.items)?;
                    Ok(Seen::of(page, place))
                }
            });
        let page = match (page, &first) {
            (Ok(page), _) => page,
            (Err(_), None) if size == SIZES[0] => {
                return self.ask_graph(connection, None, SIZES[1], None);
            }
            (Err(error), _) => return Err(error),
        };
        let why = match &first {
            None => match connection.next(&page.page.body).map(str::to_owned) {
                Some(after) => {
                    return self.ask_graph(connection, Some(page), size, Some(&after));
                }
                None if page.rows == 0 => {
                    let what = "the connection has no rows, so nothing can be seen";
                    return Err(DiscoverError::new(what, BY_HAND));
                }
                None => "by the schema; all rows came on one page",
            },
            Some(first) => {
                let (one, other) = (first.page.rows(&first.place), page.page.rows(&page.place));
                match compare(&one, &other, &self.table) {
                    Proof::Next => "verified: `after` leads to new rows",
                    _ => {
                        let what = "the second page of the connection has no new rows";
                        return Err(DiscoverError::new(what, BY_HAND));
                    }
                }
            }
        };
        let way = Way::Cursor {
            param: "variables.after".to_owned(),
            next: connection.at("pageInfo.endCursor"),
        };
        let (first, second) = match first {
            None => (page, None),
            Some(first) => (first, Some(page)),
        };
        let mut known = self.known(first, way, why, second);
        known.table.clone_from(&connection.field);
        known.size = Some(("variables.first".to_owned(), size, String::new()));
        known.ends.push((format!("post: {{ query: {} }}", text(&connection.query)), String::new()));
        known.rules.push("- { action: fail, status: [200], json_present: errors }".to_owned());
        known.facts = Some(self.facts_of(&connection));
        Ok(self.over(&known))
    }

    fn facts_of(&self, connection: &Connection) -> Vec<(String, String, String)> {
        let fact = |key: &str, path: &str| {
            (key.to_owned(), connection.at(path), "by the schema".to_owned())
        };
        let mut facts = vec![fact("has_next", "pageInfo.hasNextPage")];
        facts.extend(connection.has_total.then(|| fact("total", "totalCount")));
        facts
    }
}
