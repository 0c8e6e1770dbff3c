//! What must hold at the border for any settings, paths and descriptions. The tests here hold some
//! to it, and the target in `fuzz/` searches further.

use std::{mem::MaybeUninit, os::raw::c_char, sync::OnceLock};

use crate::{
    error::{E_PANIC, vap_error},
    handles::{vap_close, vap_handle},
    job::vap_job_open,
    pool::{vap_pool_open, vap_pool_set_token},
    request::{vap_request_header, vap_request_new, vap_request_query},
    stream::vap_stream_open,
};

type Place<T> = MaybeUninit<T>;
type Error = Option<Box<vap_error>>;

/// Makes a call with places for a handle and an error: what is in them must fit the code.
fn call(make: impl FnOnce(&mut Place<vap_handle>, &mut Place<Error>) -> i32) -> vap_handle {
    let (mut handle, mut error) = (MaybeUninit::new(0), MaybeUninit::new(None));
    let code = make(&mut handle, &mut error);
    // SAFETY: they had values before the call, and a call leaves one.
    let (handle, error) = unsafe { (handle.assume_init(), error.assume_init()) };
    assert_ne!(code, E_PANIC);
    assert_eq!(code < 0, error.is_some(), "{code}");
    assert!(code == 0 || handle == 0, "{code}");
    handle
}

fn close(mut handle: vap_handle) {
    assert_eq!(vap_close(Some(&mut handle), None), 0);
    assert_eq!(handle, 0);
}

/// A text as C hands it over.
fn parts(text: &[u8]) -> (*const c_char, usize) {
    (text.as_ptr().cast(), text.len())
}

/// A pool that sends nothing.
fn pool() -> vap_handle {
    static POOL: OnceLock<vap_handle> = OnceLock::new();
    *POOL.get_or_init(|| {
        let (config, len) = parts(b"{base_url: 'http://127.0.0.1:1', auth: {bearer: x}}");
        // SAFETY: the text is there.
        let pool = call(|out, err| unsafe { vap_pool_open(config, len, Some(out), Some(err)) });
        assert_ne!(pool, 0);
        pool
    })
}

/// Opens all that is opened by texts with the two that the first NUL divides. Nothing is sent.
pub fn texts(input: &[u8]) {
    let nul = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (first, second) = input.split_at(nul);
    let (a, a_len) = parts(first);
    let (b, b_len) = parts(second.get(1..).unwrap_or_default());
    let (name, name_len) = parts(b"copy");
    // SAFETY: the texts of these calls are there, with their lengths.
    unsafe {
        close(call(|out, err| vap_pool_open(a, a_len, Some(out), Some(err))));
        close(call(|out, err| vap_stream_open(pool(), a, a_len, b, b_len, Some(out), Some(err))));
        close(call(|out, err| {
            vap_job_open(a, a_len, b, b_len, name, name_len, Some(out), Some(err))
        }));
        call(|_, err| vap_pool_set_token(pool(), 0, a, a_len, Some(err)));
        let request = call(|out, err| vap_request_new(a, a_len, b, b_len, Some(out), Some(err)));
        call(|_, err| vap_request_header(request, a, a_len, b, b_len, Some(err)));
        call(|_, err| vap_request_query(request, a, a_len, b, b_len, Some(err)));
        close(request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_or_refused() {
        let seeds: [&[u8]; 8] = [
            b"",
            b"\0",
            b"{base_url: 'http://x', auth: {bearer: [a, b]}}",
            b"/items?a=%zz&b\0{prefetch: 8, paging: {by: offset, param: skip}, resume: v1.x}",
            b"GET\0/a b\xc3\xa9?q",
            b"x-name\0value\r\nx: y",
            b"\xff\xfe\0{a: &a [*a, *a]}",
            b"{api: {base_url: 'http://x'}, tables: [{name: t}], jobs: {copy: {sink: {sqlite: t}, \
              streams: [{table: t}]}}}\0{A: b}",
        ];
        for seed in seeds {
            texts(seed);
            // Cut anywhere, and with each byte that has a meaning in YAML.
            for at in 0..seed.len() {
                texts(&seed[..at]);
                let mut other = seed.to_vec();
                other[at] = b"{}[]:,'\"#&*!|>%@\n\t\0"[at % 19];
                texts(&other);
            }
        }
    }
}
