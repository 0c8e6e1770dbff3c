//! Resuming: a read goes on in another process, after any row, after any page, after a failure, and after
//! a process that ended in the middle of it. No row is missing and none comes twice.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::StreamExt;
use vantage_api_pool::{PaginatedStream, paging::ResumeToken};

use super::{
    CAP, COUNT, Fate, Hold, Server, ids, of_each, read, take,
    ways::{Kind, Way, pool, rows, ways},
};
use crate::support::soon;

/// The rows that are left after `token`, as another process reads them.
async fn assert_rest(way: &Way, server: &Server, size: usize, token: &ResumeToken, taken: usize) {
    let token: ResumeToken = token.to_text().parse().unwrap();
    let rest = way.read(&server.url(), size).prefetch(2).resume_from(token);
    let (rest, error) = read(rest).await;
    let name = way.name;
    assert!(error.is_none(), "{name}, after {taken} rows: {error:?}");
    assert_eq!(ids(&rest), ids(&rows(COUNT)[taken..]), "{name}, after {taken} rows");
}

#[tokio::test]
async fn a_read_goes_on_after_any_row() {
    of_each(ways(), async |way| {
        let server = way.plan(COUNT, CAP).start();
        let mut stream = way.read(&server.url(), CAP);
        let mut taken = 0;
        for until in [0, 1, 9, 10, 11, 17, 20, 34, 35] {
            take(&mut stream, until - taken).await;
            taken = until;
            assert_rest(&way, &server, CAP, &stream.resume_token(), taken).await;
        }
        assert!(soon("the end", stream.next()).await.is_none(), "{}", way.name);
        assert!(stream.resume_token().is_end(), "{}", way.name);
    })
    .await;
}

#[tokio::test]
async fn a_read_goes_on_after_any_page() {
    of_each(ways(), async |way| {
        let server = way.plan(COUNT, 13).start();
        let mut pages = way.read(&server.url(), 13).pages();
        let mut taken = 0;
        while let Some(page) = soon("a page", pages.next()).await {
            let page = page.unwrap_or_else(|error| panic!("{}: {error}", way.name));
            let token = page.resume_token();
            taken += page.map(Result::unwrap).count();
            assert_rest(&way, &server, 13, &token, taken).await;
        }
        assert_eq!(taken, COUNT, "{}", way.name);
    })
    .await;
}

#[tokio::test]
async fn a_read_that_failed_goes_on_with_what_failed() {
    of_each(ways().into_iter().filter(|way| way.kind != Kind::Once), async |way| {
        let fails = Arc::new(AtomicBool::new(true));
        let is_down = Arc::clone(&fails);
        let fates = move |_: &_, page: Option<usize>| {
            let is_late = page.is_some_and(|page| page >= 16);
            if is_late && is_down.load(Ordering::SeqCst) { Fate::Refused } else { Fate::Whole }
        };
        let server = way.plan(COUNT, 7).breaking(fates).start();
        let mut stream = way.read(&server.url(), 7).prefetch(3);
        let mut taken = 0;
        let failed = soon("the failure", async {
            while let Some(item) = stream.next().await {
                if item.is_err() {
                    return true;
                }
                taken += 1;
            }
            false
        })
        .await;
        // What comes in one piece is there by then.
        assert_eq!(failed, taken < COUNT, "{}", way.name);
        fails.store(false, Ordering::SeqCst);
        assert_rest(&way, &server, 7, &stream.resume_token(), taken).await;
    })
    .await;
}

/// Reads some rows and is gone, with pages under way and with what it knew.
async fn killed(way: &Way, server: &Server) -> ResumeToken {
    let pool = pool(&server.url());
    let mut stream: PaginatedStream = way.read_in(&pool, 5).prefetch(4);
    take(&mut stream, 12).await;
    stream.resume_token()
}

#[tokio::test]
async fn a_read_goes_on_after_a_process_that_ended_in_the_middle() {
    of_each(ways(), async |way| {
        let server = way.plan(COUNT, 5).holding(Hold::From(15)).start();
        let token = killed(&way, &server).await;
        server.let_go();
        assert_rest(&way, &server, 5, &token, 12).await;
    })
    .await;
}
