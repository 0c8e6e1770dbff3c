//! What can only be seen of a whole process: its memory, threads and sockets, and
//! how it panics. The tests run one after the other.

#![cfg(test)]
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod environment;
mod hostility;
mod keys;
mod resources;
mod wire_memory;
