//! Gives a table the relations that a description says it has. A relation leads to the bare table,
//! without relations of its own: one step is followed at a time.

use ciborium::Value;
use indexmap::IndexMap;
use vantage_core::Result;
use vantage_types::Record;
use vantage_vista::{
    Column, ColumnFlag, JoinKey, Reference, TableShell, Transaction, Vista, VistaMetadata,
    build_contained_vista, forward_table_shell, unknown_relation,
};

use crate::description::{ColumnDescription, ContainedDescription, ContainedKind, ReferenceKind};

/// The relations of a table.
#[derive(Clone, Default)]
pub(super) struct Relations {
    references: Vec<Reference>,
    targets: IndexMap<String, Vista>,
    contained: IndexMap<String, VistaMetadata>,
}

impl Relations {
    /// Adds a relation to another table. `key` has the id column of this one, and the foreign key.
    pub(super) fn refer(
        &mut self,
        name: &str,
        kind: ReferenceKind,
        (id, foreign_key): (&str, &str),
        target: Vista,
    ) {
        let to = target.name().to_owned();
        self.references.push(match kind {
            ReferenceKind::HasOne => {
                Reference::has_one(name, to, JoinKey::to_target_id(foreign_key))
            }
            ReferenceKind::HasMany => Reference::has_many(name, to, JoinKey::new(id, foreign_key)),
        });
        self.targets.insert(name.to_owned(), target);
    }

    /// Adds the records in a column.
    pub(super) fn contain(&mut self, name: &str, contained: &ContainedDescription) {
        let ContainedDescription { host_column, kind, id_column, columns } = contained;
        self.references.push(match kind {
            ContainedKind::ContainsOne => Reference::contains_one(name, host_column),
            ContainedKind::ContainsMany => Reference::contains_many(name, host_column),
        });
        let column = |(name, column): (&String, &ColumnDescription)| {
            let is_id = id_column.as_ref() == Some(name);
            let column = Column::new(name, column.kind.to_string());
            if is_id { column.with_flag(ColumnFlag::Id) } else { column }
        };
        let columns = columns.iter().map(column);
        let mut schema = columns.fold(VistaMetadata::new(), VistaMetadata::with_column);
        if let Some(id) = id_column {
            if !schema.columns.contains_key(id) {
                schema = schema.with_column(Column::untyped(id).with_flag(ColumnFlag::Id));
            }
            schema = schema.with_id_column(id);
        }
        self.contained.insert(name.to_owned(), schema);
    }

    /// The table with these relations.
    pub(super) fn added_to(self, vista: Vista) -> Vista {
        if self.references.is_empty() {
            return vista;
        }
        vista.map_shell(|inner| {
            let metadata = inner.metadata().clone();
            let references = self.references.iter().cloned();
            let metadata = references.fold(metadata, VistaMetadata::with_reference);
            Related { inner, metadata, relations: self }
        })
    }
}

/// A table with relations.
#[derive(Clone)]
struct Related {
    inner: Box<dyn TableShell>,
    metadata: VistaMetadata,
    relations: Relations,
}

forward_table_shell!(Related, inner, {
    fn metadata(&self) -> &VistaMetadata {
        &self.metadata
    }

    fn get_ref(&self, relation: &str, row: Option<&Record<Value>>) -> Result<Vista> {
        let Some(reference) = self.metadata.references.get(relation) else {
            return Err(unknown_relation(relation));
        };
        if let Some(schema) = self.relations.contained.get(relation) {
            let host = reference.host_column.as_deref().unwrap_or_default();
            let host = row.and_then(|row| row.get(host));
            return build_contained_vista(reference, schema.clone(), host, None, None);
        }
        let Some(target) = self.relations.targets.get(relation) else {
            return self.inner.get_ref(relation, row);
        };
        match row {
            Some(row) => reference.narrow(target.clone(), row),
            None => Ok(target.clone()),
        }
    }

    fn rebind(&self, transaction: &Transaction) -> Result<Box<dyn TableShell>> {
        Ok(Box::new(Self { inner: self.inner.rebind(transaction)?, ..self.clone() }))
    }
});
