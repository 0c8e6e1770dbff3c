//! [pure] Checks a stream of a query.

use super::{Checks, JobDescription, StreamDescription};
use crate::description::{
    QueryFile, SchemaPolicy,
    file::{Failure, KeyPath},
};

/// The keys of a stream that say how rows of a table are read, or what becomes of their values.
const OF_TABLES: [&str; 9] = [
    "incremental",
    "windows",
    "for_each",
    "where",
    "nested",
    "columns",
    "reconcile",
    "prefetch",
    "sample",
];

impl Checks<'_> {
    pub(super) fn query(
        &self,
        keys: &KeyPath,
        job: &JobDescription,
        stream: &StreamDescription,
        query: &QueryFile,
    ) -> Result<(), Failure> {
        if query.name().is_empty() {
            return Err(self.fault(&keys.to("sql"), "names no file"));
        }
        let said = OF_TABLES.iter().find(|key| self.root.find(&keys.to(**key)).is_some());
        if let Some(key) = said {
            let message = "is for the rows of a `table`: here the query says which rows there are";
            return Err(self.fault(&keys.to(*key), message));
        }
        if !stream.checks.columns.is_empty() {
            let message = "are for the rows of a `table`: here only `rows` are checked";
            return Err(self.fault(&keys.to("checks").to("columns"), message));
        }
        if !matches!(stream.schema, SchemaPolicy::Evolve | SchemaPolicy::Freeze) {
            let message = "is for the rows of a `table`: here it is `evolve` or `freeze`";
            return Err(self.fault(&keys.to("schema"), message));
        }
        self.write(&keys.to("write"), job, stream, !stream.id.is_empty())
    }
}
