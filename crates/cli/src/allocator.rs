//! The allocator of the program. Rows are many small pieces, for which that of glibc takes a quarter
//! of what it costs to serve them.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc 2 and 3, which the binding has no name for.
const PURGE_DELAY: mi_option_t = 15;

/// Gives memory that is free back to the system after two milliseconds instead of a second, which
/// keeps the peak of a copy into files a third lower. `MIMALLOC_PURGE_DELAY` says otherwise.
#[allow(unsafe_code)]
pub(crate) fn give_back_soon() {
    // SAFETY: it sets a number of a known option, and no other thread runs yet.
    unsafe { mi_option_set_default(PURGE_DELAY, 2) };
}
