//! [pure] Reads the JSON of a row into cells: those of the columns at their places, in one pass, and
//! the fields that no column has.

use std::{mem, sync::LazyLock};

use super::{cell::Cell, fields::Fields};
use crate::description::Nested;
use indexmap::IndexMap;

/// Where the columns of a row are in its JSON.
#[derive(Debug, Default)]
pub(crate) struct RowReader {
    root: Node,
    columns: usize,
    /// How many lists have tables of their own.
    lists: usize,
    /// How many nodes there are below the root.
    nodes: usize,
    nested: Nested,
}

/// A field of an object.
#[derive(Debug, Default)]
struct Node {
    /// Its number, from 1; 0 for the root, and for a field that no column is below.
    number: usize,
    /// The column that holds its value.
    column: Option<usize>,
    /// The fields of its object that have columns, in the order in which they were found: most rows
    /// have the same one.
    fields: IndexMap<String, Node>,
    /// Whether it is left out, but for columns of their own.
    is_dropped: bool,
    /// Where its lists go, if lists become tables.
    lists: Lists,
}

/// Where lists go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lists {
    #[default]
    Unknown,
    /// To the column, like any other value. It was planned, and holds an object whole.
    Column,
    /// To the table of this number.
    Table(usize),
    /// They are left out.
    Dropped,
}

/// The cells of one row. Kept from row to row for its memory.
#[derive(Debug, Default)]
pub(crate) struct Cells<'a> {
    /// The values of the columns by their numbers.
    pub(crate) values: Vec<Cell<'a>>,
    /// The fields that no column has, by their paths.
    pub(crate) unknown: Vec<(Vec<String>, Cell<'a>)>,
    /// The texts of the lists that have tables, by the numbers of these. An empty list is not there.
    pub(crate) lists: Vec<Option<&'a str>>,
    /// The paths of the lists that no table has.
    pub(crate) unknown_lists: Vec<Vec<String>>,
    /// Which fields were there, by the numbers of their nodes.
    is_read: Vec<bool>,
}

/// An object that is read, and the way to it.
#[derive(Clone, Copy)]
struct Place<'p> {
    node: &'p Node,
    /// The object that it is in, and its key there.
    within: Option<(&'p Place<'p>, &'p str)>,
    depth: usize,
    /// Whether its fields are left out, but for columns of their own.
    is_dropped: bool,
}

/// A field whose value is not looked into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    /// The column that holds its value; `None` if it is left out.
    pub(super) column: Option<usize>,
    /// Whether the column holds lists as well.
    pub(super) holds_lists: bool,
}

/// How deep objects are flattened; deeper ones are JSON. The API chooses the depth.
const MAX_DEPTH: usize = 16;

/// The node of a field that no column is below.
static NO_COLUMNS: LazyLock<Node> = LazyLock::new(Node::default);

impl RowReader {
    /// A reader of rows without columns. `nested` says whether objects without a column become columns
    /// for each of their fields, and lists become tables.
    pub(crate) fn new(nested: Nested) -> Self {
        Self { nested, ..Self::default() }
    }

