//! A key-value store in one file, and its routes.
//!
//! A [`Kv`] keeps values of up to 8 MiB under [keys](Key), each with a media type, an
//! [entity tag](ETag) and, if wanted, a time to live. It has a namespace of its own: no key leads to
//! a table of the gateway.
//!
//! - **Writes are durable.** One thread takes all calls that wait, writes them in one transaction of
//!   [redb](https://docs.rs/redb), and answers them when it is on the disk. So a commit, which costs
//!   one or two synchronizations with the disk, serves as many calls as came meanwhile.
//! - **Reads wait for nobody.** They see the store as the last commit left it. Short values are read
//!   on the thread of the caller, long ones elsewhere.
//! - **Conditions are decided where the writing is**: of several writers with
//!   [`Precondition::absent`], or with the tag of the same version, one wins.
//! - **What has expired is gone at once**, though its room is given back later, in small steps.
//! - **A failure passes.** After an error of the disk the file is opened again, which also tells
//!   whether the last commit was written. A full disk refuses writes until it has room.
//!
//! Values are kept in pieces of 64,000 bytes, so that a part of a long one can be read by itself.
//!
//! # Over HTTP
//!
//! | request | does |
//! |---|---|
//! | `GET`, `HEAD /kv/{key}` | the value, with its type and `ETag`; `If-None-Match`, `If-Match`, `Range` with one range, `If-Range` |
//! | `PUT /kv/{key}?ttl=60s` | writes the body, with its `Content-Type`: 201 or 204; `If-Match`, `If-None-Match` |
//! | `DELETE /kv/{key}` | deletes: 204 or 404; `If-Match`, `If-None-Match` |
//! | `GET`, `HEAD /kv?prefix=&after=&limit=` | keys in the order of their bytes, at most `limit`, 100 unless set, 1,000 at most; go on with `after` until `next` is null |
//! | `POST /kv` | operations in one commit, see below |
//!
//! A key is what comes after `/kv/`, slashes included, percent-decoded once. A value is served with
//! `nosniff` and a policy that lets it do nothing, and as an attachment unless it is of a type that
//! is not active.
//!
//! ```json
//! { "operations": [
//!   { "put": "orders/7", "text": "paid", "content_type": "text/plain", "if_none_match": "*" },
//!   { "put": "seen/7", "base64": "AAE=", "ttl": "1h" },
//!   { "delete": "carts/7" },
//!   { "get": "customers/3" } ] }
//! ```
//!
//! The answer has a list `results` in the same order. If a precondition does not hold, the answer is
//! 412, and nothing is written. How many operations a batch has, and how large its body is, is
//! bounded by [`Limits::max_batch_operations`](crate::Limits::max_batch_operations) and
//! [`Limits::max_body_bytes`](crate::Limits::max_body_bytes); a
//! value by itself is bounded by [`Settings::with_max_value_bytes`].

mod batch;
mod budget;
mod entry;
mod error;
mod etag;
mod file;
pub(crate) mod http;
mod key;
mod reads;
mod settings;
mod shared;
mod snapshot;
mod stats;
mod store;
mod tables;
mod transaction;
mod writer;

pub use batch::{Action, Batch, Outcome, Put, Stored, Value};
pub use entry::{ContentType, Entry};
pub use error::Error;
pub use etag::{ETag, Precondition, Tags, TagsError};
pub use key::{Key, KeyError};
pub use settings::Settings;
pub use stats::Stats;
pub use store::Kv;
pub use tables::Page;
pub use writer::Compacted;
