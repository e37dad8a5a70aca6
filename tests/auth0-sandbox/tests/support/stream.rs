//! A listener for the tests of the stream of events.

use std::time::{Duration, Instant};

use auth0_sandbox::EventRules;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Lab, read};

pub const EVENTS: &str = "/api/v2/events";

/// A stand-in, and a token that may listen; `rules` are set before anything happens.
pub async fn listening(rules: impl FnOnce(&mut EventRules)) -> Lab {
    let mut lab = Lab::new().await;
    lab.token = lab.token_of("watcher", "watcher-secret").await;
    lab.sandbox.clear_log();
    lab.sandbox.change_rules(|all| {
        all.events.heartbeat_millis = None;
        rules(&mut all.events);
    });
    lab
}

/// One open stream, read block by block.
pub struct Stream {
    pub response: Response,
    text: String,
}

/// `event`, `id` and `data` of a message.
pub type Message = (String, String, Value);

impl Stream {
    pub async fn open(lab: &Lab, path: &str) -> Self {
        Self::with(lab.request(Method::GET, path).send().await.unwrap()).await
    }

    /// From its first byte.
    pub fn raw(response: Response) -> Self {
        Self { response, text: String::new() }
    }

    /// After the two blocks that a stream begins with.
    pub async fn with(response: Response) -> Self {
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self::raw(response);
        assert_eq!(stream.block().await.as_deref(), Some(":connected"));
        assert!(stream.block().await.unwrap().starts_with("retry: "));
        stream
    }

    /// What stands before the next empty line; `None` at the end.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let chunk = timeout(Duration::from_secs(20), self.response.chunk()).await.expect("it never came");
            self.text += std::str::from_utf8(&chunk.unwrap()?).unwrap();
        }
    }

    pub async fn message(&mut self) -> Option<Message> {
        let block = self.block().await?;
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let data = serde_json::from_str(field("data: ")).unwrap_or_else(|_| panic!("{block}"));
        Some((field("event: ").to_owned(), field("id: ").to_owned(), data))
    }

    /// The type and the user of the next event.
    pub async fn event(&mut self) -> (String, String) {
        let (kind, _, data) = self.message().await.expect("the stream ended");
        (kind, data["event"]["data"]["object"]["user_id"].as_str().unwrap().to_owned())
    }

    /// The users of the next events.
    pub async fn users(&mut self, count: usize) -> Vec<String> {
        let mut users = Vec::new();
        for _ in 0..count {
            users.push(self.event().await.1);
        }
        users
    }
}

/// The answer to a listener that is not let in.
pub async fn refused(lab: &Lab, path: &str) -> (u16, Value) {
    let response = lab.request(Method::GET, path).send().await.unwrap();
    assert_ne!(response.status().as_u16(), 200, "a stream opened, which would be read for ever");
    read(response).await
}

pub fn put(lab: &Lab, id: &str) {
    lab.sandbox.put_user(json!({ "user_id": id })).unwrap();
}

pub fn put_all(lab: &Lab, names: &[&str]) {
    for name in names {
        put(lab, name);
    }
}

pub async fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn encoded(offset: &str) -> String {
    utf8_percent_encode(offset, NON_ALPHANUMERIC).to_string()
}
