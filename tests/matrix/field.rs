//! The first axis: every field of the spec, and the values that its cells play with.

use serde_json::{Value, json};

/// What sort of field it is, as far as blanks are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text that Auth0 can clear.
    Text,
    /// A text that rides with others and that Auth0 has no null for: `clientId`, `connection`.
    Label,
    /// A boolean.
    Flag,
    /// `passwordSecretRef`.
    Reference,
    /// A metadata map.
    Map,
    /// A text for the operator that may be null: `resyncInterval`.
    Setting,
    /// One of a few words for the operator, never null.
    Choice,
    /// `clear` by itself.
    Orders,
    /// A field that has to be there.
    Required,
}

impl Kind {
    /// Whether the schema takes null.
    pub const fn is_nullable(self) -> bool {
        matches!(self, Self::Text | Self::Label | Self::Flag | Self::Reference | Self::Setting)
    }

    /// Whether the schema takes this value, null apart.
    pub fn takes(self, value: &Value) -> bool {
        match self {
            Self::Text | Self::Label | Self::Setting => value.is_string(),
            Self::Flag => value.is_boolean(),
            Self::Reference => value["name"].is_string() && value["key"].is_string(),
            Self::Map => value.is_object(),
            Self::Choice => value.as_str().is_some_and(|word| !word.is_empty()),
            Self::Orders => value.is_array(),
            Self::Required => value["name"].is_string(),
        }
    }

    /// Whether `clear` takes the field's name.
    pub const fn can_be_cleared(self) -> bool {
        matches!(self, Self::Text | Self::Map)
    }
}

/// A field with the values that it goes through. `#` in a text stands for the cell's number, because an
/// address belongs to one person only.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name in the spec.
    pub name: &'static str,
    /// The name in Auth0.
    pub attribute: &'static str,
    pub kind: Kind,
    /// What Auth0 holds before anybody asks.
    pub seed: Value,
    /// What the spec says before the wish, where it says something.
    pub before: Value,
    /// The value that is wished; for a flag the opposite of what Auth0 holds then.
    pub value: Value,
    /// A field that it rides with, which the wish changes at the same time.
    pub beside: Option<Beside>,
}

/// What a riding field rides with: before the wish, and with it.
#[derive(Clone, Debug)]
pub struct Beside {
    pub name: &'static str,
    pub attribute: &'static str,
    pub before: Value,
    pub value: Value,
}

/// All fields. Reads as a table: kind, name, name in Auth0, what Auth0 holds, the spec before, the value.
fn table() -> Vec<Field> {
    let map = |name, attribute| {
        let seed = json!({"k": "seed", "other": "kept"});
        row(Kind::Map, name, attribute, seed, json!({"k": "old"}), json!({"k": "new"}))
    };
    let text = |name, attribute| row(Kind::Text, name, attribute, "seed", "old", "new");
    let flag = |name, attribute| row(Kind::Flag, name, attribute, false, true, true);
    let url = |name: &str| format!("https://example.com/{name}.png");
    let secret = |key: &str| json!({"name": "passwords", "key": key});
    vec![
        text("name", "name"),
        text("givenName", "given_name"),
        text("familyName", "family_name"),
        text("nickname", "nickname"),
        row(Kind::Text, "picture", "picture", url("seed"), url("old"), url("new")),
        row(Kind::Text, "email", "email", "seed-#@example.com", "old-#@example.com", "new-#@example.com"),
        row(Kind::Text, "phoneNumber", "phone_number", "+1100#", "+1200#", "+1300#"),
        row(Kind::Text, "username", "username", "seed-#", "old-#", "new-#"),
        row(Kind::Label, "clientId", "client_id", Value::Null, "old-app", "new-app"),
        row(Kind::Label, "connection", "connection", Value::Null, "People", "People"),
        flag("blocked", "blocked"),
        flag("emailVerified", "email_verified"),
        flag("phoneVerified", "phone_verified"),
        row(Kind::Flag, "verifyEmail", "verify_email", Value::Null, false, true),
        row(Kind::Reference, "passwordSecretRef", "password", Value::Null, secret("old"), secret("new")),
        map("userMetadata", "user_metadata"),
        map("appMetadata", "app_metadata"),
        row(Kind::Setting, "resyncInterval", "", Value::Null, "1h", "2h"),
        row(Kind::Choice, "mode", "", Value::Null, "Apply", "Apply"),
        row(Kind::Choice, "output", "", Value::Null, "Mapped", "None"),
        row(Kind::Orders, "clear", "", Value::Null, json!(["name"]), json!(["nickname"])),
        row(Kind::Required, "tenantRef", "", Value::Null, json!({"name": "example"}), Value::Null),
        row(Kind::Required, "userId", "", Value::Null, Value::Null, Value::Null),
        row(Kind::Required, "passEmptyValues", "", Value::Null, Value::Null, Value::Null),
    ]
}

/// The fields that ride, each beside what carries it.
const RIDERS: [(&str, &str); 5] = [
    ("clientId", "email"),
    ("connection", "email"),
    ("emailVerified", "email"),
    ("verifyEmail", "email"),
    ("phoneVerified", "phoneNumber"),
];

/// Every field, once by itself and, where it rides with another, once beside it.
pub fn fields() -> Vec<Field> {
    let mut fields = table();
    let find = |name: &str| fields.iter().find(|field| field.name == name).unwrap().clone();
    let riders: Vec<Field> = RIDERS
        .iter()
        .map(|(rider, carrier)| {
            let Field { name, attribute, before, value, .. } = find(carrier);
            Field { beside: Some(Beside { name, attribute, before, value }), ..find(rider) }
        })
        .collect();
    fields.extend(riders);
    fields
}

fn row(
    kind: Kind,
    name: &'static str,
    attribute: &'static str,
    seed: impl Into<Value>,
    before: impl Into<Value>,
    value: impl Into<Value>,
) -> Field {
    let (seed, before, value) = (seed.into(), before.into(), value.into());
    Field { name, attribute, kind, seed, before, value, beside: None }
}

impl Field {
    /// The same with the number of a cell in its texts, for a spec that already says something or not.
    pub fn numbered(&self, number: usize, is_there: bool) -> Self {
        let mut field = self.clone();
        let texts = field.beside.iter_mut().flat_map(|beside| [&mut beside.before, &mut beside.value]);
        for value in texts.chain([&mut field.seed, &mut field.before, &mut field.value]) {
            if let Value::String(text) = value {
                *text = text.replace('#', &format!("{number:05}"));
            }
        }
        if self.kind == Kind::Flag && is_there {
            field.value = json!(self.before == json!(false));
        }
        field
    }
}
