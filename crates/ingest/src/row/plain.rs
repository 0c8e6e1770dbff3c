//! [pure] Reads rows that are like those before them straight into values: known fields, each there
//! once, with values that their columns hold as they are. Any other row is left to the reader of cells,
//! which gives the same for these rows, and more slowly.

use std::{borrow::Cow, mem};

use indexmap::IndexMap;

use super::{
    cell::Cell,
    fields::{end_of_value, quote_or_backslash, skip_blanks},
    reader::Plain,
    value::Value,
};
use crate::schema::ColumnType;

/// Which texts a sink cannot hold, and why. No number and no flag is refused.
type Refuses = fn(&str) -> Option<&'static str>;

/// Up to here every whole number is a float, and so is its quotient by a power of ten.
const MAX_WHOLE: u64 = 1 << 53;
/// So many digits are less than that, and the shortest text of their float.
const SAFE_DIGITS: usize = 15;
/// So many digits fit into 64 bits.
const MAX_DIGITS: usize = 18;

/// After so many rows on end that were not plain, only one of so many is tried.
const MANY: u32 = 16;
const TRIED_EVERY: u64 = 64;

/// Powers of ten that are floats.
const POWERS: [f64; SAFE_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The fields of rows that are read straight.
#[derive(Debug)]
pub(super) struct PlainRows {
    /// By their keys.
    fields: IndexMap<String, Field>,
    /// How many columns there are.
    columns: usize,
    /// The column that says what is new.
    cursor: Option<usize>,
    /// The field with which the last row began.
    first: usize,
    /// How many rows were begun.
    rows: u64,
    /// How many of the last ones were not plain.
    misses: u32,
    refuses: Refuses,
}

#[derive(Debug)]
struct Field {
    /// The key with its quotes and the colon, as it most often is in rows.
    quoted: String,
    holds: Holds,
    /// Whether its column is one for lists as well.
    holds_lists: bool,
    /// The field that was behind it in the last row that had it.
    next: usize,
    /// The last row that had it.
    row: u64,
}

/// What becomes of the values of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holds {
    /// They are left out.
    Nothing,
    /// The column of this number, which has no type before its first value.
    Null,
    Column {
        number: usize,
        kind: ColumnType,
        /// Whether it has numbers that a float does not hold.
        is_wide: bool,
    },
}

impl PlainRows {
    /// Those of so many columns. A value that the sink `refuses` is left to the reader of cells.
    pub(super) fn new(columns: usize, cursor: Option<usize>, refuses: Refuses) -> Self {
        Self { fields: IndexMap::new(), columns, cursor, first: 0, rows: 0, misses: 0, refuses }
    }

    /// Adds a field.
    pub(super) fn add(&mut self, key: &str, plain: Plain, holds: Holds) {
        let Ok(mut quoted) = serde_json::to_string(key) else { return };
        quoted.push(':');
        let next = self.fields.len() + 1;
        let field = Field { quoted, holds, holds_lists: plain.holds_lists, next, row: 0 };
        self.fields.insert(key.to_owned(), field);
    }

