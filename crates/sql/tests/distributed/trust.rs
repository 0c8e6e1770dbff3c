//! What goes to a worker, and what it refuses.

use vantage_api_sql::{ApiSession, distributed::Workers};

use crate::{
    process::WorkerProcess,
    relay::Relay,
    support::Pages,
    world::{PAGE, World, description, rows, try_rows},
};

const COUNT: &str = "SELECT count(id), sum(n) FROM items";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_and_no_address_of_the_api_goes_to_a_worker() {
    let world = World::new(Pages::Numbered, 2, 30 * PAGE);
    let relays: Vec<Relay> = world.workers.iter().map(|worker| Relay::to(worker.url())).collect();
    let session = world.session_over(Workers::new(relays.iter().map(Relay::url)).unwrap());
    let counted = rows(&session, "SELECT count(id) FROM items WHERE t = 't1'").await;
    assert_eq!(counted, ["50"]);
    assert!(relays.iter().any(|relay| relay.has_heard("items")));
    let api = world.own.url();
    for relay in &relays {
        assert!(!relay.has_heard("own-secret-of-the-session"));
        assert!(!relay.has_heard(api.trim_start_matches("http://")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_refuses_what_it_does_not_know_and_says_what() {
    let world = World::new(Pages::Numbered, 1, 30 * PAGE);
    let known = description(&world.own, Pages::Numbered);
    for (from, to, expected) in [
        ("name: items", "name: others", "knows no such table"),
        ("n: int", "n: text", "no column `n` of the type int"),
        ("envelope: { items: data", "envelope: { items: rows", "another envelope"),
    ] {
        let other = known.replace(from, to);
        assert_ne!(other, known);
        let worker = WorkerProcess::start(&other, None);
        let workers = Workers::new([world.workers[0].url(), worker.url()]).unwrap();
        let error = try_rows(&world.session_over(workers), COUNT).await.unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("items"), "{to}: {error}");
        // It is there, so nothing was run again.
        assert_eq!(world.own.asked().len(), 1, "{to}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_with_a_token_lets_in_who_tells_it() {
    let world = World::with_token(Pages::Numbered, 2, 30 * PAGE, Some("let me in"));
    let told = world.known().token("let me in".to_owned().into());
    assert_eq!(rows(&world.session_over(told), COUNT).await, rows(&world.alone(), COUNT).await);
    let wrong = world.known().token("let me out".to_owned().into());
    for workers in [world.known(), wrong] {
        let error = try_rows(&world.session_over(workers), COUNT).await.unwrap_err().to_string();
        assert!(error.contains("another token"), "{error}");
        assert!(!error.contains("let me"), "{error}");
    }
}

#[test]
fn addresses_that_are_none_are_refused_by_their_number() {
    for (urls, expected) in [
        (vec![], "no URL of a worker"),
        (vec!["http://10.0.0.1:7001", "https://10.0.0.2:7001"], "number 2"),
        (vec!["10.0.0.1:7001"], "number 1"),
        (vec!["http://user:secret@10.0.0.1:7001"], "number 1"),
        (vec!["http://10.0.0.1:7001/path"], "number 1"),
        (vec!["http://10.0.0.1:7001", "http://10.0.0.1:7001/"], "twice"),
    ] {
        let error = Workers::new(&urls).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("secret"), "{urls:?}: {error}");
    }
}

#[tokio::test]
async fn a_session_asks_no_worker_before_a_query_does() {
    let workers = Workers::new(["http://127.0.0.1:9"]).unwrap();
    let session = ApiSession::over_workers(Default::default(), workers).unwrap();
    assert_eq!(rows(&session, "SELECT 1 + 1").await, ["2"]);
}
