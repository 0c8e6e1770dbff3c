//! What a job has written into SQLite, as Vistas for reading alone.
//!
//! `readers` has the threads that read a file, `clause` makes SQL of conditions, and `value` values
//! of what is read.

mod clause;
mod readers;
mod shell;
mod value;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use vantage_vista::{Column, ColumnFlag as Flag, Vista, VistaMetadata};

use crate::{
    description::{ColumnFlag, Description, SinkDescription, TableDescription},
    error::Error,
    schema::ColumnType,
    sink::{Target, sqlite::reading::written},
};
use readers::Readers;
use shell::{SqliteShell, Table};

/// The files that tables are in, each with its readers.
#[derive(Default)]
pub(super) struct Files {
    readers: HashMap<PathBuf, Arc<Readers>>,
}

impl Files {
    /// The table that a stream of a job has written.
    ///
    /// # Errors
    /// If it is not there, or cannot be served.
    pub(super) async fn table(
        &mut self,
        description: &Description,
        job: &str,
        stream: &str,
    ) -> Result<Vista, Error> {
        let described = description.jobs.get(job).ok_or_else(|| Error::NoJob(job.to_owned()))?;
        let SinkDescription::Sqlite(path) = &described.sink else {
            return Err(Error::Settings(format!("job `{job}` does not write into SQLite")));
        };
        let no_table = || Error::NoTable(stream.to_owned());
        let streams = &described.streams;
        let stream = streams.iter().find(|other| other.name == stream).ok_or_else(no_table)?;
        let behind = description.table_named(&stream.table).ok_or_else(no_table)?;
        let not_written = || Error::NotWritten { job: job.to_owned(), table: stream.name.clone() };
        if matches!(path.try_exists(), Ok(false)) {
            return Err(not_written());
        }
        let readers = self.readers(path)?;
        let target = Target::new(job, &stream.name, &behind.id, stream.write);
        let found = readers.read(move |connection| written(connection, &target)).await?;
        let found = found.ok_or_else(not_written)?;
        let id = behind.id.first().filter(|_| found.has_key).ok_or_else(|| {
            let table = &stream.name;
            Error::Settings(format!("the rows of table `{table}` have no key of one column"))
        })?;
        let metadata = metadata(id, &found.columns, behind);
        let table = Table::new(stream.name.clone(), id.clone(), found.columns, metadata);
        Ok(Vista::new(stream.name.clone(), SqliteShell::new(readers, table)))
    }

    fn readers(&mut self, path: &Path) -> Result<Arc<Readers>, Error> {
        if let Some(readers) = self.readers.get(path) {
            return Ok(Arc::clone(readers));
        }
        let readers = Arc::new(Readers::start(path)?);
        self.readers.insert(path.to_owned(), Arc::clone(&readers));
        Ok(readers)
    }
}

fn metadata(
    id: &str,
    columns: &[(String, ColumnType)],
    described: &TableDescription,
) -> VistaMetadata {
    let column = |(name, kind): &(String, ColumnType)| {
        let described = described.columns.get(name);
        let flags = described.map(|column| column.flags.as_slice()).unwrap_or_default();
        let flags = flags.iter().filter_map(|flag| flag_of(*flag));
        // What the API has added since is shown to nobody who does not ask for it by name.
        let unknown = (described.is_none() && name != id).then_some(Flag::Hidden);
        let ordered = (*kind != ColumnType::Json).then_some(Flag::Orderable);
        let own = (name == id).then_some(Flag::Id);
        let column = Column::new(name, kind.to_string());
        flags.chain(unknown).chain(ordered).chain(own).fold(column, Column::with_flag)
    };
    let metadata =
        columns.iter().map(column).fold(VistaMetadata::new(), VistaMetadata::with_column);
    metadata.with_id_column(id)
}

/// What is still true of a column that was copied.
fn flag_of(flag: ColumnFlag) -> Option<Flag> {
    match flag {
        ColumnFlag::Title => Some(Flag::Title),
        ColumnFlag::Searchable => Some(Flag::Searchable),
        ColumnFlag::Hidden => Some(Flag::Hidden),
        ColumnFlag::Label => Some(Flag::Other("label".to_owned())),
        ColumnFlag::Id
        | ColumnFlag::Orderable
        | ColumnFlag::Mandatory
        | ColumnFlag::RequestParam
        | ColumnFlag::Auto
        | ColumnFlag::Indexed => None,
    }
}
