//! The Vantage data source over a pool.
//!
//! `api` is the source, `settings` describe its API. `source` implements
//! `TableSource`, `reads` runs lists, streams, gets and counts, and `scan` iterates over the rows
//! of one query. The decisions are in pure files: `condition`, `expression`, `fluent` and
//! `where_clause` (what is requested), `query`, `pushdown`, `parameter`, `path` and `order`
//! (targets and parameters), `filter`, `value_set` and `value` (conditions on rows), `window`,
//! `record`, `number`, `keys`, `columns`, `alias` and `kind` (how an item becomes a record),
//! `infer` (how a type wants it). `writes` sends rows; `entities`, `entity` and `lenient` read them
//! without records. `related`, `relations`, `branches` and `union` read sets that are related to
//! sets; `vista` is for callers without types. Nothing here names actix.

/// Setters, each of which puts a value into a field.
macro_rules! setters {
    ($of:ident {
        $($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*): $field:ident = $value:expr;)*
    }) => {
        impl $of {
            $($(#[$doc])*
            pub fn $name(mut self, $($arg: $type),*) -> Self {
                self.$field = $value;
                self
            })*
        }
    };
}

mod aggregate;
mod alias;
mod api;
mod branches;
mod columns;
mod condition;
mod cursor;
mod entities;
mod entity;
mod error;
mod expression;
mod fluent;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod infer;
mod json;
mod keyed;
mod keys;
mod kind;
mod lenient;
mod logic;
mod map_key;
mod number;
mod order;
mod parameter;
mod path;
mod preview;
mod pushdown;
mod query;
mod reads;
mod record;
mod related;
mod relations;
mod row_filter;
mod scan;
mod settings;
mod source;
mod table_ext;
mod union;
mod value;
mod value_set;
mod vista;
mod where_clause;
mod window;
mod writes;

pub use api::PoolApi;
pub use condition::{ApiCondition, Operator};
pub use fluent::ColumnConditions;
pub use preview::Preview;
pub use related::Related;
pub use settings::{ApiTable, Combined, Comparison, Filtering, Filters, Lists, Sorting, Writes};
pub use table_ext::PoolTableExt;
pub use vista::{ApiColumnExtras, ApiTableExtras, ApiVistaSpec, PoolVistaFactory};
