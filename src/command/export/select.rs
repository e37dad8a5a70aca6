//! Which users to export, and reading them.

use crate::api::reason::Reason;
use crate::auth0::{SEARCHED, quoted};
use crate::command::Problem;
use crate::command::account::Account;
use crate::command::progress::Progress;
use crate::user::User;
use clap::Args;
use std::collections::BTreeMap;

/// Auth0 shows no more results of one search than this (Auth0: "View Search Results by Page").
const MOST: usize = 1000;

/// So few are read again by id, because a search may show them as before their last change.
const FEW: usize = 10;

/// Which users.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = true)]
pub struct Selection {
    /// Ids of users, in quotes, such as 'auth0|507f1f77bcf86cd799439011'.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,

    /// Users with this email address, including the address of a linked account.
    #[arg(long, conflicts_with = "ids")]
    pub email: Option<String>,

    /// Users with an identity in this connection; may be combined with the other searches.
    #[arg(long, conflicts_with = "ids")]
    pub connection: Option<String>,

    /// Users that match a query in Auth0's search syntax (Lucene), such as 'blocked:true'.
    #[arg(long, conflicts_with = "ids")]
    pub query: Option<String>,
}

impl Selection {
    /// The users by id.
    ///
    /// # Errors
    /// Where one of the ids is unknown, no user matches, or not all that match can be had.
    pub(super) async fn users(&self, account: &Account) -> Result<BTreeMap<String, User>, Problem> {
        if !self.ids.is_empty() {
            return by_id(account, &self.ids).await;
        }
        let query = self.search();
        let found = search(account, &query).await?;
        if found.is_empty() {
            return Err(Problem(format!(
                "no user of {} matches {query}: correct it, or try again if the user has just changed (a search lags by some seconds)",
                account.host
            )));
        }
        if found.len() > FEW {
            return Ok(found);
        }
        by_id(account, &found.into_keys().collect::<Vec<_>>()).await
    }

    /// What to search for.
    fn search(&self) -> String {
        let is = |field: &str, value: &String| format!("{field}:{}", quoted(value));
        let email = self.email.as_ref().map(|email| {
            format!("({} OR {})", is("email", email), is("identities.profileData.email", email))
        });
        let connection = self.connection.as_ref().map(|name| is("identities.connection", name));
        match (&self.query, email.is_some() || connection.is_some()) {
            (Some(query), false) => query.clone(),
            (query, _) => {
                let query = query.as_ref().map(|query| format!("({query})"));
                [email, connection, query].into_iter().flatten().collect::<Vec<_>>().join(" AND ")
            }
        }
    }
}

/// Reads each, and names all that are not there.
async fn by_id(account: &Account, ids: &[String]) -> Result<BTreeMap<String, User>, Problem> {
    if let Some(id) = ids.iter().find(|id| !id.contains('|')) {
        return Err(Problem(format!(
            "{id:?} is no Auth0 user id; one has the form 'PROVIDER|ID', in quotes; to find a user by email, use --email"
        )));
    }
    let (mut users, mut unknown, mut progress) = (BTreeMap::new(), Vec::new(), Progress::new(ids.len()));
    for id in ids {
        match account.ask(async |client| client.user(id).await).await {
            Ok(user) => drop(users.insert(id.clone(), user)),
            Err(error) if error.failure.reason == Reason::UserNotFound => unknown.push(format!("{id:?}")),
            Err(error) => return Err(error.into()),
        }
        progress.advance(1);
    }
    if unknown.is_empty() {
        return Ok(users);
    }
    Err(Problem(format!("{} has no user {}: nothing was exported", account.host, unknown.join(", "))))
}

/// All that match, page by page.
async fn search(account: &Account, query: &str) -> Result<BTreeMap<String, User>, Problem> {
    let (mut users, mut progress, mut total) = (BTreeMap::new(), None, 0);
    for page in 0..MOST / SEARCHED {
        let found = account.ask(async |client| client.find(query, page).await).await;
        let found = found.map_err(|error| {
            if error.failure.reason == Reason::InvalidRequest {
                return Problem(format!("Auth0 rejects the query {query} ({:?}): correct it", error.said));
            }
            error.into()
        })?;
        if found.total >= MOST {
            return Err(Problem(format!(
                "{} users match {query}, and Auth0's search shows at most {MOST}: nothing was exported; export them in parts, such as --query 'created_at:[2026-01-01 TO 2026-03-31]'",
                found.total
            )));
        }
        total = found.total;
        progress.get_or_insert_with(|| Progress::new(total)).advance(found.users.len());
        let is_last = found.users.is_empty();
        let named = found.users.into_iter().filter_map(|user| Some((user.text("user_id")?.to_owned(), user)));
        users.extend(named);
        if users.len() >= total || is_last {
            break;
        }
    }
    if users.len() >= total {
        return Ok(users);
    }
    Err(Problem(format!(
        "users that match {query} came or went while they were read: nothing was exported, run it again"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_combined_and_values_are_quoted() {
        let search = |email: Option<&str>, connection: Option<&str>, query: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            Selection {
                ids: Vec::new(),
                email: text(email),
                connection: text(connection),
                query: text(query),
            }
            .search()
        };
        assert_eq!(search(None, None, Some("name:a OR name:b")), "name:a OR name:b");
        assert_eq!(search(None, Some(r#"a"b"#), None), r#"identities.connection:"a\"b""#);
        assert_eq!(
            search(Some("ann@example.com"), Some("People"), Some("name:a OR name:b")),
            r#"(email:"ann@example.com" OR identities.profileData.email:"ann@example.com") AND identities.connection:"People" AND (name:a OR name:b)"#
        );
    }
}
