//! [pure] Reads the JSON of a row into cells: those of the columns at their places, in one pass, and
//! the fields that no column has.

use std::{borrow::Cow, collections::HashMap, fmt, sync::LazyLock};

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::cell::Cell;

/// Where the columns of a row are in its JSON.
#[derive(Debug, Default)]
pub(crate) struct RowReader {
    root: Node,
    columns: usize,
    /// Whether objects without a column of their own become columns for each of their fields.
    flattens: bool,
}

/// A field of an object.
#[derive(Debug, Default)]
struct Node {
    /// The column that holds its value.
    column: Option<usize>,
    /// The fields of its object that have columns.
    fields: HashMap<String, Node>,
    /// Whether it is left out although no column holds it.
    is_dropped: bool,
}

/// The cells of one row. Kept from row to row for its memory.
#[derive(Debug, Default)]
pub(crate) struct Cells<'a> {
    /// The values of the columns by their numbers.
    pub(crate) values: Vec<Cell<'a>>,
    /// The fields that no column has, by their paths.
    pub(crate) unknown: Vec<(Vec<String>, Cell<'a>)>,
}

/// An object that is read, and the way to it.
#[derive(Clone, Copy)]
struct Place<'p> {
    node: &'p Node,
    /// The object that it is in, and its key there.
    within: Option<(&'p Place<'p>, &'p str)>,
    depth: usize,
}

/// How deep objects are flattened; deeper ones are JSON. The API chooses the depth.
const MAX_DEPTH: usize = 16;

/// The node of a field that no column is below.
static NO_COLUMNS: LazyLock<Node> = LazyLock::new(Node::default);

impl RowReader {
    /// A reader of rows without columns. With `flattens`, the fields of an object in a row become
    /// columns of their own, their names joined by `_`.
    pub(crate) fn new(flattens: bool) -> Self {
        Self { flattens, ..Self::default() }
    }

    /// Adds a column, which is at `path`: its number is how many there were.
    pub(crate) fn add<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) -> usize {
        let number = self.columns;
        self.node(path).column = Some(number);
        self.columns += 1;
        number
    }

    /// Leaves out what is at `path`.
    pub(crate) fn drop_field<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) {
        self.node(path).is_dropped = true;
    }

    fn node<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) -> &mut Node {
        path.into_iter().fold(&mut self.root, |node, key| {
            // `entry` would take a copy of the key each time.
            if !node.fields.contains_key(key) {
                node.fields.insert(key.to_owned(), Node::default());
            }
            node.fields.entry(key.to_owned()).or_default()
        })
    }

    /// The cells of a row.
    ///
    /// # Errors
    /// For JSON that is no object.
    pub(crate) fn read<'a>(&self, row: &'a RawValue, cells: &mut Cells<'a>) -> Result<(), String> {
        cells.values.clear();
        cells.values.resize(self.columns, Cell::Null);
        cells.unknown.clear();
        let place = Place { node: &self.root, within: None, depth: 0 };
        self.object(row, place, cells).map_err(|error| error.to_string())
    }

    fn object<'a>(
        &self,
        object: &'a RawValue,
        place: Place<'_>,
        cells: &mut Cells<'a>,
    ) -> serde_json::Result<()> {
        let mut json = serde_json::Deserializer::from_str(object.get());
        json.deserialize_map(Object { reader: self, place, cells })
    }

    fn field<'a>(
        &self,
        key: &str,
        value: &'a RawValue,
        place: Place<'_>,
        cells: &mut Cells<'a>,
    ) -> serde_json::Result<()> {
        let cell = Cell::of(value);
        if cell == Cell::Null {
            // As if it were not there, so that a field has a type once it is a column.
            return Ok(());
        }
        let node = place.node.fields.get(key).unwrap_or(&NO_COLUMNS);
        if node.is_dropped && node.fields.is_empty() {
            return Ok(());
        }
        let is_flat = self.flattens && node.column.is_none() && place.depth < MAX_DEPTH;
        let is_read = is_flat || !node.fields.is_empty();
        if is_read && matches!(cell, Cell::Json(text) if text.starts_with('{')) {
            let within = Some((&place, key));
            self.object(value, Place { node, within, depth: place.depth + 1 }, cells)?;
            if is_flat {
                return Ok(());
            }
        }
        match node.column.and_then(|column| cells.values.get_mut(column)) {
            Some(value) => *value = cell,
            // A part of an object without a column is in the whole, which is unknown as well.
            None if !node.is_dropped && (self.flattens || place.depth == 0) => {
                cells.unknown.push((place.path_of(key), cell));
            }
            None => {}
        }
        Ok(())
    }
}

