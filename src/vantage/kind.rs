//! [pure] What the declared type of a column says about its values: a record holds the CBOR form
//! from which serde reads that type, the API the JSON form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ciborium::Value;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::number::wide_digits;

/// The largest whole number below which every whole number is a float.
pub(super) const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// A type that is not read from CBOR in the form that JSON gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    /// `f64`, `f32`: floats only, where JSON has whole numbers too.
    Float,
    /// `bool`, for which JSON may have 0 and 1.
    Bool,
    /// Integers, for which JSON may have `7.0`.
    Integer,
    /// `Decimal`: its digits as they were written, as text.
    Decimal,
    /// `Uuid`: 16 bytes.
    Uuid,
    /// `IpAddr` and its versions: their bytes, for which JSON has text.
    Ip,
    Ipv4,
    Ipv6,
}

impl ValueKind {
    /// The kind of a Rust type by its name, also inside `Option` and `Vec`.
    pub(super) fn of(type_name: &str) -> Option<Self> {
        let inner = type_name.trim_end_matches('>').rsplit('<').next()?;
        Some(match inner {
            "f64" | "f32" => Self::Float,
            "bool" => Self::Bool,
            "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => Self::Integer,
            "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => Self::Integer,
            "rust_decimal::decimal::Decimal" => Self::Decimal,
            "uuid::Uuid" => Self::Uuid,
            "core::net::ip_addr::IpAddr" => Self::Ip,
            "core::net::ip_addr::Ipv4Addr" => Self::Ipv4,
            "core::net::ip_addr::Ipv6Addr" => Self::Ipv6,
            _ => return None,
        })
    }

    /// Whether a column of this declared Rust type holds numbers.
    pub(super) fn is_number(type_name: &str) -> bool {
        matches!(Self::of(type_name), Some(Self::Float | Self::Integer | Self::Decimal))
    }

    /// Whether values are compared in their converted form instead of their JSON form.
    pub(super) fn is_lifted(self) -> bool {
        matches!(self, Self::Float | Self::Integer | Self::Bool)
    }

    /// Converts JSON's form to CBOR's. A value that does not fit is left as it is, so that
    /// reading the type reports it.
    pub(super) fn read(self, value: &mut Value) {
        let read = match (self, &mut *value) {
            (_, Value::Array(values)) => {
                return values.iter_mut().for_each(|value| self.read(value));
            }
            (Self::Float, Value::Integer(number)) => Some(Value::Float(i128::from(*number) as f64)),
            (Self::Float, wide @ Value::Tag(..)) => {
                wide_digits(wide).and_then(|digits| digits.parse().ok()).map(Value::Float)
            }
            (Self::Bool, Value::Integer(number)) => match i128::from(*number) {
                0 => Some(Value::Bool(false)),
                1 => Some(Value::Bool(true)),
                _ => None,
            },
            (Self::Integer, Value::Float(number))
                if number.fract() == 0.0 && number.abs() <= MAX_WHOLE =>
            {
                Some(Value::from(*number as i64))
            }
            (Self::Uuid, Value::Text(text)) => {
                Uuid::try_parse(text).ok().map(|id| Value::Bytes(id.into_bytes().to_vec()))
            }
            (Self::Ip, Value::Text(text)) => text.parse::<IpAddr>().ok().and_then(to_cbor),
            (Self::Ipv4, Value::Text(text)) => text.parse::<Ipv4Addr>().ok().and_then(to_cbor),
            (Self::Ipv6, Value::Text(text)) => text.parse::<Ipv6Addr>().ok().and_then(to_cbor),
            _ => None,
        };
        if let Some(read) = read {
            *value = read;
        }
    }

    /// Converts CBOR's form to JSON's: the reverse of [`read`](Self::read), except for numbers,
    /// which are left as they are.
    pub(super) fn write(self, value: &mut Value) {
        let text = match self {
            Self::Uuid => uuid_text(value),
            Self::Ip => from_cbor::<IpAddr>(value).map(|ip| ip.to_string()),
            Self::Ipv4 => from_cbor::<Ipv4Addr>(value).map(|ip| ip.to_string()),
            Self::Ipv6 => from_cbor::<Ipv6Addr>(value).map(|ip| ip.to_string()),
            Self::Float | Self::Bool | Self::Integer | Self::Decimal => return,
        };
        match (text, &mut *value) {
            (Some(text), _) => *value = Value::Text(text),
            (None, Value::Array(values)) => values.iter_mut().for_each(|value| self.write(value)),
            (None, _) => {}
        }
    }
}

/// The text of a UUID that is its bytes.
pub(super) fn uuid_text(value: &Value) -> Option<String> {
    Uuid::from_slice(value.as_bytes()?).ok().map(|id| id.hyphenated().to_string())
}

