//! The key-value store: by its handle, by its routes over raw sockets, and in processes that are
//! killed or have no room on their disk.

#![cfg(test)]
#![cfg(feature = "kv")]

mod bodies;
mod clock;
mod conditions;
mod disk;
mod expiry;
mod group;
mod http;
mod kills;
mod lists;
mod memory;
mod model;
mod paths;
mod process;
mod quota;
mod raw;
mod reports;
mod served;
mod store;
