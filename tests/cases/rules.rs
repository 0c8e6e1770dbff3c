//! Answers that mean something else than their status says, what a token endpoint may answer,
//! who a client of the enforcer is, and what of the runtime is relied upon.

mod answers;
mod field;
mod ignored;
mod runtime;
mod tokens;
mod waiting;