impl Place<'_> {
    fn path_of(&self, key: &str) -> Vec<String> {
        let mut path = match self.within {
            Some((parent, own)) => parent.path_of(own),
            None => Vec::new(),
        };
        path.push(key.to_owned());
        path
    }
}

/// Reads one object.
struct Object<'r, 'c, 'a> {
    reader: &'r RowReader,
    place: Place<'r>,
    cells: &'c mut Cells<'a>,
}

impl<'de> Visitor<'de> for Object<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            self.reader.field(&key, value, self.place, self.cells).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// A key, borrowed if it needs no change.
struct Key<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: Error>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(reader: &RowReader, row: &'a str) -> Cells<'a> {
        let mut cells = Cells::default();
        let row: &RawValue = serde_json::from_str(row).unwrap();
        reader.read(row, &mut cells).unwrap();
        cells
    }

    fn texts<'c>(cells: &'c Cells<'_>) -> Vec<Option<&'c str>> {
        cells.values.iter().map(Cell::text).collect()
    }

    fn path(keys: &[&str]) -> Vec<String> {
        keys.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn columns_are_found_at_their_paths_and_the_rest_is_unknown() {
        let mut reader = RowReader::new(false);
        reader.add(["id"]);
        reader.add(["stats", "population"]);
        reader.add(["stats"]);
        reader.drop_field(["debug"]);
        let row = r#"{"new": 1, "stats": {"population": 7, "area": 8}, "debug": {}, "id": "a"}"#;
        let cells = read(&reader, row);
        assert_eq!(texts(&cells), [Some("a"), Some("7"), Some(r#"{"population": 7, "area": 8}"#)]);
        assert_eq!(cells.unknown, [(path(&["new"]), Cell::Number("1".into()))]);
    }

    #[test]
    fn an_object_that_is_partly_declared_is_kept_whole() {
        let mut reader = RowReader::new(false);
        reader.add(["stats", "population"]);
        let cells = read(&reader, r#"{"stats": {"population": 7, "area": 8}}"#);
        let whole = Cell::Json(r#"{"population": 7, "area": 8}"#);
        assert_eq!(cells.unknown, [(path(&["stats"]), whole)]);
    }

    #[test]
    fn a_column_in_an_object_that_is_dropped_stays() {
        let mut reader = RowReader::new(false);
        reader.add(["stats", "population"]);
        reader.drop_field(["stats"]);
        let cells = read(&reader, r#"{"stats": {"population": 7, "area": 8}}"#);
        assert_eq!((texts(&cells), cells.unknown.len()), (vec![Some("7")], 0));
    }

    #[test]
    fn flattened_objects_are_columns_of_their_fields() {
        let mut reader = RowReader::new(true);
        reader.add(["id"]);
        let cells = read(&reader, r#"{"id": 1, "a": {"b": {"c": 2}, "d": [3]}, "e": {}}"#);
        assert_eq!(
            cells.unknown,
            [
                (path(&["a", "b", "c"]), Cell::Number("2".into())),
                (path(&["a", "d"]), Cell::Json("[3]")),
            ]
        );
    }

    #[test]
    fn what_is_nested_too_deeply_to_be_flattened_is_json() {
        let row = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
        let cells = read(&RowReader::new(true), &row);
        let [(path, Cell::Json(_))] = cells.unknown.as_slice() else { panic!("{cells:?}") };
        assert_eq!(path.len(), MAX_DEPTH + 1);
    }

    #[test]
    fn of_equal_keys_the_last_counts_and_what_is_absent_is_null() {
        let mut reader = RowReader::new(false);
        reader.add(["a"]);
        reader.add(["b"]);
        assert_eq!(texts(&read(&reader, r#"{"a": 1, "a": 2}"#)), [Some("2"), None]);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let row: &RawValue = serde_json::from_str("[1]").unwrap();
        let refused = RowReader::new(false).read(row, &mut Cells::default());
        assert!(refused.unwrap_err().contains("an object"));
    }
}
