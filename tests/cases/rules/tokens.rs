//! What token endpoints answer in the field.

use serde_json::{Value, json};
use std::{error::Error as _, time::Duration};
use vantage_api_pool::{
    AwwPool, Error, ErrorKind,
    tokens::{ClientCredentials, bearer},
};

use super::answers::{answer, builder, ok, requests, server};
use crate::support::soon;

const CANARY: &str = "canary-19c4";

/// What a call comes to whose token is from an endpoint that gives this answer, and how often
/// the endpoint was asked.
async fn call(answered: String, calls: usize) -> (Result<String, Error>, usize) {
    let (api, endpoint) = (server([ok(&json!(1))]), server([answered]));
    let source = ClientCredentials::new(format!("{}/token", endpoint.url()), "id", CANARY);
    let pool: AwwPool = builder(&api).token_source(1, source, bearer).build().unwrap();
    let mut last = None;
    for _ in 0..calls {
        last = Some(soon("an answer", pool.get("/rows")).await);
    }
    let token = last.unwrap().map(|_| {
        let head = api.seen().heads.last().unwrap().1.clone();
        let line = head.lines().find(|line| line.starts_with("authorization")).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    });
    (token, requests(&endpoint))
}

fn granting(fields: &Value) -> String {
    let mut body = json!({"access_token": "the-token", "token_type": "Bearer"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    ok(&body)
}

fn words(error: &Error) -> String {
    let mut words = format!("{error:?} {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words} {error}");
        cause = error.source();
    }
    words
}

#[tokio::test]
async fn case_19_what_the_token_does_not_need_cannot_break_its_answer() {
    for fields in [
        json!({"expires_in": "3599"}),
        json!({"expires_in": 3600.0}),
        json!({"expires_in": "3600.5"}),
        json!({"expires_in": " 3600 "}),
        json!({"expires_in": null}),
        json!({"expires_in": 0}),
        json!({"expires_in": "0"}),
        json!({"expires_in": -1}),
        json!({"expires_in": ""}),
        json!({"expires_in": "never"}),
        json!({"expires_in": "NaN"}),
        json!({"expires_in": "inf"}),
        json!({"expires_in": 1e300}),
        json!({"expires_in": u64::MAX}),
        json!({"expires_in": true}),
        json!({"expires_in": [3600]}),
        json!({"expires_in": {}}),
        json!({"scope": ["read", "write"]}),
        json!({"scope": null}),
        json!({"scope": {"read": true}}),
        json!({"token_type": null}),
        json!({"token_type": 7}),
        json!({"token_type": "Example"}),
        json!({"refresh_token": null}),
        json!({"refresh_token": ["x"]}),
        json!({"ext_expires_in": "3599", "not_before": 17, "resource": {"a": [1, {}]}}),
        json!({"error": null}),
        json!({"error": ""}),
        json!({"error": false, "error_description": []}),
        json!({"error": 0}),
        json!({"error": []}),
    ] {
        let (token, asked) = call(granting(&fields), 3).await;
        assert_eq!((token.unwrap().as_str(), asked), ("the-token", 1), "{fields}");
    }
    let bodies = [
        r#"{"access_token":"the-token"}"#,
        "\u{feff}{\"access_token\":\"the-token\"}\r\n",
        r#"{"access_token":"the-token","n":1e999,"s":"\ud800"}"#,
        r#"{"access_token":"the-token","expires_in":1e999}"#,
        r#"{"access_token":"other","access_token":"the-token"}"#,
    ];
    for body in bodies {
        let (token, _) = call(answer("200 OK", body), 2).await;
        assert_eq!(token.unwrap(), "the-token", "{body}");
    }
}

#[tokio::test]
async fn case_19_any_success_and_any_content_type_will_do() {
    let body = r#"{"access_token":"the-token","token_type":"bearer","expires_in":3600}"#;
    for head in [
        "201 Created\r\ncontent-type: application/json",
        "203 Other",
        "200 OK\r\ncontent-type: text/html; charset=utf-8",
        "200 OK\r\ncontent-type: text/plain",
        "200 OK\r\ncontent-type: application/json;charset=UTF-8",
        "200 OK\r\ncontent-type: nonsense",
    ] {
        let (token, _) = call(answer(head, body), 1).await;
        assert_eq!(token.unwrap(), "the-token", "{head}");
    }
    let form = "access_token=the-token&scope=repo%2Cgist&token_type=bearer&expires_in=3600";
    let head = "200 OK\r\ncontent-type: application/x-www-form-urlencoded; charset=utf-8";
    assert_eq!(call(answer(head, form), 2).await.0.unwrap(), "the-token");
    let form = "error=invalid_client&error_description=The+client+is+unknown.";
    let error = call(answer(head, form), 1).await.0.unwrap_err();
    assert!(words(&error).contains("refused: invalid_client"), "{error}");
}

#[tokio::test]
async fn case_19_a_lifetime_of_any_form_is_kept_to() {
    // One that is over at once is renewed for each call; a long one is not.
    for (lifetime, is_short) in [
        (json!(0.001), true),
        (json!("0.001"), true),
        (json!("1e-3"), true),
        (json!("3600"), false),
        (json!(3600.0), false),
    ] {
        let (api, endpoint) =
            (server([ok(&json!(1))]), server([granting(&json!({"expires_in": lifetime}))]));
        let source = ClientCredentials::new(format!("{}/token", endpoint.url()), "id", CANARY);
        let pool = builder(&api).token_source(1, source, bearer).build().unwrap();
        for _ in 0..3 {
            soon("an answer", pool.get("/rows")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(requests(&endpoint) > 1, is_short, "{lifetime}");
    }
}

#[tokio::test]
async fn case_19_an_answer_without_a_token_names_the_field() {
    for (body, what) in [
        (json!({"token_type": "bearer"}), "it has no `access_token`"),
        (json!({"accessToken": CANARY}), "it has no `access_token`"),
        (json!({"access_token": null}), "its `access_token` is not a text"),
        (json!({"access_token": 17}), "its `access_token` is not a text"),
        (json!({"access_token": {"value": CANARY}}), "its `access_token` is not a text"),
        (json!({"access_token": "  "}), "empty token in `access_token`"),
        (json!([CANARY]), "not a JSON object"),
        (json!(CANARY), "not a JSON object"),
        (json!(null), "not a JSON object"),
    ] {
        let error = call(ok(&body), 1).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Token);
        let words = words(&error);
        assert!(words.contains(what) && !words.contains(CANARY), "{body}: {words}");
    }
    let error = call(answer("200 OK", ""), 1).await.0.unwrap_err();
    assert!(words(&error).contains("not a JSON object"), "{error}");
}

#[tokio::test]
async fn case_19_a_refusal_is_one_whatever_its_status() {
    let invalid = json!({"error": "invalid_client", "error_description": CANARY}).to_string();
    for head in
        ["200 OK", "400 Bad Request", "401 Unauthorized", "403 Forbidden", "422 Unprocessable"]
    {
        let error = call(answer(head, &invalid), 1).await.0.unwrap_err();
        let words = words(&error);
        assert!(words.contains("the token endpoint refused: invalid_client"), "{head}: {words}");
        assert!(!words.contains(CANARY), "{head}: {words}");
    }
    for body in [
        json!({"error": CANARY}),
        json!({"error": {"code": 190, "message": CANARY}}),
        json!({"error": true}),
        json!({"error": 5}),
        json!({"error": "invalid_scope", "error_description": [1], "error_uri": null}),
        json!({"error": "invalid_grant", "access_token": CANARY}),
    ] {
        for head in ["200 OK", "400 Bad Request"] {
            let error = call(answer(head, &body.to_string()), 1).await.0.unwrap_err();
            let words = words(&error);
            assert!(words.contains("the token endpoint refused"), "{body}: {words}");
            assert!(!words.contains(CANARY), "{body}: {words}");
        }
    }
    // Without a word of the protocol the status is the reason.
    for body in ["", "<html>", "[]", r#"{"message":"no"}"#] {
        let error = call(answer("400 Bad Request", body), 1).await.0.unwrap_err();
        assert!(words(&error).contains("the token endpoint refused (status 400)"), "{error}");
        let error = call(answer("403 Forbidden", body), 1).await.0.unwrap_err();
        assert!(words(&error).contains("status 403"), "{error}");
    }
}
