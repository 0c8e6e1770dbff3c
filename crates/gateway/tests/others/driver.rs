//! Chromium without a window, driven over WebDriver (W3C) by chromedriver.

use std::{fs, net::SocketAddr, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    http,
    process::{LONG, Process},
};

/// A browser with one page.
pub(crate) struct Browser {
    address: SocketAddr,
    session: String,
    /// Ends after the session.
    _driver: Process,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let driver = Process::start(["chromedriver", "--port=0"]);
        let port: u16 = driver.line(|line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let arguments = [
            "--headless=new",
            // Containers have none.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-background-networking",
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "timeouts": { "script": LONG.as_secs() * 1000, "pageLoad": LONG.as_secs() * 1000 },
        } } });
        let made = http::send(address, "POST", "/session", &[], &wanted.to_string()).json();
        let session = made["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{made}"));
        let browser = Self { address, session: session.to_owned(), _driver: driver };
        browser.size(1280, 1000);
        browser
    }

    fn command(&self, method: &str, name: &str, body: &Value) -> Value {
        let path = format!("/session/{}{name}", self.session);
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let answer = http::send(self.address, method, &path, &[], &body);
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        answer.json()["value"].take()
    }

    pub(crate) fn go(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// What an expression of JavaScript is.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression})");
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    pub(crate) fn text(&self, expression: &str) -> String {
        self.value(expression).as_str().unwrap_or_default().to_owned()
    }

    /// Waits in the page until an expression is true.
    pub(crate) fn until(&self, expression: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const started = Date.now(); \
             const look = () => {{ if ({expression}) done(true); \
             else if (Date.now() - started > 60000) done(false); else setTimeout(look, 20); }}; \
             look();"
        );
        let came = self.command("POST", "/execute/async", &json!({ "script": script, "args": [] }));
        assert_eq!(came, true, "{expression}: {}", self.text("document.body.innerText"));
    }

    /// Clicks the first element of a selector as a person does.
    pub(crate) fn click(&self, selector: &str) {
        let id = self.find(selector);
        self.command("POST", &format!("/element/{id}/click"), &json!({}));
    }

    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let id = self.find(selector);
        self.command("POST", &format!("/element/{id}/value"), &json!({ "text": text }));
    }

    fn find(&self, selector: &str) -> String {
        let how = json!({ "using": "css selector", "value": selector });
        let found = self.command("POST", "/element", &how);
        let id = found.as_object().and_then(|found| found.values().next()?.as_str());
        id.unwrap_or_else(|| panic!("{selector}: {found}")).to_owned()
    }

    /// Sets the size of the page, also below what a window may have.
    pub(crate) fn size(&self, width: u32, height: u32) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
            }),
        );
    }

    pub(crate) fn dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let feature = json!({ "name": "prefers-color-scheme", "value": value });
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("POST", "/goog/cdp/execute", &body)
    }

    /// Keeps a picture of the page, to be looked at.
    pub(crate) fn picture(&self, name: &str) {
        let picture = self.command("GET", "/screenshot", &Value::Null);
        let bytes = STANDARD.decode(picture.as_str().unwrap()).unwrap();
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        fs::write(&file, bytes).unwrap();
        println!("{}", file.display());
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.command("POST", "/se/log", &json!({ "type": kind }));
        entries.as_array().cloned().unwrap_or_default()
    }

    /// What the console has since it was last asked for, but for what is only for debugging.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.log("browser").into_iter();
        entries.filter(|entry| entry["level"] != "DEBUG").map(|entry| entry.to_string()).collect()
    }

    /// The addresses that were requested since they were last asked for.
    pub(crate) fn requested(&self) -> Vec<String> {
        let messages = self
            .log("performance")
            .into_iter()
            .filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        messages
            .filter(|entry| entry["message"]["method"] == "Network.requestWillBeSent")
            .filter_map(|entry| {
                Some(entry["message"]["params"]["request"]["url"].as_str()?.to_owned())
            })
            .collect()
    }

    /// That nothing was written to the console, and nothing of another origin was asked for.
    pub(crate) fn check(&self, origin: &str) {
        let console = self.console();
        assert!(console.is_empty(), "{console:#?}");
        let requested = self.requested();
        assert!(!requested.is_empty());
        for url in requested {
            let is_own = url.starts_with(&format!("{origin}/")) || url.starts_with("data:");
            assert!(is_own, "{url}");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser too. A driver that is gone has none any more.
        let path = format!("/session/{}", self.session);
        let _ = http::try_send(self.address, "DELETE", &path, &[], "");
    }
}
