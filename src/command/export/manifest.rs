//! Pure: from a user to the text of its manifests, with names that stay the same as long as the user's address does.

use crate::api::{Auth0UserUpdate, TenantRef};
use crate::command::Problem;
use crate::command::export::spec::{Exported, specs};
use crate::user::User;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Longest part of a name that comes from the user, and from a connection: with the rest it is no longer than a DNS label.
const LONGEST_OF_USER: usize = 32;
const LONGEST_OF_CONNECTION: usize = 20;

/// As long as `spec.userId` may be.
const LONGEST_ID: usize = 1024;

/// The manifests of one user.
pub struct Manifest {
    /// Name of the file: that of the first resource, with `.yaml`.
    pub file: String,
    /// The text: one document for the user, and one for each linked account.
    pub text: String,
}

impl Manifest {
    /// The manifests of a user, in this namespace.
    ///
    /// # Errors
    /// Where no resource can stand for the user.
    pub fn of(user: &User, tenant: &TenantRef, namespace: Option<&str>) -> Result<Self, Problem> {
        let id = user.text("user_id").unwrap_or_default();
        if !(1..=LONGEST_ID).contains(&id.chars().count()) {
            return Err(Problem(format!("a user has an id that no resource can name: {id:?}")));
        }
        let mut manifest = Self { file: String::new(), text: String::new() };
        for exported in specs(user, id, tenant) {
            let name = name(user, id, tenant, exported.spec.connection.value());
            if manifest.file.is_empty() {
                manifest.file = format!("{name}.yaml");
            }
            manifest.text.push_str(&document(&name, namespace, exported)?);
        }
        Ok(manifest)
    }
}

fn document(name: &str, namespace: Option<&str>, exported: Exported) -> Result<String, Problem> {
    let mut text = "---\n".to_owned();
    for left_out in &exported.left_out {
        let _ = writeln!(text, "# Left out: {left_out}");
    }
    let mut resource = Auth0UserUpdate::new(name, exported.spec);
    resource.metadata.namespace = namespace.map(str::to_owned);
    // Folded and literal blocks are what YAML readers differ in most.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let yaml = serde_saphyr::to_string_with_options(&resource, options)
        .map_err(|error| Problem(format!("{name} cannot be written as YAML: {error}")))?;
    Ok(text + &yaml)
}

/// A DNS label: what people know the user by, the connection of a linked account, and what keeps all apart.
fn name(user: &User, id: &str, tenant: &TenantRef, connection: Option<&String>) -> String {
    let known = ["email", "username", "phone_number", "name"];
    let known = known.into_iter().filter_map(|attribute| user.text(attribute)).chain([id]);
    let known = known.map(|text| slug(text, LONGEST_OF_USER)).find(|slug| !slug.is_empty());
    let account = connection.map(|connection| slug(connection, LONGEST_OF_CONNECTION));
    let what = serde_json::json!([tenant.name, id, connection]).to_string();
    let digest = Sha256::digest(what).iter().take(4).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let parts = known.into_iter().chain(account).filter(|part| !part.is_empty()).chain([digest]);
    parts.collect::<Vec<_>>().join("-")
}

/// Lower-case letters, digits and single hyphens between them.
fn slug(text: &str, longest: usize) -> String {
    let mut slug = String::new();
    for letter in text.chars().map(|letter| letter.to_ascii_lowercase()) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == longest {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}
