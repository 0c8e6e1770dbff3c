//! The stream of events of one who watches.

use std::{
    io::{self, Write as _},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures::Stream;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{MissedTickBehavior, interval},
};

use crate::{
    Problem, compress::accepts_gzip, gateway::State, operate::operators_only,
    request_context::RequestContext, serve::is_head,
};

/// The time between two events.
const PERIOD: Duration = Duration::from_secs(1);
/// The longest stream: whoever goes on shows the credentials again.
const MAX_STREAM_TIME: Duration = Duration::from_secs(600);
/// After how many seconds to try again when too many watch.
const FULL: u64 = 10;

const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
/// Tells nginx to pass events on as they come.
const BUFFERING: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// Answers with a stream of events: each has a number and, as `data`, a JSON document in one line.
/// The last one is called `end`, and its `data` says why: `draining`, or `renew` if the stream may
/// be asked for again.
///
/// # Errors
/// 403 for those who do not run the gateway; 503 while it drains or too many watch.
pub(crate) async fn events(context: RequestContext) -> Result<HttpResponse, Problem> {
    operators_only(&context)?;
    if context.state.is_draining() {
        return Err(Problem::unavailable("draining", "the gateway is about to end", FULL));
    }
    let is_zipped = accepts_gzip(context.headers());
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, EVENTS));
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response.insert_header((header::VARY, "Accept-Encoding"));
    response.insert_header(BUFFERING);
    if is_zipped {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    if is_head(&context) {
        return Ok(response.finish());
    }
    let watching = context.state.status.watch().ok_or_else(|| {
        Problem::unavailable("too_many_watchers", "too many watch the status", FULL)
    })?;
    // Its place among the requests that are worked on is free again: there is one for those who
    // watch.
    let RequestContext { state, .. } = context;
    let coding = if is_zipped { Coding::gzip() } else { Coding::Identity };
    Ok(response.streaming(stream(state, watching, coding)))
}

fn stream(
    state: Arc<State>,
    watching: OwnedSemaphorePermit,
    mut coding: Coding,
) -> impl Stream<Item = io::Result<Bytes>> {
    async_stream::stream! {
        let _watching = watching;
        let started = Instant::now();
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = 0;
        loop {
            ticks.tick().await;
            if let Some(end) = end(&state, started) {
                yield coding.finish(end);
                return;
            }
            let (number, event) = state.status.sampler.latest(&state).await;
            if number == told {
                continue;
            }
            told = number;
            match coding.encode(event) {
                Ok(event) => yield Ok(event),
                Err(error) => {
                    yield Err(error);
                    return;
                }
            }
        }
    }
}

/// The last event, if it is time for it.
fn end(state: &State, started: Instant) -> Option<&'static str> {
    if state.is_draining() {
        return Some("event: end\ndata: {\"reason\":\"draining\"}\n\n");
    }
    (started.elapsed() >= MAX_STREAM_TIME).then_some("event: end\ndata: {\"reason\":\"renew\"}\n\n")
}

/// How events are sent. Each goes out whole, compressed or not: nothing waits for the next one.
enum Coding {
    Identity,
    /// One stream of gzip, since events are much alike.
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

impl Coding {
    fn gzip() -> Self {
        Self::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::fast())))
    }

    fn encode(&mut self, event: Bytes) -> io::Result<Bytes> {
        let Self::Gzip(encoder) = self else { return Ok(event) };
        encoder.write_all(&event)?;
        encoder.flush()?;
        Ok(mem::take(encoder.get_mut()).into())
    }

    fn finish(&mut self, event: &'static str) -> io::Result<Bytes> {
        let Self::Gzip(encoder) = self else { return Ok(Bytes::from_static(event.as_bytes())) };
        encoder.write_all(event.as_bytes())?;
        encoder.try_finish()?;
        Ok(mem::take(encoder.get_mut()).into())
    }
}
