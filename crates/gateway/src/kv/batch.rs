//! [pure] What a call asks the store to do, and what it is told.

use std::{collections::HashSet, fmt, time::Duration};

use bytes::{Bytes, BytesMut};

use super::{ContentType, Entry, Error, Key, Precondition};

/// A value to be written.
///
/// ```
/// use std::time::Duration;
/// use vantage_api_gateway::kv::{ContentType, Put};
///
/// let put = Put::new("hello")
///     .with_content_type(ContentType::new("text/plain")?)
///     .with_ttl(Duration::from_secs(60));
/// # drop(put);
/// # Ok::<(), vantage_api_gateway::kv::Error>(())
/// ```
#[derive(Clone)]
pub struct Put {
    pub(super) value: Bytes,
    pub(super) content_type: ContentType,
    pub(super) ttl: Option<Duration>,
    pub(super) condition: Precondition,
}

impl Put {
    /// The longest time to live: 100 years of 365.25 days.
    pub const MAX_TTL: Duration = Duration::from_secs(100 * 31_557_600);

    /// These bytes, of type `application/octet-stream`, for ever.
    #[must_use]
    pub fn new(value: impl Into<Bytes>) -> Self {
        Self {
            value: value.into(),
            content_type: ContentType::default(),
            ttl: None,
            condition: Precondition::default(),
        }
    }

    /// Sets the media type.
    #[must_use]
    pub fn with_content_type(mut self, content_type: ContentType) -> Self {
        self.content_type = content_type;
        self
    }

    /// Lets the value go after this time, counted from the commit: 1 ms to 100 years.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Writes only if this holds.
    #[must_use]
    pub fn when(mut self, condition: Precondition) -> Self {
        self.condition = condition;
        self
    }
}

impl fmt::Debug for Put {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, content_type, ttl, condition } = self;
        formatter
            .debug_struct("Put")
            .field("bytes", &value.len())
            .field("content_type", content_type)
            .field("ttl", ttl)
            .field("condition", condition)
            .finish()
    }
}

/// One operation of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Reads the value.
    Get,
    /// Writes a value.
    Put(Put),
    /// Deletes the value, if this holds.
    Delete(Precondition),
}

/// Operations of one commit: all are carried out, or none.
///
/// Each key may be named once, so their order does not matter: preconditions are judged, and values
/// read, as things were before the batch.
///
/// ```
/// use vantage_api_gateway::kv::{Batch, Precondition, Put};
///
/// let batch = Batch::new()
///     .put("orders/7".parse()?, Put::new("paid").when(Precondition::absent()))
///     .delete("carts/7".parse()?, Precondition::default())
///     .get("customers/3".parse()?);
/// assert_eq!(batch.len(), 3);
/// # Ok::<(), vantage_api_gateway::kv::KeyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    pub(super) operations: Vec<(Key, Action)>,
    pub(super) most_read: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { operations: Vec::new(), most_read: 8 << 20 }
    }
}

impl Batch {
    /// The most operations of a batch.
    pub const MAX_OPERATIONS: usize = 10_000;

    /// A batch without operations.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the writing of a value.
    #[must_use]
    pub fn put(self, key: Key, put: Put) -> Self {
        self.with(key, Action::Put(put))
    }

    /// Adds the deletion of a value, if this holds.
    #[must_use]
    pub fn delete(self, key: Key, condition: Precondition) -> Self {
        self.with(key, Action::Delete(condition))
    }

    /// Adds the reading of a value.
    #[must_use]
    pub fn get(self, key: Key) -> Self {
        self.with(key, Action::Get)
    }

    /// Adds an operation.
    #[must_use]
    pub fn with(mut self, key: Key, action: Action) -> Self {
        self.operations.push((key, action));
        self
    }

    /// How many bytes the values to be read may have together: 8 MiB by default. Nothing of a
    /// batch that would read more is carried out.
    #[must_use]
    pub fn reading_at_most(mut self, bytes: usize) -> Self {
        self.most_read = bytes;
        self
    }

    /// How many operations it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether it stores anything.
    pub(super) fn puts(&self) -> bool {
        self.operations.iter().any(|(_, action)| matches!(action, Action::Put(_)))
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many bytes the values to be written have.
    pub(super) fn bytes(&self) -> usize {
        self.operations
            .iter()
            .map(|(_, action)| match action {
                Action::Put(put) => put.value.len(),
                Action::Get | Action::Delete(_) => 0,
            })
            .sum()
    }

    /// For how many bytes it counts while it waits: its values, and something for each operation.
    pub(super) fn weight(&self) -> usize {
        self.bytes() + self.operations.len() * 256
    }

    pub(super) fn validate(&self, max_value_bytes: usize, max_bytes: usize) -> Result<(), Error> {
        let count = self.operations.len();
        if !(1..=Self::MAX_OPERATIONS).contains(&count) {
            return Err(Error::BatchLength { count, most: Self::MAX_OPERATIONS });
        }
        let mut keys = HashSet::with_capacity(count);
        for (index, (key, action)) in self.operations.iter().enumerate() {
            if !keys.insert(key) {
                return Err(Error::DuplicateKey { index, key: key.clone() });
            }
            let Action::Put(put) = action else { continue };
            let bytes = put.value.len();
            if bytes > max_value_bytes {
                return Err(Error::ValueTooLarge {
                    key: key.clone(),
                    bytes,
                    most: max_value_bytes,
                });
            }
            let bounds = Duration::from_millis(1)..=Put::MAX_TTL;
            if put.ttl.is_some_and(|ttl| !bounds.contains(&ttl)) {
                return Err(Error::Ttl);
            }
        }
        match self.bytes() {
            bytes if bytes > max_bytes => {
                Err(Error::BatchTooLarge { bytes: bytes as u64, most: max_bytes })
            }
            _ => Ok(()),
        }
    }
}

/// What became of one operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// What was there before the batch.
    Got(Option<Value>),
    /// The value was written.
    Put(Stored),
    /// Whether there was a value to delete.
    Deleted(bool),
}

/// A value that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// What is known of it.
    pub entry: Entry,
    /// Whether there was none before.
    pub is_new: bool,
}

/// A value that was read.
#[derive(Clone)]
pub struct Value {
    pub(super) entry: Entry,
    pub(super) parts: Vec<Bytes>,
}

impl Value {
    /// What is known of it.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Its bytes: copied into one piece if it has more than 64,000.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        let bytes = self.parts.iter().map(Bytes::len).sum();
        let mut parts = self.parts.into_iter();
        match (parts.next(), parts.len()) {
            (None, _) => Bytes::new(),
            (Some(only), 0) => only,
            (Some(first), _) => {
                let mut whole = BytesMut::with_capacity(bytes);
                whole.extend_from_slice(&first);
                parts.for_each(|part| whole.extend_from_slice(&part));
                whole.freeze()
            }
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Value").field("entry", &self.entry).finish_non_exhaustive()
    }
}
