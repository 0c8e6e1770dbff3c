//! Inputs from public bug reports of other programs, each named where it is tested: what a user would
//! want of them.

#![cfg(test)]

mod cursors;
mod files;
mod moments;
mod names;
mod numbers;
mod pages;
mod parents;
mod replaced;
mod single;
mod texts;

#[path = "../faults/api.rs"]
#[expect(dead_code, reason = "the faults need more of it")]
mod api;
#[path = "../faults/setup.rs"]
#[expect(dead_code, reason = "the faults need more of it")]
mod setup;
#[path = "../files/support.rs"]
#[expect(dead_code, reason = "the tests of files need more of it")]
mod support;
