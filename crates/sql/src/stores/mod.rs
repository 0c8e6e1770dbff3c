//! What jobs have written, as tables beside those of the API.

mod insert;
mod parquet;
mod rows;
mod schema;
mod table;

pub(crate) use schema::StoreSchemaProvider;
