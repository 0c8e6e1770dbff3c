//! Serves any [Vantage](https://crates.io/crates/vantage-table) table, and a key-value store, over
//! REST: tables of remote APIs through a pool, of databases, and of anything else that is a
//! [`Vista`](vantage_vista::Vista).
//!
//! A [`Gateway`] is safe unless told otherwise: it wants credentials, shows the columns that are
//! declared and writes none, allows no page of another origin, and bounds everything that a client
//! can make long, large or many.
//!
//! ```no_run
//! use vantage_api_gateway::{TableConfig, Gateway, Ops, auth::Tokens};
//! use vantage_vista::Vista;
//!
//! # async fn demo(cities: Vista) -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = Gateway::builder()
//!     .auth(Tokens::file("tokens.txt")?)
//!     .table("cities", TableConfig::new(cities).operations(Ops::INSERT).writable(["name", "country"]))
//!     .build()?;
//! gateway.run().await?;
//! # Ok(()) }
//! ```
//!
//! All paths are below the prefix, `/api/v1` unless set otherwise:
//!
//! | request | does |
//! |---|---|
//! | `GET /tables` | the tables that the principal may see, with their columns and operations |
//! | `GET /tables/{table}` | a page of rows, or all of them as a stream |
//! | `QUERY`, `POST /tables/{table}/query` | the same, asked for by a JSON body |
//! | `POST /tables/{table}` | inserts a row, or an array of rows |
//! | `PATCH`, `DELETE /tables/{table}?{filter}` | all rows that a filter finds |
//! | `GET`, `PUT`, `PATCH`, `DELETE /tables/{table}/{id}` | one row |
//! | `GET /tables/{table}/{id}/{relation}` | what is related to one row |
//! | `POST /batch` | several operations |
//! | `GET`, `POST /kv`, `GET`, `PUT`, `DELETE /kv/{key}` | the key-value store |
//! | `GET /health`, `/ready`, `/stats`, `/metrics`, `/openapi.json` | how it is, and what it offers |
//! | `GET /docs`, `/status` | pages for people: the API, and live curves of what `/stats` has |
//! | `GET /status/events` | what `/stats` has, once a second, as server-sent events |
//!
//! `/openapi.json` is OpenAPI 3.1, and with `?version=3.2` OpenAPI 3.2, which alone can declare
//! `QUERY`.
//!
//! Features: `kv`, on by default, is the key-value store; `zstd` compresses answers in Zstandard for
//! clients that take it, besides gzip, and needs a C compiler.
//!
//! Whatever is read with `GET` can be asked for with `HEAD`. A request that fails is answered with
//! a [`Problem`]. A parameter, an operator, a column or a member of a body that does not exist is
//! refused by name; nothing is ignored.

mod accept;
pub mod auth;
mod body;
mod builder;
mod cache;
mod cached_response;
mod client_address;
mod compress;
mod cors;
mod cursor;
mod data;
mod error;
mod etag;
mod failed_logins;
mod gateway;
mod in_flight;
mod jobs;
mod json;
#[cfg(feature = "kv")]
pub mod kv;
mod limits;
mod locks;
mod openapi;
mod operate;
mod pages;
mod path;
mod pipeline;
mod prefer;
mod problem;
mod query;
mod request_context;
mod request_id;
mod route;
mod serve;
mod server;
mod stats;
mod status;
mod table_config;
mod tables;
mod tag_list;
mod unread;
mod watch;

pub use builder::GatewayBuilder;
pub use cors::Cors;
pub use error::Error;
pub use gateway::{Gateway, GatewayHandle};
pub use limits::Limits;
pub use problem::Problem;
pub use stats::{GatewayStats, RouteStats};
pub use table_config::{Ops, TableConfig};
