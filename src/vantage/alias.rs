//! [pure] Columns whose value is not in the item's field of the same name.

use std::borrow::Cow;

use ciborium::Value;
use indexmap::IndexMap;
use vantage_core::{VantageError, error};
use vantage_types::Record;

/// The columns with another path, and the path: keys from an item down to a value.
pub(super) type Aliases = IndexMap<String, Vec<String>>;

/// From columns and dotted paths, in which `\.` is a dot inside a key and `\\` a
/// backslash. `is_declared` tells the columns of the table.
///
/// # Errors
/// `IncorrectUsage` that names the column, if the table does not declare it, the path
/// has an empty key or more than 64 keys, or another column is at, above or below it.
pub(super) fn aliases_of(
    aliases: &IndexMap<String, String>,
    is_declared: impl Fn(&str) -> bool,
) -> Result<Aliases, VantageError> {
    let wrong = |what: &str, column: &str| error!(what, column = column).mark_incorrect_usage();
    let mut paths = Aliases::with_capacity(aliases.len());
    for (column, text) in aliases {
        if !is_declared(column) {
            return Err(wrong("an alias is for a column that the table does not have", column));
        }
        let path = parse(text).ok_or_else(|| {
            wrong("the path of an alias has an empty key, or more than 64", column)
        })?;
        let meets = |other: &Vec<String>| other.iter().zip(&path).all(|(one, other)| one == other);
        if paths.values().any(meets) {
            return Err(wrong("two aliases are for one place", column));
        }
        paths.insert(column.clone(), path);
    }
    Ok(paths)
}

/// Turns an item's fields into columns: each aliased value moves to its column. A field of the
/// item with the name of such a column is dropped.
pub(super) fn lift(aliases: &Aliases, row: &mut Record<Value>) {
    let found: Vec<_> = aliases.values().map(|path| take_field(row, path)).collect();
    for (column, value) in aliases.keys().zip(found) {
        match value {
            Some(value) => row.insert(column.clone(), value),
            None => row.shift_remove(column),
        };
    }
}

/// Turns columns into an item's fields.
pub(super) fn lower(aliases: &Aliases, row: &mut Record<Value>) {
    let moved: Vec<_> = aliases.keys().map(|column| row.shift_remove(column)).collect();
    for (path, value) in aliases.values().zip(moved) {
        if let Some(value) = value {
            put_field(row, path, value);
        }
    }
}

/// The most keys of a path. JSON is read to 128 levels.
const MOST_KEYS: usize = 64;

/// The keys of a dotted path; `None` if one is empty, or there are more than 64.
pub(super) fn parse(text: &str) -> Option<Vec<String>> {
    let mut path = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let (is_dot, character) = match character {
            '\\' => (false, characters.next().unwrap_or('\\')),
            character => (character == '.', character),
        };
        match path.last_mut() {
            Some(key) if !is_dot => key.push(character),
            _ => path.push(String::new()),
        }
    }
    let is_path = path.len() <= MOST_KEYS && path.iter().all(|key| !key.is_empty());
    is_path.then_some(path)
}

/// The keys of a dotted path joined by dots, as parameters name them.
pub(super) fn joined(text: &str) -> Cow<'_, str> {
    match text.contains('\\') {
        true => parse(text).unwrap_or_default().join(".").into(),
        false => text.into(),
    }
}

fn take_field(row: &mut Record<Value>, path: &[String]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return row.shift_remove(first);
    }
    let value = take(row.get_mut(first)?, rest)?;
    // An object that held nothing else is removed.
    if row.get(first).and_then(Value::as_map).is_some_and(Vec::is_empty) {
        row.shift_remove(first);
    }
    Some(value)
}

fn take(object: &mut Value, path: &[String]) -> Option<Value> {
    let fields = object.as_map_mut()?;
    let (first, rest) = path.split_first()?;
    let at = fields.iter().position(|(key, _)| key.as_text() == Some(first))?;
    if rest.is_empty() {
        return Some(fields.remove(at).1);
    }
    let value = take(&mut fields[at].1, rest)?;
    if fields[at].1.as_map().is_some_and(Vec::is_empty) {
        fields.remove(at);
    }
    Some(value)
}

