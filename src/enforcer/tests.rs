//! Policies, clients and header fields, on time that is passed in.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use sfv::{ListEntry, Parser};

use super::{
    RateLimitPolicy, RateLimitPolicyEnforcer,
    ledger::{Client, Ledger},
};
use crate::error::ErrorKind;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn enforcer(policies: &[RateLimitPolicy]) -> RateLimitPolicyEnforcer {
    RateLimitPolicyEnforcer::new(policies.iter().cloned()).unwrap()
}

/// A field of the draft as a parser reads it: the names, and the parameters that are numbers.
fn read(value: &str) -> Vec<(String, HashMap<String, i64>)> {
    let list: sfv::List = Parser::new(value).parse().unwrap();
    let item = |entry| {
        let ListEntry::Item(item) = entry else { panic!("an inner list in {value}") };
        let name = item.bare_item.as_string().unwrap().as_str().to_owned();
        let numbers = item.params.iter().filter_map(|(key, value)| {
            Some((key.as_str().to_owned(), i64::from(value.as_integer()?)))
        });
        (name, numbers.collect())
    };
    list.into_iter().map(item).collect()
}

fn any_policy() -> impl Strategy<Value = RateLimitPolicy> {
    (any::<bool>(), 1..20u32, 1..50u64).prop_map(|(is_window, quota, window)| {
        let make =
            if is_window { RateLimitPolicy::fixed_window } else { RateLimitPolicy::token_bucket };
        make(format!("{quota} per {window}"), quota, secs(window))
    })
}

