//! The partitions of a stream: the values that its reads are bound to, from rows of another table and
//! from the description.

use ciborium::Value;
use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use indexmap::IndexMap;
use serde_json::value::RawValue;
use vantage_api_pool::{PoolApi, vantage::PoolTableExt};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use super::{
    UNITS_AT_ONCE,
    rules::path_of,
    units::{prefetch_of, table_of},
};
use crate::{
    description::{
        Description, ForEach, JobDescription, Nested, StreamDescription, TableDescription, typed,
    },
    error::Error,
    row::{Cell, Cells, RowReader},
    run::Unit,
};

/// What a stream is read once for.
pub(super) struct Partitions {
    parents: Option<Parents>,
    /// What each of some values fills.
    values: Vec<FixedValues>,
}

struct FixedValues {
    to: String,
    values: Vec<Value>,
    is_concealed: bool,
}

/// The table for each row of which a stream is read.
struct Parents {
    table: Table<PoolApi, EmptyEntity>,
    /// What it is itself read for.
    partitions: Option<Box<Partitions>>,
    bind: Vec<Binding>,
    /// How many of its pages are in flight.
    prefetch: usize,
}

/// What a column of the parent fills.
struct Binding {
    to: String,
    column: String,
    /// Where the column is in a row.
    path: Vec<String>,
}

/// The partitions, and how many rows of parents lack what, which have none.
type Found = (Vec<Unit>, IndexMap<String, u64>);

impl Partitions {
    /// # Errors
    /// If the description has no such table, or it goes in a circle.
    pub(super) fn of(
        description: &Description,
        job: &JobDescription,
        stream: &StreamDescription,
        for_each: &ForEach,
        source: &PoolApi,
    ) -> Result<Self, Error> {
        Planning { description, job, prefetch: prefetch_of(stream), source }.partitions(
            for_each,
            &stream.table,
            job.streams.len(),
        )
    }

    /// A unit for each, and what rows of parents lack that have none, if there are any.
    ///
    /// # Errors
    /// If the rows of a parent cannot be read, or a list has no values.
    pub(super) async fn units(&self) -> Result<(Vec<Unit>, Option<String>), Error> {
        let (units, lacking) = self.found().await?;
        Ok((units, shortage(&lacking)))
    }

    fn found(&self) -> BoxFuture<'_, Result<Found, Error>> {
        async {
            let (mut units, mut lacking) = (vec![Unit::default()], IndexMap::new());
            if let Some(parents) = &self.parents {
                (units, lacking) = parents.found().await?;
            }
            for fixed in &self.values {
                if fixed.values.is_empty() {
                    return Err(Error::Units(format!("there is no value for `{}`", fixed.to)));
                }
                units = units.iter().flat_map(|unit| fixed.of(unit)).collect();
            }
            Ok((units, lacking))
        }
        .boxed()
    }
}

impl FixedValues {
    /// The parts of a unit, one for each value.
    fn of(&self, unit: &Unit) -> impl Iterator<Item = Unit> {
        self.values.iter().map(|value| unit.with(&self.to, value, self.is_concealed))
    }
}

impl Parents {
    async fn found(&self) -> Result<Found, Error> {
        let (own, mut lacking) = match &self.partitions {
            Some(partitions) => partitions.found().await?,
            None => (vec![Unit::default()], IndexMap::new()),
        };
        let mut units: IndexMap<String, Unit> = IndexMap::new();
        let mut read = stream::iter(own).map(|unit| self.rows_of(unit)).buffered(UNITS_AT_ONCE);
        while let Some((found, lack)) = read.try_next().await? {
            units.extend(found.into_iter().map(|unit| (unit.key.clone(), unit)));
            lack.into_iter().for_each(|(what, rows)| *lacking.entry(what).or_default() += rows);
        }
        Ok((units.into_values().collect(), lacking))
    }

