//! Where the files of all streams lie: a local folder, or an object store.

use std::{ffi::OsStr, path::PathBuf, sync::Arc};

use object_store::{ObjectStore, ObjectStoreScheme, path::Path};
use url::Url;

use super::{folder::Folder, objects::Objects, store::Store};
use crate::sink::SinkError;

/// Where the files of all streams lie.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Local(PathBuf),
    Url(String),
    Objects(Arc<dyn ObjectStore>, String),
}

impl Place {
    /// The place of a path, or of a URL, which has a `://`.
    pub(super) fn of(location: &OsStr) -> Self {
        match location.to_str() {
            Some(text) if text.contains("://") => Self::Url(text.to_owned()),
            _ => Self::Local(location.into()),
        }
    }

    /// The files of the stream with this folder.
    pub(super) fn store(&self, folder: &str) -> Result<Box<dyn Store>, SinkError> {
        match self {
            Self::Local(path) => Ok(Box::new(Folder::at(path.join(folder)))),
            Self::Objects(store, prefix) => objects(Arc::clone(store), &parsed(prefix)?, folder),
            Self::Url(url) => of_url(url, folder),
        }
    }
}

fn objects(
    store: Arc<dyn ObjectStore>,
    prefix: &Path,
    folder: &str,
) -> Result<Box<dyn Store>, SinkError> {
    Ok(Box::new(Objects::open(store, prefix, folder)?))
}

fn parsed(prefix: &str) -> Result<Path, SinkError> {
    Path::parse(prefix).map_err(|error| {
        SinkError::lasting(format!("no object can have the name `{prefix}`")).because(error)
    })
}

fn of_url(text: &str, folder: &str) -> Result<Box<dyn Store>, SinkError> {
    let url = Url::parse(text).map_err(|error| {
        // It may have a password in it.
        SinkError::lasting("the place of the files is not a URL").because(error)
    })?;
    if url.scheme() == "file" {
        let path = url.to_file_path();
        let path =
            path.map_err(|()| SinkError::lasting(format!("`{url}` is not a local folder")))?;
        return Ok(Box::new(Folder::at(path.join(folder))));
    }
    let unknown = || {
        let scheme = url.scheme();
        SinkError::lasting(format!(
            "files cannot be written to `{scheme}://`: a place is a path, `s3://`, `gs://` or `az://`"
        ))
    };
    let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|_| unknown())?;
    let store = match scheme {
        ObjectStoreScheme::AmazonS3 => s3(&url)?,
        ObjectStoreScheme::GoogleCloudStorage => gcs(&url)?,
        ObjectStoreScheme::MicrosoftAzure => azure(&url)?,
        _ => return Err(unknown()),
    };
    objects(store, &prefix, folder)
}

#[cfg(feature = "s3")]
fn s3(url: &Url) -> Result<Arc<dyn ObjectStore>, SinkError> {
    let store = object_store::aws::AmazonS3Builder::from_env().with_url(url.as_str()).build();
    Ok(Arc::new(store.map_err(|error| not_set_up(url, error))?))
}

#[cfg(not(feature = "s3"))]
fn s3(url: &Url) -> Result<Arc<dyn ObjectStore>, SinkError> {
    Err(needs(url, "s3"))
}

#[cfg(feature = "gcs")]
fn gcs(url: &Url) -> Result<Arc<dyn ObjectStore>, SinkError> {
    let store = object_store::gcp::GoogleCloudStorageBuilder::from_env().with_url(url.as_str());
    Ok(Arc::new(store.build().map_err(|error| not_set_up(url, error))?))
}

#[cfg(not(feature = "gcs"))]
fn gcs(url: &Url) -> Result<Arc<dyn ObjectStore>, SinkError> {
    Err(needs(url, "gcs"))
}

#[cfg(feature = "azure")]
fn azure(url: &Url) -> Result<Arc<dyn ObjectStore>, SinkError> {
    let store = object_store::azure::MicrosoftAzureBuilder::from_env().with_url(url.as_str());
    Ok(Arc::new(store.build().map_err(|error| not_set_up(url, error))?))
}

#[cfg(not(feature = "azure"))]
fn azure(url: &Url) -> Result<Arc<dyn ObjectStore>, SinkError> {
    Err(needs(url, "azure"))
}

/// Built without the store of this URL.
#[cfg(not(all(feature = "s3", feature = "gcs", feature = "azure")))]
fn needs(url: &Url, feature: &str) -> SinkError {
    let scheme = url.scheme();
    SinkError::lasting(format!(
        "`{scheme}://` needs the feature `{feature}` of vantage-api-ingest, which this program was \
         built without"
    ))
}

#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
fn not_set_up(url: &Url, error: object_store::Error) -> SinkError {
    let host = url.host_str().unwrap_or_default();
    super::error::of_store(
        format!("`{}://{host}` cannot be reached with what is set", url.scheme()),
        error,
    )
}
