//! [pure] What is known of a value besides its bytes, and the row of the store that holds it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{ETag, Error};

/// What is known of a value besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// How many bytes the value has.
    pub size: u64,
    /// The media type that it was written with.
    pub content_type: ContentType,
    /// Its version.
    pub etag: ETag,
    /// When the key got its first value since it was last absent.
    pub created: SystemTime,
    /// When this value was written.
    pub updated: SystemTime,
    /// From when on it is no longer there, to the millisecond.
    pub expires: Option<SystemTime>,
}

/// A media type, such as `text/plain; charset=utf-8`: at most 255 visible ASCII characters with a
/// type, a slash and a subtype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType(Box<str>);

impl ContentType {
    /// Checks a media type.
    ///
    /// # Errors
    ///
    /// [`Error::ContentType`].
    pub fn new(text: &str) -> Result<Self, Error> {
        let essence = text.split(';').next().unwrap_or_default().trim_end();
        let is_token = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
        };
        let is_type =
            essence.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
        let is_field = text.len() <= 255 && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if is_type && is_field { Ok(Self(text.into())) } else { Err(Error::ContentType) }
    }

    /// The type as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ContentType {
    /// `application/octet-stream`: bytes of which nothing is known.
    fn default() -> Self {
        Self("application/octet-stream".into())
    }
}

/// The last millisecond that dates with a year of four digits can tell.
const LATEST: u64 = 253_402_300_799_999;

/// Milliseconds since the epoch; times before it are the epoch itself, and times beyond the year
/// 9999 its end.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(LATEST).min(LATEST)
}

/// When what is written now expires.
pub(super) fn expiry(now: u64, ttl: Option<Duration>) -> u64 {
    match ttl {
        None => NEVER,
        Some(ttl) => {
            now.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(LATEST)).min(LATEST)
        }
    }
}

fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}

/// An entry as the store keeps it: a head of 42 bytes, the content type, and a short value itself.
/// A long one is kept in chunks under its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) version: u64,
    pub(super) size: u64,
    pub(super) created: u64,
    pub(super) updated: u64,
    /// `NEVER` if it does not.
    pub(super) expires: u64,
    pub(super) content_type: ContentType,
}

/// The expiry of what does not expire.
pub(super) const NEVER: u64 = u64::MAX;
/// The longest value that lies in its row, in bytes. With the longest key such a row fits a page
/// of 4 KiB.
pub(super) const INLINE: usize = 1_024;
/// How many bytes of a longer value one chunk has: with its key, a little less than 64 KiB.
pub(super) const CHUNK: usize = 64_000;

impl Row {
    /// The row, with the value in it if it is short.
    pub(super) fn encode(&self, value: &[u8]) -> Vec<u8> {
        let content_type = self.content_type.as_str().as_bytes();
        let inline = if value.len() <= INLINE { value } else { &[] };
        let mut row = Vec::with_capacity(42 + content_type.len() + inline.len());
        for number in [self.version, self.size, self.created, self.updated, self.expires] {
            row.extend_from_slice(&number.to_be_bytes());
        }
        // At most 255, see `ContentType::new`.
        let length = u16::try_from(content_type.len()).unwrap_or(u16::MAX);
        row.extend_from_slice(&length.to_be_bytes());
        row.extend_from_slice(content_type);
        row.extend_from_slice(inline);
        row
    }

    /// The row and the short value that lies in it; nothing if these bytes are not a row.
    pub(super) fn decode(row: &[u8]) -> Option<(Self, &[u8])> {
        let mut rest = row;
        let mut number = || {
            let (head, tail) = rest.split_first_chunk::<8>()?;
            rest = tail;
            Some(u64::from_be_bytes(*head))
        };
        let (version, size, created, updated, expires) =
            (number()?, number()?, number()?, number()?, number()?);
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (content_type, inline) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let content_type = ContentType(std::str::from_utf8(content_type).ok()?.into());
        let expected = if size <= INLINE as u64 { size } else { 0 };
        let is_whole = inline.len() as u64 == expected
            && created.max(updated) <= LATEST
            && (expires <= LATEST || expires == NEVER);
        let row = Self { version, size, created, updated, expires, content_type };
        is_whole.then_some((row, inline))
    }

    /// How many chunks the value has: none if it lies in the row.
    pub(super) fn chunks(&self) -> u32 {
        if self.size <= INLINE as u64 {
            return 0;
        }
        u32::try_from(self.size.div_ceil(CHUNK as u64)).unwrap_or(u32::MAX)
    }

    pub(super) fn is_alive(&self, now: u64) -> bool {
        self.expires > now
    }

    pub(super) fn entry(&self, store: u64) -> Entry {
        Entry {
            size: self.size,
            content_type: self.content_type.clone(),
            etag: ETag::new(store, self.version),
            created: time(self.created),
            updated: time(self.updated),
            expires: (self.expires != NEVER).then(|| time(self.expires)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(size: u64) -> Row {
        let content_type = ContentType::new("text/plain; charset=utf-8").unwrap();
        Row { version: 7, size, created: 1, updated: 2, expires: NEVER, content_type }
    }

    #[test]
    fn a_row_is_read_back_with_its_short_value() {
        for size in [0, 1, INLINE] {
            let (row, value) = (row(size as u64), vec![7; size]);
            assert_eq!(Row::decode(&row.encode(&value)), Some((row.clone(), value.as_slice())));
            assert_eq!(row.chunks(), 0);
        }
        let long = row(INLINE as u64 + 1);
        assert_eq!(Row::decode(&long.encode(&[7; INLINE + 1])), Some((long.clone(), &[][..])));
        assert_eq!(long.chunks(), 1);
        assert_eq!(row(CHUNK as u64 * 2 + 1).chunks(), 3);
    }

    #[test]
    fn bytes_that_are_no_row_are_told_from_rows() {
        let whole = row(3).encode(b"abc");
        for length in 0..whole.len() {
            assert_eq!(Row::decode(&whole[..length]), None, "{length}");
        }
        assert_eq!(Row::decode(&[whole, vec![0]].concat()), None);
    }

    #[test]
    fn times_have_years_of_four_digits() {
        assert_eq!(millis(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(millis(UNIX_EPOCH + Duration::from_secs(1 << 40)), LATEST);
        assert_eq!(expiry(1, None), NEVER);
        assert_eq!(expiry(1, Some(Duration::from_millis(2))), 3);
        assert_eq!(expiry(1, Some(Duration::MAX)), LATEST);
        let late = Row { updated: LATEST + 1, ..row(0) };
        assert_eq!(Row::decode(&late.encode(&[])), None);
    }

    #[test]
    fn a_content_type_is_a_header_field_with_a_type_and_a_subtype() {
        for good in ["text/plain", "application/vnd.a+json;v=1", "a/b ; c=\"d\""] {
            assert_eq!(ContentType::new(good).unwrap().as_str(), good);
        }
        let long = format!("text/{}", "x".repeat(251));
        for bad in ["", "text", "/", "a/", "/b", "a b/c", "a/b\r\nX: y", "a/é", long.as_str()] {
            assert!(ContentType::new(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some((row, value)) = Row::decode(&bytes) {
                prop_assert_eq!(row.encode(value), bytes);
            }
        }
    }
}
