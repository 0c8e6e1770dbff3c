//! [pure] Builds conditions and orders from a column, with the method names of Vantage's query
//! builders.

use ciborium::Value;
use vantage_table::{
    column::core::{Column, ColumnType},
    prelude::OrderBy,
};

use super::condition::ApiCondition;

/// Conditions of a column, by the same names as those of a field.
macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty)?);)*) => {
        $($(#[$doc])*
        fn $name(&self $(, $arg: $type)?) -> ApiCondition {
            ApiCondition::$name(self.column_name() $(, $arg)?)
        })*
    };
}

/// Conditions and orders from a column, such as `table["name"].eq("Germany")`.
///
/// ```
/// use vantage_api_pool::vantage::{ApiCondition, ColumnConditions};
/// use vantage_table::column::core::Column;
///
/// let name = Column::<String>::new("name");
/// assert_eq!(name.eq("Germany"), ApiCondition::eq("name", "Germany"));
/// assert_eq!(name.starts_with("Ger").to_string(), r#"name STARTS WITH "Ger""#);
/// ```
pub trait ColumnConditions {
    /// The name of the column.
    #[doc(hidden)]
    fn column_name(&self) -> &str;

    conditions! {
        /// The column holds `value`.
        eq(value: impl Into<Value>);
        /// The column holds a value other than `value`.
        ne(value: impl Into<Value>);
        /// The column is greater than `value`.
        gt(value: impl Into<Value>);
        /// The column is greater than or equal to `value`.
        gte(value: impl Into<Value>);
        /// The column is less than `value`.
        lt(value: impl Into<Value>);
        /// The column is less than or equal to `value`.
        lte(value: impl Into<Value>);
        /// The column contains `text`, ignoring case.
        contains(text: impl Into<String>);
        /// The column starts with `text`, ignoring case.
        starts_with(text: impl Into<String>);
        /// The column matches the SQL pattern, ignoring case.
        like(pattern: impl Into<String>);
        /// The column is null.
        is_null();
        /// The column is not null.
        is_not_null();
    }

    /// The column holds one of `values`.
    fn in_list<V: Into<Value>>(&self, values: impl IntoIterator<Item = V>) -> ApiCondition {
        ApiCondition::is_in(self.column_name(), values)
    }

    /// The column holds none of `values`.
    fn not_in_list<V: Into<Value>>(&self, values: impl IntoIterator<Item = V>) -> ApiCondition {
        ApiCondition::is_not_in(self.column_name(), values)
    }

    /// By the column, ascending.
    fn ascending(&self) -> OrderBy<ApiCondition> {
        OrderBy::ascending(ApiCondition::column(self.column_name()))
    }

    /// By the column, descending.
    fn descending(&self) -> OrderBy<ApiCondition> {
        OrderBy::descending(ApiCondition::column(self.column_name()))
    }
}

impl<T: ColumnType> ColumnConditions for Column<T> {
    fn column_name(&self) -> &str {
        self.name()
    }
}
