//! What a client without a pool makes of the body of a page.

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    data::{Item, Tally},
    job::Consumer,
};

/// A decoded page.
pub trait Body: Sized + Send + 'static {
    /// # Errors
    /// A body that is not the standard envelope.
    fn decode(body: &[u8]) -> anyhow::Result<Self>;

    /// How many pages there are, as this one says.
    fn total_pages(&self) -> anyhow::Result<u64>;

    fn consume(self, consumer: &mut Consumer);
}

/// The whole body as a JSON tree, from which the items are taken.
pub struct Tree(Value);

impl Body for Tree {
    fn decode(body: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(serde_json::from_slice(body)?))
    }

    fn total_pages(&self) -> anyhow::Result<u64> {
        self.0["pagination"]["total_pages"].as_u64().context("no number of pages")
    }

    fn consume(mut self, consumer: &mut Consumer) {
        if let Value::Array(items) = self.0["data"].take() {
            each(items, consumer, Tally::value);
        }
    }
}

/// The envelope in one pass, with the items as `T`.
#[derive(Deserialize)]
pub struct Envelope<T> {
    data: Vec<T>,
    pagination: Pagination,
}

#[derive(Deserialize)]
struct Pagination {
    total_pages: u64,
}

pub type Values = Envelope<Value>;
pub type Typed = Envelope<Item>;

impl Body for Values {
    fn decode(body: &[u8]) -> anyhow::Result<Self> {
        Ok(serde_json::from_slice(body)?)
    }

    fn total_pages(&self) -> anyhow::Result<u64> {
        Ok(self.pagination.total_pages)
    }

    fn consume(self, consumer: &mut Consumer) {
        each(self.data, consumer, Tally::value);
    }
}

impl Body for Typed {
    fn decode(body: &[u8]) -> anyhow::Result<Self> {
        Ok(serde_json::from_slice(body)?)
    }

    fn total_pages(&self) -> anyhow::Result<u64> {
        Ok(self.pagination.total_pages)
    }

    fn consume(self, consumer: &mut Consumer) {
        each(self.data, consumer, Tally::typed);
    }
}

/// Every client hands its consumer each item as its own.
pub fn each<T>(items: Vec<T>, consumer: &mut Consumer, count: impl Fn(&mut Tally, &T)) {
    for item in items {
        count(&mut consumer.tally, &item);
    }
}
