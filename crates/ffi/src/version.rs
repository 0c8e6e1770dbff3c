//! Which library this is.

use std::{os::raw::c_char, ptr};

use crate::border::border;

/// The version of the interface, also the number in the name of the shared library. Within one
/// number functions are only added.
#[unsafe(no_mangle)]
pub extern "C" fn vap_abi_version() -> u32 {
    border!(or 0, { 1 })
}

/// The release of the library, as a text that lasts as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn vap_version() -> *const c_char {
    border!(or ptr::null(), { concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast() })
}
