//! [pure] A table's path: its placeholders, and how a value becomes part of a URL. Of conditions it
//! knows only the values they require.

use ciborium::Value;
use indexmap::IndexMap;
use vantage_core::{VantageError, error};

use super::{
    error::{incorrect, refused},
    parameter::{encode, parameter_text},
};

/// The values that each field may hold, according to equality conditions.
pub(super) type Wanted = IndexMap<String, Vec<Value>>;

/// The path of an item: the parts before and after its id.
#[derive(Debug, PartialEq)]
pub(super) struct ItemPath {
    pub(super) before: String,
    pub(super) after: String,
}

impl ItemPath {
    /// The target of the item with `id`; `None` for an id that no path segment can hold.
    pub(super) fn of(&self, id: &str) -> Option<String> {
        Some(format!("{}{}{}", self.before, segment(id)?, self.after))
    }
}

/// Fills all placeholders of `template` but the last, which stands for the id, and
/// returns the names of those it filled.
///
/// # Errors
/// Those of [`fill`], and `IncorrectUsage` if there is no placeholder or the last is in
/// the query.
pub(super) fn fill_item<'a>(
    template: &'a str,
    wanted: &Wanted,
) -> Result<(ItemPath, Vec<&'a str>), VantageError> {
    let parts = || {
        let (rest, after) = template.rsplit_once('}')?;
        let (before, _) = rest.rsplit_once('{')?;
        Some((before, after))
    };
    let (before, after) =
        parts().ok_or_else(|| incorrect("the path of an item has no placeholder for its id"))?;
    if before.contains('?') {
        return Err(incorrect("the id of an item is in its path, not in the query"));
    }
    let (before, _, mut used) = fill(before, wanted)?;
    let (after, fixed, also) = fill(after, wanted)?;
    let query = if fixed.is_empty() { String::new() } else { format!("?{fixed}") };
    used.extend(also);
    Ok((ItemPath { before, after: format!("{after}{query}") }, used))
}

/// Fills the `{placeholder}`s of `template` from the values in `wanted`. Returns the path, the part
/// after the `?`, and the names of the placeholders.
///
/// # Errors
/// `IncorrectUsage` if a placeholder is unclosed, empty or without a value, or if the value
/// would change the path; `Unsupported` if it has several values.
pub(super) fn fill<'a>(
    template: &'a str,
    wanted: &Wanted,
) -> Result<(String, String, Vec<&'a str>), VantageError> {
    if template.contains('#') {
        return Err(incorrect("the path of a table has no fragment"));
    }
    let (path, fixed) = template.split_once('?').unwrap_or((template, ""));
    let mut used = Vec::new();
    let path = fill_part(path, wanted, &mut used)?;
    let fixed = fill_part(fixed, wanted, &mut used)?;
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(incorrect("a segment of a path must not be `.` or `..`"));
    }
    Ok((path, fixed, used))
}

fn fill_part<'a>(
    template: &'a str,
    wanted: &Wanted,
    used: &mut Vec<&'a str>,
) -> Result<String, VantageError> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(brace) = rest.find(['{', '}']) {
        let after = &rest[brace + 1..];
        let name = after.split(['{', '}']).next().unwrap_or_default();
        let is_closed = after[name.len()..].starts_with('}');
        if !rest[brace..].starts_with('{') || !is_closed || name.is_empty() {
            return Err(incorrect("the path of a table has an unclosed or empty placeholder"));
        }
        filled.push_str(&rest[..brace]);
        filled.push_str(&value_of(name, wanted)?);
        used.push(name);
        rest = &after[name.len() + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

fn value_of(name: &str, wanted: &Wanted) -> Result<String, VantageError> {
    let unfilled = |what: &str| error!(what, placeholder = name).mark_incorrect_usage();
    match wanted.get(name).map(Vec::as_slice) {
        // No row can match, so the path is never requested.
        Some([]) => Ok(String::new()),
        Some([Value::Null]) => Err(unfilled("null cannot fill a placeholder")),
        Some([value]) => parameter_text(value)
            .and_then(|value| segment(&value))
            .ok_or_else(|| unfilled("a placeholder cannot be empty, `.` or `..`")),
        Some(_) => Err(refused("a placeholder takes one value", name)),
        None => Err(unfilled("no equality condition fills the placeholder")),
    }
}

/// The names of the placeholders of a path, in their order.
pub(super) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// A table's path without its query.
pub(super) fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

/// The path of an item below the table at `template`: `<path>/{id}`, with the same query,
/// and with a slash at its end if the table's path has one.
pub(super) fn below(template: &str) -> String {
    let (path, query) = template.split_at(template.find('?').unwrap_or(template.len()));
    let table = path.trim_end_matches('/');
    let slash = if path.ends_with('/') && !table.is_empty() { "/" } else { "" };
    format!("{table}/{{id}}{slash}{query}")
}

/// `value` as one path segment; `None` if that would be empty or a step in the path.
pub(super) fn segment(value: &str) -> Option<String> {
    (!matches!(value, "" | "." | "..")).then(|| encode(value))
}

/// The key that holds the items of an API that wraps them by table name: the last segment of the
/// path that is not a placeholder.
pub(super) fn wrapper_key(template: &str) -> &str {
    let path = template.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').find(|segment| !segment.is_empty() && !segment.contains('{')).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrapper_key_is_the_last_plain_segment() {
        for (template, key) in [
            ("countries", "countries"),
            ("v1/users/{id}/orders?x=a/b", "orders"),
            ("users/{id}", "users"),
            ("users/", "users"),
        ] {
            assert_eq!(wrapper_key(template), key);
        }
    }
}
