//! That the pages can be read: on a phone, in the dark, and by those who do not see them.

use serde_json::Value;

use crate::{driver::Browser, process::Served};

/// Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3).
const FAINT: &str = "(() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((parts(color)[3] ?? 1) === 1) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest('script, style, noscript')) continue;
    const style = getComputedStyle(element);
    const color = element.closest('svg') ? style.fill : style.color;
    const [a, b] = [light(color), light(behind(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push([walker.currentNode.textContent, color, behind(element)]);
  }
  return faint;
})()";

/// What can be used or seen and has no name.
const NAMELESS: &str = "(() => {
  const named = (element) => element.labels?.length || element.textContent.trim()
    || element.getAttribute('aria-label') || element.getAttribute('aria-labelledby');
  const found = [...document.querySelectorAll('input, select, button, a, form, nav, svg[role=img], [role=region]')];
  const inputs = found.filter((element) => element.matches('input, select') && !element.labels.length);
  const regions = found.filter((element) => element.matches('form:not(#login), nav, svg, [role=region]')
    && !element.getAttribute('aria-label') && !element.getAttribute('aria-labelledby'));
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  const twice = ids.filter((id, nth) => ids.indexOf(id) !== nth);
  return [...inputs, ...regions, ...found.filter((element) => !named(element))]
    .map((element) => element.outerHTML.slice(0, 200)).concat(twice);
})()";

fn check(browser: &Browser, name: &str) {
    let none = Value::Array(Vec::new());
    assert_eq!(browser.value(NAMELESS), none);
    for is_dark in [false, true] {
        browser.dark(is_dark);
        let mood = if is_dark { "dark" } else { "light" };
        for width in [1280, 768, 360] {
            browser.size(width, 1400);
            let most = browser.value("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(most <= u64::from(width), "{name}: {most} at {width}");
            browser.picture(&format!("{name}-{mood}-{width}"));
        }
        assert_eq!(browser.value(FAINT), none, "{name}, {mood}");
    }
}

#[test]
fn the_api_can_be_read() {
    let served = Served::start(None);
    let browser = Browser::start();
    browser.go(&served.url("/docs"));
    browser.until("!document.getElementById('content').hidden");
    browser.value("document.querySelectorAll('details').forEach((card) => { card.open = true; })");
    browser.until(
        "[...document.querySelectorAll('details')].every((card) => card.querySelector('.inside'))",
    );
    check(&browser, "docs");
    browser.check(&served.origin());
}

#[test]
fn the_status_can_be_read() {
    let served = Served::start(None);
    let browser = Browser::start();
    browser.go(&served.url("/status"));
    browser.until("!document.getElementById('content').hidden");
    check(&browser, "status");
    browser.check(&served.origin());
}

#[test]
fn the_form_for_a_token_can_be_read() {
    let served = Served::start(Some("a-secret-of-the-test"));
    let browser = Browser::start();
    for page in ["docs", "status"] {
        browser.go(&served.url(&format!("/{page}")));
        browser.until("document.getElementById('token') !== null");
        check(&browser, &format!("{page}-token"));
    }
    browser.check(&served.origin());
}
