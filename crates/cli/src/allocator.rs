//! The allocator of the program. Rows are many small pieces, for which that of glibc takes a quarter
//! of what it costs to serve them; large buffers it gives back sooner than others.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ptr,
};

use mimalloc::MiMalloc;

/// What is larger is the system's.
const MAX_SMALL: usize = 8 * 1024;

/// Small pieces by mimalloc, the rest by the system. Which of them has a piece follows from its size,
/// which whoever frees it knows.
struct BySize;

#[global_allocator]
static ALLOCATOR: BySize = BySize;

fn is_small(size: usize) -> bool {
    size <= MAX_SMALL
}

// SAFETY: each call goes to an allocator that keeps this contract, and a piece always to the one that
// has made it: the size in its layout is the one that it was made with.
unsafe impl GlobalAlloc for BySize {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match is_small(layout.size()) {
            true => unsafe { MiMalloc.alloc(layout) },
            false => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match is_small(layout.size()) {
            true => unsafe { MiMalloc.alloc_zeroed(layout) },
            false => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match is_small(layout.size()) {
            true => unsafe { MiMalloc.dealloc(piece, layout) },
            false => unsafe { System.dealloc(piece, layout) },
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match (is_small(layout.size()), is_small(size)) {
            (true, true) => unsafe { MiMalloc.realloc(piece, layout, size) },
            (false, false) => unsafe { System.realloc(piece, layout, size) },
            // The other allocator has it from here on.
            _ => unsafe {
                let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(piece, moved, layout.size().min(size));
                    self.dealloc(piece, layout);
                }
                moved
            },
        }
    }
}