fn put_field(row: &mut Record<Value>, path: &[String], value: Value) {
    if let Some((first, rest)) = path.split_first() {
        put(row.entry(first.clone()).or_insert(Value::Null), rest, value);
    }
}

/// Puts `value` at `path`, creating objects as needed.
fn put(place: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *place = value;
        return;
    };
    if !place.is_map() {
        *place = Value::Map(Vec::new());
    }
    if let Value::Map(fields) = place {
        let at = fields.iter().position(|(key, _)| key.as_text() == Some(first));
        let at = at.unwrap_or_else(|| {
            fields.push((Value::from(first.as_str()), Value::Null));
            fields.len() - 1
        });
        put(&mut fields[at].1, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn aliases(pairs: &[(&str, &str)]) -> Result<Aliases, VantageError> {
        let pairs = pairs.iter().map(|(column, path)| ((*column).into(), (*path).into())).collect();
        aliases_of(&pairs, |column| column != "unknown")
    }

    fn row(json: &serde_json::Value) -> Record<Value> {
        Record::from(Value::serialized(json).unwrap())
    }

    fn lifted(pairs: &[(&str, &str)], json: &serde_json::Value) -> Record<Value> {
        let mut row = row(json);
        lift(&aliases(pairs).unwrap(), &mut row);
        row
    }

    #[test]
    fn a_nested_value_moves_to_its_column_and_an_object_it_leaves_empty_goes() {
        use serde_json::json;
        let item = json!({ "id": 1, "stats": { "people": { "total": 7 } }, "a.b": 2 });
        let pairs = [("population", "stats.people.total"), ("ab", "a\\.b")];
        assert_eq!(lifted(&pairs, &item), row(&json!({ "id": 1, "population": 7, "ab": 2 })));
        let item = json!({ "stats": { "total": 7, "x": 1 } });
        let expected = json!({ "stats": { "x": 1 }, "n": 7 });
        assert_eq!(lifted(&[("n", "stats.total")], &item), row(&expected));
    }

    #[test]
    fn what_has_the_name_of_an_aliased_column_is_not_that_column() {
        use serde_json::json;
        assert_eq!(lifted(&[("n", "s.n")], &json!({ "n": 1, "s": 2 })), row(&json!({ "s": 2 })));
        let swapped = lifted(&[("a", "b"), ("b", "a")], &json!({ "a": 1, "b": 2 }));
        assert_eq!((&swapped["a"], &swapped["b"]), (&2.into(), &1.into()));
    }

    #[test]
    fn a_mistake_is_incorrect_usage_and_names_the_column() {
        for pairs in [
            &[("unknown", "a")][..],
            &[("c", "")],
            &[("c", "a..b")],
            &[("c", ".a")],
            &[("b", "x"), ("c", "x")],
            &[("b", "x"), ("c", "x.y")],
            &[("b", "x.y"), ("c", "x")],
        ] {
            let error = aliases(pairs).unwrap_err();
            assert!(error.is_incorrect_usage(), "{pairs:?}");
            assert!(error.context["column"].contains(pairs[pairs.len() - 1].0), "{error}");
        }
    }

    #[test]
    fn a_backslash_makes_the_next_character_part_of_the_key() {
        assert_eq!(parse(r"a\.b.c\\.d").unwrap(), ["a.b", r"c\", "d"]);
        assert_eq!(parse(r"a\").unwrap(), [r"a\"]);
    }

    proptest! {
        #[test]
        fn what_was_lifted_is_lowered_to_where_it_was(
            total in any::<i32>(), other in any::<bool>(), swap in any::<bool>(),
        ) {
            let mut item = serde_json::json!({ "id": 1, "s": { "t": { "n": total } }, "a.b": "x" });
            if other {
                item["s"]["o"] = 7.into();
            }
            let pairs: &[_] = if swap {
                &[("n", "s.t.n"), ("id", "a\\.b"), ("ab", "id")]
            } else {
                &[("n", "s.t.n")]
            };
            let mut back = lifted(pairs, &item);
            lower(&aliases(pairs).unwrap(), &mut back);
            let back = Value::from(back).deserialized::<serde_json::Value>().unwrap();
            prop_assert_eq!(back, item);
        }
    }
}
