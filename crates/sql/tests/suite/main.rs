//! SQL over APIs: what is asked for, and whether the rows are those of the same query over local rows.

#![cfg(test)]

mod cancelled;
mod catalogs;
mod equal;
mod explained;
mod external;
mod failures;
mod joins;
mod queries;
mod reported;
mod reports;
mod requests;
mod stores;
mod support;
mod typed;
mod vistas;
mod world;
mod written;
