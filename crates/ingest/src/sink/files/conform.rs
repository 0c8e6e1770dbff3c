//! [pure] Brings rows to the schema of a commit.

use std::{fmt::Write, sync::Arc};

use arrow_array::{
    Array, ArrayRef, RecordBatch, RecordBatchOptions, builder::StringBuilder, cast::AsArray,
    new_null_array, types::TimestampMicrosecondType,
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, TimeUnit};

use super::cells::{Cells, write_quoted};
use crate::{
    schema::{Column, ColumnType, Schema, is_json},
    sink::SinkError,
};

/// A value that the type does not hold is an error, not null.
const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow_cast::display::FormatOptions::new() };

/// The rows of `batch` with the columns of `schema`. Columns that the batch does not have are null,
/// and those of a narrower type get the wider one.
///
/// In a JSON column, JSON stays as it is and a text becomes a JSON string.
///
/// # Errors
/// If the batch has a column that `schema` does not have, or one of a type that is not narrower.
pub(super) fn conform(batch: &RecordBatch, schema: &Schema) -> Result<RecordBatch, SinkError> {
    refuse_strangers(batch, schema)?;
    let columns = schema.columns.iter().map(|column| column_of(batch, column));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.arrow(), columns, &options)
        .map_err(|error| SinkError::lasting("the rows do not fit their schema").because(error))
}

fn refuse_strangers(batch: &RecordBatch, schema: &Schema) -> Result<(), SinkError> {
    let batch = batch.schema_ref();
    let stranger = batch.fields().iter().find(|field| schema.get(field.name()).is_none());
    match stranger {
        Some(field) => {
            let name = field.name();
            Err(SinkError::lasting(format!("the schema has no column `{name}`, and rows have")))
        }
        None => Ok(()),
    }
}

fn column_of(batch: &RecordBatch, column: &Column) -> Result<ArrayRef, SinkError> {
    let Some((place, field)) = batch.schema_ref().fields().find(&column.name) else {
        return Ok(new_null_array(&column.kind.arrow(), batch.num_rows()));
    };
    let array = batch.column(place);
    converted(field, array, column.kind).map_err(|error| {
        let Column { name, kind, .. } = column;
        let own = array.data_type();
        let what = format!("the column `{name}` is {kind}, and its rows are {own}");
        SinkError::lasting(what).because(error)
    })
}

fn converted(field: &Field, array: &ArrayRef, to: ColumnType) -> Result<ArrayRef, ArrowError> {
    if *array.data_type() == DataType::Null {
        return Ok(new_null_array(&to.arrow(), array.len()));
    }
    let from = match is_json(field) {
        true => Some(ColumnType::Json),
        false => kind_of(array.data_type()),
    };
    if from == Some(to) && *array.data_type() == to.arrow() {
        return Ok(Arc::clone(array));
    }
    let from = from.filter(|from| from.widened(to) == to);
    let from = from.ok_or_else(|| ArrowError::CastError("it is not a narrower type".into()))?;
    let array = plain(array, from)?;
    match to {
        same if same == from => Ok(array),
        ColumnType::Text => rewritten(&array, from, |cells, row, out| cells.write_text(row, out)),
        ColumnType::Json if from == ColumnType::Text => quoted(&array),
        ColumnType::Json => rewritten(&array, from, |cells, row, out| cells.write_json(row, out)),
        _ => cast_with_options(&array, &to.arrow(), &STRICT),
    }
}

/// The type of the column that holds such values.
fn kind_of(data_type: &DataType) -> Option<ColumnType> {
    Some(match data_type {
        DataType::Boolean => ColumnType::Bool,
        whole if whole.is_integer() => ColumnType::Int,
        float if float.is_floating() => ColumnType::Float,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: *scale }
        }
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Timestamp(..) => ColumnType::Timestamp,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::Text,
        DataType::Dictionary(_, values) => kind_of(values)?,
        _ => return None,
    })
}

