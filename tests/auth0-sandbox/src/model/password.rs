//! A connection's password policy.

use serde_json::{Map, Value};

use super::judge::{needs_script, password_not_removable};
use super::{Account, Refusal, Target};
use crate::Rules;

/// A few of the passwords that Auth0's default dictionary refuses.
const COMMON: [&str; 8] =
    ["password", "password1", "password1!", "passw0rd!", "qwerty123", "letmein1", "12345678", "iloveyou1"];

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
    let fails: [(&str, bool); 4] = [
        ("PasswordStrengthError: Password is too weak", is_weak(password, target)),
        ("PasswordDictionaryError: Password is too common", is_common(password, target)),
        (
            "PasswordNoUserInfoError: Password contains user information",
            names_user(password, account, target),
        ),
        ("PasswordHistoryError: Password has previously been used", is_used(password, account, target)),
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

fn is_common(password: &str, target: &Target) -> bool {
    let own = target.connection.option(&["password_dictionary", "dictionary"]).and_then(Value::as_array);
    let in_own = own.is_some_and(|words| {
        words.iter().filter_map(Value::as_str).any(|w| w.eq_ignore_ascii_case(password))
    });
    is_enabled(target, "password_dictionary")
        && (in_own || COMMON.iter().any(|word| word.eq_ignore_ascii_case(password)))
}

fn names_user(password: &str, account: &Account, target: &Target) -> bool {
    let password = password.to_lowercase();
    let own =
        |attribute: &str| target.value(&account.user, attribute).and_then(Value::as_str).unwrap_or_default();
    let words = [
        own("name"),
        own("username"),
        own("nickname"),
        own("given_name"),
        own("family_name"),
        own("email").split('@').next().unwrap_or_default(),
    ];
    is_enabled(target, "password_no_personal_info")
        && words.iter().any(|word| word.chars().count() >= 3 && password.contains(&word.to_lowercase()))
}

/// The history counts the password in force: sending it again is refused.
fn is_used(password: &str, account: &Account, target: &Target) -> bool {
    let size = target.connection.option(&["password_history", "size"]).and_then(Value::as_u64).unwrap_or(5);
    let Some(held) = account.passwords.get(&target.password_key(&account.user)) else { return false };
    let history = std::iter::once(&held.current).chain(&held.earlier);
    is_enabled(target, "password_history")
        && history.take(usize::try_from(size).unwrap_or(usize::MAX)).any(|used| used == password)
}

fn is_enabled(target: &Target, policy: &str) -> bool {
    target.connection.option(&[policy, "enable"]).and_then(Value::as_bool).unwrap_or(false)
}
