//! [pure] Checks what a stream is read once for.

use std::collections::HashMap;

use super::{Checks, JobDescription, StreamDescription, TableDescription};
use crate::description::{
    ConditionOperator, ForEach,
    file::{Failure, KeyPath},
    text_of, typed,
};

/// More combinations of fixed values are a mistake.
const MOST_COMBINATIONS: usize = 100_000;

impl Checks<'_> {
    pub(super) fn for_each(
        &self,
        keys: &KeyPath,
        job: &JobDescription,
        stream: &StreamDescription,
        for_each: &ForEach,
        (index, table): (usize, &TableDescription),
    ) -> Result<(), Failure> {
        let ForEach { table: parent, bind, values, .. } = for_each;
        match (parent.is_empty(), bind.is_empty()) {
            (false, true) => return Err(self.fault(&keys.to("bind"), "binds nothing")),
            (true, false) => {
                let message = "needs the `table` whose columns it names";
                return Err(self.fault(&keys.to("bind"), message));
            }
            (true, true) if values.is_empty() => {
                return Err(self.fault(keys, "the key `table` is missing, or `values`"));
            }
            (true, true) => {}
            (false, false) => self.parent(&keys.to("table"), job, parent)?,
        }
        for name in bind.keys() {
            self.bound(&keys.to("bind").to(name.as_str()), stream, name, (index, table))?;
        }
        let mut combinations = 1_usize;
        for (name, values) in values {
            let keys = keys.to("values").to(name.as_str());
            if bind.contains_key(name) {
                return Err(self.fault(&keys, "is bound by `bind` as well"));
            }
            self.bound(&keys, stream, name, (index, table))?;
            self.values(&keys, name, values, table)?;
            combinations = combinations.saturating_mul(values.len());
        }
        if combinations > MOST_COMBINATIONS {
            let message = format!(
                "are {combinations} combinations, more than the {MOST_COMBINATIONS} that a stream may have"
            );
            return Err(self.fault(&keys.to("values"), message));
        }
        Ok(())
    }

    /// Whether the rows of another table can be read for this one.
    fn parent(&self, keys: &KeyPath, job: &JobDescription, name: &str) -> Result<(), Failure> {
        let index = self.table_index(keys, name)?;
        let of_parent = job.partitions_of(name);
        let is_filled = |hole: &str| of_parent.is_some_and(|for_each| for_each.binds(hole));
        match self.endpoint_placeholders(index).find(|hole| !is_filled(hole)) {
            None => Ok(()),
            Some(hole) => {
                let message = format!(
                    "nothing fills `{{{hole}}}` of the table `{name}`: no stream of the job reads it \
                     `for_each` of what does"
                );
                Err(self.fault(keys, message))
            }
        }
    }

    /// Whether a name can be bound, and is not bound otherwise.
    fn bound(
        &self,
        keys: &KeyPath,
        stream: &StreamDescription,
        name: &str,
        (index, table): (usize, &TableDescription),
    ) -> Result<(), Failure> {
        let is_column = table.columns.contains_key(name) || table.id.iter().any(|id| id == name);
        let is_hole = self.endpoint_placeholders(index).any(|hole| hole == name)
            || self.body_placeholders(index).contains(&name);
        if !is_column && !is_hole {
            let table = &table.name;
            let message =
                format!("is neither a placeholder of the endpoint nor a column of `{table}`");
            return Err(self.fault(keys, message));
        }
        let StreamDescription { conditions, incremental, windows, .. } = stream;
        let is_given = |operator| matches!(operator, ConditionOperator::Eq | ConditionOperator::In);
        let other = if conditions.iter().any(|c| c.column == name && is_given(c.operator)) {
            "where"
        } else if incremental.as_ref().is_some_and(|incremental| incremental.param == name) {
            "incremental"
        } else if windows.as_ref().is_some_and(|windows| windows.own_params().contains(&name)) {
            "windows"
        } else {
            return Ok(());
        };
        Err(self.fault(keys, format!("gets a value by `{other}` as well")))
    }

    /// Whether there are values, each once, and all of the type of their column. None is quoted: it may
    /// be a part of that of a variable.
    fn values(
        &self,
        keys: &KeyPath,
        name: &str,
        values: &[ciborium::Value],
        table: &TableDescription,
    ) -> Result<(), Failure> {
        if values.is_empty() {
            return Err(self.fault(keys, "has no value: nothing would be read"));
        }
        let kind = table.columns.get(name).map(|column| column.kind);
        let mut seen = HashMap::new();
        for (place, value) in values.iter().enumerate() {
            let keys = match self.root.find(&keys.to(place)) {
                Some(_) => keys.to(place),
                None => keys.clone(),
            };
            let typed = kind.map_or_else(|| Some(value.clone()), |kind| typed(value, kind));
            let Some(text) = typed.as_ref().and_then(text_of) else {
                let kind = kind.map_or_else(String::new, |kind| kind.to_string());
                let message = format!("value {} is no `{kind}`, as the column is", place + 1);
                return Err(self.fault(&keys, message));
            };
            if let Some(before) = seen.insert(text, place) {
                let message = format!("value {} is the same as value {}", place + 1, before + 1);
                return Err(self.fault(&keys, message));
            }
        }
        Ok(())
    }
}
