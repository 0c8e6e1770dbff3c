//! [pure] The tables of a commit: that of the stream, and those below it.

use std::iter;

use arrow_array::RecordBatch;

use super::{cells::check_key, names::Naming};
use crate::{
    schema::{Column, ColumnType, Schema},
    sink::{Child, Commit, SinkError, Target},
};

/// The column that has the place of an item in its list.
const INDEX: &str = "_index";

/// What is written to one table.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// The table that people read.
    pub(crate) table: &'a str,
    pub(crate) schema: &'a Schema,
    pub(crate) batches: &'a [RecordBatch],
    /// The columns whose values name a row of the table; none if there are none.
    pub(crate) key: Vec<String>,
}

/// What is written to the tables of a stream.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) stream: Part<'a>,
    /// The items of lists.
    pub(crate) children: Vec<Part<'a>>,
}

impl<'a> Parts<'a> {
    /// Those of a commit.
    ///
    /// # Errors
    /// A lasting one, if the database cannot have the tables or their columns.
    pub(crate) fn of(
        naming: &Naming,
        target: &'a Target,
        commit: &Commit<'a>,
    ) -> Result<Self, SinkError> {
        let Commit { schema, batches, children, .. } = *commit;
        naming.check_columns(schema)?;
        naming.check_children(children.iter().map(|child| child.table))?;
        let stream = Part { table: &target.stream, schema, batches, key: target.key.clone() };
        let below = |child: &Child<'a>| {
            naming.check_columns(child.schema)?;
            Part::below(&stream, child)
        };
        let children = children.iter().map(below).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { stream, children })
    }

    /// All of them, the stream's first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Part<'a>> {
        iter::once(&self.stream).chain(&self.children)
    }

    /// Whether the commit has this child table.
    pub(crate) fn has_child(&self, table: &str) -> bool {
        self.children.iter().any(|child| child.table == table)
    }
}

impl<'a> Part<'a> {
    /// That of a table below the stream's.
    fn below(stream: &Part<'_>, child: &Child<'a>) -> Result<Self, SinkError> {
        let Child { table, schema, batches } = *child;
        let keys = stream.key.len();
        let is_of_key = |(name, column): (&String, &Column)| {
            stream.schema.get(name).is_some_and(|own| own.kind == column.kind)
        };
        let has_key = stream.key.iter().zip(&schema.columns).all(is_of_key);
        let is_index = |column: &Column| column.name == INDEX && column.kind == ColumnType::Int;
        let has_index = schema.columns.get(keys).is_some_and(is_index);
        if keys == 0 || !has_key || !has_index {
            return Err(SinkError::lasting(format!(
                "table `{table}` does not begin with the key of stream `{}` and `{INDEX}`",
                stream.table
            )));
        }
        let key = schema.columns.iter().take(keys + 1).map(|column| column.name.clone());
        Ok(Self { table, schema, batches, key: key.collect() })
    }

    /// The columns that have the key of a row of the stream, which is `key`.
    pub(crate) fn row_key(&self, key: &[String]) -> &[String] {
        self.key.get(..key.len()).unwrap_or_default()
    }

    pub(crate) fn has_rows(&self) -> bool {
        self.batches.iter().any(|batch| batch.num_rows() > 0)
    }

    /// Whether the columns of the key are known. Without rows they may be not.
    pub(crate) fn has_key(&self) -> bool {
        self.key.iter().all(|name| self.schema.get(name).is_some())
    }

    /// Whether each row has a whole key.
    ///
    /// # Errors
    /// A lasting one that names the column.
    pub(crate) fn check_keys(&self) -> Result<(), SinkError> {
        self.batches.iter().try_for_each(|batch| check_key(batch, &self.key))
    }

    /// Whether rows have a column to be written to.
    ///
    /// # Errors
    /// A lasting one, if not.
    pub(crate) fn check_columns(&self) -> Result<(), SinkError> {
        match self.schema.columns.is_empty() && self.has_rows() {
            true => Err(SinkError::lasting("rows without a column cannot be written")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{description::WriteMode, sink::sql::names::OWN, state::StreamState};
    use ColumnType::{Int, Text};

    const NAMING: Naming = Naming {
        database: "D",
        max_bytes: 63,
        folds_case: true,
        reserved: &[OWN],
        system_columns: &[],
    };

    fn schema(columns: &[(&str, ColumnType)]) -> Schema {
        let column = |(name, kind): &(&str, ColumnType)| Column {
            name: (*name).into(),
            kind: *kind,
            declared: false,
        };
        Schema { columns: columns.iter().map(column).collect() }
    }

    /// The keys of the tables of a commit: that of the stream, and one below it with these columns.
    fn keys(key: &[&str], below: &[(&str, ColumnType)]) -> Result<[Vec<String>; 2], String> {
        let target = Target::new("j", "s", key.iter().copied(), WriteMode::Merge);
        let (own, below) = (schema(&[("a", Int), ("id", Int), ("of", Text)]), schema(below));
        let (children, state) = ([Child::new("s_list", &below, &[])], StreamState::default());
        let commit = Commit::new(&own, &[], &[], &state, false).with_children(&children);
        let parts = Parts::of(&NAMING, &target, &commit).map_err(|error| error.to_string())?;
        let [child] = parts.children.as_slice() else { return Err("no child".into()) };
        assert_eq!(child.row_key(&target.key).len(), key.len());
        assert_eq!(parts.stream.row_key(&target.key), target.key);
        assert_eq!(parts.all().count(), 2);
        Ok([parts.stream.key.clone(), child.key.clone()])
    }

    #[test]
    fn an_item_is_named_by_its_row_and_its_place() {
        let below = [("_s_of", Text), ("_s_id", Int), ("_index", Int), ("value", Text)];
        let [stream, child] = keys(&["of", "id"], &below).unwrap();
        assert_eq!(
            (stream.join(" "), child.join(" ")),
            ("of id".into(), "_s_of _s_id _index".into())
        );
    }

    #[test]
    fn tables_that_do_not_begin_with_the_key_are_refused() {
        let index = ("_index", Int);
        for (key, below) in [
            (vec![], vec![index]),
            (vec!["id"], vec![]),
            (vec!["id"], vec![index]),
            (vec!["id"], vec![("_s_id", Int)]),
            (vec!["id"], vec![("_s_id", Text), index]),
            (vec!["id"], vec![("_s_id", Int), ("_index", Text)]),
            (vec!["id"], vec![("_s_id", Int), ("value", Int), index]),
            (vec!["no"], vec![("_s_no", Int), index]),
            (vec!["id", "of"], vec![("_s_id", Int), index]),
        ] {
            let error = keys(&key, &below).unwrap_err();
            assert!(
                error.contains("`s_list` does not begin with the key of stream `s`"),
                "{error}"
            );
        }
        let twice = [("_s_id", Int), index, ("A", Int), ("a", Int)];
        assert!(keys(&["id"], &twice).unwrap_err().contains("two columns are called `a`"));
    }
}