    /// A unit for each row of a partition of the parent.
    async fn rows_of(&self, own: Unit) -> Result<Found, Error> {
        let (mut units, mut lacking) = (Vec::new(), IndexMap::new());
        let rows = table_of(&self.table, &own).stream_json().await?;
        let mut rows = rows.prefetch(self.prefetch).map_err(Error::from);
        while let Some(row) = rows.next().await {
            match unit_of(&self.bind, &row?, &own) {
                Ok(unit) => units.push(unit),
                Err(what) => *lacking.entry(what).or_default() += 1,
            }
        }
        Ok((units, lacking))
    }
}

/// What partitions are planned from.
struct Planning<'a> {
    description: &'a Description,
    job: &'a JobDescription,
    prefetch: usize,
    source: &'a PoolApi,
}

impl Planning<'_> {
    /// Those of a table, whose parents are below at most so many others.
    fn partitions(&self, each: &ForEach, table: &str, depth: usize) -> Result<Partitions, Error> {
        let table = self.named(table)?;
        let values = each.values.iter().map(|(to, values)| FixedValues {
            to: to.clone(),
            values: values.iter().map(|value| of_column(value, table, to)).collect(),
            is_concealed: each.concealed.contains(to),
        });
        let parents = (!each.table.is_empty()).then(|| self.parents(each, depth)).transpose()?;
        Ok(Partitions { parents, values: values.collect() })
    }

    fn parents(&self, each: &ForEach, depth: usize) -> Result<Parents, Error> {
        let parent = self.named(&each.table)?;
        let own = self.job.partitions_of(&each.table).map(|own| match depth.checked_sub(1) {
            Some(depth) => self.partitions(own, &each.table, depth).map(Box::new),
            None => Err(Error::Settings(format!(
                "`for_each` goes in a circle: the table `{}` is read for each of its own rows",
                each.table
            ))),
        });
        let bind = each.bind.iter().map(|(to, column)| Binding {
            to: to.clone(),
            column: column.clone(),
            path: path_of(parent, column),
        });
        Ok(Parents {
            table: parent.table(self.source),
            partitions: own.transpose()?,
            bind: bind.collect(),
            prefetch: self.prefetch,
        })
    }

    fn named(&self, name: &str) -> Result<&TableDescription, Error> {
        let found = self.description.table_named(name);
        found.ok_or_else(|| Error::NoTable(name.to_owned()))
    }
}

/// A value as one of the column that it fills, if that is declared.
fn of_column(value: &Value, table: &TableDescription, column: &str) -> Value {
    let kind = table.columns.get(column).map(|column| column.kind);
    kind.and_then(|kind| typed(value, kind)).unwrap_or_else(|| value.clone())
}

