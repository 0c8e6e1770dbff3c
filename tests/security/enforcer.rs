//! Clients of a server that one attacker makes up.

use std::{net::Ipv6Addr, time::Duration};

use actix_web::{
    App, HttpResponse,
    test::{TestRequest, call_service, init_service},
    web,
};
use vantage_api_pool::limits::{RateLimitPolicy, RateLimitPolicyEnforcer};

const DAY: Duration = Duration::from_secs(86_400);

fn enforcer(quota: u32) -> RateLimitPolicyEnforcer {
    RateLimitPolicyEnforcer::new([RateLimitPolicy::fixed_window("daily", quota, DAY)]).unwrap()
}

#[test]
fn security_16_a_crowd_of_made_up_clients_shuts_nobody_out() {
    let enforcer = enforcer(1_000);
    let admitted = |client: &str, requests: usize| {
        (0..requests).filter(|_| enforcer.check(client).is_admitted()).count()
    };
    assert_eq!(admitted("greedy", 1_000), 1_000);
    for n in 0..100_000 {
        assert_eq!(admitted(&format!("made up {n}"), 1), 1);
    }
    for n in 0..5_000 {
        assert_eq!(admitted(&format!("newcomer {n}"), 1), 1);
    }
    assert!(admitted("another", 1_000) >= 990);
    assert_eq!(admitted("greedy", 10), 0);
}

#[actix::test]
async fn security_16_networks_of_ipv6_count_besides() {
    let enforcer = enforcer(10);
    let ok = web::to(|| async { HttpResponse::Ok().finish() });
    let app = init_service(App::new().wrap(enforcer.clone()).default_service(ok)).await;
    // As many as are admitted of one request from each of the /64s.
    let admitted = async |subnets: &mut dyn Iterator<Item = [u16; 4]>| {
        let mut admitted = 0;
        for [a, b, c, d] in subnets {
            let address = Ipv6Addr::new(a, b, c, d, 0, 0, 0, 1);
            let request = TestRequest::default().peer_addr((address, 9).into()).to_request();
            admitted += usize::from(call_service(&app, request).await.status() == 200);
        }
        admitted
    };
    let within = |site: u16, subnets: std::ops::Range<u16>| {
        subnets.map(move |subnet| [0x2001, 0xdb8, site, subnet])
    };
    // A /56 has 256 of them, and a /48 has 65,536.
    assert_eq!(admitted(&mut within(1, 0..256)).await, 80);
    assert_eq!(admitted(&mut within(1, 256..2_000)).await, 240);
    // Those of other networks are as they were.
    assert_eq!(admitted(&mut within(2, 0..50)).await, 50);
    assert_eq!(admitted(&mut std::iter::repeat_n([0x2001, 0xdb8, 3, 0], 11)).await, 10);
    // What was refused for its network took no place.
    let held = format!("{enforcer:?}");
    let clients = held.rsplit_once("clients: ").unwrap().1;
    let clients = clients.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    assert!(clients.parse::<usize>().unwrap() < 400, "{held}");
}
