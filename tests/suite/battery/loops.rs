//! Loops: a server that goes round in circles is found out, after a few requests, and no row comes twice.

use vantage_api_pool::ErrorKind;

use super::{
    CAP, COUNT, ids, of_each, read,
    ways::{Kind, Way, rows, ways},
};

/// The ways that have more than one page.
fn of_pages() -> impl Iterator<Item = Way> {
    let is_one = |way: &Way| way.kind == Kind::Once || way.name.contains("last answer");
    // One that begins again after its last row goes on, whatever the pages say.
    ways().into_iter().filter(move |way| !is_one(way) && !way.begins_again)
}

#[tokio::test]
async fn a_server_that_hands_out_one_page_whatever_is_asked_for_is_found_out() {
    // Windows that are cut have a page each.
    of_each(of_pages().filter(|way| !way.name.contains("cut")), async |way| {
        let mut plan = way.plan(COUNT, CAP);
        plan.ignores_places = true;
        let server = plan.start();
        let (read, error) = read(way.read(&server.url(), CAP).prefetch(3)).await;
        let name = way.name;
        let kind = error.unwrap_or_else(|| panic!("{name}: {:?}", ids(&read))).kind();
        let is_named = matches!(kind, ErrorKind::PageLoop | ErrorKind::PaginationMissing);
        assert!(is_named || kind == ErrorKind::Incomplete, "{name}: {kind:?}");
        assert_eq!(read, rows(read.len()), "{name}");
        assert!(read.len() <= CAP, "{name}: {:?}", ids(&read));
        let requests = server.traffic().requests;
        assert!(requests <= 12, "{name}: {requests} requests");
    })
    .await;
}

#[tokio::test]
async fn a_page_that_leads_back_ends_the_read_where_it_does() {
    of_each(of_pages().filter(|way| way.kind == Kind::Pointed), async |way| {
        for (from, to) in [(20, 0), (20, 10), (20, 20)] {
            let plan = way.plan(COUNT, CAP).lying(move |sheet| {
                if sheet.start == from {
                    sheet.next = Some(to);
                }
            });
            let server = plan.start();
            let (read, error) = read(way.read(&server.url(), CAP).prefetch(3)).await;
            let name = way.name;
            let kind = error.unwrap_or_else(|| panic!("{name}: {:?}", ids(&read))).kind();
            assert_eq!(kind, ErrorKind::PageLoop, "{name}, {to}");
            // The start of a read was requested without a place: it could be another page.
            let twice = [rows(30), rows(10)].concat();
            let is_known_late = to == 0 && read == twice;
            assert!(is_known_late || read == rows(30), "{name}, back to {to}: {:?}", ids(&read));
            assert!(server.traffic().requests <= 8, "{name}, back to {to}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_with_the_rows_of_the_one_before_ends_the_read() {
    of_each(of_pages().filter(|way| !way.has_ties && way.kind != Kind::Windowed), async |way| {
        let plan = way.plan(COUNT, CAP).lying(|sheet| {
            if sheet.start >= 20 {
                sheet.rows = rows(20).split_off(10);
            }
        });
        let server = plan.start();
        let (read, error) = read(way.read(&server.url(), CAP).prefetch(3)).await;
        let name = way.name;
        let kind = error.unwrap_or_else(|| panic!("{name}: {:?}", ids(&read))).kind();
        assert_eq!(kind, ErrorKind::PageLoop, "{name}");
        assert_eq!(ids(&read), ids(&rows(20)), "{name}");
    })
    .await;
}
