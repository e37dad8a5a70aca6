//! A connection's password policy: `options.password_options` where it is there (the flexible policy), else the
//! options before it.

use serde_json::{Map, Value, json};

use super::judge::{needs_script, password_not_removable};
use super::{Account, Refusal, Target, Unworded};
use crate::{Kind, Rules};

/// A few of the passwords that Auth0's default dictionary refuses.
const COMMON: [&str; 8] =
    ["password", "password1", "password1!", "passw0rd!", "qwerty123", "letmein1", "12345678", "iloveyou1"];

/// Documented: what is longer, in bytes, is cut off, unless the flexible policy refuses it.
const LONGEST: usize = 72;

/// The part of the user that the older policy looks for in a password.
const USER_DATA: [&str; 6] = ["name", "username", "nickname", "given_name", "family_name", "email"];

pub(super) fn check(
    account: &Account,
    body: &Map<String, Value>,
    target: &Target,
    rules: &Rules,
) -> Result<(), Refusal> {
    let Some(value) = body.get("password") else { return Ok(()) };
    // Seen in the wild: outside databases a password meets "The connection does not exist.".
    if !target.connection.kind().is_database() {
        return Err(Refusal::unknown_connection());
    }
    let Some(password) = value.as_str() else { return Err(password_not_removable(target, rules)) };
    needs_script(target, "change_password", rules)?;
    if let Some(policy) = target.connection.option(&["password_options"]) {
        let failed = flexible(password, policy, account, target);
        return failed.map_or(Ok(()), |failed| Err(failed.refusal("password", rules)));
    }
    let option = |name: &str| target.connection.option(&[name]).filter(|policy| policy["enable"] == true);
    let fails: [(&str, bool); 4] = [
        ("PasswordStrengthError: Password is too weak", is_weak(password, target)),
        (
            "PasswordDictionaryError: Password is too common",
            option("password_dictionary").is_some_and(|policy| is_common(password, &policy["dictionary"])),
        ),
        (
            "PasswordNoUserInfoError: Password contains user information",
            option("password_no_personal_info")
                .is_some_and(|_| names_user(password, &USER_DATA, account, target)),
        ),
        (
            "PasswordHistoryError: Password has previously been used",
            option("password_history").is_some_and(|policy| is_used(password, policy, account, target)),
        ),
    ];
    match fails.iter().find(|(_, failed)| *failed) {
        // Recorded: a weak password's answer has no errorCode.
        Some((text, _)) if text.starts_with("PasswordStrength") => Err(Refusal::new(400, *text)),
        Some((text, _)) => Err(Refusal::uncoded(*text, rules)),
        None => Ok(()),
    }
}

/// Auth0's levels: `none` (default of a connection without policy), `low`, `fair`, `good`, `excellent`.
fn is_weak(password: &str, target: &Target) -> bool {
    let level = target.connection.option(&["passwordPolicy"]).and_then(Value::as_str).unwrap_or("none");
    let least = match level {
        "low" => 6,
        "fair" | "good" => 8,
        "excellent" => 10,
        _ => 1,
    };
    let configured = target.connection.option(&["password_complexity_options", "min_length"]);
    let least = configured.and_then(Value::as_u64).unwrap_or(least);
    let short = (password.chars().count() as u64) < least;
    let [lower, upper, digit, special] = classes(password);
    let kinds = [lower, upper, digit, special].into_iter().filter(|has| *has).count();
    short
        || match level {
            "fair" => !(lower && upper && digit),
            "good" => kinds < 3,
            "excellent" => kinds < 3 || repeats(password),
            _ => false,
        }
}

fn classes(password: &str) -> [bool; 4] {
    [
        password.chars().any(|c| c.is_ascii_lowercase()),
        password.chars().any(|c| c.is_ascii_uppercase()),
        password.chars().any(|c| c.is_ascii_digit()),
        password.chars().any(|c| !c.is_ascii_alphanumeric()),
    ]
}

/// More than two identical characters in a row.
fn repeats(password: &str) -> bool {
    let characters: Vec<char> = password.chars().collect();
    characters.windows(3).any(|three| three[0] == three[1] && three[1] == three[2])
}

