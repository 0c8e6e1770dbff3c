//! Jobs that processes of one machine run over an SQLite file: workers, who begins runs, who looks, and a
//! gateway that works as well.

#![cfg(test)]
#![cfg(unix)]

mod serve;
#[allow(dead_code)]
#[path = "../serve/support.rs"]
mod support;
mod worker;
