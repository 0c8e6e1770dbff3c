//! [pure] What the values of a column are, by its declared type.

use ciborium::Value;
use vantage_vista::{Column, ColumnFamily};

/// What the values of a column are, for texts that become values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer(Bounds),
    Float,
    /// Numbers that are not rounded.
    Decimal,
    Text,
    Bool,
    /// Nothing is declared, or something else.
    Any,
}

/// The integers of a column, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) least: i64,
    pub(crate) most: u64,
}

impl Kind {
    pub(crate) fn of(column: &Column) -> Self {
        match column.family() {
            Some(ColumnFamily::Integer) => {
                Self::Integer(Bounds::of(column.original_type.as_deref().unwrap_or_default()))
            }
            Some(ColumnFamily::Float) => Self::Float,
            Some(ColumnFamily::Decimal) => Self::Decimal,
            Some(ColumnFamily::Text) => Self::Text,
            Some(ColumnFamily::Bool) => Self::Bool,
            _ => Self::Any,
        }
    }

    /// As JSON Schema names it.
    pub(crate) fn schema_type(self) -> Option<&'static str> {
        match self {
            Self::Integer(_) => Some("integer"),
            Self::Float => Some("number"),
            Self::Text => Some("string"),
            Self::Bool => Some("boolean"),
            // A decimal may be a number or, so as not to be rounded, a text.
            Self::Decimal | Self::Any => None,
        }
    }
}

impl Bounds {
    /// Those of 64 bits with a sign, which is what a type without a width has.
    pub(crate) const I64: Self = Self { least: i64::MIN, most: i64::MAX as u64 };

    /// The bounds of a type: one of Rust by its width, perhaps as an `Option`, any other by 64 bits,
    /// without a sign if it says so.
    fn of(declared: &str) -> Self {
        let within = |least: i64, most: i64| Self { least, most: most.unsigned_abs() };
        let up_to = |most: u64| Self { least: 0, most };
        let name = declared.rsplit([':', '<', '&']).next().unwrap_or_default();
        match name.trim_end_matches('>').trim().to_ascii_lowercase().as_str() {
            "i8" => within(i8::MIN.into(), i8::MAX.into()),
            "i16" => within(i16::MIN.into(), i16::MAX.into()),
            "i32" => within(i32::MIN.into(), i32::MAX.into()),
            "u8" => up_to(u8::MAX.into()),
            "u16" => up_to(u16::MAX.into()),
            "u32" => up_to(u32::MAX.into()),
            "u64" | "usize" | "u128" => up_to(u64::MAX),
            "i128" => Self { least: i64::MIN, most: u64::MAX },
            // Of MySQL, which may add `zerofill`.
            name if name.split_whitespace().any(|word| word == "unsigned") => up_to(u64::MAX),
            _ => Self::I64,
        }
    }

    /// An integer that is within them, as a value.
    pub(crate) fn value(self, integer: i128) -> Option<Value> {
        if integer < self.least.into() || integer > self.most.into() {
            return None;
        }
        i64::try_from(integer)
            .map(Value::from)
            .or_else(|_| u64::try_from(integer).map(Value::from))
            .ok()
    }

    /// What must be said to whoever sends another value.
    pub(crate) fn wanted(self) -> String {
        format!("an integer from {} to {}", self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integers_of_a_column_are_those_of_its_type() {
        for (declared, least, most) in [
            ("i64", i64::MIN, i64::MAX.unsigned_abs()),
            ("int", i64::MIN, i64::MAX.unsigned_abs()),
            ("bigint(20)", i64::MIN, i64::MAX.unsigned_abs()),
            ("bigint(20) unsigned", 0, u64::MAX),
            ("BIGINT(20) UNSIGNED ZEROFILL", 0, u64::MAX),
            ("i8", -128, 127),
            ("Option<u8>", 0, 255),
            ("std::option::Option<&u64>", 0, u64::MAX),
            ("I32", i32::MIN.into(), 2_147_483_647),
        ] {
            let kind = Kind::of(&Column::new("n", declared));
            assert_eq!(kind, Kind::Integer(Bounds { least, most }), "{declared}");
        }
        let bounds = Bounds { least: -1, most: u64::MAX };
        assert_eq!(bounds.value(-1), Some(Value::from(-1)));
        assert_eq!(bounds.value(u64::MAX.into()), Some(Value::from(u64::MAX)));
        assert_eq!((bounds.value(-2), bounds.value(1 << 64)), (None, None));
    }
}
