//! What each command does.

pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod preview;
pub(crate) mod read;
pub(crate) mod reset;
pub(crate) mod run;
#[cfg(feature = "gateway")]
pub(crate) mod serve;
pub(crate) mod status;

use vantage_api_ingest::description::{Description, Reader};
use vantage_api_pool::AwwPool;

use crate::{arguments::File, failure::Failure};

/// Reads a description.
fn describe(file: &File) -> Result<Description, Failure> {
    let variables = file.variables.iter();
    let reader =
        variables.fold(Reader::new(), |reader, (name, value)| reader.variable(name, value));
    Ok(reader.read_file(&file.file)?)
}

/// The pool of a description.
fn pool(description: &Description) -> Result<AwwPool, Failure> {
    let builder = description.api.clone().builder().map_err(Failure::usage)?;
    builder.build().map_err(Failure::usage)
}
