//! [pure] Decodes the rows of a stream by its rules, page by page: which rows are written, which are set
//! aside, and which were written before. What came of several pages is taken at once.

use std::{mem, slice};

use super::{
    bound::{Bound, Known},
    cell::Cell,
    checks::Checker,
    children::Children,
    columns::Columns,
    decoded::{Decoded, DecodedPage, SeenRow},
    fault::Fault,
    growth::Growth,
    hash::RowHash,
    keys::{Keys, is_told},
    learned::Learned,
    made::Made,
    mark::Mark,
    plain::PlainRows,
    reader::Cells,
    reading::{Reading, Takes, Whole},
    rules::RowRules,
    value::Value,
};
use crate::sink::Reject;

/// Decodes rows.
#[derive(Debug)]
pub(crate) struct RowDecoder {
    rules: RowRules,
    columns: Columns,
    children: Children,
    /// How most rows are read, unless more is made of them than their values.
    plain: Option<PlainRows>,
    /// Up to which change of the columns their numbers are known.
    numbered: usize,
    /// The columns that name a row; `None` if one is not known yet.
    key: Option<Vec<usize>>,
    cursor: Option<usize>,
    /// The columns whose values are not those of the row.
    made: Vec<(usize, Made)>,
    /// How many rows were gathered since the last were taken.
    written: usize,
    rejects: Vec<Reject>,
    /// What the pages that were read to their ends have come to.
    whole: Whole,
    /// That of the rows of the page.
    mark: Mark,
    checker: Checker,
    known: Known,
    seen: Vec<SeenRow>,
    /// The keys of the run, if it reads all rows.
    keys: Option<Keys>,
}

impl RowDecoder {
    /// A decoder that goes on with what was learned before.
    pub(crate) fn new(rules: RowRules, before: Learned) -> Self {
        let Learned { schema, paths, wide, untyped, children } = before;
        let growth = Growth { within: String::new(), policy: rules.policy, refuses: rules.refuses };
        let mut columns = Columns::new(growth, rules.nested, wide, untyped);
        for field in &rules.dropped {
            columns.drop_column(field);
        }
        let mut made = Vec::new();
        for (name, plan) in &rules.columns {
            if let Some(of) = &plan.made {
                made.push((columns.schema().columns.len(), of.clone()));
            }
            if !plan.path.is_empty() {
                columns.reader.keep_lists(plan.path.iter().map(String::as_str));
            }
            let before = schema.get(name).filter(|_| !columns.untyped().contains(name));
            let kind = plan.kind.or(before.map(|column| column.kind));
            columns.plan(name.clone(), kind, plan.kind.is_some(), plan.path.clone());
        }
        columns.restore(schema, paths);
        let mut own = Children::new(&rules);
        own.restore(children, &mut columns);
        Self {
            checker: Checker::new(rules.checks.clone()),
            keys: (!rules.key.is_empty() && rules.reads_all).then(Keys::default),
            rules,
            columns,
            children: own,
            plain: None,
            numbered: 0,
            key: None,
            cursor: None,
            made,
            written: 0,
            rejects: Vec::new(),
            whole: Whole::default(),
            mark: Mark::default(),
            known: Known::default(),
            seen: Vec::new(),
        }
    }

    /// The same decoder, which leaves out the rows that the last run has written, as often as it has.
    pub(crate) fn knowing(mut self, rows: Known) -> Self {
        if self.rules.knows_rows {
            self.known = rows;
        }
        self
    }

    /// The fields that were left out.
    pub(crate) fn discarded(&self) -> Vec<String> {
        self.columns.discarded().iter().chain(self.children.discarded()).cloned().collect()
    }

    /// Reads the rows of a page.
    ///
    /// # Errors
    /// Those of [`read_page_of`](Self::read_page_of).
    pub(crate) fn read_page(
        &mut self,
        rows: &[&str],
        bound: &Bound,
    ) -> Result<DecodedPage, String> {
        self.read_page_of(rows, bound, &mut |_, _| true)
    }

    /// Reads those rows of a page that `takes` takes, which is told the value of the cursor field and
    /// the row. The others count as repeated.
    ///
    /// # Errors
    /// For a row that the schema does not allow, if that is not to change, or for which a check does
    /// not hold, if that fails the run. Nothing of the page is taken then, and no page can follow it.
    pub(crate) fn read_page_of(
        &mut self,
        rows: &[&str],
        bound: &Bound,
        takes: &mut Takes<'_>,
    ) -> Result<DecodedPage, String> {
        let mut reading = Reading { bound: self.bound(bound), ..Reading::default() };
        let (rejected, mut repeated, mut lacks_key) = (self.rejects.len(), 0, false);
        for &row in rows {
            match self.row(row, &bound.partition, &mut reading, takes) {
                Ok(()) => self.push(&mut reading),
                Err(Fault::Repeated) => repeated += 1,
                Err(Fault::Row(reason)) => {
                    lacks_key |= !self.tells_key(row, &mut reading);
                    self.rejects.push(Reject { reason, row: row.to_owned() });
                }
                Err(Fault::Run(reason)) => return Err(reason),
            }
        }
        // A row that was set aside may have widened the key.
        self.number_columns()?;
        self.complete();
        Ok(DecodedPage {
            rejected: self.rejects.len() - rejected,
            reject: self.rejects.get(rejected).map(|reject| reject.reason.clone()),
            lacks_key,
            twice: self.keys.as_mut().map_or(0, Keys::take_twice),
            repeated,
            mark: mem::take(&mut self.mark),
            seen: mem::take(&mut self.seen),
        })
    }

