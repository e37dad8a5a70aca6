//! Auth0's stream of events about users: Server-Sent Events over one long connection, at least once and in any order
//! (Auth0: "Consume Events with the Events API", "Events Best Practices").

use crate::api::json;
use crate::auth0::answer::Error;
use crate::auth0::client::{Call, Client, refused};
use crate::auth0::http::{Answer, MOST_BYTES, read as read_answer};
use crate::auth0::token::Token;
use crate::user::User;
use futures::{Stream, StreamExt as _};
use k8s_openapi::jiff::Timestamp;
use reqwest::header::ACCEPT;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use sse_stream::{Sse, SseByteStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// The scope that it takes.
pub const SCOPE: &str = "read:events";

const EVENTS: &str = "/api/v2/events";
const TYPES: [&str; 3] = ["user.created", "user.updated", "user.deleted"];

/// Auth0 says where the stream is at each heartbeat; one that is silent for longer is dead.
const SILENCE: Duration = Duration::from_mins(2);

/// Auth0 ends a stream every few minutes, and in any case with its token.
const LONGEST: Duration = Duration::from_hours(24);

/// Why there is no stream, or no more of it.
#[derive(Debug)]
pub enum Lost {
    /// Auth0 no longer has the events since the offset.
    Expired,
    /// Auth0 refuses: the scope, or one stream more than the plan has.
    Refused(Error),
    /// It failed.
    Failed(Error),
    /// It ended, as it does every few minutes.
    Ended,
}

/// A part of the stream.
#[derive(Debug, Default)]
pub struct Heard {
    /// Where to go on after it.
    pub offset: Option<String>,
    /// The user that it is about.
    pub about: Option<About>,
}

/// What an event tells of a user. A hint only: attributes may be missing, and it may be old.
#[derive(Debug)]
pub struct About {
    /// `user_id`.
    pub user_id: String,
    /// The type, such as `user.updated`.
    pub kind: &'static str,
    /// When it happened, where the event says so.
    pub time: Option<Timestamp>,
    /// The user, unless it was deleted.
    pub user: Option<User>,
}

/// A stream that is open.
pub struct Events {
    blocks: Pin<Box<dyn Stream<Item = Result<Sse, sse_stream::Error>> + Send>>,
    /// Bytes since the last block: none may be larger than any other answer.
    unread: Arc<AtomicUsize>,
}

#[derive(Deserialize)]
struct Data {
    offset: Option<String>,
    event: Option<Envelope>,
    error: Option<Coded>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    time: Option<String>,
    data: Payload,
}

#[derive(Deserialize)]
struct Payload {
    object: json::User,
}

#[derive(Deserialize)]
struct Coded {
    code: String,
}

impl Client {
    /// Opens the stream after this offset, or from now on.
    ///
    /// # Errors
    /// See [`Lost`].
    pub async fn events(&self, from: Option<&str>) -> Result<Events, Lost> {
        let mut url = self.url(EVENTS).map_err(Lost::Failed)?;
        url.query_pairs_mut()
            .extend_pairs(TYPES.map(|kind| ("event_type", kind)))
            .extend_pairs(from.map(|from| ("from", from)));
        let call = Call::get(url, EVENTS);
        let response = self.open(&call).await.map_err(Lost::Failed)?;
        match response.status() {
            StatusCode::OK => Ok(Events::new(response)),
            // An offset that Auth0 cannot read is as good as none.
            StatusCode::GONE | StatusCode::BAD_REQUEST if from.is_some() => Err(Lost::Expired),
            status => {
                let answer = read_answer(response).await.map_err(Lost::Failed)?;
                let error = refused(&answer, None).without_effect();
                let is_refusal = matches!(status.as_u16(), 403 | 404 | 409 | 429);
                Err(if is_refusal { Lost::Refused(error) } else { Lost::Failed(error) })
            }
        }
    }

    /// Sends a request whose answer has no end; a token that is no longer accepted is renewed once.
    async fn open(&self, call: &Call<'_>) -> Result<Response, Error> {
        let token = self.tokens().get(None).await?;
        let response = self.stream(call, &token).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let fresh = self.tokens().get(Some(&token)).await?;
        self.stream(call, &fresh).await
    }

    async fn stream(&self, call: &Call<'_>, token: &Token) -> Result<Response, Error> {
        self.limiter().spend();
        let request = self.request(call, token).header(ACCEPT, "text/event-stream").timeout(LONGEST);
        let in_flight = self.limiter().send(false).await?;
        let response = self.http.open(request, EVENTS).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        in_flight.on_response(&Answer { status, headers, body: Vec::new() });
        Ok(response)
    }
}

impl Events {
    pub(crate) fn new(response: Response) -> Self {
        let unread = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&unread);
        let bounded = response.bytes_stream().map(move |chunk| match chunk {
            Ok(bytes) if count.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len() <= MOST_BYTES => {
                Ok(bytes)
            }
            Ok(_) => Err(std::io::Error::other("larger than any answer")),
            Err(error) => Err(std::io::Error::other(error.without_url())),
        });
        Self { blocks: Box::pin(SseByteStream::new(bounded)), unread }
    }

    /// Waits for the next part.
    ///
    /// # Errors
    /// See [`Lost`].
    pub async fn next(&mut self) -> Result<Heard, Lost> {
        let Ok(Some(Ok(block))) = timeout(SILENCE, self.blocks.next()).await else {
            return Err(Lost::Ended);
        };
        self.unread.store(0, Ordering::Relaxed);
        read(block)
    }
}

