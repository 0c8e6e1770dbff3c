//! The pool's own code for the pace, and the simulation of its tests. Included as source, because
//! it is not part of the public API.

#![allow(dead_code, unreachable_pub, reason = "an example uses a part of it")]

#[path = "../../src/rate_limit/bucket.rs"]
pub mod bucket;
#[path = "../../src/rate_limit/counts.rs"]
pub mod counts;
#[path = "../../src/rate_limit/dampener.rs"]
pub mod dampener;
#[path = "../../src/rate_limit/learned.rs"]
pub mod learned;
#[path = "../../src/rate_limit/pace.rs"]
pub mod pace;
#[path = "../../src/rate_limit/quota.rs"]
pub mod quota;
#[path = "../../src/rate_limit/retry_after.rs"]
pub mod retry_after;
#[path = "../../src/rate_limit/simulation.rs"]
pub mod simulation;
#[path = "../../src/rate_limit/times.rs"]
pub mod times;
