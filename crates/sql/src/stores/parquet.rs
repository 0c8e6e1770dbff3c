//! Copies in local Parquet, which DataFusion reads by itself.

use std::{
    path::{PathBuf, absolute},
    sync::Arc,
};

use datafusion::{
    arrow::datatypes::SchemaRef,
    datasource::{
        file_format::parquet::ParquetFormat,
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    error::{DataFusionError, Result},
};

use crate::error::SqlError;

/// The local folder of the files of `what`.
pub(super) fn folder_of(place: &str, what: &str) -> Result<PathBuf, SqlError> {
    let path = match place.strip_prefix("file://") {
        Some(path) => path,
        None if place.contains("://") => {
            let why = "Parquet in object stores is queried where it is, not by this session";
            return Err(SqlError::store(what, &why));
        }
        None => place,
    };
    absolute(path).map_err(|error| SqlError::store(what, &error))
}

/// The table that these files below a folder are, at least one.
pub(super) fn table(
    place: &std::path::Path,
    files: &[String],
    schema: SchemaRef,
) -> Result<ListingTable> {
    let urls = files.iter().map(|file| {
        let path = place.join(file);
        let url = url::Url::from_file_path(&path).map_err(|()| {
            DataFusionError::Plan(format!("{} is not a path of a file", path.display()))
        })?;
        ListingTableUrl::parse(url.as_str())
    });
    let options = ListingOptions::new(Arc::new(ParquetFormat::default()));
    let config = ListingTableConfig::new_with_multi_paths(urls.collect::<Result<_>>()?)
        .with_listing_options(options)
        .with_schema(schema);
    ListingTable::try_new(config)
}