/// The array as Arrow holds columns of this type.
fn plain(array: &ArrayRef, kind: ColumnType) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        same if *same == kind.arrow() => Ok(Arc::clone(array)),
        DataType::Timestamp(_, zone) => {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            in_utc(&cast_with_options(array, &micros, &STRICT)?)
        }
        _ => cast_with_options(array, &kind.arrow(), &STRICT),
    }
}

/// The same moments with the zone UTC. Arrow keeps them in UTC whatever zone they are shown in, and
/// without a zone they are taken to be.
fn in_utc(micros: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let micros = micros.as_primitive_opt::<TimestampMicrosecondType>();
    let micros = micros.ok_or_else(|| not(ColumnType::Timestamp))?;
    Ok(Arc::new(micros.clone().with_timezone("UTC")))
}

/// The values of an array as texts that `write` writes.
fn rewritten(
    array: &ArrayRef,
    kind: ColumnType,
    write: impl Fn(&Cells<'_>, usize, &mut dyn Write) -> std::fmt::Result,
) -> Result<ArrayRef, ArrowError> {
    let cells = Cells::of(array, kind).ok_or_else(|| not(kind))?;
    let mut texts = StringBuilder::with_capacity(array.len(), array.len() * 8);
    for row in 0..array.len() {
        match cells.is_null(row) {
            true => texts.append_null(),
            false => {
                write(&cells, row, &mut texts)
                    .map_err(|error| ArrowError::from_external_error(Box::new(error)))?;
                texts.append_value("");
            }
        }
    }
    Ok(Arc::new(texts.finish()))
}

/// Texts as JSON strings.
fn quoted(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    rewritten(array, ColumnType::Text, |cells, row, out| {
        cells.str(row).map_or(Ok(()), |text| write_quoted(text, out))
    })
}

fn not(kind: ColumnType) -> ArrowError {
    ArrowError::CastError(format!("it is not an array of {kind}"))
}

#[cfg(test)]
mod tests {
    use arrow_array::{
        BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int8Array,
        Int64Array, NullArray, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
        UInt64Array, types::Int32Type,
    };

    use super::*;
    use ColumnType::{Bool, Date, Float, Int, Json, Text, Timestamp};

    fn schema(kind: ColumnType) -> Schema {
        Schema { columns: vec![Column { name: "a".into(), kind, declared: false }] }
    }

    fn conformed(array: ArrayRef, kind: ColumnType) -> Result<ArrayRef, SinkError> {
        let batch = RecordBatch::try_from_iter([("a", array)]).unwrap();
        conform(&batch, &schema(kind)).map(|batch| Arc::clone(batch.column(0)))
    }

    fn texts(array: ArrayRef, kind: ColumnType) -> Vec<Option<String>> {
        let array = conformed(array, kind).unwrap();
        array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    }

    fn some(texts: [&str; 2]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn narrower_columns_are_widened() {
        let bools: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(0)]));
        assert_eq!(conformed(Arc::clone(&bools), Int).unwrap().as_ref(), ints.as_ref());
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(0.0)]));
        assert_eq!(conformed(Arc::clone(&bools), Float).unwrap().as_ref(), floats.as_ref());
        assert_eq!(conformed(ints, Float).unwrap().as_ref(), floats.as_ref());
        let flags = vec![Some("true".to_owned()), None, Some("false".to_owned())];
        assert_eq!(texts(Arc::clone(&bools), Text), flags);
        assert_eq!(texts(bools, Json), flags);
    }

    #[test]
    fn anything_becomes_text_and_json() {
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]));
        let expected = some(["-9223372036854775808", "9223372036854775807"]);
        assert_eq!(texts(Arc::clone(&ints), Text), expected);
        assert_eq!(texts(ints, Json), expected);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.1, -2.0]));
        assert_eq!(texts(Arc::clone(&floats), Text), some(["0.1", "-2.0"]));
        assert_eq!(texts(floats, Json), some(["0.1", "-2.0"]));
        let decimals = Decimal128Array::from(vec![5, 99_999_999_999_999_999_999_i128]);
        let decimals: ArrayRef = Arc::new(decimals.with_precision_and_scale(38, 4).unwrap());
        assert_eq!(texts(decimals, Text), some(["0.0005", "9999999999999999.9999"]));
        let days: ArrayRef = Arc::new(Date32Array::from(vec![0, 19_782]));
        assert_eq!(texts(Arc::clone(&days), Text), some(["1970-01-01", "2024-02-29"]));
        assert_eq!(texts(days, Json), some(["\"1970-01-01\"", "\"2024-02-29\""]));
        let moments = TimestampMicrosecondArray::from(vec![0, 1]).with_timezone("UTC");
        let expected = some(["1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.000001Z"]);
        assert_eq!(texts(Arc::new(moments), Text), expected);
    }

    #[test]
    fn a_json_column_holds_json_whatever_comes() {
        let json = "{\"a\": 100000000000000000000000.10}";
        let array: ArrayRef = Arc::new(StringArray::from(vec![json, "[1, 2]"]));
        let batch = RecordBatch::try_new(schema(Json).arrow(), vec![Arc::clone(&array)]).unwrap();
        assert_eq!(conform(&batch, &schema(Json)).unwrap().column(0).as_ref(), array.as_ref());
        let array: ArrayRef = Arc::new(StringArray::from(vec!["x\"y", ""]));
        assert_eq!(texts(array, Json), some(["\"x\\\"y\"", "\"\""]));
        let array: ArrayRef = Arc::new(StringArray::from(vec![None, Some("soon"), Some("7")]));
        let quoted = |text: &str| Some(format!("\"{text}\""));
        assert_eq!(texts(array, Json), [None, quoted("soon"), quoted("7")]);
    }

    #[test]
    fn other_arrays_of_the_same_meaning_are_taken() {
        let moments: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1]));
        let expected = TimestampMicrosecondArray::from(vec![1000]).with_timezone("UTC");
        assert_eq!(conformed(moments, Timestamp).unwrap().as_ref(), &expected as &dyn Array);
        let zoned = TimestampMillisecondArray::from(vec![1]).with_timezone("Europe/Berlin");
        assert_eq!(
            conformed(Arc::new(zoned), Timestamp).unwrap().as_ref(),
            &expected as &dyn Array
        );
        let small: ArrayRef = Arc::new(Int8Array::from(vec![-1]));
        assert_eq!(
            conformed(small, Int).unwrap().as_ref(),
            &Int64Array::from(vec![-1]) as &dyn Array
        );
        let nulls: ArrayRef = Arc::new(NullArray::new(2));
        assert_eq!(conformed(nulls, Date).unwrap().null_count(), 2);
        let words: DictionaryArray<Int32Type> = ["a", "b"].into_iter().collect();
        assert_eq!(texts(Arc::new(words), Text), some(["a", "b"]));
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_not_null() {
        let large: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        let error = conformed(large, Int).unwrap_err();
        assert!(error.is_lasting() && error.to_string().contains("`a`"), "{error}");
        let wider: ArrayRef = Arc::new(StringArray::from(vec!["7"]));
        assert!(conformed(wider, Int).is_err());
        let stranger: ArrayRef = Arc::new(Int64Array::from(vec![7]));
        let batch = RecordBatch::try_from_iter([("b", stranger)]).unwrap();
        assert!(conform(&batch, &schema(Int)).unwrap_err().to_string().contains("`b`"));
    }

    #[test]
    fn columns_that_a_batch_does_not_have_are_null() {
        let mut schema = schema(Json);
        schema.columns.push(Column { name: "b".into(), kind: Bool, declared: true });
        let array: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
        let batch = RecordBatch::try_from_iter([("b", array)]).unwrap();
        let batch = conform(&batch, &schema).unwrap();
        assert_eq!((batch.num_columns(), batch.column(0).null_count()), (2, 1));
        assert!(is_json(batch.schema().field(0)) && !is_json(batch.schema().field(1)));
    }
}
