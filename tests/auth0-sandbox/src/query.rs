//! The part of Lucene's query syntax that callers of the search use.
//!
//! `FIELD:VALUE`, `FIELD:(VALUE OR VALUE …)`, `AND`, `OR` and parentheses. A value is quoted, or a word; `\` makes
//! the next character an ordinary one. Wildcards, ranges, `NOT` and terms without a field are refused.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::{Map, Value};

/// Documented: the letter case of these does not matter, that of all others does.
const ANY_CASE: [&str; 5] = ["email", "name", "given_name", "family_name", "nickname"];

/// What is asked about a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    All(Vec<Query>),
    Any(Vec<Query>),
    /// The field has one of the values.
    Field(String, BTreeSet<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Colon,
    Word(String),
    Quoted(String),
}

type Tokens = Peekable<IntoIter<Token>>;

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = tokens(text)?.into_iter().peekable();
        let query = any(&mut tokens, None)?;
        match tokens.next() {
            None => Ok(query),
            Some(token) => Err(unexpected(&token)),
        }
    }

    /// How many values it looks for.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::size).sum(),
            Self::Field(_, values) => values.len(),
        }
    }

    /// Users beyond these cannot match; `None`: any may.
    pub(crate) fn ids(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Field(field, values) if field == "user_id" => Some(values),
            Self::All(parts) => parts.iter().find_map(Self::ids),
            Self::Field(..) | Self::Any(_) => None,
        }
    }

    pub(crate) fn matches(&self, user: &Map<String, Value>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(user)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(user)),
            Self::Field(field, values) => {
                let path: Vec<&str> = field.strip_suffix(".raw").unwrap_or(field).split('.').collect();
                user.get(path[0]).is_some_and(|value| holds(value, &path[1..], field, values))
            }
        }
    }
}

/// Whether a value below this one is looked for; lists do not count as a level (documented).
fn holds(value: &Value, path: &[&str], field: &str, values: &BTreeSet<String>) -> bool {
    match (value, path.split_first()) {
        (Value::Array(items), _) => items.iter().any(|item| holds(item, path, field, values)),
        (Value::Object(object), Some((key, rest))) => {
            object.get(*key).is_some_and(|value| holds(value, rest, field, values))
        }
        (Value::String(text), None) => values.contains(&as_compared(field, text.clone())),
        (Value::Bool(_) | Value::Number(_), None) => values.contains(&value.to_string()),
        _ => false,
    }
}

fn as_compared(field: &str, text: String) -> String {
    if ANY_CASE.contains(&field) { text.to_lowercase() } else { text }
}

/// Parts between `OR`; inside the parentheses of a field the values stand alone.
fn any(tokens: &mut Tokens, field: Option<&str>) -> Result<Query, String> {
    let mut parts = vec![all(tokens, field)?];
    while tokens.next_if_eq(&Token::Word("OR".into())).is_some() {
        parts.push(all(tokens, field)?);
    }
    Ok(joined(parts))
}

fn all(tokens: &mut Tokens, field: Option<&str>) -> Result<Query, String> {
    let mut parts = vec![one(tokens, field)?];
    while tokens.next_if_eq(&Token::Word("AND".into())).is_some() {
        parts.push(one(tokens, field)?);
    }
    Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Query::All(parts) })
}

fn one(tokens: &mut Tokens, field: Option<&str>) -> Result<Query, String> {
    let token = tokens.next().ok_or("it ends too early")?;
    match (token, field) {
        (Token::Open, _) => {
            let inner = any(tokens, field)?;
            tokens.next_if_eq(&Token::Close).ok_or("a parenthesis is not closed")?;
            Ok(inner)
        }
        (Token::Quoted(value), Some(field)) => Ok(is(field, value)),
        (Token::Word(value), Some(field)) if !is_operator(&value) => Ok(is(field, value)),
        (Token::Word(name), None) if !is_operator(&name) => {
            tokens.next_if_eq(&Token::Colon).ok_or_else(|| format!("`{name}` is no field with a value"))?;
            one(tokens, Some(&name))
        }
        (token, _) => Err(unexpected(&token)),
    }
}

fn is(field: &str, value: String) -> Query {
    Query::Field(field.to_owned(), BTreeSet::from([as_compared(field, value)]))
}

/// Values of one field become a set, so that a query for many ids costs little.
fn joined(mut parts: Vec<Query>) -> Query {
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let mut sought: Option<(String, BTreeSet<String>)> = None;
    for part in &parts {
        match (part, &mut sought) {
            (Query::Field(field, values), None) => sought = Some((field.clone(), values.clone())),
            (Query::Field(field, values), Some((name, all))) if field == name => all.extend(values.clone()),
            _ => return Query::Any(parts),
        }
    }
    sought.map_or(Query::Any(parts), |(field, values)| Query::Field(field, values))
}

fn is_operator(word: &str) -> bool {
    ["AND", "OR", "NOT"].contains(&word)
}

fn unexpected(token: &Token) -> String {
    match token {
        Token::Open => "`(` is not expected here".to_owned(),
        Token::Close => "`)` is not expected here".to_owned(),
        Token::Colon => "`:` is not expected here".to_owned(),
        Token::Word(text) | Token::Quoted(text) => format!("`{text}` is not expected here"),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        found.push(match next {
            ' ' | '\t' | '\n' => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ':' => Token::Colon,
            '"' => Token::Quoted(quoted(&mut rest)?),
            first => {
                let mut word = String::new();
                let mut next = Some(first);
                while let Some(letter) = next {
                    word.push(letter_of_word(letter, &mut rest)?);
                    next = rest.next_if(|letter| !" \t\n():\"".contains(*letter));
                }
                Token::Word(word)
            }
        });
    }
    Ok(found)
}

fn quoted(rest: &mut impl Iterator<Item = char>) -> Result<String, String> {
    let mut value = String::new();
    loop {
        match rest.next().ok_or("a quote is not closed")? {
            '"' => return Ok(value),
            '\\' => value.push(rest.next().ok_or("it ends with a backslash")?),
            letter => value.push(letter),
        }
    }
}

fn letter_of_word(letter: char, rest: &mut impl Iterator<Item = char>) -> Result<char, String> {
    match letter {
        '\\' => rest.next().ok_or_else(|| "it ends with a backslash".to_owned()),
        '*' | '?' | '~' | '^' | '[' | ']' | '{' | '}' | '!' | '/' | '<' | '>' => {
            Err(format!("`{letter}` is not known to the stand-in; quote it"))
        }
        letter => Ok(letter),
    }
}
