//! [pure] The YAML format of a table: the types of columns, relations by name, and the refusal of
//! unknown keys. The format of `api` is [`ApiTable`]'s.

use std::fmt;

use ciborium::Value;
use serde::{Deserialize, Serialize};
use serde_yaml_ng::{Mapping, Value as Yaml};
use vantage_core::{Result, VantageError, error};
use vantage_table::column::core::Column;
use vantage_vista::{ColumnSpec, NoExtras, VistaSpec};

use super::yaml_limits;
use crate::vantage::ApiTable;

/// A table of the API in YAML.
///
/// ```yaml
/// name: countries
/// id_column: code
/// columns:
///   code: { type: string }
///   name: { type: string, flags: [title, searchable] }
///   population: { type: int, path: stats.population }
/// references:
///   cities: { table: cities, kind: has_many, foreign_key: country }
/// contained:
///   borders:
///     host_column: borders
///     kind: contains_many
///     columns: { code: { type: string }, km: { type: float } }
/// api:
///   endpoint: v2/countries
///   item_endpoint: v2/countries/{code}
///   envelope: { items: result.rows, total: result.count }
///   paging: { by: page, size_param: per_page, size: 100 }
///   writes: { style: rest, etags: true }
/// ```
///
/// `api` is an [`ApiTable`] as data: its documentation and that of the types of its settings
/// describe the keys. `paging` may name, in `allow_origins`, base URLs that next pages may be at
/// besides the API's own, but only those that the program allows by
/// [`PoolVistaFactory::allow_origin`](crate::vantage::PoolVistaFactory::allow_origin).
///
/// The types of columns are `int` (or `integer`, `i64`, `i32`), `u64`, `float`
/// (`double`, `f64`, `f32`), `bool` (`boolean`), `string` (`text`, `str`; the
/// default) and `json` (`any`). The id is `id_column`, or the column with the
/// flag `id`, or the column `id`.
pub type ApiVistaSpec = VistaSpec<ApiTableExtras, ApiColumnExtras, NoExtras>;

/// What this source adds to the YAML of a table: the block `api`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiTableExtras {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api: Option<ApiTable>,
}

/// What this source adds to the YAML of a column: `path`, its path in an item.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiColumnExtras {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

const TABLE_KEYS: &[&str] =
    &["name", "datasource", "id_column", "columns", "references", "contained", "api"];
const COLUMN_KEYS: &[&str] = &["type", "flags", "references", "lazy", "expr", "path"];
const REFERENCE_KEYS: &[&str] = &["table", "kind", "foreign_key", "keys"];
const FLAGS: &[&str] = &[
    "id",
    "title",
    "searchable",
    "orderable",
    "mandatory",
    "hidden",
    "request_param",
    "auto",
    "indexed",
    "label",
];

/// The tables that `yaml` describes, one in each document.
///
/// # Errors
/// `IncorrectUsage` that names an unknown key, flag or value, or for a text that would
/// take long to parse.
pub(super) fn parse(yaml: &str) -> Result<Vec<ApiVistaSpec>> {
    yaml_limits::check(yaml)?;
    serde_yaml_ng::Deserializer::from_str(yaml)
        .map(|document| {
            let document = Yaml::deserialize(document).map_err(|error| unreadable(&error))?;
            check(&document)?;
            serde_yaml_ng::from_value(document).map_err(|error| unreadable(&error))
        })
        .collect()
}

fn unreadable(error: &serde_yaml_ng::Error) -> VantageError {
    error!("the YAML is not that of a table", detail = error.to_string()).mark_incorrect_usage()
}

/// Refuses keys that serde ignores: `VistaSpec` accepts any keys for its source.
fn check(document: &Yaml) -> Result<()> {
    let Some(table) = document.as_mapping() else { return Ok(()) };
    known(table, TABLE_KEYS, "the table")?;
    check_columns(table, "")?;
    for (relation, reference) in entries(table, "references") {
        known(reference, REFERENCE_KEYS, &format!("the reference `{relation}`"))?;
    }
    for (relation, contained) in entries(table, "contained") {
        check_columns(contained, &format!("{relation}."))?;
    }
    Ok(())
}

