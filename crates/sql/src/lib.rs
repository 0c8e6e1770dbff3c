//! SQL over REST APIs, with [DataFusion](https://datafusion.apache.org): what an API can do by itself
//! is asked of it, in plans that show the URLs, and the rest is done on its rows.
//!
//! A [`Description`](vantage_api_ingest::description::Description) says what the API is and which
//! tables it has. [`ApiSession`] has them as tables of SQL, beside what jobs of the same description
//! have written:
//!
//! ```no_run
//! use vantage_api_ingest::description::Description;
//! use vantage_api_sql::ApiSession;
//!
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let description = Description::from_yaml(
//!     r#"
//! api: { base_url: "https://api.example.com/v1", rate_limit: 10 }
//! tables:
//!   - name: cities
//!     id: id
//!     columns: { id: int, name: text, country: text, population: int }
//!     api:
//!       paging: { by: page, size_param: per_page, size: 100 }
//!       envelope: { items: data, total: meta.total }
//!       filters: { style: suffixes }
//!       sorting: { style: prefixed, param: sort, only: [id, population] }
//!     sql: { trust_total: 10m, fields: fields }
//! "#,
//! )?;
//! let session = ApiSession::new()?;
//! session.add("world", &description)?;
//! // GET …/cities?fields=name%2Cpopulation&population__gt=1000000&per_page=100&page=1
//! let large = session.sql("SELECT name FROM world.cities WHERE population > 1000000").await?;
//! large.show().await?;
//! # Ok(()) }
//! ```
//!
//! A program registers its Vantage tables by [`ApiTableProvider`], other sources of Vantage by
//! [`VistaTableProvider`], and the tables of a description by [`ApiSchemaProvider`], in a context of its
//! own.
//!
//! What a job has written is a schema with the name of the job: a table for each stream, and one for
//! each list in its rows, in SQLite, PostgreSQL, local Parquet, CSV and lines of JSON.
//!
//! # What an API is asked for
//!
//! | of a query | what is sent |
//! |---|---|
//! | columns | only those that are needed are decoded; `sql.fields` names the parameter that asks for them |
//! | filters | those that `filters` of the table has a form for, if the table says anything of `filters` or `filtering`. With `filtering: checked`, and where an API may find more rows than SQL does, the rows are checked again: texts unless `sql.collation` is `binary`, `<>`, `LIKE`, nulls, moments. Ranges of texts are sent only with that collation |
//! | `IN`, and `OR` of equalities | a list, in as many requests as its form takes, at most `sql.max_keys` |
//! | `LIMIT` | no more pages are requested than the limit needs, if that is at most four; else pages are read ahead |
//! | `count(*)` | nothing, if a total was told within `sql.trust_total`; the first page, if the total is trusted but not known; all pages otherwise |
//! | `ORDER BY` | the order, if `sorting` takes it and it is the one of SQL: of columns that are mandatory or name a row, or with `sql.nulls`; of texts with `sql.collation` |
//! | joins | the keys of the smaller side, at most `sql.max_keys`: a list, or a request for each key; but never more requests than reading the table would take, as far as that is known |
//! | placeholders in the path | the value that a column of that name is compared to, or, in a path with one of them, is joined on or is `IN (SELECT …)`: one request for each. A value of a scalar subquery, `= (SELECT …)`, is found too late |
//!
//! Columns are those that a table declares. One that declares none has the fields of the rows on its
//! first page, each with the narrowest type of its values there, and text for a field that has none.
//!
//! Rows are decoded as a job decodes them. One that does not fit a column is an error that names the
//! table, the page and the column. Pages of one scan are read in one stream, with its read-ahead, rate
//! limit and retries, and are decoded by as many threads as the query has partitions.
//!
//! # Plans
//!
//! `EXPLAIN` shows the URL of each request as
//! [`preview`](vantage_api_pool::vantage::PoolTableExt::preview) does, without values that may be
//! secret. `EXPLAIN ANALYZE` adds the pages and the bytes, and what the API's pool did meanwhile:
//! requests and waits by their cause.
//!
//! # Statements
//!
//! ```sql
//! CREATE EXTERNAL TABLE cities STORED AS API LOCATION 'https://api.example.com/v1/cities'
//!   OPTIONS ('paging.by' 'page', 'envelope.items' 'data', 'api.auth.bearer' '${TOKEN}');
//! SELECT * FROM api('https://api.example.com/v1/cities?lang=en', 'envelope.items', 'data');
//! INSERT INTO notes SELECT id, name FROM cities;
//! COPY (SELECT * FROM cities) TO 'cities.parquet';
//! ```
//!
//! Options are the keys of a description joined by dots: `api.…` are those of the API, `id`, `sql.…`
//! and `columns.…` those of the table, and others say how the API has it. `INSERT` sends a request for
//! each row, as `writes` of the table says, and stops at the first that is refused; rows before it
//! stay. Into what a job has written, rows are inserted all together or not at all, as the job writes
//! them: by `append`, or by `merge` in the place of those with the same key; not while a run of the job
//! has not ended, and not where its next run would delete them. A run that has not committed anything
//! yet is not seen: in a database it goes on beside the rows, in files the insert takes the stream from
//! it, and it fails. Names of tables and columns without quotes are in lower case, as in PostgreSQL:
//! `"createdAt"`.

mod catalog;
#[cfg(feature = "distributed")]
pub mod distributed;
mod error;
mod external;
mod functions;
mod known;
mod options;
mod pools;
mod pushdown;
mod scan;
mod session;
mod stores;
mod table;
mod vista;
mod write;

pub use catalog::ApiSchemaProvider;
pub use error::SqlError;
pub use session::ApiSession;
pub use table::ApiTableProvider;
pub use vista::VistaTableProvider;

/// DataFusion, in the version that this crate is of.
pub use datafusion;
