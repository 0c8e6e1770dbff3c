//! [pure] Checks a stream.

use super::{Checks, JobDescription, StreamDescription, WriteMode, table_keys};
use crate::description::{
    ColumnChange, ConditionOperator, Incremental, MomentFormat, Nested, Windows,
    file::{Failure, KeyPath, Node},
};

/// What a text of a format looks like.
fn example(format: MomentFormat) -> &'static str {
    match format {
        MomentFormat::Rfc3339 => "2024-01-31T12:00:00Z",
        MomentFormat::Unix => "1706702400",
        MomentFormat::UnixMs => "1706702400000",
        MomentFormat::Date => "2024-01-31",
        _ => "any text",
    }
}

impl Checks<'_> {
    pub(super) fn stream(
        &self,
        keys: &KeyPath,
        job: &JobDescription,
        stream: &StreamDescription,
    ) -> Result<(), Failure> {
        match (stream.table.is_empty(), &stream.sql) {
            (true, Some(query)) => return self.query(keys, job, stream, query),
            (true, None) if self.root.find(&keys.to("table")).is_none() => {
                return Err(self.fault(keys, "the key `table` is missing, or `sql`"));
            }
            (false, Some(_)) => {
                return Err(self.fault(&keys.to("sql"), "a stream has `table` or `sql`, not both"));
            }
            _ => {}
        }
        if !stream.id.is_empty() {
            let message = "is that of the table: a stream has one of its own with `sql` only";
            return Err(self.fault(&keys.to("id"), message));
        }
        let index = self.table_index(&keys.to("table"), &stream.table)?;
        let table = self.description.tables.get(index);
        let has_key = table.is_some_and(|table| !table.id.is_empty());
        self.write(&keys.to("write"), job, stream, has_key)?;
        if stream.nested == Nested::Children && !has_key {
            return Err(self.no_key(&keys.to("nested"), stream));
        }
        if let Some(incremental) = &stream.incremental {
            self.incremental(&keys.to("incremental"), incremental, stream)?;
            self.is_kept(&keys.to("columns"), stream, &incremental.field)?;
        }
        if stream.delta.is_some()
            && let Some(message) = stream.delta_fault()
        {
            return Err(self.fault(&keys.to("delta"), message));
        }
        if let Some(windows) = &stream.windows {
            self.windows(&keys.to("windows"), windows)?;
        }
        if let (Some(for_each), Some(table)) = (&stream.for_each, table) {
            self.for_each(&keys.to("for_each"), job, stream, for_each, (index, table))?;
        }
        self.placeholders(keys, stream, index)?;
        if stream.sample { Ok(()) } else { self.limits(stream, index) }
    }

    pub(super) fn table_index(&self, keys: &KeyPath, name: &str) -> Result<usize, Failure> {
        let index = self.description.tables.iter().position(|table| table.name == name);
        index.ok_or_else(|| self.fault(keys, format!("there is no table `{name}`")))
    }

    pub(super) fn write(
        &self,
        keys: &KeyPath,
        job: &JobDescription,
        stream: &StreamDescription,
        has_key: bool,
    ) -> Result<(), Failure> {
        if !matches!(stream.write, WriteMode::Merge | WriteMode::Sync) {
            return Ok(());
        }
        if !has_key {
            return Err(self.no_key(keys, stream));
        }
        if !job.sink.can_merge() {
            return Err(self.fault(keys, "files can only be appended to or replaced"));
        }
        Ok(())
    }

    fn no_key(&self, keys: &KeyPath, stream: &StreamDescription) -> Failure {
        if stream.sql.is_some() {
            let message = "needs the `id` of the stream: the columns whose values name a row";
            return self.fault(keys, message);
        }
        let message = format!("needs the `id` of the table `{}`, which has none", stream.table);
        self.fault(keys, message)
    }

    fn incremental(
        &self,
        keys: &KeyPath,
        incremental: &Incremental,
        stream: &StreamDescription,
    ) -> Result<(), Failure> {
        let (format, write) = (incremental.format, stream.write);
        if matches!(write, WriteMode::Replace | WriteMode::Sync) {
            let message = "leaves out rows, of which `write: replace` and `write: sync` need all";
            return Err(self.fault(keys, message));
        }
        if incremental.order.is_some() {
            self.order(keys, stream)?;
        }
        if format == MomentFormat::Text {
            let is_late = !incremental.lookback.is_zero();
            let message = "needs a `format` of times";
            return if is_late { Err(self.fault(&keys.to("lookback"), message)) } else { Ok(()) };
        }
        self.moment(&keys.to("start"), incremental.start.as_deref(), format)
    }

    /// Whether rows that are read in an order may be.
    fn order(&self, keys: &KeyPath, stream: &StreamDescription) -> Result<(), Failure> {
        if self.root.find(&keys.to("param")).is_some() {
            let message = "is not sent if there is an `order`: leave out one of them";
            return Err(self.fault(&keys.to("param"), message));
        }
        match stream.order_fault() {
            Some(message) => Err(self.fault(&keys.to("order"), message)),
            None => Ok(()),
        }
    }

    /// Whether a field that tells what is new comes as far as the rows.
    fn is_kept(
        &self,
        keys: &KeyPath,
        stream: &StreamDescription,
        field: &str,
    ) -> Result<(), Failure> {
        match stream.columns.get(field) {
            Some(ColumnChange::Drop) => {
                Err(self.fault(&keys.to(field), "`incremental` needs the field"))
            }
            _ => Ok(()),
        }
    }

    fn windows(&self, keys: &KeyPath, windows: &Windows) -> Result<(), Failure> {
        match windows.fault_of_split() {
            None => Ok(()),
            Some(("start", what)) if what.contains("missing") => {
                let message = "the key `start` is missing, here and in `incremental`";
                Err(self.fault(keys, message))
            }
            Some((key, what)) => Err(self.fault(&keys.to(key), what)),
        }
    }

    fn moment(
        &self,
        keys: &KeyPath,
        text: Option<&str>,
        format: MomentFormat,
    ) -> Result<(), Failure> {
        match text.filter(|text| format.parse(text).is_none()) {
            None => Ok(()),
            Some(text) => {
                let example = example(format);
                let message = format!("`{text}` is not of the `format`: write it as `{example}`");
                Err(self.fault(keys, message))
            }
        }
    }

    /// Whether each placeholder of the endpoint gets a value.
    fn placeholders(
        &self,
        keys: &KeyPath,
        stream: &StreamDescription,
        index: usize,
    ) -> Result<(), Failure> {
        let StreamDescription { for_each, conditions, incremental, windows, .. } = stream;
        let asked = incremental.as_ref().filter(|incremental| incremental.order.is_none());
        let has_value = |name: &str| {
            let gives =
                |operator| matches!(operator, ConditionOperator::Eq | ConditionOperator::In);
            for_each.as_ref().is_some_and(|for_each| for_each.binds(name))
                || conditions.iter().any(|c| c.column == name && gives(c.operator))
                || asked.is_some_and(|incremental| incremental.param == name)
                || windows.as_ref().is_some_and(|windows| windows.own_params().contains(&name))
        };
        let mut holes = self.endpoint_placeholders(index);
        if let Some(name) = holes.find(|name| !has_value(name)) {
            let message = format!("nothing fills `{{{name}}}` in the endpoint of the table");
            return Err(self.fault(&keys.to("table"), message));
        }
        let query = self.endpoint(index).and_then(|endpoint| endpoint.split_once('?'));
        let is_written = |name: &str| {
            let mut fields = query.map_or("", |(_, query)| query).split('&');
            fields.any(|field| field.split('=').next() == Some(name))
        };
        for name in self.body_placeholders(index) {
            if !has_value(name) && !is_written(name) {
                let message = format!("nothing fills `{{{name}}}` in the body of the table");
                return Err(self.fault(&keys.to("table"), message));
            }
            if let Some(Incremental { param, start: None, .. }) = asked
                && param == name
            {
                let message = format!("needs a `start`, to fill `{{{name}}}` in the body at first");
                return Err(self.fault(&keys.to("incremental"), message));
            }
        }
        Ok(())
    }

    /// The names of the placeholders in the endpoint of a table.
    pub(super) fn endpoint_placeholders(&self, index: usize) -> impl Iterator<Item = &str> {
        self.endpoint(index).map(placeholders).into_iter().flatten()
    }

    /// The names of the placeholders in the body of the requests for a table.
    pub(super) fn body_placeholders(&self, index: usize) -> Vec<&str> {
        let table = self.description.tables.get(index);
        table.map(|table| table.api.body_placeholders()).unwrap_or_default()
    }

    /// Whether the table may be read to its end.
    fn limits(&self, stream: &StreamDescription, index: usize) -> Result<(), Failure> {
        for limit in ["max_rows", "max_pages"] {
            let keys = table_keys(index).to("api").to(limit);
            if self.root.find(&keys).is_some() {
                let stream = &stream.name;
                let message = format!(
                    "cuts the stream `{stream}` short: leave it out, or say `sample: true` there"
                );
                return Err(self.fault(&keys, message));
            }
        }
        Ok(())
    }

    fn endpoint(&self, index: usize) -> Option<&str> {
        let keys = table_keys(index).to("api").to("endpoint");
        self.root.find(&keys).and_then(Node::text)
    }
}

/// The names in braces.
fn placeholders(endpoint: &str) -> impl Iterator<Item = &str> {
    let pieces = endpoint.split('{').skip(1);
    pieces.filter_map(|piece| piece.split_once('}')).map(|(name, _)| name)
}
