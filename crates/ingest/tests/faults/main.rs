//! Jobs whose API, database or description fails them: whatever goes wrong, every row is there
//! exactly once in the end, or the report says in one sentence what is not.

#![cfg(test)]

mod api;
mod away;
mod children;
mod database;
mod delta;
mod disk;
mod ignored;
mod incremental;
mod newest_first;
mod pages;
mod parents;
mod partitions;
mod reconcile;
mod rejects;
mod schema;
mod setup;
mod truncation;
mod windows;
mod write;
