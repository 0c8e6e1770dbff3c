//! [pure] Whether the values of a batch are such as every sink holds and gives back.

use arrow_array::{
    Array, Date32Array, Decimal128Array, Float64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field};
use serde_json::value::RawValue;

use crate::{
    row::{DAYS, MOMENTS},
    schema,
};

/// The column of the first value that is none of its type: a text of the type `arrow.json` that is no
/// JSON, a float that is not finite, a decimal with more digits than its type has, or a day or a moment
/// that is not of the years 1 to 9999.
pub(super) fn misfit(batches: &[RecordBatch]) -> Option<&str> {
    batches.iter().find_map(|batch| {
        let fields = batch.schema_ref().fields().iter().zip(batch.columns());
        let mut fields = fields.filter(|(field, values)| !fits(field, values));
        fields.next().map(|(field, _)| field.name().as_str())
    })
}

fn fits(field: &Field, values: &dyn Array) -> bool {
    let values = values.as_any();
    if schema::is_json(field) {
        let texts = values.downcast_ref::<StringArray>();
        return texts.is_none_or(|texts| texts.iter().flatten().all(is_json));
    }
    if let Some(numbers) = values.downcast_ref::<Float64Array>() {
        return numbers.iter().flatten().all(f64::is_finite);
    }
    if let Some(days) = values.downcast_ref::<Date32Array>() {
        return days.iter().flatten().all(|day| DAYS.contains(&day));
    }
    if let Some(moments) = values.downcast_ref::<TimestampMicrosecondArray>() {
        return moments.iter().flatten().all(|moment| MOMENTS.contains(&moment));
    }
    match (field.data_type(), values.downcast_ref::<Decimal128Array>()) {
        (DataType::Decimal128(precision, _), Some(numbers)) => {
            numbers.validate_decimal_precision(*precision).is_ok()
        }
        _ => true,
    }
}

/// Whether a text is JSON.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::ArrayRef;

    use super::*;
    use crate::schema::{Column, ColumnType, Schema};

    fn is_fit(kind: ColumnType, values: impl Array + 'static) -> bool {
        let column = Column { name: "x".into(), kind, declared: true };
        let schema = Arc::new(Schema { columns: vec![column] }.arrow().as_ref().clone());
        let values: ArrayRef = Arc::new(values);
        let batch = RecordBatch::try_new(schema, vec![values]).unwrap();
        let found = misfit(std::slice::from_ref(&batch)).map(str::to_owned);
        assert!(found.as_deref().is_none_or(|name| name == "x"));
        found.is_none()
    }

    #[test]
    fn a_value_that_no_sink_gives_back_does_not_fit() {
        use ColumnType::{Date, Float, Json, Text, Timestamp};
        for (json, fits) in [
            ("{\"a\": [1]}", true),
            (" null ", true),
            ("oops", false),
            ("1,\"id\":999", false),
            ("", false),
        ] {
            let texts = || StringArray::from(vec![None, Some(json)]);
            assert_eq!(is_fit(Json, texts()), fits, "{json}");
            assert!(is_fit(Text, texts()), "{json}");
        }
        for (number, fits) in [(0.5, true), (f64::NAN, false), (f64::NEG_INFINITY, false)] {
            assert_eq!(is_fit(Float, Float64Array::from(vec![None, Some(number)])), fits);
        }
        for (day, fits) in [
            (*DAYS.start(), true),
            (DAYS.start() - 1, false),
            (*DAYS.end(), true),
            (DAYS.end() + 1, false),
        ] {
            assert_eq!(is_fit(Date, Date32Array::from(vec![day])), fits, "{day}");
        }
        for (moment, fits) in [
            (*MOMENTS.start(), true),
            (MOMENTS.start() - 1, false),
            (*MOMENTS.end(), true),
            (MOMENTS.end() + 1, false),
        ] {
            let moments = TimestampMicrosecondArray::from(vec![moment]).with_timezone("UTC");
            assert_eq!(is_fit(Timestamp, moments), fits, "{moment}");
        }
        let kind = ColumnType::Decimal { precision: 3, scale: 1 };
        for (number, fits) in [(-999, true), (1000, false)] {
            let numbers = Decimal128Array::from(vec![number]).with_data_type(kind.arrow());
            assert_eq!(is_fit(kind, numbers), fits, "{number}");
        }
    }
}
