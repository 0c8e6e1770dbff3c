//! Queries over worker processes on the loopback interface, each of which reads from an API of its own
//! with the same rows, so that it is known who has asked for what.

#![cfg(test)]

mod divided;
mod kept;
mod lost;
mod process;
mod relay;
mod trust;
mod world;

#[allow(dead_code, reason = "the other tests use all of it")]
#[path = "../suite/support/mod.rs"]
mod support;
