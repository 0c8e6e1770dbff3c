//! `apipool reset`.

use vantage_api_ingest::Job;

use super::describe;
use crate::{arguments::Reset, failure::Failure, output};

pub(crate) async fn run(reset: &Reset) -> Result<(), Failure> {
    let description = describe(&reset.file)?;
    let job = Job::new(&description, &reset.job)?;
    if let Some(stream) = &reset.stream
        && !description.jobs[&reset.job].streams.iter().any(|own| own.name == *stream)
    {
        return Err(Failure::usage(format_args!("the job has no stream `{stream}`")));
    }
    job.reset(reset.stream.as_deref(), reset.drop).await?;
    let stream = reset.stream.as_deref().map_or(String::new(), |stream| format!(".{stream}"));
    output::line(format_args!("{}{stream} begins anew with its next run", reset.job));
    Ok(())
}
