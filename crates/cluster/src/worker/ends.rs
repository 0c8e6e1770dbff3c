//! The ends of streams and runs.

use vantage_api_ingest::{description::OnError, report::Outcome};

use super::Shared;
use crate::{
    Error,
    store::{Divided, LIMIT, PostgresStore, StreamEnd, within},
};

impl Shared {
    /// Ends the streams whose parts have all ended, and the runs whose streams have.
    pub(super) async fn settle(&self) -> Result<(), Error> {
        if let Some(store) = self.store.of_parts() {
            self.end_streams(store).await?;
        }
        within(LIMIT, self.store.end_runs()).await
    }

    async fn end_streams(&self, store: &PostgresStore) -> Result<(), Error> {
        for stream in within(LIMIT, store.divided()).await? {
            // Others know the jobs that this process does not.
            if !self.description.jobs.contains_key(&stream.job) {
                continue;
            }
            let end = match self.end_of(store, &stream).await {
                Ok(end) => end,
                Err(Error::Job(error)) if !error.may_pass() => StreamEnd::Failed(error.to_string()),
                Err(error) => {
                    tracing::warn!(stream.job, stream.stream, %error, "it is not ended yet");
                    continue;
                }
            };
            let stops = self.stops(&stream.job);
            within(LIMIT, store.end_stream(&stream, &end, stops)).await?;
        }
        Ok(())
    }

    /// Whether an error of one stream of a job stops the others.
    pub(super) fn stops(&self, job: &str) -> bool {
        let job = self.description.jobs.get(job);
        job.is_some_and(|job| job.on_error == OnError::Stop)
    }

    async fn end_of(&self, store: &PostgresStore, of: &Divided) -> Result<StreamEnd, Error> {
        if of.failed > 0 {
            let (failed, all) = (of.failed, of.parts);
            let error = of.error.as_deref().unwrap_or("no reason is known");
            return Ok(StreamEnd::Failed(format!("{failed} of {all} parts failed: {error}")));
        }
        let job = self.job(&of.job)?;
        let (next, mut remarks) = within(LIMIT, store.kept(of)).await?;
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
