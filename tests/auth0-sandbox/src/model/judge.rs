//! Refusals that depend on the user, the connection or the other users (all of them 400).

use serde_json::{Map, Value};

use super::attributes::{OF_IDENTITY, PAIRS, PROFILE};
use super::schema::{is_phone, unknown};
use super::target::{identities, primary_index, text};
use super::{Account, Refusal, Target, Tenant, Unworded, mentions, password};
use crate::Rules;
use crate::connection::Kind;
use crate::rules::{EmailRefusal, PhoneRefusal, PhoneScope};

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
    if kind.is_database() && !target.connection.has_emails() {
        return Err(Unworded::EmailOff.refusal("email", rules));
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
    let Some(value) = body.get("phone_number") else {
        return if accepted { Ok(()) } else { Err(not_supported(rules)) };
    };
    if !accepted {
        return Err(if kind.is_database() { phone_refusal(rules) } else { not_supported(rules) });
    }
    if kind == Kind::PasswordlessSms && !target.named && rules.sms_phone_needs_connection {
        return Err(Refusal::uncoded(ATTRIBUTES_NOT_CONFIGURED, rules));
    }
    needs_script(target, "change_phone_number", rules)?;
    removable("phone_number", value, rules.contact_clearable, target, rules)
}

const ATTRIBUTES_NOT_CONFIGURED: &str = "Can only update phone_number for auth0 connections with attribute \
    configuration enabled and options.attributes configured.";

fn phone_refusal(rules: &Rules) -> Refusal {
    match rules.phone_refusal {
        PhoneRefusal::NonSmsUser => Refusal::uncoded("Cannot update phone_number for non-sms user", rules),
        PhoneRefusal::AttributesNotConfigured => Refusal::uncoded(ATTRIBUTES_NOT_CONFIGURED, rules),
        PhoneRefusal::NotAllowed => Refusal::uncoded("phone_number is not allowed", rules),
        PhoneRefusal::NotSupported => not_supported(rules),
    }
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

/// Documented: the connection's length (1 to 15 by default) and characters; the form of an email address, and
/// under flexible identifiers that of a phone number, only where `allowed_types` names it. The wording is
/// inferred.
fn username_form(name: &str, target: &Target) -> Verdict {
    let connection = &target.connection;
    let limit = |edge: &str, default: u64| {
        let flexible = connection.attribute("username", &["validation", &format!("{edge}_length")]);
        let value = flexible.or_else(|| connection.option(&["validation", "username", edge]));
        value.and_then(Value::as_u64).unwrap_or(default)
    };
    let allows = |form: &str| {
        let path = ["validation", "allowed_types", form];
        connection.attribute("username", &path).and_then(Value::as_bool).unwrap_or(false)
    };
    let length = name.chars().count() as u64;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "@^$.!`#+-'~_".contains(c);
    let is_email =
        name.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    let is_phone = connection.attribute("username", &[]).is_some() && is_phone(name);
    let wrong_form = (is_email && !allows("email")) || (is_phone && !allows("phone_number"));
    if (limit("min", 1)..=limit("max", 15)).contains(&length) && name.chars().all(allowed) && !wrong_form {
        return Ok(());
    }
    let problem = format!("Object didn't pass validation for format username: {name}");
    Err(Refusal::payload(
        &problem,
        "username",
        "The user's username. Only valid if the connection requires a username.",
    ))
}

/// Emails, usernames and phone numbers are unique in a connection (documented), whether or not they are an
/// attribute of it; a duplicate is a 400, not a 409.
fn unique(account: &Account, body: &Body, tenant: &Tenant<'_>, target: &Target) -> Verdict {
    let (connection, rules) = (&target.connection, tenant.rules);
    let same_letters = |held: &str, wanted: &str| {
        if target.lowers_letters(rules) { held.eq_ignore_ascii_case(wanted) } else { held == wanted }
    };
    for attribute in ["email", "username", "phone_number"] {
        let Some(wanted) = body.get(attribute).and_then(Value::as_str) else { continue };
        let of_sms = connection.kind() == Kind::PasswordlessSms && attribute == "phone_number";
        let shared = attribute == "email" && connection.shares_emails();
        if shared || !(connection.kind().is_database() || of_sms) {
            continue;
        }
        let everywhere = attribute == "phone_number" && rules.phone_scope == PhoneScope::Tenant;
        let among = if everywhere { None } else { Some(connection.name.as_str()) };
        let siblings = held(&account.user, attribute, among, Some(target.index));
        let others = tenant.others.iter().flat_map(|user| held(user, attribute, among, None)).chain(siblings);
        if others.into_iter().any(|held| same_letters(held, wanted)) {
            return Err(match attribute {
                "phone_number" => Unworded::PhoneTaken.refusal(attribute, rules),
                _ => Refusal::new(400, format!("The specified new {attribute} already exists"))
                    .code("auth0_idp_error"),
            });
        }
    }
    Ok(())
}

/// Documented for March 2027: a profile that is too large is refused.
pub(super) fn size(next: &Account, rules: &Rules) -> Verdict {
    let Some(limit) = rules.profile_limit else { return Ok(()) };
    let size = serde_json::to_string(&next.user).unwrap_or_default().len();
    if size as u64 <= limit {
        Ok(())
    } else {
        Err(Unworded::ProfileTooLarge.refusal(&limit.to_string(), rules))
    }
}

/// The values that a user's identities hold, in one connection or in all.
fn held<'a>(
    user: &'a Body,
    attribute: &str,
    connection: Option<&str>,
    except: Option<usize>,
) -> Vec<&'a str> {
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
        .filter(|(index, identity)| {
            Some(*index) != except && connection.is_none_or(|name| text(identity, "connection") == name)
        })
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
    if value.is_null() && target.connection.requires(name) {
        return Err(Unworded::RequiredOnProfile.refusal(name, rules));
    }
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
