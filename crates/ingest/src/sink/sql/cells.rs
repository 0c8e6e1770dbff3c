//! [pure] The values of a batch as its table's columns have them: each type is resolved once for a
//! batch, and a value of a narrower type is widened on the way.

use std::any::Any;

use arrow_array::{
    Array, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow_schema::Field;

use super::{kinds::kind_of, text};
use crate::{
    schema::{ColumnType, Schema},
    sink::SinkError,
};

/// The values of a batch's column, in its table's column.
#[derive(Debug)]
pub(crate) struct Cells<'a> {
    values: Values<'a>,
    form: Form,
}

/// A value as a database has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    /// A whole number, or 0 for false and 1 for true.
    Int(i64),
    Float(f64),
    /// What a database without a type of its own for it has as text.
    Text(&'a str),
}

#[derive(Debug)]
enum Values<'a> {
    Bool(&'a BooleanArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Decimal(&'a Decimal128Array, i8),
    Date(&'a Date32Array),
    Timestamp(&'a TimestampMicrosecondArray),
    Text(&'a StringArray),
}

/// What becomes of a value in its table's column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// It has the column's type, or one of a whole number.
    Own,
    Float,
    Text,
    Json,
}

impl<'a> Cells<'a> {
    /// The values of `array` in a column of type `to`.
    ///
    /// # Errors
    /// A lasting one, if the column cannot hold them.
    pub(crate) fn of(
        field: &Field,
        array: &'a dyn Array,
        to: ColumnType,
    ) -> Result<Self, SinkError> {
        let cells = kind_of(field).and_then(|from| {
            Some(Self { form: Form::of(from, to)?, values: Values::of(array, from)? })
        });
        cells.ok_or_else(|| {
            let (name, given) = (field.name(), array.data_type());
            SinkError::lasting(format!("column `{name}` is {to} and cannot hold {given}"))
        })
    }

    /// The columns of a batch in a table of this schema, in the batch's order.
    ///
    /// # Errors
    /// A lasting one that names the column which cannot hold its values, or is not there.
    pub(crate) fn of_batch(
        batch: &'a RecordBatch,
        schema: &Schema,
    ) -> Result<Vec<Self>, SinkError> {
        let fields = batch.schema_ref().fields();
        let columns = fields.iter().zip(batch.columns());
        columns
            .map(|(field, array)| Self::of(field, array, column(schema, field.name())?))
            .collect()
    }

    /// A value; `scratch` is for its text.
    pub(crate) fn get<'c>(&'c self, row: usize, scratch: &'c mut String) -> Cell<'c> {
        if self.values.is_null(row) {
            return Cell::Null;
        }
        match &self.values {
            Values::Bool(values) => self.flag(values.value(row)),
            Values::Int(values) => self.int(values.value(row), scratch),
            Values::Float(values) => self.float(values.value(row), scratch),
            Values::Decimal(values, scale) => {
                written(scratch, |out| text::push_decimal(out, values.value(row), *scale))
            }
            Values::Date(values) => {
                self.day(scratch, |out| text::push_date(out, values.value(row)))
            }
            Values::Timestamp(values) => {
                self.day(scratch, |out| text::push_timestamp(out, values.value(row)))
            }
            Values::Text(values) => self.text(values.value(row), scratch),
        }
    }

    fn flag(&self, value: bool) -> Cell<'static> {
        match self.form {
            Form::Own => Cell::Int(i64::from(value)),
            Form::Float => Cell::Float(f64::from(u8::from(value))),
            Form::Text | Form::Json => Cell::Text(text::bool_text(value)),
        }
    }

    fn int<'c>(&self, value: i64, scratch: &'c mut String) -> Cell<'c> {
        match self.form {
            Form::Own => Cell::Int(value),
            Form::Float => Cell::Float(value as f64),
            Form::Text | Form::Json => written(scratch, |out| text::push_int(out, value)),
        }
    }

    fn float<'c>(&self, value: f64, scratch: &'c mut String) -> Cell<'c> {
        match self.form {
            Form::Own | Form::Float => Cell::Float(value),
            Form::Text | Form::Json => written(scratch, |out| text::push_float(out, value)),
        }
    }

    /// A text, or JSON that stays as it is.
    fn text<'c>(&self, value: &'c str, scratch: &'c mut String) -> Cell<'c> {
        match self.form {
            Form::Json => written(scratch, |out| text::push_json(out, value)),
            Form::Own | Form::Float | Form::Text => Cell::Text(value),
        }
    }

    /// A day or a moment, which is a text in JSON.
    fn day<'c>(&self, scratch: &'c mut String, push: impl FnOnce(&mut String)) -> Cell<'c> {
        let quote = if self.form == Form::Json { "\"" } else { "" };
        written(scratch, |out| {
            out.push_str(quote);
            push(out);
            out.push_str(quote);
        })
    }
}

