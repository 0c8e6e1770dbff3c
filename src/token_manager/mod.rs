//! Tokens: where they come from, which one serves a call, and the actor that keeps them fresh.
//!
//! `token` is what sources hand out and `auth` what a pool is given, `ring` decides when a slot
//! is renewed, `actor` runs the source, and workers find what it got on the `shelf`. Which
//! token serves is decided in `rate_limit`.

pub(crate) mod actor;
mod auth;
mod ring;
mod shelf;
mod token;

pub(crate) use actor::{Issue, TokenManager};
pub use auth::TokenSource;
pub(crate) use auth::{Auth, Callback};
pub(crate) use ring::Issued;
pub(crate) use shelf::Shelf;
pub use token::Token;
