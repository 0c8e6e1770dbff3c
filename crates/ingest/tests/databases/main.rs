//! The sinks of databases: what is in the tables after commits, and after what goes wrong. Every test
//! runs with SQLite and with a PostgreSQL that it starts itself.

#![cfg(test)]

mod children;
mod children_owners;
mod crash;
mod database;
mod faults;
mod jobs;
mod kills;
mod modes;
mod names;
mod owners;
mod postgres;
mod reports;
mod resets;
mod server;
mod sqlite;
mod support;
mod values;
mod widening;
