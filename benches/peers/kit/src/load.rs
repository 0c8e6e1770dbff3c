//! Callers that make one call after the other for a while, and what became of their calls.

use std::time::Duration;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

/// How long after the end a call may still be answered.
const GRACE: Duration = Duration::from_secs(5);

/// How many callers, for how long.
#[derive(Clone, Debug, clap::Args)]
pub struct Load {
    /// Where the server is: `http://host:port`.
    #[arg(long)]
    pub base: String,
    #[arg(long)]
    pub callers: usize,
    #[arg(long)]
    pub seconds: u64,
}

impl Load {
    /// The arguments that this is parsed from.
    pub fn arguments(&self) -> Vec<String> {
        let (callers, seconds) = (self.callers.to_string(), self.seconds.to_string());
        let pairs = [("--base", &self.base), ("--callers", &callers), ("--seconds", &seconds)];
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value.clone()]).collect()
    }
}

/// What became of the calls.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Fate {
    pub answered: u64,
    /// Those that ended with an error.
    pub failed: u64,
    /// Those that heard nothing within five seconds after the end.
    pub unanswered: u64,
}

/// Keeps the callers busy on a runtime of one thread. `call` says whether it went well.
///
/// # Errors
/// When there is no runtime to be had.
pub fn run<F: Future<Output = bool>>(
    load: &Load,
    prepare: impl AsyncFnOnce() -> anyhow::Result<Box<dyn Fn() -> F>>,
) -> anyhow::Result<Fate> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let call = prepare().await?;
        let end = Instant::now() + Duration::from_secs(load.seconds);
        let callers = (0..load.callers).map(|_| async {
            let mut fate = Fate::default();
            while Instant::now() < end {
                match timeout_at(end + GRACE, call()).await {
                    Ok(true) => fate.answered += 1,
                    Ok(false) => fate.failed += 1,
                    Err(_) => fate.unanswered += 1,
                }
            }
            fate
        });
        let fates = join_all(callers).await;
        Ok(fates.into_iter().fold(Fate::default(), |sum, one| Fate {
            answered: sum.answered + one.answered,
            failed: sum.failed + one.failed,
            unanswered: sum.unanswered + one.unanswered,
        }))
    })
}
