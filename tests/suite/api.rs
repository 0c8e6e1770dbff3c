//! What a program may do with the public types: move them to other threads, share
//! them, spawn their futures on any executor.

use futures::StreamExt;
use vantage_api_pool::{
    AwwPool, Delivery, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolApi, PoolBuilder,
    PoolLink, Request, Response, Supervisor, Token, messages,
    stats::{Stats, WorkerStats},
    vantage::{ApiCondition, ApiTable, Filtering, Filters, Preview, Sorting},
};

fn is_send<T: Send>() {}
fn is_shared<T: Send + Sync + 'static>() {}
fn is_cloned<T: Clone>() {}
fn future_is_send<T>(_: &(impl Future<Output = T> + Send)) {}

/// An item that may be moved but not shared.
struct Movable {
    _cell: std::cell::Cell<u8>,
}

#[test]
fn handles_and_values_are_shared_between_threads() {
    is_shared::<AwwPool>();
    is_shared::<PoolApi>();
    is_shared::<PoolBuilder>();
    is_shared::<PoolLink>();
    is_shared::<Error>();
    is_shared::<ErrorKind>();
    is_shared::<Delivery>();
    is_shared::<Request>();
    is_shared::<Response>();
    is_shared::<Token>();
    is_shared::<Envelope>();
    is_shared::<Paging>();
    is_shared::<Filtering>();
    is_shared::<ApiCondition>();
    is_shared::<ApiTable>();
    is_shared::<Filters>();
    is_shared::<Sorting>();
    is_shared::<Preview>();
    is_shared::<Stats>();
    is_shared::<WorkerStats>();
    is_shared::<messages::Fetch>();
    is_shared::<messages::OpenStream>();
    is_shared::<messages::GetStats>();
    is_shared::<messages::Shutdown>();
    is_shared::<actix::Addr<Supervisor>>();
    is_cloned::<AwwPool>();
    is_cloned::<PoolApi>();
    is_cloned::<Error>();
    is_cloned::<Request>();
    is_cloned::<Response>();
}

#[test]
fn streams_move_between_threads_whatever_their_items() {
    is_send::<PaginatedStream>();
    is_send::<PaginatedStream<Movable>>();
    fn is_unpin<T: Unpin>() {}
    is_unpin::<PaginatedStream<Movable>>();
}

#[test]
fn futures_may_be_spawned_on_any_executor() {
    let pool = AwwPool::new(1, None, false, "http://localhost");
    future_is_send(&pool.get("/"));
    future_is_send(&pool.request(Request::get("/")));
    future_is_send(&pool.stats());
    future_is_send(&pool.supervisor());
    future_is_send(&pool.shutdown(std::time::Duration::ZERO));
    let mut stream = PaginatedStream::get(&pool, "/");
    future_is_send(&stream.next_page());
    future_is_send(&stream.next());
}
