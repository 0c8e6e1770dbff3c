//! The ends of streams and runs.

use vantage_api_ingest::report::Outcome;

use super::Shared;
use crate::{
    Error,
    store::{Divided, StreamEnd},
};

impl Shared {
    /// Ends the streams whose parts have all ended, and the runs whose streams have.
    pub(super) async fn settle(&self) -> Result<(), Error> {
        for stream in self.store.divided().await? {
            // Others know the jobs that this process does not.
            if !self.description.jobs.contains_key(&stream.job) {
                continue;
            }
            let end = match self.end_of(&stream).await {
                Ok(end) => end,
                Err(Error::Job(error)) if !error.may_pass() => StreamEnd::Failed(error.to_string()),
                Err(error) => return Err(error),
            };
            self.store.end_stream(&stream, &end).await?;
        }
        self.store.end_runs().await?;
        Ok(())
    }

    async fn end_of(&self, of: &Divided) -> Result<StreamEnd, Error> {
        if of.failed > 0 {
            let (failed, all) = (of.failed, of.parts);
            let error = of.error.as_deref().unwrap_or("no reason is known");
            return Ok(StreamEnd::Failed(format!("{failed} of {all} parts failed: {error}")));
        }
        let job = self.job(&of.job)?;
        let (next, mut remarks) = self.store.kept(of).await?;
        let state = job.end_parts(&of.stream, of.stream_run, &next, None).await?;
        let last = job.last_run().await?;
        let report = last.into_iter().flat_map(|report| report.streams);
        let report = report.into_iter().find(|report| report.stream == of.stream);
        if let Some(report) = report.filter(|report| report.run == of.stream_run) {
            remarks.extend(report.remarks);
            if let Outcome::Failed(error) = report.outcome {
                return Ok(StreamEnd::Failed(error));
            }
        }
        let counts = state.counts();
        Ok(StreamEnd::Done { pages: counts.pages, rows: counts.written, remarks })
    }
}
