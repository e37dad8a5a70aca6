//! The list of connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::Lab;

fn names(connections: &Value) -> Vec<&str> {
    connections.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn without_paging_the_answer_is_an_array() {
    let lab = Lab::new().await;
    let (status, answer) = lab.get("/api/v2/connections").await;
    assert_eq!((status, answer.as_array().unwrap().len()), (200, 11));
    let (_, answer) = lab.get("/api/v2/connections?strategy=sms&strategy=email&fields=name").await;
    assert_eq!(names(&answer), ["Mails", "Texts"]);
    assert!(answer[0].get("options").is_none() && answer[0].get("id").is_some());
    let (_, answer) = lab.get("/api/v2/connections?strategy%5B0%5D=sms").await;
    assert_eq!(names(&answer), ["Texts"]);
    assert_eq!(lab.get("/api/v2/connections?name=Nowhere").await.1, json!([]));
}

#[tokio::test]
async fn checkpoints_lead_through_all_pages() {
    let lab = Lab::new().await;
    let mut path = "/api/v2/connections?take=4&fields=name,strategy".to_owned();
    let mut pages = Vec::new();
    loop {
        let (_, answer) = lab.get(&path).await;
        assert!(answer.get("total").is_none());
        pages.push(names(&answer["connections"]).len());
        let Some(next) = answer.get("next").and_then(Value::as_str) else { break };
        path = format!("/api/v2/connections?take=4&fields=name,strategy&from={next}");
    }
    assert_eq!(pages, [4, 4, 3]);
    assert_eq!(lab.get("/api/v2/connections?from=cpno").await.0, 400);
}

#[tokio::test]
async fn offset_pages_and_bad_numbers() {
    let lab = Lab::new().await;
    let (_, answer) = lab.get("/api/v2/connections?per_page=4&page=2&include_totals=true").await;
    assert_eq!((&answer["total"], &answer["start"], &answer["limit"]), (&json!(11), &json!(8), &json!(4)));
    assert_eq!(names(&answer["connections"]).len(), 3);
    let (_, beyond) = lab.get("/api/v2/connections?per_page=4&page=9").await;
    assert_eq!(beyond, json!([]));
    for query in ["per_page=0", "per_page=101", "take=0", "page=-1"] {
        let (status, answer) = lab.get(&format!("/api/v2/connections?{query}")).await;
        assert_eq!((status, &answer["errorCode"]), (400, &json!("invalid_query_string")), "{query}");
    }
}

#[tokio::test]
async fn one_connection_and_scopes() {
    let mut lab = Lab::new().await;
    assert_eq!(lab.get("/api/v2/connections/con_people").await.1["name"], json!("People"));
    assert_eq!(lab.get("/api/v2/connections/con_none").await.1["errorCode"], json!("inexistent_connection"));
    lab.sandbox.put_connection(auth0_sandbox::Connection::new("Late", "github"));
    assert_eq!(lab.get("/api/v2/connections?name=Late").await.1[0]["id"], json!("con_Late"));
    lab.token = lab.token_of("reader", "reader-secret").await;
    assert_eq!(lab.get("/api/v2/connections").await.0, 403);
}
