//! Tokens: where they come from, which one serves a call, and the actor that keeps them fresh.
//!
//! `token` is the type that sources return, `credentials` the input of a pool or a handle, and
//! `set` the shared state made from it: `slots` decides when a slot is refreshed, `actor` runs the
//! source, workers read its results from the set, and `unauthorized` decides which 401s lead to a
//! refresh. `rate_limit` decides which token a call uses.

pub(crate) mod actor;
mod credentials;
mod inside;
mod set;
mod slots;
mod token;
mod unauthorized;

pub(crate) use actor::{Issue, TokenManager};
pub use credentials::{Credentials, TokenSource};
pub(crate) use inside::ManagerThread;
pub(crate) use set::{TokenSet, no_token};
pub(crate) use slots::Issued;
pub use token::Token;
