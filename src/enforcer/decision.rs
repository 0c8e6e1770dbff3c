//! The decision about one request: admitted or not, and the header fields and the body that
//! report it to the client. Serializes; decides nothing.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use sfv::{Integer, KeyRef, ListSerializer, StringRef, key_ref};

use super::{ledger::Standing, policy::RateLimitPolicy};

/// The problem type of draft-ietf-httpapi-ratelimit-headers-10 section 5.1.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

const Q: &KeyRef = key_ref("q");
const W: &KeyRef = key_ref("w");
const R: &KeyRef = key_ref("r");
const T: &KeyRef = key_ref("t");
const PK: &KeyRef = key_ref("pk");

/// The decision of a [`RateLimitPolicyEnforcer`](super::RateLimitPolicyEnforcer) about one
/// request.
#[derive(Clone, Debug)]
#[must_use]
pub struct RateLimitDecision {
    pub(super) policies: Arc<[RateLimitPolicy]>,
    /// In the order of the policies.
    pub(super) standings: Vec<Standing>,
    pub(super) client: u64,
    pub(super) has_legacy_headers: bool,
}

impl RateLimitDecision {
    /// Whether the request is within every policy. A refused request counts under none.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        !self.standings.iter().any(|standing| standing.is_violated)
    }

    /// How long the client of a refused request has to wait until one is admitted, if it
    /// makes no other request meanwhile: whole seconds, at least one. `None` if it was admitted.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let violated = self.standings.iter().filter(|standing| standing.is_violated);
        let wait = violated.filter_map(|standing| standing.more_in).max()?;
        Some(Duration::from_secs(seconds(wait).into()))
    }

    /// Names and values of header fields to add to the response, whatever it is: `ratelimit-policy`
    /// and `ratelimit` of draft-ietf-httpapi-ratelimit-headers-10, `retry-after` for a request
    /// that was refused, and the legacy fields if they are enabled.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::with_capacity(9);
        headers.extend(self.policy_field().map(|value| ("ratelimit-policy", value)));
        headers.extend(self.limit_field().map(|value| ("ratelimit", value)));
        if let Some(wait) = self.retry_after() {
            headers.push(("retry-after", wait.as_secs().to_string()));
        }
        if self.has_legacy_headers {
            headers.extend(self.legacy_fields());
        }
        headers
    }

    /// The body of a refusal: `application/problem+json` (RFC 9457) with the draft's type
    /// `quota-exceeded`, naming the policies that were violated.
    #[must_use]
    pub fn problem(&self) -> String {
        let pairs = self.policies.iter().zip(&self.standings);
        let violated: Vec<&str> = pairs
            .filter(|(_, standing)| standing.is_violated)
            .map(|(policy, _)| policy.name.as_str())
            .collect();
        json!({
            "type": QUOTA_EXCEEDED,
            "title": "The request exceeds the quota of the client",
            "status": 429,
            "violated-policies": violated,
        })
        .to_string()
    }

    fn policy_field(&self) -> Option<String> {
        let parameters = |policy: &RateLimitPolicy, _: &Standing| {
            let window = u32::try_from(policy.window.as_secs()).ok();
            [(Q, Some(policy.quota)), (W, window)]
        };
        self.field(parameters)
    }

    fn limit_field(&self) -> Option<String> {
        let parameters = |_: &RateLimitPolicy, standing: &Standing| {
            [(R, Some(standing.remaining)), (T, standing.more_in.map(seconds))]
        };
        self.field(parameters)
    }

    /// The policies as a list with two parameters each, and the partition key (RFC 9651).
    fn field(
        &self,
        parameters: impl Fn(&RateLimitPolicy, &Standing) -> [(&'static KeyRef, Option<u32>); 2],
    ) -> Option<String> {
        let mut list = ListSerializer::new();
        for (policy, standing) in self.policies.iter().zip(&self.standings) {
            // A policy whose name is not a legal string of a field was refused earlier.
            let Ok(name) = StringRef::from_str(&policy.name) else { continue };
            let mut item = list.bare_item(name);
            for (key, value) in parameters(policy, standing) {
                if let Some(value) = value {
                    item = item.parameter(key, Integer::from(value));
                }
            }
            if policy.shows_partition {
                item = item.parameter(PK, &self.client.to_be_bytes()[..]);
            }
            let _ = item.finish();
        }
        list.finish()
    }

    /// The legacy fields that were common before the draft, of the policy with the least remaining;
    /// the reset is in seconds from now.
    fn legacy_fields(&self) -> Vec<(&'static str, String)> {
        let pairs = self.policies.iter().zip(&self.standings);
        let Some((policy, standing)) = pairs.min_by_key(|(_, standing)| standing.remaining) else {
            return Vec::new();
        };
        let reset = standing.more_in.map_or(0, seconds).to_string();
        let (limit, remaining) = (policy.quota.to_string(), standing.remaining.to_string());
        vec![
            ("ratelimit-limit", limit.clone()),
            ("ratelimit-remaining", remaining.clone()),
            ("ratelimit-reset", reset.clone()),
            ("x-ratelimit-limit", limit),
            ("x-ratelimit-remaining", remaining),
            ("x-ratelimit-reset", reset),
        ]
    }
}

/// Whole seconds, not less than `wait` and at least one.
fn seconds(wait: Duration) -> u32 {
    let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    u32::try_from(whole).unwrap_or(u32::MAX).max(1)
}
