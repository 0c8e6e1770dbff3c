//! [pure] Decodes the rows of a stream by its rules: which columns they have, how these grow and
//! widen, and which rows are set aside.

use std::{
    collections::{BTreeSet, HashMap},
    mem,
};

use arrow_array::RecordBatch;
use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::{
    batch::BatchBuilder,
    cell::Cell,
    checks::{Checker, RowChecks},
    hash::RowHash,
    made::Made,
    mark::Mark,
    reader::{Cells, RowReader},
    value::Value,
};
use crate::{
    description::SchemaPolicy,
    schema::{Column, ColumnType, Schema},
    sink::Reject,
    state::StreamState,
};

/// The most columns that a table grows to: databases have few more, and rows whose keys are data have
/// no end of them.
const MAX_COLUMNS: usize = 1000;

/// The rules of a stream's rows.
#[derive(Clone, Debug)]
pub(crate) struct RowRules {
    /// The columns that are known before the first row, by name.
    pub(crate) columns: IndexMap<String, ColumnPlan>,
    /// The fields that are left out.
    pub(crate) dropped: Vec<String>,
    /// The columns that name a row.
    pub(crate) key: Vec<String>,
    /// The field that says what is new.
    pub(crate) cursor: Option<String>,
    pub(crate) policy: SchemaPolicy,
    /// Whether objects become columns of their fields.
    pub(crate) flattens: bool,
    /// Which texts the sink cannot hold, and why.
    pub(crate) refuses: fn(&str) -> Option<&'static str>,
    pub(crate) checks: RowChecks,
    /// Whether rows that the last run has written are left out.
    pub(crate) knows_rows: bool,
}

/// A column that is known before the first row.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnPlan {
    /// Its type, if that is declared.
    pub(crate) kind: Option<ColumnType>,
    /// Where it is in a row; nowhere, if it is made.
    pub(crate) path: Vec<String>,
    pub(crate) made: Option<Made>,
}

/// What is known of the columns of a stream's rows, besides what is declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Learned {
    /// The columns of the table.
    pub(crate) schema: Schema,
    /// Where in a row each column is whose name does not say it.
    pub(crate) paths: IndexMap<String, Vec<String>>,
    /// The `int` columns with numbers that a float does not hold.
    pub(crate) wide: BTreeSet<String>,
}

impl Learned {
    /// What was learned up to a commit.
    pub(crate) fn of(state: &StreamState) -> Self {
        let (schema, paths, wide) = (&state.schema, &state.paths, &state.wide);
        Self { schema: schema.clone(), paths: paths.clone(), wide: wide.clone() }
    }

    /// Puts it into the state of a commit.
    pub(crate) fn store(self, state: &mut StreamState) {
        (state.schema, state.paths, state.wide) = (self.schema, self.paths, self.wide);
    }
}

/// Decodes rows.
#[derive(Debug)]
pub(crate) struct RowDecoder {
    rules: RowRules,
    reader: RowReader,
    learned: Learned,
    /// The columns that name a row; `None` if one is not known yet.
    key: Option<Vec<usize>>,
    cursor: Option<usize>,
    /// The columns that get the type of their first value.
    untyped: BTreeSet<usize>,
    /// The columns whose values are not those of the row.
    made: Vec<(usize, Made)>,
    batch: BatchBuilder,
    /// Batches of the schemas before this one.
    done: Vec<RecordBatch>,
    rejects: Vec<Reject>,
    /// About how many bytes the rows in them have.
    bytes: usize,
    mark: Mark,
    /// The fields that are left out.
    discarded: BTreeSet<String>,
    checker: Checker,
    /// How often each row was written by the last run and not read again yet.
    known: HashMap<RowHash, u32>,
    seen: Vec<SeenRow>,
}

/// A row by which the next run may know it.
#[derive(Debug)]
pub(crate) struct SeenRow {
    /// The value of its cursor field.
    pub(crate) cursor: String,
    pub(crate) hash: RowHash,
    /// Whether the last run has written it, so that it is left out.
    pub(crate) is_repeated: bool,
}

