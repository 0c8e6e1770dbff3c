//! Ready-made [`TokenSource`]s, and [`bearer`], the usual way to send a token.
//!
//! ```
//! use vantage_api_pool::{AwwPool, tokens::{FileTokens, bearer}};
//!
//! let pool = AwwPool::builder("https://api.example.com/v1")
//!     .token_source(1, FileTokens::new(["/run/secrets/api-token"]), bearer)
//!     .build()?;
//! # Ok::<(), vantage_api_pool::Error>(())
//! ```
//!
//! Their errors are an [`Error`](crate::Error) of [`ErrorKind::Token`](crate::ErrorKind::Token)
//! that names the variable, the file or the endpoint, and never its content.

#[cfg(feature = "oauth2")]
mod assertion;
mod auth;
mod bearer;
#[cfg(feature = "oauth2")]
mod client_credentials;
mod endpoint;
mod environment;
mod files;
mod fixed;
#[cfg(feature = "oauth2")]
mod grant;
#[cfg(feature = "oauth2")]
mod jwt_bearer;
mod names;
#[cfg(feature = "oauth2")]
mod oauth;
mod parts;
#[cfg(feature = "oauth2")]
mod refresh_file;
#[cfg(feature = "oauth2")]
mod refresh_token;
mod signature;
mod token_request;

pub use bearer::bearer;
#[cfg(feature = "oauth2")]
pub use client_credentials::ClientCredentials;
pub use environment::EnvTokens;
pub use files::FileTokens;
pub use fixed::StaticTokens;
#[cfg(feature = "oauth2")]
pub use jwt_bearer::JwtBearer;
pub use names::is_credential_name;
#[cfg(feature = "oauth2")]
pub use refresh_token::RefreshToken;
#[cfg(feature = "sigv4")]
pub use signature::AwsSignature;
pub use signature::{HmacSignature, TimestampFormat};
pub use token_request::TokenRequest;

pub use crate::token_manager::{Credentials, TokenSource};
