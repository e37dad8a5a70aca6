//! Refusals that depend on the user, the connection or the other users (all of them 400).

use serde_json::{Map, Value};

use super::attributes::{OF_IDENTITY, PAIRS, PROFILE};
use super::schema::unknown;
use super::target::{identities, primary_index, text};
use super::{Account, Refusal, Target, Tenant, mentions, password};
use crate::Rules;
use crate::connection::Kind;
use crate::rules::EmailRefusal;

type Body = Map<String, Value>;
type Verdict = Result<(), Refusal>;

pub(super) fn semantics(account: &Account, body: &Body, tenant: &Tenant<'_>, target: &Target) -> Verdict {
    let rules = tenant.rules;
    refused(body, rules)?;
    pairs(body, rules)?;
    forbidden(body, rules)?;
    disabled(body, target, rules)?;
    profile_of_secondary(body, target, rules)?;
    profile_updates(body, target)?;
    profile_removals(body, target, rules)?;
    if !target.exists && OF_IDENTITY.iter().chain([&"password"]).any(|name| body.contains_key(*name)) {
        return Err(Refusal::unknown_connection());
    }
    email(body, target, rules)?;
    email_verified(body, target, rules)?;
    phone(body, target, rules)?;
    username(&account.user, body, target, rules)?;
    password::check(account, body, target, rules)?;
    unique(account, body, tenant, target)
}

fn refused(body: &Body, rules: &Rules) -> Verdict {
    let named = rules.refused.iter().find(|(name, _)| mentions(body, name));
    named.map_or(Ok(()), |(_, refusal)| Err(refusal.clone()))
}

/// Documented: exactly five pairs.
fn pairs(body: &Body, rules: &Rules) -> Verdict {
    let together = |a: &str, b: &str| body.contains_key(a) && body.contains_key(b);
    if let Some((a, b)) = PAIRS.iter().find(|(a, b)| together(a, b)) {
        return Err(Refusal::uncoded(format!("Cannot update {a} and {b} simultaneously."), rules));
    }
    let beside = ["email", "email_verified", "password", "username"];
    match beside.iter().find(|other| rules.phone_refused_beside_pairs && together("phone_number", other)) {
        Some(other) => {
            Err(Refusal::uncoded(format!("Cannot update phone_number and {other} simultaneously."), rules))
        }
        None => Ok(()),
    }
}

fn forbidden(body: &Body, rules: &Rules) -> Verdict {
    let named: Vec<&str> = rules
        .forbidden_attributes
        .iter()
        .map(String::as_str)
        .filter(|name| body.contains_key(*name))
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let text =
        format!("Your account is not allowed to update the following user attributes: {}", named.join(", "));
    Err(Refusal::uncoded(text, rules))
}

fn disabled(body: &Body, target: &Target, rules: &Rules) -> Verdict {
    let touched = body.contains_key("email") || body.contains_key("password");
    if target.connection.disabled && touched {
        let text = "Cannot change email or password for users in a disabled connection.";
        return Err(Refusal::uncoded(text, rules));
    }
    Ok(())
}

fn profile_of_secondary(body: &Body, target: &Target, rules: &Rules) -> Verdict {
    let named = present(body, |_| true);
    if target.primary || named.is_empty() {
        return Ok(());
    }
    let text = format!(
        "The following user attributes cannot be updated: {}. The specified connection belongs to a secondary \
         identity.",
        named.join(", ")
    );
    Err(Refusal::uncoded(text, rules))
}

fn profile_updates(body: &Body, target: &Target) -> Verdict {
    let named = present(body, |value| !value.is_null());
    if named.is_empty() || !target.is_filled_by_provider() {
        return Ok(());
    }
    let text = format!(
        "The following user attributes cannot be updated: {}. The connection ({}) must either be a database \
         connection (using the Auth0 store), a passwordless connection (email or sms) or has disabled 'Sync \
         user profile attributes at each login'. For more information, see \
         https://auth0.com/docs/dashboard/guides/connections/configure-connection-sync",
        named.join(", "),
        target.connection.name
    );
    Err(Refusal::unsupported(text))
}

