//! Workers: one actor, one Arbiter and one HTTP client each, one task per call.

mod actor;
mod attempt;
mod call;
mod context;
mod gates;
mod hedge;
mod hedging;
mod origin;
mod redirects;
mod retry;
mod tokens;

pub(crate) use actor::{Fill, Flush, Keep, Run, Worker};
pub(crate) use context::WorkerParts;
