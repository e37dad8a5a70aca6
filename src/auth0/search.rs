//! Many users at a time, by search.
//!
//! Eventually consistent (Auth0: "User Search Best Practices"): it may show a user as before the last change, and not show
//! one that is there. So nothing is changed on the word of a search.

use crate::api::json;
use crate::auth0::answer::Error;
use crate::auth0::client::{Call, Client, garbage, refused};
use crate::user::User;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use tokio::sync::MutexGuard;

const USERS: &str = "/api/v2/users";

/// As many as one page has in Auth0's public cloud.
pub const MOST: usize = 50;

/// Answers that mean that a search was too long, or took too long.
const TOO_LARGE: [u16; 2] = [414, 503];

/// A page of what a query finds.
pub struct Page {
    /// The users of this page.
    pub users: Vec<User>,
    /// How many match.
    pub total: usize,
}

#[derive(Deserialize)]
struct Answered {
    users: Vec<json::User>,
    total: usize,
}

impl Client {
    /// How many users to search for at once: half as many after each search that was too large for Auth0.
    #[must_use]
    pub fn batch(&self) -> usize {
        MOST >> self.halvings.load(Ordering::Relaxed).min(MOST.ilog2())
    }

    /// One search at a time.
    pub async fn search_turn(&self) -> MutexGuard<'_, ()> {
        self.searching.lock().await
    }

    /// Finds the users of these ids, by their ids. One that does not come may be there.
    ///
    /// # Errors
    /// What keeps the call from being answered. Never with an effect.
    pub async fn search(&self, ids: &[&str]) -> Result<HashMap<String, User>, Error> {
        let number = ids.len().to_string();
        let users: Vec<json::User> = self.searched(&query(ids), &[("per_page", &number)]).await?;
        let by_id = |user: User| Some((user.text("user_id")?.to_owned(), user));
        Ok(known(users).into_iter().filter_map(by_id).collect())
    }

    /// A page of the users that match a query in Lucene's syntax, [`MOST`] at a time.
    ///
    /// # Errors
    /// What keeps the call from being answered. Never with an effect.
    pub async fn find(&self, query: &str, page: usize) -> Result<Page, Error> {
        let (page, most) = (page.to_string(), MOST.to_string());
        let how = [("per_page", most.as_str()), ("page", &page), ("include_totals", "true")];
        let Answered { users, total } = self.searched(query, &how).await?;
        Ok(Page { users: known(users), total })
    }

    async fn searched<T: DeserializeOwned>(&self, query: &str, how: &[(&str, &str)]) -> Result<T, Error> {
        let mut url = self.url(USERS)?;
        url.query_pairs_mut().append_pair("search_engine", "v3").extend_pairs(how).append_pair("q", query);
        let answer = self.answer(&Call::get(url, USERS)).await.map_err(Error::without_effect)?;
        if TOO_LARGE.contains(&answer.status.as_u16()) {
            self.halvings.fetch_add(1, Ordering::Relaxed);
        }
        if !answer.status.is_success() {
            return Err(refused(&answer, None).without_effect());
        }
        json::read(&answer.body).ok_or_else(|| garbage("a list of users"))
    }
}

/// Those that are users.
fn known(users: Vec<json::User>) -> Vec<User> {
    users.into_iter().filter_map(|user| user.0).map(User::from).collect()
}

/// A value of a query, in quotes: a quote and a backslash in it are escaped (Lucene's syntax).
#[must_use]
pub fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `user_id:("a" OR "b")`.
fn query(ids: &[&str]) -> String {
    format!("user_id:({})", ids.iter().map(|id| quoted(id)).collect::<Vec<_>>().join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_quoted_word_whatever_it_holds() {
        for (ids, expected) in [
            (&["auth0|a"][..], r#"user_id:("auth0|a")"#),
            (&["auth0|a", "samlp|x|ann@example.com"], r#"user_id:("auth0|a" OR "samlp|x|ann@example.com")"#),
            (&[r#"a" OR user_id:* OR "\"#], r#"user_id:("a\" OR user_id:* OR \"\\")"#),
        ] {
            assert_eq!(query(ids), expected);
        }
    }
}