    /// The page is read to its end.
    fn complete(&mut self) {
        (self.whole.written, self.whole.rejects) = (self.written, self.rejects.len());
        let changes = self.changes();
        if mem::replace(&mut self.whole.changes, changes) != changes {
            self.whole.learned = self.learned();
        }
    }

    fn changes(&self) -> usize {
        self.columns.changes() + self.children.changes()
    }

    /// How many rows were gathered or set aside since the last were taken.
    pub(crate) fn rows(&self) -> usize {
        self.written + self.rejects.len()
    }

    /// About how many bytes they have.
    pub(crate) fn bytes(&self) -> usize {
        let rejects = self.rejects.iter().map(|reject| reject.row.len() + reject.reason.len());
        self.columns.bytes() + self.children.bytes() + rejects.sum::<usize>()
    }

    /// Takes what has come of the pages since it was last taken: of those alone that were read to
    /// their ends.
    ///
    /// # Errors
    /// If the rows make no batch.
    pub(crate) fn take(&mut self) -> Result<Decoded, String> {
        let (bytes, rows) = (self.bytes(), self.whole.written);
        self.rejects.truncate(self.whole.rejects);
        let mut decoded = Decoded {
            batches: self.columns.take()?,
            children: self.children.take()?,
            rejects: mem::take(&mut self.rejects),
            bytes,
            learned: self.whole.learned.clone(),
        };
        if self.written > rows {
            decoded.cut(rows);
        }
        (self.written, self.whole.written, self.whole.rejects) = (0, 0, 0);
        Ok(decoded)
    }

    fn learned(&self) -> Learned {
        Learned {
            schema: self.columns.schema().clone(),
            paths: self.columns.paths().clone(),
            wide: self.columns.wide().clone(),
            untyped: self.columns.untyped().clone(),
            children: self.children.learned(),
        }
    }