/// Documented in two texts: one for stores whose profile the tenant owns, one for those that an
/// identity provider fills.
fn profile_removals(body: &Body, target: &Target, rules: &Rules) -> Verdict {
    let named = present(body, Value::is_null);
    let foreign: Vec<&str> = unknown(body).into_iter().filter(|key| body[*key].is_null()).collect();
    if target.profile_is_ours() {
        let all: Vec<&str> =
            if rules.profile_clearable { foreign } else { named.into_iter().chain(foreign).collect() };
        return if all.is_empty() { Ok(()) } else { Err(not_removable(&all, target, rules)) };
    }
    let kept: Vec<&str> =
        named.into_iter().chain(foreign).filter(|name| !is_non_persistent(target, name)).collect();
    if kept.is_empty() || target.connection.syncs_only_first_login() {
        return Ok(());
    }
    let text = format!(
        "The following user attributes cannot be removed: {}. The connection ({}) should have disabled 'Sync \
         user profile attributes at each login' (see Configuring Connection Sync with Auth0) or defined these \
         attributes in 'options.non_persistent_attrs' array (see Update Connection operation).",
        kept.join(", "),
        target.connection.name
    );
    Err(Refusal::uncoded(text, rules))
}

fn not_removable(names: &[&str], target: &Target, rules: &Rules) -> Refusal {
    let text = format!(
        "The following user attributes cannot be removed: {}. The connection ({}) must either be a custom \
         database connection with import mode disabled, a social or enterprise connection.",
        names.join(", "),
        target.connection.name
    );
    Refusal::uncoded(text, rules)
}

fn email(body: &Body, target: &Target, rules: &Rules) -> Verdict {
    let Some(value) = body.get("email") else { return Ok(()) };
    let kind = target.connection.kind();
    let accepted = kind.is_database() || (kind == Kind::PasswordlessEmail && rules.passwordless_email_change);
    if !accepted {
        let text = match rules.email_refusal {
            EmailRefusal::ThisUser => "Cannot update email for this user",
            EmailRefusal::NonDatabaseUser => "Cannot update email for non-database user.",
        };
        return Err(Refusal::uncoded(text, rules));
    }
    needs_script(target, "change_email", rules)?;
    removable("email", value, rules.contact_clearable, target, rules)
}

fn email_verified(body: &Body, target: &Target, rules: &Rules) -> Verdict {
    match target.connection.kind() {
        _ if !body.contains_key("email_verified") => Ok(()),
        Kind::Enterprise => {
            Err(Refusal::unsupported("Email verification is not supported for enterprise users"))
        }
        Kind::PasswordlessSms => Err(not_supported(rules)),
        Kind::Auth0Store | Kind::Importing | Kind::External | Kind::PasswordlessEmail | Kind::Social => {
            Ok(())
        }
    }
}

fn phone(body: &Body, target: &Target, rules: &Rules) -> Verdict {
    if !body.contains_key("phone_number") && !body.contains_key("phone_verified") {
        return Ok(());
    }
    let kind = target.connection.kind();
    let accepted = kind == Kind::PasswordlessSms || (kind.is_database() && target.connection.has_phones());
    if !accepted {
        return Err(not_supported(rules));
    }
    let Some(value) = body.get("phone_number") else { return Ok(()) };
    needs_script(target, "change_phone_number", rules)?;
    removable("phone_number", value, rules.contact_clearable, target, rules)
}

