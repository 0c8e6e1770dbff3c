//! [pure] Names of tables and columns: which ones a database takes, and how they are quoted.

use std::{borrow::Cow, collections::HashSet};

use crate::{
    schema::Schema,
    sink::{SinkError, Target},
};

/// The table of what is remembered of streams.
pub(crate) const STATE: &str = "_apipool_state";
/// The table of rows that were set aside.
pub(crate) const REJECTS: &str = "_apipool_rejects";
/// What the names begin with that are the sinks' own.
pub(crate) const OWN: &str = "_apipool";

/// The table that replaces another one.
const NEW: &str = "__new";
/// The keys that a run has written.
const SEEN: &str = "__seen";
/// The index on the key.
const KEY: &str = "__key";
/// The table that gets the wider columns of another one.
const WIDE: &str = "__wide";
const ENDINGS: [&str; 4] = [NEW, SEEN, KEY, WIDE];
/// That of the index on the key of what a run has written.
const LONGEST_ENDING: usize = SEEN.len() + KEY.len();

/// Which names a database takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Naming {
    /// What the database is called in errors.
    pub(crate) database: &'static str,
    /// The most bytes of a name.
    pub(crate) max_bytes: usize,
    /// Whether names are the same that differ only in the case of ASCII letters.
    pub(crate) folds_case: bool,
    /// What names must not begin with.
    pub(crate) reserved: &'static [&'static str],
    /// The columns that every table has already.
    pub(crate) system_columns: &'static [&'static str],
}

impl Naming {
    /// Whether the table can have its name, and its rows can be written as they are to be.
    ///
    /// # Errors
    /// A lasting one, if not.
    pub(crate) fn check_target(&self, target: &Target) -> Result<(), SinkError> {
        self.check_table("stream", &target.stream)
    }

    /// Whether tables below that of a stream can have these names.
    ///
    /// # Errors
    /// A lasting one that names the table, if not.
    pub(crate) fn check_children<'n>(
        &self,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Result<(), SinkError> {
        names.clone().try_for_each(|name| self.check_table("table", name))?;
        self.check_distinct("table", names)
    }

    /// Whether a table can have these columns.
    ///
    /// # Errors
    /// A lasting one that names the column, if not.
    pub(crate) fn check_columns(&self, schema: &Schema) -> Result<(), SinkError> {
        let mut names = schema.columns.iter().map(|column| column.name.as_str());
        self.check_distinct("column", names.clone())?;
        names.try_for_each(|name| {
            if self.system_columns.contains(&name) {
                let database = self.database;
                return Err(SinkError::lasting(format!(
                    "no column of {database} can be called `{name}`: each table has one of its own"
                )));
            }
            self.check("column", name, self.max_bytes)
        })
    }

    /// Whether a table can have this name, and those beside it theirs.
    fn check_table(&self, what: &str, name: &str) -> Result<(), SinkError> {
        self.check(what, name, self.max_bytes - LONGEST_ENDING)?;
        let folded = name.to_ascii_lowercase();
        match ENDINGS.iter().find(|ending| folded.ends_with(**ending)) {
            Some(ending) => Err(SinkError::lasting(format!(
                "the name of {what} `{name}` must not end with `{ending}`, as tables beside one do"
            ))),
            None => Ok(()),
        }
    }

    /// Whether the database tells these names from each other.
    fn check_distinct<'n>(
        &self,
        what: &str,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<(), SinkError> {
        let mut known = HashSet::new();
        for name in names {
            let folded: Cow<'_, str> = match self.folds_case {
                true => Cow::Owned(name.to_ascii_lowercase()),
                false => Cow::Borrowed(name),
            };
            if !known.insert(folded) {
                let database = self.database;
                return Err(SinkError::lasting(format!(
                    "two {what}s are called `{name}`, and {database} does not tell upper from \
                     lower case: rename or drop one"
                )));
            }
        }
        Ok(())
    }

    fn check(&self, what: &str, name: &str, max_bytes: usize) -> Result<(), SinkError> {
        let database = self.database;
        let folded = name.to_ascii_lowercase();
        let problem = if name.is_empty() {
            "it is empty".to_owned()
        } else if name.contains('\0') {
            "it contains U+0000".to_owned()
        } else if name.len() > max_bytes {
            format!("it is longer than {max_bytes} bytes")
        } else if let Some(start) = self.reserved.iter().find(|start| folded.starts_with(**start)) {
            format!("names that begin with `{start}` are taken")
        } else {
            return Ok(());
        };
        let way = match what {
            "column" => format!("; leave it out with `columns: {{ {name:?}: drop }}`"),
            _ => String::new(),
        };
        Err(SinkError::lasting(format!(
            "no {what} of {database} can be called `{name}`: {problem}{way}"
        )))
    }
}

