//! The search of users.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use auth0_sandbox::{Fault, FaultKind, Plan};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};
use support::Lab;

const ANN: &str = "auth0|ann";
const BOB: &str = "auth0|bob";
const HARD: &str = r#"auth0|a"b\c/50%"#;

fn path(query: &str, more: &str) -> String {
    format!("/api/v2/users?search_engine=v3&q={}{more}", utf8_percent_encode(query, NON_ALPHANUMERIC))
}

fn ids(users: &Value) -> Vec<&str> {
    let users = users.as_array().unwrap_or_else(|| panic!("{users}"));
    users.iter().map(|user| user["user_id"].as_str().unwrap()).collect()
}

/// What a query finds.
async fn find(lab: &Lab, query: &str) -> Vec<String> {
    let (status, found) = lab.get(&path(query, "")).await;
    assert_eq!(status, 200, "{query}: {found}");
    ids(&found).into_iter().map(str::to_owned).collect()
}

fn refused((status, answer): (u16, Value)) -> (u16, Value, Value) {
    let Value::Object(mut answer) = answer else { panic!("{answer}") };
    let mut part = |name| answer.remove(name).unwrap_or_default();
    (status, part("errorCode"), part("message"))
}

async fn crowd(count: usize) -> Lab {
    let lab = Lab::new().await;
    for number in 0..count {
        let user = json!({ "user_id": format!("auth0|crowd-{number:04}"), "given_name": "Crowd" });
        lab.sandbox.put_user(user).unwrap();
    }
    lab
}