fn username(user: &Body, body: &Body, target: &Target, rules: &Rules) -> Verdict {
    let Some(value) = body.get("username") else { return Ok(()) };
    let possible = target.connection.kind().is_database() && target.connection.has_usernames();
    if !possible || target.value(user, "username").is_none() {
        let text = "Cannot update username for users without an username already set";
        return Err(Refusal::uncoded(text, rules));
    }
    needs_script(target, "change_username", rules)?;
    removable("username", value, rules.username_clearable, target, rules)?;
    value.as_str().map_or(Ok(()), |name| username_form(name, target))
}

/// Documented: the connection's length (1 to 15 by default) and characters, and no email address. The
/// wording is inferred.
fn username_form(name: &str, target: &Target) -> Verdict {
    let limit = |edge: &str, default: u64| {
        target.connection.option(&["validation", "username", edge]).and_then(Value::as_u64).unwrap_or(default)
    };
    let length = name.chars().count() as u64;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "@^$.!`#+-'~_".contains(c);
    let is_email =
        name.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    if (limit("min", 1)..=limit("max", 15)).contains(&length) && name.chars().all(allowed) && !is_email {
        return Ok(());
    }
    let problem = format!("Object didn't pass validation for format username: {name}");
    Err(Refusal::payload(
        &problem,
        "username",
        "The user's username. Only valid if the connection requires a username.",
    ))
}

/// Emails and usernames are unique in a connection; a duplicate is a 400, not a 409.
fn unique(account: &Account, body: &Body, tenant: &Tenant<'_>, target: &Target) -> Verdict {
    if !target.connection.kind().is_database() {
        return Ok(());
    }
    for attribute in ["email", "username"] {
        let Some(wanted) = body.get(attribute).and_then(Value::as_str) else { continue };
        let siblings = held(&account.user, attribute, &target.connection.name, Some(target.index));
        let others = tenant
            .others
            .iter()
            .flat_map(|user| held(user, attribute, &target.connection.name, None))
            .chain(siblings);
        if others.into_iter().any(|held| held.eq_ignore_ascii_case(wanted)) {
            let text = format!("The specified new {attribute} already exists");
            return Err(Refusal::new(400, text).code("auth0_idp_error"));
        }
    }
    Ok(())
}

/// The values that a user's identities in one connection hold.
fn held<'a>(user: &'a Body, attribute: &str, connection: &str, except: Option<usize>) -> Vec<&'a str> {
    let identities = identities(user);
    let primary = primary_index(user, identities);
    let value_of = |(index, identity): (usize, &'a Value)| {
        let holder =
            if index == primary { user.get(attribute) } else { identity.get("profileData")?.get(attribute) };
        holder.and_then(Value::as_str)
    };
    identities
        .iter()
        .enumerate()
        .filter(|(index, identity)| Some(*index) != except && text(identity, "connection") == connection)
        .filter_map(value_of)
        .collect()
}

fn present(body: &Body, is_meant: impl Fn(&Value) -> bool) -> Vec<&'static str> {
    PROFILE.into_iter().filter(|name| body.get(*name).is_some_and(&is_meant)).collect()
}

fn is_non_persistent(target: &Target, name: &str) -> bool {
    let listed = target.connection.options.get("non_persistent_attrs").and_then(Value::as_array);
    listed.is_some_and(|names| names.iter().any(|listed| listed == name))
}

fn removable(name: &str, value: &Value, clearable: bool, target: &Target, rules: &Rules) -> Verdict {
    if value.is_null() && !clearable { Err(not_removable(&[name], target, rules)) } else { Ok(()) }
}

pub(super) fn needs_script(target: &Target, script: &str, rules: &Rules) -> Verdict {
    if target.connection.can_run(script) {
        return Ok(());
    }
    Err(Refusal::uncoded(format!("{script} script does not exist"), rules))
}

pub(super) fn password_not_removable(target: &Target, rules: &Rules) -> Refusal {
    not_removable(&["password"], target, rules)
}

fn not_supported(rules: &Rules) -> Refusal {
    Refusal::uncoded("Connection is not supported for this operation.", rules)
}