/// The type of a column that rows are written to.
fn column(schema: &Schema, name: &str) -> Result<ColumnType, SinkError> {
    let column = schema.get(name).map(|column| column.kind);
    column
        .ok_or_else(|| SinkError::lasting(format!("the table has no column `{name}` of its rows")))
}

fn written(scratch: &mut String, push: impl FnOnce(&mut String)) -> Cell<'_> {
    scratch.clear();
    push(scratch);
    Cell::Text(scratch)
}

impl<'a> Values<'a> {
    fn of(array: &'a dyn Array, kind: ColumnType) -> Option<Self> {
        let array = array.as_any();
        Some(match kind {
            ColumnType::Bool => Self::Bool(typed(array)?),
            ColumnType::Int => Self::Int(typed(array)?),
            ColumnType::Float => Self::Float(typed(array)?),
            ColumnType::Decimal { scale, .. } => Self::Decimal(typed(array)?, scale),
            ColumnType::Date => Self::Date(typed(array)?),
            ColumnType::Timestamp => Self::Timestamp(typed(array)?),
            ColumnType::Text | ColumnType::Json => Self::Text(typed(array)?),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Bool(values) => values.is_null(row),
            Self::Int(values) => values.is_null(row),
            Self::Float(values) => values.is_null(row),
            Self::Decimal(values, _) => values.is_null(row),
            Self::Date(values) => values.is_null(row),
            Self::Timestamp(values) => values.is_null(row),
            Self::Text(values) => values.is_null(row),
        }
    }
}

fn typed<T: 'static>(array: &dyn Any) -> Option<&T> {
    array.downcast_ref()
}

impl Form {
    /// How values of `from` are in a column of `to`; `None` if that is no wider.
    fn of(from: ColumnType, to: ColumnType) -> Option<Self> {
        if from == to {
            return Some(Self::Own);
        }
        if from.widened(to) != to {
            return None;
        }
        Some(match to {
            ColumnType::Float => Self::Float,
            ColumnType::Text => Self::Text,
            ColumnType::Json => Self::Json,
            _ => Self::Own,
        })
    }
}

