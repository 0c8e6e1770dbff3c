//! `/docs`: the API as a person sees and tries it.

use std::process::Command;

use crate::{driver::Browser, process::Served};

const LIST: &str = "operation-cities.list";
const ROW: &str = "operation-cities.get";
const BODY: &str = ".answer pre:last-of-type";

fn open(served: &Served) -> Browser {
    let browser = Browser::start();
    browser.go(&served.url("/docs"));
    browser
}

fn shown(served: &Served) -> Browser {
    let browser = open(served);
    browser.until("!document.getElementById('content').hidden");
    browser
}

/// An expression for a part of an operation.
fn part(operation: &str, selector: &str) -> String {
    format!("document.getElementById('{operation}').querySelector('{selector}')")
}

fn text_of(browser: &Browser, operation: &str, selector: &str) -> String {
    browser.text(&format!("{}.textContent", part(operation, selector)))
}

fn unfold(browser: &Browser, operation: &str) {
    browser.click(&format!("[id='{operation}'] > summary"));
    browser.until(&format!("{} !== null", part(operation, ".inside")));
}

fn set(browser: &Browser, operation: &str, name: &str, value: &str) {
    let field = part(operation, &format!("form [id$=\"-{name}\"]"));
    let value = serde_json::to_string(value).unwrap();
    browser.value(&format!(
        "(() => {{ const field = {field}; field.value = {value}; \
         field.dispatchEvent(new Event('input', {{ bubbles: true }})); return true; }})()"
    ));
}

/// Sends the request of an operation and waits for the answer.
fn send(browser: &Browser, operation: &str) -> String {
    browser.click(&format!("[id='{operation}'] form button"));
    browser.until(&format!("{} !== null", part(operation, BODY)));
    text_of(browser, operation, BODY)
}

#[test]
fn it_shows_every_operation_and_every_schema() {
    let served = Served::start(None);
    let browser = shown(&served);
    let document = served.send("GET", "/openapi.json", "").json();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            operations += 1;
            let card = format!("document.getElementById('operation-{id}')");
            assert_eq!(browser.text(&format!("{card}?.querySelector('.path').textContent")), *path);
            browser.value(&format!("{card}.open = true"));
            browser.until(&format!("{card}.querySelector('.inside') !== null"));
        }
    }
    assert_eq!(
        browser.value("document.querySelectorAll('details[data-words]').length"),
        operations
    );
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        let card = format!("document.getElementById('schema-{name}')");
        assert_eq!(browser.value(&format!("{card} !== null")), true, "{name}");
    }
    let columns = browser.text("document.querySelector('#group-cities table').innerText");
    for column in ["id", "name", "country", "population"] {
        assert!(columns.contains(column), "{columns}");
    }
    browser.check(&served.origin());
    served.check();
}

#[test]
fn what_is_read_can_be_tried() {
    let served = Served::start(None);
    let browser = shown(&served);
    unfold(&browser, LIST);
    browser.picture("docs");
    set(&browser, LIST, "country", "eq.Germany");
    set(&browser, LIST, "select", "id,name");
    set(&browser, LIST, "order", "name.desc");
    let answer = send(&browser, LIST);
    assert!(answer.find("Bonn").unwrap() < answer.find("Berlin").unwrap(), "{answer}");
    assert!(!answer.contains("Lyon") && !answer.contains("population"), "{answer}");
    browser.picture("docs-tried");
    browser.check(&served.origin());
}

// A slash that is not encoded asks for something else (swagger-api/swagger-ui#1013, #4025).
#[test]
fn an_id_is_one_segment_whatever_it_has() {
    let served = Served::start(None);
    let id = "a/b?c#d %2F ü";
    let row = serde_json::json!({ "id": id, "name": "Strange" }).to_string();
    assert_eq!(served.send("POST", "/tables/cities", &row).status, 201);
    let browser = shown(&served);
    unfold(&browser, ROW);
    set(&browser, ROW, "id", id);
    let answer = send(&browser, ROW);
    assert!(answer.contains("Strange"), "{answer}");
    // What a browser takes for a folder is not asked for.
    set(&browser, ROW, "id", "..");
    browser.click(&format!("[id='{ROW}'] form button"));
    browser.until(&format!("{}?.textContent.startsWith('id:')", part(ROW, ".failure")));
    browser.check(&served.origin());
}

