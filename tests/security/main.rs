//! Faults that a review of the security found, each with its input: a test named
//! `security_NN_…` for each.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod conditions;
mod enforcer;
mod handles;
mod secrets;
mod tenants;
