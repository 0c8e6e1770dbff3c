//! Rows as JSON, an object on each line.

use std::{fmt, mem, sync::Arc};

use serde::de::IgnoredAny;
use vantage_api_sql::datafusion::arrow::{
    array::{Array, ArrayAccessor, AsArray, RecordBatch},
    datatypes::{Field, FieldRef},
    error::ArrowError,
    json::{
        LineDelimitedWriter, WriterBuilder,
        writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder},
    },
};

/// The extension type of columns that hold JSON as text.
const JSON_TYPE: &str = "arrow.json";

/// Whether a column holds JSON as text.
pub(crate) fn is_json(field: &Field) -> bool {
    field.extension_type_name() == Some(JSON_TYPE)
}

/// Writes rows as objects, in which null is written and JSON is not quoted again.
pub(crate) struct JsonLines(LineDelimitedWriter<Vec<u8>>);

impl JsonLines {
    pub(crate) fn new() -> Self {
        let builder = WriterBuilder::new().with_explicit_nulls(true);
        Self(builder.with_encoder_factory(Arc::new(JsonColumns)).build(Vec::new()))
    }

    /// A line for each row.
    ///
    /// # Errors
    /// For a type that JSON has no form for.
    pub(crate) fn lines(&mut self, batch: &RecordBatch) -> Result<String, ArrowError> {
        self.0.write(batch)?;
        let lines = String::from_utf8(mem::take(self.0.get_mut()));
        lines.map_err(|error| ArrowError::JsonError(error.to_string()))
    }
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}

/// Writes columns of JSON as they are.
#[derive(Debug)]
struct JsonColumns;

impl EncoderFactory for JsonColumns {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        if !is_json(field) {
            return Ok(None);
        }
        let encoder: Box<dyn Encoder + 'a> = match array.as_string_opt::<i32>() {
            Some(texts) => Box::new(Json(texts)),
            None => match array.as_string_view_opt() {
                Some(texts) => Box::new(Json(texts)),
                None => return Ok(None),
            },
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

struct Json<A>(A);

impl<'a, A: ArrayAccessor<Item = &'a str>> Encoder for Json<A> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let text = self.0.value(row);
        if serde_json::from_str::<IgnoredAny>(text).is_ok() {
            // Ends of lines are between its parts only.
            out.extend(
                text.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }),
            );
        } else {
            out.extend(serde_json::Value::from(text).to_string().bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use vantage_api_sql::datafusion::arrow::{
        array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, StringArray},
        datatypes::Schema,
    };

    use super::*;

    fn line(field: Field, column: ArrayRef) -> String {
        let schema = Arc::new(Schema::new(vec![field]));
        JsonLines::new().lines(&RecordBatch::try_new(schema, vec![column]).unwrap()).unwrap()
    }

    fn of(column: ArrayRef) -> String {
        line(Field::new("a", column.data_type().clone(), true), column)
    }

    #[test]
    fn every_column_is_in_every_line() {
        assert_eq!(
            of(Arc::new(Int64Array::from(vec![Some(1), None]))),
            "{\"a\":1}\n{\"a\":null}\n"
        );
        assert_eq!(
            of(Arc::new(StringArray::from(vec!["x\n\"y\""]))),
            "{\"a\":\"x\\n\\\"y\\\"\"}\n"
        );
        let decimal = Decimal128Array::from(vec![12345]).with_precision_and_scale(9, 2).unwrap();
        assert_eq!(of(Arc::new(decimal)), "{\"a\":123.45}\n");
    }

    // duckdb/duckdb#14905
    #[test]
    fn what_json_has_no_number_for_is_null() {
        let numbers = Float64Array::from(vec![f64::NAN, f64::INFINITY, 1.5]);
        assert_eq!(of(Arc::new(numbers)), "{\"a\":null}\n{\"a\":null}\n{\"a\":1.5}\n");
    }

    // duckdb/duckdb#18192
    #[test]
    fn json_is_not_quoted_again() {
        let metadata = HashMap::from([
            ("ARROW:extension:name".to_owned(), JSON_TYPE.to_owned()),
            ("ARROW:extension:metadata".to_owned(), String::new()),
        ]);
        let column: ArrayRef =
            Arc::new(StringArray::from(vec![Some("[1,\n{\"b\": \"c\"}]"), None, Some("no")]));
        let field = Field::new("a", column.data_type().clone(), true).with_metadata(metadata);
        let said = "{\"a\":[1, {\"b\": \"c\"}]}\n{\"a\":null}\n{\"a\":\"no\"}\n";
        assert_eq!(line(field, column), said);
    }
}
