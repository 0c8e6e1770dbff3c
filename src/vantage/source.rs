//! [`PoolApi`] as Vantage's `TableSource`: translates, and delegates to `reads` and `writes`. What
//! a REST API cannot do is refused here, before any request.

use std::pin::Pin;

use async_trait::async_trait;
use ciborium::Value;
use futures::Stream;
use indexmap::IndexMap;
use vantage_core::Result;
use vantage_expressions::{
    Expression, ExpressiveEnum,
    traits::{
        associated_expressions::AssociatedExpression,
        datasource::{DataSource, ExprDataSource, defer_execute},
        expressive::DeferredFn,
    },
};
use vantage_table::{
    column::core::{Column, ColumnType},
    table::Table,
    traits::table_source::TableSource,
};
use vantage_types::{Entity, Record};

use super::{
    PoolApi, aggregate::Aggregate, condition::ApiCondition, error::unsupported, infer::Inference,
    reads::Read, related::Related, writes::Write,
};
use crate::coop::{CoopBudget, ITEM_COST};

impl PoolApi {
    /// The row in the form that the table's entity is read from.
    fn fitted<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
        mut row: Record<Value>,
    ) -> Result<Record<Value>> {
        let read = Read::of(self, table)?;
        if let Some(mut inference) = Inference::<E>::new(&self.schemas, &read.name, &read.columns) {
            inference.apply(&mut row);
        }
        Ok(row)
    }
}

impl DataSource for PoolApi {}

impl ExprDataSource<Value> for PoolApi {
    /// Resolves an expression that stands for one deferred value, such as
    /// [`TableSource::column_table_values_expr`]. An API runs no other expressions: those
    /// are `Unsupported`.
    async fn execute(&self, expression: &Expression<Value>) -> Result<Value> {
        let value = match expression.parameters.as_slice() {
            [ExpressiveEnum::Deferred(deferred)] if expression.template == "{}" => {
                deferred.call().await?
            }
            [ExpressiveEnum::Scalar(value)] if expression.template == "{}" => {
                return Ok(value.clone());
            }
            _ => return Err(unsupported("running an expression")),
        };
        match value {
            ExpressiveEnum::Scalar(value) => Ok(value),
            _ => Err(unsupported("running an expression")),
        }
    }

    fn defer(&self, expression: Expression<Value>) -> DeferredFn<Value> {
        defer_execute(self, expression)
    }
}

#[async_trait]
impl TableSource for PoolApi {
    type Column<Type>
        = Column<Type>
    where
        Type: ColumnType;
    type AnyType = Value;
    type Value = Value;
    type Id = String;
    type Source = String;
    type Condition = ApiCondition;

    fn eq_condition(field: &str, value: &str) -> Result<ApiCondition> {
        Ok(ApiCondition::eq(field, value))
    }

    fn eq_value_condition(&self, field: &str, value: Value) -> Result<ApiCondition> {
        Ok(ApiCondition::eq(field, value))
    }

    fn in_values_condition(&self, field: &str, values: Vec<Value>) -> Result<ApiCondition> {
        Ok(ApiCondition::is_in(field, values))
    }

    fn condition_equality(&self, condition: &ApiCondition) -> Option<(String, Value)> {
        match condition {
            ApiCondition::Eq { field, value } => Some((field.clone(), value.clone())),
            _ => None,
        }
    }

    fn describe_condition(&self, condition: &ApiCondition) -> String {
        condition.to_string()
    }

    fn condition_column(&self, condition: &ApiCondition) -> Option<String> {
        condition.narrowed_field().map(str::to_owned)
    }

    /// Each write through a narrowed table is confined to its rows or refused.
    fn can_confine_writes(&self) -> bool {
        self.settings.has_writes()
    }

    fn create_column<Type: ColumnType>(&self, name: &str) -> Column<Type> {
        Column::new(name)
    }

    fn to_any_column<Type: ColumnType>(&self, column: Column<Type>) -> Column<Value> {
        Column::from_column(column)
    }

    fn convert_any_column<Type: ColumnType>(&self, column: Column<Value>) -> Option<Column<Type>> {
        Some(Column::from_column(column))
    }

    fn expr(
        &self,
        template: impl Into<String>,
        parameters: Vec<ExpressiveEnum<Value>>,
    ) -> Expression<Value> {
        Expression::new(template, parameters)
    }

    fn search_table_condition<E: Entity<Value>>(
        &self,
        _table: &Table<Self, E>,
        search_value: &str,
    ) -> ApiCondition {
        ApiCondition::Search { text: search_value.to_owned() }
    }

