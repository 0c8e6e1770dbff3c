//! Extractors that are WebAssembly components. `builder` is how one is opened, `compiled` what is
//! made of its code and kept, `guest` a call of it and what that may cost, `engine` what runs all
//! of them.

mod builder;
mod compiled;
mod engine;
mod guest;

pub use builder::Wasm;
