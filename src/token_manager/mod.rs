//! Tokens: where they come from, which one serves a call, and the actor that keeps them fresh.
//!
//! `token` is what sources hand out and `credentials` what a pool or a handle is given; a `set`
//! is what becomes of that: `slots` decides when a slot of it is renewed, `actor` runs its
//! source, workers find what that got in its `cache`, and `refusals` say for which 401s there is
//! another one. Which token serves is decided in `rate_limit`.

pub(crate) mod actor;
mod cache;
mod credentials;
mod inside;
mod refusals;
mod set;
mod slots;
mod token;

pub(crate) use actor::{Issue, TokenManager};
pub use credentials::{Credentials, TokenSource};
pub(crate) use inside::Signs;
pub(crate) use set::{TokenSet, no_token};
pub(crate) use slots::Issued;
pub use token::Token;
