//! [pure] Builds conditions and orders from a column, with the method names of Vantage's query
//! builders.

use ciborium::Value;
use vantage_table::{
    column::core::{Column, ColumnType},
    prelude::OrderBy,
};

use super::condition::ApiCondition;

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

    /// The column holds `value`.
    fn eq(&self, value: impl Into<Value>) -> ApiCondition {
        ApiCondition::eq(self.column_name(), value)
    }

    /// The column holds a value other than `value`.
    fn ne(&self, value: impl Into<Value>) -> ApiCondition {
        ApiCondition::ne(self.column_name(), value)
    }

    /// The column is greater than `value`.
    fn gt(&self, value: impl Into<Value>) -> ApiCondition {
        ApiCondition::gt(self.column_name(), value)
    }

    /// The column is greater than or equal to `value`.
    fn gte(&self, value: impl Into<Value>) -> ApiCondition {
        ApiCondition::gte(self.column_name(), value)
    }

    /// The column is less than `value`.
    fn lt(&self, value: impl Into<Value>) -> ApiCondition {
        ApiCondition::lt(self.column_name(), value)
    }

    /// The column is less than or equal to `value`.
    fn lte(&self, value: impl Into<Value>) -> ApiCondition {
        ApiCondition::lte(self.column_name(), value)
    }

    /// The column holds one of `values`.
    fn in_list<V: Into<Value>>(&self, values: impl IntoIterator<Item = V>) -> ApiCondition {
        ApiCondition::is_in(self.column_name(), values)
    }

    /// The column holds none of `values`.
    fn not_in_list<V: Into<Value>>(&self, values: impl IntoIterator<Item = V>) -> ApiCondition {
        ApiCondition::is_not_in(self.column_name(), values)
    }

    /// The column contains `text`, ignoring case.
    fn contains(&self, text: impl Into<String>) -> ApiCondition {
        ApiCondition::contains(self.column_name(), text)
    }

    /// The column starts with `text`, ignoring case.
    fn starts_with(&self, text: impl Into<String>) -> ApiCondition {
        ApiCondition::starts_with(self.column_name(), text)
    }

    /// The column matches the SQL pattern, ignoring case.
    fn like(&self, pattern: impl Into<String>) -> ApiCondition {
        ApiCondition::like(self.column_name(), pattern)
    }

    /// The column is null.
    fn is_null(&self) -> ApiCondition {
        ApiCondition::is_null(self.column_name())
    }

    /// The column is not null.
    fn is_not_null(&self) -> ApiCondition {
        ApiCondition::is_not_null(self.column_name())
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
