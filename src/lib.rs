//! A supervised, actor-based client pool for paginated REST APIs.

#![allow(dead_code, unused_imports)]

mod error;
mod http;

pub use error::{Delivery, Error, ErrorKind};
pub use http::{Request, Response};