    /// Adds a column, which is at `path`: its number is how many there were.
    pub(crate) fn add<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) -> usize {
        let number = self.add_given();
        self.bind(path, number);
        number
    }

    /// Reads the column of this number at `path` as well.
    pub(crate) fn bind<'p>(&mut self, path: impl IntoIterator<Item = &'p str>, number: usize) {
        self.node(path).column = Some(number);
    }

    /// The column that is read at `path`.
    pub(crate) fn column_at<'p>(&self, path: impl IntoIterator<Item = &'p str>) -> Option<usize> {
        path.into_iter().try_fold(&self.root, |node, key| node.fields.get(key))?.column
    }

    /// Adds a column whose values are not read.
    pub(crate) fn add_given(&mut self) -> usize {
        let number = self.columns;
        self.columns += 1;
        number
    }

    /// Keeps lists at `path` in the column there, and of an object there what no other column has.
    pub(crate) fn keep_lists<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) {
        self.node(path).lists = Lists::Column;
    }

    /// Adds a table for the lists at `path`, unless they are kept in a column: its number is how many
    /// there were.
    pub(crate) fn add_lists<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) {
        let number = self.lists;
        self.lists += 1;
        let node = self.node(path);
        if node.lists != Lists::Column {
            node.lists = Lists::Table(number);
        }
    }

    /// Leaves out the lists at `path`, but no other values there.
    pub(crate) fn drop_lists<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) {
        self.node(path).lists = Lists::Dropped;
    }

    /// The fields of a row whose values are not looked into, by their keys.
    pub(super) fn plain_fields(&self) -> impl Iterator<Item = (&str, Plain)> {
        let own = self.root.fields.iter().filter(|(_, node)| node.fields.is_empty());
        own.filter_map(|(key, node)| {
            let is_kept = node.column.is_some() || node.is_dropped;
            let holds_lists = self.nested != Nested::Children || node.lists == Lists::Column;
            is_kept.then_some((key.as_str(), Plain { column: node.column, holds_lists }))
        })
    }

    /// Leaves out what is at `path` or below, unless it has a column of its own.
    pub(crate) fn drop_field<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) {
        self.node(path).is_dropped = true;
    }

    fn node<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) -> &mut Node {
        let Self { root, nodes, .. } = self;
        path.into_iter().fold(root, |node, key| {
            node.fields.entry(key.to_owned()).or_insert_with(|| {
                *nodes += 1;
                Node { number: *nodes, ..Node::default() }
            })
        })
    }

    /// The cells of a row.
    ///
    /// # Errors
    /// For JSON that is not an object.
    pub(crate) fn read<'a>(&self, row: &'a str, cells: &mut Cells<'a>) -> Result<(), String> {
        cells.clear(self);
        let place = Place { node: &self.root, within: None, depth: 0, is_dropped: false };
        self.object(row, place, cells)
    }

    /// The cells of an item of a list: those of its fields, or one at the empty path if it is no
    /// object.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub(crate) fn read_item<'a>(&self, item: &'a str, cells: &mut Cells<'a>) -> Result<(), String> {
        let cell = Cell::of(item);
        if is_object(&cell) {
            return self.read(item, cells);
        }
        cells.clear(self);
        if cell == Cell::Null {
            return Ok(());
        }
        match self.root.column.and_then(|column| cells.values.get_mut(column)) {
            Some(value) => *value = cell,
            None if !self.root.is_dropped => cells.unknown.push((Vec::new(), cell)),
            None => {}
        }
        Ok(())
    }

    fn flattens(&self) -> bool {
        self.nested != Nested::Json
    }

    fn object<'a>(
        &self,
        object: &'a str,
        place: Place<'_>,
        cells: &mut Cells<'a>,
    ) -> Result<(), String> {
        let mut expected = 0;
        for field in Fields::of(object)? {
            let (key, value) = field?;
            let node;
            (node, expected) = place.node.field(&key, expected);
            self.field(&key, value, (node, place), cells)?;
        }
        Ok(())
    }

    fn field<'a>(
        &self,
        key: &str,
        value: &'a str,
        (node, place): (&Node, Place<'_>),
        cells: &mut Cells<'a>,
    ) -> Result<(), String> {
        cells.begin(node);
        let cell = Cell::of(value);
        if cell == Cell::Null {
            // As if it were not there, so that a field has a type once it is a column.
            return Ok(());
        }
        let is_dropped = place.is_dropped || node.is_dropped;
        if is_dropped && node.column.is_none() && node.fields.is_empty() {
            return Ok(());
        }
        if self.nested == Nested::Children
            && node.lists != Lists::Column
            && let Cell::Json(list) = cell
            && list.starts_with('[')
        {
            if !is_dropped && !is_empty(list) {
                cells.keep_list(node, list, || place.path_of(key));
            }
            return Ok(());
        }
        let is_flat = self.flattens() && node.column.is_none() && place.depth < MAX_DEPTH;
        let is_read = is_flat || !node.fields.is_empty();
        if is_read && is_object(&cell) {
            let within = Some((&place, key));
            let is_dropped = is_dropped || node.lists == Lists::Column;
            let inner = Place { node, within, depth: place.depth + 1, is_dropped };
            self.object(value, inner, cells)?;
            if is_flat {
                return Ok(());
            }
        }
        match node.column.and_then(|column| cells.values.get_mut(column)) {
            Some(value) => *value = cell,
            // A part of an object without a column is in the whole, which is unknown as well.
            None if !is_dropped && (self.flattens() || place.depth == 0) => {
                cells.unknown.push((place.path_of(key), cell));
            }
            None => {}
        }
        Ok(())
    }
}

impl Node {
    /// The field of this name, which most often is the `expected` one, and which is expected next.
    fn field(&self, key: &str, expected: usize) -> (&Self, usize) {
        if let Some((own, field)) = self.fields.get_index(expected)
            && own == key
        {
            return (field, expected + 1);
        }
        match self.fields.get_full(key) {
            Some((number, _, field)) => (field, number + 1),
            None => (&NO_COLUMNS, expected),
        }
    }
}

