//! What jobs have written into SQLite, and tables of an API, as Vistas of a gateway.

#![cfg(test)]

mod reads;
mod relations;
mod reports;
mod support;
