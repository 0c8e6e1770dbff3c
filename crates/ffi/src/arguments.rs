//! What callers hand over: texts, bytes, and the places of results.

use std::{ffi::CStr, mem::MaybeUninit, os::raw::c_char, ptr, slice};

use crate::{error::Failure, handles::vap_handle};

/// Bytes that belong to something else, which its documentation names.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(non_camel_case_types, reason = "the name in C")]
pub struct vap_slice {
    /// Where they begin.
    pub ptr: *const u8,
    /// How many there are.
    pub len: usize,
}

// SAFETY: it is an address and a length. Whoever reads the bytes holds what they belong to.
unsafe impl Send for vap_slice {}
// SAFETY: as above.
unsafe impl Sync for vap_slice {}

/// Where these begin; NULL if there are none, as an address that leads nowhere is refused by Go.
pub(crate) fn address_of<T>(these: &[T]) -> *const T {
    if these.is_empty() { ptr::null() } else { these.as_ptr() }
}

/// The place of a result.
type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

/// A place that must be there.
pub(crate) fn place<'a, T>(name: &str, out: Out<'a, T>) -> Result<&'a mut MaybeUninit<T>, Failure> {
    out.ok_or_else(|| Failure::argument(format!("{name}: is NULL")))
}

/// The place of a handle, which is 0 until there is one.
pub(crate) fn empty<'a>(
    name: &str,
    out: Out<'a, vap_handle>,
) -> Result<&'a mut MaybeUninit<vap_handle>, Failure> {
    let out = place(name, out)?;
    out.write(0);
    Ok(out)
}

/// Bytes that must be there, though there may be none of them.
///
/// # Safety
/// `ptr` is NULL, or `len` bytes can be read there for `'a`.
pub(crate) unsafe fn bytes<'a>(
    name: &str,
    ptr: *const u8,
    len: usize,
) -> Result<&'a [u8], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if ptr.is_null() {
        return Err(Failure::argument(format!("{name}: is NULL")));
    }
    if len > isize::MAX as usize {
        return Err(Failure::argument(format!("{name}: its length is invalid")));
    }
    // SAFETY: the caller vouches for `len` bytes, which no object of more than `isize::MAX` has.
    Ok(unsafe { slice::from_raw_parts(ptr, len) })
}

/// A text that must be there.
///
/// # Safety
/// `ptr` is NULL, or `len` bytes can be read there for `'a`, and with `usize::MAX` all up to a NUL.
pub(crate) unsafe fn text<'a>(
    name: &str,
    ptr: *const c_char,
    len: usize,
) -> Result<&'a str, Failure> {
    // SAFETY: the same is asked of the caller.
    let text = unsafe { optional_text(name, ptr, len) }?;
    text.ok_or_else(|| Failure::argument(format!("{name}: is NULL")))
}

/// A text that is not there if its address is NULL.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_text<'a>(
    name: &str,
    ptr: *const c_char,
    len: usize,
) -> Result<Option<&'a str>, Failure> {
    if ptr.is_null() {
        return Ok(None);
    }
    let bytes = match len {
        // SAFETY: the caller vouches for a NUL at the end.
        usize::MAX => unsafe { CStr::from_ptr(ptr) }.to_bytes(),
        // SAFETY: the caller vouches for `len` bytes.
        len => unsafe { bytes(name, ptr.cast(), len) }?,
    };
    let text = std::str::from_utf8(bytes);
    text.map(Some).map_err(|_| Failure::argument(format!("{name}: is not UTF-8")))
}