impl<'a> Cells<'a> {
    /// Makes room for a row of this reader.
    fn clear(&mut self, reader: &RowReader) {
        self.values.clear();
        self.values.resize(reader.columns, Cell::Null);
        self.unknown.clear();
        self.lists.clear();
        self.lists.resize(reader.lists, None);
        self.unknown_lists.clear();
        self.is_read.clear();
        self.is_read.resize(reader.nodes + 1, false);
    }

    /// Begins a field. Of equal keys the last counts, so what an earlier one has left is taken back.
    fn begin(&mut self, node: &Node) {
        let is_read = self.is_read.get_mut(node.number);
        if is_read.is_some_and(|is_read| mem::replace(is_read, true)) {
            self.take_back(node);
        }
    }

    fn take_back(&mut self, node: &Node) {
        if let Some(value) = node.column.and_then(|column| self.values.get_mut(column)) {
            *value = Cell::Null;
        }
        if let Lists::Table(number) = node.lists
            && let Some(list) = self.lists.get_mut(number)
        {
            *list = None;
        }
        node.fields.values().for_each(|field| self.take_back(field));
    }

    fn keep_list(&mut self, node: &Node, list: &'a str, path: impl FnOnce() -> Vec<String>) {
        match node.lists {
            Lists::Table(number) => {
                if let Some(own) = self.lists.get_mut(number) {
                    *own = Some(list);
                }
            }
            Lists::Unknown => self.unknown_lists.push(path()),
            Lists::Column | Lists::Dropped => {}
        }
    }
}

fn is_object(cell: &Cell<'_>) -> bool {
    matches!(cell, Cell::Json(text) if text.starts_with('{'))
}

