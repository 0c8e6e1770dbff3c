//! `apipool reset`.

use vantage_api_ingest::{
    Job,
    description::{JobDescription, WriteMode},
};

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
    if !reset.drop {
        note_kept(&job, described, reset.stream.as_deref()).await?;
    }
    job.reset(reset.stream.as_deref(), reset.drop).await?;
    let stream = reset.stream.as_deref().map_or(String::new(), |stream| format!(".{stream}"));
    output::line(format_args!("{}{stream} begins anew with its next run", reset.job));
    Ok(())
}

/// Notes of which streams rows are there that stay beside those that are read anew.
pub(super) async fn note_kept(
    job: &Job,
    described: &JobDescription,
    stream: Option<&str>,
) -> Result<(), Failure> {
    for (name, state) in job.status().await? {
        let is_appended =
            described.streams.iter().any(|own| own.name == name && own.write == WriteMode::Append);
        if is_appended && state.run > 0 && stream.is_none_or(|stream| stream == name) {
            let job = job.name();
            output::note(format_args!(
                "{job}.{name}: the rows that it has appended stay, and all come once more beside them: \
                 `apipool reset FILE {job} {name} --drop` deletes them"
            ));
        }
    }
    Ok(())
}
