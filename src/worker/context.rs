//! State shared by the calls of one worker: the HTTP client, the gates, the counters and
//! their report, and the preparation of requests. Knows no single call.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    ops::Deref,
    rc::Rc,
    sync::{Arc, Mutex},
    time::{Instant, SystemTime},
};

use actix::prelude::*;
use http::{StatusCode, Uri, header::AUTHORIZATION};
use secrecy::SecretString;

use super::{
    gates::{CallPermit, Throttle},
    hedging::Hedging,
    origin::{Api, Origin},
    tokens::TokensOf,
};
use crate::{
    actors::ActorRef,
    base_url::BaseUrl,
    config::ValidConfig,
    coop::LONG_WORK,
    dispatch::{Call, Dispatcher},
    error::{Error, ErrorKind},
    events::Events,
    header_value::header_text,
    lock::lock,
    permits::Stage,
    rate_limit::{Classified, Hold, KeyedRateLimiter, Pacer, RateLimiter, RateQueue, classify},
    request::Request,
    response::Response,
    retry::{Budget, ResponseRule, RetryPolicy, apply_rules},
    stats::{Counters, Report, StatsCollector},
    token_manager::{Issued, TokenManager, TokenSet},
    transport::Client,
    user_value::catch_panic,
};

/// How many clients for other APIs are kept. One more replaces the oldest.
const MOST_FOREIGN_CLIENTS: usize = 8;
/// How many origins are tracked at a time. One more replaces the oldest.
const MOST_ORIGINS: usize = 64;

/// What all workers of a pool share.
#[derive(Clone)]
pub(crate) struct WorkerParts {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) rate_queue: ActorRef<RateQueue>,
    pub(crate) pacer: Arc<Pacer>,
    pub(crate) keys: Option<Arc<KeyedRateLimiter<Arc<str>>>>,
    pub(crate) token_manager: ActorRef<TokenManager>,
    /// The pool's own tokens, if it has any.
    pub(crate) own_tokens: Option<Arc<TokenSet>>,
    pub(crate) stats: ActorRef<StatsCollector>,
    pub(crate) hold: Arc<Hold>,
    pub(crate) budget: Arc<Mutex<Budget>>,
    /// The other origins that calls went to lately.
    pub(crate) origins: Arc<Mutex<Vec<Arc<Origin>>>>,
}

/// What the calls of one worker share.
pub(super) struct WorkerContext {
    /// The number of the worker.
    pub(super) slot: usize,
    parts: WorkerParts,
    pub(super) client: Client,
    /// The clients for other APIs, to which a stream's next page may lead, with their origins.
    foreign_clients: RefCell<Vec<(String, Rc<Client>)>>,
    pub(super) throttle: Throttle,
    /// The pool's tokens that this worker knows.
    known_tokens: RefCell<Vec<Option<Issued>>>,
    pub(super) policy: RetryPolicy,
    pub(super) counters: RefCell<Counters>,
    pub(super) hedging: RefCell<Hedging>,
    /// Whether the pool's API has ever responded to this worker.
    pub(super) has_answered: Cell<bool>,
}

impl Deref for WorkerContext {
    type Target = WorkerParts;

    fn deref(&self) -> &WorkerParts {
        &self.parts
    }
}

impl WorkerContext {
    /// The context of the worker in `slot`.
    pub(super) fn new(slot: usize, parts: WorkerParts) -> Self {
        let dispatcher = &parts.dispatcher;
        let config = &dispatcher.config;
        let kept = config.kept_connections(slot, dispatcher.workers());
        let tokens = parts.own_tokens.as_ref().map_or(0, |own| own.credentials.slots);
        Self {
            slot,
            client: Client::new(&config.transport(kept, dispatcher.counters().connections())),
            foreign_clients: RefCell::default(),
            throttle: Throttle::new(
                parts.rate_queue.clone(),
                Arc::clone(&parts.pacer),
                config.settings.rate_limit_per_worker,
                config.settings.rate_limit_per_token.is_some(),
            ),
            known_tokens: RefCell::new(vec![None; tokens]),
            policy: config.retry_policy(),
            counters: RefCell::default(),
            hedging: RefCell::default(),
            has_answered: Cell::default(),
            parts,
        }
    }