/// A name as SQL has it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names as SQL has them, with commas between them.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(quoted).collect();
    names.join(", ")
}

/// The name of the table that replaces the stream's.
pub(crate) fn new_table(stream: &str) -> String {
    format!("{stream}{NEW}")
}

/// The table that the one of this name is to replace, if it is one that does.
pub(crate) fn replaced_table(table: &str) -> Option<&str> {
    table.strip_suffix(NEW)
}

/// The name of the table of the keys that a run has written.
pub(crate) fn seen_table(stream: &str) -> String {
    format!("{stream}{SEEN}")
}

/// The name of the index on the key.
pub(crate) fn key_index(stream: &str) -> String {
    format!("{stream}{KEY}")
}

/// The name of a table that gets the wider columns of another one.
pub(crate) fn wide_table(table: &str) -> String {
    format!("{table}{WIDE}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        description::WriteMode,
        schema::{Column, ColumnType},
    };

    const FOLDS: Naming = Naming {
        database: "D",
        max_bytes: 20,
        folds_case: true,
        reserved: &[OWN, "sqlite_"],
        system_columns: &[],
    };
    const TELLS: Naming = Naming { folds_case: false, ..FOLDS };

    fn stream(naming: Naming, name: &str) -> Result<(), String> {
        let target = Target {
            job: "j".into(),
            stream: name.into(),
            key: Vec::new(),
            mode: WriteMode::Append,
        };
        naming.check_target(&target).map_err(|error| error.to_string())
    }

    fn columns(naming: Naming, names: &[&str]) -> Result<(), String> {
        let column =
            |name: &&str| Column { name: (*name).into(), kind: ColumnType::Int, declared: false };
        let schema = Schema { columns: names.iter().map(column).collect() };
        naming.check_columns(&schema).map_err(|error| error.to_string())
    }

    #[test]
    fn quotes_in_names_are_doubled() {
        assert_eq!(quoted("a \"b\".c"), r#""a ""b"".c""#);
        assert_eq!(list(["a", "b"]), r#""a", "b""#);
        assert_eq!(list([]), "");
    }

    #[test]
    fn names_that_would_be_taken_or_cut_are_refused() {
        for fine in ["a", "a.\" c\"", "Straße", "new", "_api"] {
            assert_eq!(stream(FOLDS, fine), Ok(()), "{fine}");
        }
        for (name, words) in [
            ("", "empty"),
            ("a\0", "U+0000"),
            ("ten letter", "longer than 9 bytes"),
            ("_ApiPool", "begin with `_apipool`"),
            ("SQLITE_x", "begin with `sqlite_`"),
            ("a__NEW", "end with `__new`"),
            ("a__seen", "end with `__seen`"),
            ("a__key", "end with `__key`"),
        ] {
            let error = stream(FOLDS, name).unwrap_err();
            assert!(error.contains(words), "{name}: {error}");
        }
    }

    #[test]
    fn tables_below_another_have_names_of_their_own() {
        let children = |naming: Naming, names: &[&str]| {
            naming.check_children(names.iter().copied()).map_err(|error| error.to_string())
        };
        assert_eq!(children(TELLS, &["a_b", "a_B", "a_c"]), Ok(()));
        for (names, words) in [
            (["a_b", "a_B"], "two tables are called `a_B`"),
            (["a_b", "a__new"], "end with `__new`"),
            (["a_b", "a_letter_b"], "longer than 9 bytes"),
        ] {
            let error = children(FOLDS, &names).unwrap_err();
            assert!(error.contains(words), "{names:?}: {error}");
        }
        assert_eq!(replaced_table(&new_table("a")), Some("a"));
        assert_eq!(replaced_table("a"), None);
    }

    #[test]
    fn columns_that_the_database_takes_for_one_are_refused() {
        assert_eq!(columns(TELLS, &["id", "ID", "É", "é"]), Ok(()));
        assert_eq!(columns(FOLDS, &["id", "É", "é", "id__new"]), Ok(()));
        assert!(columns(FOLDS, &["id", "ID"]).unwrap_err().contains("two columns are called `ID`"));
        assert!(columns(TELLS, &["id", "id"]).is_err());
        assert!(columns(TELLS, &["a", "_apipool_position"]).unwrap_err().contains("begin with"));
        let said = columns(TELLS, &["a", ""]).unwrap_err();
        assert!(
            said.contains(r#"it is empty; leave it out with `columns: { "": drop }`"#),
            "{said}"
        );
        assert!(columns(TELLS, &["a name of more than twenty bytes"]).is_err());
    }
}