fn to_cbor<T: Serialize>(value: T) -> Option<Value> {
    Value::serialized(&value).ok()
}

fn from_cbor<T: DeserializeOwned>(value: &Value) -> Option<T> {
    (value.is_array() || value.is_map()).then(|| value.deserialized().ok())?
}

#[cfg(test)]
mod tests {
    use std::any::type_name;

    use rust_decimal::Decimal;

    use super::{super::number::exact, *};

    fn read(kind: ValueKind, value: impl Into<Value>) -> Value {
        let mut value = value.into();
        kind.read(&mut value);
        value
    }

    #[test]
    fn a_type_is_known_by_its_name() {
        for (name, kind) in [
            (type_name::<f64>(), Some(ValueKind::Float)),
            (type_name::<Option<f32>>(), Some(ValueKind::Float)),
            (type_name::<Vec<u64>>(), Some(ValueKind::Integer)),
            (type_name::<Option<Decimal>>(), Some(ValueKind::Decimal)),
            (type_name::<Option<Uuid>>(), Some(ValueKind::Uuid)),
            (type_name::<IpAddr>(), Some(ValueKind::Ip)),
            (type_name::<Ipv4Addr>(), Some(ValueKind::Ipv4)),
            (type_name::<Vec<Ipv6Addr>>(), Some(ValueKind::Ipv6)),
            (type_name::<String>(), None),
            (type_name::<Option<bool>>(), Some(ValueKind::Bool)),
        ] {
            assert_eq!(ValueKind::of(name), kind, "{name}");
        }
    }

    #[test]
    fn numeric_columns_are_known_by_their_type() {
        for name in ["i64", "core::option::Option<u8>", "rust_decimal::decimal::Decimal"] {
            assert!(ValueKind::is_number(name), "{name}");
        }
        assert!(!ValueKind::is_number("alloc::string::String") && !ValueKind::is_number("bool"));
    }

    #[test]
    fn numbers_become_what_their_type_is_read_from_without_loss() {
        assert_eq!(read(ValueKind::Float, 7), Value::Float(7.0));
        assert_eq!(read(ValueKind::Integer, 7.0), Value::from(7));
        assert_eq!(read(ValueKind::Integer, -7e3), Value::from(-7000));
        assert_eq!(read(ValueKind::Integer, 7.5), Value::Float(7.5));
        assert_eq!(read(ValueKind::Integer, 1e18), Value::Float(1e18));
        assert_eq!(read(ValueKind::Float, Value::Null), Value::Null);
        assert_eq!(read(ValueKind::Bool, 1), Value::Bool(true));
        assert_eq!(read(ValueKind::Bool, 2), Value::from(2));
        assert_eq!(
            read(ValueKind::Float, exact("18446744073709551616").unwrap()),
            Value::Float(2f64.powi(64))
        );
        let list = Value::Array(vec![1.into(), 2.5.into()]);
        assert_eq!(read(ValueKind::Float, list), Value::Array(vec![1.0.into(), 2.5.into()]));
    }

    #[test]
    fn texts_become_what_the_type_is_read_from_and_texts_again() {
        fn there_and_back<T: DeserializeOwned + PartialEq + std::fmt::Debug>(
            expected: &T,
            text: &str,
        ) {
            let kind = ValueKind::of(type_name::<T>()).unwrap();
            let mut value = read(kind, text);
            assert_eq!(value.deserialized::<T>().unwrap(), *expected);
            kind.write(&mut value);
            assert_eq!(value, Value::from(text));
            let mut list = read(kind, Value::Array(vec![text.into(), text.into()]));
            assert_eq!(list.deserialized::<Vec<T>>().unwrap().len(), 2);
            kind.write(&mut list);
            assert_eq!(list, Value::Array(vec![text.into(), text.into()]));
        }
        let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        there_and_back(&Uuid::try_parse(id).unwrap(), id);
        there_and_back::<IpAddr>(&[127, 0, 0, 1].into(), "127.0.0.1");
        there_and_back(&IpAddr::V6(Ipv6Addr::LOCALHOST), "::1");
        there_and_back(&Ipv4Addr::new(10, 0, 0, 7), "10.0.0.7");
        there_and_back(&Ipv6Addr::LOCALHOST, "::1");
    }

    #[test]
    fn what_is_no_such_value_stays() {
        for kind in [ValueKind::Uuid, ValueKind::Ip, ValueKind::Ipv4, ValueKind::Ipv6] {
            for value in [Value::from("no"), Value::Null, Value::from(7)] {
                assert_eq!(read(kind, value.clone()), value);
                let mut written = value.clone();
                kind.write(&mut written);
                assert_eq!(written, value);
            }
        }
    }
}
