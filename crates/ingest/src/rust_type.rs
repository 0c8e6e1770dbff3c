//! [pure] What the declared Rust type of a column says about its values.

use crate::schema::ColumnType;

/// The type of a column whose values are of this Rust type, by the name that the compiler gives it;
/// `None` if only the values tell.
pub(crate) fn kind_of(type_name: &str) -> Option<ColumnType> {
    Some(match generic(unwrapped(type_name)) {
        "bool" => ColumnType::Bool,
        "i8" | "i16" | "i32" | "i64" | "isize" | "u8" | "u16" | "u32" => ColumnType::Int,
        "u64" | "usize" => ColumnType::Decimal { precision: 20, scale: 0 },
        "f32" | "f64" => ColumnType::Float,
        "chrono::naive::date::NaiveDate" => ColumnType::Date,
        "chrono::datetime::DateTime" | "chrono::naive::datetime::NaiveDateTime" => {
            ColumnType::Timestamp
        }
        // How many digits it has is known of no decimal.
        "rust_decimal::decimal::Decimal"
        | "alloc::string::String"
        | "&str"
        | "char"
        | "uuid::Uuid"
        | "core::net::ip_addr::IpAddr"
        | "core::net::ip_addr::Ipv4Addr"
        | "core::net::ip_addr::Ipv6Addr" => ColumnType::Text,
        "alloc::vec::Vec"
        | "alloc::collections::btree::map::BTreeMap"
        | "std::collections::hash::map::HashMap"
        | "indexmap::map::IndexMap"
        | "serde_json::map::Map"
        | "serde_json::value::Value"
        | "ciborium::value::Value" => ColumnType::Json,
        _ => return None,
    })
}

/// The type in an `Option`.
fn unwrapped(name: &str) -> &str {
    let inner = name.strip_prefix("core::option::Option<");
    inner.and_then(|inner| inner.strip_suffix('>')).unwrap_or(name)
}

/// The name of a type without its parameters.
fn generic(name: &str) -> &str {
    name.split('<').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::{any::type_name, collections::HashMap, net::IpAddr};

    use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
    use rust_decimal::Decimal;
    use uuid::Uuid;

    use super::*;
    use ColumnType::{Bool, Date, Float, Int, Json, Text, Timestamp};

    #[test]
    fn a_rust_type_is_the_type_of_a_column() {
        for (name, kind) in [
            (type_name::<bool>(), Some(Bool)),
            (type_name::<Option<i32>>(), Some(Int)),
            (type_name::<u64>(), Some(ColumnType::Decimal { precision: 20, scale: 0 })),
            (type_name::<Option<f64>>(), Some(Float)),
            (type_name::<Option<Decimal>>(), Some(Text)),
            (type_name::<NaiveDate>(), Some(Date)),
            (type_name::<Option<DateTime<Utc>>>(), Some(Timestamp)),
            (type_name::<NaiveDateTime>(), Some(Timestamp)),
            (type_name::<Option<String>>(), Some(Text)),
            (type_name::<&'static str>(), Some(Text)),
            (type_name::<Uuid>(), Some(Text)),
            (type_name::<IpAddr>(), Some(Text)),
            (type_name::<Vec<i64>>(), Some(Json)),
            (type_name::<HashMap<String, Option<bool>>>(), Some(Json)),
            (type_name::<serde_json::Value>(), Some(Json)),
            (type_name::<Option<ciborium::Value>>(), Some(Json)),
            (type_name::<i128>(), None),
            (type_name::<ColumnType>(), None),
        ] {
            assert_eq!(kind_of(name), kind, "{name}");
        }
    }
}
