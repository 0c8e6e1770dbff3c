//! [pure] A rule as data, for YAML and other formats.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::ResponseRule;
use crate::{
    data::{OneOrMany, optional_duration},
    response::Action,
};

/// The data form of a rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleData {
    action: Action,
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

impl<'de> Deserialize<'de> for ResponseRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(RuleData::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl TryFrom<RuleData> for ResponseRule {
    type Error = String;

    fn try_from(data: RuleData) -> Result<Self, String> {
        let mut rule = match (data.action, data.interval) {
            (Action::Poll, Some(interval)) => Self::poll(interval),
            (Action::Poll, None) => return Err("the action `poll` needs an `interval`".into()),
            (_, Some(_)) => return Err("`interval` is for the action `poll`".into()),
            (action, None) => Self::new(action),
        };
        rule = data.status.into_iter().fold(rule, Self::status);
        rule = data.header_present.into_iter().fold(rule, Self::header_present);
        rule = data.body_contains.into_iter().fold(rule, Self::body_contains);
        rule = data.json_present.into_iter().fold(rule, Self::json_present);
        rule = data.message_at.into_iter().fold(rule, Self::message_at);
        rule = data.retry_after_at.into_iter().fold(rule, Self::retry_after_at);
        rule = data.header.into_iter().fold(rule, |rule, (name, value)| rule.header(name, value));
        for (name, text) in data.header_contains {
            rule = rule.header_contains(name, text);
        }
        for (path, value) in data.json {
            rule = rule.json(path, value);
        }
        for (path, value) in data.json_not {
            rule = rule.json_not(path, value);
        }
        for (path, text) in data.json_contains {
            rule = rule.json_contains(path, text);
        }
        if let Some(wait) = data.retry_after {
            if data.action == Action::Poll {
                return Err("`retry_after` of the action `poll` is its `interval`".into());
            }
            rule = rule.retry_after(wait);
        }
        Ok(if data.follow_location { rule.follow_location() } else { rule })
    }
}
