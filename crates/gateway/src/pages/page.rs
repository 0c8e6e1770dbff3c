//! A page as it is sent: put together once for each gateway, with the policy that fits it.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderMap, HeaderValue},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, digest};

use crate::{Problem, cached_response::CachedResponse};

const LAYOUT: &str = include_str!("layout.html");
const STYLE: &str = include_str!("page.css");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

const DOCS: Parts = Parts {
    title: "API",
    body: include_str!("docs.html"),
    script: concat!(include_str!("shared.js"), include_str!("docs.js")),
};
const STATUS: Parts = Parts {
    title: "Status",
    body: include_str!("status.html"),
    script: concat!(
        include_str!("shared.js"),
        include_str!("charts.js"),
        include_str!("jobs.js"),
        include_str!("status.js")
    ),
};

/// What differs from page to page.
struct Parts {
    title: &'static str,
    body: &'static str,
    script: &'static str,
}

/// The pages of a gateway.
pub(crate) struct Pages {
    docs: Page,
    status: Page,
}

impl Pages {
    /// Pages that ask for a token before anything else if credentials are needed.
    pub(crate) fn new(needs_credentials: bool) -> Self {
        let page = |parts| Page::new(parts, needs_credentials);
        Self { docs: page(&DOCS), status: page(&STATUS) }
    }

    /// Answers `GET /docs`.
    pub(crate) async fn docs(&self, headers: &HeaderMap) -> Result<HttpResponse, Problem> {
        self.docs.respond(headers).await
    }

    /// Answers `GET /status`.
    pub(crate) async fn status(&self, headers: &HeaderMap) -> Result<HttpResponse, Problem> {
        self.status.respond(headers).await
    }
}

struct Page {
    answer: CachedResponse,
    policy: String,
}

impl Page {
    fn new(parts: &Parts, needs_credentials: bool) -> Self {
        // The script comes last: nothing is put into it.
        let html = LAYOUT
            .replace("{{credentials}}", if needs_credentials { "needed" } else { "none" })
            .replace("{{title}}", parts.title)
            .replace("{{body}}", parts.body)
            .replace("{{style}}", STYLE)
            .replace("{{script}}", parts.script);
        let policy = format!(
            "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            source(parts.script),
            source(STYLE),
        );
        Self { answer: CachedResponse::new(html.into_bytes(), Duration::ZERO), policy }
    }

    async fn respond(&self, headers: &HeaderMap) -> Result<HttpResponse, Problem> {
        let mut response = self.answer.respond(headers, None).await?;
        let fields = response.headers_mut();
        // Without its own policy it would have that of all answers, which allows nothing.
        if let Ok(policy) = HeaderValue::try_from(self.policy.as_str()) {
            fields.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if fields.contains_key(header::CONTENT_TYPE) {
            fields.insert(header::CONTENT_TYPE, HTML);
        }
        Ok(response)
    }
}

/// What a policy calls an element with this text (CSP level 3, hash-source).
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}
