//! [pure] A table of one URL, with settings as options: that of `CREATE EXTERNAL TABLE` and of the
//! table function.

use serde_json::{Map, Value, json};
use url::Url;
use vantage_api_ingest::{
    description::{Description, Reader},
    schema::ColumnType,
};

use crate::error::SqlError;

/// A column that a statement declares.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
    pub(crate) is_nullable: bool,
}

/// The description of the table at a URL.
///
/// Options are the keys of a description, joined by dots: `id`, `sql.…` and `columns.…` are those of a
/// table, `api.…` those of the API, and all others are those by which the API has the table, such as
/// `paging.by`. Values are JSON, or else texts. `${NAME}` in a value is a variable of the environment.
///
/// # Errors
/// For a URL that is invalid, and for options that say what no description says.
pub(crate) fn description_of(
    name: &str,
    url: &str,
    options: impl IntoIterator<Item = (String, String)>,
    columns: &[Declared],
) -> Result<Description, SqlError> {
    let (base, endpoint) = parts_of(url).ok_or_else(|| {
        SqlError::table(name, "its location is not a URL of `http://` or `https://`")
    })?;
    let mut table = json!({ "name": name, "api": { "endpoint": endpoint } });
    let mut api = json!({ "base_url": base });
    for column in columns {
        let flags: &[&str] = if column.is_nullable { &[] } else { &["mandatory"] };
        let value = json!({ "type": column.kind.to_string(), "flags": flags });
        put(&mut table, &["columns", &column.name], value);
    }
    for (key, text) in options {
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let keys: Vec<&str> = key.split('.').collect();
        match keys.as_slice() {
            ["api", rest @ ..] if !rest.is_empty() => put(&mut api, rest, value),
            ["id"] | ["sql" | "columns", _, ..] => put(&mut table, &keys, value),
            keys => put(&mut table, &[&["api"], keys].concat(), value),
        }
    }
    let description = json!({ "api": api, "tables": [table] });
    Ok(Reader::new().read_yaml(&description.to_string())?)
}

/// The base URL of the API of a table at this URL.
pub(crate) fn base_of(url: &str) -> Option<String> {
    parts_of(url).map(|(base, _)| base)
}

/// The base URL, and the path below it with its query.
fn parts_of(text: &str) -> Option<(String, String)> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.host_str()?;
    let (base, query) =
        text.split_once('?').map_or((text, None), |(base, query)| (base, Some(query)));
    let base = base.split('#').next().unwrap_or_default();
    let scheme = base.find("://")? + 3;
    let end = base.rfind('/').filter(|end| *end >= scheme);
    let (base, last) = end.map_or((base, ""), |end| (&base[..end], &base[end + 1..]));
    let endpoint = match query {
        Some(query) => format!("{last}?{query}"),
        None => last.to_owned(),
    };
    Some((base.to_owned(), endpoint))
}

/// Puts a value at a place; what is there and no map is replaced.
fn put(at: &mut Value, keys: &[&str], value: Value) {
    let mut place = at;
    for key in keys {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry((*key).to_owned()).or_insert(Value::Null);
    }
    *place = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_base_and_a_path() {
        let parts = |url| parts_of(url).map(|(base, path)| format!("{base} | {path}"));
        for (url, expected) in [
            ("https://a.b/v1/items", Some("https://a.b/v1 | items")),
            ("https://a.b/v1/items?x=1&y=a/b", Some("https://a.b/v1 | items?x=1&y=a/b")),
            ("http://a.b:8080/items", Some("http://a.b:8080 | items")),
            ("http://a.b/", Some("http://a.b | ")),
            ("http://a.b", Some("http://a.b | ")),
            ("ftp://a.b/x", None),
            ("items.json", None),
        ] {
            assert_eq!(parts(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn options_are_the_keys_of_a_description() {
        let options = [
            ("paging.by", "page"),
            ("paging.size_param", "per_page"),
            ("paging.size", "100"),
            ("envelope.items", "data"),
            ("id", "id"),
            ("sql.max_keys", "7"),
            ("columns.n.path", "stats.n"),
            ("api.rate_limit", "5"),
        ];
        let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let column =
            |name: &str| Declared { name: name.into(), kind: ColumnType::Int, is_nullable: false };
        let columns = [column("id"), column("n")];
        let description = description_of("t", "https://a.b/v1/items", options, &columns).unwrap();
        let table = &description.tables[0];
        assert_eq!((table.sql.max_keys, &*table.id[0]), (7, "id"));
        assert_eq!(table.columns["n"].path.as_deref(), Some("stats.n"));
        assert_eq!(table.columns["n"].kind, ColumnType::Int);
    }

    #[test]
    fn an_option_that_means_nothing_is_named() {
        let option = |key: &str| vec![(key.to_owned(), "1".to_owned())];
        for (key, named) in [
            ("pagin.by", "`pagin`"),
            ("sql.unknown", "`unknown`"),
            ("api.unknown", "`unknown`"),
            ("id.x", "`id`"),
        ] {
            let refused = description_of("t", "https://a.b/items", option(key), &[]).unwrap_err();
            assert!(refused.to_string().contains(named), "{key}: {refused}");
        }
    }
}
