//! A page that fails for good, whatever the way: what came before it is committed, and the rest is
//! complete.

use crate::{
    api::{Reply, Request},
    setup::{Setup, all, check_failure, numbered, page, pages},
};

const STREAMS: &str = "
tables:
  - { name: fine, id: id }
  - { name: broken, id: id }
  - { name: gone, id: id }
  - { name: garbage, id: id }
  - { name: cut, id: id }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - { table: fine }
      - { table: broken, write: append }
      - { table: gone, write: append }
      - { table: garbage, write: append }
      - { table: cut, write: append }
";

/// The streams that fail, and what their errors say.
const FAILURES: [(&str, &str); 4] =
    [("broken", "500"), ("gone", "404"), ("garbage", "decode"), ("cut", "truncated")];

fn failing(request: &Request) -> Reply {
    let page = page(&numbered(1..=100), request);
    if request.page() != 5 {
        return page;
    }
    match &*request.path {
        "/broken" => Reply::status(500),
        "/gone" => Reply::status(404),
        "/garbage" => Reply::text("<!doctype html><title>Down for maintenance</title>"),
        "/cut" => page.cut(),
        _ => page,
    }
}

#[tokio::test]
async fn what_came_before_a_page_that_fails_is_there_and_the_rest_comes_once_it_is_mended() {
    let setup = Setup::new(STREAMS, failing);
    let report = setup.run().await;
    assert!(!report.is_complete());
    for (stream, (name, word)) in report.streams.iter().skip(1).zip(FAILURES) {
        assert_eq!(stream.stream, name);
        check_failure(stream, &[word, "page 5"]);
        assert_eq!(setup.ids(name), all(1..=40), "{name}");
        assert_eq!(stream.counts.read, 40, "{stream}");
    }
    assert_eq!(setup.ids("fine"), all(1..=100));

    let asked = setup.api.requests().len();
    setup.api.answer(pages(numbered(1..=100)));
    let report = setup.complete().await;
    for (stream, (name, _)) in report.streams.iter().skip(1).zip(FAILURES) {
        assert_eq!(setup.ids(name), all(1..=100), "{name}");
        assert_eq!((stream.run, stream.counts.read), (1, 100), "{stream}");
        let again = setup.api.requests().into_iter().skip(asked);
        let path = format!("/{name}");
        let mut pages: Vec<_> =
            again.filter(|request| request.path == path).map(|request| request.page()).collect();
        pages.sort_unstable();
        assert_eq!(pages, all(5..=10), "{name}");
    }
    assert_eq!(setup.ids("fine"), all(1..=100));
}
