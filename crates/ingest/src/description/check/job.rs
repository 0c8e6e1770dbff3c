//! [pure] Checks a job as a whole.

use std::str::FromStr;

use croner::Cron;

use super::{Checks, JobDescription, StreamDescription, job_keys, stream_keys};
use crate::description::file::{Failure, KeyPath};

impl Checks<'_> {
    pub(super) fn job(&self, name: &str, job: &JobDescription) -> Result<(), Failure> {
        let keys = job_keys(name);
        self.schedule(&keys, job)?;
        if job.streams.is_empty() {
            return Err(self.fault(&keys.to("streams"), "a job needs a stream"));
        }
        for (index, stream) in job.streams.iter().enumerate() {
            let keys = stream_keys(name, index);
            let others = job.streams.iter().take(index);
            if others.clone().any(|other| other.name == stream.name) {
                let has_name = self.root.find(&keys.to("name")).is_some();
                let of = if stream.sql.is_some() { "sql" } else { "table" };
                let keys = keys.to(if has_name { "name" } else { of });
                let message = format!("there is another stream `{}` in this job", stream.name);
                return Err(self.fault(&keys, message));
            }
            self.stream(&keys, job, stream)?;
            if is_in_circle(job, stream) {
                let message = "goes in a circle: the other table is read for each row of this one";
                return Err(self.fault(&keys.to("for_each").to("table"), message));
            }
        }
        Ok(())
    }

    fn schedule(&self, keys: &KeyPath, job: &JobDescription) -> Result<(), Failure> {
        let Some(cron) = &job.cron else { return Ok(()) };
        let keys = keys.to("cron");
        if job.every.is_some() {
            return Err(self.fault(&keys, "a job has `every` or `cron`, not both"));
        }
        match Cron::from_str(cron) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.fault(&keys, format!("`{cron}` is not a time of cron: {CRON}"))),
        }
    }
}

const CRON: &str = "write minute, hour, day, month and day of the week, as in `0 */6 * * *`";

/// Whether the table for each row of which a stream is read is itself only read for each row of
/// another, and so on without end.
fn is_in_circle(job: &JobDescription, stream: &StreamDescription) -> bool {
    let mut current = stream.for_each.as_ref();
    for _ in 0..=job.streams.len() {
        let Some(for_each) = current.filter(|for_each| !for_each.table.is_empty()) else {
            return false;
        };
        current = job.partitions_of(&for_each.table);
    }
    true
}
