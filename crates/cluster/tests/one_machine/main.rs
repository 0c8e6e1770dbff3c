//! A cluster in an SQLite file: processes of one machine, which are killed and frozen, and a file that
//! others lock, that is damaged, or that is of others.

#![cfg(test)]
#![cfg(unix)]

#[allow(dead_code)]
#[path = "../cluster/api.rs"]
mod api;
mod budget;
mod chaos;
mod child;
mod file;
mod files;
mod holds;
mod lost;
mod queue;
mod runs;
mod times;
