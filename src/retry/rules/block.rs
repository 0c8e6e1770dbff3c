//! [pure] A rule as data, for YAML and other formats.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::ResponseRule;
use crate::data::{OneOrMany, optional_duration};

/// The data form of a rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleBlock {
    action: ActionBlock,
    #[serde(default, with = "optional_duration")]
    interval: Option<Duration>,
    #[serde(default)]
    status: OneOrMany<u16>,
    #[serde(default)]
    header_present: OneOrMany<String>,
    #[serde(default)]
    header: BTreeMap<String, String>,
    #[serde(default)]
    header_contains: BTreeMap<String, String>,
    #[serde(default)]
    body_contains: OneOrMany<String>,
    #[serde(default)]
    json: BTreeMap<String, Value>,
    #[serde(default)]
    json_not: BTreeMap<String, Value>,
    #[serde(default)]
    json_present: OneOrMany<String>,
    #[serde(default)]
    json_contains: BTreeMap<String, String>,
    #[serde(default)]
    message_at: OneOrMany<String>,
    #[serde(default)]
    retry_after_at: OneOrMany<String>,
    #[serde(default, with = "optional_duration")]
    retry_after: Option<Duration>,
    #[serde(default)]
    follow_location: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum ActionBlock {
    RateLimited,
    Retry,
    RenewToken,
    Poll,
    Accept,
    Fail,
}

impl TryFrom<RuleBlock> for ResponseRule {
    type Error = String;

    fn try_from(block: RuleBlock) -> Result<Self, String> {
        let mut rule = match (block.action, block.interval) {
            (ActionBlock::Poll, Some(interval)) => Self::poll(interval),
            (ActionBlock::Poll, None) => return Err("the action `poll` needs an `interval`".into()),
            (_, Some(_)) => return Err("`interval` is for the action `poll`".into()),
            (ActionBlock::RateLimited, None) => Self::rate_limited(),
            (ActionBlock::Retry, None) => Self::retry(),
            (ActionBlock::RenewToken, None) => Self::renew_token(),
            (ActionBlock::Accept, None) => Self::accept(),
            (ActionBlock::Fail, None) => Self::fail(),
        };
        rule = block.status.into_iter().fold(rule, Self::status);
        rule = block.header_present.into_iter().fold(rule, Self::header_present);
        rule = block.body_contains.into_iter().fold(rule, Self::body_contains);
        rule = block.json_present.into_iter().fold(rule, Self::json_present);
        rule = block.message_at.into_iter().fold(rule, Self::message_at);
        rule = block.retry_after_at.into_iter().fold(rule, Self::retry_after_at);
        rule = block.header.into_iter().fold(rule, |rule, (name, value)| rule.header(name, value));
        for (name, text) in block.header_contains {
            rule = rule.header_contains(name, text);
        }
        for (path, value) in block.json {
            rule = rule.json(path, value);
        }
        for (path, value) in block.json_not {
            rule = rule.json_not(path, value);
        }
        for (path, text) in block.json_contains {
            rule = rule.json_contains(path, text);
        }
        if let Some(wait) = block.retry_after {
            if block.action == ActionBlock::Poll {
                return Err("`retry_after` of the action `poll` is its `interval`".into());
            }
            rule = rule.retry_after(wait);
        }
        Ok(if block.follow_location { rule.follow_location() } else { rule })
    }
}
