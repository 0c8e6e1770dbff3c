//! The shape of GitHub's REST API, with data of its own, on a loopback port: `Link` headers, at
//! most 100 rows a page and 30 by default, a quota in `X-RateLimit-*` headers, owners inside of
//! repositories, only open issues unless all are requested, and no access without a `User-Agent`
//! and a token.
//!
//! | request | response |
//! |---|---|
//! | `GET /users/{owner}/repos` | a bare list |
//! | `GET /repos/{owner}/{repo}` | one repository, or 404 |
//! | `GET /repos/{owner}/{repo}/issues?state=open\|closed\|all` | a bare list |
//! | `GET /search/repositories?q=` | `{"total_count", "incomplete_results", "items"}` |

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{AUTHORIZATION, HeaderName, USER_AGENT},
    },
    middleware::{Next, from_fn},
    web,
};
use serde_json::{Value, json};

use demo_api::Embedded;

/// The only valid token.
pub const TOKEN: &str = "ghp_replica";

/// The owner of the repositories.
pub const OWNER: &str = "octo";
const REPOSITORIES: u64 = 240;
const QUOTA: u64 = 5000;

/// The running replica. It stops when it is dropped.
pub struct Replica {
    server: Embedded,
    requests: Arc<AtomicU64>,
}

impl Replica {
    /// Starts it on a free loopback port.
    ///
    /// # Errors
    /// The error of binding or spawning.
    pub fn start() -> io::Result<Self> {
        let requests = Arc::new(AtomicU64::new(0));
        let shared = web::Data::from(Arc::clone(&requests));
        let server = Embedded::start(move |listener| {
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(shared.clone())
                    .wrap(from_fn(guard))
                    .route("/users/{owner}/repos", web::get().to(repositories))
                    .route("/repos/{owner}/{repo}", web::get().to(repository))
                    .route("/repos/{owner}/{repo}/issues", web::get().to(issues))
                    .route("/search/repositories", web::get().to(search))
            });
            Ok(server.workers(1).disable_signals().listen(listener)?.run())
        })?;
        Ok(Self { server, requests })
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// How many requests arrived so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

type Params = web::Query<HashMap<String, String>>;

async fn repositories(
    request: HttpRequest,
    owner: web::Path<String>,
    params: Params,
) -> HttpResponse {
    if *owner != OWNER {
        return refusal(StatusCode::NOT_FOUND);
    }
    list(&request, &params, (0..REPOSITORIES).map(repository_of).collect())
}

async fn repository(path: web::Path<(String, String)>) -> HttpResponse {
    let (owner, name) = path.into_inner();
    match (0..REPOSITORIES).find(|n| owner == OWNER && name_of(*n) == name) {
        Some(n) => HttpResponse::Ok().json(repository_of(n)),
        None => refusal(StatusCode::NOT_FOUND),
    }
}

async fn issues(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    params: Params,
) -> HttpResponse {
    let (_, name) = path.into_inner();
    let Some(n) = (0..REPOSITORIES).find(|n| name_of(*n) == name) else {
        return refusal(StatusCode::NOT_FOUND);
    };
    let wanted = params.get("state").map_or("open", String::as_str);
    let all = (1..=issues_of(n)).map(|number| issue_of(n, number));
    list(
        &request,
        &params,
        all.filter(|issue| wanted == "all" || issue["state"] == wanted).collect(),
    )
}

async fn search(request: HttpRequest, params: Params) -> HttpResponse {
    let Some(text) = params.get("q") else { return refusal(StatusCode::UNPROCESSABLE_ENTITY) };
    let found = (0..REPOSITORIES).map(repository_of);
    let found: Vec<Value> =
        found.filter(|row| row["name"].as_str().is_some_and(|name| name.contains(text))).collect();
    let total = found.len();
    let (links, items) = page(&request, &params, found);
    let body = json!({ "total_count": total, "incomplete_results": false, "items": items });
    linked(links).json(body)
}

fn list(request: &HttpRequest, params: &Params, rows: Vec<Value>) -> HttpResponse {
    let (links, rows) = page(request, params, rows);
    linked(links).json(rows)
}

/// The requested page, and the value of its `Link` header.
fn page(request: &HttpRequest, params: &Params, rows: Vec<Value>) -> (String, Vec<Value>) {
    let number = |name: &str, default: usize| {
        params.get(name).and_then(|value| value.parse().ok()).unwrap_or(default).max(1)
    };
    let (page, size) = (number("page", 1), number("per_page", 30).min(100));
    let last = rows.len().div_ceil(size).max(1);
    let url = |page: usize| {
        let own = params.iter().filter(|(name, _)| *name != "page");
        let own = own.map(|(name, value)| format!("{name}={value}&")).collect::<String>();
        let connection = request.connection_info();
        format!(
            "{}://{}{}?{own}page={page}",
            connection.scheme(),
            connection.host(),
            request.path()
        )
    };
    let links = [("prev", page - 1), ("next", page + 1), ("last", last)];
    let links = links
        .into_iter()
        .filter(|(rel, to)| (1..=last).contains(to) && (*rel != "last" || page < last));
    let links: Vec<String> =
        links.map(|(rel, to)| format!("<{}>; rel=\"{rel}\"", url(to))).collect();
    (links.join(", "), rows.into_iter().skip((page - 1) * size).take(size).collect())
}

fn linked(links: String) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    if !links.is_empty() {
        answer.insert_header(("link", links));
    }
    answer
}

/// Checks a request, and reports what is left of the quota.
async fn guard(
    requests: web::Data<AtomicU64>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let used = requests.fetch_add(1, Ordering::Relaxed) + 1;
    let headers = request.headers();
    let is_known =
        headers.get(AUTHORIZATION).is_some_and(|value| value == &format!("Bearer {TOKEN}")[..]);
    let refused = match (headers.contains_key(USER_AGENT), is_known) {
        (false, _) => Some(StatusCode::FORBIDDEN),
        (_, false) => Some(StatusCode::UNAUTHORIZED),
        _ => None,
    };
    let mut answer = match refused {
        Some(status) => request.into_response(refusal(status)).map_into_right_body(),
        None => next.call(request).await?.map_into_left_body(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for (name, value) in [
        ("x-ratelimit-limit", QUOTA),
        ("x-ratelimit-remaining", QUOTA.saturating_sub(used)),
        ("x-ratelimit-reset", now + 3600),
    ] {
        answer.headers_mut().insert(HeaderName::from_static(name), value.into());
    }
    Ok(answer)
}

fn refusal(status: StatusCode) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "message": status.canonical_reason() }))
}

fn name_of(n: u64) -> String {
    format!("{}-{n:03}", ["kernel", "parser", "router", "store"][n as usize % 4])
}

fn issues_of(n: u64) -> u64 {
    n * 7 % 130
}

fn repository_of(n: u64) -> Value {
    json!({
        "id": 1000 + n,
        "name": name_of(n),
        "full_name": format!("{OWNER}/{}", name_of(n)),
        "owner": { "login": OWNER, "id": 1 },
        "stargazers_count": n * n % 997,
        "archived": n.is_multiple_of(10),
    })
}

fn issue_of(n: u64, number: u64) -> Value {
    json!({
        "id": n * 1000 + number,
        "number": number,
        "title": format!("issue {number} of {}", name_of(n)),
        "state": if number.is_multiple_of(3) { "closed" } else { "open" },
        "user": { "login": format!("user{}", number % 9) },
    })
}