    pub(super) fn config(&self) -> &ValidConfig {
        &self.dispatcher.config
    }

    /// Sends a report of what was counted since the last one.
    pub(super) fn report(&self) {
        let Ok(mut counters) = self.counters.try_borrow_mut() else { return };
        if counters.is_empty() {
            return;
        }
        if let Ok(mut hedging) = self.hedging.try_borrow_mut() {
            hedging.observe(&counters.latencies);
        }
        let Some(stats) = self.stats.actor() else { return };
        let report = Report::Counted(self.slot, counters.take());
        if let Err(SendError::Full(report) | SendError::Closed(report)) = stats.try_send(report)
            && let Report::Counted(_, refused) = report
        {
            *counters = refused;
        }
    }

    pub(super) fn events(&self) -> &Events {
        self.dispatcher.events()
    }

    /// The state that calls to the origin of `base` share.
    pub(super) fn origin(&self, base: &BaseUrl) -> Arc<Origin> {
        let mut known = lock(&self.origins);
        if let Some(origin) = known.iter().find(|origin| origin.name == base.origin()) {
            return Arc::clone(origin);
        }
        if known.len() == MOST_ORIGINS {
            known.remove(0);
        }
        let origin = Arc::new(Origin::new(base.origin(), self.config(), Instant::now()));
        known.push(Arc::clone(&origin));
        origin
    }

    /// The state of the pool's own API that `call` shares with other calls.
    pub(super) fn api<'a>(&'a self, call: &'a Call) -> Api<'a> {
        let tenant = call.tenant.as_deref();
        Api {
            hold: &self.hold,
            own_hold: tenant.map(|tenant| &tenant.hold),
            pacer: &self.pacer,
            circuit: self.dispatcher.circuit_of(tenant),
            budget: tenant.map_or(&*self.budget, |tenant| &tenant.budget),
            foreign: None,
        }
    }

    /// The limit for the rate key of `call`, if it has one and there is a limit per key: each
    /// handle with its own credentials has its own keys.
    pub(super) fn limit_of_key(&self, call: &Call) -> Option<Arc<RateLimiter>> {
        let key = call.request.own_rate_key()?;
        let keys = match &call.tenant {
            Some(tenant) => tenant.keys.as_ref(),
            None => self.keys.as_deref(),
        };
        Some(keys?.limiter(key))
    }

    /// What an unsuccessful response requests, or one whose result is not ready.
    pub(super) fn classify(&self, answer: &Response) -> Option<Classified> {
        let status = answer.counts_as();
        let ruled = answer.ruling();
        let is_pending = ruled.is_some() && status == StatusCode::ACCEPTED;
        let rules = &self.config().answers;
        (status.is_client_error() || status.is_server_error() || is_pending)
            .then(|| classify(rules, status, ruled, answer.headers(), SystemTime::now()))
    }

    /// The response to `call`, sent with `token`, as classified by the pool's rules: on a thread for
    /// long work if its body is long.
    ///
    /// # Errors
    /// [`ErrorKind::Callback`] if the system had no thread for that.
    pub(super) async fn ruled(
        &self,
        call: &Call,
        answer: Response,
        token: Option<&Issued>,
    ) -> Result<Response, Error> {
        let rules = &self.config().settings.response_rules;
        // The rules do not apply to other APIs.
        if rules.is_empty() || call.request.foreign_base(&self.config().base).is_some() {
            return Ok(answer);
        }
        let has_paths = rules.iter().any(ResponseRule::has_path);
        let path = has_paths.then(|| self.config().base.path_below(call.request.target()));
        let path = path.unwrap_or_default();
        if answer.body().len() < LONG_WORK {
            return Ok(apply_rules(rules, &path, answer, token.map(Issued::expose)));
        }
        let (config, token) = (Arc::clone(&self.dispatcher.config), token.cloned());
        let apply = move || {
            let rules = &config.settings.response_rules;
            apply_rules(rules, &path, answer, token.as_ref().map(Issued::expose))
        };
        // Boxed, as each call's future would have room for it otherwise.
        Box::pin(self.dispatcher.blocking().work(apply)).await
    }

