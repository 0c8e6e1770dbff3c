//! Workers: one actor, one Arbiter and one HTTP client each, one task per call.

mod actor;
mod attempt;
#[cfg(vantage_bench)]
pub(crate) mod bench_support;
mod call;
mod elsewhere;
mod gates;
mod hedge;
mod kit;
mod origin;
mod redirects;
mod retry;
mod tokens;

pub(crate) use actor::{Fill, Flush, Keep, Run, Worker};
pub(crate) use kit::Parts as WorkerParts;
pub(crate) use origin::Origins;
pub(crate) use tokens::TokenLines;
