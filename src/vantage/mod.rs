//! The Vantage data source over a pool.
//!
//! `api` is the source, `settings` say how its API behaves. `source` is its
//! `TableSource`, `reads` runs lists, streams, gets and counts, `pages` walks
//! the rows of one query. What they decide is in pure files: `condition`, `expression`,
//! `fluent` and `clauses` (what is asked for), `query`, `sender`, `parameter`, `path` and `order`
//! (targets and parameters), `filter`, `among` and `value` (conditions on rows), `window`,
//! `record`, `number`, `keys`, `columns`, `alias` and `kind` (what a value of an item is in a
//! record), `fit` (what it is for a type). `writes` sends rows, `entities`, `entity` and
//! `lenient` read them without records.
//! `relations`, `branches` and `fan_out` read sets that are related to sets; `vista` is
//! for those who know no types. Nothing here names actix.

mod aggregate;
mod alias;
mod among;
mod api;
#[cfg(vantage_bench)]
pub(crate) mod bench_support;
mod branches;
mod clauses;
mod columns;
mod condition;
mod cursor;
mod entities;
mod entity;
mod error;
mod expression;
mod fan_out;
mod filter;
mod fit;
mod fluent;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod json;
mod keyed;
mod keys;
mod kind;
mod lenient;
mod logic;
mod map_key;
mod number;
mod order;
mod pages;
mod parameter;
mod path;
mod preview;
mod query;
mod reads;
mod record;
mod relations;
mod sender;
mod settings;
mod source;
mod table_ext;
mod value;
mod vista;
mod window;
mod writes;

pub use api::PoolApi;
pub use condition::{ApiCondition, Operator, Related};
pub use fluent::ColumnConditions;
pub use preview::Preview;
pub use settings::{ApiTable, Combined, Comparison, Filtering, Filters, Lists, Sorting, Writes};
pub use table_ext::PoolTableExt;
pub use vista::{ApiColumnExtras, ApiTableExtras, ApiVistaSpec, PoolVistaFactory};
