//! Inputs from public bug reports and from servers in the field, each of which some client
//! got wrong: a test named `case_NN_…` for each, and tests for others of its kind.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod limits;
mod paging;
mod reads;
mod robustness;
mod rules;
mod servers;
mod writes;
