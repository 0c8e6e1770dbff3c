//! [pure] Where the items, the totals and the end are in a page. How a page is
//! taken apart is `decode`'s business.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// Where a page holds its items and what it says about the set.
///
/// The default is the standard envelope, and a bare array is read as well:
///
/// ```json
/// { "data": [ … ],
///   "pagination": { "page": 1, "per_page": 10, "total": 95,
///                   "total_pages": 10, "has_next": true, "has_prev": false } }
/// ```
///
/// Every field of `pagination` is optional, and so is the object.
///
/// ```
/// use vantage_api_pool::Envelope;
///
/// let nested = Envelope::items_at("result.rows").total_at("result.count");
/// let bare = Envelope::bare_array().total_in_header("x-total-count");
/// # let _ = (nested, bare);
/// ```
#[derive(Clone, Debug)]
pub struct Envelope {
    pub(super) items: Vec<String>,
    pub(super) accepts_bare_array: bool,
    pub(super) pagination: Vec<String>,
    pub(super) total: Option<Vec<String>>,
    pub(super) total_header: Option<String>,
    pub(super) no_content_is_empty: bool,
}

impl Default for Envelope {
    fn default() -> Self {
        Self { accepts_bare_array: true, ..Self::items_at("data") }
    }
}

impl Envelope {
    /// Items in the list at `path`: keys joined by dots, such as `result.rows`.
    #[must_use]
    pub fn items_at(path: &str) -> Self {
        Self {
            items: keys(path),
            accepts_bare_array: false,
            pagination: keys("pagination"),
            total: None,
            total_header: None,
            no_content_is_empty: false,
        }
    }

    /// The body is the list of items, with nothing around it.
    #[must_use]
    pub fn bare_array() -> Self {
        Self { accepts_bare_array: true, ..Self::items_at("") }
    }

    /// Where the object with `page`, `per_page`, `total`, `total_pages`,
    /// `has_next` is. The default is `pagination`.
    #[must_use]
    pub fn pagination_at(mut self, path: &str) -> Self {
        self.pagination = keys(path);
        self
    }

    /// Where the number of items in the whole set is, when it is not in the
    /// `pagination` object.
    #[must_use]
    pub fn total_at(mut self, path: &str) -> Self {
        self.total = Some(keys(path));
        self
    }

    /// The response header that holds the number of items in the whole set.
    #[must_use]
    pub fn total_in_header(mut self, name: &str) -> Self {
        self.total_header = Some(name.to_ascii_lowercase());
        self
    }

    /// Reads 204 and an empty body as a page without items. By default they are
    /// an [`ErrorKind::Decode`](crate::ErrorKind::Decode).
    #[must_use]
    pub fn no_content_is_empty(mut self, yes: bool) -> Self {
        self.no_content_is_empty = yes;
        self
    }

    /// The same envelope with the items in the list under `key` of the body.
    pub(crate) fn with_items_under(mut self, key: &str) -> Self {
        self.items = vec![key.to_owned()];
        self.accepts_bare_array = false;
        self
    }
}

fn keys(path: &str) -> Vec<String> {
    path.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

/// What a page says about the set. Every field is what the server claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Meta {
    #[serde(deserialize_with = "lenient_number")]
    pub(crate) page: Option<u64>,
    #[serde(deserialize_with = "lenient_number")]
    pub(crate) per_page: Option<u64>,
    #[serde(deserialize_with = "lenient_number")]
    pub(crate) total: Option<u64>,
    #[serde(deserialize_with = "lenient_number")]
    pub(crate) total_pages: Option<u64>,
    #[serde(deserialize_with = "lenient_flag")]
    pub(crate) has_next: Option<bool>,
}

/// `None` where the value has another shape, so that a strange hint never fails a page.
pub(super) struct Lenient<T>(pub(super) Option<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        // A list would be taken for the fields in their order.
        Ok(Self(if value.is_array() { None } else { T::deserialize(value).ok() }))
    }
}

/// A count as a number or as digits in a string.
#[derive(Deserialize)]
pub(super) struct Count(#[serde(deserialize_with = "lenient_number")] pub(super) Option<u64>);

fn lenient_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Number(number) => number.as_u64(),
        serde_json::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

fn lenient_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(serde_json::Value::deserialize(deserializer)?.as_bool())
}
