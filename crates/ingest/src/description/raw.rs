//! [pure] A part of a file that is read by whoever has its type.

use std::{fmt, path::PathBuf, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{
    error::DescriptionError,
    file::{self, KeyPath, Node},
};

/// Settings of a component that this crate does not depend on, such as the limits of a gateway: as
/// they are in the file, and not checked before they are [read](Self::read).
///
/// ```
/// use serde::Deserialize;
/// use vantage_api_ingest::description::Description;
///
/// #[derive(Debug, Default, Deserialize)]
/// #[serde(deny_unknown_fields, default)]
/// struct Limits {
///     max_filters: usize,
/// }
///
/// let yaml = "
/// api: { base_url: https://api.example.com }
/// gateway:
///   auth: none
///   kv: { path: values.redb }
///   limits: { max_filters: 7, max_rows: 8 }";
/// let gateway = Description::from_yaml(yaml)?.gateway.expect("there is one");
/// let error = gateway.limits.read::<Limits>().unwrap_err();
/// assert_eq!((error.line(), error.key()), (Some(6), "gateway.limits.max_rows"));
/// # Ok::<(), vantage_api_ingest::description::DescriptionError>(())
/// ```
#[derive(Clone, Default)]
pub struct RawSettings(Option<Arc<Raw>>);

struct Raw {
    node: Node,
    keys: KeyPath,
    source: Source,
}

/// The file of a description.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) text: Arc<str>,
    pub(super) file: Option<PathBuf>,
}

impl RawSettings {
    /// The settings at these keys of a file.
    pub(super) fn of(node: Node, keys: KeyPath, source: &Source) -> Self {
        Self(Some(Arc::new(Raw { node, keys, source: source.clone() })))
    }

    /// Reads the settings; those that the file does not have are the defaults.
    ///
    /// # Errors
    /// If they are not those of a `T`: with the place in the file, and the key.
    pub fn read<T: DeserializeOwned + Default>(&self) -> Result<T, DescriptionError> {
        let Some(raw) = &self.0 else { return Ok(T::default()) };
        file::read_node(&raw.node).map_err(|mut failure| {
            failure.keys.0.splice(..0, raw.keys.0.iter().cloned());
            DescriptionError::new(failure, &raw.source.text, raw.source.file.as_deref())
        })
    }
}

/// Reads nothing: the [`Reader`](super::Reader) sets it.
impl<'de> Deserialize<'de> for RawSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self::default())
    }
}

/// Without the settings, since a value may be that of a variable.
impl fmt::Debug for RawSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSettings").finish_non_exhaustive()
    }
}
