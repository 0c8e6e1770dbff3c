//! Conditions over HTTP.

use std::{sync::Barrier, thread};

use crate::{
    raw::{request, with_body},
    served::Served,
};

#[test]
fn reads_are_conditional() {
    let served = Served::start();
    let mut client = served.connect();
    let put = client.ask(with_body("PUT", "/kv/a?ttl=1h", &[], "x"));
    let tag = put.field("etag").unwrap().to_owned();
    let weak = format!("\"other\", W/{tag}");
    for method in ["GET", "HEAD"] {
        for given in [tag.as_str(), weak.as_str(), "*"] {
            let got = client.ask(request(method, "/kv/a", &[("If-None-Match", given)]));
            assert_eq!((got.status, got.body.len()), (304, 0), "{given}");
            assert_eq!(got.field("etag"), Some(tag.as_str()));
            assert_eq!(got.field("cache-control"), Some("private, no-cache"));
            assert!(got.field("expires").is_some());
        }
        for (name, given, status) in [
            ("If-None-Match", "\"other\"", 200),
            ("If-Match", tag.as_str(), 200),
            ("If-Match", "*", 200),
            ("If-Match", "\"other\"", 412),
            ("If-Match", weak.as_str(), 412),
        ] {
            let got = client.ask(request(method, "/kv/a", &[(name, given)]));
            assert_eq!(got.status, status, "{name}: {given}");
            assert_eq!(got.field("etag"), Some(tag.as_str()));
        }
    }
    // Without a value there is nothing to compare with.
    let got = client.ask(request("GET", "/kv/none", &[("If-Match", "*")]));
    assert_eq!(got.status, 404);
}

#[test]
fn writes_are_conditional() {
    let served = Served::start();
    let mut client = served.connect();
    let mut put =
        |name: &str, given: &str| client.ask(with_body("PUT", "/kv/a", &[(name, given)], "x"));
    assert_eq!(put("If-Match", "*").status, 412);
    let first = put("If-None-Match", "*");
    assert_eq!(first.status, 201);
    let tag = first.field("etag").unwrap();
    let again = put("If-None-Match", "*");
    assert_eq!((again.status, again.problem().as_str()), (412, "precondition_failed"));
    assert_eq!(again.json()["errors"][0]["pointer"], "if-none-match");
    // The version that is there is told.
    assert_eq!(again.field("etag"), Some(tag));
    assert_eq!(put("If-None-Match", tag).status, 412);
    assert_eq!(put("If-Match", &format!("W/{tag}")).status, 412);
    let second = put("If-Match", &format!("\"x\",{tag}"));
    assert_eq!(second.status, 204);
    assert_eq!(put("If-Match", tag).status, 412);
    for given in ["x", "", "\"x", "\"x\" \"y\""] {
        let refused = put("If-Match", given);
        assert_eq!((refused.status, refused.problem().as_str()), (400, "invalid_condition"));
        let refused = put("If-None-Match", given);
        assert_eq!((refused.status, refused.problem().as_str()), (400, "invalid_condition"));
    }
    let refused = put("If-Unmodified-Since", "Wed, 21 Oct 2099 07:28:00 GMT");
    assert_eq!((refused.status, refused.problem().as_str()), (400, "unsupported_condition"));

    let current = second.field("etag").unwrap();
    let delete = |client: &mut crate::raw::Connection, name: &str, given: &str| {
        client.ask(request("DELETE", "/kv/a", &[(name, given)])).status
    };
    assert_eq!(delete(&mut client, "If-Match", tag), 412);
    assert_eq!(delete(&mut client, "If-None-Match", "*"), 412);
    assert_eq!(delete(&mut client, "If-Match", current), 204);
    assert_eq!(delete(&mut client, "If-Match", current), 404);
}

#[test]
fn of_many_clients_that_create_a_value_exactly_one_does() {
    const CLIENTS: usize = 16;
    let served = Served::start();
    for round in 0..10 {
        let barrier = Barrier::new(CLIENTS);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|n| {
                    let (served, barrier) = (&served, &barrier);
                    scope.spawn(move || {
                        let mut client = served.connect();
                        let path = format!("/kv/lock/{round}");
                        let condition = [("If-None-Match", "*")];
                        barrier.wait();
                        client.ask(with_body("PUT", &path, &condition, n.to_string())).status
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), CLIENTS - 1);
    }
}