/// Whether the text of a list has no items.
fn is_empty(list: &str) -> bool {
    list.strip_prefix('[').is_some_and(|items| items.trim_start().starts_with(']'))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(reader: &RowReader, row: &'a str) -> Cells<'a> {
        let mut cells = Cells::default();
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
        let mut reader = RowReader::new(Nested::Json);
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
        let mut reader = RowReader::new(Nested::Json);
        reader.add(["stats", "population"]);
        let cells = read(&reader, r#"{"stats": {"population": 7, "area": 8}}"#);
        let whole = Cell::Json(r#"{"population": 7, "area": 8}"#);
        assert_eq!(cells.unknown, [(path(&["stats"]), whole)]);
    }

    #[test]
    fn a_column_in_an_object_that_is_dropped_stays() {
        let mut reader = RowReader::new(Nested::Json);
        reader.add(["stats", "population"]);
        reader.drop_field(["stats"]);
        let cells = read(&reader, r#"{"stats": {"population": 7, "area": 8}}"#);
        assert_eq!((texts(&cells), cells.unknown.len()), (vec![Some("7")], 0));
    }

    #[test]
    fn flattened_objects_are_columns_of_their_fields() {
        let mut reader = RowReader::new(Nested::Flatten);
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
    fn lists_go_to_their_tables_unless_a_column_keeps_them() {
        let mut reader = RowReader::new(Nested::Children);
        reader.add(["tags"]);
        reader.keep_lists(["tags"]);
        reader.add(["mixed"]);
        reader.add_lists(["mixed"]);
        reader.add_lists(["a", "b"]);
        reader.add_lists(["tags"]);
        reader.drop_field(["debug"]);
        reader.drop_lists(["left"]);
        let row = r#"{"tags": [1], "mixed": [2], "a": {"b": [[]], "c": [3]}, "new": [4], "e": [ ],
                      "debug": [5], "left": [6]}"#;
        let cells = read(&reader, row);
        assert_eq!(texts(&cells), [Some("[1]"), None]);
        assert_eq!(cells.lists, [Some("[2]"), Some("[[]]"), None]);
        assert_eq!(cells.unknown_lists, [path(&["a", "c"]), path(&["new"])]);
        assert!(cells.unknown.is_empty(), "{cells:?}");
        let cells = read(&reader, r#"{"mixed": 7, "a": {"b": 8}, "left": 9}"#);
        assert_eq!(texts(&cells), [None, Some("7")]);
        assert_eq!(cells.lists, [None, None, None]);
        assert_eq!(
            cells.unknown,
            [
                (path(&["a", "b"]), Cell::Number("8".into())),
                (path(&["left"]), Cell::Number("9".into())),
            ]
        );
    }

    #[test]
    fn an_item_is_an_object_or_one_value() {
        let mut reader = RowReader::new(Nested::Flatten);
        reader.add_given();
        let mut cells = Cells::default();
        reader.read_item("[1]", &mut cells).unwrap();
        assert_eq!(cells.unknown, [(Vec::new(), Cell::Json("[1]"))]);
        reader.add([]);
        reader.read_item("7", &mut cells).unwrap();
        assert_eq!((texts(&cells), cells.unknown.len()), (vec![None, Some("7")], 0));
        reader.read_item(r#"{"a": 1}"#, &mut cells).unwrap();
        assert_eq!((texts(&cells), cells.unknown.len()), (vec![None, None], 1));
        reader.read_item("null", &mut cells).unwrap();
        assert_eq!((texts(&cells), cells.unknown.len()), (vec![None, None], 0));
    }

    #[test]
    fn what_is_nested_too_deeply_to_be_flattened_is_json() {
        let row = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
        let cells = read(&RowReader::new(Nested::Flatten), &row);
        let [(path, Cell::Json(_))] = cells.unknown.as_slice() else { panic!("{cells:?}") };
        assert_eq!(path.len(), MAX_DEPTH + 1);
    }

    #[test]
    fn of_equal_keys_the_last_counts_and_what_is_absent_is_null() {
        let mut reader = RowReader::new(Nested::Json);
        reader.add(["a"]);
        reader.add(["b"]);
        assert_eq!(texts(&read(&reader, r#"{"a": 1, "a": 2}"#)), [Some("2"), None]);
    }

    #[test]
    fn the_last_of_equal_keys_counts_whatever_it_is() {
        let mut reader = RowReader::new(Nested::Children);
        reader.add(["a"]);
        reader.add_lists(["a"]);
        reader.add(["b", "c"]);
        for (row, values, list) in [
            (r#"{"a": 1, "a": null}"#, [None, None], None),
            (r#"{"a": 1, "a": [3]}"#, [None, None], Some("[3]")),
            (r#"{"a": [3], "a": 1}"#, [Some("1"), None], None),
            (r#"{"a": [3], "a": []}"#, [None, None], None),
            (r#"{"a": [3], "a": null, "a": [4]}"#, [None, None], Some("[4]")),
            (r#"{"b": {"c": 1}, "b": {"c": 2}}"#, [None, Some("2")], None),
            (r#"{"b": {"c": 1}, "b": {}}"#, [None, None], None),
            (r#"{"b": {"c": 1}, "b": null}"#, [None, None], None),
            (r#"{"b": {"c": 1, "c": null}, "a": 5}"#, [Some("5"), None], None),
        ] {
            let cells = read(&reader, row);
            assert_eq!(
                (texts(&cells), cells.lists.as_slice()),
                (values.to_vec(), &[list][..]),
                "{row}"
            );
        }
    }

    #[test]
    fn a_column_that_is_read_at_two_places_keeps_the_value_of_the_one_that_has_it() {
        let mut reader = RowReader::new(Nested::Flatten);
        reader.add(["user_email"]);
        reader.bind(["user", "email"], 0);
        let cells = read(&reader, r#"{"user_email": "a", "user": {"email": null}}"#);
        assert_eq!(texts(&cells), [Some("a")]);
    }

    #[test]
    fn a_column_that_is_dropped_and_has_another_name_is_read() {
        let mut reader = RowReader::new(Nested::Json);
        reader.drop_field(["email"]);
        reader.add(["email"]);
        let cells = read(&reader, r#"{"email": "a"}"#);
        assert_eq!((texts(&cells), cells.unknown.len()), (vec![Some("a")], 0));
        assert_eq!((reader.column_at(["email"]), reader.column_at(["id"])), (Some(0), None));
    }

    #[test]
    fn the_rest_of_an_object_that_is_dropped_or_kept_whole_is_in_no_other_column() {
        let row = r#"{"stats": {"population": 7, "area": 8, "of": {"a": 9}, "years": [1]}}"#;
        let with_population = || {
            let mut reader = RowReader::new(Nested::Children);
            reader.add(["stats", "population"]);
            reader.add_lists(["stats", "years"]);
            reader
        };
        let mut dropping = with_population();
        dropping.drop_field(["stats"]);
        let cells = read(&dropping, row);
        assert_eq!((texts(&cells), cells.unknown.len()), (vec![Some("7")], 0));
        assert_eq!((cells.lists.as_slice(), cells.unknown_lists.len()), (&[None][..], 0));

        let mut keeping = with_population();
        keeping.add(["stats"]);
        keeping.keep_lists(["stats"]);
        let cells = read(&keeping, row);
        assert_eq!(
            texts(&cells),
            [Some("7"), row.strip_prefix(r#"{"stats": "#).map(|rest| &rest[..rest.len() - 1])]
        );
        assert_eq!((cells.unknown.len(), cells.lists.as_slice()), (0, &[None][..]));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let refused = RowReader::new(Nested::Json).read("[1]", &mut Cells::default());
        assert!(refused.unwrap_err().contains("an object"));
    }
}
