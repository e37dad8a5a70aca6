//! Secrets come out nowhere.

use crate::world::{CLIENT_SECRET, DEADLINE, World, condition, object, person, replace_operator};
use auth0_sandbox::{Connection, Fault, FaultKind};
use lab::{AuditEvents, wait_until};
use serde_json::{Value, json};

/// Planted as a password that Auth0 accepts.
const PASSWORD: &str = "Canary-Password-7b1e";
/// Planted as one that breaks the policy.
const WEAK: &str = "canarypasswordweak";
/// Planted as a client secret that Auth0 does not know.
const WRONG_SECRET: &str = "canary-wrong-secret-90aa";

/// Planted as a secret that Auth0 repeats in other forms, which the characters at its end make.
const SPOKEN: &str = "CanarySpoken9'<\"\\&4Jy%2+Hm";

/// The forms in which the script of a custom database has repeated a secret.
fn spoken() -> [(&'static str, String); 9] {
    let each = |form: fn(u8) -> String| SPOKEN.bytes().map(form).collect::<String>();
    let url = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    let base64 = json!(k8s_openapi::ByteString(format!("user:{SPOKEN}").into_bytes()));
    let html =
        SPOKEN.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#39;");
    [
        ("plain", SPOKEN.to_owned()),
        ("json", json!(SPOKEN).to_string()),
        ("url", each(url)),
        ("base64", base64.as_str().unwrap().to_owned()),
        ("hex", each(|byte| format!("{byte:02x}"))),
        ("sql", SPOKEN.replace('\'', "''")),
        ("html", html),
        ("case", SPOKEN.to_uppercase()),
        ("cut", SPOKEN[..12].to_owned()),
    ]
}

/// A user, and what goes wrong with the request that carries the password.
struct Scene {
    slug: &'static str,
    /// Ready's reason that shows that it went wrong.
    reason: &'static str,
    fault: Option<FaultKind>,
}

fn status(status: u16, body: Option<Value>) -> FaultKind {
    FaultKind::Status { status, body, headers: Vec::new(), after_effect: false }
}

fn scenes() -> Vec<Scene> {
    let scene = |slug, reason, fault| Scene { slug, reason, fault: Some(fault) };
    let unauthorized = json!({"statusCode": 401, "error": "Unauthorized", "message": "Invalid token"});
    vec![
        Scene { slug: "success", reason: "Applied", fault: None },
        Scene { slug: "refused", reason: "PasswordRejected", fault: None },
        scene("unauthorized", "AuthenticationFailed", status(401, Some(unauthorized))),
        scene(
            "forbidden",
            "AuthenticationFailed",
            status(403, Some(json!({"message": "no", "statusCode": 403}))),
        ),
        scene(
            "echo",
            "PasswordRejected",
            status(
                400,
                Some(json!({
                    "statusCode": 400, "error": "Bad Request",
                    "message": format!("PasswordStrengthError: {PASSWORD} is too weak"),
                })),
            ),
        ),
        scene("broken", "Auth0Unavailable", status(503, None)),
        scene("limited", "RateLimited", FaultKind::RateLimited { reset_in: Some(2) }),
        scene("cut", "Auth0Unavailable", FaultKind::Cut { after_effect: false }),
        scene("cut-late", "Auth0Unavailable", FaultKind::Cut { after_effect: true }),
        scene("garbage", "Auth0Unavailable", FaultKind::Garbage),
        scene("truncated", "Auth0Unavailable", FaultKind::Truncated),
        scene("page", "Applied", FaultKind::WrongContentType),
        scene("large", "Auth0Unavailable", FaultKind::Oversized),
        scene("elsewhere", "Auth0Unavailable", FaultKind::Redirect { location: "https://localhost/".into() }),
        scene("lost", "Auth0Unavailable", FaultKind::BareNotFound),
    ]
}

/// Where a canary must not be: a name for each place and what is there.
async fn places(world: &World) -> Vec<(String, String)> {
    let mut places = vec![("the operator's log".to_owned(), world.operator.log().unwrap())];
    for kind in ["auth0userupdates", "auth0tenants", "events", "events.events.k8s.io"] {
        let output = world.kubectl.run(["get", kind, "-o", "yaml"], "").await.unwrap();
        places.push((kind.to_owned(), output.ok().unwrap()));
    }
    let writes = world.plane.audit().unwrap().writes().within(&world.namespace);
    let mut own = 0;
    for event in writes.into_iter().filter(|event| !event.user_agent.starts_with("kubectl")) {
        own += 1;
        places.push((
            format!("audit log, {} {}", event.verb, event.request_uri),
            format!("{}{}", event.request_object, event.response_object),
        ));
    }
    assert!(own > 20, "the audit log shows only {own} writes of the operator");
    places
}

/// The canary as it is, and as base64 in each of the three ways in which it can lie in a longer text.
pub(super) fn forms(canary: &str) -> Vec<String> {
    let base64 = |skip: usize| {
        let bytes = [vec![0; skip], canary.as_bytes().to_vec()].concat();
        let text = json!(k8s_openapi::ByteString(bytes)).as_str().unwrap().to_owned();
        // The digits at both ends depend on the neighbours.
        text[skip * 4 / 3 + usize::from(skip > 0)..text.len() - 4].to_owned()
    };
    let mut forms = vec![canary.to_owned()];
    forms.extend((0..3).map(base64));
    forms
}

/// Fails where a canary is in one of the places, and answers how many there are.
async fn are_nowhere(world: &World, canaries: &[String]) -> usize {
    let places = places(world).await;
    let mut found = Vec::new();
    for (place, text) in &places {
        for canary in canaries {
            for form in forms(canary).iter().filter(|form| text.contains(form.as_str())) {
                let around = text.lines().find(|line| line.contains(form.as_str())).unwrap_or_default();
                found.push(format!("{form} in {place}: {}", around.chars().take(600).collect::<String>()));
            }
        }
    }
    assert!(found.is_empty(), "{} finds:\n{}", found.len(), found.join("\n"));
    places.len()
}

#[test]
fn a_canary_is_found_wherever_it_lies_in_a_base64_text() {
    for before in ["", "x", "xy", "xyz"] {
        let text = json!(k8s_openapi::ByteString(format!("{before}{PASSWORD}!").into_bytes())).to_string();
        assert!(forms(PASSWORD).iter().any(|form| text.contains(form.as_str())), "{text}");
    }
}

#[tokio::test]
async fn no_password_client_secret_or_token_comes_out_anywhere() {
    let mut world = World::start("canaries").await;
    let kubeconfig = world.plane.kubeconfig().to_owned();
    replace_operator(&mut world, &kubeconfig, "trace").await;
    world.sandbox.put_connection(Connection::database("Strict").with("passwordPolicy", json!("good")));
    let scenes = scenes();
    let mut cards = Vec::new();
    for scene in &scenes {
        let slug = scene.slug;
        let refused = slug == "refused";
        world.sandbox.put_user(person(slug, if refused { "Strict" } else { "People" })).unwrap();
        world.apply_secret(slug, &json!({"password": if refused { WEAK } else { PASSWORD }})).await;
        if let Some(fault) = &scene.fault {
            let path = format!("/api/v2/users/auth0%7C{slug}");
            let fault = Fault::new(fault.clone()).method("PATCH").path(&path);
            // Auth0 can repeat what it was sent.
            let body_key = (slug == "echo").then(|| "password".to_owned());
            world.sandbox.fault(Fault { body_key, ..fault });
        }
        let card = json!({
            "userId": format!("auth0|{slug}"), "email": format!("{slug}@new.example.com"),
            "passwordSecretRef": {"name": slug, "key": "password"},
        });
        cards.push((slug, card));
    }
    // Content that is no text, and credentials that Auth0 does not take.
    let bytes = [PASSWORD.as_bytes(), &[0xff]].concat();
    let binary = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "binary", "labels": {lab::USE_LABEL: "password"}},
        "data": {"password": k8s_openapi::ByteString(bytes)},
    });
    world.kubectl.apply(&binary.to_string()).await.unwrap();
    world.add_person("binary");
    cards.push((
        "binary",
        json!({"userId": "auth0|binary", "passwordSecretRef": {"name": "binary", "key": "password"}}),
    ));
    world.apply_secret("wrong", &json!({"clientId": "operator", "clientSecret": WRONG_SECRET})).await;
    let wrong = json!({"domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "wrong"}, "rateLimit": crate::world::unhurried()});
    world.objects.apply(&object("Auth0Tenant", "wrong", &wrong)).await.unwrap();
    world.apply_all(cards).await;

    world.until_reason("auth0tenant/wrong", "AuthenticationFailed").await;
    world.until_reason("auth0userupdate/binary", "InvalidRequest").await;
    for Scene { slug, reason, .. } in &scenes {
        wait_until(&format!("{reason} of {slug}"), DEADLINE, async || {
            let ready = condition(&world.get(&format!("auth0userupdate/{slug}")).await, "Ready");
            if ready.1 == *reason { Ok(()) } else { Err(format!("{ready:?}")) }
        })
        .await
        .unwrap();
    }
    // A token that is no longer good, and a Secret that is rotated.
    world.sandbox.clear_faults();
    world.sandbox.expire_tokens();
    world.until_all_is_quiet().await;

    let tokens: Vec<String> = world
        .sandbox
        .log()
        .iter()
        .filter_map(|call| Some(call.answer.as_ref()?.get("access_token")?.as_str()?.to_owned()))
        .collect();
    assert!(tokens.len() >= 2, "{} tokens", tokens.len());
    // A cut connection takes other requests on it along, so a password may only go out with the next try.
    wait_until("a request with the password of every scene but the refused one", DEADLINE, async || {
        let sent = world.bodies().iter().filter(|body| body["password"] == PASSWORD).count();
        if sent >= scenes.len() - 1 { Ok(()) } else { Err(sent) }
    })
    .await
    .unwrap();
    // Of a token its claims tell nothing: the signature is what opens doors.
    let signatures = tokens.iter().filter_map(|token| token.rsplit('.').next()).map(str::to_owned);
    let planted = [PASSWORD, WEAK, CLIENT_SECRET, WRONG_SECRET].map(str::to_owned);
    let canaries: Vec<String> = planted.into_iter().chain(tokens.clone()).chain(signatures).collect();
    let places = are_nowhere(&world, &canaries).await;
    let log = world.operator.log().unwrap();
    assert!(log.contains("TRACE"), "the log is not at trace level");
    println!(
        "{} canaries, each also as base64, in none of {} places; {} lines of log at trace level",
        canaries.len(),
        places,
        log.lines().count()
    );
}

#[tokio::test]
async fn a_secret_that_auth0_repeats_comes_out_in_no_form() {
    let mut world = World::start("canaries-spoken").await;
    let kubeconfig = world.plane.kubeconfig().to_owned();
    replace_operator(&mut world, &kubeconfig, "trace").await;
    let spoken = spoken();
    world.apply_secret("spoken", &json!({"clientId": "operator", "clientSecret": SPOKEN})).await;
    world.apply_secret("spoken-password", &json!({"password": SPOKEN})).await;
    let password = json!({"name": "spoken-password", "key": "password"});
    let mut cards = Vec::new();
    for (slug, form) in &spoken {
        world.sandbox.put_user(person(slug, "People")).unwrap();
        let text = format!("Error: cannot log in with {form}");
        let body = json!({"statusCode": 400, "error": form, "errorCode": form, "message": text});
        let path = format!("/api/v2/users/auth0%7C{slug}");
        world.sandbox.fault(Fault::new(status(400, Some(body))).method("PATCH").path(&path));
        cards.push((*slug, json!({"userId": format!("auth0|{slug}"), "passwordSecretRef": password})));
    }
    world.apply_all(cards).await;
    for (slug, _) in &spoken {
        world.until_reason(&format!("auth0userupdate/{slug}"), "PasswordRejected").await;
    }
    // The tenant that these use has its token by now.
    let forms = spoken.iter().map(|(_, form)| form.as_str()).collect::<Vec<_>>().join(" ");
    let echo = json!({"error": forms, "error_description": format!("No {forms}")});
    world.sandbox.fault(Fault::new(status(401, Some(echo))).path("/oauth/token"));
    let tenant = json!({"domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "spoken"}});
    world.objects.apply(&object("Auth0Tenant", "spoken", &tenant)).await.unwrap();
    world.until_reason("auth0tenant/spoken", "AuthenticationFailed").await;
    world.until_all_is_quiet().await;
    // Their beginnings, which look the same in YAML and in JSON.
    let beginning = |(_, form): &(&str, String)| form.trim_matches('"')[..12].to_owned();
    are_nowhere(&world, &spoken.iter().map(beginning).collect::<Vec<_>>()).await;
}