    /// The client for a request that goes to another API than the pool's.
    pub(super) fn other_client(&self, request: &Request) -> Result<Option<Rc<Client>>, Error> {
        let Some(base) = request.other_base() else { return Ok(None) };
        let mut clients = self.foreign_clients.borrow_mut();
        if let Some((_, client)) = clients.iter().find(|(origin, _)| origin == base.origin()) {
            return Ok(Some(Rc::clone(client)));
        }
        let gauge = self.dispatcher.counters().connections();
        let client = Rc::new(Client::new(&self.config().transport_to(base, gauge)?));
        if clients.len() == MOST_FOREIGN_CLIENTS {
            clients.remove(0);
        }
        clients.push((base.origin().to_owned(), Rc::clone(&client)));
        Ok(Some(client))
    }

    /// The tokens that may be sent with `call`: none are sent to another API.
    pub(super) fn tokens_for<'a>(&'a self, call: &'a Call) -> Option<TokensOf<'a>> {
        if call.request.other_base().is_some() {
            return None;
        }
        let (set, known) = match &call.tenant {
            Some(tenant) => (&tenant.tokens, None),
            None => (self.own_tokens.as_ref()?, Some(&self.known_tokens)),
        };
        Some(TokensOf { manager: &self.token_manager, set, known })
    }

    /// The credentials in the headers of a request that do not come from a token.
    pub(super) fn secrets_of(&self, call: &Call) -> Vec<Arc<SecretString>> {
        let defaults = &self.config().headers;
        let values = [call.request.headers(), defaults].map(|headers| headers.get(AUTHORIZATION));
        // After the name of the scheme.
        let secrets = values.into_iter().flatten().filter_map(|value| {
            header_text(value).split_whitespace().last().map(SecretString::from)
        });
        secrets.map(Arc::new).collect()
    }

    /// The request as it is sent with `token`, and its URL.
    pub(super) async fn prepare<'a>(
        &self,
        call: &'a Call,
        url: &'a Uri,
        token: Option<&Issued>,
        permit: &CallPermit<'_>,
    ) -> Result<(Cow<'a, Request>, Cow<'a, Uri>), Error> {
        let (Some(token), Some(tokens)) = (token, self.tokens_for(call)) else {
            return Ok((Cow::Borrowed(&call.request), Cow::Borrowed(url)));
        };
        let mut request = call.request.clone();
        // After a redirect the token goes into the new query.
        if *url != *call.url {
            request.set_target(url.to_string());
        }
        let (set, token) = (Arc::clone(tokens.set), token.clone());
        let apply = move || (set.credentials.apply)(request, token.expose());
        let blocking = self.dispatcher.blocking();
        let mut request = if blocking.is_wary() {
            let limit = self.config().settings.replace_blocked_after;
            let threads = &tokens.set.threads;
            // Boxed, so that pools whose callbacks behave reserve no memory for it.
            Box::pin(blocking.run(threads, "the apply callback", limit, apply)).await??
        } else {
            permit.in_flight.go_on_to(Stage::Applying)?;
            catch_panic(apply)
                .ok_or_else(|| Error::new(ErrorKind::Callback, "the apply callback panicked"))??
        };
        for value in request.headers_mut().values_mut() {
            value.set_sensitive(true);
        }
        if call.tenant.is_some() {
            request.go_without_default_credentials();
        }
        // A token may be sent in the query.
        let is_same = match *url == *call.url {
            true => request.target() == call.request.target(),
            false => *request.target() == *url.to_string(),
        };
        let url = if is_same {
            Cow::Borrowed(url)
        } else {
            Cow::Owned(self.config().base.join(request.target())?)
        };
        Ok((Cow::Owned(request), url))
    }
}

impl Drop for WorkerContext {
    /// Reports what was counted when the last owner drops this, including the attempts that the
    /// end of the worker cancels.
    fn drop(&mut self) {
        self.report();
    }
}