    /// Reads the values of the columns of a row, and returns the cell of the one that says what is new.
    /// `None` if the row is another one; `values` are of no use then.
    pub(super) fn read<'a>(
        &mut self,
        row: &'a str,
        values: &mut Vec<Value<'a>>,
    ) -> Option<Cell<'a>> {
        self.rows += 1;
        if self.misses >= MANY && !self.rows.is_multiple_of(TRIED_EVERY) {
            return None;
        }
        values.clear();
        values.resize(self.columns, Value::Null);
        let read = self.fields_of(row, values);
        self.misses = if read.is_some() { 0 } else { self.misses.saturating_add(1) };
        read
    }

    fn fields_of<'a>(&mut self, row: &'a str, values: &mut [Value<'a>]) -> Option<Cell<'a>> {
        let (bytes, mut cursor, mut before) = (row.as_bytes(), Cell::Null, None);
        if bytes.first() != Some(&b'{') {
            return None;
        }
        let mut at = skip_blanks(bytes, 1);
        if bytes.get(at) == Some(&b'}') {
            return Some(cursor);
        }
        loop {
            let (field, start) = self.find(row, at, before)?;
            let (column, end) = self.value(row, field, start, values)?;
            if column.is_some() && column == self.cursor {
                cursor = Cell::of(row.get(start..end)?);
            }
            before = Some(field);
            at = skip_blanks(bytes, end);
            match bytes.get(at)? {
                b',' => at = skip_blanks(bytes, at + 1),
                b'}' => return Some(cursor),
                _ => return None,
            }
        }
    }

    /// The field whose key is at a place, behind another, and where its value begins.
    fn find(&mut self, row: &str, at: usize, before: Option<usize>) -> Option<(usize, usize)> {
        let next = match before {
            Some(before) => self.fields.get_index(before)?.1.next,
            None => self.first,
        };
        let bytes = row.as_bytes();
        let rest = bytes.get(at..)?;
        if let Some((_, field)) = self.fields.get_index(next)
            && rest.starts_with(field.quoted.as_bytes())
        {
            return Some((next, skip_blanks(bytes, at + field.quoted.len())));
        }
        let end = quote_or_backslash(bytes, at + 1)?;
        if bytes.get(end)? != &b'"' {
            return None;
        }
        let (field, ..) = self.fields.get_full(row.get(at + 1..end)?)?;
        match before {
            Some(before) => self.fields.get_index_mut(before)?.1.next = field,
            None => self.first = field,
        }
        let colon = skip_blanks(bytes, end + 1);
        Some((field, skip_blanks(bytes, colon + 1)))
    }

    /// Reads the value at a place into the column of its field, and returns where it ends.
    fn value<'a>(
        &mut self,
        row: &'a str,
        field: usize,
        at: usize,
        values: &mut [Value<'a>],
    ) -> Option<(Option<usize>, usize)> {
        let bytes = row.as_bytes();
        let (_, field) = self.fields.get_index_mut(field)?;
        // Of equal keys the last counts.
        if mem::replace(&mut field.row, self.rows) == self.rows {
            return None;
        }
        let Holds::Column { number, kind, is_wide } = field.holds else {
            let end = end_of_value(bytes, at)?;
            let is_left_out = matches!(field.holds, Holds::Nothing);
            return (is_left_out || row.get(at..end)? == "null").then_some((None, end));
        };
        let is_refused = |text: &str| (self.refuses)(text).is_some();
        let (value, end) = match simple(row, at, kind) {
            Some((Value::Text(text), _)) if is_refused(&text) => return None,
            Some(simple) => simple,
            None => {
                let end = end_of_value(bytes, at)?;
                let cell = Cell::of(row.get(at..end)?);
                let is_list = matches!(cell, Cell::Json(text) if text.starts_with('['));
                if is_list && !field.holds_lists || cell.text().is_some_and(is_refused) {
                    return None;
                }
                (Value::of(&cell, kind)?, end)
            }
        };
        if !is_wide && value.is_wide() {
            return None;
        }
        *values.get_mut(number)? = value;
        Some((Some(number), end))
    }
}

/// A value that has its column's type as it stands, and where it ends. `None` for any other.
fn simple(row: &str, at: usize, kind: ColumnType) -> Option<(Value<'_>, usize)> {
    let bytes = row.as_bytes();
    match (bytes.get(at)?, kind) {
        (b'"', ColumnType::Text) => {
            let end = quote_or_backslash(bytes, at + 1)?;
            let text = row.get(at + 1..end)?;
            (bytes.get(end)? == &b'"').then_some((Value::Text(Cow::Borrowed(text)), end + 1))
        }
        (b'-' | b'0'..=b'9', ColumnType::Int) => {
            let digits = Digits::at(bytes, at)?;
            let whole = i64::try_from(digits.all).ok().filter(|_| digits.point.is_none())?;
            Some((Value::Int(if digits.is_negative { -whole } else { whole }), digits.end))
        }
        (b'-' | b'0'..=b'9', ColumnType::Float) => {
            let digits = Digits::at(bytes, at)?;
            Some((Value::Float(digits.float()?), digits.end))
        }
        (b't', ColumnType::Bool) => Some((Value::Bool(true), at + "true".len())),
        (b'f', ColumnType::Bool) => Some((Value::Bool(false), at + "false".len())),
        (b'n', _) => Some((Value::Null, at + "null".len())),
        _ => None,
    }
}

/// The digits of a number without an exponent, at most so many as fit.
struct Digits {
    is_negative: bool,
    /// All of them as a whole number.
    all: u64,
    count: usize,
    /// How many of them are before the point.
    point: Option<usize>,
    end: usize,
}

