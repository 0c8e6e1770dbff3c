//! Tokens: where they come from, which one serves a call, and the actor that keeps them fresh.
//!
//! `token` is what sources hand out and `auth` what a pool is given. `rotation` decides which
//! token serves, and `board` tells all workers of it; `ring` decides when a slot is renewed,
//! and `actor` runs the source.

pub(crate) mod actor;
mod auth;
mod board;
mod ring;
mod rotation;
mod token;

pub(crate) use actor::{Issue, TokenManager};
pub use auth::TokenSource;
pub(crate) use auth::{Auth, Callback};
pub(crate) use board::Board;
pub(crate) use ring::Issued;
pub use token::Token;
