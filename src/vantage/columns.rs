//! [pure] A table's columns: which one is the id, where each is in an item, and how its declared
//! type converts a value. Records have columns, the API has items.

use ciborium::Value;
use indexmap::IndexMap;
use vantage_core::VantageError;
use vantage_types::Record;

use super::{
    alias::{self, Aliases, aliases_of},
    kind::ValueKind,
    number::{Number, exact},
};

#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    id: Option<String>,
    id_is_integer: bool,
    aliases: Aliases,
    /// The columns declared as floats, integers and booleans.
    lifted: Vec<(String, ValueKind)>,
    /// The columns whose values are bytes in a record and text in an item.
    texts: Vec<(String, ValueKind)>,
    /// The paths of numbers whose digits are kept.
    exact: Vec<Vec<String>>,
}

impl Columns {
    /// For rows whose id is in the column `id`; `declared` gives the name and the
    /// Rust type name of each column, `aliases` the paths of some.
    ///
    /// # Errors
    /// Those of [`aliases_of`].
    pub(super) fn new<'a>(
        id: Option<String>,
        declared: impl IntoIterator<Item = (&'a str, &'a str)>,
        aliases: &IndexMap<String, String>,
    ) -> Result<Self, VantageError> {
        let kinds: Vec<(&str, Option<ValueKind>)> =
            declared.into_iter().map(|(name, of)| (name, ValueKind::of(of))).collect();
        let is_declared = |column: &str| {
            id.as_deref() == Some(column) || kinds.iter().any(|(name, _)| *name == column)
        };
        let aliases = aliases_of(aliases, is_declared)?;
        let mut columns = Self { aliases, ..Self::default() };
        for (name, kind) in kinds {
            match kind {
                Some(ValueKind::Decimal) => {
                    let own = || vec![name.to_owned()];
                    columns.exact.push(columns.aliases.get(name).cloned().unwrap_or_else(own));
                }
                Some(kind) if kind.is_lifted() => columns.lifted.push((name.to_owned(), kind)),
                Some(kind) => columns.texts.push((name.to_owned(), kind)),
                None => {}
            }
        }
        let is_id = |(name, kind): &(String, ValueKind)| {
            id.as_ref() == Some(name) && *kind == ValueKind::Integer
        };
        columns.id_is_integer = columns.lifted.iter().any(is_id);
        columns.id = id;
        Ok(columns)
    }

    /// The id column.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether a type can read items as they are sent, with the same result as from rows.
    pub(super) fn is_as_sent(&self) -> bool {
        self.aliases.is_empty() && self.exact.is_empty()
    }

    /// The value of the id column of the row with `id`.
    pub(super) fn id_value(&self, id: &str) -> Value {
        let is_plain = || Number::parse(id).is_some_and(|number| number.plain() == id);
        let number = self.id_is_integer && is_plain();
        exact(id).filter(|value| number && !value.is_float()).unwrap_or_else(|| id.into())
    }

    /// The path of the id in an item, if its declared type does not decide how it is converted.
    pub(super) fn id_path(&self) -> Option<&[String]> {
        let id = self.id.as_ref().filter(|id| !self.is_lifted(id))?;
        Some(self.aliases.get(id).map_or_else(|| std::slice::from_ref(id), Vec::as_slice))
    }

    /// Whether the declared type of the column decides what its values are.
    pub(super) fn is_declared(&self, column: &str) -> bool {
        let mut declared = self.lifted.iter().chain(&self.texts);
        declared.any(|(name, _)| name == column)
    }

    /// Whether the declared type of the column decides how its values are compared.
    pub(super) fn is_lifted(&self, column: &str) -> bool {
        self.lifted.iter().any(|(name, _)| name == column)
    }

    /// The paths of numbers whose digits are kept, from the item down.
    pub(super) fn exact(&self) -> impl Iterator<Item = &[String]> {
        self.exact.iter().map(Vec::as_slice)
    }

    /// Turns an item's fields into columns. Conditions are evaluated on the result.
    pub(super) fn lift(&self, item: &mut Record<Value>) {
        if !self.aliases.is_empty() {
            alias::lift(&self.aliases, item);
        }
        convert(item, &self.lifted, ValueKind::read);
    }

    /// Converts the values of a lifted row to those that types are read from.
    pub(super) fn finish(&self, row: &mut Record<Value>) {
        convert(row, &self.texts, ValueKind::read);
    }

    /// Reverts [`finish`](Self::finish) on a row.
    pub(super) fn unfinish(&self, row: &mut Record<Value>) {
        convert(row, &self.texts, ValueKind::write);
    }

    /// Turns columns into an item's fields.
    pub(super) fn lower(&self, row: &mut Record<Value>) {
        alias::lower(&self.aliases, row);
    }
}

fn convert(
    row: &mut Record<Value>,
    columns: &[(String, ValueKind)],
    by: impl Fn(ValueKind, &mut Value),
) {
    for (column, kind) in columns {
        if let Some(value) = row.get_mut(column) {
            by(*kind, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_an_integer_where_its_column_is_one() {
        let id_value = |kind: &str, id: &str| {
            let declared = [("id", kind)];
            Columns::new(Some("id".into()), declared, &IndexMap::new()).unwrap().id_value(id)
        };
        assert_eq!(id_value("i64", "7"), Value::from(7));
        assert_eq!(id_value("i64", "07"), Value::from("07"));
        assert_eq!(id_value("u64", "18446744073709551615"), Value::from(u64::MAX));
        assert!(id_value("u128", "18446744073709551616").is_tag());
        assert_eq!(id_value("alloc::string::String", "7"), Value::from("7"));
    }

    #[test]
    fn an_alias_for_an_unknown_column_is_refused_and_one_for_the_id_is_not() {
        let aliased = |column: &str| {
            let aliases = IndexMap::from([(column.to_owned(), "a.b".to_owned())]);
            Columns::new(Some("id".into()), [("n", "i64")], &aliases)
        };
        assert!(aliased("n").is_ok() && aliased("id").is_ok());
        assert!(aliased("m").unwrap_err().is_incorrect_usage());
    }
}
