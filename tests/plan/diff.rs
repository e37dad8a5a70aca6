//! What `diff` prints is what the executor then sends.

use crate::driver::{End, Fault, Operator, Secret};
use crate::generate::{Scene, card, config, secret, stored_user, unwilling, willing};
use crate::world::Auth0;
use auth0_user_operator::access::Access;
use auth0_user_operator::api::{Auth0UserUpdate, Auth0UserUpdateStatus, SecretVersion};
use auth0_user_operator::command::diff::output::json::of_preview;
use auth0_user_operator::command::diff::preview::{Asked, Secret as Known};
use auth0_user_operator::user::User;
use proptest::collection::vec;
use proptest::option::of as option;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The manifest of a card.
fn manifest(operator: &Operator) -> Auth0UserUpdate {
    let mut update = Auth0UserUpdate::new("ann", operator.spec.clone());
    update.metadata.namespace = Some("m".to_owned());
    update
}

/// The same in the cluster, as the operator left it.
fn live(operator: &Operator) -> Auth0UserUpdate {
    let mut live = manifest(operator);
    live.metadata.generation = Some(operator.generation);
    live.status = Some(Auth0UserUpdateStatus {
        observed_generation: Some(operator.generation),
        conditions: operator.conditions.clone(),
        triggers: operator.memory.triggers.clone(),
        refused_fields: operator.memory.refused.clone(),
        not_persisted: operator.memory.not_persisted.clone(),
        explicit_nulls: operator.explicit_nulls.clone(),
        ..Auth0UserUpdateStatus::default()
    });
    live
}

/// What `diff -o json` prints of a resource.
fn printed(operator: &Operator, live: Option<&Auth0UserUpdate>, auth0: &Auth0) -> Value {
    let mut object = manifest(operator);
    if let Some(live) = live {
        let nulls = live.remembered_nulls().to_vec();
        object.status =
            Some(Auth0UserUpdateStatus { explicit_nulls: nulls, ..Auth0UserUpdateStatus::default() });
    }
    let secret = match (&operator.secret, live) {
        (Secret::Content { version, .. }, Some(_)) => {
            Known::At(SecretVersion { uid: "s".into(), resource_version: version.to_string() })
        }
        _ => Known::Unknown,
    };
    let asked = Asked {
        object: &object,
        live,
        host: "example.auth0.com",
        access: &Access::Everything,
        names: ("t", "m"),
        secret: &secret,
        judge: &|_, _, _| Ok(()),
    };
    of_preview(&asked.preview(&User::from(auth0.observe())), false)
}

/// The requests that it shows, as bodies with a word for the password.
fn shown(printed: &Value) -> Vec<Value> {
    let requests = printed["requests"].as_array().unwrap();
    requests
        .iter()
        .map(|request| {
            let mut body = request["body"].clone();
            if request["setsPassword"] == true {
                body["password"] = json!("set");
            }
            body
        })
        .collect()
}

/// The requests that the operator sends, in the same form, and how many of them until Auth0 rejects one: what follows
/// then is found out by trying.
fn sent(auth0: &mut Auth0) -> (Vec<Value>, usize) {
    let rejected = auth0.log.iter().position(|exchange| exchange.rejected.is_some());
    let mut bodies = auth0.take_bodies();
    let passwords = bodies.iter_mut().filter_map(|body| body.get_mut("password"));
    passwords.for_each(|password| *password = json!("set"));
    let told = rejected.map_or(usize::MAX, |at| at + 1);
    (bodies, told)
}

/// Whether it prints what is sent, as far as Auth0 does as it is told.
fn agree(printed: &Value, (sent, told): &(Vec<Value>, usize)) -> bool {
    let shown = shown(printed);
    if *told == usize::MAX { shown == *sent } else { shown.get(..*told) == sent.get(..*told) }
}

/// An Auth0 that rejects nothing and changes nothing by itself, as far as that is unknown.
fn as_told(mut scene: Scene) -> Scene {
    (scene.rules.phone_refused_beside_pairs, scene.rules.password_beats_blocked) = (false, false);
    scene
}

/// What the Secret holds is not known to `diff`, and that it is there is.
fn with_secret(scene: Scene) -> Scene {
    let secret = match scene.secret {
        Secret::Missing => Secret::Content { text: "After-1", version: 1 },
        secret @ Secret::Content { .. } => secret,
    };
    Scene { secret, ..scene }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn the_requests_that_diff_prints_are_those_that_are_sent(scene in willing().prop_map(with_secret).prop_map(as_told)) {
        let mut auth0 = scene.auth0();
        let mut operator = Operator::new(&scene.card);
        operator.secret = scene.secret;
        let printed = printed(&operator, None, &auth0);
        let report = operator.pass(&mut auth0, Fault::None);
        let sent = sent(&mut auth0);
        prop_assert!(agree(&printed, &sent), "sent {:?}, {}", sent, printed);
        let is_refused = report.end == End::Failed || !report.holds.is_empty();
        prop_assert_eq!(is_refused, printed["refused"] != json!([]), "{}", printed);
    }

    #[test]
    fn whatever_auth0_answers_the_first_request_is_the_printed_one(scene in unwilling().prop_map(with_secret)) {
        let mut auth0 = scene.auth0();
        let mut operator = Operator::new(&scene.card);
        operator.secret = scene.secret;
        let printed = printed(&operator, None, &auth0);
        operator.pass(&mut auth0, Fault::None);
        let (sent, shown) = (sent(&mut auth0), shown(&printed));
        prop_assert_eq!(shown.first(), sent.0.first(), "{}", printed);
    }

    #[test]
    fn beside_the_cluster_nothing_is_printed_that_was_sent_once(
        (scene, edits) in (
            willing().prop_map(with_secret).prop_map(as_told),
            vec((card(), secret(), option(stored_user())), 1..3),
        )
    ) {
        let mut auth0 = scene.auth0();
        let mut operator = Operator::new(&scene.card);
        operator.secret = scene.secret;
        operator.pass(&mut auth0, Fault::None);
        auth0.take_bodies();
        let mut version = 10;
        for (card, secret, drift) in edits {
            let before = live(&operator);
            if let Some(Value::Object(user)) = drift {
                auth0.account.user = user;
                // An edit would go out by what it remembers, and not by what there is.
                operator.last = None;
            }
            // Another content has another version.
            let is_another = |text| operator.secret != Secret::Content { text, version };
            if let Secret::Content { text, .. } = secret && is_another(text) {
                version += 1;
                operator.secret = Secret::Content { text, version };
            }
            operator.edit(&card);
            let printed = printed(&operator, Some(&before), &auth0);
            operator.pass(&mut auth0, Fault::None);
            let sent = sent(&mut auth0);
            let is_clear = printed["unclear"] == json!([]);
            prop_assert!(!is_clear || agree(&printed, &sent), "sent {:?}, {}", sent, printed);
        }
    }
}
