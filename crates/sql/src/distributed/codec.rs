//! How scans go to another process and come out of a plan there.

use std::{fmt, sync::Arc};

use datafusion::{
    error::{DataFusionError, Result},
    execution::TaskContext,
    physical_plan::ExecutionPlan,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};

use super::wire::{Condition, ScanMessage};
use crate::{error::SqlError, known::Apis, pushdown::Request, scan::ApiScanExec, table::Source};

/// Knows scans of the tables of a session.
#[derive(Clone)]
pub(super) struct ScanCodec {
    pub(super) apis: Arc<Apis>,
}

impl ScanCodec {
    /// What is sent for a scan; `None` if no other process knows the table.
    pub(super) fn message(&self, scan: &ApiScanExec) -> Option<ScanMessage> {
        let (source, request) = (scan.source(), scan.request());
        let conditions = request.conditions.iter().map(Condition::of);
        let columns = scan.columns().into_iter();
        Some(ScanMessage {
            schema: self.apis.name_of(source)?,
            table: source.name.clone(),
            columns: columns.map(|column| (column.name, column.kind.to_string())).collect(),
            conditions: conditions.collect::<Option<_>>()?,
            orders: request.orders.clone(),
            fields: request.fields.clone(),
            limit: scan.limit(),
            partitions: scan.for_partitions(),
            range: scan.page_range().cloned(),
        })
    }

    /// The scan that a message asks for.
    fn scan(&self, message: ScanMessage) -> Result<ApiScanExec> {
        let ScanMessage { schema, table, range, limit, partitions, .. } = message;
        let refused =
            |what: &str| SqlError::Workers(format!("table `{schema}.{table}`: this worker {what}"));
        let api = self.apis.get(&schema);
        let api = api.ok_or_else(|| refused(&format!("knows no API `{schema}`")))?;
        let source = api.declared(&table);
        let source = source.ok_or_else(|| refused("knows no such table with declared columns"))?;
        let columns = message.columns.iter().map(|(name, kind)| {
            at(&source, name, kind)
                .ok_or_else(|| refused(&format!("knows no column `{name}` of the type {kind}")))
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let request = Request {
            conditions: message.conditions.into_iter().map(Into::into).collect(),
            orders: message.orders,
            fields: message.fields,
        };
        if !source.takes(&request.conditions, &request.orders) {
            return Err(refused("cannot ask for it by these conditions and orders").into());
        }
        ApiScanExec::asked(source, columns, request, limit, partitions, range)
    }
}

/// Where a column of this type is.
fn at(source: &Source, name: &str, kind: &str) -> Option<usize> {
    let mut columns = source.columns.all.iter();
    columns.position(|column| column.name == name && column.kind.to_string() == kind)
}

impl PhysicalExtensionCodec for ScanCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let message = ScanMessage::read(bytes).map_err(|what| {
            SqlError::Workers(format!("this worker does not know a node of the plan: {what}"))
        })?;
        Ok(Arc::new(self.scan(message)?))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let message = node.downcast_ref::<ApiScanExec>().and_then(|scan| self.message(scan));
        let message = message.ok_or_else(|| {
            let what = format!("a node `{}` cannot go to a worker", node.name());
            DataFusionError::NotImplemented(what)
        })?;
        Ok(message.write(bytes).map_err(SqlError::Workers)?)
    }
}

impl fmt::Debug for ScanCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanCodec").finish_non_exhaustive()
    }
}
