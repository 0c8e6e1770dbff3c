//! [pure] Checks a table that is served.

use vantage_vista::Capability;

use super::{Checks, gateway_keys};
use crate::description::{
    GatewayDescription, GatewayTable, Operation, ReferenceDescription, ReferenceKind,
    SinkDescription, SourceDescription, TableDescription, WriteMode,
    file::{Failure, KeyPath},
};

impl Checks<'_> {
    pub(super) fn served(
        &self,
        gateway: &GatewayDescription,
        name: &str,
        table: &GatewayTable,
    ) -> Result<(), Failure> {
        let keys = gateway_keys().to("tables").to(name);
        if !is_name(name) {
            let message = "a name has 1 to 64 of the characters a-z A-Z 0-9 _ -";
            return Err(self.fault(&keys, message));
        }
        let behind = self.source(&keys.to("source"), name, table)?;
        self.sizes(&keys, table)?;
        self.operations(&keys, table)?;
        self.are_taken(&keys.to("operations"), behind, table)?;
        if let SourceDescription::Api { .. } = table.source {
            self.are_declared(&keys, behind, table)?;
        }
        for (index, relation) in table.relations.iter().enumerate() {
            let keys = keys.to("relations").to(index);
            self.relation(&keys, gateway, behind, &table.source, relation)?;
        }
        Ok(())
    }

    /// The table of the API whose rows are served.
    fn source(
        &self,
        keys: &KeyPath,
        name: &str,
        table: &GatewayTable,
    ) -> Result<&TableDescription, Failure> {
        if let SourceDescription::Job { job, table: stream } = &table.source {
            self.written(keys, job, stream)?;
        }
        let Some(behind) = self.description.table_behind(&table.source) else {
            let (SourceDescription::Api { table } | SourceDescription::Job { table, .. }) =
                &table.source;
            let message = match table == name {
                true => format!("the API has no table `{table}`: name one in `source`"),
                false => format!("the API has no table `{table}`"),
            };
            return Err(self.fault(keys, message));
        };
        match behind.id.as_slice() {
            [_] => Ok(behind),
            _ => {
                let of = &behind.name;
                let message = format!(
                    "the table `{of}` needs an `id` of one column, which is the address of a row"
                );
                Err(self.fault(keys, message))
            }
        }
    }

    /// Whether a job writes a stream so that its rows can be served.
    fn written(&self, keys: &KeyPath, job: &str, stream: &str) -> Result<(), Failure> {
        let Some(described) = self.description.jobs.get(job) else {
            return Err(self.fault(&keys.to("job"), format!("there is no job `{job}`")));
        };
        if !matches!(described.sink, SinkDescription::Sqlite(_)) {
            let kind = described.sink.kind();
            let message = format!("job `{job}` writes {kind}, and what is served is in SQLite");
            return Err(self.fault(&keys.to("job"), message));
        }
        let Some(written) = described.streams.iter().find(|other| other.name == stream) else {
            let message = format!("job `{job}` has no stream `{stream}`");
            return Err(self.fault(&keys.to("table"), message));
        };
        match written.write {
            WriteMode::Merge | WriteMode::Sync => Ok(()),
            WriteMode::Append | WriteMode::Replace => {
                let message = format!(
                    "stream `{stream}` may have rows of the same `id`: it needs `write: merge` or \
                     `write: sync`"
                );
                Err(self.fault(keys, message))
            }
        }
    }

    fn sizes(&self, keys: &KeyPath, table: &GatewayTable) -> Result<(), Failure> {
        let GatewayTable { page_size, max_page_size, .. } = table;
        for (key, size) in [("page_size", *page_size), ("max_page_size", *max_page_size)] {
            if size == 0 {
                return Err(self.fault(&keys.to(key), "must be above zero"));
            }
        }
        match page_size <= max_page_size {
            true => Ok(()),
            false => {
                let message = format!("is above `max_page_size`, which is {max_page_size}");
                Err(self.fault(&keys.to("page_size"), message))
            }
        }
    }

    fn operations(&self, keys: &KeyPath, table: &GatewayTable) -> Result<(), Failure> {
        let GatewayTable { operations, writable, write_only, max_bulk_rows, .. } = table;
        let is_job = matches!(table.source, SourceDescription::Job { .. });
        if is_job && !operations.is_empty() {
            let message = "what a job has written is served for reading alone";
            return Err(self.fault(&keys.to("operations"), message));
        }
        let sets = operations.iter().any(|operation| *operation != Operation::Delete);
        match (writable, write_only.as_slice()) {
            (None, []) if sets => {
                let message = "clients may set no column: name some in `writable`";
                return Err(self.fault(&keys.to("operations"), message));
            }
            (Some(_), _) if !sets => return Err(self.sets_nothing(&keys.to("writable"))),
            (_, [_, ..]) if !sets => return Err(self.sets_nothing(&keys.to("write_only"))),
            _ => {}
        }
        let many = [Operation::Patch, Operation::Delete];
        if *max_bulk_rows > 0 && !many.iter().any(|operation| operations.contains(operation)) {
            let message = "neither `patch` nor `delete` is among the `operations`";
            return Err(self.fault(&keys.to("max_bulk_rows"), message));
        }
        Ok(())
    }

    /// Whether the table of the API takes the operations.
    fn are_taken(
        &self,
        keys: &KeyPath,
        behind: &TableDescription,
        table: &GatewayTable,
    ) -> Result<(), Failure> {
        let api = behind.settings();
        for operation in &table.operations {
            let (name, needs) = match operation {
                Operation::Insert => ("insert", Capability::Insert),
                Operation::Replace => ("replace", Capability::Update),
                Operation::Patch => ("patch", Capability::Update),
                Operation::Delete => ("delete", Capability::Delete),
            };
            if !api.can_write(needs) {
                let message = format!(
                    "the `writes` of the table `{}` have no {needs}, which `{name}` needs: its \
                     `api` may have `writes: {{ style: rest }}`",
                    behind.name
                );
                return Err(self.fault(keys, message));
            }
        }
        Ok(())
    }

    fn sets_nothing(&self, keys: &KeyPath) -> Failure {
        let message = "no column is set: the `operations` have no `insert`, `replace` or `patch`";
        self.fault(keys, message)
    }

    /// Whether the table of the API declares the columns that are named.
    fn are_declared(
        &self,
        keys: &KeyPath,
        behind: &TableDescription,
        table: &GatewayTable,
    ) -> Result<(), Failure> {
        let optional = |columns: &Option<Vec<String>>| columns.clone().unwrap_or_default();
        for (key, columns) in [
            ("columns", optional(&table.columns)),
            ("writable", optional(&table.writable)),
            ("write_only", table.write_only.clone()),
            ("filterable", optional(&table.filterable)),
            ("require_filter", table.require_filter.clone()),
        ] {
            let is_declared =
                |name: &String| behind.columns.contains_key(name) || behind.id.contains(name);
            if let Some(index) = columns.iter().position(|name| !is_declared(name)) {
                let of = &behind.name;
                let message = format!("is not a column that the table `{of}` declares");
                return Err(self.fault(&keys.to(key).to(index), message));
            }
        }
        Ok(())
    }

    fn relation(
        &self,
        keys: &KeyPath,
        gateway: &GatewayDescription,
        behind: &TableDescription,
        source: &SourceDescription,
        relation: &str,
    ) -> Result<(), Failure> {
        let of = &behind.name;
        if let Some(contained) = behind.contained.get(relation) {
            return match contained.id_column {
                Some(_) => Ok(()),
                None => Err(self.fault(keys, "its records need an `id_column` to be served")),
            };
        }
        let Some(ReferenceDescription { table, kind, foreign_key }) =
            behind.references.get(relation)
        else {
            let message = format!("the table `{of}` has no relation `{relation}`");
            return Err(self.fault(keys, message));
        };
        if foreign_key.is_none() {
            let kind = match kind {
                ReferenceKind::HasOne => format!("column of `{of}`"),
                ReferenceKind::HasMany => format!("column of `{table}`"),
            };
            let message = format!("the relation needs a `foreign_key`, a {kind}");
            return Err(self.fault(keys, message));
        }
        match self.description.served_beside(gateway, source, table) {
            Some(_) => Ok(()),
            None => {
                let message =
                    format!("leads to the table `{table}`, which is not served from there");
                Err(self.fault(keys, message))
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_legal)
}
