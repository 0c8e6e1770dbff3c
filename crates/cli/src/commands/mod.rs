//! What each command does.

pub(crate) mod check;
#[cfg(feature = "cluster")]
pub(crate) mod cluster;
pub(crate) mod connectors;
pub(crate) mod demo;
pub(crate) mod init;
pub(crate) mod preview;
pub(crate) mod read;
pub(crate) mod reset;
pub(crate) mod run;
#[cfg(feature = "gateway")]
pub(crate) mod serve;
#[cfg(feature = "sql")]
pub(crate) mod sql;
#[cfg(feature = "distributed")]
pub(crate) mod sql_worker;
pub(crate) mod status;

use vantage_api_ingest::description::{Description, Reader};
use vantage_api_pool::AwwPool;

use crate::{arguments::File, failure::Failure};

/// Reads a description: a file, or else the connector of that name.
fn describe(file: &File) -> Result<Description, Failure> {
    let named = connectors::named(&file.file);
    check_variables(file, named.map(|connector| connector.yaml))?;
    let variables = file.variables.iter();
    let reader =
        variables.fold(Reader::new(), |reader, (name, value)| reader.variable(name, value));
    let description = match named {
        Some(connector) => reader.read_yaml(connector.yaml)?,
        None => reader.read_file(&file.file)?,
    };
    #[cfg(feature = "gateway")]
    serve::check(&description)?;
    Ok(description)
}

/// Refuses variables of the command line that the description, `yaml` or a file, does not use. What can
/// be read only once is not looked at.
fn check_variables(file: &File, yaml: Option<&str>) -> Result<(), Failure> {
    if file.variables.is_empty() {
        return Ok(());
    }
    let text = match yaml {
        Some(yaml) => yaml.to_owned(),
        // That it cannot be read is told by who reads it.
        None if file.file.is_file() => match std::fs::read_to_string(&file.file) {
            Ok(text) => text,
            Err(_) => return Ok(()),
        },
        None => return Ok(()),
    };
    let is_used =
        |name: &str| ["}", ":-"].iter().any(|end| text.contains(&format!("${{{name}{end}")));
    match file.variables.iter().find(|(name, _)| !is_used(name)) {
        Some((name, _)) => {
            Err(Failure::usage(format_args!("--var {name}: the description has no `${{{name}}}`")))
        }
        None => Ok(()),
    }
}

/// A description with what runs the queries of its streams.
#[cfg(feature = "sql")]
fn with_queries(description: Description, pool: &AwwPool) -> Result<Description, Failure> {
    crate::sql::with_queries(description, pool)
}

/// A description, unless its streams have queries.
#[cfg(not(feature = "sql"))]
fn with_queries(description: Description, _: &AwwPool) -> Result<Description, Failure> {
    let mut streams = description.jobs.values().flat_map(|job| &job.streams);
    match streams.find_map(|stream| Some((stream, stream.sql.as_ref()?))) {
        None => Ok(description),
        Some((stream, query)) => {
            let (name, file) = (&stream.name, query.path.display());
            let what = format!("the stream `{name}` is a query, {file}, and this build has no SQL");
            Err(Failure::Usage(what).advising("build apipool with `--features sql`"))
        }
    }
}

/// The pool of a description.
fn pool(description: &Description) -> Result<AwwPool, Failure> {
    let builder = description.api.clone().builder().map_err(Failure::usage)?;
    builder.build().map_err(Failure::usage)
}
