//! Four namespaces × every field and way of the table × three users: what is sent, and what is said of it.

#[path = "../../../plan/access_rows.rs"]
mod rows;

use super::{Lent, REFUSED, refused_fields};
use crate::run::conditions::row;
use crate::world::{DEADLINE, update};
use lab::{Mode, wait_until};
use rows::{PART, holds, rows};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Who asks: the tenant's own namespace, or a team that is granted everything, a part, or nothing.
const WHO: [&str; 4] = ["own", "all", "part", "none"];

/// Of whom: a user that the grants cover, one that they do not, and one that they would cover and that is not there.
const WHOM: [&str; 3] = ["in", "out", "in-gone"];

/// What becomes of a cell.
#[derive(Debug, PartialEq)]
enum Cell {
    /// This is sent, and nothing is said of grants.
    Sent(Value),
    /// Nothing is sent, and this field is named.
    Part(String),
    /// Nothing is asked of Auth0.
    Outside,
    /// Auth0 says that there is no such user.
    Gone,
}

fn expected(who: &str, whom: &str, body: &Value, field: &str, in_part: bool) -> Cell {
    match (who, whom) {
        ("none", _) | ("all" | "part", "out") => Cell::Outside,
        (_, "in-gone") => Cell::Gone,
        ("part", _) if !in_part => Cell::Part(field.to_owned()),
        (_, _) => Cell::Sent(body.clone()),
    }
}

fn seen(lent: &Lent, object: &Value, slug: &str, field: &str) -> Cell {
    let bodies = lent.world.bodies_of(&format!("auth0|{slug}"));
    let named = object["status"]["refusedFields"].as_array().into_iter().flatten();
    let named: Vec<_> = named.filter(|refused| refused["reason"] == "TenantNotAllowed").collect();
    let reason = object["status"]["conditions"].as_array().unwrap().iter();
    let reason = reason.clone().find(|condition| condition["type"] == "Ready").unwrap()["reason"].clone();
    match bodies.as_slice() {
        [body] if named.is_empty() => Cell::Sent(body.clone()),
        [] if reason == "UserNotFound" => Cell::Gone,
        [] if row(object) == REFUSED && lent.world.calls_of(slug).is_empty() => Cell::Outside,
        [] if refused_fields(object).contains(&field) && !named.is_empty() => Cell::Part(field.to_owned()),
        _ => panic!("{slug}: {bodies:?} {}", object["status"]),
    }
}

#[tokio::test]
async fn every_field_way_namespace_and_user_meets_its_grant() {
    let lent = Lent::start_with("access-matrix", &["all", "part", "none"]).await;
    let world = &lent.world;
    let grant = |namespace: &str, fields: &[&str]| json!({"namespaces": [namespace], "fields": fields, "userIds": ["auth0|in-*"]});
    lent.grant(json!([grant("A", &["*"]), grant("B", &PART)])).await;
    world.until_ready("auth0tenant/example").await;
    let teams =
        [(world.namespace.clone(), world.kubectl.clone())].into_iter().chain(lent.teams.iter().cloned());
    let teams: Vec<_> = teams.collect();
    world.sandbox.clear_log();
    let mut cells = BTreeMap::new();
    for ((namespace, kubectl), who) in teams.iter().zip(WHO) {
        let secret = lab::secret("s", &json!({"k": "Wanted-1"}));
        let mut manifests = vec![secret.to_string()];
        for (number, (card, body, field, in_part, _)) in rows().into_iter().enumerate() {
            for whom in WHOM {
                let slug = format!("{whom}-{who}-{number}");
                if whom != "in-gone" {
                    let mut user = holds();
                    (user["user_id"], user["identities"][0]["user_id"]) =
                        (json!(format!("auth0|{slug}")), json!(slug));
                    (user["email"], user["username"]) = (json!(format!("{slug}@example.com")), json!(slug));
                    world.sandbox.put_user(user).unwrap();
                }
                let mut card = card.clone();
                card["userId"] = json!(format!("auth0|{slug}"));
                card["tenantRef"] = json!({"name": "example", "namespace": world.namespace});
                manifests.push(update(&slug, card));
                cells.insert(slug, (namespace.clone(), field, expected(who, whom, &body, field, in_part)));
            }
        }
        kubectl.submit(Mode::ServerSideApply, &manifests.join("\n---\n")).await.unwrap().ok().unwrap();
    }
    let objects = wait_until("every cell", 3 * DEADLINE, async || {
        let mut objects = BTreeMap::new();
        for (_, kubectl) in &teams {
            let list = kubectl.get("auth0userupdates").await.map_err(|error| error.to_string())?;
            for object in list["items"].as_array().unwrap() {
                if object["status"]["conditions"].is_null() {
                    return Err(object.to_string());
                }
                objects.insert(object["metadata"]["name"].as_str().unwrap().to_owned(), object.clone());
            }
        }
        Ok(objects)
    })
    .await
    .unwrap();
    for (slug, (_, field, expected)) in &cells {
        assert_eq!(seen(&lent, &objects[slug], slug, field), *expected, "{slug}");
    }
    println!("{} cells", cells.len());
    assert_eq!(cells.len(), WHO.len() * WHOM.len() * rows().len());
}