    /// The planned columns that are bound, with their values. A column that is found in rows is
    /// theirs alone.
    fn bound<'a>(&self, bound: &'a Bound) -> Vec<(usize, Cell<'a>)> {
        let planned = bound.values.iter().filter(|(name, _)| self.rules.columns.contains_key(name));
        let places = planned
            .filter_map(|(name, value)| Some((self.columns.position(name)?, Cell::of(value))));
        places.collect()
    }

    /// Puts what is bound where a row that was read straight has nothing; false if a value is not of
    /// the type of its column, or is one that is refused or noted.
    fn fill<'a>(&self, bound: &[(usize, Cell<'a>)], values: &mut [Value<'a>]) -> bool {
        bound.iter().all(|(number, cell)| match values.get_mut(*number) {
            Some(value) if *value == Value::Null => {
                let kind = self.columns.schema().columns.get(*number).map(|column| column.kind);
                let is_refused =
                    cell.text().is_some_and(|text| (self.rules.refuses)(text).is_some());
                let of = kind.filter(|_| !is_refused).and_then(|kind| Value::of(cell, kind));
                let of = of.filter(|of| !of.is_wide());
                of.map(|of| *value = of).is_some()
            }
            _ => true,
        })
    }

    /// The values of a row and its items, all of which fit.
    fn row<'a>(
        &mut self,
        row: &'a str,
        partition: &str,
        reading: &mut Reading<'a>,
        takes: &mut Takes<'_>,
    ) -> Result<(), Fault> {
        let Reading { cells, values, item, gathered, bound } = reading;
        gathered.clear();
        // The row before may have widened columns and been set aside all the same.
        self.number_columns().map_err(Fault::Run)?;
        if let Some(plain) = &mut self.plain
            && let Some(cursor) = plain.read(row, values)
            && self.fill(bound, values)
            && self.has_key(values)
        {
            if !takes(cursor.text(), row) {
                return Err(Fault::Repeated);
            }
            cursor.text().into_iter().for_each(|cursor| self.mark.raise(cursor));
            return Ok(());
        }
        values.clear();
        self.read(row, cells)?;
        for (number, value) in bound.iter() {
            if let Some(cell) = cells.values.get_mut(*number).filter(|cell| **cell == Cell::Null) {
                *cell = value.clone();
            }
        }
        let cursor = self.cursor.and_then(|cursor| cells.values.get(cursor)?.text());
        if !takes(cursor, row) {
            return Err(Fault::Repeated);
        }
        let cursor = cursor.unwrap_or_default().to_owned();
        for (number, made) in &self.made {
            if let Some(cell) = cells.values.get_mut(*number) {
                *cell = made.of(cell);
            }
        }
        self.columns.values(&cells.values, values)?;
        self.number_columns().map_err(Fault::Run)?;
        if !self.has_key(values) {
            return Err(self.no_key());
        }
        let hash = self.rules.knows_rows.then(|| self.hash(cells));
        let is_repeated = hash.is_some_and(|hash| self.known.take(partition, hash));
        if !is_repeated {
            self.children.gather(&cells.lists, item, gathered)?;
            self.checker.check(&cells.values)?;
        }
        self.mark.raise(&cursor);
        if let Some(hash) = hash {
            self.seen.push(SeenRow { cursor, hash, is_repeated });
        }
        if is_repeated { Err(Fault::Repeated) } else { Ok(()) }
    }

    /// The cells of a row, for which columns and child tables are added as far as they may.
    fn read<'a>(&mut self, row: &'a str, cells: &mut Cells<'a>) -> Result<(), Fault> {
        self.columns.reader.read(row, cells).map_err(Fault::Row)?;
        if cells.unknown.is_empty() && cells.unknown_lists.is_empty() {
            return Ok(());
        }
        if !cells.unknown.is_empty() {
            self.columns.meet(&cells.unknown, &cells.values)?;
            self.number_columns().map_err(Fault::Run)?;
        }
        cells.unknown_lists.retain(|path| !self.columns.claim(path, &cells.values));
        if !cells.unknown_lists.is_empty() {
            if self.key.is_none() {
                return Err(self.no_key());
            }
            self.children.meet(&cells.unknown_lists, &mut self.columns)?;
        }
        // They are at their places now.
        self.columns.reader.read(row, cells).map_err(Fault::Row)
    }

    /// Adds a row and its items.
    fn push(&mut self, reading: &mut Reading<'_>) {
        let Reading { values, gathered, .. } = reading;
        if let (Some(keys), Some(key)) = (&mut self.keys, &self.key) {
            keys.add(key.iter().filter_map(|number| values.get(*number)));
        }
        if !gathered.is_empty() {
            let key = self.key.iter().flatten().filter_map(|number| values.get(*number).cloned());
            let key: Vec<_> = key.collect();
            self.children.push(self.written, &key, gathered.drain(..));
        }
        self.columns.push(values.drain(..));
        self.written += 1;
    }

    /// The hash of the columns and lists that have a value, whatever others there are by then.
    fn hash(&self, cells: &Cells<'_>) -> RowHash {
        let names = self.columns.schema().columns.iter().map(|column| column.name.as_str());
        let values = names.zip(&cells.values).filter_map(|(name, cell)| Some([name, cell.text()?]));
        let lists = self.children.names().zip(&cells.lists);
        let lists = lists.filter_map(|(name, list)| Some([name, (*list)?]));
        RowHash::of(values.chain(lists).flatten())
    }

    /// Finds the columns that have a meaning, and hands the types of the key on, if columns have
    /// changed.
    fn number_columns(&mut self) -> Result<(), String> {
        let changes = self.changes();
        if mem::replace(&mut self.numbered, changes) == changes {
            return Ok(());
        }
        let columns = &self.columns.schema().columns;
        for (number, column) in columns.iter().enumerate() {
            self.checker.add(&column.name, number);
        }
        let position = |name: &String| self.columns.position(name);
        let field = self.rules.cursor.as_ref();
        let renamed = field.and_then(|field| self.columns.position_of(slice::from_ref(field)));
        self.cursor = renamed.or(field.and_then(position));
        self.key = self.rules.key.iter().map(position).collect();
        let is_plain =
            self.made.is_empty() && self.rules.checks.columns.is_empty() && !self.rules.knows_rows;
        self.plain = is_plain.then(|| self.columns.plain_rows(self.cursor));
        let key: Vec<_> = self.key.iter().flatten().filter_map(|key| columns.get(*key)).collect();
        self.children.set_key(&key)
    }

    /// Whether all columns of the key have a value.
    fn has_key(&self, values: &[Value<'_>]) -> bool {
        let is_null =
            |number: &usize| values.get(*number).is_none_or(|value| *value == Value::Null);
        match &self.key {
            Some(key) => !key.iter().any(is_null),
            None => self.rules.key.is_empty(),
        }
    }

    /// Whether a row that is set aside tells which one it is; so does any if none has a key.
    fn tells_key<'a>(&self, row: &'a str, reading: &mut Reading<'a>) -> bool {
        let Reading { cells, bound, .. } = reading;
        match &self.key {
            Some(key) if self.columns.reader.read(row, cells).is_ok() => {
                is_told(key, &cells.values, bound, self.columns.schema())
            }
            _ => self.rules.key.is_empty(),
        }
    }

    fn no_key(&self) -> Fault {
        Fault::Row(format!("it has no key: {}", self.rules.key.join(", ")))
    }
}