/// What came of the rows of a page.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) rejects: Vec<Reject>,
    /// About how many bytes the rows have.
    pub(crate) bytes: usize,
    /// The greatest value of the cursor field so far.
    pub(crate) mark: Mark,
    /// What is known after these rows.
    pub(crate) learned: Learned,
    /// The rows with a cursor, if rows that the last run has written are left out.
    pub(crate) seen: Vec<SeenRow>,
}

/// Why a row is not written.
pub(super) enum Fault {
    /// The last run has written it.
    Repeated,
    /// It is set aside.
    Row(String),
    /// The run fails: the table would change as it must not, or what must hold for a row does not.
    Run(String),
}

impl RowDecoder {
    /// A decoder that goes on with what was learned before.
    pub(crate) fn new(rules: RowRules, before: Learned) -> Self {
        let checker = Checker::new(rules.checks.clone());
        let mut decoder = Self {
            reader: RowReader::new(rules.flattens),
            rules,
            learned: Learned { wide: before.wide, ..Learned::default() },
            key: None,
            cursor: None,
            untyped: BTreeSet::new(),
            made: Vec::new(),
            batch: BatchBuilder::new(Schema::default()),
            done: Vec::new(),
            rejects: Vec::new(),
            bytes: 0,
            mark: Mark::default(),
            discarded: BTreeSet::new(),
            checker,
            known: HashMap::new(),
            seen: Vec::new(),
        };
        for field in decoder.rules.dropped.clone() {
            decoder.reader.drop_field([field.as_str()]);
        }
        for (name, plan) in decoder.rules.columns.clone() {
            if let Some(made) = plan.made {
                decoder.made.push((decoder.learned.schema.columns.len(), made));
            }
            let kind = plan.kind.or(before.schema.get(&name).map(|column| column.kind));
            if kind.is_none() {
                decoder.untyped.insert(decoder.learned.schema.columns.len());
            }
            let (kind, declared) = (kind.unwrap_or(ColumnType::Bool), plan.kind.is_some());
            decoder.add(Column { name, kind, declared }, plan.path);
        }
        let Learned { schema, mut paths, .. } = before;
        for column in schema.columns {
            let columns = &mut decoder.learned.schema.columns;
            match columns.iter_mut().find(|own| own.name == column.name) {
                // The table has the wider type of before it was declared.
                Some(own) => own.kind = own.kind.widened(column.kind),
                None => {
                    let path = paths.swap_remove(&column.name);
                    let path = path.unwrap_or_else(|| vec![column.name.clone()]);
                    decoder.add(column, path);
                }
            }
        }
        decoder.begin_batch();
        decoder
    }

    /// The same decoder, which leaves out the rows that the last run has written, as often as it has.
    pub(crate) fn knowing(mut self, rows: HashMap<RowHash, u32>) -> Self {
        if self.rules.knows_rows {
            self.known = rows;
        }
        self
    }

    /// The fields that were left out.
    pub(crate) fn discarded(&self) -> &BTreeSet<String> {
        &self.discarded
    }

    /// Decodes the rows of a page.
    ///
    /// # Errors
    /// For a row that the schema does not allow, if that is not to change, or for which a check does
    /// not hold, if that fails the run.
    pub(crate) fn decode(&mut self, rows: &[Box<RawValue>]) -> Result<Decoded, String> {
        let (mut cells, mut values) = (Cells::default(), Vec::new());
        for row in rows {
            values.clear();
            match self.row(row, &mut cells, &mut values) {
                Ok(()) => self.batch.push(values.drain(..)),
                Err(Fault::Repeated) => {}
                Err(Fault::Row(reason)) => {
                    self.rejects.push(Reject { reason, row: row.get().to_owned() });
                }
                Err(Fault::Run(reason)) => return Err(reason),
            }
        }
        self.end_batch()?;
        Ok(Decoded {
            batches: mem::take(&mut self.done),
            rejects: mem::take(&mut self.rejects),
            bytes: mem::take(&mut self.bytes),
            mark: self.mark.clone(),
            learned: self.learned.clone(),
            seen: mem::take(&mut self.seen),
        })
    }

