//! [pure] What builds an item from its text, and a page of such items.

use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny};

use crate::pager::facts::PageInfo;

/// One decoded page.
pub(crate) struct DecodedPage<T> {
    pub(crate) items: Vec<T>,
    pub(crate) info: PageInfo,
}

/// Builds one item from its place in the page.
pub(crate) trait ItemDecoder: Send + Sync + 'static {
    type Item: Send + 'static;

    fn decode<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Self::Item, D::Error>;

    /// Whether a number of the item may have lost digits of its text.
    fn is_inexact(&self, _: &Self::Item) -> bool {
        false
    }

    /// The same item with all its digits, from its text.
    fn decode_exactly(&self, text: &str) -> Result<Self::Item, serde_json::Error> {
        self.decode(&mut serde_json::Deserializer::from_str(text))
    }

    /// The item at the start of `text`, and where it ends there.
    fn decode_text(&self, text: &str) -> Result<(Self::Item, usize), serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let item = self.decode(&mut json)?;
        let end = json.into_iter::<IgnoredAny>().byte_offset();
        if self.is_inexact(&item) {
            let item = self.decode_exactly(text.get(..end).unwrap_or(text))?;
            return Ok((item, end));
        }
        Ok((item, end))
    }

    /// The item in `text`, which holds nothing else.
    fn decode_whole(&self, text: &str) -> Result<Self::Item, serde_json::Error> {
        let (item, end) = self.decode_text(text)?;
        serde_json::Deserializer::from_str(text.get(end..).unwrap_or_default()).end()?;
        Ok(item)
    }
}

/// Items of any type that serde can build.
pub(crate) struct Typed<T>(PhantomData<fn() -> T>);

impl<T> Typed<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: DeserializeOwned + Send + 'static> ItemDecoder for Typed<T> {
    type Item = T;

    fn decode<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}
