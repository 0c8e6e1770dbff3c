//! How much memory limits for very many keys take.

use std::{hint::black_box, time::Duration};

use vantage_api_pool::limits::{KeyedRateLimiter, RateLimitPolicy, RateLimitPolicyEnforcer};

use crate::support::held::{Peak, alone};

const MIB: usize = 1024 * 1024;

fn limiter(rate: &str) -> KeyedRateLimiter<String> {
    KeyedRateLimiter::new(rate.parse().unwrap(), 1).unwrap()
}

#[test]
fn a_million_keys_in_turn_take_no_more_memory_than_those_in_use() {
    alone(async {
        let limiter = limiter("1000000");
        let peak = Peak::from_here();
        for key in 0..1_000_000 {
            limiter.try_acquire(&key.to_string()[..]).unwrap();
        }
        let (cost, keys) = (peak.bytes(), limiter.len());
        println!("{keys} keys were left, at a cost of {} KiB", cost / 1024);
        assert!(keys < 1_000, "{keys} keys");
        assert!(cost < 4 * MIB, "{} KiB", cost / 1024);
    });
}

#[test]
fn a_million_keys_that_are_all_in_use_take_the_bound() {
    alone(async {
        let limiter = limiter("0.001");
        let peak = Peak::from_here();
        let served = (0..1_000_000)
            .filter(|key: &u32| limiter.try_acquire(&key.to_string()[..]).is_ok())
            .count();
        let cost = peak.bytes();
        println!("{} keys cost {} KiB", limiter.len(), cost / 1024);
        // Those that are told apart, and one of all the others.
        assert_eq!((limiter.len(), served), (65_536, 65_537));
        assert!(cost < 32 * MIB, "{} KiB", cost / 1024);
        black_box(limiter);
    });
}

#[test]
fn security_23_a_key_costs_the_same_however_long_it_is() {
    alone(async {
        let limiter = limiter("0.001");
        let peak = Peak::from_here();
        for n in 0..5_000 {
            let key = format!("{n} {}", "k".repeat(100_000));
            assert!(limiter.try_acquire(&key[..]).is_ok() && limiter.try_acquire(&key).is_err());
        }
        let cost = peak.bytes();
        assert_eq!(limiter.len(), 5_000);
        assert!(cost < 8 * MIB, "{} KiB for keys of 500 MB", cost / 1024);
        black_box(limiter);
    });
}

#[test]
fn many_clients_of_an_enforcer_take_the_bound() {
    alone(async {
        let enforcer = RateLimitPolicyEnforcer::new([
            RateLimitPolicy::token_bucket("burst", 20, Duration::from_secs(60)),
            RateLimitPolicy::fixed_window("daily", 1_000, Duration::from_secs(86_400)),
        ])
        .unwrap();
        let peak = Peak::from_here();
        let admitted =
            (0..300_000).filter(|client: &u32| enforcer.check(client).is_admitted()).count();
        let cost = peak.bytes();
        println!("{enforcer:?} cost {} KiB", cost / 1024);
        // Each one takes the place of another that made a request or a few.
        assert_eq!(admitted, 300_000);
        assert!(cost < 64 * MIB, "{} KiB", cost / 1024);
        black_box(enforcer);
    });
}