/// Whether each row of a batch has a whole key: all columns of it, and none of them null.
///
/// # Errors
/// A lasting one that names the column.
pub(crate) fn check_key(batch: &RecordBatch, key: &[String]) -> Result<(), SinkError> {
    if key.is_empty() {
        return Err(SinkError::lasting("rows without a key can only be appended or replaced"));
    }
    for name in key {
        let nulls = match batch.column_by_name(name) {
            Some(array) => array.null_count(),
            None => batch.num_rows(),
        };
        if nulls > 0 {
            let what = format!("{nulls} rows have no `{name}`, which is in their key");
            return Err(SinkError::lasting(what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, LargeStringArray};

    use super::*;
    use crate::schema::Column;
    use ColumnType::{Bool, Date, Float, Int, Json, Text, Timestamp};

    const PRICE: ColumnType = ColumnType::Decimal { precision: 9, scale: 2 };

    fn field(kind: ColumnType) -> Field {
        let column = Column { name: "c".into(), kind, declared: false };
        Schema { columns: vec![column] }.arrow().field(0).clone()
    }

    fn values(kind: ColumnType) -> ArrayRef {
        match kind {
            Bool => Arc::new(BooleanArray::from(vec![None, Some(true)])),
            Int => Arc::new(Int64Array::from(vec![None, Some(-7)])),
            Float => Arc::new(Float64Array::from(vec![None, Some(0.5)])),
            ColumnType::Decimal { .. } => {
                Arc::new(Decimal128Array::from(vec![None, Some(-5)]).with_data_type(kind.arrow()))
            }
            Date => Arc::new(Date32Array::from(vec![None, Some(19_782)])),
            Timestamp => {
                Arc::new(TimestampMicrosecondArray::from(vec![None, Some(0)]).with_timezone("UTC"))
            }
            Text => Arc::new(StringArray::from(vec![None, Some("a\"b")])),
            Json => Arc::new(StringArray::from(vec![None, Some("[1.50]")])),
        }
    }

    #[test]
    fn values_are_those_of_the_column_they_are_written_to() {
        for (from, to, expected) in [
            (Bool, Bool, Cell::Int(1)),
            (Bool, Int, Cell::Int(1)),
            (Bool, Float, Cell::Float(1.0)),
            (Bool, Text, Cell::Text("true")),
            (Bool, Json, Cell::Text("true")),
            (Int, Int, Cell::Int(-7)),
            (Int, Float, Cell::Float(-7.0)),
            (Int, Text, Cell::Text("-7")),
            (Int, Json, Cell::Text("-7")),
            (Float, Float, Cell::Float(0.5)),
            (Float, Text, Cell::Text("0.5")),
            (Float, Json, Cell::Text("0.5")),
            (PRICE, PRICE, Cell::Text("-0.05")),
            (PRICE, Text, Cell::Text("-0.05")),
            (PRICE, Json, Cell::Text("-0.05")),
            (Date, Date, Cell::Text("2024-02-29")),
            (Date, Text, Cell::Text("2024-02-29")),
            (Date, Json, Cell::Text("\"2024-02-29\"")),
            (Timestamp, Timestamp, Cell::Text("1970-01-01T00:00:00.000000Z")),
            (Timestamp, Text, Cell::Text("1970-01-01T00:00:00.000000Z")),
            (Timestamp, Json, Cell::Text("\"1970-01-01T00:00:00.000000Z\"")),
            (Text, Text, Cell::Text("a\"b")),
            (Text, Json, Cell::Text("\"a\\\"b\"")),
            (Json, Json, Cell::Text("[1.50]")),
        ] {
            let array = values(from);
            let cells = Cells::of(&field(from), &array, to).unwrap();
            let mut scratch = String::from("rest");
            assert_eq!(cells.get(0, &mut scratch), Cell::Null, "{from} to {to}");
            assert_eq!(cells.get(1, &mut scratch), expected, "{from} to {to}");
        }
    }

    #[test]
    fn a_text_that_looks_like_json_is_a_text() {
        let array = StringArray::from(vec!["{\"a\": 1.50}", "007"]);
        let cells = Cells::of(&field(Text), &array, Json).unwrap();
        let mut scratch = String::new();
        assert_eq!(cells.get(0, &mut scratch), Cell::Text(r#""{\"a\": 1.50}""#));
        assert_eq!(cells.get(1, &mut scratch), Cell::Text("\"007\""));
    }

    #[test]
    fn what_is_no_wider_is_refused() {
        for (from, to) in [(Int, Bool), (Text, Int), (Json, Text), (Date, Timestamp)] {
            let array = values(from);
            let error = Cells::of(&field(from), &array, to).unwrap_err();
            assert!(error.is_lasting() && error.to_string().contains("`c`"), "{error}");
        }
        let array = LargeStringArray::from(vec!["a"]);
        let field = Field::new("c", array.data_type().clone(), true);
        assert!(Cells::of(&field, &array, Text).is_err());
    }

    #[test]
    fn keys_are_whole() {
        let batch = |array: ArrayRef| RecordBatch::try_from_iter([("id", array)]).unwrap();
        let whole = batch(Arc::new(Int64Array::from(vec![1, 2])));
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(check_key(&whole, &names(&["id"])).is_ok());
        assert!(check_key(&whole, &names(&["id", "of"])).is_err());
        assert!(check_key(&whole, &[]).is_err());
        let error = check_key(&batch(values(Int)), &names(&["id"])).unwrap_err();
        assert_eq!(error.to_string(), "1 rows have no `id`, which is in their key");
    }
}