proptest! {
    #[test]
    fn no_client_gets_more_than_the_quota_and_who_waits_as_told_is_admitted(
        policies in prop::collection::vec(any_policy(), 1..4),
        clients in prop::collection::vec(any::<u64>(), 1..5),
        max_clients in 0..5usize,
        steps in prop::collection::vec((0..5usize, 0..4_000u64, any::<bool>()), 1..300),
    ) {
        let start = Instant::now();
        let mut ledger = Ledger::new(&policies, start);
        ledger.set_max_clients(max_clients);
        let mut admitted: HashMap<u64, Vec<Instant>> = HashMap::new();
        let mut now = start;
        for (client, millis, is_patient) in steps {
            let client = clients[client % clients.len()];
            now += Duration::from_millis(millis);
            let standings = ledger.decide(&policies, client, now);
            prop_assert!(ledger.clients() <= max_clients);
            let violated: Vec<_> = standings.iter().filter(|s| s.is_violated).collect();
            if violated.is_empty() {
                admitted.entry(client).or_default().push(now);
                continue;
            }
            prop_assert!(violated.iter().all(|s| s.remaining == 0 && s.more_in.is_some()));
            if is_patient {
                now += violated.iter().filter_map(|s| s.more_in).max().unwrap();
                let standings = ledger.decide(&policies, client, now);
                prop_assert!(!standings.iter().any(|s| s.is_violated), "{standings:?}");
                admitted.entry(client).or_default().push(now);
            }
        }
        for (client, admitted) in admitted {
            for policy in &policies {
                let window = policy.window.as_nanos();
                // Both kinds: in one window up to twice the quota, whatever its place, and
                // three times where windows changed since it was forgotten.
                let is_safe = !policy.is_fixed_window() || max_clients >= clients.len();
                let most = if is_safe { 2 } else { 3 } * policy.quota as usize;
                for (n, first) in admitted.iter().enumerate() {
                    let within = admitted[n..].iter().filter(|at| **at - *first < policy.window);
                    prop_assert!(within.count() <= most, "{}", policy.name);
                }
                if policy.is_fixed_window() && max_clients < clients.len() {
                    // Its windows may have been those of the others for a while.
                } else if policy.is_fixed_window() {
                    // Each of the client's own windows.
                    let offset = (window * u128::from(client)) >> 64;
                    let mut counts: HashMap<u128, u32> = HashMap::new();
                    for at in &admitted {
                        let index = ((*at - start).as_nanos() + offset) / window;
                        *counts.entry(index).or_default() += 1;
                    }
                    prop_assert!(counts.values().all(|count| *count <= policy.quota));
                } else {
                    // A bucket: quota + time × quota / window over any stretch.
                    for first in 0..admitted.len() {
                        for last in first..admitted.len() {
                            let time = (admitted[last] - admitted[first]).as_nanos();
                            let most = u128::from(policy.quota) * (window + time);
                            prop_assert!((last - first + 1) as u128 * window <= most);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_client_that_gives_way_to_others_has_no_fourth_quota_in_one_window() {
    let policies = [RateLimitPolicy::fixed_window("p", 1, secs(20))];
    let start = Instant::now();
    let mut ledger = Ledger::new(&policies, start);
    ledger.set_max_clients(1);
    // Its own windows end after 8 s, 28 s and so on; those in common after 20 s.
    let (client, other) = (u64::MAX / 5 * 3, 0);
    let times = [
        (client, 100),
        (other, 8_001),
        (client, 8_001),
        (client, 20_000),
        (client, 20_050),
        (client, 28_001),
        (client, 39_999),
    ];
    let is_admitted = |(who, millis)| {
        let now = start + Duration::from_millis(millis);
        !ledger.decide(&policies, who, now)[0].is_violated
    };
    assert_eq!(times.map(is_admitted), [true, true, true, true, false, false, false]);
}

#[test]
fn after_a_window_the_whole_quota_is_there_again() {
    for make in [RateLimitPolicy::fixed_window, RateLimitPolicy::token_bucket] {
        let policies = [make("p", 7, secs(60))];
        let start = Instant::now();
        let mut ledger = Ledger::new(&policies, start);
        for round in 0..5 {
            let now = start + secs(60) * round;
            let admitted =
                (0..20).filter(|_| !ledger.decide(&policies, 3, now)[0].is_violated).count();
            assert_eq!(admitted, 7, "{policies:?}");
        }
    }
}

#[test]
fn a_request_that_one_policy_refuses_counts_under_none() {
    let policies = [
        RateLimitPolicy::fixed_window("narrow", 1, secs(10)),
        RateLimitPolicy::fixed_window("wide", 5, secs(1000)),
    ];
    let enforcer = enforcer(&policies);
    let now = Instant::now();
    assert!(enforcer.decide(0, now).is_admitted());
    for _ in 0..10 {
        let refused = enforcer.decide(0, now);
        assert!(!refused.is_admitted());
        assert_eq!((refused.standings[0].remaining, refused.standings[1].remaining), (0, 4));
        let problem: serde_json::Value = serde_json::from_str(&refused.problem()).unwrap();
        assert_eq!(problem["violated-policies"], serde_json::json!(["narrow"]));
        assert_eq!(problem["status"], 429);
        // Not the thousand seconds of the policy that has something left.
        assert!(refused.retry_after().unwrap() <= secs(10), "{:?}", refused.retry_after());
    }
}

#[test]
fn clients_that_are_refused_at_once_do_not_all_come_back_at_once() {
    let enforcer = enforcer(&[RateLimitPolicy::fixed_window("p", 1, secs(60))]);
    let now = Instant::now();
    let mut tens = [0; 6];
    for client in 0..1000 {
        let client = enforcer.hasher.hash_one(client);
        assert!(enforcer.decide(client, now).is_admitted());
        let refused = enforcer.decide(client, now);
        let wait = refused.standings[0].more_in.unwrap();
        assert!(wait <= secs(60), "{wait:?}");
        tens[(wait.as_secs() / 10).min(5) as usize] += 1;
    }
    assert!(tens.iter().all(|count| (60..350).contains(count)), "{tens:?}");
}

#[test]
fn the_fields_are_what_a_parser_of_structured_fields_reads() {
    let enforcer = enforcer(&[
        RateLimitPolicy::token_bucket("burst \"\\", 10, secs(5)),
        RateLimitPolicy::fixed_window("daily", 1000, secs(86_400)).with_partition_key(),
    ])
    .legacy_headers();
    let now = Instant::now();
    for n in 1..=11 {
        let decision = enforcer.decide(7, now);
        let headers: HashMap<_, _> = decision.headers().into_iter().collect();
        let policies = read(&headers["ratelimit-policy"]);
        assert_eq!(policies[0].0, "burst \"\\");
        assert_eq!((policies[0].1["q"], policies[0].1["w"]), (10, 5));
        assert_eq!((policies[1].1["q"], policies[1].1["w"]), (1000, 86_400));
        let limits = read(&headers["ratelimit"]);
        assert_eq!((limits[0].1["r"], limits[0].1["t"]), ((10 - n).max(0), 1));
        assert_eq!(limits[1].1["r"], 1000 - n.min(10));
        assert!((1..=86_400).contains(&limits[1].1["t"]));
        assert_eq!(decision.is_admitted(), n <= 10);
        assert_eq!(headers.get("retry-after").map(String::as_str), (n > 10).then_some("1"));
        assert_eq!(headers["ratelimit-limit"], "10");
        assert_eq!(headers["x-ratelimit-remaining"], (10 - n).max(0).to_string());
        assert_eq!(headers["ratelimit-reset"], "1");
        for name in ["ratelimit-policy", "ratelimit"] {
            let list: sfv::List = Parser::new(&headers[name]).parse().unwrap();
            let ListEntry::Item(daily) = &list[1] else { panic!("an inner list") };
            let pk = daily.params.get(sfv::key_ref("pk")).unwrap();
            assert_eq!(pk.as_byte_sequence().unwrap(), 7u64.to_be_bytes());
        }
    }
}

#[test]
fn a_bucket_that_is_full_tells_no_time() {
    let policies = [RateLimitPolicy::token_bucket("p", 2, secs(1))];
    let mut ledger = Ledger::new(&policies, Instant::now());
    let now = Instant::now();
    assert_eq!(ledger.decide(&policies, 1, now)[0].more_in, Some(Duration::from_millis(500)));
    assert_eq!(ledger.decide(&policies, 1, now)[0].more_in, Some(Duration::from_millis(500)));
    let standing = ledger.decide(&policies, 1, now)[0];
    assert!(standing.is_violated);
    assert_eq!(standing.more_in, Some(Duration::from_millis(500)));
}

#[test]
fn many_clients_leave_no_more_than_those_with_less_than_their_quota() {
    let policies = [RateLimitPolicy::token_bucket("p", 2, secs(1))];
    let start = Instant::now();
    let mut ledger = Ledger::new(&policies, start);
    let mut most = 0;
    for client in 0..100_000u64 {
        // 20,000 a second, each of which has its whole quota again after half a second.
        let now = start + Duration::from_micros(50 * client);
        assert!(
            !ledger.decide(&policies, client.wrapping_mul(0x9e37_79b9_7f4a_7c15), now)[0]
                .is_violated
        );
        most = most.max(ledger.clients());
    }
    assert!((10_000..14_000).contains(&most), "{most} clients at a time");
}

#[test]
fn clients_beyond_the_bound_have_one_quota_in_common_when_all_have_used_theirs() {
    let enforcer = enforcer(&[RateLimitPolicy::token_bucket("p", 2, secs(60))]).max_clients(10);
    let now = Instant::now();
    for _ in 0..2 {
        (0..10).for_each(|client| assert!(enforcer.decide(client, now).is_admitted()));
    }
    assert!(enforcer.decide(10, now).is_admitted() && enforcer.decide(11, now).is_admitted());
    assert!(!enforcer.decide(12, now).is_admitted());
    // When there is room, what was used in common counts for who may have used it.
    let later = now + secs(60);
    assert!(enforcer.decide(12, later).is_admitted() && enforcer.decide(12, later).is_admitted());
    assert!(!enforcer.decide(12, later).is_admitted());
}

#[test]
fn security_16_made_up_clients_shut_no_newcomer_out() {
    for make in [RateLimitPolicy::fixed_window, RateLimitPolicy::token_bucket] {
        let policies = [make("daily", 1_000, secs(86_400))];
        let start = Instant::now();
        let mut ledger = Ledger::new(&policies, start);
        let mut admitted = |client: u64, requests: usize| {
            let client = client.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let is_admitted = |_: &usize| !ledger.decide(&policies, client, start)[0].is_violated;
            (0..requests).filter(is_admitted).count()
        };
        assert_eq!((admitted(1, 1_000), admitted(2, 900)), (1_000, 900));
        assert!((1_000..101_000).all(|client| admitted(client, 1) == 1));
        assert!((200_000..205_000).all(|client| admitted(client, 1) == 1));
        // Another one has nearly its whole quota.
        assert!(admitted(300_000, 1_000) >= 990);
        // Who used much is remembered.
        assert_eq!((admitted(1, 10), admitted(2, 200)), (0, 100));
        assert!(ledger.clients() <= 100_000);
    }
}

#[test]
fn security_16_who_used_least_is_forgotten_whatever_else_is_in_the_table() {
    for make in [RateLimitPolicy::fixed_window, RateLimitPolicy::token_bucket] {
        let policies = [make("p", 3, secs(600))];
        let now = Instant::now();
        let mut ledger = Ledger::new(&policies, now);
        ledger.set_max_clients(1_000);
        let mut admitted = |client: u64, requests: usize| {
            let is_admitted = |_: &usize| !ledger.decide(&policies, client, now)[0].is_violated;
            (0..requests).filter(is_admitted).count()
        };
        assert_eq!(admitted(500, 1), 1);
        assert!((0..1_000).filter(|client| *client != 500).all(|client| admitted(client, 3) == 3));
        // It begins with what the one had used that it came for, and the next one likewise.
        assert_eq!((admitted(5_000, 1), admitted(5_001, 3)), (1, 1));
        // Now all have used their quotas, and what is left is one in common.
        assert_eq!((admitted(5_002, 2), admitted(5_003, 2)), (1, 0));
        assert!((0..1_000).filter(|client| *client != 500).all(|client| admitted(client, 1) == 0));
    }
}

#[test]
fn security_16_who_comes_back_gets_no_more_than_before_where_quotas_flow_back() {
    let policies = [RateLimitPolicy::token_bucket("p", 10, secs(1_000))];
    let now = Instant::now();
    let mut ledger = Ledger::new(&policies, now);
    ledger.set_max_clients(50);
    let mut admitted = 0;
    for round in 0..2_000u64 {
        admitted += usize::from(!ledger.decide(&policies, u64::MAX, now)[0].is_violated);
        ledger.decide(&policies, round, now);
    }
    assert!(admitted <= 10, "{admitted}");
}

#[test]
fn security_16_networks_are_limited_in_a_full_table_too() {
    let policies = [RateLimitPolicy::fixed_window("p", 10, secs(86_400))];
    let start = Instant::now();
    let mut ledger = Ledger::new(&policies, start);
    ledger.set_max_clients(100);
    let crowd = (0..100u64).map(|id| (Client::from(id), 1));
    let network = |id| Client { id, networks: Some([(1_000, 32), (1_001 + id % 256, 8)]) };
    let attack = (2_000..6_000u64).map(|id| (network(id), 0));
    let mut admitted = [0, 0];
    for (n, (client, who)) in crowd.chain(attack).enumerate() {
        let now = start + Duration::from_millis(n as u64);
        admitted[who] += u32::from(!ledger.decide(&policies, client, now)[0].is_violated);
        assert!(ledger.clients() <= 100);
    }
    assert_eq!(admitted[1], 100);
    assert!((300..=321).contains(&admitted[0]), "{admitted:?}");
}

#[test]
fn clones_count_together_and_nothing_of_a_client_is_printed() {
    // So long that the client's window does not end meanwhile.
    let enforcer = enforcer(&[RateLimitPolicy::fixed_window("p", 1, secs(31_536_000))]);
    let other = enforcer.clone();
    assert!(enforcer.check("Bearer canary").is_admitted());
    assert!(!other.check("Bearer canary").is_admitted());
    let printed = format!("{enforcer:?} {:?}", other.check("Bearer canary"));
    assert!(!printed.contains("canary"), "{printed}");
}

#[test]
fn a_policy_that_cannot_be_said_is_refused_by_name() {
    let policy = RateLimitPolicy::fixed_window("p", 1, secs(1));
    let with = |name: &str, quota, window| vec![RateLimitPolicy::fixed_window(name, quota, window)];
    for (policies, what) in [
        (vec![], "policies:"),
        (vec![policy.clone(), policy], "policy name:"),
        (with("", 1, secs(1)), "policy name:"),
        (with("naïve", 1, secs(1)), "policy name:"),
        (with("a\r\nb", 1, secs(1)), "policy name:"),
        (with("p", 0, secs(1)), "policy quota:"),
        (with("p", 1, secs(0)), "policy window:"),
        (with("p", 1, Duration::from_millis(1500)), "policy window:"),
        (with("p", 1, Duration::MAX), "policy window:"),
    ] {
        let error = RateLimitPolicyEnforcer::new(policies).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(what), "{error} for {what}");
    }
}