/// The flexible policy, documented: what a password fails at.
fn flexible(password: &str, policy: &Value, account: &Account, target: &Target) -> Option<Unworded> {
    let complexity = &policy["complexity"];
    let active = |name: &str| Some(&policy[name]).filter(|part| part["active"] == true);
    let fields = policy["profile_data"]["blocked_fields"].as_array();
    let fields = fields.map(|fields| fields.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let fields = fields.unwrap_or_else(|| USER_DATA.to_vec());
    let fails = [
        (Unworded::PasswordTooLong, password.len() > LONGEST && complexity["max_length_exceeded"] == "error"),
        (Unworded::PasswordTooWeak, is_too_simple(password, complexity)),
        (
            Unworded::PasswordTooCommon,
            active("dictionary").is_some_and(|part| is_common(password, &part["custom"])),
        ),
        (
            Unworded::PasswordHasUserData,
            active("profile_data").is_some_and(|_| names_user(password, &fields, account, target)),
        ),
        (
            Unworded::PasswordUsedBefore,
            active("history").is_some_and(|part| is_used(password, part, account, target)),
        ),
    ];
    fails.into_iter().find(|(_, failed)| *failed).map(|(what, _)| what)
}

fn is_too_simple(password: &str, complexity: &Value) -> bool {
    let asked = complexity["character_types"].as_array().cloned().unwrap_or_default();
    let names = ["lowercase", "uppercase", "number", "special"];
    let held =
        names.into_iter().zip(classes(password)).filter(|(name, has)| *has && asked.contains(&json!(name)));
    let needed = if complexity["character_type_rule"] == "three_of_four" { 3 } else { asked.len() };
    let blocks = |what: &str| complexity[what] == "block";
    (password.chars().count() as u64) < complexity["min_length"].as_u64().unwrap_or(1)
        || held.count() < needed
        || (blocks("identical_characters") && repeats(password))
        || (blocks("sequential_characters") && counts_on(password))
}

/// Three letters or digits in a row that follow one another, up or down.
fn counts_on(password: &str) -> bool {
    let characters: Vec<char> = password.chars().collect();
    characters.windows(3).any(|three| {
        let [a, b, c] = [three[0], three[1], three[2]].map(u32::from);
        three.iter().all(char::is_ascii_alphanumeric)
            && ((a + 1 == b && b + 1 == c) || (c + 1 == b && b + 1 == a))
    })
}

fn is_common(password: &str, own: &Value) -> bool {
    let own = own.as_array().into_iter().flatten().filter_map(Value::as_str);
    own.chain(COMMON).any(|word| word.eq_ignore_ascii_case(password))
}

fn names_user(password: &str, fields: &[&str], account: &Account, target: &Target) -> bool {
    let password = password.to_lowercase();
    fields.iter().any(|field| {
        let held = target.value(&account.user, field).and_then(Value::as_str).unwrap_or_default();
        let word = if *field == "email" { held.split('@').next().unwrap_or_default() } else { held };
        word.chars().count() >= 3 && password.contains(&word.to_lowercase())
    })
}

/// The history counts the password in force: sending it again is refused.
fn is_used(password: &str, policy: &Value, account: &Account, target: &Target) -> bool {
    let size = usize::try_from(policy["size"].as_u64().unwrap_or(5)).unwrap_or(usize::MAX);
    let Some(held) = account.passwords.get(&target.password_key(&account.user)) else { return false };
    let history = std::iter::once(&held.current).chain(&held.earlier);
    history.take(size).any(|used| used == as_hashed(password, target))
}

/// What counts of a password: Auth0's store hashes 72 bytes and drops the rest in silence (documented).
pub(super) fn as_hashed<'a>(password: &'a str, target: &Target) -> &'a str {
    match target.connection.kind() {
        Kind::Auth0Store | Kind::Importing => &password[..password.floor_char_boundary(LONGEST)],
        Kind::External
        | Kind::PasswordlessEmail
        | Kind::PasswordlessSms
        | Kind::Enterprise
        | Kind::Social => password,
    }
}