    fn related_in_condition<E: Entity<Value> + 'static>(
        &self,
        target_field: &str,
        source_table: &Table<Self, E>,
        source_column: &str,
    ) -> ApiCondition {
        ApiCondition::Related(Related::new(target_field, source_table, source_column))
    }

    async fn list_table_values<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
    ) -> Result<IndexMap<String, Record<Value>>> {
        let read = Read::of(self, table)?.resolved().await?;
        let mut inference = Inference::<E>::new(&self.schemas, &read.name, &read.columns);
        let mut rows = read.list().await?;
        if let Some(inference) = &mut inference {
            let mut coop = CoopBudget::default();
            for row in rows.values_mut() {
                inference.apply(row);
                coop.spend((1 + row.len()) * ITEM_COST);
                coop.yield_if_spent().await;
            }
        }
        Ok(rows)
    }

    fn stream_table_values<'a, E: Entity<Value> + 'a>(
        &'a self,
        table: &Table<Self, E>,
    ) -> Pin<Box<dyn Stream<Item = Result<(String, Record<Value>)>> + Send + 'a>> {
        let read = Read::of(self, table);
        Box::pin(async_stream::try_stream! {
            let read = read?.resolved().await?;
            let mut inference = Inference::<E>::new(&self.schemas, &read.name, &read.columns);
            let mut pages = read.pages().await?;
            while let Some(page) = pages.next().await {
                for (id, mut row) in page? {
                    inference.as_mut().map(|inference| inference.apply(&mut row));
                    yield (id, row);
                }
            }
        })
    }

    async fn get_table_value<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
        id: &String,
    ) -> Result<Option<Record<Value>>> {
        let read = Read::of(self, table)?.resolved().await?;
        let inference = Inference::<E>::new(&self.schemas, &read.name, &read.columns);
        let mut row = read.get(id).await?;
        inference.zip(row.as_mut()).map(|(mut inference, row)| inference.apply(row));
        Ok(row)
    }

    async fn get_table_some_value<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
    ) -> Result<Option<(String, Record<Value>)>> {
        let read = Read::of(self, table)?.resolved().await?;
        let inference = Inference::<E>::new(&self.schemas, &read.name, &read.columns);
        let mut row = read.some().await?;
        inference.zip(row.as_mut()).map(|(mut inference, (_, row))| inference.apply(row));
        Ok(row)
    }

    async fn get_table_count<E: Entity<Value>>(&self, table: &Table<Self, E>) -> Result<i64> {
        let count = Read::of(self, table)?.resolved().await?.count().await?;
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// The values of `column` in every row that has it, as a list, read when the expression
    /// is executed.
    fn column_table_values_expr<'a, E: Entity<Value> + 'static, Type: ColumnType>(
        &'a self,
        table: &Table<Self, E>,
        column: &Column<Type>,
    ) -> AssociatedExpression<'a, Self, Value, Vec<Type>> {
        let (api, table, column) = (self.clone(), table.clone(), column.name().to_owned());
        let values = DeferredFn::new(move || {
            let (api, table, column) = (api.clone(), table.clone(), column.clone());
            Box::pin(async move {
                let rows = api.list_table_values(&table).await?;
                let (mut values, mut coop) = (Vec::new(), CoopBudget::default());
                for mut row in rows.into_values() {
                    values.extend(row.swap_remove(&column));
                    coop.spend((1 + row.len()) * ITEM_COST);
                    coop.yield_if_spent().await;
                }
                Ok(ExpressiveEnum::Scalar(Value::Array(values)))
            })
        });
        let expression = Expression::new("{}", vec![ExpressiveEnum::Deferred(values)]);
        AssociatedExpression::new(expression, self)
    }

    async fn get_table_sum<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
        column: &Column<Value>,
    ) -> Result<Value> {
        Read::of(self, table)?.resolved().await?.aggregate(Aggregate::Sum, column.name()).await
    }

    async fn get_table_max<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
        column: &Column<Value>,
    ) -> Result<Value> {
        Read::of(self, table)?.resolved().await?.aggregate(Aggregate::Max, column.name()).await
    }

    async fn get_table_min<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
        column: &Column<Value>,
    ) -> Result<Value> {
        Read::of(self, table)?.resolved().await?.aggregate(Aggregate::Min, column.name()).await
    }

    async fn insert_table_value<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
        id: &String,
        record: &Record<Value>,
    ) -> Result<Record<Value>> {
        let stored = Write::of(self, table).await?.insert(id, record).await?;
        self.fitted(table, stored)
    }

    async fn replace_table_value<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
        id: &String,
        record: &Record<Value>,
    ) -> Result<Record<Value>> {
        let stored = Write::of(self, table).await?.replace(id, record).await?;
        self.fitted(table, stored)
    }

    async fn patch_table_value<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
        id: &String,
        partial: &Record<Value>,
    ) -> Result<Record<Value>> {
        let stored = Write::of(self, table).await?.patch(id, partial).await?;
        self.fitted(table, stored)
    }

    async fn delete_table_value<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
        id: &String,
    ) -> Result<()> {
        Write::of(self, table).await?.delete(id).await
    }

    async fn delete_table_all_values<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
    ) -> Result<()> {
        Write::of(self, table).await?.delete_all().await
    }

    async fn insert_table_return_id_value<E: Entity<Value>>(
        &self,
        table: &Table<Self, E>,
        record: &Record<Value>,
    ) -> Result<String> {
        Write::of(self, table).await?.insert_return_id(record).await
    }
}
