//! Batches: the items of some pages, where they lie in the bodies that came, and what is after them.

use std::{
    mem::MaybeUninit,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use serde::de::IgnoredAny;
use vantage_api_pool::{Error, paging::Page};

use crate::{
    arguments::{address_of, place, vap_slice},
    border::{ErrorSlot, State, border},
    buffer::{give, vap_buf},
    handles::{TABLE, vap_handle},
};

/// The items of one page.
pub(crate) struct PageItems {
    page: Page<IgnoredAny>,
    /// What the items lie in.
    bytes: Vec<Bytes>,
    items: Vec<vap_slice>,
}

impl PageItems {
    /// Finds the items of a page.
    pub(crate) fn of(page: Page<IgnoredAny>) -> Result<Self, Error> {
        let body = page.bytes().clone();
        let within = body.as_ptr_range();
        let mut bytes = Vec::new();
        let mut items = Vec::new();
        for text in page.texts() {
            let text = text?.as_bytes();
            let own = text.as_ptr_range();
            if within.start <= own.start && own.end <= within.end {
                items.push(vap_slice { ptr: text.as_ptr(), len: text.len() });
            } else {
                // It was mended on its way, and lies elsewhere.
                let copy = Bytes::copy_from_slice(text);
                items.push(vap_slice { ptr: copy.as_ptr(), len: copy.len() });
                bytes.push(copy);
            }
        }
        bytes.push(body);
        Ok(Self { page, bytes, items })
    }

    pub(crate) fn count(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn size(&self) -> usize {
        self.page.bytes().len()
    }
}

/// The items of some pages, in order.
pub(crate) struct Batch {
    /// What the items lie in: it must be there as long as they are.
    _bytes: Vec<Bytes>,
    items: Vec<vap_slice>,
    size: usize,
    /// Behind a lock as it is not `Sync`.
    last: Mutex<Page<IgnoredAny>>,
}

impl Batch {
    pub(crate) fn of(page: PageItems) -> Self {
        let size = page.size();
        let PageItems { page, bytes, items } = page;
        Self { _bytes: bytes, items, size, last: Mutex::new(page) }
    }

    pub(crate) fn add(&mut self, mut page: PageItems) {
        self.size += page.size();
        self.items.append(&mut page.items);
        self._bytes.append(&mut page.bytes);
        self.last = Mutex::new(page.page);
    }

    pub(crate) fn count(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

/// The items of a batch, which last as long as it.
#[unsafe(no_mangle)]
pub extern "C" fn vap_batch_items(
    batch: vap_handle,
    items: Option<&mut MaybeUninit<*const vap_slice>>,
    count: Option<&mut MaybeUninit<usize>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let (items, count) = (place("items", items)?, place("count", count)?);
        items.write(std::ptr::null());
        count.write(0);
        let batch = TABLE.get::<Batch>(batch)?;
        items.write(address_of(&batch.items));
        count.write(batch.items.len());
        Ok(State::Ok)
    })
}

/// How many bytes the pages of a batch have.
#[unsafe(no_mangle)]
pub extern "C" fn vap_batch_bytes(
    batch: vap_handle,
    out: Option<&mut MaybeUninit<usize>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = place("out", out)?;
        out.write(0);
        out.write(TABLE.get::<Batch>(batch)?.size());
        Ok(State::Ok)
    })
}

/// The number of the last page of a batch.
#[unsafe(no_mangle)]
pub extern "C" fn vap_batch_page(
    batch: vap_handle,
    out: Option<&mut MaybeUninit<u64>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = place("out", out)?;
        out.write(0);
        let batch = TABLE.get::<Batch>(batch)?;
        out.write(batch.last.lock().unwrap_or_else(PoisonError::into_inner).number());
        Ok(State::Ok)
    })
}

/// The token with which a stream goes on after a batch.
#[unsafe(no_mangle)]
pub extern "C" fn vap_batch_token(
    batch: vap_handle,
    out: Option<&mut MaybeUninit<vap_buf>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        give(out, || {
            let batch = TABLE.get::<Batch>(batch)?;
            let last = batch.last.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(last.resume_token().to_text().into())
        })
    })
}
