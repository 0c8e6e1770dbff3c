//! `/status`: what happens, drawn as it happens.

use crate::{
    driver::Browser,
    process::{LONG, Served},
};

/// The steps of the curves of a chart.
fn steps(nth: usize) -> String {
    format!(
        "[...document.querySelectorAll('.chart')[{nth}].querySelectorAll('path')] \
         .map((path) => (path.getAttribute('d').match(/L/g) ?? []).length)"
    )
}

fn shown(served: &Served) -> Browser {
    let browser = Browser::start();
    browser.go(&served.url("/status"));
    browser.until("document.getElementById('state').textContent === 'Live'");
    browser
}

#[test]
fn curves_are_drawn_of_what_is_served() {
    let served = Served::start(None);
    let browser = shown(&served);
    // Rows of the pool's API, answers of the cache, and a refusal.
    for path in ["/tables/countries", "/tables/countries", "/tables/cities/1", "/nothing"] {
        served.send("GET", path, "");
    }
    browser.until(&format!("{}.every((steps) => steps >= 2)", steps(0)));
    browser.until("document.getElementById('routes').innerText.includes('/tables/{table}/{id}')");
    browser.until("document.querySelector('.pool .pill').textContent === 'breaker closed'");
    browser.until("document.querySelectorAll('.pool tbody tr').length >= 1");
    browser.until("!document.getElementById('kv-section').hidden");
    // Time to answer has a curve where something was answered.
    browser.until(&format!("{}[0] >= 1", steps(1)));
    let told = browser.text("document.querySelector('.chart > svg').getAttribute('aria-label')");
    assert!(told.starts_with("Answers in the last minutes, now good "), "{told}");
    browser.picture("status");
    browser.check(&served.origin());
    served.check();
}

#[test]
fn it_can_be_paused() {
    let served = Served::start(None);
    let browser = shown(&served);
    browser.click("#pause");
    browser.until("document.getElementById('state').textContent === 'Paused'");
    assert_eq!(
        browser.text("document.getElementById('pause').getAttribute('aria-pressed')"),
        "true"
    );
    browser.click("#pause");
    browser.until("document.getElementById('state').textContent === 'Live'");
    browser.check(&served.origin());
}

#[test]
fn the_token_goes_into_a_header_field_and_nowhere_else() {
    let secret = "a-secret-of-the-test";
    let served = Served::start(Some(secret));
    let browser = Browser::start();
    browser.go(&served.url("/status"));
    browser.type_into("#token", secret);
    browser.click("#login button");
    browser.until("document.getElementById('state').textContent === 'Live'");
    let requested = browser.requested();
    assert!(requested.iter().any(|url| url.ends_with("/status/events")), "{requested:?}");
    assert!(!requested.iter().any(|url| url.contains(secret)), "{requested:?}");
    browser.click("#login button");
    browser.until("document.getElementById('state').textContent === 'Waiting'");
    assert_eq!(browser.value("document.getElementById('content').hidden"), true);
}

#[test]
fn it_ends_with_the_gateway_which_does_not_wait_for_it() {
    let mut served = Served::start(None);
    let browser = shown(&served);
    served.process.terminate();
    browser.until("['Draining', 'Ended', 'Connection lost', 'Connecting'].includes(document.getElementById('state').textContent)");
    assert!(served.process.ended(LONG), "{}", served.process.written());
    assert!(!served.process.written().contains("at the deadline"));
    browser.until("document.getElementById('since').textContent === 'trying again'");
}
