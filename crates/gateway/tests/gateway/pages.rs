//! The pages for people: what they may do in a browser, and that they tell nothing.

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use ring::digest::{SHA256, digest};
use vantage_api_gateway::TableConfig;

use crate::support::{Answer, Served, cities, closed, open};

const PAGES: [&str; 2] = ["/api/v1/docs", "/api/v1/status"];

fn served() -> Served {
    Served::start(closed().table("cities", TableConfig::new(cities())))
}

fn directive(answer: &Answer, name: &str) -> String {
    let policy = answer.field("content-security-policy").unwrap();
    let found = policy.split(';').map(str::trim).find_map(|part| part.strip_prefix(name));
    found.unwrap_or_else(|| panic!("{name}: {policy}")).trim().to_owned()
}

/// The text of the one element of this name.
fn element<'a>(html: &'a str, begin: &str, end: &str) -> &'a str {
    assert_eq!(html.matches(begin).count(), 1, "{begin}");
    let (_, rest) = html.split_once(begin).unwrap();
    rest.split_once(end).unwrap().0
}

#[test]
fn they_need_no_credentials_and_hold_no_data() {
    let served = served();
    for page in PAGES {
        let answer = served.get(page);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
        assert!(answer.text().contains("data-credentials=\"needed\""));
        assert!(!answer.text().contains("cities") && !answer.text().contains("{{"));
        assert_eq!(served.send("HEAD", page, &[], "").status, 200);
        assert_eq!(served.send("POST", page, &[], "").status, 405);
    }
    // What they ask for needs them.
    for path in ["/api/v1/openapi.json", "/api/v1/status/events"] {
        assert_eq!(served.get(path).status, 401);
    }
    let served = Served::start(open());
    assert!(served.get(PAGES[0]).text().contains("data-credentials=\"none\""));
}

// A strict policy of all answers leaves such pages blank (swagger-api/swagger-ui#10655,
// unslothai/unsloth#8042), and of two policies both count (svrforum/NginxProxyGuard#296).
#[test]
fn their_one_policy_allows_their_own_script_and_style_and_nothing_inline() {
    let served = served();
    for page in PAGES {
        let answer = served.get(page);
        let policies = answer.fields.iter().filter(|(name, _)| name == "content-security-policy");
        assert_eq!(policies.count(), 1);
        let html = answer.text();
        for (name, begin, end) in [
            ("script-src", "<script type=\"module\">", "</script>"),
            ("style-src", "<style>", "</style>"),
        ] {
            let text = element(&html, begin, end);
            // A browser would count another text than was hashed.
            assert!(!text.contains('\r'));
            let hash = STANDARD.encode(digest(&SHA256, text.as_bytes()));
            assert_eq!(directive(&answer, name), format!("'sha256-{hash}'"));
        }
        assert_eq!(directive(&answer, "default-src"), "'none'");
        assert_eq!(directive(&answer, "connect-src"), "'self'");
        assert_eq!(directive(&answer, "frame-ancestors"), "'none'");
        assert_eq!(directive(&answer, "form-action"), "'none'");
        for inline in
            [" style=", " onclick=", " onload=", " src=", "javascript:", "@import", "url("]
        {
            assert!(!html.contains(inline), "{inline}");
        }
        // Nothing of another host.
        let hosts = html.replace("http://www.w3.org/", "");
        assert!(!hosts.contains("https://") && !hosts.contains("http://"), "{page}");
    }
}

#[test]
fn they_are_sent_once_and_compressed() {
    let served = served();
    for page in PAGES {
        let plain = served.get(page);
        let zipped = served.send("GET", page, &[("accept-encoding", "gzip")], "");
        assert_eq!(zipped.field("content-encoding"), Some("gzip"));
        assert!(zipped.body.len() < plain.body.len() / 2);
        let mut back = Vec::new();
        GzDecoder::new(&zipped.body[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, plain.body);
        assert_eq!(zipped.field("content-security-policy"), plain.field("content-security-policy"));
        let again = served.send("GET", page, &[("if-none-match", &plain.etag())], "");
        assert_eq!((again.status, again.body.len()), (304, 0));
    }
}

#[test]
fn they_are_below_the_prefix_and_refer_to_nothing_else() {
    let served = Served::start(open().prefix("/behind/a/proxy"));
    let html = served.get("/behind/a/proxy/docs").text();
    assert!(html.contains("href=\"status\"") && !html.contains("/behind"));
    assert_eq!(served.get("/behind/a/proxy/docs/").status, 404);
}