    /// The values of a row.
    fn row<'a>(
        &mut self,
        row: &'a RawValue,
        cells: &mut Cells<'a>,
        values: &mut Vec<Value<'a>>,
    ) -> Result<(), Fault> {
        self.reader.read(row, cells).map_err(Fault::Row)?;
        if !cells.unknown.is_empty() {
            self.meet(&cells.unknown)?;
            // Its cells are at the new columns now.
            self.reader.read(row, cells).map_err(Fault::Row)?;
        }
        let cursor = self.cursor.and_then(|cursor| cells.values.get(cursor)?.text());
        let cursor = cursor.map(ToOwned::to_owned);
        for (number, made) in &self.made {
            if let Some(cell) = cells.values.get_mut(*number) {
                *cell = made.of(cell);
            }
        }
        for (number, cell) in cells.values.iter().enumerate() {
            values.push(self.value(number, cell)?);
        }
        self.check_key(values)?;
        let knows_row = self.rules.knows_rows && cursor.is_some();
        let hash = knows_row.then(|| self.hash(&cells.values));
        let is_repeated = hash.is_some_and(|hash| self.take_known(hash));
        if !is_repeated {
            self.checker.check(&cells.values)?;
        }
        let Some(cursor) = cursor else { return Ok(()) };
        self.mark.raise(&cursor);
        if let Some(hash) = hash {
            self.seen.push(SeenRow { cursor, hash, is_repeated });
        }
        if is_repeated { Err(Fault::Repeated) } else { Ok(()) }
    }

    /// The hash of the columns that have a value, whatever others there are by then.
    fn hash(&self, cells: &[Cell<'_>]) -> RowHash {
        let names = self.learned.schema.columns.iter().map(|column| column.name.as_str());
        let values = names.zip(cells).filter_map(|(name, cell)| Some([name, cell.text()?]));
        RowHash::of(values.flatten())
    }

    /// Whether the last run has written a row that was not read again yet.
    fn take_known(&mut self, row: RowHash) -> bool {
        match self.known.get_mut(&row) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        }
    }

    /// A cell as a value of its column, which may widen for it.
    fn value<'a>(&mut self, number: usize, cell: &Cell<'a>) -> Result<Value<'a>, Fault> {
        let Some(column) = self.learned.schema.columns.get(number) else {
            return Ok(Value::Null);
        };
        if let Some(reason) = cell.text().and_then(self.rules.refuses) {
            return Err(Fault::Row(format!("`{}` {reason}", column.name)));
        }
        if let Some(kind) = cell.kind().filter(|_| self.untyped.remove(&number)) {
            self.retype(number, kind)?;
            return Ok(Value::of(cell, kind).unwrap_or(Value::Null));
        }
        if let Some(value) = Value::of(cell, column.kind) {
            if value.is_wide() && !self.learned.wide.contains(&column.name) {
                self.learned.wide.insert(column.name.clone());
            }
            return Ok(value);
        }
        let misfit = format!("`{}` holds no {}", column.name, column.kind);
        match self.rules.policy {
            _ if column.declared => Err(Fault::Row(misfit)),
            SchemaPolicy::Evolve => {
                let kind = self.wider(column, cell);
                let value = Value::of(cell, kind).ok_or(Fault::Row(misfit))?;
                self.retype(number, kind)?;
                Ok(value)
            }
            SchemaPolicy::Freeze => Err(Fault::Run(misfit)),
            _ => Err(Fault::Row(misfit)),
        }
    }

    fn retype(&mut self, number: usize, kind: ColumnType) -> Result<(), Fault> {
        self.end_batch().map_err(Fault::Run)?;
        if let Some(column) = self.learned.schema.columns.get_mut(number) {
            column.kind = kind;
        }
        self.begin_batch();
        Ok(())
    }

    /// The narrowest type that holds the values of a column and one more, with all their digits.
    fn wider(&self, column: &Column, cell: &Cell<'_>) -> ColumnType {
        let kind = column.kind.widened(cell.kind().unwrap_or(column.kind));
        let loses_digits = match kind {
            ColumnType::Float => self.learned.wide.contains(&column.name),
            _ => false,
        };
        match loses_digits || Value::of(cell, kind).is_none() {
            true => kind.widened(ColumnType::Text),
            false => kind,
        }
    }

    /// Decides on fields that no column has.
    fn meet(&mut self, unknown: &[(Vec<String>, Cell<'_>)]) -> Result<(), Fault> {
        self.end_batch().map_err(Fault::Run)?;
        for (path, cell) in unknown {
            let field = path.join(".");
            match self.rules.policy {
                SchemaPolicy::Evolve => {
                    if self.learned.schema.columns.len() >= MAX_COLUMNS {
                        let what = format!("`{field}` would be column {}", MAX_COLUMNS + 1);
                        return Err(Fault::Run(what));
                    }
                    let kind = cell.kind().unwrap_or(ColumnType::Text);
                    let name = self.free_name(&path.join("_"));
                    self.add(Column { name, kind, declared: false }, path.clone());
                }
                SchemaPolicy::Discard => {
                    self.reader.drop_field(path.iter().map(String::as_str));
                    self.discarded.insert(field);
                }
                SchemaPolicy::Freeze => {
                    return Err(Fault::Run(format!("the table has no column for `{field}`")));
                }
                _ => return Err(Fault::Row(format!("the table has no column for `{field}`"))),
            }
        }
        self.begin_batch();
        Ok(())
    }

    /// A name that no column has: databases do not tell names apart by their case.
    fn free_name(&self, name: &str) -> String {
        let is_taken = |name: &str| {
            let name = name.to_lowercase();
            self.learned.schema.columns.iter().any(|column| column.name.to_lowercase() == name)
        };
        if !is_taken(name) {
            return name.to_owned();
        }
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        numbered.into_iter().find(|name| !is_taken(name)).unwrap_or_default()
    }

    fn add(&mut self, column: Column, path: Vec<String>) {
        let number = self.reader.add(path.iter().map(String::as_str));
        if self.rules.cursor.as_ref() == Some(&column.name) {
            self.cursor = Some(number);
        }
        self.checker.add(&column.name, number);
        if path.len() != 1 || path.first() != Some(&column.name) {
            self.learned.paths.insert(column.name.clone(), path);
        }
        self.learned.schema.columns.push(column);
        let columns = &self.learned.schema.columns;
        let number_of = |name: &String| columns.iter().position(|column| column.name == *name);
        self.key = self.rules.key.iter().map(number_of).collect();
    }

    fn check_key(&self, values: &[Value<'_>]) -> Result<(), Fault> {
        let is_null = |number: usize| values.get(number).is_none_or(|value| *value == Value::Null);
        match &self.key {
            Some(key) if !key.iter().any(|number| is_null(*number)) => Ok(()),
            _ if self.rules.key.is_empty() => Ok(()),
            _ => Err(Fault::Row(format!("it has no key: {}", self.rules.key.join(", ")))),
        }
    }

    fn begin_batch(&mut self) {
        self.batch = BatchBuilder::new(self.learned.schema.clone());
    }

    /// Ends the batch, whose schema may change now.
    fn end_batch(&mut self) -> Result<(), String> {
        if self.batch.rows() > 0 {
            self.bytes += self.batch.bytes();
            self.done.push(self.batch.finish().map_err(|error| error.to_string())?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, cast::AsArray, types::Int64Type};

    use super::*;
    use crate::row::ColumnCheck;

    fn rules(policy: SchemaPolicy) -> RowRules {
        RowRules {
            columns: IndexMap::new(),
            dropped: Vec::new(),
            key: Vec::new(),
            cursor: None,
            policy,
            flattens: false,
            refuses: |_| None,
            checks: RowChecks::default(),
            knows_rows: false,
        }
    }

    fn decode(decoder: &mut RowDecoder, rows: &[&str]) -> Result<Decoded, String> {
        let rows: Vec<_> =
            rows.iter().map(|row| RawValue::from_string((*row).into()).unwrap()).collect();
        decoder.decode(&rows)
    }

    fn columns(decoded: &Decoded) -> Vec<String> {
        let columns = decoded.learned.schema.columns.iter();
        columns.map(|column| format!("{} {}", column.name, column.kind)).collect()
    }

    fn counts(decoded: &Decoded) -> Vec<usize> {
        decoded.batches.iter().map(RecordBatch::num_rows).collect()
    }

    #[test]
    fn columns_are_found_in_the_rows_and_widen() {
        let mut decoder = RowDecoder::new(rules(SchemaPolicy::Evolve), Learned::default());
        let decoded = decode(
            &mut decoder,
            &[r#"{"a": 1, "b": true}"#, r#"{"a": 2.5, "c": "x"}"#, r#"{"b": {"d": 1}}"#],
        );
        let decoded = decoded.unwrap();
        assert_eq!(columns(&decoded), ["a float", "b json", "c text"]);
        assert_eq!((counts(&decoded), decoded.rejects.len()), (vec![1, 1, 1], 0));
        let first = decoded.batches[0].column(0).as_primitive::<Int64Type>();
        assert_eq!(first.value(0), 1);
        let last = decoded.batches[2].column(1).as_string::<i32>();
        assert_eq!(last.value(0), r#"{"d": 1}"#);
        assert!(decoded.batches[2].column(0).is_null(0));
    }

    #[test]
    fn no_digit_is_lost_when_whole_numbers_meet_fractions() {
        let mut decoder = RowDecoder::new(rules(SchemaPolicy::Evolve), Learned::default());
        let rows = [r#"{"a": 9007199254740993}"#, r#"{"a": 0.5}"#];
        assert_eq!(columns(&decode(&mut decoder, &rows).unwrap()), ["a text"]);
        let mut decoder = RowDecoder::new(rules(SchemaPolicy::Evolve), Learned::default());
        let rows = [r#"{"a": 0.5}"#, r#"{"a": 9007199254740993}"#];
        let decoded = decode(&mut decoder, &rows).unwrap();
        assert_eq!(columns(&decoded), ["a text"]);
        assert_eq!(decoded.batches[1].column(0).as_string::<i32>().value(0), "9007199254740993");
    }

    #[test]
    fn a_schema_may_be_kept_in_three_ways() {
        let before = Learned {
            schema: Schema {
                columns: vec![Column { name: "a".into(), kind: ColumnType::Int, declared: false }],
            },
            ..Learned::default()
        };
        let rows = [r#"{"a": 1, "b": 2}"#, r#"{"a": "x"}"#, r#"{"a": 3}"#];
        let decoder = |policy| RowDecoder::new(rules(policy), before.clone());

        let frozen = decode(&mut decoder(SchemaPolicy::Freeze), &rows);
        assert_eq!(frozen.unwrap_err(), "the table has no column for `b`");

        let mut discarding = decoder(SchemaPolicy::Discard);
        let discarded = decode(&mut discarding, &rows).unwrap();
        assert_eq!((counts(&discarded), discarded.rejects.len()), (vec![2], 1));
        assert!(discarding.discarded().contains("b"));

        let apart = decode(&mut decoder(SchemaPolicy::Quarantine), &rows).unwrap();
        let reasons: Vec<_> = apart.rejects.iter().map(|reject| &*reject.reason).collect();
        assert_eq!(reasons, ["the table has no column for `b`", "`a` holds no int"]);
        assert_eq!(apart.rejects[1].row, rows[1]);
        assert_eq!(counts(&apart), [1]);
    }

    #[test]
    fn a_row_without_its_key_or_with_a_value_of_no_use_is_set_aside() {
        let at =
            ColumnPlan { kind: Some(ColumnType::Timestamp), path: vec!["at".into()], made: None };
        let mut decoder = RowDecoder::new(
            RowRules {
                columns: IndexMap::from([("at".into(), at)]),
                key: vec!["id".into()],
                cursor: Some("at".into()),
                ..rules(SchemaPolicy::Evolve)
            },
            Learned::default(),
        );
        let rows = [
            r#"{"at": "2024-01-01T00:00:00Z"}"#,
            r#"{"id": 1, "at": "2024-01-02T00:00:00Z"}"#,
            r#"{"id": 2, "at": "soon"}"#,
            r#"{"id": null}"#,
            "[]",
        ];
        let decoded = decode(&mut decoder, &rows).unwrap();
        let reasons: Vec<_> = decoded.rejects.iter().map(|reject| &*reject.reason).collect();
        assert_eq!(
            reasons[..3],
            ["it has no key: id", "`at` holds no timestamp", "it has no key: id"]
        );
        assert!(reasons[3].contains("an object"));
        assert_eq!(
            (counts(&decoded), decoded.mark.0.as_deref()),
            (vec![1], Some("2024-01-02T00:00:00Z"))
        );
    }

    #[test]
    fn rows_for_which_a_check_does_not_hold_are_set_aside_or_fail_the_run() {
        let columns = vec![("b".to_owned(), ColumnCheck::NotNull)];
        let checks = |fails| RowChecks { columns: columns.clone(), fails };
        let rules = |fails| RowRules {
            checks: checks(fails),
            cursor: Some("a".into()),
            ..rules(SchemaPolicy::Evolve)
        };
        let rows = [r#"{"a": 1, "b": 2}"#, r#"{"a": 2}"#, r#"{"a": 1, "b": 3}"#];
        let mut decoder = RowDecoder::new(rules(false), Learned::default());
        let decoded = decode(&mut decoder, &rows).unwrap();
        let rejects = [Reject { reason: "`b` is null".into(), row: rows[1].into() }];
        assert_eq!((counts(&decoded), decoded.rejects.as_slice()), (vec![2], &rejects[..]));
        assert_eq!(decoded.mark.0.as_deref(), Some("1"), "it was not written");
        let mut decoder = RowDecoder::new(rules(true), Learned::default());
        assert_eq!(decode(&mut decoder, &rows).unwrap_err(), "`b` is null");
    }

    #[test]
    fn rows_that_the_last_run_has_written_are_left_out_as_often() {
        let rules =
            RowRules { cursor: Some("at".into()), knows_rows: true, ..rules(SchemaPolicy::Evolve) };
        let row = r#"{"at": 2, "a": "x"}"#;
        let mut first = RowDecoder::new(rules.clone(), Learned::default());
        let decoded = decode(&mut first, &[r#"{"a": "y"}"#, row, row]).unwrap();
        assert_eq!(decoded.seen.len(), 2, "one has no cursor");
        assert!(decoded.seen.iter().all(|row| row.cursor == "2" && !row.is_repeated));
        let known = HashMap::from([(decoded.seen[0].hash, 2)]);
        let mut second = RowDecoder::new(rules, decoded.learned).knowing(known);
        // A column that is new is in no row of before.
        let rows = [r#"{"at": 2, "a": "x", "b": 1}"#, row, row, row];
        let decoded = decode(&mut second, &rows).unwrap();
        let is_repeated: Vec<_> = decoded.seen.iter().map(|row| row.is_repeated).collect();
        assert_eq!(is_repeated, [false, true, true, false]);
        assert_eq!((counts(&decoded), decoded.rejects.len()), (vec![2], 0));
        assert_eq!(decoded.mark.0.as_deref(), Some("2"));
    }

    #[test]
    fn fields_that_differ_only_in_case_or_by_their_place_are_columns_of_their_own() {
        let flat = RowRules { flattens: true, ..rules(SchemaPolicy::Evolve) };
        let mut decoder = RowDecoder::new(flat.clone(), Learned::default());
        let row = r#"{"a_b": 1, "A_B": 2, "a": {"b": 3}}"#;
        let decoded = decode(&mut decoder, &[row]).unwrap();
        assert_eq!(columns(&decoded), ["a_b int", "A_B_2 int", "a_b_3 int"]);
        let again = decode(&mut RowDecoder::new(flat, decoded.learned.clone()), &[row]).unwrap();
        assert_eq!(again.learned, decoded.learned);
        assert_eq!(again.batches, decoded.batches);
    }
}