/// How many rows of the parent lack what, if there are any.
fn shortage(lacking: &IndexMap<String, u64>) -> Option<String> {
    let told = lacking.iter().map(|(what, rows)| match rows {
        1 => format!("a row of the parent has no {what}"),
        rows => format!("{rows} rows of the parent have no {what}"),
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// The unit of a parent's row, or what it lacks. What the row does not have may be what it was read by.
fn unit_of(bind: &[Binding], row: &RawValue, own: &Unit) -> Result<Unit, String> {
    let mut reader = RowReader::new(Nested::Json);
    for Binding { path, .. } in bind {
        reader.add(path.iter().map(String::as_str));
    }
    let mut cells = Cells::default();
    reader.read(row.get(), &mut cells).map_err(|_| "fields".to_owned())?;
    let mut unit = Unit::default();
    for (Binding { to, column, path }, cell) in bind.iter().zip(&cells.values) {
        let (value, is_concealed) = match (cell, cell.text()) {
            (Cell::Number(number), _) => {
                (number.parse::<i64>().map_or_else(|_| Value::from(&**number), Value::from), false)
            }
            (_, Some(text)) => (Value::from(text), false),
            (_, None) => {
                let of_own = own.value_of(column);
                let value = of_own.ok_or_else(|| format!("`{}`", path.join(".")))?;
                (value.clone(), own.is_concealed())
            }
        };
        unit = unit.with(to, &value, is_concealed);
    }
    Ok(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(to: &str, path: &[&str]) -> Binding {
        let path: Vec<_> = path.iter().map(ToString::to_string).collect();
        Binding { to: to.into(), column: path.join("."), path }
    }

    fn of_row(bind: &[Binding], row: &str, own: &Unit) -> Result<Unit, String> {
        unit_of(bind, serde_json::from_str(row).unwrap(), own)
    }

    #[test]
    fn each_parent_is_a_unit_of_its_own_whatever_its_values_and_its_other_keys() {
        let bind = ["a", "b"].map(|name| binding(name, &[name]));
        let unit = |row: &str| of_row(&bind, row, &Unit::default());
        let one = unit(r#"{"a": "x\",b=\"y", "b": "z", "stra\u00dfe": 1}"#).unwrap();
        let other = unit(r#"{"a": "x", "b": "y\",b=\"z"}"#).unwrap();
        assert_ne!(one.key, other.key);
        let unit = unit(r#"{"a": 7, "b": true}"#).unwrap();
        assert_eq!((&*unit.key, &*unit.partition), (r#"a="7",b="true""#, &*unit.key));
    }

    #[test]
    fn what_rows_of_the_parent_lack_is_counted() {
        let bind = [binding("a", &["b", "c"])];
        let lack = |row: &str| of_row(&bind, row, &Unit::default()).unwrap_err();
        let mut lacking = IndexMap::new();
        assert_eq!(shortage(&lacking), None);
        lacking.insert(lack("[7]"), 1);
        lacking.insert(lack(r#"{"b": {"c": null}}"#), 2);
        let said = "a row of the parent has no fields, 2 rows of the parent have no `b.c`";
        assert_eq!(shortage(&lacking).as_deref(), Some(said));
    }

    #[test]
    fn what_a_row_of_the_parent_was_read_by_is_what_it_lacks() {
        let bind = [binding("owner", &["login"]), binding("repository", &["name"])];
        let own = Unit::default().with("login", &Value::from("ada"), true);
        let unit = of_row(&bind, r#"{"name": "x"}"#, &own).unwrap();
        assert_eq!(unit.key, r#"owner="ada",repository="x""#);
        assert!(!unit.name().contains("ada"), "{}", unit.name());
        let unit = of_row(&bind, r#"{"name": "x", "login": "bob"}"#, &own).unwrap();
        assert_eq!(unit.name(), r#"owner="bob",repository="x""#);
        assert_eq!(of_row(&bind, r#"{"login": "bob"}"#, &own).unwrap_err(), "`name`");
    }

    #[test]
    fn fixed_values_are_read_each_with_each_and_the_last_changes_first() {
        let fixed = |to: &str, values: &[&str]| FixedValues {
            to: to.into(),
            values: values.iter().map(|value| Value::from(*value)).collect(),
            is_concealed: to == "c",
        };
        let values = vec![fixed("a", &["1", "2"]), fixed("b", &["x"]), fixed("c", &["y", "z"])];
        let partitions = Partitions { parents: None, values };
        let (units, lack) = futures::executor::block_on(partitions.units()).unwrap();
        let keys: Vec<_> = units.iter().map(|unit| &*unit.key).collect();
        let expected = [
            r#"a="1",b="x",c="y""#,
            r#"a="1",b="x",c="z""#,
            r#"a="2",b="x",c="y""#,
            r#"a="2",b="x",c="z""#,
        ];
        assert_eq!((keys, lack), (expected.to_vec(), None));
        let names: std::collections::BTreeSet<_> = units.iter().map(Unit::name).collect();
        assert_eq!(names.len(), 4);
        assert!(names.iter().all(|name| name.contains(r#"b="x",c=#"#)), "{names:?}");
    }
}
