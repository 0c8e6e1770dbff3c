//! What a run is told while it runs.

use std::pin::pin;

use futures::future::{Either, select};
use tokio::sync::watch;

/// What a run is told while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Control {
    #[default]
    Run,
    /// No page is taken until it runs again.
    Pause,
    /// What was read is committed, and the run ends for now.
    Stop,
}

/// What comes of `work`, which goes on while the run may; `None` when it is to stop.
pub(super) async fn heeding<T>(
    control: &mut watch::Receiver<Control>,
    mut work: impl Future<Output = T> + Unpin,
) -> Option<T> {
    loop {
        let now = *control.borrow_and_update();
        match now {
            Control::Stop => return None,
            Control::Pause => {
                if control.changed().await.is_err() {
                    return None;
                }
            }
            Control::Run => {
                let changed = pin!(control.changed());
                match select(&mut work, changed).await {
                    Either::Left((done, _)) => return Some(done),
                    Either::Right((Ok(()), _)) => {}
                    // A control without a sender will never change.
                    Either::Right((Err(_), work)) => return Some(work.await),
                }
            }
        }
    }
}
