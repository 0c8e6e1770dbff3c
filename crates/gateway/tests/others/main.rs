//! The gateway before software that others wrote: its pages in Chromium, its description by
//! schemathesis. `run` beside this file installs both and runs the tests.

#![cfg(test)]

mod driver;
mod http;
mod process;

mod docs;
mod looks;
mod schemathesis;
mod status;