fn check_columns(table: &Mapping, place: &str) -> Result<()> {
    for (column, spec) in entries(table, "columns") {
        let place = format!("the column `{place}{column}`");
        known(spec, COLUMN_KEYS, &place)?;
        if let Some(full) = spec.get("references").and_then(Yaml::as_mapping) {
            known(full, REFERENCE_KEYS, &format!("the reference of {place}"))?;
        }
        let flags = spec.get("flags").and_then(Yaml::as_sequence).into_iter().flatten();
        for flag in flags.filter_map(Yaml::as_str) {
            if !FLAGS.contains(&flag) {
                return Err(unknown("flag", flag, &place));
            }
        }
    }
    Ok(())
}

fn entries<'a>(mapping: &'a Mapping, key: &str) -> impl Iterator<Item = (&'a str, &'a Mapping)> {
    let entries = mapping.get(key).and_then(Yaml::as_mapping).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.as_str()?, value.as_mapping()?)))
}

fn known(mapping: &Mapping, keys: &[&str], place: &str) -> Result<()> {
    let mut names = mapping.keys().filter_map(Yaml::as_str);
    match names.find(|name| !keys.contains(name)) {
        Some(name) => Err(unknown("key", name, place)),
        None => Ok(()),
    }
}

fn unknown(what: &str, name: &str, place: &str) -> VantageError {
    error!(format!("unknown {what} `{name}` in {place} of the YAML")).mark_incorrect_usage()
}

/// The settings of the table, if the YAML has any.
///
/// # Errors
/// `IncorrectUsage` for settings that contradict each other.
pub(super) fn settings(spec: &ApiVistaSpec) -> Result<Option<ApiTable>> {
    let paths: Vec<_> = spec
        .columns
        .iter()
        .filter_map(|(name, column)| Some((name, column.driver.path.as_ref()?)))
        .collect();
    if spec.driver.api.is_none() && paths.is_empty() {
        return Ok(None);
    }
    let table = spec.driver.api.clone().unwrap_or_default();
    table.check().map_err(|refusal| in_api(&refusal))?;
    Ok(Some(paths.into_iter().fold(table, |table, (column, path)| table.alias(column, path))))
}

/// The origins besides the API's own that the table names.
pub(super) fn origins(spec: &ApiVistaSpec) -> &[String] {
    spec.driver.api.as_ref().map(ApiTable::origins).unwrap_or_default()
}

/// The error for invalid settings in `api`.
pub(super) fn in_api(refusal: &dyn fmt::Display) -> VantageError {
    error!(format!("the `api` of the YAML: {refusal}")).mark_incorrect_usage()
}

/// A column of the table.
///
/// # Errors
/// `IncorrectUsage` that names the column, for an unknown type; `Unsupported` for a column that
/// the API would have to compute.
pub(super) fn column(name: &str, spec: &ColumnSpec<ApiColumnExtras>) -> Result<Column<Value>> {
    if spec.expr.is_some() {
        return Err(error!("the API computes no columns", column = name).mark_unsupported());
    }
    Column::from_spec(name, spec, None, typed)
}

/// A column of a contained record, at the path of its name.
///
/// # Errors
/// Those of [`column`], and `IncorrectUsage` for a path.
pub(super) fn contained_column(
    name: &str,
    spec: &ColumnSpec<ApiColumnExtras>,
) -> Result<Column<Value>> {
    if spec.driver.path.is_some() {
        return Err(error!("a column of a contained record has no path", column = name)
            .mark_incorrect_usage());
    }
    column(name, spec)
}

