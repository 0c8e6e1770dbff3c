//! `apipool preview`.

use vantage_api_pool::vantage::PoolTableExt;

use super::{describe, pool};
use crate::{arguments::Preview, failure::Failure, output};

pub(crate) fn run(preview: &Preview) -> Result<(), Failure> {
    let description = describe(&preview.file)?;
    let source = description.source(pool(&description)?);
    if let Some(name) = &preview.table
        && description.table_named(name).is_none()
    {
        return Err(Failure::usage(format_args!("there is no table `{name}`")));
    }
    let named = |name: &str| preview.table.as_ref().is_none_or(|wanted| wanted == name);
    for table in description.tables.iter().filter(|table| named(&table.name)) {
        output::line(format_args!("{}\n{}", table.name, table.table(&source).preview()));
    }
    Ok(())
}
