//! [pure] The columns of a query as those of a table, and its batches in their types.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, RecordBatch, StringArray, cast::AsArray, types::TimestampMicrosecondType,
};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};

use crate::schema::{Column, ColumnType, Schema, is_json};

/// The columns of a query, as they are written.
#[derive(Debug)]
pub(crate) struct QueryColumns {
    pub(crate) schema: Schema,
    /// The same in Arrow.
    arrow: SchemaRef,
    /// The numbers of those that name a row.
    key: Vec<usize>,
    /// Which texts the sink cannot hold, and why.
    refuses: fn(&str) -> Option<&'static str>,
}

impl QueryColumns {
    /// The columns of a query, of which those in `key` name a row.
    ///
    /// # Errors
    /// For one that no sink holds, that is there twice, or that is not there.
    pub(crate) fn of(
        query: &arrow_schema::Schema,
        key: &[String],
        refuses: fn(&str) -> Option<&'static str>,
    ) -> Result<Self, String> {
        let mut schema = Schema::default();
        for field in query.fields() {
            let name = field.name().clone();
            if schema.get(&name).is_some() {
                return Err(format!("the query gives two columns `{name}`: name one with AS"));
            }
            let kind =
                kind_of(field).map_err(|why| format!("the column `{name}` of the query {why}"))?;
            schema.columns.push(Column { name, kind, declared: false });
        }
        let number = |name: &String| {
            let number = schema.columns.iter().position(|column| column.name == *name);
            number.ok_or_else(|| format!("the query gives no `{name}`, which is to name its rows"))
        };
        let key = key.iter().map(number).collect::<Result<_, _>>()?;
        Ok(Self { arrow: schema.arrow(), schema, key, refuses })
    }

    /// A batch of the query in the types of its columns, and how many bytes it has.
    ///
    /// # Errors
    /// For a value that its type or the sink cannot hold, and for a row that nothing names.
    pub(crate) fn conform(&self, batch: &RecordBatch) -> Result<(RecordBatch, usize), String> {
        let columns = batch.columns().iter().zip(&self.schema.columns);
        let columns = columns.map(|(values, column)| self.cast(values, column));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for number in &self.key {
            if columns.get(*number).is_none_or(|values| values.null_count() > 0) {
                let name = self.schema.columns.get(*number).map_or("", |column| &column.name);
                return Err(format!("a row has no key: `{name}` is null"));
            }
        }
        let bytes = columns.iter().map(|values| values.to_data().get_slice_memory_size());
        let bytes = bytes.map(Result::unwrap_or_default).sum();
        let batch = RecordBatch::try_new(SchemaRef::clone(&self.arrow), columns);
        batch.map(|batch| (batch, bytes)).map_err(|error| error.to_string())
    }

    fn cast(&self, values: &ArrayRef, column: &Column) -> Result<ArrayRef, String> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let kind = match values.data_type() {
            // It is a moment of UTC in any zone, and without one.
            DataType::Timestamp(_, zone) => {
                DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
            }
            _ => column.kind.arrow(),
        };
        let cast = cast_with_options(values, &kind, &options);
        let cast = cast.map_err(|error| format!("`{}`: {error}", column.name))?;
        if let Some(moments) = cast.as_primitive_opt::<TimestampMicrosecondType>() {
            return Ok(Arc::new(moments.clone().with_timezone("UTC")));
        }
        if let Some(texts) = cast.as_any().downcast_ref::<StringArray>()
            && let Some(reason) = texts.iter().flatten().find_map(self.refuses)
        {
            return Err(format!("`{}` {reason}", column.name));
        }
        Ok(cast)
    }
}

/// The type of a column, or why there is none.
fn kind_of(field: &Field) -> Result<ColumnType, String> {
    let kind = match kind_of_type(field.data_type())? {
        ColumnType::Text if is_json(field) => ColumnType::Json,
        kind => kind,
    };
    match can_cast_types(field.data_type(), &kind.arrow()) {
        true => Ok(kind),
        false => Err(refused(field.data_type())),
    }
}

