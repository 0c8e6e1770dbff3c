//! The caller's end of a call. An error reaches the caller also while the code that makes
//! the answer, a user's perhaps, still runs or hangs.

use std::{
    panic::AssertUnwindSafe,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    error::{Error, ErrorKind},
    http::Response,
};

/// Takes answers, of which the first that is ready counts. A response is turned into
/// what was asked for where it is handed in, which is on the call's worker.
pub(crate) type Reply = Box<dyn Fn(Result<Response, Error>, Effort) + Send + Sync>;

/// What a call has cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
}

/// A reply that makes its answer of a response with `finish`, and where the answer comes.
pub(super) fn reply<T, F>(finish: F) -> (Reply, oneshot::Receiver<Result<T, Error>>)
where
    T: Send + 'static,
    F: FnOnce(Response, Effort) -> T + Send + 'static,
{
    let (sender, answer) = oneshot::channel();
    let (finish, sender) = (Mutex::new(Some(finish)), Mutex::new(Some(sender)));
    let reply = move |result: Result<Response, Error>, effort: Effort| {
        let answer = match (result, take(&finish)) {
            (Ok(response), Some(finish)) => {
                std::panic::catch_unwind(AssertUnwindSafe(|| finish(response, effort)))
                    .map_err(|_| Error::new(ErrorKind::Callback, "building the items panicked"))
            }
            (Ok(_), None) => return,
            (Err(error), _) => Err(error),
        };
        if let Some(sender) = take(&sender) {
            let _ = sender
                .send(answer.map_err(|error| error.with_effort(effort.attempts, effort.elapsed)));
        }
    };
    (Box::new(reply), answer)
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use http::StatusCode;

    use super::*;

    const EFFORT: Effort = Effort { attempts: 2, elapsed: Duration::from_secs(1) };

    fn response() -> Result<Response, Error> {
        Ok(Response::new(StatusCode::OK, "x"))
    }

    #[test]
    fn the_first_answer_counts() {
        let (reply, mut answer) = reply(|response, _| response);
        reply(response(), EFFORT);
        reply(Err(Error::gone()), EFFORT);
        reply(response(), EFFORT);
        assert!(answer.try_recv().unwrap().is_ok());
    }

    #[test]
    fn an_error_does_not_wait_for_code_that_builds_the_items() {
        let (hold, held) = mpsc::channel::<()>();
        let (enter, entered) = mpsc::channel();
        let (reply, mut answer) = reply(move |response, _| {
            enter.send(()).unwrap();
            let _ = held.recv_timeout(Duration::from_secs(10));
            response
        });
        let reply = Arc::new(reply);
        let blocked = std::thread::spawn({
            let reply = Arc::clone(&reply);
            move || reply(response(), EFFORT)
        });
        entered.recv_timeout(Duration::from_secs(10)).unwrap();
        reply(Err(Error::new(ErrorKind::DeadlineExceeded, "late")), EFFORT);
        let error = answer.try_recv().unwrap().unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::DeadlineExceeded, 2));
        drop(hold);
        blocked.join().unwrap();
    }

    #[test]
    fn a_panic_in_the_code_that_builds_the_items_is_the_answer() {
        let (reply, mut answer) = reply::<(), _>(|_, _| panic!("a user's code"));
        reply(response(), EFFORT);
        assert_eq!(answer.try_recv().unwrap().unwrap_err().kind(), ErrorKind::Callback);
    }
}
