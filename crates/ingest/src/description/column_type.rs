//! [pure] The types of columns by their names.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

use crate::schema::ColumnType;

/// The most digits of a decimal.
const MOST_DIGITS: u8 = 38;

/// What holds every whole number of 64 bits without a sign.
const UNSIGNED: ColumnType = ColumnType::Decimal { precision: 20, scale: 0 };

/// A type by its name.
pub(super) fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ColumnType, D::Error> {
    deserializer.deserialize_str(TypeVisitor)
}

/// A type by its name, or none.
pub(super) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ColumnType>, D::Error> {
    #[derive(Deserialize)]
    struct Named(#[serde(deserialize_with = "named")] ColumnType);

    let named = Option::<Named>::deserialize(deserializer)?;
    Ok(named.map(|Named(kind)| kind))
}

/// A type by its name.
///
/// # Errors
/// If there is no type of that name.
pub(super) fn parse<E: Error>(name: &str) -> Result<ColumnType, E> {
    if name.contains('(') && !name.contains(')') {
        let hint = "within braces, a type with a comma is in quotes, as in \"decimal(18,4)\"";
        return Err(E::custom(format!("`{name}` has no `)`: {hint}")));
    }
    type_by_name(name).ok_or_else(|| E::invalid_value(Unexpected::Str(name), &TypeVisitor))
}

/// A type by its name, if there is one of that name.
pub(crate) fn type_by_name(name: &str) -> Option<ColumnType> {
    Some(match name.to_ascii_lowercase().as_str() {
        "bool" | "boolean" => ColumnType::Bool,
        "int" | "integer" | "i64" | "i32" => ColumnType::Int,
        "u64" => UNSIGNED,
        "float" | "double" | "f64" | "f32" => ColumnType::Float,
        "date" => ColumnType::Date,
        "timestamp" | "datetime" => ColumnType::Timestamp,
        "text" | "string" | "str" => ColumnType::Text,
        "json" | "any" => ColumnType::Json,
        name => return decimal(name),
    })
}

/// `decimal(18,4)`, `decimal(18)`.
fn decimal(name: &str) -> Option<ColumnType> {
    let digits = name.strip_prefix("decimal").or_else(|| name.strip_prefix("numeric"))?;
    let digits = digits.trim().strip_prefix('(')?.strip_suffix(')')?;
    let (precision, scale) = digits.split_once(',').unwrap_or((digits, "0"));
    let precision: u8 = precision.trim().parse().ok()?;
    let scale: u8 = scale.trim().parse().ok()?;
    let is_valid = (1..=MOST_DIGITS).contains(&precision) && scale <= precision;
    let scale = i8::try_from(scale).ok().filter(|_| is_valid)?;
    Some(ColumnType::Decimal { precision, scale })
}

struct TypeVisitor;

impl Visitor<'_> for TypeVisitor {
    type Value = ColumnType;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a type: bool, int, float, decimal(DIGITS,DECIMALS) of up to 38 digits, date, \
             timestamp, text or json",
        )
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<ColumnType, E> {
        parse(name)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::Error;

    use super::*;

    #[test]
    fn types_have_their_usual_names() {
        for (name, kind) in [
            ("boolean", ColumnType::Bool),
            ("i32", ColumnType::Int),
            ("Integer", ColumnType::Int),
            ("u64", ColumnType::Decimal { precision: 20, scale: 0 }),
            ("double", ColumnType::Float),
            ("decimal(18,4)", ColumnType::Decimal { precision: 18, scale: 4 }),
            ("NUMERIC ( 38 , 38 )", ColumnType::Decimal { precision: 38, scale: 38 }),
            ("decimal(5)", ColumnType::Decimal { precision: 5, scale: 0 }),
            ("date", ColumnType::Date),
            ("datetime", ColumnType::Timestamp),
            ("string", ColumnType::Text),
            ("any", ColumnType::Json),
        ] {
            assert_eq!(parse::<Error>(name).unwrap(), kind, "{name}");
            let shown = parse::<Error>(&kind.to_string()).unwrap();
            assert_eq!(shown, kind, "{kind}");
        }
    }

    #[test]
    fn what_is_no_type_is_shown() {
        for name in [
            "quaternion",
            "",
            "decimal",
            "decimal()",
            "decimal(39,2)",
            "decimal(0,0)",
            "decimal(3,4)",
        ] {
            let error = parse::<Error>(name).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("timestamp"), "{error}");
        }
    }
}
