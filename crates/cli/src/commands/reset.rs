//! `apipool reset`.

use vantage_api_ingest::Job;

use super::describe;
use crate::{
    arguments::Reset,
    failure::{Failure, unknown},
    output,
};

pub(crate) async fn run(reset: &Reset) -> Result<(), Failure> {
    let description = describe(&reset.file)?;
    let Some(described) = description.jobs.get(&reset.job) else {
        return Err(unknown("the description has no job", &reset.job, description.jobs.keys()));
    };
    let names = described.streams.iter().map(|stream| &stream.name);
    if let Some(stream) = &reset.stream
        && !names.clone().any(|name| name == stream)
    {
        return Err(unknown("the job has no stream", stream, names));
    }
    let job = Job::new(&description, &reset.job)?;
    job.reset(reset.stream.as_deref(), reset.drop).await?;
    let stream = reset.stream.as_deref().map_or(String::new(), |stream| format!(".{stream}"));
    output::line(format_args!("{}{stream} begins anew with its next run", reset.job));
    Ok(())
}
