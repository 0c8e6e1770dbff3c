//! [pure] What the types of a description cannot say: defaults that depend on other keys, and
//! keys that contradict each other. A failure has the place in the file.

mod for_each;
mod gateway;
mod job;
mod query;
mod served;
mod stream;

use vantage_api_pool::PoolBuilder;

use super::{
    Description, ForEach, JobDescription, QueryFile, TableDescription,
    file::{Failure, KeyPath, Node, has_variable, unexpanded},
    stream::{StreamDescription, WriteMode},
};

/// Sets the defaults that depend on other keys. `root` is the file.
pub(super) fn complete(description: &mut Description, root: &Node) {
    let Description { tables, jobs, gateway, .. } = description;
    for (name, table) in gateway.iter_mut().flat_map(|gateway| &mut gateway.tables) {
        table.source.complete(name);
    }
    for table in tables.iter_mut() {
        table.id = table.key();
    }
    for (name, JobDescription { sink, streams, .. }) in jobs {
        for (index, stream) in streams.iter_mut().enumerate() {
            let table = tables.iter().find(|table| table.name == stream.table);
            let has_key = table.is_some_and(|table| !table.id.is_empty()) || !stream.id.is_empty();
            if root.find(&stream_keys(name, index).to("write")).is_none() {
                stream.write = match (has_key && sink.can_merge(), stream.reads_all()) {
                    (true, _) => WriteMode::Merge,
                    (false, false) => WriteMode::Append,
                    (false, true) => WriteMode::Replace,
                };
            }
            let keys = stream_keys(name, index);
            if let Some(for_each) = &mut stream.for_each {
                conceal(for_each, &keys.to("for_each").to("values"), root);
            }
            complete_stream(stream);
        }
    }
}

/// Notes which values are those of variables.
fn conceal(for_each: &mut ForEach, keys: &KeyPath, root: &Node) {
    let is_concealed =
        |name: &&String| root.find(&keys.to(name.as_str())).is_some_and(has_variable);
    for_each.concealed = for_each.values.keys().filter(is_concealed).cloned().collect();
}

fn complete_stream(stream: &mut StreamDescription) {
    let StreamDescription { name, table, sql, incremental, windows, .. } = stream;
    if name.is_empty() {
        *name = sql.as_ref().map_or_else(|| table.clone(), QueryFile::name);
    }
    let Some(incremental) = incremental else { return };
    if incremental.param.is_empty() {
        incremental.param.clone_from(&incremental.field);
    }
    if let Some(windows) = windows {
        windows.complete(incremental.format, incremental.start.as_deref());
    }
}

/// The way to a stream.
pub(super) fn stream_keys(job: &str, index: usize) -> KeyPath {
    job_keys(job).to("streams").to(index)
}

fn job_keys(job: &str) -> KeyPath {
    KeyPath::default().to("jobs").to(job)
}

fn gateway_keys() -> KeyPath {
    KeyPath::default().to("gateway")
}

fn table_keys(index: usize) -> KeyPath {
    KeyPath::default().to("tables").to(index)
}

/// Checks what the types do not.
///
/// # Errors
/// For the first contradiction.
pub(super) fn check(description: &Description, root: &Node) -> Result<(), Failure> {
    let checks = Checks { description, root };
    checks.api()?;
    checks.tables()?;
    description.jobs.iter().try_for_each(|(name, job)| checks.job(name, job))?;
    checks.gateway()
}

struct Checks<'a> {
    description: &'a Description,
    root: &'a Node,
}

impl Checks<'_> {
    /// What is wrong with the value at the end of a way, or with what is missing there.
    fn fault(&self, keys: &KeyPath, message: impl Into<String>) -> Failure {
        let message = unexpanded(message.into(), self.root);
        Failure { message, keys: keys.clone(), at: Some(self.root.nearest(keys).at) }
    }

    fn api(&self) -> Result<(), Failure> {
        let keys = KeyPath::default().to("api");
        let base_url = self.root.find(&keys.to("base_url")).and_then(Node::text);
        if base_url.is_none_or(str::is_empty) {
            return Err(self.fault(&keys, "the key `base_url` is missing"));
        }
        let built = self.description.api.clone().builder().and_then(PoolBuilder::build);
        let Err(error) = built else { return Ok(()) };
        Err(self.fault_of_settings(&[keys], &error.to_string()))
    }

    /// What is wrong with a setting below one of `places`, as the core says: first the keys
    /// that lead to it.
    /// If none of them has it, what is wrong is at the last of them that is there.
    fn fault_of_settings(&self, places: &[KeyPath], message: &str) -> Failure {
        let message = message.strip_prefix("config: ").unwrap_or(message);
        for place in places {
            let (mut keys, mut rest) = (place.clone(), message);
            while let Some((key, what)) = rest.split_once(": ")
                && self.root.find(&keys.to(key)).is_some()
            {
                (keys, rest) = (keys.to(key), what);
            }
            if keys != *place {
                return self.fault(&keys, rest);
            }
        }
        let there = places.iter().rev().find(|place| self.root.find(place).is_some());
        self.fault(there.or(places.last()).unwrap_or(&KeyPath::default()), message)
    }

    fn tables(&self) -> Result<(), Failure> {
        let tables = &self.description.tables;
        for (index, table) in tables.iter().enumerate() {
            let TableDescription { name, .. } = table;
            let keys = table_keys(index).to("name");
            if name.is_empty() {
                return Err(self.fault(&keys, "a table needs a name"));
            }
            if tables.iter().take(index).any(|other| other.name == *name) {
                return Err(self.fault(&keys, format!("there is another table `{name}`")));
            }
            let settings = table_keys(index).to("api");
            if let Err(error) = table.api.check_paging() {
                let places = [settings.clone(), settings.to("paging")];
                return Err(self.fault_of_settings(&places, &error.to_string()));
            }
        }
        Ok(())
    }
}