impl Digits {
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let is_negative = bytes.get(at) == Some(&b'-');
        let (mut all, mut count, mut point) = (0_u64, 0, None);
        let mut end = at + usize::from(is_negative);
        loop {
            match bytes.get(end) {
                Some(digit @ b'0'..=b'9') if count < MAX_DIGITS => {
                    all = all * 10 + u64::from(digit - b'0');
                    count += 1;
                }
                Some(b'.') if point.is_none() => point = Some(count),
                Some(b'0'..=b'9' | b'.' | b'e' | b'E') => return None,
                _ => return Some(Self { is_negative, all, count, point, end }),
            }
            end += 1;
        }
    }

    /// The float that keeps all of them: of few digits the quotient of two floats is the nearest one.
    fn float(&self) -> Option<f64> {
        // Zeros have signs.
        if self.count > SAFE_DIGITS || self.all == 0 || self.all > MAX_WHOLE {
            return None;
        }
        let behind = self.count - self.point.unwrap_or(self.count);
        let float = self.all as f64 / POWERS.get(behind)?;
        Some(if self.is_negative { -float } else { float })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(kinds: &[(&str, ColumnType)]) -> PlainRows {
        let mut rows = PlainRows::new(kinds.len(), None, |_| None);
        for (number, (key, kind)) in kinds.iter().enumerate() {
            let plain = Plain { column: Some(number), holds_lists: true };
            rows.add(key, plain, Holds::Column { number, kind: *kind, is_wide: false });
        }
        rows
    }

    fn read<'a>(rows: &mut PlainRows, row: &'a str) -> Option<Vec<Value<'a>>> {
        let mut values = Vec::new();
        rows.read(row, &mut values).map(|_| values)
    }

    #[test]
    fn fields_are_found_in_any_order_and_those_that_are_absent_are_null() {
        let mut rows = rows(&[("a", ColumnType::Int), ("b", ColumnType::Text)]);
        let (one, text) = (Value::Int(1), Value::Text("x".into()));
        for row in [
            r#"{"a":1,"b":"x"}"#,
            r#"{"b":"x","a":1}"#,
            r#"{"b":"x","a":1}"#,
            "{ \"a\" : 1 ,\n\"b\": \"x\" }",
        ] {
            assert_eq!(read(&mut rows, row), Some(vec![one.clone(), text.clone()]), "{row}");
        }
        assert_eq!(read(&mut rows, r#"{"b":"x"}"#), Some(vec![Value::Null, text]));
        assert_eq!(read(&mut rows, r#"{"a":1,"b":null}"#), Some(vec![one, Value::Null]));
        assert_eq!(read(&mut rows, "{ }"), Some(vec![Value::Null, Value::Null]));
    }

    #[test]
    fn a_row_that_is_not_plain_is_left() {
        let mut rows = rows(&[("a", ColumnType::Int), ("b", ColumnType::Text)]);
        for row in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"c":2}"#,
            r#"{"\u0061":1}"#,
            r#"{"a":1.5}"#,
            r#"{"a":"1"}"#,
            r#"{"a":9007199254740993}"#,
            r#"{"a":99999999999999999999}"#,
            r#"{"b":{}}"#,
            "[1]",
        ] {
            assert_eq!(read(&mut rows, row), None, "{row}");
        }
    }

    #[test]
    fn a_key_with_escapes_is_not_taken_for_one_that_has_a_backslash() {
        let mut rows = rows(&[("x", ColumnType::Int), ("a\\u0062", ColumnType::Int)]);
        assert_eq!(read(&mut rows, r#"{"a\u0062":1}"#), None);
        let values = [Value::Null, Value::Int(1)];
        assert_eq!(read(&mut rows, r#"{"a\\u0062":1}"#).as_deref(), None);
        assert_eq!(read(&mut rows, r#"{"x":null,"a\\u0062":1}"#).as_deref(), Some(&values[..]));
    }

    #[test]
    fn a_value_is_the_one_that_its_cell_is() {
        let kinds = [ColumnType::Bool, ColumnType::Int, ColumnType::Float, ColumnType::Text];
        for json in [
            "0",
            "-0",
            "7",
            "-7",
            "123456789012345678",
            "1234567890123456789",
            "0.0",
            "-0.0",
            "87.65",
            "0.1",
            "-0.3",
            "123456.789012345",
            "0.000000000000001",
            "999999999999999",
            "1e3",
            "1.5E-3",
            "true",
            "false",
            "null",
            "\"\"",
            "\"a\"",
            "\"a\\n\"",
            "{}",
            "[1]",
        ] {
            for kind in kinds {
                let row = format!("{json},");
                let Some((value, end)) = simple(&row, 0, kind) else { continue };
                let expected = Value::of(&Cell::of(json), kind);
                assert_eq!((Some(value), end), (expected, json.len()), "{json} as {kind}");
            }
        }
    }

    /// From progers/pathseg#11, chadaustin/sajson#59, ceylon/ceylon-sdk#547 and #631, Tencent/rapidjson#340,
    /// valyala/fastjson#52: numbers that others have read as the float beside.
    #[test]
    fn a_float_is_the_nearest_one() {
        for (json, float) in [
            ("2.163", 2.163),
            ("1.65", 1.65),
            ("0.3", 0.3),
            ("3.141692", 3.141692),
            ("1.01", 1.01),
            ("0.66666666666666", 0.66666666666666),
            ("0.6666666666666666", 0.6666666666666666),
            ("2.220446049250313e-16", f64::EPSILON),
            ("0.000001", 0.000001),
            ("8.589973e9", 8589973000.0),
        ] {
            let row = format!("{{\"a\":{json}}}");
            let mut rows = rows(&[("a", ColumnType::Float)]);
            assert_eq!(read(&mut rows, &row), Some(vec![Value::Float(float)]), "{json}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(5000))]

        #[test]
        fn a_number_is_the_one_that_its_cell_is(
            number in "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?",
        ) {
            for kind in [ColumnType::Int, ColumnType::Float] {
                let row = format!("{number}}}");
                if let Some((value, end)) = simple(&row, 0, kind) {
                    let expected = Value::of(&Cell::of(&number), kind);
                    proptest::prop_assert_eq!((Some(value), end), (expected, number.len()));
                }
            }
        }
    }
}
