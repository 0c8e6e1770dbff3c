//! The pool, its streams, ingestion and the key-value store as a library for C and for what can
//! call C. `include/vantage_pool.h` is the contract and documents every function for its callers;
//! here is how it is kept.
//!
//! - Each exported function is one `border!`: no panic leaves it, and what fails becomes a code and
//!   an error object. `tests/interface.rs` checks that there is no other.
//! - What C holds are [handles](vap_handle), numbers that are looked up: one that was closed, is of
//!   another kind or was invented is an error. The only objects behind pointers are errors.
//! - Any function may be called from any thread. No lock is held while anything is waited for.
//! - Blocking calls run on the thread of their caller. What is submitted to a queue runs on one
//!   thread of the library, and jobs on one each.
//!
//! # Pointers
//!
//! The contract of every `unsafe` function is that of its header: a text or a block of bytes that
//! is given by its address and its length can be read for the length of the call, and a text whose
//! length is `SIZE_MAX` ends with a NUL. Addresses of results may be NULL, or can be written.
//! `#[unsafe(no_mangle)]` is sound as nothing else in a process defines names that begin with
//! `vap_` or `mantis_`.

#[cfg(panic = "abort")]
compile_error!("vantage-api-pool-ffi needs panic = \"unwind\": a panic becomes an error code");

#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "vantage-api-pool-ffi is for systems with 64 bits: some handles are handed out as pointers"
);

mod arguments;
mod batch;
mod border;
mod buffer;
mod cancel;
mod completion;
mod error;
mod event;
mod fork;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handles;
mod job;
mod kv;
mod log;
mod mantis;
mod options;
mod pool;
mod queue;
mod request;
mod response;
mod runtime;
mod stream;
mod submit;
mod tokens;
mod version;
mod wait;

pub use arguments::vap_slice;
pub use batch::*;
pub use buffer::{vap_buf, vap_buf_free, vap_buf_take};
pub use cancel::*;
pub use completion::vap_completion;
pub use error::*;
pub use handles::{vap_close, vap_handle, vap_handles_open};
pub use job::*;
pub use kv::*;
pub use log::*;
pub use mantis::*;
pub use pool::*;
pub use queue::{vap_queue_fd, vap_queue_next, vap_queue_open, vap_queue_wake};
pub use request::*;
pub use response::*;
pub use stream::{vap_stream_next, vap_stream_open};
pub use submit::*;
pub use version::*;
