//! A small paged API of countries and their cities, embedded in the program that calls it: bearer
//! tokens, pages of at most ten rows, a rate limit, some latency and, if enabled, faults.
//!
//! | request | response |
//! |---|---|
//! | `POST /token` | `{"access_token": …, "token_type": "Bearer", "expires_in": seconds}` |
//! | `GET /v1/countries`, `GET /v1/cities`, `GET /v1/countries/{country}/cities` | a page |
//! | `GET /v1/countries/{name}`, `GET /v1/cities/{id}` | one row, or 404 |
//! | `GET`, `POST /v1/notes`, `GET`, `PUT`, `PATCH`, `DELETE /v1/notes/{id}` | notes, which can be written and have entity tags |
//!
//! A page is `{"data": […], "pagination": {page, per_page, total, total_pages,
//! has_next, has_prev}}`. `page` and `per_page` choose it, and any other
//! parameter filters by the field of that name. `/v1/countries.html`, `/v1/cities.html` and the
//! same with `.xml`, `.csv` and `.txt` are the pages in other formats.

mod access;
mod data;
mod embedded;
mod formats;
mod notes;
mod pages;
mod routes;

use std::{fmt, io, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, middleware::from_fn, web};
use serde_json::Value;
use vantage_api_pool::limits::{RateLimitPolicy, RateLimitPolicyEnforcer};

use access::{Access, fail_some, guard};
use data::Data;
pub use embedded::Embedded;
use notes::Notes;

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// The least latency of each response.
    pub latency: Duration,
    /// The share of requests that get a 503, from 0 to 1.
    pub fault_rate: f64,
    /// The seed of the faults and the tokens.
    pub seed: u64,
    /// The number of rows on a page if the client requests no size.
    pub per_page: usize,
    /// The most rows on a page.
    pub max_per_page: usize,
    /// How many requests are allowed per `window`; more get a 429.
    pub quota: u32,
    /// The time window of `quota`, in whole seconds.
    pub window: Duration,
    /// The lifetime of a token.
    pub token_lifetime: Duration,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            fault_rate: 0.0,
            seed: 7,
            per_page: 10,
            max_per_page: 10,
            quota: 1000,
            window: Duration::from_secs(1),
            token_lifetime: Duration::from_secs(3600),
        }
    }
}

/// The running API. It stops when it is dropped.
pub struct DemoApi {
    server: Embedded,
    data: Arc<Data>,
    access: Arc<Access>,
}

impl DemoApi {
    /// Starts the API on a free loopback port.
    ///
    /// # Errors
    /// The error of binding or spawning, or an impossible quota or window.
    pub fn start(options: DemoOptions) -> io::Result<Self> {
        let policy = RateLimitPolicy::token_bucket("default", options.quota, options.window);
        // All clients together.
        let limit =
            RateLimitPolicyEnforcer::new([policy]).map_err(io::Error::other)?.client_by(|_| ());
        let data = Arc::new(Data::generate());
        let access = Arc::new(Access::new(&options));
        let shared = (
            web::Data::from(Arc::clone(&data)),
            web::Data::from(Arc::clone(&access)),
            web::Data::new(options),
            web::Data::new(Notes::default()),
        );
        let server = Embedded::start(move |listener| {
            let server = HttpServer::new(move || {
                let (data, access, options, notes) = shared.clone();
                App::new()
                    .app_data(data)
                    .app_data(access)
                    .app_data(options)
                    .app_data(notes)
                    .route("/token", web::post().to(access::issue))
                    .service(
                        web::scope("/v1")
                            // The last one runs first.
                            .wrap(from_fn(fail_some))
                            .wrap(limit.clone())
                            .wrap(from_fn(guard))
                            .configure(routes::configure),
                    )
            })
            .workers(1)
            .disable_signals()
            // A client that a busy machine stops between connecting and asking is no slow one.
            .client_request_timeout(Duration::from_secs(60))
            .listen(listener)?;
            Ok(server.run())
        })?;
        Ok(Self { server, data, access })
    }

    /// The URL of `/token`: scheme, host and port.
    pub fn origin(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The base URL of the rows.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.origin())
    }

    /// All cities, in the order of the API.
    pub fn cities(&self) -> &[Value] {
        &self.data.cities
    }

    /// All countries, in the order of the API.
    pub fn countries(&self) -> &[Value] {
        &self.data.countries
    }

    /// How many requests for rows arrived so far, whatever the response.
    pub fn requests(&self) -> u64 {
        self.access.requests()
    }

    /// How many of them got a 429.
    pub fn throttled(&self) -> u64 {
        self.access.throttled()
    }
}

impl fmt::Debug for DemoApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DemoApi").field("server", &self.server).finish_non_exhaustive()
    }
}
