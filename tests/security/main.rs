//! Faults that a review of the security found, each with its input: a test named
//! `security_NN_…` for each.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod budgets;
mod bytes;
mod conditions;
mod enforcer;
mod handed_out;
mod handles;
mod origins;
mod schemes;
mod secrets;
mod tenants;
mod token_source;