fn typed(name: &str, kind: &str) -> Result<Column<Value>> {
    Ok(match kind {
        "int" | "integer" | "i64" | "i32" => Column::from_column(Column::<i64>::new(name)),
        "u64" => Column::from_column(Column::<u64>::new(name)),
        "float" | "double" | "f64" | "f32" => Column::from_column(Column::<f64>::new(name)),
        "bool" | "boolean" => Column::from_column(Column::<bool>::new(name)),
        "string" | "text" | "str" => Column::from_column(Column::<String>::new(name)),
        "json" | "any" => Column::new(name),
        _ => {
            return Err(error!("unknown type of a column in the YAML", column = name, kind = kind)
                .mark_incorrect_usage());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(yaml: &str) -> String {
        let error = parse(yaml).unwrap_err();
        assert!(error.is_incorrect_usage(), "{error}");
        error.to_string()
    }

    #[test]
    fn a_key_that_means_nothing_is_named() {
        for (yaml, key) in [
            ("name: a\ncolumns: {}\nrefrences: {}", "`refrences` in the table"),
            ("name: a\ncolumns: { n: { typ: int } }", "`typ` in the column `n`"),
            ("name: a\ncolumns: { n: { flags: [titel] } }", "flag `titel` in the column `n`"),
            ("name: a\ncolumns: {}\napi: { endpiont: b }", "endpiont"),
            ("name: a\ncolumns: {}\napi: { paging: { by: page, siez: 7 } }", "siez"),
            ("name: a\ncolumns: {}\napi: { paging: { by: magic } }", "magic"),
            ("name: a\ncolumns: {}\napi: { filters: { stile: none } }", "stile"),
            ("name: a\ncolumns: {}\napi: { max_rows: 0 }", "nonzero"),
            ("name: a\ncolumns: {}\napi: { max_pages: -1 }", "nonzero"),
            ("name: a\ncolumns: {}\napi: { max_page_items: many }", "nonzero"),
            ("name: a\ncolumns: {}\napi: { deadline: soon }", "a duration"),
            ("name: a\ncolumns: {}\napi: { filters: { operators: { gtt: x } } }", "gtt"),
            ("name: a\ncolumns: {}\napi: { sorting: { style: prefixed, parm: x } }", "parm"),
            (
                "name: a\ncolumns: {}\nreferences: { b: { table: b, knd: has_many } }",
                "`knd` in the reference `b`",
            ),
            (
                "name: a\ncolumns: { n: { references: { table: b, key: x } } }",
                "`key` in the reference of the column `n`",
            ),
            (
                "name: a\ncolumns: {}\ncontained: { b: { host_column: b, columns: { m: { tpe: int } } } }",
                "`tpe` in the column `b.m`",
            ),
        ] {
            let error = refused(yaml);
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn every_filtering_and_operator_has_a_name() {
        for filtering in ["server", "mixed", "checked", "local"] {
            parse(&format!("name: a\ncolumns: {{}}\napi: {{ filtering: {filtering} }}")).unwrap();
        }
        for operator in [
            "eq",
            "ne",
            "gt",
            "gte",
            "lt",
            "lte",
            "in",
            "not_in",
            "contains",
            "starts_with",
            "like",
            "is_null",
            "is_not_null",
        ] {
            let filters = format!("{{ operators: {{ {operator}: '{{field}}={{value}}' }} }}");
            parse(&format!("name: a\ncolumns: {{}}\napi: {{ filters: {filters} }}")).unwrap();
        }
        refused("name: a\ncolumns: {}\napi: { filtering: remote }");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for yaml in ["", "7", "[]", "name: a", "columns: {}", "name: a\nname: b\ncolumns: {}", ":"]
        {
            refused(yaml);
        }
    }

    #[test]
    fn a_setting_without_its_other_half_or_its_style_is_named() {
        for (block, named) in [
            ("paging: { by: page, size: 7 }", "size_param"),
            ("paging: { by: none, first: 1 }", "`first`"),
            ("paging: { by: none, size: 7, size_param: n }", "page_size"),
            ("paging: { by: page, next: n }", "`next`"),
            ("paging: { by: cursor, param: after }", "`next`"),
            ("paging: { by: range }", "`size`"),
            ("paging: { by: page, size: 0, size_param: n }", "page_size"),
            ("paging: { by: link, allow_origins: [nowhere] }", "allow_origin"),
            ("envelope: { items: a, ndjson: true }", "`ndjson`"),
            ("envelope: {}", "`items`"),
            ("filters: { family: filter }", "`family`"),
            ("filters: { separator: '|' }", "`separator`"),
            ("filters: { operators: { gt: '{field}' } }", "name=value"),
            ("sorting: { style: prefixed }", "`param`"),
            ("sorting: { style: separate, param: by }", "`direction_param`"),
            ("sorting: { style: prefixed, param: sort, between: ':' }", "`between`"),
            ("sorting: { style: none, param: sort }", "`param`"),
        ] {
            let specs = parse(&format!("name: a\ncolumns: {{}}\napi: {{ {block} }}"));
            let error = specs.and_then(|specs| settings(&specs[0])).unwrap_err();
            assert!(error.is_incorrect_usage(), "{error}");
            assert!(error.to_string().contains(named), "{block}: {error}");
        }
    }

    #[test]
    fn every_style_has_a_name() {
        for block in [
            "filters: { style: brackets, family: filter, lists: joined, separator: '|' }",
            "filters: { style: suffixes, operators: { starts_with: null, not_in: 'x={value}' } }",
            "filters: { style: equality, lists: repeated, max_in_values: 50, search: q }",
            "filters: { style: none, lists: requests, only: [a], parameters: { a: b } }",
            "sorting: { style: prefixed, param: sort, only: [a], parameters: { a: b } }",
            "sorting: { style: suffixed, param: sort, between: ' ', words: [up, down] }",
            "sorting: { style: separate, param: by, direction_param: dir, on_rows: true }",
            "paging: { by: none }",
            "max_rows: 1, max_pages: 2, max_page_items: 3, deadline: 4",
            "paging: { by: offset, param: skip, size_param: take, size: 50 }",
            "paging: { by: cursor, param: after, next: paging.next, size_param: n, size: 5 }",
            "paging: { by: next_url, next: next, allow_origins: ['https://b.example'] }",
            "paging: { by: link, not_found_ends: true }",
            "writes: { style: rest, etags: true, idempotency_keys: Idempotency-Key }",
            "writes: { insert: put, replace: true, patch: merge_patch, delete: true }",
            "writes: { style: rest, server_ids: true, etags_required: true, content_type: a/b }",
            "writes: { style: rest, replace: patch, etag_at: _etag }",
            "writes: { wrapped_in: data, id_at: data.id, members: { data.type: a, v: 2 } }",
            "envelope: { ndjson: true }",
            "envelope: { items: rows, has_next: more }",
            "item_endpoint: false",
            "envelope: { items: ., total_header: x-total, no_content_is_empty: true }",
            "envelope: { items: rows, lossy_text: true, null_is_empty: true }",
            "envelope: { items: 'hits.hits[]._source', total: hits.total.value, is_last: end }",
            "envelope: { items: ., total_pages_header: x-pages, next_page_header: x-next }",
            "envelope: { items: ., has_next_header: x-more, next_page: n, total_pages: p }",
            "envelope: { items: rows, pagination: '', page: at, page_size: size }",
            "paging: { by: page, not_found_ends: true, max_empty_pages: 5, row_cap: 1000 }",
            "paging: { by: cursor, param: c, next: n, zero_cursor_ends: true, short_page_ends: true }",
            "paging: { by: link, link_ends_with: [results, 'false'], next_url_part: query }",
            "paging: { by: none, totals_are_estimates: true }",
            "paging: { by: link, expired_with: [[422, cursor]], restart_when_expired: 1 }",
        ] {
            let specs = parse(&format!("name: a\ncolumns: {{}}\napi: {{ {block} }}")).unwrap();
            assert!(settings(&specs[0]).unwrap().is_some(), "{block}");
        }
    }

    #[test]
    fn each_document_is_a_table() {
        let specs = parse("name: a\ncolumns: {}\n---\nname: b\ncolumns: {}\n").unwrap();
        assert_eq!(specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn types_have_their_usual_names_and_others_are_named() {
        for (kind, rust) in [
            ("int", "i64"),
            ("i32", "i64"),
            ("u64", "u64"),
            ("double", "f64"),
            ("boolean", "bool"),
            ("text", "alloc::string::String"),
        ] {
            use vantage_table::traits::column_like::ColumnLike;
            assert_eq!(typed("n", kind).unwrap().get_type(), rust);
        }
        let error = typed("n", "quaternion").unwrap_err().to_string();
        assert!(error.contains("\"n\"") && error.contains("quaternion"), "{error}");
    }
}