/// What is no event, or one that cannot be read, only says where the stream is.
fn read(block: Sse) -> Result<Heard, Lost> {
    let Some(data) = block.data.and_then(|data| json::read::<Data>(data.as_bytes())) else {
        return Ok(Heard { offset: block.id, about: None });
    };
    if block.event.as_deref() == Some("error") {
        let is_expired = data
            .error
            .is_some_and(|error| matches!(error.code.as_str(), "cursor_expired" | "invalid_cursor"));
        return Err(if is_expired { Lost::Expired } else { Lost::Ended });
    }
    Ok(Heard { offset: block.id.or(data.offset), about: data.event.and_then(about) })
}

fn about(event: Envelope) -> Option<About> {
    let kind = TYPES.into_iter().find(|kind| *kind == event.kind)?;
    let user = User::from(event.data.object.0?);
    let user_id = user.text("user_id")?.to_owned();
    let time = event.time.and_then(|time| time.parse().ok());
    Some(About { user_id, kind, time, user: (kind != "user.deleted").then_some(user) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_part_tells_where_the_stream_is_and_which_user_it_is_about() {
        let event = |kind: &str| json!({"offset": "o2", "event": {"id": "evt_1", "type": kind, "data": {"object": {"user_id": "auth0|a", "name": "A"}}}});
        let block = |kind: &str, data: String| Sse {
            event: Some(kind.to_owned()),
            data: Some(data),
            id: None,
            retry: None,
        };
        let updated = read(block("user.updated", event("user.updated").to_string())).unwrap();
        let about = updated.about.unwrap();
        assert_eq!(
            (updated.offset.as_deref(), about.user_id.as_str(), about.kind),
            (Some("o2"), "auth0|a", "user.updated")
        );
        assert_eq!(about.user.unwrap().text("name"), Some("A"));
        let deleted = read(block("user.deleted", event("user.deleted").to_string())).unwrap();
        assert!(deleted.about.unwrap().user.is_none());
        for (kind, data) in [
            ("offset-only", json!({"offset": "o2"}).to_string()),
            ("user.updated", event("user.pretended").to_string()),
        ] {
            let heard = read(block(kind, data)).unwrap();
            assert_eq!((heard.offset.as_deref(), heard.about.is_some()), (Some("o2"), false), "{kind}");
        }
        let heard =
            read(Sse { id: Some("o3".to_owned()), ..block("user.updated", "no JSON".to_owned()) }).unwrap();
        assert_eq!((heard.offset.as_deref(), heard.about.is_some()), (Some("o3"), false));
        for (code, is_expired) in [("cursor_expired", true), ("timeout", false)] {
            let lost = read(block("error", json!({"error": {"code": code}}).to_string())).unwrap_err();
            assert_eq!(matches!(lost, Lost::Expired), is_expired, "{code}");
        }
    }
}