#[tokio::test]
async fn queries_find_by_id_email_and_connection() {
    let lab = Lab::new().await;
    lab.sandbox.put_user(json!({ "user_id": HARD, "email": "Hard@example.com" })).unwrap();
    let quoted = r#"user_id:"auth0|a\"b\\c/50%""#;
    for (query, expected) in [
        (r#"user_id:"auth0|ann""#, vec![ANN]),
        (r#"user_id:("auth0|bob" OR "auth0|nobody" OR "auth0|ann")"#, vec![ANN, "auth0|bob"]),
        (quoted, vec![HARD]),
        (&format!(r#"{quoted} OR user_id:"auth0|ann""#), vec![HARD, ANN]),
        (r#"email:"HARD@example.com""#, vec![HARD]),
        (r#"email.raw:"hard@example.com""#, vec![]),
        (r#"email.raw:"Hard@example.com""#, vec![HARD]),
        ("email:ann@example.com", vec![ANN]),
        (r#"identities.connection:"Texts""#, vec!["sms|gil"]),
        (r#"identities.connection:"Phones" AND user_id:"auth0|lea""#, vec!["auth0|lea"]),
        (r#"user_id:"auth0|ann" AND identities.connection:"Texts""#, vec![]),
        (
            r#"(email:"ann@example.com" OR user_id:"sms|gil") AND identities.connection:("Texts")"#,
            vec!["sms|gil"],
        ),
        (r#"user_id:"auth0|ann" OR user_id:"sms|gil" AND email:"x""#, vec![ANN]),
        (r#"user_id:"AUTH0|ann""#, vec![]),
        (r#"email:"ann@example.com" AND (user_id:"auth0|ann" OR user_id:"auth0|bob")"#, vec![ANN]),
        (
            r#"(user_id:"auth0|ann" OR email:"bob@example.com") AND identities.connection:"People""#,
            vec![ANN, "auth0|bob"],
        ),
        ("identities.user_id:2004", vec!["samlp|Corporate|pia"]),
    ] {
        assert_eq!(find(&lab, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_refused() {
    let lab = Lab::new().await;
    for query in [
        r#"user_id:"auth0|ann"#,
        r#"user_id:("auth0|ann" OR )"#,
        r#"user_id:("auth0|ann""#,
        r#"user_id:"auth0|ann" OR"#,
        r#"user_id:"a" "b""#,
        "user_id:",
        "ann",
        r#""ann""#,
        "user_id:auth0*",
        r"user_id:a\",
        r#"user_id:"a")"#,
        ":",
    ] {
        let (status, code, message) = refused(lab.get(&path(query, "")).await);
        assert_eq!((status, code), (400, json!("invalid_query_string")), "{query}");
        assert!(message.as_str().unwrap().starts_with("The search query string has an error: "), "{message}");
    }
    for (parameters, problem) in [
        ("?q=x", "The 'q' parameter is available only if you specify 'search_engine=v2|v3'."),
        ("?search_engine=v1", "You are not allowed to use search_engine=v1."),
        ("?search_engine=v2", "You are not allowed to use search_engine=v2. Use search_engine=v3 instead."),
        ("?search_engine=v4", "Query validation error: 'No enum match for: v4' on property search_engine."),
        ("?query=x", "Query validation error: 'Additional properties not allowed: query'."),
        (
            "?per_page=x",
            "Query validation error: 'Expected type integer but found type string' on property per_page.",
        ),
        ("?page=-1", "Query validation error: 'Value -1 is less than minimum 0' on property page."),
    ] {
        let answer = refused(lab.get(&format!("/api/v2/users{parameters}")).await);
        assert_eq!(answer, (400, json!("invalid_query_string"), json!(problem)), "{parameters}");
    }
}

#[tokio::test]
async fn it_shows_users_as_the_reading_of_one_does() {
    let mut lab = Lab::new().await;
    let id = "auth0|lea";
    let (_, read) = lab.get(&support::user_path(id)).await;
    assert_eq!(lab.get(&path(&format!("user_id:\"{id}\""), "")).await, (200, json!([read])));
    let (_, some) = lab.get(&path(&format!("user_id:\"{id}\""), "&fields=user_id,name")).await;
    assert_eq!(some, json!([{ "user_id": id, "name": read["name"] }]));
    let (_, rest) = lab.get(&path(&format!("user_id:\"{id}\""), "&fields=name&include_fields=false")).await;
    assert!(rest[0].get("name").is_none() && rest[0]["identities"] == read["identities"]);
    let google = path("user_id:\"google-oauth2|1001\"", "");
    assert!(lab.get(&google).await.1[0]["identities"][0].get("access_token").is_none());
    lab.token = lab.token_of("token-reader", "token-reader-secret").await;
    assert!(lab.get(&google).await.1[0]["identities"][0].get("access_token").is_some());
}

#[tokio::test]
async fn it_needs_the_scope_to_read_users() {
    let lab = Lab::new().await;
    let token = auth0_sandbox::IssuedToken {
        subject: "a@clients",
        scopes: &["update:users", "read:user_idp_tokens"],
        lifetime: 60,
    };
    let token = lab.sandbox.issue_token(&token).unwrap();
    let url = lab.url(&path("user_id:\"a\"", ""));
    let answer = support::read(lab.http.get(&url).bearer_auth(token).send().await.unwrap()).await;
    let text = "Insufficient scope, expected any of: read:users";
    assert_eq!(refused(answer), (403, json!("insufficient_scope"), json!(text)));
    assert_eq!(lab.http.get(&url).send().await.unwrap().status().as_u16(), 401);
}

#[tokio::test]
async fn pages_end_at_the_thousandth_user() {
    let lab = crowd(1010).await;
    let query = path("given_name:crowd", "&per_page=50");
    let (_, totals) = lab.get(&format!("{query}&page=19&include_totals=true")).await;
    assert_eq!(
        json!([totals["start"], totals["limit"], totals["length"], totals["total"]]),
        json!([950, 50, 50, 1010])
    );
    assert_eq!(ids(&totals["users"])[49], "auth0|crowd-0999");
    let (status, code, message) = refused(lab.get(&format!("{query}&page=20")).await);
    assert_eq!((status, code), (400, json!("invalid_paging")));
    assert!(message.as_str().unwrap().starts_with("You can only page through the first 1000 records."));
    assert_eq!(ids(&lab.get(&path("given_name:crowd", "")).await.1).len(), 50, "without per_page");
    let (_, last) = lab.get(&path("given_name:crowd", "&sort=user_id:-1&per_page=1")).await;
    assert_eq!(ids(&last), ["auth0|crowd-1009"]);
    assert_eq!(lab.get(&path("given_name:crowd", "&sort=user_id")).await.0, 400);
}

#[tokio::test]
async fn the_largest_page_is_a_switch() {
    let lab = crowd(101).await;
    for (limit, problem) in
        [(50, "Value 51 is greater than maximum 50"), (100, "Value 101 is greater than maximum 100")]
    {
        lab.sandbox.change_rules(|rules| rules.search.page_limit = limit);
        let (status, users) = lab.get(&path("given_name:crowd", &format!("&per_page={limit}"))).await;
        assert_eq!((status, ids(&users).len()), (200, limit));
        let answer = refused(lab.get(&path("given_name:crowd", &format!("&per_page={}", limit + 1))).await);
        let text = format!("Query validation error: '{problem}' on property per_page.");
        assert_eq!(answer, (400, json!("invalid_query_string"), json!(text)));
    }
}

#[tokio::test]
async fn it_may_lag_behind_while_the_reading_of_one_does_not() {
    let lab = Lab::new().await;
    lab.sandbox.freeze_clock();
    lab.sandbox.change_rules(|rules| rules.search.lag_millis = 30_000);
    let seconds = |seconds| lab.sandbox.advance_clock(Duration::from_secs(seconds));
    let query = r#"user_id:("auth0|ann" OR "auth0|bob" OR "auth0|new")"#;
    let seen = async || {
        let (_, found) = lab.get(&path(query, "&fields=user_id,nickname")).await;
        found.as_array().unwrap().iter().map(|user| user["nickname"].clone()).collect::<Vec<_>>()
    };
    let before = seen().await;
    lab.patched(ANN, &json!({ "nickname": "first" })).await;
    lab.sandbox.remove_user(BOB);
    lab.sandbox.put_user(json!({ "user_id": "auth0|new", "nickname": "new" })).unwrap();
    seconds(10);
    lab.patched(ANN, &json!({ "nickname": "second" })).await;
    seconds(19);
    assert_eq!(seen().await, before, "29 s after the first change");
    assert!(
        find(&lab, "email:bob@example.com").await == [BOB]
            && lab.get(&support::user_path(BOB)).await.0 == 404
    );
    assert_eq!(lab.get(&support::user_path(ANN)).await.1["nickname"], json!("second"));
    seconds(1);
    assert_eq!(seen().await, [json!("first"), json!("new")]);
    seconds(10);
    assert_eq!(seen().await, [json!("second"), json!("new")]);
    lab.sandbox.change_user(ANN, |user| user.insert("nickname".into(), json!("third")));
    assert_eq!(seen().await[0], json!("second"));
    lab.sandbox.change_rules(|rules| rules.search.lag_millis = 0);
    assert_eq!(seen().await[0], json!("third"));
}

#[tokio::test]
async fn a_long_query_is_refused_by_its_bytes_or_by_its_values() {
    let lab = Lab::new().await;
    let many = |count: usize| {
        let ids: Vec<String> = (0..count).map(|number| format!("\"auth0|{number:032}\"")).collect();
        path(&format!("user_id:({})", ids.join(" OR ")), "")
    };
    lab.sandbox.set_plan(Plan::Custom { burst: 3, per_second: 0 });
    assert_eq!(lab.get(&many(400)).await.0, 414, "far beyond what HTTP/2 admits by default");
    let path = many(50);
    lab.sandbox.change_rules(|rules| rules.search.target_limit = path.len() - 1);
    let (status, answer) = lab.get(&path).await;
    assert_eq!((status, &answer["error"]), (414, &json!("Request-URI Too Large")));
    lab.sandbox.change_rules(|rules| rules.search.target_limit = path.len());
    assert_eq!(lab.get(&path).await.0, 200);
    lab.sandbox.change_rules(|rules| rules.search.values_limit = Some(49));
    let (status, answer) = lab.get(&path).await;
    assert_eq!(
        (status, answer["message"].as_str().unwrap().starts_with("The query exceeded the timeout.")),
        (503, true)
    );
    assert_eq!(lab.get(&many(49)).await.0, 200);
    assert_eq!(lab.get(&many(49)).await.0, 429, "the 414 did not count");
}

#[tokio::test]
async fn it_counts_as_one_read_and_is_recorded_once() {
    let lab = Lab::new().await;
    lab.sandbox.freeze_clock();
    lab.sandbox.set_plan(Plan::Essentials);
    let path = path(r#"user_id:("auth0|ann" OR "auth0|bob")"#, "");
    let response = lab.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(response.headers()["x-ratelimit-remaining"], "39");
    let next = lab.request(Method::GET, &support::user_path(ANN)).send().await.unwrap();
    assert_eq!(next.headers()["x-ratelimit-remaining"], "38", "one bucket with the reading of one");
    let log = lab.sandbox.log();
    assert_eq!((log[0].method.as_str(), &log[0].path, log[0].status), ("GET", &path, Some(200)));
    assert_eq!(log.len(), 2);
    assert!(!log[0].took_effect);
}

#[tokio::test]
async fn a_fault_can_be_aimed_at_it_alone() {
    let lab = Lab::new().await;
    let kind = FaultKind::Status { status: 503, body: None, headers: vec![], after_effect: false };
    lab.sandbox.fault(Fault::new(kind).path("/api/v2/users?").times(1));
    assert_eq!(lab.get(&support::user_path(ANN)).await.0, 200);
    assert_eq!(lab.get(&path(r#"user_id:"auth0|ann""#, "")).await.0, 503);
    assert_eq!(lab.get(&path(r#"user_id:"auth0|ann""#, "")).await.0, 200);
}
