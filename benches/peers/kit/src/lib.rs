//! What the programs that are compared have in common: the job, the data, the measurement.

pub mod body;
pub mod data;
pub mod job;
pub mod load;
pub mod measure;
pub mod pages;

use job::Job;

/// Runs on as many threads as the job has cores.
///
/// # Errors
/// When there is no runtime to be had.
pub fn on_tokio<T>(job: &Job, task: impl Future<Output = T>) -> anyhow::Result<T> {
    let mut builder = match job.threads() {
        1 => tokio::runtime::Builder::new_current_thread(),
        threads => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    Ok(builder.enable_all().build()?.block_on(task))
}
