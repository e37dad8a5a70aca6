//! Reads users, many at a time.
//!
//! A search costs one request for fifty users and lags by seconds, so those who seem to differ, or do not come, are read
//! again one by one, as far as that is asked for.

use crate::api::reason::{Failure, Reason};
use crate::auth0::Error;
use crate::command::account::Account;
use crate::command::progress::Progress;
use crate::user::User;
use std::collections::HashMap;

/// So few users are read one by one at once: a search of them would save nothing.
const FEW: usize = 3;

/// A user, or why there is none.
pub type Read = Result<User, Failure>;

/// What is known of the users of one account.
pub struct Users<'a> {
    account: &'a Account,
    by_id: HashMap<String, Known>,
}

struct Known {
    read: Read,
    is_searched: bool,
}

impl<'a> Users<'a> {
    /// Finds these users.
    ///
    /// # Errors
    /// What keeps all of them from being read.
    pub async fn find(account: &'a Account, ids: &[&str], progress: &mut Progress) -> Result<Self, Error> {
        let mut users = Self { account, by_id: HashMap::new() };
        if ids.len() <= FEW {
            for id in ids {
                users.read(id).await?;
                progress.advance(1);
            }
            return Ok(users);
        }
        let mut rest = ids;
        while !rest.is_empty() {
            let most = account.batch();
            let (batch, others) = rest.split_at(rest.len().min(most));
            let found = account.ask(async |client| client.search(batch).await).await;
            // Now for half as many, where it was too large.
            let mut found = match found {
                Err(_) if account.batch() < most => continue,
                found => found?,
            };
            for id in batch {
                let read = found.remove(*id).ok_or_else(|| not_found(id));
                users.by_id.insert((*id).to_owned(), Known { read, is_searched: true });
            }
            progress.advance(batch.len());
            rest = others;
        }
        Ok(users)
    }

    /// A user, and whether that is by a search.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<(&Read, bool)> {
        self.by_id.get(id).map(|known| (&known.read, known.is_searched))
    }

    /// Reads a user alone.
    ///
    /// # Errors
    /// What is not about this user.
    pub async fn read(&mut self, id: &str) -> Result<(), Error> {
        let read = match self.account.ask(async |client| client.user(id).await).await {
            Ok(user) => Ok(user),
            Err(error) if is_about_user(error.failure.reason) => Err(error.failure),
            Err(error) => return Err(error),
        };
        self.by_id.insert(id.to_owned(), Known { read, is_searched: false });
        Ok(())
    }
}

fn is_about_user(reason: Reason) -> bool {
    matches!(reason, Reason::UserNotFound | Reason::InvalidRequest)
}

fn not_found(id: &str) -> Failure {
    Failure::new(
        Reason::UserNotFound,
        format!("Auth0's search does not find the user {id:?}: correct spec.userId"),
    )
}
