//! The page of the status in a browser.

use crate::{
    driver::Browser,
    workers::{JOB, OPEN, World},
};

#[test]
fn it_shows_jobs_and_workers_as_text_and_as_they_change() {
    let world = World::new(OPEN);
    let (first, first_name) = world.worker();
    let (_second, second_name) = world.worker();
    let gateway = world.serve();
    let _run = world.run();
    let browser = Browser::start();
    browser.go(&format!("{}/api/v1/status", gateway.origin()));
    browser.until("document.getElementById('jobs-state').textContent === 'live'");
    let runs = "document.getElementById('runs')";
    browser.until(&format!("{runs}.querySelector('tbody th') !== null"));
    assert_eq!(browser.text(&format!("{runs}.querySelector('tbody th').textContent")), JOB);
    assert_eq!(browser.text("document.title"), "Status");
    let workers = "document.getElementById('workers')";
    for name in [&first_name, &second_name] {
        browser.until(&format!("{workers}.innerText.includes('{name}')"));
    }
    // What it does: the name of the job once more.
    browser.until(&format!("{workers}.innerText.includes('.first')"));
    assert_eq!(browser.value("document.querySelectorAll('main img, main script').length"), 0);
    // How fast: a number of rows per second.
    browser.until(&format!("/[1-9][^ ]*( k)?\\/s/.test({runs}.rows[1].cells[9].textContent)"));
    let see = "(document.getElementById('jobs-section').scrollIntoView(), true)";
    assert_eq!(browser.value(see), true);
    browser.picture("status-jobs");
    // However long names are, the page is as wide as the window.
    browser.size(360, 800);
    browser.until("document.documentElement.scrollWidth <= window.innerWidth");
    assert_eq!(browser.value(see), true);
    browser.picture("status-jobs-narrow");
    browser.size(1280, 1000);

    drop(first);
    browser.until(&format!(
        "[...{workers}.rows].some((row) => row.cells[0].textContent === '{first_name}' \
         && row.cells[1].textContent.startsWith('gone, silent for '))"
    ));
    assert_eq!(browser.value(see), true);
    browser.picture("status-jobs-gone");
    browser.check(&gateway.origin());
}

#[test]
fn it_shows_that_the_database_is_down_beside_all_else() {
    let mut world = World::new(OPEN);
    let gateway = world.serve();
    let browser = Browser::start();
    browser.go(&format!("{}/api/v1/status", gateway.origin()));
    browser.until("document.getElementById('jobs-state').textContent === 'live'");
    world.server.stop_at_once();
    browser
        .until("document.getElementById('jobs-state').textContent.startsWith('does not answer')");
    assert_eq!(browser.text("document.getElementById('state').textContent"), "Live");
    browser.until("!document.getElementById('kv-section').hidden");
    world.server.start_again();
    browser.until("document.getElementById('jobs-state').textContent === 'live'");
    browser.check(&gateway.origin());
}
