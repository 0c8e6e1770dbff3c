//! Drafts the description of a REST API: from what it answers, or from its OpenAPI specification.
//!
//! Nothing here sends anything. [`Discovery`] says what to ask next and is told what came, so that
//! any client can ask, and each decision can be tested with recorded answers:
//!
//! ```
//! use vantage_api_discover::{Discovery, Response, Settings, Step};
//!
//! # fn get(_: &vantage_api_discover::Request) -> Response {
//! #     Response::new(200, [], r#"[{"id": 1, "name": "Bonn"}, {"id": 2, "name": "Ulm"}]"#)
//! # }
//! let mut discovery = Discovery::new("https://api.example.com/v1/cities", Settings::default())?;
//! let draft = loop {
//!     match discovery.next_step() {
//!         Step::Request(request) => discovery.on_response(get(&request)),
//!         Step::Done(done) => break done?,
//!     }
//! };
//! println!("{}", draft.to_yaml());
//! # Ok::<(), vantage_api_discover::DiscoverError>(())
//! ```
//!
//! A [`Draft`] is the text of a description, in which a comment says of each choice whether a
//! request has shown it (`verified`) or it is a guess by names. Where the answers leave a choice
//! open there is no draft but a [`DiscoverError`]: what could not be found, and what to write by hand.
//! In particular, a page with as many rows as pages usually have is never taken for the whole set
//! only because nothing says that there is more.
//!
//! [`from_openapi`] reads OpenAPI 2.0, 3.0 and 3.1, in JSON or YAML.

mod api;
mod auth;
mod draft;
mod json_path;
mod names;
mod openapi;
mod types;
mod way;
mod yaml;

pub use api::{DiscoverError, Discovery, Request, Response, Settings, Step};
pub use auth::Auth;
pub use draft::Draft;
pub use openapi::{OpenApiError, from_openapi};