// Texts of an API that became markup (swagger-api/swagger-ui#1863).
#[test]
fn what_rows_have_is_text_and_nothing_else() {
    let served = Served::start(None);
    let name = "<img src=x onerror=document.title='hit'><script>document.title='hit'</script>";
    let row = serde_json::json!({ "id": "evil", "name": name }).to_string();
    assert_eq!(served.send("POST", "/tables/cities", &row).status, 201);
    let browser = shown(&served);
    unfold(&browser, ROW);
    set(&browser, ROW, "id", "evil");
    let answer = send(&browser, ROW);
    assert!(answer.contains("<img src=x"), "{answer}");
    assert_eq!(browser.value("document.querySelectorAll('img').length"), 0);
    assert_eq!(browser.text("document.title"), "API");
    // Even a script of the page may make no markup of a text.
    let refused = browser.text(
        "(() => { try { document.body.innerHTML = 'x'; return 'made'; } \
         catch (error) { return error.name; } })()",
    );
    assert_eq!(refused, "TypeError");
}

// Commands that a shell takes apart (swagger-api/swagger-ui#2839, #5390, #5734).
#[test]
fn the_example_for_curl_does_what_the_form_does() {
    let secret = "a-secret-of-the-test";
    let served = Served::start(Some(secret));
    let browser = open(&served);
    browser.type_into("#token", secret);
    browser.click("#login button");
    browser.until("!document.getElementById('content').hidden");
    let name = "it's \"$HOME\" & `id` \\ 100%";
    let row = serde_json::json!({ "id": "quoted", "name": name }).to_string();
    assert_eq!(served.send("POST", "/tables/cities", &row).status, 201);
    unfold(&browser, LIST);
    set(&browser, LIST, "name", &format!("eq.{name}"));
    let tried = send(&browser, LIST);
    assert!(tried.contains("quoted"), "{tried}");
    let command = text_of(&browser, LIST, "pre code");
    assert!(!command.contains(secret), "{command}");
    let script = format!("{command} --silent");
    let output = output_of(Command::new("sh").args(["-c", &script]).env("TOKEN", secret));
    let told: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(told["data"][0]["id"], "quoted", "{command}\n{output}");
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_token_is_in_the_memory_of_the_page_alone() {
    let secret = "a-secret-of-the-test";
    let served = Served::start(Some(secret));
    let browser = open(&served);
    browser.until("document.getElementById('notice').textContent.includes('token')");
    browser.picture("docs-token");
    // Nothing is asked for before there is one: a refusal would be in the console.
    let asked = browser.requested();
    assert!(
        asked.iter().all(|url| url.ends_with("/docs") || url.starts_with("data:")),
        "{asked:?}"
    );
    browser.type_into("#token", secret);
    browser.click("#login button");
    browser.until("!document.getElementById('content').hidden");
    let kept = browser.text(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href, \
         history.state, document.documentElement.outerHTML])",
    );
    assert!(!kept.contains(secret), "{kept}");
    browser.check(&served.origin());
    // It is gone with the page.
    browser.go(&served.url("/docs"));
    browser.until("document.getElementById('token') !== null");
    assert_eq!(browser.value("document.getElementById('content').hidden"), true);
}

#[test]
fn a_token_that_is_refused_is_asked_for_again() {
    let served = Served::start(Some("a-secret-of-the-test"));
    let browser = open(&served);
    browser.type_into("#token", "another");
    browser.click("#login button");
    browser.until("document.getElementById('notice').textContent.includes('401')");
    browser.until("document.getElementById('token') !== null");
}

#[test]
fn operations_are_found_by_a_word() {
    let served = Served::start(None);
    let browser = shown(&served);
    browser.type_into("#search", "delete /tables/cities/");
    browser.until(
        "[...document.querySelectorAll('details[data-words]')].filter((card) => !card.hidden)
         .map((card) => card.id).join() === 'operation-cities.delete'",
    );
}