fn kind_of_type(kind: &DataType) -> Result<ColumnType, String> {
    use DataType::{
        Boolean, Date32, Date64, Decimal32, Decimal64, Decimal128, Dictionary, Duration, Float16,
        Float32, Float64, Int8, Int16, Int32, Int64, Interval, LargeUtf8, Null, Time32, Time64,
        Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    Ok(match kind {
        Boolean => ColumnType::Bool,
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => ColumnType::Int,
        UInt64 => ColumnType::Decimal { precision: 20, scale: 0 },
        Float16 | Float32 | Float64 => ColumnType::Float,
        Decimal32(precision, scale)
        | Decimal64(precision, scale)
        | Decimal128(precision, scale)
            if *scale >= 0 =>
        {
            ColumnType::Decimal { precision: *precision, scale: *scale }
        }
        Date32 | Date64 => ColumnType::Date,
        Timestamp(..) => ColumnType::Timestamp,
        Utf8 | LargeUtf8 | Utf8View | Time32(_) | Time64(_) | Duration(_) | Interval(_) => {
            ColumnType::Text
        }
        Dictionary(_, values) => return kind_of_type(values),
        Null => return Err("has no type: say one, as in CAST(NULL AS INT)".to_owned()),
        other => return Err(refused(other)),
    })
}

fn refused(kind: &DataType) -> String {
    format!("is {kind}, which no sink holds: make it a number or a text with CAST")
}

#[cfg(test)]
mod tests {
    use arrow_array::{
        Int32Array, StringViewArray, TimestampNanosecondArray, UInt64Array,
        types::{Decimal128Type, Int64Type},
    };
    use arrow_schema::Schema as ArrowSchema;

    use super::*;

    fn columns(fields: Vec<Field>, key: &[&str]) -> Result<QueryColumns, String> {
        let key: Vec<String> = key.iter().map(ToString::to_string).collect();
        let refuses = |text: &str| text.contains('!').then_some("has a `!`");
        QueryColumns::of(&ArrowSchema::new(fields), &key, refuses)
    }

    fn of(name: &str, values: ArrayRef) -> (QueryColumns, RecordBatch) {
        let field = Field::new(name, values.data_type().clone(), true);
        let schema = Arc::new(ArrowSchema::new(vec![field.clone()]));
        let batch = RecordBatch::try_new(schema, vec![values]).unwrap();
        (columns(vec![field], &[name]).unwrap(), batch)
    }

    #[test]
    fn numbers_texts_and_moments_get_the_types_of_sinks() {
        let (columns, batch) = of("a", Arc::new(Int32Array::from(vec![7])));
        let (batch, _) = columns.conform(&batch).unwrap();
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 7);
        let (columns, batch) = of("a", Arc::new(UInt64Array::from(vec![u64::MAX])));
        let (batch, _) = columns.conform(&batch).unwrap();
        let value = batch.column(0).as_primitive::<Decimal128Type>().value(0);
        assert_eq!(value, i128::from(u64::MAX));
        let (columns, batch) = of("a", Arc::new(StringViewArray::from(vec!["b"])));
        let (batch, bytes) = columns.conform(&batch).unwrap();
        assert_eq!(batch.column(0).as_string::<i32>().value(0), "b");
        assert!((1..100).contains(&bytes), "{bytes}");
        for zone in [None, Some("+02:00")] {
            let moments = TimestampNanosecondArray::from(vec![5_000]).with_timezone_opt(zone);
            let (columns, batch) = of("a", Arc::new(moments));
            let (batch, _) = columns.conform(&batch).unwrap();
            assert_eq!(batch.column(0).as_primitive::<TimestampMicrosecondType>().value(0), 5);
        }
    }

    #[test]
    fn what_no_sink_holds_is_named() {
        let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
        for (kind, said) in [
            (DataType::Null, "the column `a` of the query has no type: say one"),
            (list, "which no sink holds"),
            (DataType::Binary, "the column `a` of the query is Binary, which no sink holds"),
            (DataType::Decimal256(76, 2), "which no sink holds"),
        ] {
            let refused = columns(vec![Field::new("a", kind, true)], &[]).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
        let time = DataType::Time64(TimeUnit::Nanosecond);
        let time = columns(vec![Field::new("a", time, true)], &[]).unwrap();
        assert_eq!(time.schema.columns[0].kind, ColumnType::Text);
    }

    #[test]
    fn rows_are_named_by_columns_that_are_there_once_and_have_values() {
        let field = |name: &str| Field::new(name, DataType::Int32, true);
        let refused = columns(vec![field("a")], &["b"]).unwrap_err();
        assert_eq!(refused, "the query gives no `b`, which is to name its rows");
        let refused = columns(vec![field("a"), field("a")], &[]).unwrap_err();
        assert_eq!(refused, "the query gives two columns `a`: name one with AS");
        let (columns, batch) = of("a", Arc::new(Int32Array::from(vec![Some(1), None])));
        assert_eq!(columns.conform(&batch).unwrap_err(), "a row has no key: `a` is null");
    }

    #[test]
    fn a_text_that_the_sink_cannot_hold_is_named() {
        let (columns, batch) = of("a", Arc::new(StringViewArray::from(vec!["b", "c!"])));
        assert_eq!(columns.conform(&batch).unwrap_err(), "`a` has a `!`");
    }
}
