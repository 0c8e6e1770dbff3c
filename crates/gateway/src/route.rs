//! [pure] Which route a path is, and which methods it has.

use actix_web::http::Method;

use crate::{Problem, path::segment};

/// A route of the gateway, with the texts of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    Ready,
    Stats,
    Metrics,
    OpenApi,
    Docs,
    Status,
    StatusEvents,
    Tables,
    Table {
        table: String,
    },
    Query {
        table: String,
    },
    Row {
        table: String,
        id: String,
    },
    Relation {
        table: String,
        id: String,
        relation: String,
    },
    Batch,
    Kv,
    /// The key as it was sent: it may have slashes.
    KvKey {
        raw: String,
    },
}

/// The patterns of the routes, by [`Route::number`].
pub(crate) const PATTERNS: [&str; 16] = [
    "/health",
    "/ready",
    "/stats",
    "/metrics",
    "/openapi.json",
    "/tables",
    "/tables/{table}",
    "/tables/{table}/query",
    "/tables/{table}/{id}",
    "/tables/{table}/{id}/{relation}",
    "/batch",
    "/kv",
    "/kv/{key}",
    "/docs",
    "/status",
    "/status/events",
];

impl Route {
    /// The route of a path below the prefix, for a method: `query` is the id of a row too, and
    /// asked for by other methods than a query. `None` if there is none.
    ///
    /// # Errors
    /// 400 if a segment cannot be read.
    pub(crate) fn of(path: &str, method: &Method) -> Result<Option<Self>, Problem> {
        let Some(path) = path.strip_prefix('/') else { return Ok(None) };
        if let Some(raw) = path.strip_prefix("kv/") {
            return Ok((!raw.is_empty()).then(|| Self::KvKey { raw: raw.to_owned() }));
        }
        // One more than the longest has.
        let mut parts = path.splitn(5, '/');
        let segments: [Option<&str>; 5] = [(); 5].map(|()| parts.next());
        let is_query =
            |last: &str| last == "query" && (*method == Method::POST || method.as_str() == "QUERY");
        Ok(Some(match segments {
            [Some("health"), None, ..] => Self::Health,
            [Some("ready"), None, ..] => Self::Ready,
            [Some("stats"), None, ..] => Self::Stats,
            [Some("metrics"), None, ..] => Self::Metrics,
            [Some("openapi.json"), None, ..] => Self::OpenApi,
            [Some("docs"), None, ..] => Self::Docs,
            [Some("status"), None, ..] => Self::Status,
            [Some("status"), Some("events"), None, ..] => Self::StatusEvents,
            [Some("batch"), None, ..] => Self::Batch,
            [Some("kv"), None, ..] => Self::Kv,
            [Some("tables"), None, ..] => Self::Tables,
            [Some("tables"), Some(table), None, ..] => Self::Table { table: segment(table)? },
            [Some("tables"), Some(table), Some(last), None, ..] if is_query(last) => {
                Self::Query { table: segment(table)? }
            }
            [Some("tables"), Some(table), Some(id), None, ..] => {
                Self::Row { table: segment(table)?, id: segment(id)? }
            }
            [Some("tables"), Some(table), Some(id), Some(relation), None] => Self::Relation {
                table: segment(table)?,
                id: segment(id)?,
                relation: segment(relation)?,
            },
            _ => return Ok(None),
        }))
    }

    /// Its place among the [`PATTERNS`].
    pub(crate) fn number(&self) -> usize {
        match self {
            Self::Health => 0,
            Self::Ready => 1,
            Self::Stats => 2,
            Self::Metrics => 3,
            Self::OpenApi => 4,
            Self::Tables => 5,
            Self::Table { .. } => 6,
            Self::Query { .. } => 7,
            Self::Row { .. } => 8,
            Self::Relation { .. } => 9,
            Self::Batch => 10,
            Self::Kv => 11,
            Self::KvKey { .. } => 12,
            Self::Docs => 13,
            Self::Status => 14,
            Self::StatusEvents => 15,
        }
    }

    /// The methods that some client may use here, as `Allow` has them.
    pub(crate) fn methods(&self) -> &'static str {
        match self {
            Self::Table { .. } => "GET, HEAD, OPTIONS, POST, PATCH, DELETE",
            Self::Query { .. } => "OPTIONS, POST, QUERY, GET, HEAD, PUT, PATCH, DELETE",
            Self::Row { id, .. } if id == "query" => {
                "GET, HEAD, OPTIONS, PUT, PATCH, DELETE, POST, QUERY"
            }
            Self::Row { .. } => "GET, HEAD, OPTIONS, PUT, PATCH, DELETE",
            Self::Batch => "OPTIONS, POST",
            Self::Kv => "GET, HEAD, OPTIONS, POST",
            Self::KvKey { .. } => "GET, HEAD, OPTIONS, PUT, DELETE",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    /// Whether it is served without credentials: nothing is told but that the gateway is there, and
    /// its pages hold no data.
    pub(crate) fn is_public(&self) -> bool {
        matches!(self, Self::Health | Self::Ready | Self::Docs | Self::Status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, method: &Method) -> Option<Route> {
        Route::of(path, method).unwrap()
    }

    #[test]
    fn a_path_is_one_route() {
        let text = str::to_owned;
        assert_eq!(of("/tables/t", &Method::GET), Some(Route::Table { table: text("t") }));
        let row = Route::Row { table: text("t"), id: text("a/b") };
        assert_eq!(of("/tables/t/a%2fb", &Method::GET), Some(row));
        let row = Route::Row { table: text("t"), id: text("query") };
        assert_eq!(of("/tables/t/query", &Method::GET), Some(row));
        assert_eq!(of("/tables/t/query", &Method::POST), Some(Route::Query { table: text("t") }));
        assert_eq!(
            of("/kv/a/../b%2f", &Method::GET),
            Some(Route::KvKey { raw: text("a/../b%2f") })
        );
        for path in ["", "/", "/kv/", "/tables/t/1/r/x", "/nothing", "tables"] {
            assert_eq!(of(path, &Method::GET), None, "{path}");
        }
    }

    #[test]
    fn each_route_has_its_pattern() {
        for (path, pattern) in [
            ("/health", "/health"),
            ("/openapi.json", "/openapi.json"),
            ("/tables/t/1/r", "/tables/{table}/{id}/{relation}"),
            ("/kv/x/y", "/kv/{key}"),
            ("/batch", "/batch"),
            ("/status/events", "/status/events"),
        ] {
            let route = of(path, &Method::GET).unwrap();
            assert_eq!(PATTERNS.get(route.number()).copied(), Some(pattern));
        }
    }
}
