//! What an accepted PATCH makes of the account.

use serde_json::{Map, Value, json};

use super::attributes::{OF_IDENTITY, PROFILE};
use super::password::as_hashed;
use super::schema::unknown;
use super::{Account, Passwords, Target, Tenant};
use crate::Rules;
use crate::connection::Kind;
use crate::rules::ClearedAppMetadata;

type Body = Map<String, Value>;

pub(super) fn apply(
    account: &Account,
    body: &Body,
    tenant: &Tenant<'_>,
    target: &Target,
    now: &str,
) -> Account {
    let mut next = account.clone();
    let write = Write { body, rules: tenant.rules, target };
    write.profile(&mut next.user);
    write.verification(&mut next.user);
    write.identity(&mut next.user);
    write.metadata(&mut next.user);
    write.password(&mut next, now);
    write.block(account, &mut next);
    write.effects(account, &mut next);
    if tenant.rules.equal_patch_moves_updated_at || next.user != account.user {
        next.user.insert("updated_at".into(), json!(now));
    }
    next
}

struct Write<'a> {
    body: &'a Body,
    rules: &'a Rules,
    target: &'a Target,
}

impl Write<'_> {
    /// Person attributes live at the root; foreign ones (accepted only as `null`) are removed.
    fn profile(&self, user: &mut Body) {
        for name in PROFILE {
            self.each_write(name, self.body.get(name), |value| {
                set(user, name, &value);
                mirror(user, self.target.index, name, &value);
            });
        }
        for name in unknown(self.body) {
            if self.body[name].is_null() {
                user.remove(name);
            }
        }
    }

    /// A new email or phone may lose its verification (a switch), unless the body states it.
    fn verification(&self, user: &mut Body) {
        let pairs = [
            ("email", "email_verified", self.rules.email_change_resets_verified),
            ("phone_number", "phone_verified", self.rules.phone_change_resets_verified),
        ];
        for (value, flag, resets) in pairs {
            let changes = self.changes(user, value);
            let known = self.target.value(user, flag).is_some();
            if resets && changes && known && !self.body.contains_key(flag) && !self.is_ignored(value) {
                self.set_at_target(user, flag, &json!(false));
            }
        }
    }

    fn identity(&self, user: &mut Body) {
        for name in OF_IDENTITY {
            self.each_write(name, self.body.get(name), |value| {
                let value = self.as_stored(name, value);
                self.set_at_target(user, name, &value);
            });
        }
    }

    /// First-level merge; `null` removes a key; `{}` removes all of them, and then `user_metadata`
    /// stays as `{}` while `app_metadata` is gone (recorded).
    fn metadata(&self, user: &mut Body) {
        for property in ["user_metadata", "app_metadata"] {
            let Some(Value::Object(sent)) = self.body.get(property) else { continue };
            if self.is_ignored(property) {
                continue;
            }
            let mut merged = match user.get(property) {
                Some(Value::Object(held)) if !sent.is_empty() => held.clone(),
                _ => Map::new(),
            };
            for (key, value) in sent {
                let name = format!("{property}.{key}");
                self.each_write(&name, Some(value), |value| set(&mut merged, key, &value));
            }
            let absent =
                property == "app_metadata" && self.rules.cleared_app_metadata == ClearedAppMetadata::Absent;
            let left = if merged.is_empty() && absent { Value::Null } else { Value::Object(merged) };
            set(user, property, &left);
        }
    }

    /// `last_password_reset` is the only visible trace of a password (recorded).
    fn password(&self, next: &mut Account, now: &str) {
        let Some(password) = self.body.get("password").and_then(Value::as_str) else { return };
        let held: &mut Passwords = next.passwords.entry(self.target.password_key(&next.user)).or_default();
        let before = std::mem::replace(&mut held.current, as_hashed(password, self.target).to_owned());
        if !before.is_empty() {
            held.earlier.insert(0, before);
        }
        next.user.insert("last_password_reset".into(), json!(now));
        next.effects.passwords_set += 1;
    }

    /// Documented: a password set through the API also lifts the admin block.
    fn block(&self, before: &Account, next: &mut Account) {
        let declared = self.body.get("blocked");
        self.each_write("blocked", declared, |value| set(&mut next.user, "blocked", &value));
        let password = self.body.get("password").is_some_and(Value::is_string);
        let lifts = password && (declared.is_none() || self.rules.password_beats_blocked);
        if !lifts || next.user.get("blocked") != Some(&json!(true)) {
            return;
        }
        let left = if self.rules.unblocked_stays_false { json!(false) } else { Value::Null };
        set(&mut next.user, "blocked", &left);
        if before.user.get("blocked") == Some(&json!(true)) {
            next.effects.blocks_lifted += 1;
        }
    }

    fn effects(&self, before: &Account, next: &mut Account) {
        let asks = |trigger: &str| self.body.get(trigger) == Some(&json!(true));
        let texts = asks("verify_phone_number")
            && self.body.contains_key("phone_number")
            && self.target.connection.kind() == Kind::PasswordlessSms;
        next.effects.mails_sent += u64::from(asks("verify_email"));
        next.effects.texts_sent += u64::from(texts);
        next.effects.sessions_ended += u64::from(self.ends_sessions(&before.user));
    }

    /// Documented: in databases an unchanged email and `email_verified: true` no longer end sessions;
    /// username, phone number and password always do.
    fn ends_sessions(&self, before: &Body) -> bool {
        let always =
            ["username", "password", "phone_number"].iter().any(|name| self.body.contains_key(*name));
        let mail = ["email", "email_verified"];
        if !self.target.connection.kind().is_database() {
            return always || mail.iter().any(|name| self.body.contains_key(*name));
        }
        let unverifies =
            self.body.get("email_verified") == Some(&json!(false)) && self.changes(before, "email_verified");
        always || self.changes(before, "email") || unverifies
    }

    fn changes(&self, user: &Body, name: &str) -> bool {
        let Some(sent) = self.body.get(name) else { return false };
        let stored = self.as_stored(name, sent.clone());
        self.target.value(user, name).unwrap_or(&Value::Null) != &stored
    }

    fn as_stored(&self, name: &str, value: Value) -> Value {
        let lowers = ["email", "username"].contains(&name) && self.target.lowers_letters(self.rules);
        match value.as_str() {
            Some(text) if lowers => json!(text.to_lowercase()),
            _ => value,
        }
    }

    /// Calls `write` with what is stored for a sent value, unless it is not sent or not stored.
    fn each_write(&self, name: &str, sent: Option<&Value>, write: impl FnOnce(Value)) {
        let Some(sent) = sent.filter(|_| !self.is_ignored(name)) else { return };
        let value = self.rules.overrides.get(name).unwrap_or(sent);
        write(match value.as_str() {
            Some(text) if self.rules.trims => json!(text.trim()),
            _ => value.clone(),
        });
    }

    fn is_ignored(&self, name: &str) -> bool {
        self.rules.ignored.iter().any(|ignored| ignored == name)
    }

    fn set_at_target(&self, user: &mut Body, name: &str, value: &Value) {
        if self.target.primary {
            set(user, name, value);
            mirror(user, self.target.index, name, value);
            return;
        }
        let identity = identity_mut(user, self.target.index);
        if let Some(Value::Object(data)) = identity.map(|all| all.entry("profileData").or_insert(json!({}))) {
            set(data, name, value);
        }
    }
}

/// Auth0 never shows `null`: an unset attribute is absent (recorded).
fn set(map: &mut Body, name: &str, value: &Value) {
    if value.is_null() {
        map.remove(name);
    } else {
        map.insert(name.to_owned(), value.clone());
    }
}

/// A primary identity that has `profileData` repeats the root there.
fn mirror(user: &mut Body, index: usize, name: &str, value: &Value) {
    let data = identity_mut(user, index).and_then(|identity| identity.get_mut("profileData"));
    if let Some(Value::Object(data)) = data {
        set(data, name, value);
    }
}

fn identity_mut(user: &mut Body, index: usize) -> Option<&mut Body> {
    user.get_mut("identities")?.get_mut(index)?.as_object_mut()
}
