//! What is submitted to a queue rather than waited for.

use std::{future::Future, mem::MaybeUninit, sync::Arc, time::Duration};

use tokio::{sync::broadcast::error::RecvError, time::timeout};

use bytes::Bytes;

use crate::{
    arguments::empty,
    border::{ErrorSlot, State, border},
    completion::What,
    error::Failure,
    event,
    handles::{Object, Operation, TABLE, vap_handle},
    queue::{Queue, Slot},
    request::Draft,
    runtime,
    stream::{Limits, Stream},
    tokens::Pool,
    wait::until,
};

/// What an operation comes to.
type Outcome = Result<(State, Option<Object>), Failure>;

/// Puts an operation into a queue and starts it.
pub(crate) fn submit<F: Future<Output = Outcome> + Send + 'static>(
    queue: vap_handle,
    tag: u64,
    what: What,
    out: &mut MaybeUninit<vap_handle>,
    run: impl FnOnce(&Arc<Slot>) -> F,
) -> Result<State, Failure> {
    drop(runtime::enter()?);
    let (slot, operation) = TABLE.get::<Queue>(queue)?.reserve(tag, what)?;
    let op = slot.op;
    // Before it starts, as it may end at once.
    out.write(op);
    let slot = Arc::new(slot);
    let closed = slot.queue_closed();
    let ran = run(&slot);
    runtime::spawn(async move {
        let outcome = until(ran, Some(&operation), Some(&closed)).await;
        // `run` may keep one as long as it runs.
        if let Some(slot) = Arc::into_inner(slot) {
            slot.complete(outcome);
        }
    })?;
    Ok(State::Ok)
}

/// Ends a future with an error after its time.
async fn within<T>(
    timeout_ms: u32,
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let time = Duration::from_millis(timeout_ms.into());
    timeout(time, future).await.unwrap_or_else(|_| Err(Failure::timeout()))
}

/// Sends a request; its completion has the response.
#[unsafe(no_mangle)]
pub extern "C" fn vap_submit_send(
    pool: vap_handle,
    request: vap_handle,
    timeout_ms: u32,
    queue: vap_handle,
    tag: u64,
    op: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let op = empty("op", op)?;
        let pool = TABLE.get::<Pool>(pool)?;
        let request = TABLE.get::<Draft>(request)?.request();
        submit(queue, tag, What::Response, op, |_| async move {
            let call = async { pool.request(request).await.map_err(Failure::from) };
            let response = within(timeout_ms, call).await?;
            Ok((State::Ok, Some(Object::Response(Arc::new(response)))))
        })
    })
}

/// Reads the next pages of a stream; the completion has the batch.
#[unsafe(no_mangle)]
pub extern "C" fn vap_submit_next(
    stream: vap_handle,
    max_items: usize,
    max_bytes: usize,
    timeout_ms: u32,
    queue: vap_handle,
    tag: u64,
    op: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let op = empty("op", op)?;
        let stream = TABLE.get::<Stream>(stream)?;
        submit(queue, tag, What::Batch, op, |_| async move {
            let next = stream.next(Limits::new(max_items, max_bytes), None);
            Ok(match within(timeout_ms, next).await? {
                Some(batch) => (State::Ok, Some(Object::Batch(Arc::new(batch)))),
                None => (State::End, None),
            })
        })
    })
}

/// Tells what happens in a pool from now on, until it is cancelled or the pool has ended.
#[unsafe(no_mangle)]
pub extern "C" fn vap_events_open(
    pool: vap_handle,
    queue: vap_handle,
    tag: u64,
    op: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let op = empty("op", op)?;
        let pool = TABLE.get::<Pool>(pool)?;
        let mut events = pool.events();
        // It ends with the last handle of the pool.
        drop(pool);
        submit(queue, tag, What::EventsEnd, op, |slot| {
            let slot = Arc::clone(slot);
            async move {
                let mut missed = 0;
                loop {
                    let text = match events.recv().await {
                        Ok(event) => event::to_json(&event),
                        Err(RecvError::Lagged(events)) => {
                            missed += events;
                            continue;
                        }
                        Err(RecvError::Closed) => return Ok((State::End, None)),
                    };
                    if missed > 0 && tell(&slot, What::Event, event::missed(missed)) {
                        missed = 0;
                    }
                    if !tell(&slot, What::Event, text) {
                        missed += 1;
                    }
                }
            }
        })
    })
}

/// Hands a text to the queue. False if there was no room for it.
pub(crate) fn tell(slot: &Slot, what: What, text: String) -> bool {
    slot.tell(what, Object::Bytes(Arc::new(Bytes::from(text))))
}

/// Cancels an operation, whose completion then says so.
#[unsafe(no_mangle)]
pub extern "C" fn vap_op_cancel(op: vap_handle, err: ErrorSlot<'_>) -> i32 {
    border!(err, {
        TABLE.get::<Operation>(op)?.cancel();
        Ok(State::Ok)
    })
}
